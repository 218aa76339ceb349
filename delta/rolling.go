package delta

import "encoding/binary"

// roller is a polynomial rolling hash over windows of one size, with a seeded odd
// multiplier modulo 2^64. The sum is the value of the polynomial whose
// coefficients are the bytes plus one; finish makes a hash of it. Its low bits alone
// would depend on little of the content.
type roller struct {
	mul  uint64
	pow  [8]uint64 // mul^1 ... mul^8
	out  uint64    // mul^size
	bias uint64    // 1 - mul^size: what adding one to each byte amounts to
}

func newRoller(seed uint64, size int) *roller {
	r := &roller{mul: mix(seed^0xd1b54a32d192ed03) | 1, out: 1}
	p := uint64(1)
	for i := range r.pow {
		p *= r.mul
		r.pow[i] = p
	}
	for range size {
		r.out *= r.mul
	}
	r.bias = 1 - r.out
	return r
}

// sum is the polynomial of b, whatever its length. Eight bytes a step keep the
// multiplications independent of each other.
func (r *roller) sum(b []byte) uint64 {
	h := uint64(0)
	p := &r.pow
	for ; len(b) >= 8; b = b[8:] {
		c := (*[8]byte)(b)
		h = h*p[7] + (uint64(c[0])+1)*p[6] + (uint64(c[1])+1)*p[5] +
			(uint64(c[2])+1)*p[4] + (uint64(c[3])+1)*p[3] +
			(uint64(c[4])+1)*p[2] + (uint64(c[5])+1)*p[1] +
			(uint64(c[6])+1)*p[0] + uint64(c[7]) + 1
	}
	for _, c := range b {
		h = h*r.mul + uint64(c) + 1
	}
	return h
}

// seek rolls the window that starts at b[x] and has the sum h on until it ends at
// the end of b or its key, finish(h), may be in the index. It returns where the
// window starts then, and its sum. n is the size of the window.
func (r *roller) seek(b []byte, x, n int, h, mask uint64, idx *index) (int, uint64) {
	mul, out, bias := r.mul, r.out, r.bias
	bitmap, bitMask := idx.bitmap, idx.bitMask&mask
	tail, head := b[:len(b)-n], b[n:]
	head = head[:len(tail)]
	for ; ; x++ {
		bit := finish(h) & bitMask
		if bitmap[bit/64]>>(bit%64)&1 != 0 || x >= len(tail) {
			return x, h
		}
		h = h*mul + (uint64(head[x]) - uint64(tail[x])*out + bias)
	}
}

// roll moves the window of the sum h one byte on.
func (r *roller) roll(h uint64, out, in byte) uint64 {
	return h*r.mul + (uint64(in) - uint64(out)*r.out + r.bias)
}

// finish makes a hash of a sum: the low bits of a polynomial modulo 2^64 depend on
// the low bits of the content only.
func finish(h uint64) uint64 {
	h = (h ^ h>>32) * 0xbf58476d1ce4e5b9
	return h ^ h>>32
}

// mix spreads every bit of x over the whole word (the finalizer of splitmix64,
// Steele, Lea and Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
