package filter

import (
	"errors"
	"fmt"
	"io/fs"

	"gosync/walker/gitignore"
)

// GitRepo is what [Scope.Open] and [Scope.Enter] ask for to learn whether a repository begins in
// a directory: whether it has something of that name, which need not be a file and whose content
// does not count.
const GitRepo = gitignore.Repo

// MaxGit is the greatest size in bytes of a file that git's rules are read from.
const MaxGit = gitignore.MaxBytes

// GitIgnore makes what git ignores excluded, on both sides, where no rule of the set decides. The
// files that say so are asked for by [IsGit] names.
func (s *Set) GitIgnore() { s.git = true }

// GitIgnores reports whether [Set.GitIgnore] was called.
func (s *Set) GitIgnores() bool { return s.git }

// GitProtects reports whether what git ignores is protected at the receiver.
func (s *Set) GitProtects() bool { return s.git && !s.senderOnly }

// IsGit reports whether a name is that of a file with git's rules, or [GitRepo]. The name of one
// of them has slashes.
func IsGit(name string) bool {
	return name == gitignore.Name || name == gitignore.Exclude || name == gitignore.Repo
}

// IsGitExclude reports whether a name is that of the file for a whole repository.
func IsGitExclude(name string) bool { return name == gitignore.Exclude }

// ignored reports whether git ignores an entry, and that counts on a side.
func (sc *Scope) ignored(name string, isDir bool, side Side) bool {
	return sc.git != nil && (side == Sender || sc.set.GitProtects()) && sc.git.Ignored(name, isDir)
}

// beginGit reads the files of the root.
func (sc *Scope) beginGit(read func(name string) ([]byte, error)) (err error) {
	if sc.git == nil {
		return nil
	}
	f, err := gitFiles(read)
	if err == nil {
		sc.git, err = gitignore.Root(f)
	}
	return err
}

// enterGit reads the files of a directory whose parent has the rules up.
func (sc *Scope) enterGit(up *gitignore.Dir, name string, read func(name string) ([]byte, error)) error {
	if up == nil {
		return nil
	}
	f, err := gitFiles(read)
	if err == nil {
		sc.git, err = up.Enter(name, f)
	}
	return err
}

func gitFiles(read func(name string) ([]byte, error)) (f gitignore.Files, err error) {
	if read == nil {
		return f, nil
	}
	_, err = read(gitignore.Repo)
	if f.Repo = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if f.Ignore, err = gitPatterns(read, gitignore.Name); err == nil && f.Repo {
		f.Exclude, err = gitPatterns(read, gitignore.Exclude)
	}
	return f, err
}

func gitPatterns(read func(name string) ([]byte, error), name string) (*gitignore.Patterns, error) {
	data, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var p *gitignore.Patterns
	if err == nil {
		p, err = gitignore.Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return p, nil
}
