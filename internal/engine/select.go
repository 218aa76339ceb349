package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Selection says which of the entries that the source lists are dealt with, and
// what stands for entries that the destination lacks.
type Selection struct {
	Existing       bool  // nothing is made that the destination does not have
	IgnoreExisting bool  // nothing is changed that it has, but directories
	MinSize        int64 // regular files of fewer bytes are left alone
	TooLarge       int64 // regular files of so many bytes, and of more, are left alone; 0 for none
	ModifyWindow   int64 // see [manifest.Clock]
	IgnoreMissing  bool  // sources that do not exist are no error
	MakePath       bool  // parents of the destination are made
	OneFileSystem  int64 // 1: what is mounted in the sources is left out; 2: with the directories where it is
	AltKind        Alternates
	AltDirs        AltDirs
	PruneEmpty     bool  // directories in which no file is are left out
	NoImplied      bool  // with Relative: directories that are only on the way to what was named are not dealt with
	DeleteMissing  bool  // ... and what the destination has of their names is removed
	Fuzzy          int64 // 1: a file of a like name is the basis of one that is new; 2: those of alternate directories, too
	Verbose        bool  // whoever asks for the run wants to hear of what is left alone
	Remarks        bool  // ... and of backups, unsafe symlinks that are followed or not kept, and what is removed at the source
}

func (s *Selection) flags() []struct {
	name string
	p    *bool
} {
	return []struct {
		name string
		p    *bool
	}{
		{"existing", &s.Existing},
		{"ignore-existing", &s.IgnoreExisting},
		{"tell-skipped", &s.Verbose},
		{"remarks", &s.Remarks},
		{"ignore-missing-args", &s.IgnoreMissing},
		{"mkpath", &s.MakePath},
		{"prune-empty-dirs", &s.PruneEmpty},
		{"no-implied-dirs", &s.NoImplied},
		{"delete-missing-args", &s.DeleteMissing},
	}
}

// numbers returns the options that are numbers, with what each may be. Those that
// are zero are not sent.
func (s *Selection) numbers() []struct {
	name   string
	p      *int64
	lo, hi int64
} {
	const most = 1<<63 - 1
	return []struct {
		name   string
		p      *int64
		lo, hi int64
	}{
		{"min-size", &s.MinSize, 0, most},
		{"too-large", &s.TooLarge, 0, most},
		{"modify-window", &s.ModifyWindow, -1, 1<<31 - 1},
		{"one-file-system", &s.OneFileSystem, 0, 2},
		{"fuzzy", &s.Fuzzy, 0, 2},
		{"alternates", (*int64)(&s.AltKind), 0, int64(AltLink)},
	}
}

// encode appends what is not a switch to the options of a job.
func (s *Selection) encode(options []string) []string {
	for _, n := range s.numbers() {
		if *n.p != 0 {
			options = append(options, fmt.Sprintf("%s=%d", n.name, *n.p))
		}
	}
	for _, dir := range s.AltDirs.List() {
		options = append(options, "alternate="+dir)
	}
	return options
}

// set takes an option of a job; known is false for one of another kind.
func (s *Selection) set(name, value string) (known bool, err error) {
	if name == "alternate" {
		if !s.AltDirs.Add(value) {
			return true, wire.Errorf(wire.CodeUsage, "more than %d alternate directories", MaxAlternates)
		}
		return true, nil
	}
	for _, n := range s.numbers() {
		if n.name != name {
			continue
		}
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil || v < n.lo || v > n.hi {
			return true, wire.Errorf(wire.CodeUnsupported, "%s=%q is not known to the far side", name, value)
		}
		*n.p = v
		return true, nil
	}
	return false, nil
}

// passOver reports whether the options leave an entry alone that is no directory,
// and says so to whoever wants to hear of it. A group of hard links goes on without
// it: the next member takes its place.
func (p *planner) passOver(dir *destDir, i int) bool {
	d, e := p.d, &dir.entries[i]
	dst := dir.find(d.nameFor(dir, e))
	why := d.whyPassedOver(e, dst, func() bool { return dir.spoiled(d.nameFor(dir, e), dst) })
	if why == "" {
		return false
	}
	p.pass(dir, i)
	d.tellPassed(shownPath(dir, e), why)
	return true
}

// Why entries are left alone, in rsync's words.
const (
	reasonNew    = "not creating new file"
	reasonNewDir = "not creating new directory"
	reasonExists = "exists"
	reasonNewer  = "is newer"
	reasonLarge  = "is over max-size"
	reasonSmall  = "is under min-size"
)

// whyPassedOver returns the reason for which an entry is left alone, "" for none.
// spoiled tells whether a run has left dst half written: it has to be mended then.
func (d *dest) whyPassedOver(e, dst *manifest.Entry, spoiled func() bool) string {
	o := &d.job.Options
	switch {
	case o.Existing && dst == nil:
		return reasonNew
	case o.IgnoreExisting && dst != nil && !spoiled():
		return reasonExists
	case !e.IsRegular():
		return ""
	case o.TooLarge > 0 && e.Size >= o.TooLarge:
		return reasonLarge
	case e.Size < o.MinSize:
		return reasonSmall
	case o.Update && dst != nil && dst.IsRegular() && d.clock.Newer(e, dst) && !spoiled():
		return reasonNewer
	}
	return ""
}

