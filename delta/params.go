package delta

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// Limits that both ends hold each other to.
const (
	MinBlockSize = 512       // bytes
	MaxBlockSize = 16 << 20  // bytes
	MaxBlocks    = 1 << 26   // blocks of one basis
	MaxPart      = 256 << 10 // bytes of one signature part
	MaxSegment   = 64 << 20  // bytes of target in one segment
	MaxRounds    = 3         // refinement rounds of one segment
)

const (
	shortBasis  = 64 << 10 // up to here a basis is signed with the rolling hash
	wideAnchors = 1 << 30  // above, anchors take five bytes
	wantBlocks  = 1 << 22  // NewParams prefers larger blocks to more of them
	maxTarget   = 1 << 62  // bytes; keeps every sum of two offsets in an int64
)

// ErrInvalid is in the chain of every error that bytes from the peer cause,
// except truncation, which is io.ErrUnexpectedEOF.
const ErrInvalid = invalidError("invalid delta data")

type invalidError string

func (e invalidError) Error() string { return string(e) }

// Params fixes how a basis is signed. Both ends must use the same values: the
// destination chooses them with [NewParams] and sends them with AppendBinary.
type Params struct {
	BasisSize int64  // bytes, 0 or more
	BlockSize int64  // bytes, a power of two from MinBlockSize to MaxBlockSize
	HashLen   int    // bytes of each block's hash, 4 to 8
	AnchorLen int    // bytes of each block's anchor, 4 or 5; 0: the hash is the rolling one, there are no anchors
	Seed      uint64 // random per job, so that nobody can prepare colliding content

	narrow int // bits of every hash, so that tests see collisions; 0: as many as there are
}

// NewParams chooses the parameters for a basis of basisSize bytes (negative
// counts as 0).
//
// The block size is 2^round(log2(1.41 sqrt(n))) within 1 KiB to 1 MiB, where the
// cost of the signature and that of the gaps around edits are about equal; above
// 4 TiB it doubles further so that there are at most 2^22 blocks. A basis of up to
// 64 KiB has blocks of 512 bytes and the rolling hash.
//
// A block's hash has 17+log2(blocks) bits, rounded up to whole bytes and at least
// four. A target block is compared with at most about eight hashes, so that the
// probability that a target as long as the basis gets any wrong block is below
// 8*blocks/2^bits <= 2^-14. The rolling hash is compared at every offset; it has
// 16+log2(blocks)+log2(n) bits, and the probability is below 2^-16.
func NewParams(basisSize int64, seed uint64) Params {
	p := Params{BasisSize: max(basisSize, 0), Seed: seed}
	if p.BasisSize <= shortBasis {
		p.BlockSize = MinBlockSize
		p.HashLen = hashBytes(16 + log2(p.Blocks()) + log2(p.BasisSize))
		return p
	}
	p.BlockSize = 1 << 10
	// round(log2(1.41 sqrt(n))) reaches k where 2^(k-1/2) < 1.41 sqrt(n). Squared, with 1.41 taken for
	// the root of two: 2^(k-1) squared < n.
	for p.BlockSize < 1<<20 && p.BlockSize*p.BlockSize < p.BasisSize {
		p.BlockSize *= 2
	}
	for p.BlockSize < MaxBlockSize && p.Blocks() > wantBlocks {
		p.BlockSize *= 2
	}
	p.HashLen = hashBytes(17 + log2(p.Blocks()))
	p.AnchorLen = 4
	if p.BasisSize > wideAnchors {
		p.AnchorLen = 5
	}
	return p
}

// WithBlockSize returns p with blocks of about n bytes: the next power of two, as far as the limits let. A short basis
// keeps its own.
func (p Params) WithBlockSize(n int64) Params {
	if p.AnchorLen == 0 {
		return p
	}
	p.BlockSize = MinBlockSize
	for p.BlockSize < min(n, MaxBlockSize) || p.BlockSize < MaxBlockSize && p.Blocks() > wantBlocks {
		p.BlockSize *= 2
	}
	p.HashLen = hashBytes(17 + log2(p.Blocks()))
	return p
}

func hashBytes(bits int) int { return min(max((bits+7)/8, 4), 8) }

// log2 rounds up; it is 0 for n <= 1.
func log2(n int64) int {
	if n <= 1 {
		return 0
	}
	return bits.Len64(uint64(n - 1))
}

