package delta

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

const (
	anchorOffBits = 11
	anchorReach   = 1 << anchorOffBits // an anchor lies in the first anchorReach bytes of its block
	anchorSpan    = 32                 // bytes that make an anchor's id
	anchorPass    = 0xff << 56         // one window in 256 hashes to this or more
	usedBits      = 18                 // log2 of the size of the filter that keeps ids rare while signing
)

// anchors finds anchors: positions whose next 8 bytes, times a seeded odd number,
// reach anchorPass. A run of zeros has none, and the multiplication depends on
// the job's seed, so that content cannot be prepared to have too many or none.
type anchors struct {
	mul    uint64
	seed   uint64
	idMask uint64
}

func newAnchors(p Params) anchors {
	return anchors{
		mul:    mix(p.Seed^0x9e3779b97f4a7c15) | 1,
		seed:   p.Seed + 1,
		idMask: lowMask(p.idBits()),
	}
}

// next is the first anchor position at i or later with all of anchorSpan in b, or
// -1.
func (a anchors) next(b []byte, i int) int {
	m := a.mul
	// Eight windows at a time; a span is longer than what they reach over.
	for ; i+anchorSpan+7 <= len(b); i += 8 {
		c := (*[16]byte)(b[i : i+16])
		if binary.LittleEndian.Uint64(c[0:8])*m >= anchorPass {
			return i
		}
		if binary.LittleEndian.Uint64(c[1:9])*m >= anchorPass {
			return i + 1
		}
		if binary.LittleEndian.Uint64(c[2:10])*m >= anchorPass {
			return i + 2
		}
		if binary.LittleEndian.Uint64(c[3:11])*m >= anchorPass {
			return i + 3
		}
		if binary.LittleEndian.Uint64(c[4:12])*m >= anchorPass {
			return i + 4
		}
		if binary.LittleEndian.Uint64(c[5:13])*m >= anchorPass {
			return i + 5
		}
		if binary.LittleEndian.Uint64(c[6:14])*m >= anchorPass {
			return i + 6
		}
		if binary.LittleEndian.Uint64(c[7:15])*m >= anchorPass {
			return i + 7
		}
	}
	for ; i+anchorSpan <= len(b); i++ {
		if binary.LittleEndian.Uint64(b[i:])*m >= anchorPass {
			return i
		}
	}
	return -1
}

// id names the content at the start of b, which has at least anchorSpan bytes.
func (a anchors) id(b []byte) uint64 {
	id := xxh3.HashSeed(b[:anchorSpan], a.seed) & a.idMask
	if id == a.idMask { // reserved for "no anchor"
		id = 0
	}
	return id
}

// none is the anchor of a block without one.
func (a anchors) none() uint64 { return a.idMask<<anchorOffBits | (anchorReach - 1) }

// anchorFilter remembers the ids that blocks of one range have used.
type anchorFilter [1 << usedBits / 64]uint64

// sign chooses the first anchor of block whose id no earlier block used: ids that
// are rare in the basis lead the source to one block each. The result packs the
// id above its offset.
func (a anchors) sign(block []byte, used *anchorFilter) uint64 {
	reach := block[:min(len(block), anchorReach-1+anchorSpan)]
	for i := a.next(reach, 0); i >= 0; i = a.next(reach, i+1) {
		id := a.id(reach[i:])
		word, bit := &used[id%(1<<usedBits)/64], uint64(1)<<(id%64)
		if *word&bit == 0 {
			*word |= bit
			return id<<anchorOffBits | uint64(i)
		}
	}
	return a.none()
}
