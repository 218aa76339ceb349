package filter

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gosync/walker/gitignore"
)

// Scope is the rules in force in one directory, those of its per-directory merge files and of its
// parents' included. It is immutable and safe for concurrent use. A scope with rules of its own
// takes up to some 150 bytes per rule in force; it does not keep the scopes above it alive.
type Scope struct {
	set    *Set
	dir    *dirName // of this directory, nil for the root
	depth  int
	prefix string // absolute path of the root, path in the transfer, each with its trailing slash
	root   int    // length of the root's path in prefix, without its trailing slash
	doomed bool   // perishable rules do not count

	merges []merge        // the set itself, then the dir-merge rules met on the way here
	table  *table         // the rules in order, shared with the parent if this directory adds none
	active []active       // what table comes down to in this directory
	git    *gitignore.Dir // what git ignores in it; nil where that does not matter
}

// dirName is a path, last component first.
type dirName struct {
	name string
	up   *dirName
}

// merge is a list of rules in force: the set's, or those a dir-merge rule has brought in.
type merge struct {
	rule  *rule // the dir-merge rule, nil for the set
	items []item
	local bool // the dir-merge rule comes from a per-directory merge file
}

// item is a rule in force, or the place where the rules of a merge stand.
type item struct {
	rule  *rule
	depth int // of the directory an anchored pattern starts from
	start int // the same as an index into prefix
	merge int // index into merges of a dir-merge rule, 0 for a pattern
}

// Root returns the scope of the transfer's root directory without its own merge files, for which
// see [Scope.Open]. Rules with the "/" modifier see the root as the root of the file system.
func (s *Set) Root() *Scope { return s.RootAt("") }

// RootAt is [Set.Root] for a root directory whose absolute path, with slashes, is dir. The path
// matters only to rules with the "/" modifier.
func (s *Set) RootAt(dir string) *Scope {
	dir = strings.Trim(dir, "/")
	if dir != "" {
		dir = "/" + dir
	}
	sc := &Scope{set: s, prefix: dir + "/", root: len(dir), merges: make([]merge, 1)}
	items := make([]item, 0, len(s.rules))
	for i := range s.rules {
		items = sc.place(items, &s.rules[i], false)
	}
	sc.merges[0].items = items
	sc.table = newTable(sc.merges)
	sc.active = sc.table.names
	sc.settle()
	if s.git {
		sc.git = new(gitignore.Dir)
	}
	return sc
}

// Open returns the scope with the merge files of the directory itself applied; it is meant for
// the scope of the root directory, once. For read see [Scope.Enter].
func (sc *Scope) Open(read func(name string) ([]byte, error)) (*Scope, error) {
	opened := *sc
	opened.merges = slices.Clone(sc.merges)
	if err := opened.beginGit(read); err != nil {
		return nil, err
	}
	if err := opened.load(read); err != nil {
		return nil, err
	}
	return &opened, nil
}

// Enter returns the scope of the directory name in sc's directory. read returns the content of a
// merge file in that directory, of which the name is one component; it answers fs.ErrNotExist
// for a file that is missing or not regular. Any other error, and errors in the rules, end the
// entering: without its rules a directory must not be listed, and nothing in it deleted. read may
// be nil if merge files do not count, and is called at most once per dir-merge rule in force and
// merge file these name.
func (sc *Scope) Enter(name string, read func(name string) ([]byte, error)) (*Scope, error) {
	child := &Scope{
		set: sc.set, dir: &dirName{name, sc.dir}, depth: sc.depth + 1, doomed: sc.doomed,
		prefix: sc.prefix + name + "/", root: sc.root,
		merges: sc.merges, table: sc.table, active: sc.active,
	}
	if err := child.enterGit(sc.git, name, read); err != nil {
		return nil, err
	}
	if len(sc.merges) > 1 {
		child.merges = slices.Clone(sc.merges)
		changed := false
		for i := range child.merges[1:] {
			if m := &child.merges[i+1]; m.rule.flags&flagNoInherit != 0 && len(m.items) > 0 {
				m.items, changed = nil, true
			}
		}
		if changed {
			child.table = newTable(child.merges)
		}
		if err := child.load(read); err != nil {
			return nil, err
		}
		return child, nil
	}
	child.settle()
	return child, nil
}

