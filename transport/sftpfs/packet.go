package sftpfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gosync/walker/manifest"
)

// protocolVersion is the one that every server speaks.
const protocolVersion = 3

// Numbers of the SFTP protocol, version 3.
const (
	fxpVersion  = 2
	fxpOpen     = 3
	fxpClose    = 4
	fxpRead     = 5
	fxpWrite    = 6
	fxpLstat    = 7
	fxpFstat    = 8
	fxpSetstat  = 9
	fxpFsetstat = 10
	fxpOpendir  = 11
	fxpReaddir  = 12
	fxpRemove   = 13
	fxpMkdir    = 14
	fxpStat     = 17
	fxpReadlink = 19
	fxpStatus   = 101
	fxpHandle   = 102
	fxpData     = 103
	fxpName     = 104
	fxpAttrs    = 105
	fxpExtended = 200
	fxpExtReply = 201
)

// Flags of OPEN, and of attributes.
const (
	flagRead, flagWrite, flagCreat, flagExcl = 0x01, 0x02, 0x08, 0x20

	attrSize, attrOwner, attrPerm, attrTimes, attrExtended = 0x01, 0x02, 0x04, 0x08, 0x80000000
)

// Bounds of what a server may send.
const (
	maxPacket = 256<<10 + 1024 // OpenSSH sends 256 KiB at the most, and its head
	maxHandle = 256            // the protocol says so
	maxLink   = 4096           // target of a symlink
	maxText   = 1024           // of a status
	maxSize   = 1 << 62        // of a file
	maxString = 64 << 10       // paths and names of users
)

// ErrProtocol is in the chain of every error that a server causes which does not
// keep to the SFTP protocol.
var ErrProtocol = errors.New("the SFTP server breaks the protocol")

func breach(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, a...))
}

