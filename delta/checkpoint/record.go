package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"gosync/delta"
)

// ErrInvalid is in the chain of every error that the content of a sidecar causes.
var ErrInvalid = errors.New("invalid sidecar")

// magic begins a sidecar; its last byte is the version of the format.
const magic = "gosynck\x01"

// Types of records.
const (
	recordSource  = 1
	recordChunks  = 2
	recordCut     = 3
	recordInPlace = 4
)

// Sizes in bytes.
const (
	recordHead = 4 + 1
	recordTail = 4
	sourceSize = 8 + 8 + 4
	maxName    = 255
	digestSize = len(delta.Digest{})

	// maxPayload is what a record may hold: the digests of 2 GiB, or a name.
	maxPayload = 8 + 2048*digestSize
)

// Identity tells one state of a source file from another.
type Identity struct {
	Size int64 // bytes
	Sec  int64 // modification time
	Nsec uint32
}

// State is what a sidecar says. Nothing of it is proved: see [State.Held].
type State struct {
	Source  Identity
	Name    string         // the target's final component
	InPlace bool           // the target itself was being written
	Sums    []delta.Digest // of the chunks from the start on

	end int64 // where the next record goes
}

// appendRecord appends a record with that payload.
func appendRecord(b []byte, kind byte, payload ...[]byte) []byte {
	start := len(b)
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, kind)
	for _, p := range payload {
		b = append(b, p...)
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func number(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

func (id Identity) encode() []byte {
	b := append(number(id.Size), number(id.Sec)...)
	return binary.LittleEndian.AppendUint32(b, id.Nsec)
}

// decode reads all records of a sidecar for the target of that name.
func decode(b []byte, name string) (*State, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no magic", ErrInvalid)
	}
	s := &State{}
	for off := len(magic); ; {
		kind, payload, n, err := next(b[off:])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			s.end = int64(off)
			break
		}
		if err := s.apply(kind, payload, name, off == len(magic)); err != nil {
			return nil, err
		}
		off += n
	}
	if s.end == int64(len(magic)) {
		return nil, fmt.Errorf("%w: no record", ErrInvalid)
	}
	return s, nil
}

// next returns the record at the start of b and its length, 0 at the end of the
// good ones: what a crash has not written is missing, or zeros, and nothing can be
// found behind it.
func next(b []byte) (kind byte, payload []byte, n int, err error) {
	if len(b) < recordHead+recordTail {
		return 0, nil, 0, nil
	}
	size := int64(binary.LittleEndian.Uint32(b))
	if size > int64(len(b)-recordHead-recordTail) {
		return 0, nil, 0, nil
	}
	if size > int64(maxPayload) {
		return 0, nil, 0, fmt.Errorf("%w: a record of %d bytes", ErrInvalid, size)
	}
	end := recordHead + int(size)
	n = end + recordTail
	if checksum(b[:end]) != binary.LittleEndian.Uint32(b[end:]) {
		return 0, nil, 0, nil
	}
	return b[4], b[recordHead:end], n, nil
}

func (s *State) apply(kind byte, payload []byte, name string, first bool) error {
	begins := kind == recordSource || kind == recordInPlace
	switch {
	case first && !begins, !first && (kind == recordInPlace || s.InPlace):
		return fmt.Errorf("%w: record %d is out of place", ErrInvalid, kind)
	case kind == recordSource:
		return s.source(payload, name)
	case kind == recordInPlace:
		s.InPlace = true
		return s.named(payload, name)
	case len(payload) < 8:
		return fmt.Errorf("%w: record %d of %d bytes", ErrInvalid, kind, len(payload))
	}
	at, rest := binary.LittleEndian.Uint64(payload), payload[8:]
	switch {
	case kind == recordCut && len(rest) == 0 && at <= uint64(len(s.Sums)):
		s.Sums = s.Sums[:at]
	case kind == recordChunks && len(rest)%digestSize == 0 && at == uint64(len(s.Sums)):
		for ; len(rest) > 0; rest = rest[digestSize:] {
			s.Sums = append(s.Sums, delta.Digest(rest[:digestSize]))
		}
	default:
		return fmt.Errorf("%w: record %d at %d of %d chunks", ErrInvalid, kind, at, len(s.Sums))
	}
	return nil
}

func (s *State) source(payload []byte, name string) error {
	if len(payload) < sourceSize {
		return fmt.Errorf("%w: a source of %d bytes", ErrInvalid, len(payload))
	}
	s.Source.Size = int64(binary.LittleEndian.Uint64(payload))
	s.Source.Sec = int64(binary.LittleEndian.Uint64(payload[8:]))
	s.Source.Nsec = binary.LittleEndian.Uint32(payload[16:])
	return s.named(payload[sourceSize:], name)
}

// named takes the target's name, and notices that two names have the same hash,
// from which that of the sidecar is made.
func (s *State) named(got []byte, want string) error {
	if len(got) > maxName || want != "" && string(got) != want {
		return fmt.Errorf("%w: it is that of %q", ErrInvalid, got[:min(len(got), maxName)])
	}
	s.Name = string(got)
	return nil
}
