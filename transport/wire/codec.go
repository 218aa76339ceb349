package wire

import (
	"encoding/binary"
	"io"
	"math"
)

// Dec reads the fields of a message from bytes of the peer. The first fault
// sticks: later reads give zero values, and Err tells.
type Dec struct {
	b   []byte
	err error
}

// Err returns the first fault.
func (d *Dec) Err() error { return d.err }

// Len returns the number of bytes that are left.
func (d *Dec) Len() int { return len(d.b) }

func (d *Dec) fail(format string, args ...any) {
	if d.err == nil {
		d.err = protocolError(format, args...)
	}
	d.b = nil
}

func (d *Dec) byte() byte {
	if len(d.b) < 1 {
		d.fail("message is too short: %w", io.ErrUnexpectedEOF)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *Dec) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail("%d is no boolean", v)
	}
	return v == 1
}

// uvarint reads an unsigned number of at most limit. Only the shortest form of
// a number is accepted, so that every message has one encoding.
func (d *Dec) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n == 0 {
		d.fail("message is too short: %w", io.ErrUnexpectedEOF)
		return 0
	}
	if n < 0 || (n > 1 && d.b[n-1] == 0) {
		d.fail("bad number")
		return 0
	}
	if v > limit {
		d.fail("number %d exceeds its limit %d", v, limit)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *Dec) varint() int64 {
	v := d.uvarint(math.MaxUint64)
	return int64(v>>1) ^ -int64(v&1)
}

func (d *Dec) size() int64 { return int64(d.uvarint(math.MaxInt64)) }
func (d *Dec) u32() uint32 { return uint32(d.uvarint(math.MaxUint32)) }
func (d *Dec) index() int  { return int(d.uvarint(maxIndex)) }

// take returns the next n bytes, which remain part of the message.
func (d *Dec) take(n int) []byte {
	if n > len(d.b) {
		d.fail("message is too short: %w", io.ErrUnexpectedEOF)
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// bytes reads a byte string with its length in front.
func (d *Dec) bytes(limit int) []byte { return d.take(int(d.uvarint(uint64(limit)))) }

func (d *Dec) string(limit int) string { return string(d.bytes(limit)) }

// rest returns all that is left.
func (d *Dec) rest() []byte { return d.take(len(d.b)) }

// count reads the number of items that follow, each of at least size bytes.
func (d *Dec) count(size int) int {
	n := d.uvarint(math.MaxInt32)
	if n > uint64(len(d.b)/size) {
		d.fail("%d items announced in %d bytes", n, len(d.b))
		return 0
	}
	return int(n)
}

func (d *Dec) end() {
	if len(d.b) > 0 {
		d.fail("%d bytes too many", len(d.b))
	}
}

func appendUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }
func appendInt(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendBytes(b, v []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendString(b []byte, v string) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}
