package delta

import (
	"fmt"
	"math/bits"
)

// packBits appends the low width bits of each hash, lowest first, up to a whole
// byte.
func packBits(b []byte, h hashes) []byte {
	var acc uint64
	have := 0
	for _, v := range h.list {
		for left := h.width; left > 0; {
			n := min(left, 64-have)
			acc |= v & lowMask(n) << have
			v >>= n % 64
			have += n
			left -= n
			for have >= 8 {
				b = append(b, byte(acc))
				acc >>= 8
				have -= 8
			}
		}
	}
	if have > 0 {
		b = append(b, byte(acc))
	}
	return b
}

// unpackBits reads count hashes; their bytes must be there before memory is taken.
func unpackBits(r *reader, count int64, width int) hashes {
	if count == 0 {
		if width != 0 {
			r.fail(fmt.Errorf("%w: width %d without hashes", ErrInvalid, width))
		}
		return hashes{}
	}
	if width < minWidth || width > maxWidth {
		r.fail(fmt.Errorf("%w: hashes of %d bits", ErrInvalid, width))
		return hashes{}
	}
	raw := r.take(int((count*int64(width) + 7) / 8))
	if r.err != nil {
		return hashes{}
	}
	if spare := len(raw)*8 - int(count)*width; spare > 0 && bits.LeadingZeros8(raw[len(raw)-1]) < spare {
		r.fail(fmt.Errorf("%w: bits after the last hash", ErrInvalid))
		return hashes{}
	}
	h := hashes{width: width, list: make([]uint64, count)}
	at := 0
	for i := range h.list {
		h.list[i] = getBits(raw, at, width)
		at += width
	}
	return h
}

// getBits reads width bits, at most 64, from bit at on.
func getBits(b []byte, at, width int) uint64 {
	var v uint64
	for got := 0; got < width; {
		n := min(8-(at+got)%8, width-got)
		v |= uint64(b[(at+got)/8]>>((at+got)%8)) & lowMask(n) << got
		got += n
	}
	return v
}
