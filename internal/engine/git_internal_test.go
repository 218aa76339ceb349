package engine

import (
	"errors"
	"testing"

	"gosync/transport/wire"
	"gosync/walker/filter"
)

// TestGitRulesRefused: a source tells of git's rules where they were asked for, once,
// and no more than there is room for.
func TestGitRulesRefused(t *testing.T) {
	t.Parallel()
	set := new(filter.Set)
	set.GitIgnore()
	job := &Job{}
	job.Delete = true
	rules := func(dir, size int) *wire.GitRules { return &wire.GitRules{Dir: dir, Ignore: make([]byte, size)} }
	var g gitRules
	if err := g.learn(job, nil, rules(0, 1)); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("rules that nobody asked for: %v", err)
	}
	job.Filter = set.WithDeleteExcluded()
	if err := g.learn(job, nil, rules(0, 1)); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("rules that protect nothing: %v", err)
	}
	job.Filter, job.Delete = set, false
	if err := g.learn(job, nil, rules(0, 1)); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("rules where nothing is removed: %v", err)
	}
	job.Force = true
	if err := g.learn(job, nil, rules(0, 1)); err != nil {
		t.Error(err)
	}
	if err := g.learn(job, nil, rules(0, 1)); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("rules that come twice: %v", err)
	}
	if err := g.learn(job, map[int]*destDir{3: {}}, rules(3, 1)); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("rules behind their listing: %v", err)
	}
	g.done(0)
	var err error
	for dir := 1; err == nil && dir < 1<<20; dir++ {
		err = g.learn(job, nil, rules(dir, wire.MaxGitRules))
	}
	var w *wire.Error
	if !errors.As(err, &w) || w.Code != wire.CodeMemory {
		t.Errorf("rules without end: %v", err)
	}
	for dir := range g.dirs {
		g.done(dir)
	}
	if g.size != 0 || len(g.dirs) != 0 {
		t.Errorf("%d bytes of %d directories are left", g.size, len(g.dirs))
	}
}
