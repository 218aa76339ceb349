package delta

import (
	"context"
	"fmt"

	"github.com/zeebo/xxh3"
)

const gapBuffer = 256 << 10 // bytes of a gap read at once

// gapRoom returns b, or a larger buffer for the gaps of a segment of n bytes.
func gapRoom(b []byte, n int64) []byte {
	if n = min(max(n, 1<<nearMaxLog), gapBuffer); int64(len(b)) < n {
		return make([]byte, n)
	}
	return b
}

// gapReader reads the gaps of the target.
type gapReader struct {
	near *Nearby
	buf  []byte
}

// nearHash is the hash of a sub-block that is compared; the one of a block has
// another seed, so that content which collides in one does not in the other.
func nearHash(b []byte, seed uint64) uint64 { return xxh3.HashSeed(b, seed+2) }

// hash computes the hashes of all items at the source.
func (q *Question) hash(ctx context.Context, r *gapReader) error {
	seed := q.seg.p.Seed
	r.buf = gapRoom(r.buf, q.seg.Len)
	rollers := map[int]*roller{}
	for _, it := range q.items {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, sum := &q.near, func(b []byte) uint64 { return nearHash(b, seed) }
		if it.search {
			roll := rollers[it.log]
			if roll == nil {
				roll = newRoller(seed, 1<<it.log)
				rollers[it.log] = roll
			}
			h, sum = &q.search, func(b []byte) uint64 { return finish(roll.sum(b)) }
		}
		mask := q.seg.p.mask(h.width)
		read := func(b []byte, at int64) error { return readFullAt(r.near, b, q.seg.Off+at) }
		err := it.each(q.gaps[it.gap], r.buf, read, func(_ int64, b []byte) {
			h.list = append(h.list, sum(b)&mask)
		})
		if err != nil {
			return fmt.Errorf("reading target at %d: %w", q.seg.Off+q.gaps[it.gap].at, err)
		}
	}
	return nil
}

// each reads the sub-blocks of the item, several at once where they touch, and
// calls do for each in order. buf has room for the largest at least.
func (it item) each(g gap, buf []byte, read func(b []byte, at int64) error, do func(i int64, b []byte)) error {
	l := it.layout(g)
	for i := int64(0); i < l.count; {
		from, n := l.block(g, i)
		last, end := i, from+n
		for last+1 < l.count {
			at, n := l.block(g, last+1)
			if at != end || at+n-from > int64(len(buf)) {
				break
			}
			last, end = last+1, at+n
		}
		b := buf[:end-from]
		if err := read(b, from); err != nil {
			return err
		}
		for ; i <= last; i++ {
			size := min(1<<it.log, len(b))
			do(i, b[:size])
			b = b[size:]
		}
	}
	return nil
}
