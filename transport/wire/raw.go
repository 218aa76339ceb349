package wire

// AppendFrame appends m to b as one frame, not compressed. Nothing is checked,
// not even the length: it is for tests and tools that speak to a stream without
// a [Conn], or want to say what a Conn would not.
func AppendFrame(b []byte, m Msg) []byte {
	f := Buffer{B: m.append(make([]byte, headerSize)), typ: m.Type()}
	f.seal(0)
	return append(b, f.B...)
}
