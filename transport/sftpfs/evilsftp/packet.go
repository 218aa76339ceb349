package evilsftp

import (
	"bytes"
	"encoding/binary"
)

// Numbers of the SFTP protocol, version 3.
const (
	version  = 2
	open     = 3
	closing  = 4
	read     = 5
	lstat    = 7
	fstat    = 8
	opendir  = 11
	readdir  = 12
	readlink = 19
	status   = 101
	handle   = 102
	data     = 103
	names    = 104
	attrs    = 105
)

// Flags of attributes.
const (
	attrSize, attrOwner, attrPerm, attrTimes, attrExtended = 0x01, 0x02, 0x04, 0x08, 0x80000000
)

// Frame packs a reply.
func Frame(kind byte, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	b := U32(uint32(len(all) + 1))
	return append(append(b, kind), all...)
}

// U32 packs a number.
func U32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// U64 packs a large number.
func U64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// Str packs a counted string.
func Str(s string) []byte { return append(U32(uint32(len(s))), s...) }

// Listed packs a name of a regular file of ten bytes.
func Listed(name string) []byte { return listed(name, "-rw", 10) }

// listed packs a name with what ls -l would print, and a regular file's attributes.
func listed(name, long string, size uint64) []byte {
	return bytes.Join([][]byte{
		Str(name), Str(long), U32(attrSize | attrOwner | attrPerm | attrTimes),
		U64(size), U32(0), U32(0), U32(0o100644), U32(0), U32(1),
	}, nil)
}