// Validate reports values that a hostile peer may have chosen. The error wraps
// [ErrInvalid].
func (p Params) Validate() error {
	switch {
	case p.BlockSize < MinBlockSize || p.BlockSize > MaxBlockSize || p.BlockSize&(p.BlockSize-1) != 0:
		return fmt.Errorf("%w: block size %d", ErrInvalid, p.BlockSize)
	case p.BasisSize < 0 || p.BasisSize > MaxBlocks*p.BlockSize:
		return fmt.Errorf("%w: basis of %d bytes in blocks of %d", ErrInvalid, p.BasisSize, p.BlockSize)
	case p.HashLen < 4 || p.HashLen > 8:
		return fmt.Errorf("%w: hash of %d bytes", ErrInvalid, p.HashLen)
	case p.AnchorLen != 0 && p.AnchorLen != 4 && p.AnchorLen != 5:
		return fmt.Errorf("%w: anchor of %d bytes", ErrInvalid, p.AnchorLen)
	}
	return nil
}

// Blocks is the number of blocks of the basis; the last may be short.
func (p Params) Blocks() int64 {
	return (p.BasisSize + p.BlockSize - 1) / p.BlockSize
}

// SignatureSize is the length in bytes of all signature parts together.
func (p Params) SignatureSize() int64 {
	size := p.Blocks() * int64(p.entrySize())
	for i := range p.ranges() {
		first, _ := p.rangeBlocks(i)
		size += int64(partHeader(first, min(p.blocksPerRange(), p.Blocks()-first)))
	}
	return size
}

func (p Params) entrySize() int { return p.HashLen + p.AnchorLen }

// idBits is the width of an anchor's id; 0 if there are no anchors.
func (p Params) idBits() int { return max(8*p.AnchorLen-anchorOffBits, 0) }

func (p Params) hashMask() uint64 { return p.mask(8 * p.HashLen) }

// mask keeps the bits of a hash of width bits.
func (p Params) mask(width int) uint64 {
	if p.narrow > 0 {
		width = min(width, p.narrow)
	}
	return lowMask(width)
}

// blockLen is the length of block b, which must exist.
func (p Params) blockLen(b int64) int {
	return int(min(p.BlockSize, p.BasisSize-b*p.BlockSize))
}

func lowMask(bits int) uint64 {
	if bits >= 64 {
		return ^uint64(0)
	}
	return 1<<bits - 1
}

// AppendBinary appends the encoded parameters, at most 21 bytes. The error is
// that of Validate.
func (p Params) AppendBinary(b []byte) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return b, err
	}
	b = binary.AppendUvarint(b, uint64(p.BasisSize))
	b = append(b, byte(log2(p.BlockSize)), byte(p.HashLen), byte(p.AnchorLen))
	return binary.LittleEndian.AppendUint64(b, p.Seed), nil
}

// DecodeParams decodes the whole of b and validates the result. Errors wrap
// [ErrInvalid] or are io.ErrUnexpectedEOF.
func DecodeParams(b []byte) (Params, error) {
	r := reader{b: b}
	p := Params{BasisSize: int64(min(r.uvarint(), maxTarget))}
	fixed := r.take(3 + 8)
	if err := r.end(); err != nil {
		return Params{}, fmt.Errorf("delta parameters: %w", err)
	}
	p.BlockSize = 1 << min(fixed[0], 62)
	p.HashLen, p.AnchorLen = int(fixed[1]), int(fixed[2])
	p.Seed = binary.LittleEndian.Uint64(fixed[3:])
	if err := p.Validate(); err != nil {
		return Params{}, fmt.Errorf("delta parameters: %w", err)
	}
	return p, nil
}

// reader takes values off the front of bytes from the peer. The first failure
// sticks; later calls return zero values.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// uvarint accepts the shortest form only, so that every message has one encoding.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case r.err != nil:
		return 0
	case n == 0:
		r.fail(io.ErrUnexpectedEOF)
		return 0
	case n < 0 || n > 1 && r.b[n-1] == 0:
		r.fail(fmt.Errorf("%w: number", ErrInvalid))
		return 0
	}
	r.b = r.b[n:]
	return v
}

// varint undoes the zigzag of binary.AppendVarint.
func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// take returns the next n bytes, aliasing the input, or nil.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b) {
		r.fail(io.ErrUnexpectedEOF)
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// end reports the first failure, or bytes that are left over.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail(fmt.Errorf("%w: %d bytes too many", ErrInvalid, len(r.b)))
	}
	return r.err
}