// decoder takes a packet apart. After the first thing that is not there everything
// is zero and err says so.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err == nil && n > len(d.b) {
		d.err = breach("a packet ends early")
	}
	if d.err != nil {
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u32() uint32 {
	if p := d.take(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if p := d.take(8); p != nil {
		return binary.BigEndian.Uint64(p)
	}
	return 0
}

// bytes returns a counted string of at most limit bytes, which is part of the packet.
func (d *decoder) bytes(limit int) []byte {
	n := d.u32()
	if d.err == nil && uint64(n) > uint64(limit) {
		d.err = breach("a string of %d bytes", n)
	}
	return d.take(int(min(n, maxPacket)))
}

func (d *decoder) string(limit int) string { return string(d.bytes(limit)) }

// attrs are the attributes of a file as they travel.
type attrs struct {
	flags        uint32
	size         uint64
	uid, gid     uint32
	perm         uint32
	atime, mtime uint32
}

func (d *decoder) attrs() (a attrs) {
	a.flags = d.u32()
	if d.err == nil && a.flags&^(attrSize|attrOwner|attrPerm|attrTimes|attrExtended) != 0 {
		d.err = breach("attributes that version 3 does not have: %#x", a.flags)
	}
	if a.flags&attrSize != 0 {
		a.size = d.u64()
	}
	if a.flags&attrOwner != 0 {
		a.uid, a.gid = d.u32(), d.u32()
	}
	if a.flags&attrPerm != 0 {
		a.perm = d.u32()
	}
	if a.flags&attrTimes != 0 {
		a.atime, a.mtime = d.u32(), d.u32()
	}
	if a.flags&attrExtended != 0 {
		n := d.u32()
		if d.err == nil && uint64(n)*8 > uint64(len(d.b)) {
			d.err = breach("%d further attributes in %d bytes", n, len(d.b))
		}
		for range n {
			if d.err != nil {
				break
			}
			d.bytes(maxPacket)
			d.bytes(maxPacket)
		}
	}
	return a
}

// append puts attributes into a packet.
func (a *attrs) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, a.flags)
	if a.flags&attrSize != 0 {
		b = binary.BigEndian.AppendUint64(b, a.size)
	}
	if a.flags&attrOwner != 0 {
		b = binary.BigEndian.AppendUint32(b, a.uid)
		b = binary.BigEndian.AppendUint32(b, a.gid)
	}
	if a.flags&attrPerm != 0 {
		b = binary.BigEndian.AppendUint32(b, a.perm)
	}
	if a.flags&attrTimes != 0 {
		b = binary.BigEndian.AppendUint32(b, a.atime)
		b = binary.BigEndian.AppendUint32(b, a.mtime)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// typeOf translates the type that a mode holds, as every Unix numbers them.
func typeOf(perm uint32) manifest.Type {
	switch perm & 0o170000 {
	case 0o100000:
		return manifest.Regular
	case 0o040000:
		return manifest.Directory
	case 0o120000:
		return manifest.Symlink
	case 0o010000:
		return manifest.Fifo
	case 0o140000:
		return manifest.Socket
	case 0o020000:
		return manifest.CharDevice
	case 0o060000:
		return manifest.BlockDevice
	}
	return manifest.Unknown
}

// entry checks what the server says of a file.
func (a *attrs) entry(name string) (e manifest.Entry, err error) {
	e = manifest.Entry{Name: name, Type: typeOf(a.perm), Mode: uint16(a.perm & 0o7777), Sec: int64(a.mtime), UID: a.uid, GID: a.gid}
	switch {
	case a.flags&attrPerm == 0 || e.Type == manifest.Unknown:
		return e, errors.New("the server does not say what it is")
	case e.Type != manifest.Regular:
		return e, nil
	case a.flags&attrSize == 0:
		return e, errors.New("the server does not tell its size")
	case a.size > maxSize:
		return e, fmt.Errorf("the server says that it has %d bytes", a.size)
	}
	e.Size = int64(a.size)
	return e, nil
}

// named is a name of a directory as it came.
type named struct {
	name   string
	shared bool // a file that has other names, too, where the server tells
	attrs
}

// isShared looks at the number of links, the second word of what ls -l would print.
// The protocol does not say what is in there, but OpenSSH and others do as ls does.
func isShared(long []byte) bool {
	words := bytes.Fields(long[:min(len(long), 64)])
	if len(words) < 3 || len(words[0]) < 10 || words[0][0] != '-' {
		return false
	}
	n, err := strconv.ParseUint(string(words[1]), 10, 32)
	return err == nil && n > 1
}

// names takes a NAME packet apart. Nothing of it is checked but its form.
func (d *decoder) names(add func(named) error) error {
	n := d.u32()
	if d.err == nil && uint64(n)*12 > uint64(len(d.b)) {
		return breach("%d names in %d bytes", n, len(d.b))
	}
	for range n {
		name := d.string(maxPacket)
		long := d.bytes(maxPacket) // what ls -l would print
		a := d.attrs()
		if d.err != nil {
			return d.err
		}
		if err := add(named{name, isShared(long), a}); err != nil {
			return err
		}
	}
	if d.err == nil && len(d.b) > 0 {
		return breach("%d bytes behind the names", len(d.b))
	}
	return d.err
}

// checkReply checks the form of a reply, so that whoever gets it need not expect
// anything. body is what follows the number of the request.
func checkReply(kind byte, body []byte) error {
	d := decoder{b: body}
	switch kind {
	case fxpStatus:
		d.u32()
		if len(d.b) > 0 { // some old servers send the code only
			d.bytes(maxPacket)
		}
	case fxpHandle:
		if h := d.bytes(maxHandle); d.err == nil && len(h) == 0 {
			return breach("an empty handle")
		}
	case fxpData:
		d.bytes(maxPacket)
	case fxpName:
		return d.names(func(named) error { return nil })
	case fxpAttrs:
		d.attrs()
	case fxpExtReply:
	default:
		return breach("a packet of type %d", kind)
	}
	return d.err
}

// cleanText makes what a server says fit for one line of a message.
func cleanText(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
