package engine_test

import (
	"bytes"
	"fmt"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// wanted is what a path is to be when all is done.
type wanted struct {
	simNode
	contents         [][]byte // any of these
	anyTime, anyMode bool
	anyOwner         bool
}

// simOracle says what runs make of a destination, however often they are
// interrupted.
type simOracle struct {
	o        engine.Options
	src, dst simTree // before the first run
	want     map[string]wanted
}

const simUmask = 0o022

// predict fills in want.
func (x *simOracle) predict() {
	x.want = map[string]wanted{}
	for p, d := range x.dst {
		if _, ok := x.src[p]; ok || x.o.Delete || x.displaced(p) {
			continue
		}
		w := wanted{simNode: d, contents: [][]byte{d.Data}, anyTime: d.Type == manifest.Directory}
		if x.sharesAttrs(d) {
			w.anyTime, w.anyMode, w.anyOwner = true, true, true
		}
		x.want[p] = w
	}
	for p, s := range x.src {
		d, there := x.dst[p]
		x.want[p] = x.entry(p, s, d, there && d.Type == s.Type)
	}
}

// sharesAttrs reports whether d is linked to a file that takes part in the runs: what
// that gets of attributes d gets too, unless its content is replaced.
func (x *simOracle) sharesAttrs(d simNode) bool {
	if d.group == 0 {
		return false
	}
	for q, other := range x.dst {
		if s, ok := x.src[q]; ok && other.group == d.group && s.Type == d.Type {
			return true
		}
	}
	return false
}

// displaced reports whether something above p is no directory in the source.
func (x *simOracle) displaced(p string) bool {
	for up := above(p); up != ""; up = above(up) {
		if s, ok := x.src[up]; ok && s.Type != manifest.Directory {
			return true
		}
	}
	return false
}

func (x *simOracle) entry(p string, s, d simNode, there bool) wanted {
	w := wanted{simNode: s, contents: [][]byte{s.Data}, anyTime: !x.o.Times, anyOwner: !x.o.Owner || !x.o.Group}
	w.anyMode = s.Type == manifest.Symlink
	if !x.o.Perms {
		w.Mode = s.Mode & 0o777 &^ simUmask
		_, other := x.dst[p]
		// What a run has made and not finished has a mode of its own, which the
		// next one takes for the user's choice.
		w.anyMode = w.anyMode || !there || other && !there || x.o.Durability == engine.SyncNone
		if there {
			w.Mode = d.Mode
		}
	}
	if x.o.HardLinks && s.group > 0 { // it gets what the first of its group has
		w.contents = append(w.contents, x.ofGroup(s.group)...)
		w.anyMode = w.anyMode || !x.o.Perms
	}
	if !there || s.Type != manifest.Regular {
		return w
	}
	if x.o.Update && d.Sec > s.Sec {
		return wanted{simNode: d, contents: [][]byte{d.Data}}
	}
	verdict := x.judge(s, d)
	appends := x.o.Append || x.o.AppendVerify
	unfinished := d.Nsec == 0 && (d.Sec == 0 || d.Sec == 86400) // as far as one can tell
	differs := verdict == 'd' || verdict == '?' && !bytes.Equal(s.Data, d.Data)
	if appends && differs && len(d.Data) >= len(s.Data) && !unfinished {
		return wanted{simNode: d, contents: [][]byte{d.Data}}
	}
	if appends && x.o.Append && len(d.Data) > 0 && len(d.Data) < len(s.Data) {
		w.contents = append(w.contents, append(bytes.Clone(d.Data), s.Data[len(d.Data):]...))
	}
	if verdict == 's' && (!x.o.HardLinks || s.group == 0) {
		w.contents = [][]byte{d.Data}
	}
	return w
}

// ofGroup returns the contents that a group of links may get from a member that
// counts as equal.
func (x *simOracle) ofGroup(group int) (all [][]byte) {
	for q, s := range x.src {
		if d := x.dst[q]; s.group == group && d.Type == manifest.Regular {
			if v := x.judge(s, d); v == 's' || bytes.Equal(s.Data, d.Data) {
				all = append(all, d.Data)
			}
		}
		if s.group == group {
			all = append(all, s.Data)
		}
	}
	return all
}

// sameInstant reports whether the engine takes two times for the same.
func sameInstant(s, d simNode) bool {
	return manifest.Clock{}.SameInstant(&manifest.Entry{Sec: s.Sec, Nsec: s.Nsec}, &manifest.Entry{Sec: d.Sec, Nsec: d.Nsec})
}

// judge compares two regular files by their metadata: s(ame), d(ifferent), or ?
// where only the content can tell.
func (x *simOracle) judge(s, d simNode) byte {
	switch {
	case len(s.Data) != len(d.Data):
		return 'd'
	case x.o.Checksum && len(s.Data) > 0:
		return '?'
	case x.o.Checksum:
		return 's'
	case x.o.SizeOnly:
		return 's'
	case x.o.IgnoreTimes || s.Sec != d.Sec:
		return 'd'
	case sameInstant(s, d), len(s.Data) == 0:
		return 's'
	}
	return '?'
}

// accepts reports whether a quick check takes d for s.
func accepts(s, d simNode) bool {
	return d.Type == manifest.Regular && len(s.Data) == len(d.Data) && s.Sec == d.Sec
}

// broken says what is wrong with the destination after runs that have ended well.
func (x *simOracle) broken(got simTree, gone simTree) error {
	for _, p := range got.sorted() {
		name := baseOf(p)
		if manifest.Temporary(name) && !keptFor(name, above(p), gone) {
			return fmt.Errorf("O5: %q was left behind", p)
		}
	}
	for p, w := range x.want {
		g, ok := got[p]
		if !ok {
			return fmt.Errorf("O4: %q is missing", p)
		}
		if err := w.differs(g); err != nil {
			return fmt.Errorf("O4: %q: %w", p, err)
		}
	}
	for p := range got {
		if _, ok := x.want[p]; !ok && !manifest.Temporary(baseOf(p)) {
			return fmt.Errorf("O4: %q should not be there", p)
		}
	}
	return x.links(got)
}

// keptFor reports whether a partial is that of a file that the source has lost.
func keptFor(name, dir string, gone simTree) bool {
	for p := range gone {
		last := baseOf(p)
		if above(p) == dir && (name == manifest.PartialName(last) || name == manifest.SidecarName(last)) {
			return true
		}
	}
	return false
}

func (w *wanted) differs(g simNode) error {
	switch {
	case g.Type != w.Type:
		return fmt.Errorf("a %v, want a %v", g.Type, w.Type)
	case g.Link != w.Link || g.Major != w.Major || g.Minor != w.Minor:
		return fmt.Errorf("link or device %q %d:%d, want %q %d:%d", g.Link, g.Major, g.Minor, w.Link, w.Major, w.Minor)
	case !w.anyMode && g.Mode&0o1777 != w.Mode&0o1777:
		return fmt.Errorf("mode %o, want %o", g.Mode, w.Mode)
	case !w.anyTime && !sameInstant(w.simNode, g):
		return fmt.Errorf("time %d.%09d, want %d.%09d", g.Sec, g.Nsec, w.Sec, w.Nsec)
	case !w.anyOwner && (g.UID != w.UID || g.GID != w.GID):
		return fmt.Errorf("owner %d:%d, want %d:%d", g.UID, g.GID, w.UID, w.GID)
	case w.Type == manifest.Regular && !oneOf(g.Data, w.contents):
		return fmt.Errorf("%d bytes that are wrong (%.16x), want %d (%.16x)", len(g.Data), g.Data, len(w.Data), w.Data)
	}
	return nil
}

func oneOf(b []byte, from [][]byte) bool {
	for _, c := range from {
		if bytes.Equal(b, c) {
			return true
		}
	}
	return false
}

func (x *simOracle) links(got simTree) error {
	if !x.o.HardLinks {
		return nil
	}
	for p, s := range x.src {
		for q, r := range x.src {
			if s.group > 0 && s.group == r.group && p < q && got[p].Ino != got[q].Ino {
				return fmt.Errorf("O4: %q and %q are not linked", p, q)
			}
		}
	}
	return nil
}

// halfway says what is wrong with the destination after an interrupted run.
// versions are the states that the source has had. atomic says that no file may be
// torn.
func (x *simOracle) halfway(got simTree, versions []simTree, atomic bool) error {
	for p, g := range got {
		if g.Type != manifest.Regular || manifest.Temporary(baseOf(p)) {
			continue
		}
		known := x.contentsOf(p, versions)
		if oneOf(g.Data, known) {
			continue
		}
		d, old := x.dst[p]
		for _, v := range versions {
			if s, ok := v[p]; ok && accepts(s, g) {
				return fmt.Errorf("A3: a quick check takes %q for right, which it is not (%d bytes, time %d.%09d)", p, len(g.Data), g.Sec, g.Nsec)
			}
		}
		shown := (x.o.Partial || len(versions) > 1) && (!old || d.Type != manifest.Regular || len(versions) > 1) && (g.Sec == 0 || g.Sec == 86400)
		if atomic && !shown {
			return fmt.Errorf("O1: %q is neither old nor new: %d bytes, time %d", p, len(g.Data), g.Sec)
		}
	}
	return nil
}

// contentsOf returns what a path may hold: its old content, that of the source,
// and what other members of its group may have given it.
func (x *simOracle) contentsOf(p string, versions []simTree) [][]byte {
	known := [][]byte{x.dst[p].Data}
	for _, v := range versions {
		if s, ok := v[p]; ok {
			known = append(known, s.Data)
			if s.group > 0 && x.o.HardLinks {
				y := simOracle{o: x.o, src: v, dst: x.dst}
				known = append(known, y.ofGroup(s.group)...)
			}
		}
	}
	if w, ok := x.want[p]; ok {
		known = append(known, w.contents...)
	}
	return known
}
