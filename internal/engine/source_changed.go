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

// mostGrown is how often what a file has grown by while it was read is read as well.
const mostGrown = 16

// growth follows a file that may become longer while it is read, as logs do.
type growth struct {
	file   File
	before manifest.Entry // the state that is read
	times  int            // that it has grown
}

// size returns how long the file is by now, if it has done nothing but grow; to a file that grows without end that
// happens so many times.
func (g *growth) size() int64 {
	after, err := g.file.Stat()
	if err == nil && g.times < mostGrown && after.Ino == g.before.Ino && after.Size > g.before.Size {
		g.before = after
		g.times++
	}
	return g.before.Size
}

// isWhole reports whether what was read of the file was its content at one moment: that of now, or the begin of it where
// it has grown since. again is as that of isUnchanged.
func (g *growth) isWhole(again func() (bool, error)) (bool, error) {
	after, err := g.file.Stat()
	switch {
	case err != nil, after.Ino != g.before.Ino, after.Size < g.before.Size:
		return false, err
	case after.Size == g.before.Size:
		same, err := isUnchanged(g.file, &g.before, again)
		if !same || err != nil || g.times == 0 {
			return same, err
		}
	}
	return again()
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