func (d *dest) tellPassed(shown, why string) {
	if d.job.Verbose {
		d.rep.post(SkipEvent{Path: shown, Reason: why})
	}
}

var errInTheWay = errors.New("what exists there is no directory, and --ignore-existing keeps it")

// pass notes that an entry is left alone that may be the first of a group of links.
func (p *planner) pass(dir *destDir, i int) {
	if !p.d.job.HardLinks {
		return
	}
	p.d.lose(wire.ID{Dir: dir.index, Entry: i})
	id := wire.ID{Dir: dir.index, Entry: i}
	p.standFor(id, nil) // who does is still to be found
	if ld, le, ok := dir.entries[i].Leader(); ok {
		lead := wire.ID{Dir: ld, Entry: le}
		if heir := p.heirs[lead]; heir != nil && *heir == id { // which stood for the first, and is left alone as well
			p.heirs[lead] = nil
		}
	}
}

// standFor notes who stands for the first member of a group of links.
func (p *planner) standFor(first wire.ID, heir *wire.ID) {
	if p.heirs == nil {
		p.heirs = map[wire.ID]*wire.ID{}
	}
	p.heirs[first] = heir
}

// linkedTo returns the file that an entry becomes a link to; ok is false where it is
// made by itself.
func (p *planner) linkedTo(dir *destDir, i int, e *manifest.Entry) (lead wire.ID, ok bool) {
	if !p.d.job.HardLinks {
		return lead, false
	}
	if ld, le, ok := e.Leader(); ok {
		return p.heir(dir, i, ld, le)
	}
	id := wire.ID{Dir: dir.index, Entry: i}
	if heir := p.heirs[id]; heir != nil {
		return *heir, true
	}
	delete(p.heirs, id) // it is planned, and stands for itself
	return lead, false
}

// heir returns the member that stands for the first of a group of links, which may
// have been left alone: then it is the next that is not. ok is false where that is
// the entry itself.
func (p *planner) heir(dir *destDir, i, ld, le int) (lead wire.ID, ok bool) {
	lead = wire.ID{Dir: ld, Entry: le}
	heir, passed := p.heirs[lead]
	if !passed {
		first := p.byIndex[ld]
		if first == nil || !first.passed {
			return lead, true
		}
		p.pass(first, le)
	}
	if id := (wire.ID{Dir: dir.index, Entry: i}); heir == nil || *heir == id { // which asks once more when its place is free
		p.heirs[lead] = &id
		return lead, false
	}
	return *heir, true
}

// passedDir reports whether the options leave a directory alone with all that is in
// it, which the destination does not have, or has as something else.
func (d *dest) passedDir(dir *destDir, dst *manifest.Entry) (bool, error) {
	o := &d.job.Options
	switch {
	case o.Existing && dst == nil:
		d.tellPassed(dir.shown, reasonNewDir)
		return true, nil
	case o.IgnoreExisting && dst != nil && !dst.IsDir():
		if len(dir.entries) > 0 || o.Delete {
			return true, d.fileFailed("mkdir", dir.shown, errInTheWay)
		}
		return true, nil
	}
	return false, nil
}

// Passed reports whether the reason of a [SkipEvent] is that the options leave the
// entry alone.
func Passed(reason string) bool {
	switch reason {
	case reasonNew, reasonNewDir, reasonExists, reasonNewer, reasonLarge, reasonSmall:
		return true
	}
	return false
}

// makePath makes a directory of the destination with those of its parents that are
// missing (--mkpath), and opens it. As for rsync it was then there before the run.
func (d *dest) makePath(ctx context.Context, path string) error {
	var missing []string
	for at := strings.TrimRight(path, "/"); at != "" && at != "." && at != "/"; at, _, _ = splitPath(at) {
		st, err := d.host.Stat(ctx, at)
		if err == nil && !st.IsDir() {
			err = errors.New("not a directory")
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "mkdir", Path: at, Text: text(err)}
		}
		missing = append(missing, at)
	}
	slices.Reverse(missing)
	for _, at := range missing {
		if d.job.DryRun {
			break
		}
		err := d.host.Mkdir(ctx, at)
		if errors.Is(err, fs.ErrExist) { // by another run, unless it is a symlink that leads nowhere
			if st, err2 := d.host.Stat(ctx, at); err2 == nil && st.IsDir() {
				continue
			}
		}
		if err != nil {
			return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "mkdir", Path: at, Text: text(err)}
		}
	}
	noun := "directories"
	if len(missing) == 1 {
		noun = "directory"
	}
	d.rep.post(NoteEvent{Text: fmt.Sprintf("created %d %s for %s", len(missing), noun, path)})
	d.empty, d.base = true, path
	if d.job.DryRun {
		d.learnClock()
		if d.rename == "" && len(missing) > 0 { // as rsync has it
			d.created = true
			d.rep.post(NoteEvent{Text: "created directory " + path})
		}
		return nil
	}
	return d.openDir(ctx, path)
}
