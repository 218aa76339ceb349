package engine

import (
	"context"
	"fmt"
	"io/fs"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/filter"
)

// What git ignores is said by files of the source (--gitignore). The destination
// protects it by the same files, which come with the listings: its own ones are
// missing at the first run, and of yesterday at every other.

// wantsGitRules reports whether the destination needs the source's rules: for what it deletes.
func (j *Job) wantsGitRules() bool {
	return j.Filter != nil && j.Filter.GitProtects() && (j.Delete || j.Force)
}

// sendGitRules sends what the directories have of git's rules, where the destination
// wants to know.
func (s *source) sendGitRules(ctx context.Context, d *walker.Dir) error {
	if !s.job.wantsGitRules() || d.Git.Empty() {
		return nil
	}
	g := d.Git
	d.Git = walker.GitRules{}
	if len(g.Ignore) > wire.MaxGitRules || len(g.Exclude) > wire.MaxGitRules {
		return wire.Errorf(wire.CodeUnsupported, "%q has more than %d bytes of rules for git: they cannot be used with --gitignore", s.dirName(d), wire.MaxGitRules)
	}
	return s.conn.Send(ctx, &wire.GitRules{Dir: d.Index, Repo: g.Repo, Ignore: g.Ignore, Exclude: g.Exclude})
}

// gitRules are those of the source's directories whose listings are still to come.
type gitRules struct {
	dirs map[int]*wire.GitRules
	size int
}

// maxGitAhead is how many bytes of rules may come ahead of listings.
const maxGitAhead = 16 << 20

// gitCost is what rules of a directory take beside their text.
const gitCost = 128

// learn takes what the source says of a directory.
func (g *gitRules) learn(job *Job, listed map[int]*destDir, m *wire.GitRules) error {
	switch {
	case !job.wantsGitRules():
		return fmt.Errorf("%w: git's rules come that nobody asked for", wire.ErrProtocol)
	case g.dirs[m.Dir] != nil || listed[m.Dir] != nil:
		return fmt.Errorf("%w: git's rules of directory %d come again or too late", wire.ErrProtocol, m.Dir)
	}
	size := len(m.Ignore) + len(m.Exclude) + gitCost
	if g.size+size > maxGitAhead {
		return wire.Errorf(wire.CodeMemory, "the source has more than %d bytes of rules for git", maxGitAhead)
	}
	if g.dirs == nil {
		g.dirs = map[int]*wire.GitRules{}
	}
	g.size += size
	g.dirs[m.Dir] = m
	return nil
}

// read returns a file of a directory of the source, for [filter.Scope.Enter].
func (g *gitRules) read(dir int, name string) ([]byte, error) {
	m := g.dirs[dir]
	var data []byte
	switch {
	case m == nil:
	case name == filter.GitRepo:
		if m.Repo {
			return nil, nil
		}
	case filter.IsGitExclude(name):
		data = m.Exclude
	default:
		data = m.Ignore
	}
	if data == nil {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

// done forgets what a directory has, whose rules are in force now.
func (g *gitRules) done(dir int) {
	if m := g.dirs[dir]; m != nil {
		g.size -= len(m.Ignore) + len(m.Exclude) + gitCost
		delete(g.dirs, dir)
	}
}
