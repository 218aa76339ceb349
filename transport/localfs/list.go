package localfs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// scan is the memory that listing a directory needs for a while.
type scan struct {
	buf   [64 << 10]byte
	names []byte // one after the other, each with a NUL behind it
	spans []span
	pace  pace
}

// span says where a name stands in the names of a scan, without its NUL.
type span struct{ at, end uint32 }

// maxNames is the total length of the names in one directory.
const maxNames = 1<<32 - 1

// add keeps a name; it is called for each name that the directory has.
func (s *scan) add(name []byte) error {
	if string(name) == "." || string(name) == ".." {
		return nil
	}
	at := len(s.names)
	if uint64(at+len(name)+1) > maxNames {
		return unix.EOVERFLOW
	}
	s.names = append(append(s.names, name...), 0)
	s.spans = append(s.spans, span{uint32(at), uint32(at + len(name))})
	return nil
}

// sort puts the names into the order of a listing. They are sorted before they are
// looked at because they are small then, and because files that were made in the
// order of their names lie side by side.
func (s *scan) sort() {
	slices.SortFunc(s.spans, func(a, b span) int {
		return bytes.Compare(s.names[a.at:a.end], s.names[b.at:b.end])
	})
}

// List implements [walker.Tree]. The names of one listing share their memory.
func (t *Tree) List(ctx context.Context, path string) ([]manifest.Entry, error) {
	for first := true; ; first = false {
		d, err := t.dir(path)
		if err != nil {
			return nil, err
		}
		entries, err := t.list(ctx, d)
		stale := first && path != "" && len(entries) == 0 && errors.Is(err, unix.ENOENT) && d.gone()
		t.dirs.release(d)
		if !stale {
			return entries, err
		}
		t.dirs.drop(path)
	}
}

func (t *Tree) list(ctx context.Context, d *dir) ([]manifest.Entry, error) {
	s := t.scans.Get().(*scan)
	defer t.scans.Put(s)
	s.names, s.spans = s.names[:0], s.spans[:0]
	err := s.read(ctx, d)
	if err != nil {
		err = t.fail("readdir", d.path, err)
	}
	s.sort()
	entries, statErr := t.describe(ctx, d, string(s.names), s.spans, &s.pace)
	if err == nil {
		err = statErr
	}
	if t.follows {
		return t.followed(d, entries, err)
	}
	return entries, err
}

// read collects the names in d.
func (s *scan) read(ctx context.Context, d *dir) error {
	d.list.Lock()
	defer d.list.Unlock()
	fd, moved := d.fd, d.moved
	if d.mere {
		own, err := openAt(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(own)
		fd, moved = own, false
	}
	d.moved = true
	return readNames(ctx, fd, moved, s.buf[:], s.add)
}

// pace tells whether names are looked at without waiting for storage: whether the
// last ones were. Where that turns out to be wrong, paceNames of them at the most
// keep other goroutines of a processor waiting.
type pace struct {
	since time.Time // when the first of these names was looked at
	names int
	quick bool
}

const (
	paceNames = 16
	quickName = 20 * time.Microsecond // far more than from memory, far less than from storage
)

// begin starts the time, next is for each name; it reports whether that is quick.
func (p *pace) begin() { p.since, p.names = time.Now(), 0 }

func (p *pace) next() bool {
	if p.names == paceNames {
		now := time.Now()
		p.quick = now.Sub(p.since) < paceNames*quickName
		p.since, p.names = now, 0
	}
	p.names++
	return p.quick
}

// describe looks at each of the names in d, which stand at spans. Names that are
// gone are left out; of other errors the first is returned.
func (t *Tree) describe(ctx context.Context, d *dir, names string, spans []span, p *pace) (entries []manifest.Entry, first error) {
	var st unix.Stat_t
	entries = make([]manifest.Entry, len(spans))
	kept := 0
	local := t.answers && d.dev == t.dev
	p.begin()
	for i, at := range spans {
		if i%1024 == 1023 && ctx.Err() != nil {
			return entries[:kept], t.fail("readdir", d.path, context.Cause(ctx))
		}
		e := &entries[kept]
		err := statName(d.fd, names[at.at:at.end+1], &st, p.next() && local)
		if err == nil {
			e.Name = names[at.at:at.end]
			meta.Entry(e, &st)
			switch {
			case e.Type == manifest.Symlink:
				err = addLink(d.fd, e)
			case e.IsDir() && deviceOf(&st) != d.dev:
				e.Ext = &manifest.Ext{Mount: true, Dev: deviceOf(&st)}
			}
			if err == nil && t.detail != 0 {
				if err := t.described(d.fd, e.Name, e, &st); err != nil && !errors.Is(err, unix.ENOENT) && first == nil {
					first = t.fail("getxattr", manifest.Join(d.path, e.Name), err)
				}
			}
		}
		switch {
		case err == nil:
			kept++
		case err != unix.ENOENT && first == nil:
			first = t.fail("stat", manifest.Join(d.path, names[at.at:at.end]), err)
		}
	}
	return entries[:kept], first
}

// addLink reads the target of a symlink. One that is no symlink any more is as
// good as gone: the next run sees what it has become.
func addLink(dirfd int, e *manifest.Entry) error {
	target, err := readLink(dirfd, e.Name, e.Size)
	if err == unix.EINVAL {
		return unix.ENOENT
	}
	if e.Ext == nil {
		e.Ext = &manifest.Ext{}
	}
	e.Ext.Link, e.Size = target, int64(len(target))
	return err
}
