package delta

// maxProbes bounds every search in an index, and with it the number of candidates
// that equal keys can lead to.
const maxProbes = 64

// index finds items by a hash key: a bitmap that says no to most keys, then a
// table with linear probing. An item that finds no room within maxProbes is left
// out: it will not be found, which costs bytes, never time. After the last add it
// is safe for concurrent use.
type index struct {
	bitmap  []uint64
	bitMask uint64
	slots   []slot
	mask    uint64
}

// slot holds an item number plus one (0: free) and a part of its key.
type slot struct {
	tag  uint32
	item uint32
}

// newIndex makes room for n items, at most 2^31. Keys are keyBits long.
func newIndex(n int64, keyBits int) *index {
	size := 1 << (log2(max(n, 1)) + 1)
	bitmap := 1 << min(max(log2(max(n, 1))+6, 8), 26, max(keyBits, 6))
	return &index{
		bitmap:  make([]uint64, bitmap/64),
		bitMask: uint64(bitmap) - 1,
		slots:   make([]slot, size),
		mask:    uint64(size) - 1,
	}
}

func (x *index) home(key uint64) uint64 { return (key * 0x9e3779b97f4a7c15) >> 20 }

func (x *index) add(key uint64, item int64) {
	at := x.home(key)
	for i := range uint64(maxProbes) {
		s := &x.slots[(at+i)&x.mask]
		if s.item == 0 {
			*s = slot{uint32(key), uint32(item) + 1}
			bit := key & x.bitMask
			x.bitmap[bit/64] |= 1 << (bit % 64)
			return
		}
	}
}

// has is false for most keys that no item has.
func (x *index) has(key uint64) bool {
	bit := key & x.bitMask
	return x.bitmap[bit/64]&(1<<(bit%64)) != 0
}

// next returns an item that may have key (its low 32 bits agree) and the probe to
// go on from, or -1. The first probe is 0.
func (x *index) next(key uint64, probe uint64) (item int64, after uint64) {
	at := x.home(key)
	for ; probe < maxProbes; probe++ {
		s := x.slots[(at+probe)&x.mask]
		if s.item == 0 {
			break
		}
		if s.tag == uint32(key) {
			return int64(s.item) - 1, probe + 1
		}
	}
	return -1, maxProbes
}
