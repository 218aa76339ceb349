package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Encoded form, little endian: version u8, options u8, number of rules u32, then for each rule
// flags u16, length u16 and the pattern. There is one encoding for a set, and DecodeSet accepts
// no other.
const (
	codecVersion     = 1
	optionSenderOnly = 1 << 0
	optionNul        = 1 << 1
	optionGit        = 1 << 2
)

var errEncoding = errors.New("malformed filter set")

// AppendBinary appends the encoded set, at most [MaxBytes], to b.
func (s *Set) AppendBinary(b []byte) []byte {
	var options byte
	if s.senderOnly {
		options |= optionSenderOnly
	}
	if s.nul {
		options |= optionNul
	}
	if s.git {
		options |= optionGit
	}
	b = append(b, codecVersion, options)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.rules)))
	for i := range s.rules {
		r := &s.rules[i]
		b = binary.LittleEndian.AppendUint16(b, uint16(r.flags&^flagDirOnly))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(r.pat)))
		b = append(b, r.pat...)
	}
	return b
}

// DecodeSet decodes what [Set.AppendBinary] made. A truncated input is io.ErrUnexpectedEOF, one
// beyond the limits wraps [ErrLimit].
func DecodeSet(b []byte) (*Set, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("decoding filter set: %w: %d bytes, at most %d", ErrLimit, len(b), MaxBytes)
	}
	if len(b) < headerSize {
		return nil, fmt.Errorf("decoding filter set: %w", io.ErrUnexpectedEOF)
	}
	version, options, count := b[0], b[1], binary.LittleEndian.Uint32(b[2:])
	b = b[headerSize:]
	switch {
	case version != codecVersion || options&^(optionSenderOnly|optionNul|optionGit) != 0:
		return nil, fmt.Errorf("decoding filter set: %w: version %d, options %#x", errEncoding, version, options)
	case count > MaxRules:
		return nil, fmt.Errorf("decoding filter set: %w: %d rules, at most %d", ErrLimit, count, MaxRules)
	case len(b) < int(count)*ruleSize:
		return nil, fmt.Errorf("decoding filter set: %w", io.ErrUnexpectedEOF)
	}
	s := &Set{senderOnly: options&optionSenderOnly != 0, nul: options&optionNul != 0, git: options&optionGit != 0}
	for i := range count {
		f, pat, rest, err := decodeRule(b)
		if err == nil {
			err = s.add(f, pat)
		}
		if err != nil {
			return nil, fmt.Errorf("decoding filter rule %d: %w", i, err)
		}
		b = rest
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("decoding filter set: %w: %d bytes too many", errEncoding, len(b))
	}
	return s, nil
}

// decodeRule splits the first rule off b and checks it.
func decodeRule(b []byte) (flags, string, []byte, error) {
	if len(b) < ruleSize {
		return 0, "", nil, io.ErrUnexpectedEOF
	}
	f, n := flags(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
	b = b[ruleSize:]
	if n > MaxPattern {
		return 0, "", nil, fmt.Errorf("%w: pattern of %d bytes, at most %d", ErrLimit, n, MaxPattern)
	}
	if len(b) < n {
		return 0, "", nil, io.ErrUnexpectedEOF
	}
	pat := string(b[:n])
	if !storable(f, pat) {
		return 0, "", nil, fmt.Errorf("%w: flags %#x, pattern of %d bytes", errEncoding, uint16(f), n)
	}
	return f, pat, b[n:], nil
}

// storable reports whether a rule could have come from the parser.
func storable(f flags, pat string) bool {
	if f&^(flagStored&^flagDirOnly) != 0 || pat == "" || strings.IndexByte(pat, 0) >= 0 {
		return false
	}
	if f&flagDirMerge != 0 {
		return f&flagNegate == 0 && pat != "." && pat != ".." && !strings.Contains(pat, "/")
	}
	return f&flagReadMode == 0
}
