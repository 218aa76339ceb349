package walker

import (
	"bytes"
	"context"
	"io/fs"
	"strings"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// GitRules is what a directory has that git reads to know what it ignores: see
// [filter.Set.GitIgnore].
type GitRules struct {
	Repo    bool   // a repository begins in it
	Ignore  []byte // content of .gitignore
	Exclude []byte // ... of .git/info/exclude
}

// Empty reports whether there is nothing.
func (g *GitRules) Empty() bool { return !g.Repo && len(g.Ignore) == 0 && len(g.Exclude) == 0 }

// readGit reads a file of git's rules in a place of j, and notes it there. What is
// no regular file is none, as for git.
func (l *lister) readGit(ctx context.Context, j *job, p place, name string, entries []manifest.Entry) ([]byte, error) {
	first, _, nested := strings.Cut(name, "/")
	i, ok := manifest.Find(entries, first)
	g := &j.dir.Git
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case name == filter.GitRepo:
		g.Repo = true
		return nil, nil
	case nested && !entries[i].IsDir() || !nested && !entries[i].IsRegular():
		return nil, fs.ErrNotExist
	}
	data, err := p.Tree.ReadFile(ctx, manifest.Join(p.Dir, name), filter.MaxGit)
	if err != nil {
		return nil, err
	}
	if filter.IsGitExclude(name) {
		g.Exclude = append(g.Exclude, data...)
	} else {
		g.Ignore = append(g.Ignore, data...)
	}
	return data, nil
}

// mergeGit makes one of the rules of several places: for whoever looks at them as
// one directory, what any of them ignores is ignored.
func (d *Dir) mergeGit() {
	g := &d.Git
	if len(d.origins) < 2 || g.Empty() {
		return
	}
	var all []byte
	for line := range bytes.Lines(append(append(g.Exclude, '\n'), g.Ignore...)) {
		if line[0] != '!' {
			all = append(all, line...)
		}
	}
	*g = GitRules{Ignore: all}
}
