package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Sizes of the protocol, in bytes.
const (
	headerSize = 6         // length of the payload (4, big endian), type, flags
	MaxFrame   = 1 << 20   // greatest payload, before and after decompression
	BulkSize   = 256 << 10 // content bytes that an end packs into one frame at the most
	bufferSize = BulkSize + 4<<10
	smallFrame = 4 << 10  // payloads up to here are not worth a pooled buffer
	growStep   = 64 << 10 // memory for a frame that is larger than a buffer grows by so much as it arrives
)

const (
	flagZstd   = 1 << 0 // the payload is its raw length (uvarint) and one zstd frame
	flagStripe = 1 << 1 // a stripe stands in front of the payload, see lanes.go
	flagsMask  = flagZstd | flagStripe
)

// Buffer is a frame in the making. Append to B behind what is there, then hand
// it to [Conn.SendBuffer], which takes it over.
type Buffer struct {
	B    []byte
	typ  Type
	home *[]byte // the pooled memory, nil if it was not pooled

	mark chan struct{} // no frame: closed by the writer when it gets there
}

// Payload returns the bytes that were appended so far.
func (f *Buffer) Payload() []byte { return f.B[headerSize:] }

// Frame is a frame that was received. It may be copied, but only one copy may be
// used further: Payload and Release change what the frame holds.
type Frame struct {
	Type    Type
	flags   byte
	stripe  stripe // where striped
	striped bool
	payload []byte
	home    *[]byte
	conn    *Conn
}

// Payload returns the payload, decompressed. It may be called from any
// goroutine, but not from two at a time.
func (f *Frame) Payload() ([]byte, error) {
	if f.flags&flagZstd == 0 {
		return f.payload, nil
	}
	return f.conn.decompress(f)
}

// Size returns how many bytes the payload has, or will have once it is decompressed.
func (f *Frame) Size() int64 {
	if f.flags&flagZstd == 0 {
		return int64(len(f.payload))
	}
	d := Dec{b: f.payload}
	return int64(d.uvarint(MaxFrame)) // 0 if it is none: whoever decompresses it will say so
}

// Release returns the frame's memory to the connection; slices of the payload
// are invalid afterwards. A frame that is not released is left to the garbage
// collector.
func (f *Frame) Release() {
	if f.home != nil {
		f.conn.pool.Put(f.home)
		f.home, f.payload = nil, nil
	}
}

// input is a stream that frames are read from, by one goroutine at a time.
type input struct {
	c      *Conn
	r      io.Reader
	br     *bufio.Reader
	main   bool // the stream of the connection itself
	counts bool // the inbox is told of what arrives
	inside bool // what arrives belongs to a frame that is no ping
}

func newInput(c *Conn, r io.Reader, main bool) *input {
	in := &input{c: c, r: r, main: main}
	in.br = bufio.NewReaderSize(&timedReader{in}, bufferSize)
	return in
}

// frame reads one frame. At a clean end between frames it returns io.EOF.
func (in *input) frame() (f Frame, err error) {
	c := in.c
	var h [headerSize]byte
	if _, err := io.ReadFull(in.br, h[:]); err != nil {
		return f, err // io.EOF if nothing was read, else io.ErrUnexpectedEOF
	}
	if Type(h[4]) != TypePing {
		c.progress()
		in.inside = true
		defer func() { in.inside = false }()
	}
	n := binary.BigEndian.Uint32(h[:4])
	f = Frame{Type: Type(h[4]), flags: h[5], conn: c}
	switch {
	case n > MaxFrame:
		return f, protocolError("frame of %d bytes exceeds %d", n, MaxFrame)
	case !f.Type.known():
		return f, protocolError("unknown message %d", f.Type)
	case f.flags&^flagsMask != 0:
		return f, protocolError("unknown flags %#x", f.flags)
	case f.Type == TypePing && (n > 1 || f.flags != 0):
		return f, protocolError("a ping of %d bytes, flags %#x", n, f.flags)
	case !in.main && f.flags&flagStripe == 0:
		return f, protocolError("message %d on a lane has no stripe", f.Type)
	case in.main && c.inbox.main == nil && f.flags&flagStripe != 0:
		return f, protocolError("message %d has a stripe before striping begins", f.Type)
	case f.flags&flagStripe != 0 && !f.Type.bulk():
		return f, protocolError("message %d has a stripe", f.Type)
	}
	c.in.Add(int64(n) + headerSize)
	if f.flags&flagStripe != 0 {
		if f.stripe, err = in.stripe(); err != nil {
			return f, err
		}
		f.flags &^= flagStripe
		f.striped = true
	}
	switch {
	case n > bufferSize:
		f.payload, err = readGrowing(in.br, int(n))
		return f, err
	case n > smallFrame && !f.striped || n > laneSmall: // striped ones are held, and must not hold more than they cost
		f.home = c.pool.Get().(*[]byte)
		f.payload = (*f.home)[:n:n]
	default:
		f.payload = make([]byte, n)
	}
	if _, err := io.ReadFull(in.br, f.payload); err != nil {
		f.Release()
		return f, fmt.Errorf("reading frame: %w", unexpectedEOF(err))
	}
	return f, nil
}

// readGrowing reads n bytes into memory that grows with what has arrived.
func readGrowing(r io.Reader, n int) ([]byte, error) {
	var b []byte
	for len(b) < n {
		step := min(n-len(b), max(growStep, len(b)))
		b = append(b, make([]byte, step)...)
		if _, err := io.ReadFull(r, b[len(b)-step:]); err != nil {
			return nil, fmt.Errorf("reading frame: %w", unexpectedEOF(err))
		}
	}
	return b, nil
}
