package delta

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/blake3"
)

// ChunkSize is the number of bytes that one digest covers; a file's last chunk
// may be shorter.
const ChunkSize = 1 << 20

const treeContext = "gosync file digest v1"

// Digest is a BLAKE3 digest of 256 bits.
type Digest [32]byte

// Sum is the BLAKE3 digest of chunk.
func Sum(chunk []byte) Digest { return blake3.Sum256(chunk) }

// Tree computes a file's digest from the digests of its chunks. The zero value is
// an empty file. It is not safe for concurrent use.
//
// The digest of a file of at most ChunkSize bytes is the BLAKE3 of its content.
// That of a longer one is BLAKE3 in key derivation mode, with a context of its
// own, over all chunk digests and the size (8 bytes, little endian).
type Tree struct {
	h     *blake3.Hasher
	first Digest
	any   bool
}

// Add appends the digest of the next chunk of ChunkSize bytes, or of the last.
func (t *Tree) Add(d Digest) {
	if !t.any {
		t.first, t.any = d, true
	}
	if t.h == nil {
		t.h = blake3.NewDeriveKey(treeContext)
	}
	t.h.Write(d[:]) // cannot fail
}

// Sum is the digest of the file of size bytes whose chunks have been added. It
// changes nothing; more chunks may follow.
func (t *Tree) Sum(size int64) Digest {
	if size <= ChunkSize {
		if !t.any {
			return Sum(nil)
		}
		return t.first
	}
	h := blake3.NewDeriveKey(treeContext)
	if t.h != nil {
		h = t.h.Clone()
	}
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(size)))
	var d Digest
	h.Sum(d[:0])
	return d
}

// chunks is the number of digests that size bytes have.
func chunks(size int64) int64 { return (size + ChunkSize - 1) / ChunkSize }

// SumReaderAt digests the first size bytes of r on up to workers goroutines. If
// chunk is not nil, it is called for each chunk's digest, in order, on the
// caller's goroutine. A shorter r is io.ErrUnexpectedEOF.
func SumReaderAt(ctx context.Context, r io.ReaderAt, size int64, workers int, chunk func(i int64, d Digest)) (Digest, error) {
	var t Tree
	newWorker := func() func(i int64) (Digest, error) {
		buf := make([]byte, min(size, ChunkSize))
		return func(i int64) (Digest, error) {
			b := buf[:min(ChunkSize, size-i*ChunkSize)]
			if err := readFullAt(r, b, i*ChunkSize); err != nil {
				return Digest{}, fmt.Errorf("digesting at %d: %w", i*ChunkSize, err)
			}
			return Sum(b), nil
		}
	}
	err := ordered(ctx, chunks(size), workers, newWorker, func(i int64, d Digest) error {
		t.Add(d)
		if chunk != nil {
			chunk(i, d)
		}
		return nil
	})
	if err != nil {
		return Digest{}, err
	}
	return t.Sum(size), nil
}

// readFullAt fills b; a short file is io.ErrUnexpectedEOF.
func readFullAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == nil || err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}
