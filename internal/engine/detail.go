package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Detailed is a tree that can show more of its entries than the usual, and keep it.
type Detailed interface {
	// Detail has listings and Stat show d from now on, and extended attributes be
	// removed only where d shows them. It is called before anything else. An error
	// means that the tree cannot.
	Detail(d manifest.Detail) error
}

// DetailedHost is a [Host] that can describe a file in the same way.
type DetailedHost interface {
	// Details adds d to e, which is at path; follow says that symlinks are followed.
	Details(ctx context.Context, path string, follow bool, d manifest.Detail, e *manifest.Entry) error
}

// detail returns what listings are to show beyond the usual.
func (o *Options) detail() (d manifest.Detail) {
	for _, c := range []struct {
		on bool
		d  manifest.Detail
	}{{o.Atimes, manifest.DetailAtime}, {o.Xattrs, manifest.DetailXattrs}, {o.ACLs, manifest.DetailACLs}} {
		if c.on {
			d |= c.d
		}
	}
	return d
}

// detailSource is detail for the source.
func (o *Options) detailSource() manifest.Detail {
	d := o.detail() | manifest.DetailSource
	if o.FakeSource {
		d |= manifest.DetailFake
	}
	if o.AllXattrs {
		d |= manifest.DetailAll
	}
	return d
}

// cannotDetail is the error for a machine, or a way to it, that has nothing for an option.
func (o *Options) cannotDetail(err error) error {
	names := ""
	for _, c := range []struct {
		on   bool
		name string
	}{{o.Atimes, " --atimes"}, {o.Xattrs, " --xattrs"}, {o.ACLs, " --acls"}, {o.OpenNoatime, " --open-noatime"}, {o.FakeSource || o.FakeDest, " --fake-super"}} {
		if c.on {
			names += c.name
		}
	}
	return wire.Errorf(wire.CodeUnsupported, "this cannot be done with%s: %w", names, err)
}

// detailed has a tree of the source show what the job keeps.
func (f *forest) detailed(t Source) error {
	d := f.job.detailSource()
	if f.job.OpenNoatime {
		d |= manifest.DetailQuiet
	}
	if d&^manifest.DetailAll == manifest.DetailSource {
		return nil
	}
	t2, ok := t.(Detailed)
	if !ok {
		return f.job.cannotDetail(errors.ErrUnsupported)
	}
	if err := t2.Detail(d); err != nil {
		return f.job.cannotDetail(err)
	}
	return nil
}

// detailedEntry adds what the job keeps to an entry that was named.
func (f *forest) detailedEntry(ctx context.Context, path string, follow bool, e *manifest.Entry) error {
	d := f.job.detailSource()
	if d&^manifest.DetailAll == manifest.DetailSource {
		return nil
	}
	if h, ok := f.host.(DetailedHost); ok {
		return h.Details(ctx, path, follow, d, e)
	}
	return nil // its trees will say that they cannot
}

// statDir describes a directory that is named or implied, symlinks followed.
func (f *forest) statDir(ctx context.Context, path string) (manifest.Entry, error) {
	e, err := f.host.Stat(ctx, path)
	if err == nil {
		err = f.detailedEntry(ctx, path, true, &e)
	}
	return e, err
}

// shown is what the destination, and what it is compared with there, is to show.
func (d *dest) shown() manifest.Detail {
	what := d.job.detail()
	if d.job.FakeDest {
		what |= manifest.DetailFake
	}
	if !d.ids.root || d.job.FakeDest {
		what |= manifest.DetailUser
	}
	return what
}

// detailed has the destination show what the job keeps.
func (d *dest) detailed() error {
	what := d.shown()
	if what&^manifest.DetailUser == 0 {
		return nil
	}
	t, ok := capability[Detailed](d.tree)
	if !ok {
		return d.job.cannotDetail(errors.ErrUnsupported)
	}
	if err := t.Detail(what); err != nil {
		return d.job.cannotDetail(err)
	}
	return nil
}

// showAlternate has a tree that the destination is compared with show what the job keeps, and
// adds that to what is known of the tree's root.
func (d *dest) showAlternate(ctx context.Context, path string, t Source, root *manifest.Entry) error {
	what := d.shown()
	if what&^manifest.DetailUser == 0 {
		return nil
	}
	t2, ok := t.(Detailed)
	if !ok {
		return errors.ErrUnsupported
	}
	if err := t2.Detail(what); err != nil {
		return err
	}
	if h, ok := d.host.(DetailedHost); ok {
		return h.Details(ctx, path, true, what, root)
	}
	return nil
}

// wantedKept returns what is kept of an entry of the source, as it is to be here.
func (d *dest) wantedKept(e *manifest.Entry) *manifest.Kept {
	k := *e.Kept()
	if !d.job.Xattrs {
		k.Xattrs = nil
	} else {
		show := manifest.DetailSource
		if d.job.AllXattrs && !d.job.FakeDest { // what a file stands for here is not the source's to say
			show |= manifest.DetailAll
		}
		if !d.ids.root {
			show |= manifest.DetailUser
		}
		others := func(x manifest.Xattr) bool { return !manifest.KeepsXattr(x.Name, show) }
		if slices.ContainsFunc(k.Xattrs, others) {
			k.Xattrs = slices.DeleteFunc(slices.Clone(k.Xattrs), others)
		}
		if d.job.FakeDest {
			k.Xattrs = manifest.FakeXattrs(k.Xattrs)
		}
	}
	if d.job.NumericIDs { // as for rsync, --usermap and the like are then about owners alone
		return &k
	}
	user := func(id uint32) uint32 { return d.ids.user(id) }
	group := func(id uint32) uint32 { return d.ids.groupOf(id) }
	k.Access, k.Default = k.Access.Translate(user, group), k.Default.Translate(user, group)
	return &k
}

