package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"gosync/walker/manifest"
)

// What the destination lacks may be in other directories of its machine, such as an
// earlier backup: from there it is linked (--link-dest) or copied (--copy-dest), or
// it is enough that it is there (--compare-dest). What is there in another state is
// the basis of a delta.

// Alternates says what is done with what alternate directories have.
type Alternates int64

// The kinds, as they travel.
const (
	AltNone    Alternates = iota
	AltCompare            // what is there unchanged is not made
	AltCopy               // ... is copied
	AltLink               // ... becomes a hard link to it
)

// option is the name that users know the kind by.
func (a Alternates) option() string {
	return [...]string{"", "--compare-dest", "--copy-dest", "--link-dest"}[a]
}

// MaxAlternates is how many alternate directories a run may have, as in rsync.
const MaxAlternates = 20

// AltDirs are the alternate directories of a run, relative to the destination or
// absolute; those that are not used are "".
type AltDirs [MaxAlternates]string

// List returns those that are used.
func (a *AltDirs) List() []string {
	for i, dir := range a {
		if dir == "" {
			return a[:i]
		}
	}
	return a[:]
}

// Add adds one, and reports false where there are too many, or it is "".
func (a *AltDirs) Add(dir string) bool {
	n := len(a.List())
	if n == len(a) || dir == "" {
		return false
	}
	a[n] = dir
	return true
}

// Linker is a [Dest] that can make hard links to what other trees of its machine have.
type Linker interface {
	// LinkFrom makes path a hard link to what from has at old, replacing whatever is
	// at path except a directory. It fails if that is not the file any more that was
	// listed as e. The error wraps errors.ErrUnsupported for a tree of another machine.
	LinkFrom(ctx context.Context, path string, from Source, old string, e *manifest.Entry) error
}

// altDir is an alternate directory.
type altDir struct {
	tree  Source
	entry manifest.Entry // what it is itself
}

// openAlternates opens the alternate directories. As for rsync one that is not there
// is worth a word and no more: the first backup has none to link to.
func (d *dest) openAlternates(ctx context.Context) {
	if d.rootMsg.Nothing {
		return
	}
	for _, name := range d.job.AltDirs.List() {
		at := name
		if !strings.HasPrefix(at, "/") {
			at = strings.TrimSuffix(d.base, "/") + "/" + name
		}
		if d.tree == nil { // a dry run: nothing can be reached by way of what is not made
			at = path.Clean(at)
		}
		e, err := d.host.Stat(ctx, at)
		if err == nil && !e.IsDir() {
			err = errors.New("it is no directory")
		}
		var t Source
		if err == nil {
			t, err = d.openAlternate(ctx, at, &e)
		}
		if err != nil {
			d.rep.post(NoteEvent{Text: fmt.Sprintf("%s %s is not used: %s", d.job.AltKind.option(), at, text(err))})
			continue
		}
		d.alts = append(d.alts, altDir{t, e})
	}
}

// openAlternate opens an alternate directory, and has it show what the run keeps, as the
// destination does. Like the destination it is one whose path somebody names who need not know
// what may have become of it: see [Host.Dest].
func (d *dest) openAlternate(ctx context.Context, at string, e *manifest.Entry) (Source, error) {
	t, err := d.host.Dest(ctx, at, DestOptions{ReadOnly: true, Durability: SyncNone})
	if err != nil {
		return nil, err
	}
	if l, ok := t.(*limitedDest); ok {
		t = l.Dest // nothing is changed there
	}
	if err := d.showAlternate(ctx, at, t, e); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (d *dest) closeAlternates() {
	for _, a := range d.alts {
		_ = a.tree.Close() // it was only read
	}
}

// alternates lists what the alternate directories have for dir. What cannot be
// listed has nothing.
func (p *planner) alternates(ctx context.Context, dir *destDir) [][]manifest.Entry {
	if dir.alts != nil || len(p.d.alts) == 0 {
		return dir.alts
	}
	dir.alts = make([][]manifest.Entry, len(p.d.alts))
	for j, a := range p.d.alts {
		entries, _ := a.tree.List(ctx, dir.path)
		manifest.Sort(entries)
		dir.alts[j] = entries
	}
	return dir.alts
}

// replacesEqual reports whether alternate directories matter for what the destination
// has already: equal digests do not mean then that there is nothing to do.
func (o *Options) replacesEqual() bool { return o.AltKind == AltCompare || o.AltKind == AltLink }
