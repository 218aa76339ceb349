package delta

import (
	"fmt"
)

// Signature is what the source knows of the basis. It must be complete before a
// Matcher uses it and must not change afterwards.
type Signature struct {
	p       Params
	n       int64  // blocks so far
	entries []byte // as on the wire, and signaturePad zero bytes
}

// signaturePad lets a value at the very end be loaded as eight bytes.
const signaturePad = 8

// NewSignature returns an empty signature. The error is that of p.Validate.
func NewSignature(p Params) (*Signature, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return &Signature{p: p, entries: make([]byte, signaturePad)}, nil
}

// Params returns what NewSignature was given.
func (s *Signature) Params() Params { return s.p }

// Complete reports whether all parts have been added.
func (s *Signature) Complete() bool { return s.n == s.p.Blocks() }

// Add checks and copies the next part; parts must come in order. Memory grows with
// what has arrived. Errors wrap [ErrInvalid] or io.ErrUnexpectedEOF and leave the
// signature as it was.
func (s *Signature) Add(part []byte) error {
	r := reader{b: part}
	first, count := r.uvarint(), r.uvarint()
	if r.err != nil {
		return fmt.Errorf("signature part: %w", r.err)
	}
	switch {
	case len(part) > MaxPart:
		return fmt.Errorf("signature part: %w: %d bytes", ErrInvalid, len(part))
	case first != uint64(s.n):
		return fmt.Errorf("signature part: %w: block %d follows %d blocks", ErrInvalid, first, s.n)
	case count == 0 || count > uint64(s.p.Blocks()-s.n):
		return fmt.Errorf("signature part: %w: %d blocks after %d of %d", ErrInvalid, count, s.n, s.p.Blocks())
	}
	raw := r.take(int(count) * s.p.entrySize())
	if err := r.end(); err != nil {
		return fmt.Errorf("signature part: %w", err)
	}
	s.entries = append(s.entries[:len(s.entries)-signaturePad], raw...)
	s.entries = append(s.entries, make([]byte, signaturePad)...)
	s.n += int64(count)
	return nil
}

// hash is the hash of block b, which must have been added.
func (s *Signature) hash(b int64) uint64 {
	return le64(s.entries[int(b)*s.p.entrySize():]) & s.p.hashMask()
}

// anchor is the packed anchor of block b.
func (s *Signature) anchor(b int64) uint64 {
	return le64(s.entries[int(b)*s.p.entrySize()+s.p.HashLen:]) & lowMask(8*s.p.AnchorLen)
}

// index maps anchor ids, or hashes if there are no anchors, to blocks.
func (s *Signature) index() *index {
	if s.p.AnchorLen == 0 {
		x := newIndex(s.n, 8*s.p.HashLen)
		for b := range s.n {
			if s.p.blockLen(b) == int(s.p.BlockSize) {
				x.add(s.hash(b), b)
			}
		}
		return x
	}
	none := newAnchors(s.p).none()
	x := newIndex(s.n, s.p.idBits())
	for b := range s.n {
		if a := s.anchor(b); a != none {
			x.add(a>>anchorOffBits, b)
		}
	}
	return x
}