// keptAttrs returns which of what the job keeps entries of a type have.
func (d *dest) keptAttrs(t manifest.Type) (a manifest.Attrs) {
	if d.job.Xattrs {
		a |= manifest.AttrXattrs
	}
	if d.job.ACLs && t != manifest.Symlink {
		a |= manifest.AttrACL
	}
	if d.job.Atimes && t != manifest.Symlink && t != manifest.Directory {
		a |= manifest.AttrAccess
	}
	return a
}

// keptDifferences returns in what of it w and what is there differ.
func (d *dest) keptDifferences(w, dst *manifest.Entry) (c manifest.Change) {
	attrs := d.keptAttrs(w.Type)
	if attrs == 0 {
		return 0
	}
	a, b := w.Kept(), dst.Kept()
	if attrs&manifest.AttrAccess != 0 && a.HasAtime && !d.sameAtime(a.Atime, b.Atime) {
		c |= manifest.ChangeAccess
	}
	if attrs&manifest.AttrACL != 0 && !(slices.Equal(a.Access, b.Access) && slices.Equal(a.Default, b.Default)) {
		c |= manifest.ChangeACL
	}
	if attrs&manifest.AttrXattrs != 0 && !slices.Equal(a.Xattrs, b.Xattrs) {
		c |= manifest.ChangeXattrs
	}
	return c
}

// sameAtime reports whether two access times, in seconds, count as one: --modify-window holds for them, too.
func (d *dest) sameAtime(a, b int64) bool {
	apart := uint64(a) - uint64(b)
	return min(apart, -apart) <= uint64(max(0, d.job.ModifyWindow)) //nolint:gosec // it is not negative
}

// asksFor reports whether all that is kept of an entry was asked for.
func (o *Options) asksFor(k *manifest.Kept) bool {
	return (o.Xattrs || len(k.Xattrs) == 0) && (o.ACLs || k.Access == nil && k.Default == nil) && (o.Atimes || !k.HasAtime)
}

// maxKept bounds what a source may make this end hold of extended attributes and lists.
const maxKept = 512 << 20

// checkKept counts what of that a part of a listing holds. Entries that have the same as the
// one before share it, and what each has of its own is bounded by how many there may be.
func (p *planner) checkKept(entries []manifest.Entry) error {
	was := &manifest.Kept{}
	for i := range entries {
		e := &entries[i]
		if e.Ext == nil {
			continue
		}
		if e.Ext.First && !p.d.job.HardLinks {
			return fmt.Errorf("%w: %q comes with links that nobody asked for", wire.ErrProtocol, e.Name)
		}
		if e.Ext.Kept == nil {
			continue
		}
		k := e.Ext.Kept
		if !p.d.job.asksFor(k) {
			return fmt.Errorf("%w: %q comes with attributes or lists that nobody asked for", wire.ErrProtocol, e.Name)
		}
		if !sameSlice(k.Xattrs, was.Xattrs) {
			p.kept += int64(manifest.XattrSize(k.Xattrs) + 64*len(k.Xattrs))
		}
		if !sameSlice(k.Access, was.Access) {
			p.kept += int64(8 * len(k.Access))
		}
		if !sameSlice(k.Default, was.Default) {
			p.kept += int64(8 * len(k.Default))
		}
		was = k
	}
	if p.kept > maxKept {
		return wire.Errorf(wire.CodeMemory, "extended attributes and access control lists take more than %d bytes: copy fewer files at a time", maxKept)
	}
	return nil
}

// sameSlice reports whether two slices share their memory.
func sameSlice[S ~[]E, E any](a, b S) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// KeptError is about what only some file systems have: lists and extended attributes.
type KeptError struct{ Err error }

func (e *KeptError) Error() string { return e.Err.Error() }

// Unwrap returns the system's error.
func (e *KeptError) Unwrap() error { return e.Err }

// keptFailed reports an error with lists or extended attributes of an entry, which is
// in place without them. Room that there is not for them is no reason to give up, and
// where the file system has none at all that is told once.
func (d *dest) keptFailed(op, shown string, err error) bool {
	var k *KeptError
	if !errors.As(err, &k) {
		return false
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		d.fail(op, shown, err)
	} else if !d.noKept.Swap(true) {
		d.fail(op, shown, fmt.Errorf("%w: what the file system has nothing for is left out here and of all else; leave out %s to copy without", err, d.job.keptOptions()))
	}
	return true
}

// keptOptions names the options that keep what not all file systems have.
func (o *Options) keptOptions() string {
	switch {
	case o.Xattrs && o.ACLs:
		return "-X and -A"
	case o.ACLs:
		return "-A"
	case o.FakeDest:
		return "--fake-super"
	}
	return "-X"
}
