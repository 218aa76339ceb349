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
	growStep   = 64 << 10 // memory for a frame that is larger than a buffer grows by so much as it arrives
)

const (
	flagZstd  = 1 << 0 // the payload is its raw length (uvarint) and one zstd frame
	flagsMask = flagZstd
)

// Buffer is a frame in the making. Append to B behind what is there, then hand
// it to [Conn.SendBuffer], which takes it over.
type Buffer struct {
	B    []byte
	typ  Type
	home *[]byte // the pooled memory, nil if it was not pooled
}

// Payload returns the bytes that were appended so far.
func (f *Buffer) Payload() []byte { return f.B[headerSize:] }

// Frame is a frame that was received. Release gives its memory back; slices of
// the payload are invalid afterwards.
type Frame struct {
	Type    Type
	flags   byte
	payload []byte
	home    *[]byte
	conn    *Conn
}

// Payload returns the payload, decompressed. It may be called from any
// goroutine, once.
func (f *Frame) Payload() ([]byte, error) {
	if f.flags&flagZstd == 0 {
		return f.payload, nil
	}
	return f.conn.decompress(f)
}

// Release returns the frame's memory to the connection.
func (f *Frame) Release() {
	if f.home != nil {
		f.conn.pool.Put(f.home)
		f.home, f.payload = nil, nil
	}
}

// readFrame reads one frame. At a clean end between frames it returns io.EOF.
func readFrame(r *bufio.Reader, take func() *[]byte) (typ Type, flags byte, payload []byte, home *[]byte, err error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, nil, nil, err // io.EOF if nothing was read, else io.ErrUnexpectedEOF
	}
	n := binary.BigEndian.Uint32(h[:4])
	typ, flags = Type(h[4]), h[5]
	if n > MaxFrame {
		return 0, 0, nil, nil, protocolError("frame of %d bytes exceeds %d", n, MaxFrame)
	}
	if !typ.known() {
		return 0, 0, nil, nil, protocolError("unknown message %d", typ)
	}
	if flags&^flagsMask != 0 {
		return 0, 0, nil, nil, protocolError("unknown flags %#x", flags)
	}
	if n <= bufferSize {
		if n > 4<<10 {
			home = take()
			payload = (*home)[:n]
		} else {
			payload = make([]byte, n)
		}
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0, 0, nil, home, fmt.Errorf("reading frame: %w", unexpectedEOF(err))
		}
		return typ, flags, payload, home, nil
	}
	payload, err = readGrowing(r, int(n))
	return typ, flags, payload, nil, err
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
