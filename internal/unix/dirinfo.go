package unix

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// errDirInfo is about a listing that is none: the system's, so it should not come up.
var errDirInfo = errors.New("the system's listing of the directory makes no sense")

// Fields of FILE_ID_BOTH_DIR_INFO, one of which Windows has for each name of a directory.
const (
	dirInfoNext   = 0 // where the next one begins, from here; 0 behind the last
	dirInfoLength = 60
	dirInfoName   = 104
)

// parseDirInfo calls add for each name in what Windows has told of a directory.
func parseDirInfo(buf []byte, add func(name []byte) error) error {
	var units []uint16
	var name []byte
	for {
		if len(buf) < dirInfoName {
			return errDirInfo
		}
		n := binary.LittleEndian.Uint32(buf[dirInfoLength:])
		if n%2 != 0 || uint64(n) > uint64(len(buf)-dirInfoName) {
			return errDirInfo
		}
		units = units[:0]
		for at := dirInfoName; at < dirInfoName+int(n); at += 2 {
			units = append(units, binary.LittleEndian.Uint16(buf[at:]))
		}
		name = appendUTF16(name[:0], units)
		if err := add(name); err != nil {
			return err
		}
		next := binary.LittleEndian.Uint32(buf[dirInfoNext:])
		if next == 0 {
			return nil
		}
		if uint64(next) > uint64(len(buf)) {
			return errDirInfo
		}
		buf = buf[next:]
	}
}

// appendUTF16 appends a name in UTF-8. Half of a surrogate pair becomes three bytes, as in
// package syscall, which turns them back.
func appendUTF16(b []byte, units []uint16) []byte {
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			if i+1 < len(units) {
				if both := utf16.DecodeRune(r, rune(units[i+1])); both != '\ufffd' {
					b, i = append(b, string(both)...), i+1
					continue
				}
			}
			b = append(b, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
			continue
		}
		b = append(b, string(r)...)
	}
	return b
}
