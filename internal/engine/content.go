package engine

import (
	"context"

	"gosync/delta"
	"gosync/walker"
	"gosync/walker/manifest"
)

// Content is what a run has found out about the content of a file while it moved.
type Content struct {
	Path string // in the transfer
	Size int64
	Sec  int64 // the modification time that the file is given, if times are kept
	Nsec uint32
	Sum  delta.Digest // the BLAKE3 of all of it
}

// Cloner is a [NewFile] that can share the blocks of another file.
type Cloner interface {
	// CloneFrom makes the file a clone of the first size bytes of src, and reports false
	// where that is not possible, having written nothing.
	CloneFrom(ctx context.Context, src File, size int64) (bool, error)
}

// knows notes the digest of the content of a file, which is to be told of when it has landed.
func (d *dest) knows(in *incoming, sum delta.Digest) {
	if d.learned != nil {
		in.sum = &sum
	}
}

// tellContent tells the digest of a file that has landed.
func (d *dest) tellContent(in *incoming, size int64) {
	if d.learned != nil && in.sum != nil {
		d.learned(Content{Path: manifest.Join(in.dir.path, in.e.Name), Size: size, Sec: in.want.Sec, Nsec: in.want.Nsec, Sum: *in.sum})
	}
}

// tellContent tells the digest of a file that was sent.
func (s *source) tellContent(d *walker.Dir, e *manifest.Entry, size int64, sum delta.Digest) {
	if s.learned != nil {
		s.learned(Content{Path: manifest.Join(d.Path, e.Name), Size: size, Sec: e.Sec, Nsec: e.Nsec, Sum: sum})
	}
}

// digests has the file that is copied digested on the way, for d.learned: unless it can
// be cloned its content goes through memory then, and not through the kernel alone.
func (d *dest) digests(ctx context.Context, in *incoming, src File, f NewFile, size int64) (cloned bool, plain *delta.Plain, err error) {
	in.sum = nil
	if d.learned == nil || d.distant() {
		return false, nil, nil
	}
	if c, ok := f.(Cloner); ok && size > 0 {
		if cloned, err = c.CloneFrom(ctx, src, size); cloned || err != nil {
			return cloned, nil, err
		}
	}
	return false, new(delta.Plain), nil
}
