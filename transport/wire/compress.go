package wire

// minCompress is the length in bytes from which a payload is worth compressing.
const minCompress = 256

// compress returns f compressed, or nil where that saves less than a sixteenth.
func (c *Conn) compress(f *Buffer) *Buffer {
	g := c.Buffer(f.typ)
	g.B = appendUint(g.B, uint64(len(f.B)-headerSize))
	g.B = c.enc.EncodeAll(f.B[headerSize:], g.B)
	if len(g.B) > len(f.B)-len(f.B)/16 {
		c.Discard(g)
		return nil
	}
	return g
}

// decompress replaces the payload of f. The memory that is taken is what the
// frame announces, at most MaxFrame; the decoder does not write beyond it,
// however many zstd frames the payload holds.
func (c *Conn) decompress(f *Frame) ([]byte, error) {
	d := Dec{b: f.payload}
	n := d.uvarint(MaxFrame)
	if d.err != nil {
		return nil, d.err
	}
	home := c.pool.Get().(*[]byte)
	dst := (*home)[:0]
	if n > uint64(cap(dst)) {
		c.pool.Put(home)
		home, dst = nil, make([]byte, 0, n)
	}
	out, err := c.dec.DecodeAll(d.b, dst)
	if err != nil || uint64(len(out)) != n {
		if home != nil {
			c.pool.Put(home)
		}
		return nil, protocolError("compressed frame does not hold the %d bytes announced (%v)", n, err)
	}
	f.Release()
	f.home, f.payload, f.flags = home, out, 0
	return out, nil
}
