package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gosync/walker/manifest"
)

// Entry is a file as a listing shows it.
type Entry struct {
	Name         string
	Mode         fs.FileMode
	Size         int64
	ModTime      time.Time
	UID, GID     uint32
	Owner, Group string // "": only the number is known
	Links        uint64 // 0: not known
	Target       string // of a symlink, where it was asked for
}

// FS is a tree of files that can be listed, here or on the far side.
type FS interface {
	// ReadDir returns the entries of a directory in the order of their bytes, with
	// the targets of symlinks where links says so. An error may come along with
	// the entries that could be had.
	ReadDir(ctx context.Context, dir string, links bool) ([]Entry, error)
	// Stat follows a symlink at the end of the path, Lstat does not.
	Stat(ctx context.Context, name string) (Entry, error)
	Lstat(ctx context.Context, name string) (Entry, error)
	ReadLink(ctx context.Context, name string) (string, error)
}

// checkNames sorts entries, and drops those whose names are no single component or
// come twice: a server may send anything.
func checkNames(dir string, entries []Entry) ([]Entry, error) {
	var err error
	entries = slices.DeleteFunc(entries, func(e Entry) bool {
		bad := manifest.ValidName(e.Name)
		if bad != nil && err == nil {
			err = &fs.PathError{Op: "list", Path: dir, Err: fmt.Errorf("the server sent the name %q, which is left out: %w", e.Name, bad)}
		}
		return bad != nil
	})
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(entries, func(a, b Entry) bool { return a.Name == b.Name }), err
}

// join puts a name below a directory. Unlike path.Join it leaves .. alone, which
// means something else behind a symlink.
func join(dir, name string) string {
	switch {
	case dir == "" || dir == ".":
		return name
	case strings.HasSuffix(dir, "/"):
		return dir + name
	}
	return dir + "/" + name
}

// baseName is the last component of p, without slashes at the end.
func baseName(p string) string { return path.Base(p) }

// Local is the file system of this machine.
type Local struct{}

// ReadDir implements FS.
func (Local) ReadDir(ctx context.Context, dir string, links bool) ([]Entry, error) {
	if dir == "" {
		dir = "."
	}
	infos, err := os.ReadDir(dir)
	var entries []Entry
	for _, d := range infos {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		info, statErr := d.Info()
		if errors.Is(statErr, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		e := localEntry(info)
		if links && e.Mode.Type() == fs.ModeSymlink {
			e.Target, _ = os.Readlink(join(dir, e.Name)) // "" is shown as such
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, err
}

// Stat implements FS.
func (Local) Stat(_ context.Context, name string) (Entry, error) {
	info, err := os.Stat(here(name))
	if err != nil {
		return Entry{}, err
	}
	return localEntry(info), nil
}

// Lstat implements FS.
func (Local) Lstat(_ context.Context, name string) (Entry, error) {
	info, err := os.Lstat(here(name))
	if err != nil {
		return Entry{}, err
	}
	return localEntry(info), nil
}

// ReadLink implements FS.
func (Local) ReadLink(_ context.Context, name string) (string, error) { return os.Readlink(name) }

// here is what the empty path means.
func here(name string) string {
	if name == "" {
		return "."
	}
	return name
}

func localEntry(info fs.FileInfo) Entry {
	e := Entry{Name: info.Name(), Mode: info.Mode(), Size: info.Size(), ModTime: info.ModTime()}
	fillOwner(&e, info)
	return e
}

// owners puts in the names of owners, asking the system once for each.
func (Local) owners(entries []Entry) {
	users, groups := map[uint32]string{}, map[uint32]string{}
	for i := range entries {
		e := &entries[i]
		if _, ok := users[e.UID]; !ok {
			users[e.UID] = ""
			if u, err := user.LookupId(strconv.FormatUint(uint64(e.UID), 10)); err == nil {
				users[e.UID] = u.Username
			}
		}
		if _, ok := groups[e.GID]; !ok {
			groups[e.GID] = ""
			if g, err := user.LookupGroupId(strconv.FormatUint(uint64(e.GID), 10)); err == nil {
				groups[e.GID] = g.Name
			}
		}
		e.Owner, e.Group = users[e.UID], groups[e.GID]
	}
}
