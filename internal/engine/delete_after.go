package engine

import (
	"cmp"
	"context"
	"strings"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// --delete-after with rules in files of directories: what they protect is said by those that
// the destination has when the transfer is over, the new ones among them. Until then it is
// only noted what is extraneous.

// lateDir is a directory with what is extraneous in it, protected or not, in the order of removal.
type lateDir struct {
	dir   *destDir
	extra []manifest.Entry
}

// judgesLate reports whether deletions are judged when all is in place. In a dry run no new rules
// will be there, and git's rules come with the listings and are forgotten with them.
func (d *dest) judgesLate() bool {
	return d.job.JudgeAfter && !d.job.DryRun && d.tree != nil && d.job.Filter != nil && d.job.Filter.PerDirectory() && !d.job.Filter.GitProtects()
}

// judgeLate collects, judges and announces what is to be removed at the end.
func (p *planner) judgeLate(ctx context.Context) error {
	d := p.d
	defer d.conn.Work()()
	begun, end := context.WithCancel(ctx)
	p.ahead = d.newLookahead(begun)
	defer p.ahead.wait()
	defer end()
	d.blocked = nil // they were judged, and dealt with
	if err := p.collectLate(ctx); err != nil {
		return err
	}
	if n := entriesOf(d.dead); n > 0 {
		if err := d.guard(ctx, n); err != nil {
			return err
		}
	}
	if err := p.missing(ctx); err != nil {
		return err
	}
	d.announceDeletions()
	return nil
}

// collectLate collects what the rules of now do not protect.
func (p *planner) collectLate(ctx context.Context) error {
	d := p.d
	if counted := d.dstEntries; d.job.DetectRenames {
		defer func() { d.dstEntries = counted }() // by findStrays
	}
	chain := ruleChain{p: p}
	for i := range d.late {
		dir := d.late[i].dir
		scope, err := chain.at(ctx, dir)
		if err != nil {
			return err
		}
		if scope == nil {
			continue
		}
		extra := d.late[i].extra[:0]
		for _, e := range d.late[i].extra {
			if !scope.Excluded(e.Name, e.IsDir(), filter.Receiver) {
				extra = append(extra, e)
			}
		}
		gone, err := p.subtrees(ctx, dir, extra, scope)
		if err != nil {
			return err
		}
		if entriesOf(gone) > 0 {
			dir.touched.Store(true)
		}
		d.dead = append(d.dead, gone...)
	}
	d.late = nil
	return nil
}

// ruleChain is the rules in force in a directory and in those above it, by what the
// destination has now. Directories come in the order of the walk, so few are entered twice.
type ruleChain struct {
	p      *planner
	names  []string        // of the directories below the root, in the transfer
	scopes []*filter.Scope // of the root and of these; nil where rules cannot be read, and below
}

// at returns the rules in force in dir; nil where they cannot be read, which it reports.
func (c *ruleChain) at(ctx context.Context, dir *destDir) (*filter.Scope, error) {
	names, path := components(dir.shown), components(dir.path)
	n := 0
	for n < min(len(names), len(c.names)) && names[n] == c.names[n] {
		n++
	}
	c.names, c.scopes = names, c.scopes[:min(n+1, len(c.scopes))]
	for n = len(c.scopes); n <= len(names); n++ {
		var scope *filter.Scope
		var err error
		read := c.p.mergeFile(ctx, &destDir{path: strings.Join(path[:n], "/")})
		switch {
		case n == 0:
			scope, err = c.p.d.scope().Open(read)
		case c.scopes[n-1] != nil:
			scope, err = c.scopes[n-1].Enter(names[n-1], read)
		}
		if err != nil {
			scope = nil
			if err := c.p.d.fileFailed("filter", cmp.Or(strings.Join(names[:n], "/"), "."), err); err != nil {
				return nil, err
			}
		}
		c.scopes = append(c.scopes, scope)
	}
	return c.scopes[len(names)], nil
}
