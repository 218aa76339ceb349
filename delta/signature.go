package delta

import (
	"fmt"
	"sync"
)

// Signature is what the source knows of the basis. Parts may be added while a
// Matcher uses what has arrived. It is safe for concurrent use.
type Signature struct {
	p     Params
	mu    sync.Mutex
	v     view          // what has arrived
	grown chan struct{} // closed when the next part is added
}

// signaturePad lets a value at the very end be loaded as eight bytes.
const signaturePad = 8

// NewSignature returns an empty signature. The error is that of p.Validate.
func NewSignature(p Params) (*Signature, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return &Signature{p: p, v: view{p: p, entries: make([]byte, signaturePad)}, grown: make(chan struct{})}, nil
}

// Params returns what NewSignature was given.
func (s *Signature) Params() Params { return s.p }

// Blocks is the number of blocks that have been added.
func (s *Signature) Blocks() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.v.n
}

// Complete reports whether all parts have been added.
func (s *Signature) Complete() bool { return s.Blocks() == s.p.Blocks() }

// Grown returns a channel that is closed when the next part is added. Whoever
// waits for blocks takes the channel first and looks at Blocks then.
func (s *Signature) Grown() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grown
}

// Add checks and copies the next part; parts must come in order. Memory grows with
// what has arrived. Errors wrap [ErrInvalid] or io.ErrUnexpectedEOF and leave the
// signature as it was.
func (s *Signature) Add(part []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := reader{b: part}
	first, count := r.uvarint(), r.uvarint()
	if r.err != nil {
		return fmt.Errorf("signature part: %w", r.err)
	}
	have, all := s.v.n, s.p.Blocks()
	switch {
	case len(part) > MaxPart:
		return fmt.Errorf("signature part: %w: %d bytes", ErrInvalid, len(part))
	case first != uint64(have):
		return fmt.Errorf("signature part: %w: block %d follows %d blocks", ErrInvalid, first, have)
	case count == 0 || count > uint64(all-have):
		return fmt.Errorf("signature part: %w: %d blocks after %d of %d", ErrInvalid, count, have, all)
	}
	raw := r.take(int(count) * s.p.entrySize())
	if err := r.end(); err != nil {
		return fmt.Errorf("signature part: %w", err)
	}
	b := append(s.v.entries[:len(s.v.entries)-signaturePad], raw...)
	s.v.entries = append(b, make([]byte, signaturePad)...)
	s.v.n += int64(count)
	close(s.grown)
	s.grown = make(chan struct{})
	return nil
}

// arrived returns what may be used of the signature while parts are added, which
// needs anchors. The last block is left out until nothing can follow: a load of its
// values would reach into the bytes that the next part is written to.
func (s *Signature) arrived() view {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.v
	if v.n < s.p.Blocks() {
		v.n = max(v.n-1, 0)
	}
	return v
}

// view is a signature as it was at some time; what is added later does not change
// it.
type view struct {
	p       Params
	n       int64  // blocks
	entries []byte // as on the wire, and signaturePad bytes
}

// hash is the hash of block b, which must be below n.
func (v *view) hash(b int64) uint64 {
	return le64(v.entries[int(b)*v.p.entrySize():]) & v.p.hashMask()
}

// anchor is the packed anchor of block b.
func (v *view) anchor(b int64) uint64 {
	return le64(v.entries[int(b)*v.p.entrySize()+v.p.HashLen:]) & lowMask(8*v.p.AnchorLen)
}

// index maps anchor ids, or hashes if there are no anchors, to blocks.
func (v *view) index() *index {
	if v.p.AnchorLen == 0 {
		x := newIndex(v.n, 8*v.p.HashLen)
		for b := range v.n {
			if v.p.blockLen(b) == int(v.p.BlockSize) {
				x.add(v.hash(b), b)
			}
		}
		return x
	}
	none := newAnchors(v.p).none()
	x := newIndex(v.n, v.p.idBits())
	for b := range v.n {
		if a := v.anchor(b); a != none {
			x.add(a>>anchorOffBits, b)
		}
	}
	return x
}
