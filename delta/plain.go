package delta

import "github.com/zeebo/blake3"

// Plain computes the BLAKE3 digest of a file's content, in order, as b3sum does: that of a
// [Tree] is another one where the file is longer than ChunkSize. The zero value is an empty file.
type Plain struct{ h *blake3.Hasher }

// Add appends content.
func (p *Plain) Add(content []byte) {
	if p.h == nil {
		p.h = blake3.New()
	}
	p.h.Write(content) // cannot fail
}

// AddZeros appends n bytes that are zero.
func (p *Plain) AddZeros(n int64) {
	zeros := make([]byte, min(n, 64<<10))
	for ; n > 0; n -= int64(len(zeros)) {
		p.Add(zeros[:min(n, int64(len(zeros)))])
	}
}

// Sum is the digest of what was added.
func (p *Plain) Sum() (d Digest) {
	if p.h == nil {
		return Sum(nil)
	}
	p.h.Sum(d[:0])
	return d
}
