package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"gosync/walker/manifest"
)

// Bounds of one directory.
const (
	maxEntries = 8 << 20
	maxNames   = 1 << 30 // bytes
)

// readAhead is how many READDIR requests are on their way at the most, and links
// how many READLINK.
const (
	readAhead = 16
	maxLinks  = 64
)

// ErrListing is in the chain of the error about names that a directory of the
// server cannot have. They are left out.
var ErrListing = errors.New("the server lists what no directory can hold")

// lister lists one directory.
type lister struct {
	h    *Host
	path string // as the server takes it
	max  int    // entries

	onlyShared bool // nothing but shared is wanted

	found  []manifest.Entry
	shared []string // files that have other names, too: sharedNames of them, or one more if there are more
	bare   []string // names that came without attributes
	count  int      // of the names
	size   int      // of the names, in bytes
	dots   int      // . and ..
	bad    error    // the first thing that was left out
}

// list returns what the directory holds. With an error come the entries that are
// good.
func (l *lister) list(ctx context.Context) ([]manifest.Entry, error) {
	err := l.scan(ctx)
	if err == nil {
		err = l.describe(ctx)
	}
	l.unique()
	if err == nil {
		err = l.links(ctx)
	}
	if err == nil {
		err = l.bad
	}
	return l.found, err
}

// scan reads the names.
func (l *lister) scan(ctx context.Context) error {
	b, err := l.h.s.call(ctx, fxpOpendir, onHandle(l.path), fxpHandle)
	if err != nil {
		return err
	}
	d := decoder{b: b}
	handle := d.string(maxHandle)
	err = l.read(ctx, handle)
	l.h.forget(handle)
	return err
}

// read reads until the server says that it is over. The first two requests go at
// once: most directories need an answer and an end.
func (l *lister) read(ctx context.Context, handle string) error {
	var pending []*request
	more := func() error {
		r, err := l.h.s.start(ctx, fxpReaddir, onHandle(handle), nil)
		if err == nil {
			pending = append(pending, r)
		}
		return err
	}
	if err := more(); err != nil {
		return err
	}
	for over := false; len(pending) > 0; {
		for grow := 0; !over && grow < 2 && len(pending) < readAhead; grow++ {
			if err := more(); err != nil {
				return err
			}
		}
		r := pending[0]
		pending = pending[1:]
		b, err := r.want(ctx, fxpName)
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			over = true
			continue
		case over && !l.h.s.over() && ctx.Err() == nil:
			if err == nil {
				l.refuse("", "names behind the end")
			}
			continue
		case err == nil:
			d := decoder{b: b}
			err = d.names(l.add)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add takes one name.
func (l *lister) add(n named) error {
	if n.name == "." || n.name == ".." {
		if l.dots++; l.dots <= 2 {
			return nil
		}
		l.refuse(n.name, "more than once")
	}
	l.size += len(n.name)
	if l.count >= l.max || l.size > maxNames {
		return fmt.Errorf("%w: more than %d entries", ErrListing, l.count)
	}
	l.count++
	if err := manifest.ValidName(n.name); err != nil {
		l.refuse(n.name, "")
		return nil
	}
	if l.onlyShared {
		if n.shared && len(l.shared) <= sharedNames {
			l.shared = append(l.shared, n.name)
		}
		return nil
	}
	if n.flags&attrPerm == 0 {
		l.bare = append(l.bare, n.name)
		return nil
	}
	l.take(n)
	return nil
}

func (l *lister) take(n named) {
	e, err := n.entry(n.name)
	if err != nil {
		l.refuse(n.name, err.Error())
		return
	}
	l.found = append(l.found, e)
}

// refuse notes that a name is left out, so that the directory does not count as
// listed and nothing is deleted because of it.
func (l *lister) refuse(name, why string) {
	if l.bad != nil {
		return
	}
	if len(name) > 100 {
		name = name[:100]
	}
	if why != "" {
		why = ": " + why
	}
	l.bad = fmt.Errorf("%w: %q%s", ErrListing, name, why)
}

// describe asks for the attributes of names that came without.
func (l *lister) describe(ctx context.Context) error {
	for _, name := range l.bare {
		a, err := l.h.lstat(ctx, under(l.path, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil && (ctx.Err() != nil || l.h.s.over()):
			return err
		case err != nil:
			l.refuse(name, err.Error())
		default:
			l.take(named{name: name, attrs: a})
		}
	}
	return nil
}

// unique drops names that came more than once.
func (l *lister) unique() {
	slices.SortStableFunc(l.found, func(a, b manifest.Entry) int { return strings.Compare(a.Name, b.Name) })
	l.found = slices.CompactFunc(l.found, func(a, b manifest.Entry) bool {
		if a.Name == b.Name {
			l.refuse(b.Name, "more than once")
		}
		return a.Name == b.Name
	})
}

// links reads where symlinks lead, many at a time.
func (l *lister) links(ctx context.Context) error {
	var at []int
	for i := range l.found {
		if l.found[i].Type == manifest.Symlink {
			at = append(at, i)
		}
	}
	gone := map[int]bool{}
	for len(at) > 0 {
		part := at[:min(len(at), maxLinks)]
		at = at[len(part):]
		if err := l.someLinks(ctx, part, gone); err != nil {
			return err
		}
	}
	if len(gone) > 0 {
		kept := l.found[:0]
		for i := range l.found {
			if !gone[i] {
				kept = append(kept, l.found[i])
			}
		}
		l.found = kept
	}
	return nil
}

func (l *lister) someLinks(ctx context.Context, part []int, gone map[int]bool) error {
	requests := make([]*request, len(part))
	for k, i := range part {
		r, err := l.h.startReadlink(ctx, under(l.path, l.found[i].Name))
		if err != nil {
			return err
		}
		requests[k] = r
	}
	for k, i := range part {
		e := &l.found[i]
		err := addLink(e, func() (string, error) { return decodeLink(ctx, requests[k]) })
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil || l.h.s.over():
			return err
		case !errors.Is(err, fs.ErrNotExist):
			l.refuse(e.Name, err.Error())
		}
		gone[i] = true
	}
	return nil
}
