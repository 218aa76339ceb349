package manifest

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Where a file cannot have the owner, the type or the lists that it is to have, because
// only root may give it these, its extended attributes can say what it stands for. The
// names and the form are rsync's, of --fake-super, so that each reads what the other
// has written.

// Names of these attributes.
const (
	FakeStatName    = FakePrefix + "%stat"
	FakeAccessName  = FakePrefix + "%aacl"
	FakeDefaultName = FakePrefix + "%dacl"
)

// FakeStat is what a file stands for.
type FakeStat struct {
	Mode         uint32 // with the bits of the type, as Linux has them
	Major, Minor uint32
	UID, GID     uint32
}

// String returns s as it is stored.
func (s *FakeStat) String() string {
	return fmt.Sprintf("%o %d,%d %d:%d", s.Mode, s.Major, s.Minor, s.UID, s.GID)
}

// ParseFakeStat reads what String writes.
func ParseFakeStat(text string) (s FakeStat, err error) {
	text = strings.TrimRight(text, "\x00\n")
	n, err := fmt.Sscanf(text, "%o %d,%d %d:%d", &s.Mode, &s.Major, &s.Minor, &s.UID, &s.GID)
	if err != nil || n != 5 {
		return FakeStat{}, fmt.Errorf("%q in %s is no mode, device and owner", text, FakeStatName)
	}
	return s, nil
}

// What stands in a stored list for a permission that the mode tells, and for users
// among those that have a name.
const (
	fakeAbsent = 0x80
	fakeUser   = 1 << 31
	fakeHeader = 16
)

// ParseFakeACL reads a list that stands in an extended attribute. What the mode tells
// may be left out of it.
func ParseFakeACL(blob []byte) (l ACL, err error) {
	if len(blob) < fakeHeader || len(blob)%8 != 0 || len(blob)/8 > MaxACL {
		return nil, ErrACL
	}
	for i, tag := range []uint8{ACLUserObj, ACLGroupObj, ACLMask, ACLOther} {
		switch perm := binary.LittleEndian.Uint32(blob[4*i:]); {
		case perm <= 7:
			l = append(l, ACLEntry{Tag: tag, Perm: uint8(perm)})
		case perm != fakeAbsent:
			return nil, ErrACL
		}
	}
	for b := blob[fakeHeader:]; len(b) > 0; b = b[8:] {
		id, perm := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		e := ACLEntry{Tag: ACLGroup, ID: id}
		if perm&fakeUser != 0 {
			e.Tag = ACLUser
		}
		if perm &^= fakeUser; perm > 7 {
			return nil, ErrACL
		}
		e.Perm = uint8(perm)
		l = append(l, e)
	}
	return l.sorted(), nil
}

// FakeBlob returns the list as it stands in an extended attribute.
func (l ACL) FakeBlob() []byte {
	head := map[uint8]uint32{ACLUserObj: fakeAbsent, ACLGroupObj: fakeAbsent, ACLMask: fakeAbsent, ACLOther: fakeAbsent}
	var named []byte
	for _, e := range l {
		perm := uint32(e.Perm)
		if !e.named() {
			head[e.Tag] = perm
			continue
		}
		if e.Tag == ACLUser {
			perm |= fakeUser
		}
		named = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(named, e.ID), perm)
	}
	var b []byte
	for _, tag := range []uint8{ACLUserObj, ACLGroupObj, ACLMask, ACLOther} {
		b = binary.LittleEndian.AppendUint32(b, head[tag])
	}
	return append(b, named...)
}
