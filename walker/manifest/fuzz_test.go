package manifest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// FuzzParseFakeStat: what is read is written such that it is read as the same, and what is none is an error.
func FuzzParseFakeStat(f *testing.F) {
	for _, s := range []string{
		"100644 0,0 0:0", "60660 8,1 0:6", "40755 0,0 1000:1000\n", "100644 0,0 0:0\x00", "120777 0,0 4294967295:4294967295", "", " ",
		"100644", "100644 0,0 0", "-1 0,0 0:0", "100644 0,0 -1:0", "888 0,0 0:0", "37777777777 0,0 0:0", "100644 0,0 4294967296:0",
		"100644\n0,0 0:0", "0x1ff 0,0 0:0", "100644 0,0 0:0 and more",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseFakeStat(text)
		if err != nil {
			if s != (FakeStat{}) {
				t.Fatalf("%q is %+v, %v", text, s, err)
			}
			return
		}
		if again, err := ParseFakeStat(s.String()); err != nil || again != s {
			t.Fatalf("%q is %+v, written as %q, which is %+v, %v", text, s, s.String(), again, err)
		}
	})
}

// checkACL checks what holds of a list that was read from a blob with room for so many entries.
func checkACL(t *testing.T, l ACL, room int) {
	t.Helper()
	if len(l) > room || len(l) > MaxACL+4 {
		t.Fatalf("%d entries, and there is room for %d", len(l), room)
	}
	for _, e := range l {
		if !e.Valid() {
			t.Fatalf("entry %+v", e)
		}
	}
	if !slices.IsSortedFunc(l, func(a, b ACLEntry) int { return int(a.Tag) - int(b.Tag) }) {
		t.Fatalf("not in order: %+v", l)
	}
	if again, err := ParseACL(l.Blob()); len(l) <= MaxACL && (err != nil || !slices.Equal(again, l)) {
		t.Fatalf("%+v becomes %+v, %v", l, again, err)
	}
	// What the mode does not say, with the mode, is the list, but for entries that come twice.
	if trimmed := l.Trim(); trimmed != nil {
		if again := trimmed.Whole(l.Mode()).Trim(); !slices.Equal(again, trimmed) {
			t.Fatalf("%+v becomes %+v", trimmed, again)
		}
	}
}

// FuzzParseACL: lists as the system stores them, in the attribute of a file that anybody may have made.
func FuzzParseACL(f *testing.F) {
	entry := func(tag, perm uint16, id uint32) []byte {
		b := binary.LittleEndian.AppendUint16(nil, tag)
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(b, perm), id)
	}
	head := []byte{aclVersion, 0, 0, 0}
	f.Add([]byte(nil))
	f.Add(head)
	f.Add(head[:3])
	f.Add(ACL{{Tag: ACLUserObj, Perm: 6}, {Tag: ACLUser, Perm: 4, ID: 7}, {Tag: ACLGroupObj, Perm: 4}, {Tag: ACLMask, Perm: 5}, {Tag: ACLOther, Perm: 1}}.Blob())
	f.Add(slices.Concat(head, entry(ACLUser, 7, aclNobody), entry(ACLUser, 7, 1)))
	f.Add(slices.Concat(head, entry(ACLMask, 7, 9), entry(ACLMask, 1, 9)))
	f.Add(slices.Concat(head, entry(0x102, 7, 1)))
	f.Add(slices.Concat(head, entry(ACLUser, 0x107, 1)))
	f.Add(slices.Concat(head, entry(3, 7, 1)))
	f.Add(slices.Concat(head, bytes.Repeat(entry(ACLUser, 7, 1), MaxACL)))
	f.Add(slices.Concat(head, bytes.Repeat(entry(ACLUser, 7, 1), MaxACL+1)))
	f.Fuzz(func(t *testing.T, blob []byte) {
		l, err := ParseACL(blob)
		if err != nil {
			if l != nil || !errors.Is(err, ErrACL) {
				t.Fatalf("%x is %+v, %v", blob, l, err)
			}
			return
		}
		if want := (len(blob) - 4) / 8; len(l) != want {
			t.Fatalf("%x has %d entries, not %d", blob, len(l), want)
		}
		checkACL(t, l, len(blob)/8)
	})
}

// FuzzParseFakeACL: lists as rsync stores them where only root could give them to the file.
func FuzzParseFakeACL(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(ACL{}.FakeBlob())
	f.Add(ACL{{Tag: ACLUser, Perm: 4, ID: 7}, {Tag: ACLGroupObj, Perm: 4}, {Tag: ACLGroup, Perm: 2, ID: 1<<32 - 1}, {Tag: ACLMask, Perm: 5}}.FakeBlob())
	f.Add(bytes.Repeat([]byte{7, 0, 0, 0}, 8))
	f.Add(bytes.Repeat([]byte{8, 0, 0, 0}, 8))
	f.Add(bytes.Repeat([]byte{1, 0, 0, 0x80}, 8))
	f.Add(bytes.Repeat([]byte{0}, 8*(MaxACL+1)))
	f.Fuzz(func(t *testing.T, blob []byte) {
		l, err := ParseFakeACL(blob)
		if err != nil {
			if l != nil || !errors.Is(err, ErrACL) {
				t.Fatalf("%x is %+v, %v", blob, l, err)
			}
			return
		}
		checkACL(t, l, 4+(len(blob)-fakeHeader)/8)
		if again, err := ParseFakeACL(l.FakeBlob()); err != nil || !reflect.DeepEqual(again, l) {
			t.Fatalf("%+v becomes %+v, %v", l, again, err)
		}
	})
}
