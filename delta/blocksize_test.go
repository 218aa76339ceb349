package delta

import "testing"

func TestWithBlockSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ basis, ask, want int64 }{
		{1000, 4096, MinBlockSize}, // a short basis keeps its own
		{1 << 20, 0, MinBlockSize},
		{1 << 20, 1000, 1024},
		{1 << 20, 1024, 1024},
		{1 << 20, 128 << 10, 128 << 10},
		{1 << 20, 1 << 40, MaxBlockSize},
		{1 << 40, 1, 1 << 18}, // else there are too many
	} {
		p := NewParams(c.basis, 7).WithBlockSize(c.ask)
		if err := p.Validate(); err != nil || p.BlockSize != c.want {
			t.Errorf("basis %d, blocks of %d: %d, want %d (%v)", c.basis, c.ask, p.BlockSize, c.want, err)
		}
		if want := hashBytes(17 + log2(p.Blocks())); p.AnchorLen > 0 && p.HashLen != want {
			t.Errorf("basis %d, blocks of %d: hash of %d bytes, want %d", c.basis, c.ask, p.HashLen, want)
		}
	}
}
