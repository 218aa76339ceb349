package engine

import (
	"errors"
	"io"

	"gosync/delta"
	"gosync/walker/manifest"
)

// sameState reports whether two states of an open file are the same as far as its
// metadata tells. The change time is part of it: who writes a file and puts its
// modification time back cannot put that back.
func sameState(a, b *manifest.Entry) bool { return sameLook(a, b) && sameCtime(a, b) }

// sameLook is sameState without the change time.
func sameLook(a, b *manifest.Entry) bool {
	return a.Size == b.Size && a.Sec == b.Sec && a.Nsec == b.Nsec && a.Ino == b.Ino
}

func sameCtime(a, b *manifest.Entry) bool {
	if a.Ext == nil || b.Ext == nil {
		return true // unknown
	}
	return a.Ext.CtimeSec == b.Ext.CtimeSec && a.Ext.CtimeNsec == b.Ext.CtimeNsec
}

// isUnchanged reports whether a file that was read has still the content that it
// had when it was in the state before. A new link or mode moves the change time
// as well as new content does, so where only that has moved, again reads the file
// once more and reports whether it has found the same.
func isUnchanged(f File, before *manifest.Entry, again func() (bool, error)) (bool, error) {
	for try := 0; ; try++ {
		after, err := f.Stat()
		if err != nil {
			return false, err
		}
		if sameState(before, &after) {
			return true, nil
		}
		if !sameLook(before, &after) || try == rereads {
			return false, nil
		}
		if same, err := again(); err != nil || !same {
			return false, err
		}
		before = &after
	}
}

// digest returns the digest of the chunks of f, from the given one on, that were
// asked for (nil for all), as stream computes it.
func (w *fileWriter) digest(f File, from int64, chunks []int, size int64) (sum delta.Digest, err error) {
	if w.buf == nil {
		w.buf = make([]byte, delta.ChunkSize)
	}
	var tree delta.Tree
	next := nextChunk(chunks)
	for n := from; ; n++ {
		if n, err = next(n); err != nil {
			return sum, err
		}
		off := n * delta.ChunkSize
		if off >= size {
			return tree.Sum(size), nil
		}
		got, err := f.ReadAt(w.buf[:min(delta.ChunkSize, size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return sum, err
		}
		tree.Add(delta.Sum(w.buf[:got]))
	}
}
