package localfs

import (
	"context"
	"io/fs"
	"os"
	"os/user"
	"strings"

	"gosync/walker/glob"
)

// Expand implements [engine.Host]. It does what a shell does with an unquoted
// word: ~ and ~user at the start, then *, ? and [...] in each component, where
// a leading dot is matched by a dot only and a backslash takes the meaning of
// the wildcard behind it (elsewhere it is itself, as in rsync's arguments). Matches are sorted; a pattern without any, or a user that does not
// exist, stands for itself.
func (h *Host) Expand(ctx context.Context, path string) ([]string, error) {
	return glob.Expand(ctx, machine{}, home(glob.Plain(path)))
}

// home replaces a leading ~ or ~user by the home directory.
func home(path string) string {
	if !strings.HasPrefix(path, "~") {
		return path
	}
	name, rest, slash := strings.Cut(path[1:], "/")
	dir := ""
	switch {
	case name == "":
		dir, _ = os.UserHomeDir()
	case !strings.ContainsAny(name, `\*?[`):
		if u, err := user.Lookup(name); err == nil {
			dir = u.HomeDir
		}
	}
	if dir == "" {
		return path
	}
	dir = glob.Escape(dir)
	if slash {
		return strings.TrimRight(dir, "/") + "/" + rest
	}
	return dir
}

// machine is all that this machine has.
type machine struct{}

func (machine) Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (machine) IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (machine) ReadDir(path string) []fs.DirEntry {
	entries, _ := os.ReadDir(path) // what cannot be read has no matches
	return entries
}