// Doomed returns the same scope for a directory that is itself being deleted: perishable rules do
// not count in it and below.
func (sc *Scope) Doomed() *Scope {
	d := *sc
	d.doomed = true
	return &d
}

// load reads the merge files of sc's directory. Only the new scope may be given, its merges are
// changed. The loop covers dir-merge rules that are found while it runs.
func (sc *Scope) load(read func(name string) ([]byte, error)) error {
	changed := false
	for i := 1; i < len(sc.merges) && read != nil; i++ {
		name := sc.merges[i].rule.pat
		data, err := read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = sc.parse(i, data, read)
		}
		if err != nil {
			if sc.merges[i].local {
				name = hidden
			}
			return fmt.Errorf("reading merge file %q: %w", sc.prefix[sc.root+1:]+name, err)
		}
		changed = true
	}
	if changed {
		if err := sc.check(); err != nil {
			return fmt.Errorf("merge files for %q: %w", sc.prefix[sc.root+1:], err)
		}
		sc.table = newTable(sc.merges)
	}
	sc.active = sc.table.names
	sc.settle()
	return nil
}

// parse puts the rules of a merge file before those that are inherited from the parent.
func (sc *Scope) parse(i int, data []byte, read func(name string) ([]byte, error)) error {
	r := sc.merges[i].rule
	local := &localList{sc: sc, force: r.flags & flagPerishable, inherited: sc.merges[i].items, merges: len(sc.merges)}
	rd := reader{to: local, open: read, plain: true, nul: sc.set.nul}
	tm := template{flags: r.flags, senderOnly: sc.set.senderOnly}
	name := r.pat
	if sc.merges[i].local {
		name = hidden
	}
	if err := rd.push(source{name: name, data: data, nul: rd.nul, tm: tm}); err != nil {
		return err
	}
	if err := rd.run(); err != nil {
		return err
	}
	sc.merges[i].items = slices.Concat(local.items, local.inherited)
	return nil
}

// check holds the limits on the rules in force.
func (sc *Scope) check() error {
	rules, size := 0, 0
	for _, m := range sc.merges {
		rules += len(m.items)
		for i := range m.items {
			size += len(m.items[i].rule.pat)
		}
	}
	if rules > MaxRules || size > MaxBytes {
		return fmt.Errorf("%w: at most %d rules and %d bytes in force", ErrLimit, MaxRules, MaxBytes)
	}
	return nil
}

// place appends a rule that takes effect in sc's directory. A dir-merge rule for a file that is
// merged already does nothing, as in rsync, even if a "!" has cut off the place of the earlier one.
func (sc *Scope) place(items []item, r *rule, local bool) []item {
	it := item{rule: r, depth: sc.depth, start: len(sc.prefix)}
	if r.flags&flagDirMerge != 0 {
		for _, m := range sc.merges[1:] {
			if m.rule.pat == r.pat {
				return items
			}
		}
		it.merge = len(sc.merges)
		sc.merges = append(sc.merges, merge{rule: r, local: local})
	}
	return append(items, it)
}

// localList takes the rules of one merge file in one directory.
type localList struct {
	sc        *Scope
	items     []item
	inherited []item
	force     flags // a perishable merge rule makes perishable what is not so by itself
	merges    int   // number of merges before this file
}

func (l *localList) add(f flags, pat string) error {
	if len(l.items) == MaxRules {
		return fmt.Errorf("%w: more than %d rules", ErrLimit, MaxRules)
	}
	if f&flagDirMerge != 0 && len(l.sc.merges) > MaxMerges {
		return fmt.Errorf("%w: at most %d dir-merge rules", ErrLimit, MaxMerges)
	}
	r := newRule(f|l.force, pat)
	l.items = l.sc.place(l.items, &r, true)
	return nil
}

// clear drops what the file has said so far, its dir-merge rules included, and what it inherits.
func (l *localList) clear() error {
	l.items, l.inherited = nil, nil
	l.sc.merges = l.sc.merges[:l.merges]
	return nil
}
