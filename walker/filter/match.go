package filter

import "strings"

// table is the rules in force in order, with the lists of merge files in their places. Directories
// without rules of their own share their parent's.
type table struct {
	items  []item             // rules on names of files; dir-merge rules replaced by what they brought
	xattrs []item             // rules on names of extended attributes
	names  []active           // items whose meaning does not depend on the directory
	lits   map[string][]int32 // literal names: their places in items, nil if there are few
	paths  bool               // items holds patterns that depend on the directory
}

// active is a rule in one directory.
type active struct {
	ord  int32
	rule *rule
	glob *glob // for the name; nil: the rule's program for the whole path
	from int   // anchored program: where the text starts in the full path
}

// manyLiterals is the number of literal names from which on a map is faster than comparing.
const manyLiterals = 24

// newTable flattens the lists of a scope.
func newTable(merges []merge) *table {
	t := new(table)
	stack := [][]item{merges[0].items}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(*top) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		it := (*top)[0]
		*top = (*top)[1:]
		switch {
		case it.merge > 0:
			// Each merge has one place, and only a later one can be placed in it, so this ends.
			stack = append(stack, merges[it.merge].items)
		case it.rule.flags&flagXattr != 0:
			t.xattrs = append(t.xattrs, it)
		default:
			t.items = append(t.items, it)
		}
	}
	t.index()
	return t
}

// index sorts the items by how they are looked up.
func (t *table) index() {
	literals := 0
	for i := range t.items {
		if t.items[i].rule.literal() {
			literals++
		}
	}
	if literals >= manyLiterals {
		t.lits = make(map[string][]int32, literals)
	}
	for i := range t.items {
		r := t.items[i].rule
		switch {
		case r.form.kind != formName:
			t.paths = true
		case t.lits != nil && r.literal():
			name := r.form.comps[0].a
			t.lits[name] = append(t.lits[name], int32(i))
		default:
			t.names = append(t.names, active{ord: int32(i), rule: r, glob: &r.form.comps[0]})
		}
	}
}

// literal reports whether the rule takes effect on exactly one name.
func (r *rule) literal() bool {
	return r.form.kind == formName && r.flags&flagNegate == 0 && r.form.comps[0].kind == globEqual
}

// settle works out what patterns with slashes come down to in sc's directory.
func (sc *Scope) settle() {
	t := sc.table
	if !t.paths {
		return
	}
	sc.active = make([]active, 0, len(t.items))
	for i := range t.items {
		it := &t.items[i]
		a := active{ord: int32(i), rule: it.rule}
		switch it.rule.form.kind {
		case formName:
			if t.lits != nil && it.rule.literal() {
				continue
			}
			a.glob = &it.rule.form.comps[0]
		case formPath:
			if a.glob = sc.last(it); a.glob == nil {
				continue
			}
		case formFull:
			a.from = it.start
		}
		sc.active = append(sc.active, a)
	}
}

// last returns the matcher for names in sc's directory of a pattern with slashes, nil if the
// leading components do not match and the rule has no effect here.
func (sc *Scope) last(it *item) *glob {
	comps := it.rule.form.comps
	dirs := len(comps) - 1
	ok := dirs <= sc.depth
	if it.rule.form.anchored {
		ok = it.depth+dirs == sc.depth
	}
	for at := sc.dir; ok && dirs > 0; at = at.up {
		dirs--
		ok = comps[dirs].match(at.name)
	}
	switch {
	case ok:
		return &comps[len(comps)-1]
	case it.rule.flags&flagNegate != 0:
		return &glob{kind: globNever}
	}
	return nil
}

// Excluded reports whether the rules exclude an entry of this directory on a side: hidden from
// the transfer on the [Sender], protected from deletion on the [Receiver]. name is one component;
// isDir is true for directories themselves, not for links to them. It allocates only where a rule
// needs the whole path.
func (sc *Scope) Excluded(name string, isDir bool, side Side) bool {
	var hit *rule
	limit := int32(1<<31 - 1)
	for _, ord := range sc.table.lits[name] {
		if r := sc.table.items[ord].rule; sc.counts(r, side) && (isDir || r.flags&flagDirOnly == 0) {
			hit, limit = r, ord
			break
		}
	}
	full := ""
	for i := range sc.active {
		a := &sc.active[i]
		if a.ord > limit {
			break
		}
		if !sc.counts(a.rule, side) {
			continue
		}
		matched := false
		switch {
		case !isDir && a.rule.flags&flagDirOnly != 0:
		case a.glob != nil:
			matched = a.glob.match(name)
		default:
			if full == "" {
				full = sc.prefix + name + "/"
			}
			matched = a.rule.form.matchPath(sc.text(a, full, isDir))
		}
		if matched != (a.rule.flags&flagNegate != 0) {
			hit = a.rule
			break
		}
	}
	if hit == nil {
		return sc.ignored(name, isDir, side)
	}
	return hit.flags&flagInclude == 0
}

// counts reports whether a rule counts on a side in this directory.
func (sc *Scope) counts(r *rule, side Side) bool {
	return r.applies(side) && !(sc.doomed && r.flags&flagPerishable != 0)
}

// text cuts what a rule is matched against out of the full path.
func (sc *Scope) text(a *active, full string, isDir bool) string {
	if !isDir || !a.rule.form.slash {
		full = full[:len(full)-1]
	}
	switch {
	case a.rule.flags&flagAbs != 0 && sc.root > 0:
		return full[1:]
	case a.rule.flags&flagAbs == 0 && a.rule.form.anchored:
		return full[a.from:]
	case a.rule.form.lead:
		return full[sc.root:]
	}
	return full[sc.root+1:]
}

// matchPath matches a program against a path.
func (fm *form) matchPath(path string) bool {
	if fm.tail <= 0 {
		return fm.prog.match(path, fm.tail < 0)
	}
	at := len(path)
	for range fm.tail {
		if at < 0 {
			return false // fewer components than the pattern has
		}
		at = strings.LastIndexByte(path[:at], '/')
	}
	return fm.prog.match(path[at+1:], false)
}

// ExcludedXattr reports whether the rules with the x modifier exclude an extended attribute: not
// sent by the [Sender], left alone by the [Receiver].
func (sc *Scope) ExcludedXattr(name string, side Side) bool {
	for i := range sc.table.xattrs {
		it := &sc.table.xattrs[i]
		if !sc.counts(it.rule, side) {
			continue
		}
		fm := &it.rule.form
		matched := false
		switch {
		case it.rule.flags&flagDirOnly != 0:
		case fm.kind != formFull:
			matched = len(fm.comps) == 1 && fm.comps[0].match(name)
		case fm.lead:
			matched = fm.prog.match("/"+name, false)
		default:
			matched = fm.matchPath(name)
		}
		if matched != (it.rule.flags&flagNegate != 0) {
			return it.rule.flags&flagInclude == 0
		}
	}
	return false
}

// XattrRules reports whether any rule of the set itself has the x modifier. Without one, a
// default of the caller decides which extended attributes take part.
func (s *Set) XattrRules() bool {
	for i := range s.rules {
		if s.rules[i].flags&flagXattr != 0 {
			return true
		}
	}
	return false
}
