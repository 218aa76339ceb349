package delta

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

const (
	signRange  = 32 << 20  // bytes of basis that one part covers, at most
	signBuffer = 256 << 10 // bytes read at once, or one block if that is more: stays in the cache
	headerMax  = 2 * binary.MaxVarintLen32
)

// Sign reads the basis and hands the encoded parts of its signature to emit, in
// order, on the caller's goroutine; each has at most MaxPart bytes and is valid
// during the call only. Ranges are signed on up to workers goroutines, each with a
// buffer of 256 KiB or one block. A basis shorter than p.BasisSize is
// io.ErrUnexpectedEOF; what it has beyond is not read.
func Sign(ctx context.Context, basis io.ReaderAt, p Params, workers int, emit func(part []byte) error) error {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	newWorker := func() func(int64) ([]byte, error) {
		s := newSigner(p)
		return func(i int64) ([]byte, error) { return s.sign(ctx, basis, i) }
	}
	return ordered(ctx, p.ranges(), workers, newWorker, func(_ int64, part []byte) error {
		return emit(part)
	})
}

// blocksPerRange keeps a range within signRange and its part within MaxPart.
func (p Params) blocksPerRange() int64 {
	return min(signRange/p.BlockSize, int64((MaxPart-headerMax)/p.entrySize()))
}

func (p Params) ranges() int64 {
	return (p.Blocks() + p.blocksPerRange() - 1) / p.blocksPerRange()
}

func (p Params) rangeBlocks(i int64) (first, end int64) {
	first = i * p.blocksPerRange()
	return first, min(first+p.blocksPerRange(), p.Blocks())
}

// partHeader is the length of what precedes a part's entries.
func partHeader(first, count int64) int {
	return len(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(first)), uint64(count)))
}

// signer signs ranges, one at a time.
type signer struct {
	p    Params
	hash blockHash
	anch anchors
	used *anchorFilter
	buf  []byte
}

func newSigner(p Params) *signer {
	s := &signer{p: p, hash: newBlockHash(p), anch: newAnchors(p)}
	s.buf = make([]byte, min(max(signBuffer, p.BlockSize), p.BasisSize))
	if p.AnchorLen > 0 {
		s.used = new(anchorFilter)
	}
	return s
}

// sign returns the encoded part of range i: the number of its first block, the
// number of blocks, and for each the hash and the anchor, little endian.
func (s *signer) sign(ctx context.Context, basis io.ReaderAt, i int64) ([]byte, error) {
	first, end := s.p.rangeBlocks(i)
	part := make([]byte, 0, headerMax+int(end-first)*s.p.entrySize())
	part = binary.AppendUvarint(part, uint64(first))
	part = binary.AppendUvarint(part, uint64(end-first))
	if s.used != nil {
		*s.used = anchorFilter{}
	}
	stop := min(end*s.p.BlockSize, s.p.BasisSize)
	for off := first * s.p.BlockSize; off < stop; off += int64(len(s.buf)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := s.buf[:min(int64(len(s.buf)), stop-off)]
		if err := readFullAt(basis, b, off); err != nil {
			return nil, fmt.Errorf("signing at %d: %w", off, err)
		}
		part = s.blocks(part, b)
	}
	return part, nil
}

// blocks appends the entries of the blocks in b.
func (s *signer) blocks(part, b []byte) []byte {
	var v [8]byte
	for len(b) > 0 {
		block := b[:min(int(s.p.BlockSize), len(b))]
		b = b[len(block):]
		binary.LittleEndian.PutUint64(v[:], s.hash.sum(block))
		part = append(part, v[:s.p.HashLen]...)
		if s.used != nil {
			binary.LittleEndian.PutUint64(v[:], s.anch.sign(block, s.used))
			part = append(part, v[:s.p.AnchorLen]...)
		}
	}
	return part
}

// blockHash is the hash that Params chose for blocks, truncated.
type blockHash struct {
	seed    uint64
	mask    uint64
	rolling bool
	roll    *roller
}

func newBlockHash(p Params) blockHash {
	h := blockHash{seed: p.Seed, mask: p.hashMask(), rolling: p.AnchorLen == 0}
	if h.rolling {
		h.roll = newRoller(p.Seed, int(p.BlockSize))
	}
	return h
}

func (h *blockHash) sum(b []byte) uint64 {
	if h.rolling {
		return finish(h.roll.sum(b)) & h.mask
	}
	return xxh3.HashSeed(b, h.seed) & h.mask
}
