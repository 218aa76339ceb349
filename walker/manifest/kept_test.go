package manifest

import (
	"errors"
	"reflect"
	"testing"
)

// TestACL: a list as the system stores it, cut to what the mode does not say, and made whole again.
func TestACL(t *testing.T) {
	whole := ACL{
		{Tag: ACLUserObj, Perm: 6},
		{Tag: ACLUser, Perm: 4, ID: 7},
		{Tag: ACLUser, Perm: 5, ID: 9},
		{Tag: ACLGroupObj, Perm: 4},
		{Tag: ACLGroup, Perm: 0, ID: 8},
		{Tag: ACLMask, Perm: 5},
		{Tag: ACLOther, Perm: 1},
	}
	got, err := ParseACL(whole.Blob())
	if err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("%+v, %v", got, err)
	}
	trimmed := got.Trim()
	if len(trimmed) != 4 || !reflect.DeepEqual(trimmed.Whole(0o651), whole) {
		t.Errorf("%+v, whole %+v", trimmed, trimmed.Whole(0o651))
	}
	moved := trimmed.Translate(func(id uint32) uint32 { return 16 - id }, func(id uint32) uint32 { return id + 1 })
	if moved[0].ID != 7 || moved[0].Perm != 5 || moved[1].ID != 9 || moved[3].ID != 9 {
		t.Errorf("%+v", moved)
	}
	if plain := (ACL{whole[0], whole[3], whole[6]}); plain.Trim() != nil {
		t.Errorf("a mode is %+v", plain.Trim())
	}
	for _, bad := range [][]byte{nil, {2, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0, 1}, append(ACL{}.Blob(), 3, 0, 7, 0, 0, 0, 0, 0), append(ACL{}.Blob(), 1, 0, 8, 0, 0, 0, 0, 0)} {
		if l, err := ParseACL(bad); !errors.Is(err, ErrACL) {
			t.Errorf("%x is %+v", bad, l)
		}
	}
}

// TestKeptDigests: what is kept changes the digest where a run keeps it, and only there.
func TestKeptDigests(t *testing.T) {
	plain := Entry{Name: "a", Type: Regular}
	x, user, acl := plain, plain, plain
	x.Keep(&Kept{Xattrs: []Xattr{{"trusted.x", "1"}}})
	user.Keep(&Kept{Xattrs: []Xattr{{"user.x", "1"}}})
	acl.Keep(&Kept{Access: ACL{{Tag: ACLGroupObj, Perm: 4}}})
	sum := func(f Fields, e Entry) Digest { return NewDigester(f, nil).Dir(nil, []Entry{e}, nil, nil) }
	for _, c := range []struct {
		fields Fields
		e      Entry
		differ bool
	}{
		{0, x, false},
		{FieldXattrs, x, true},
		{FieldXattrs | FieldUserXattrs, x, false},
		{FieldXattrs | FieldUserXattrs, user, true},
		{FieldACLs, user, false},
		{FieldACLs, acl, true},
		{FieldXattrs, acl, false},
	} {
		if (sum(c.fields, c.e) != sum(c.fields, plain)) != c.differ {
			t.Errorf("fields %b, %+v", c.fields, c.e.Kept())
		}
	}
	dir, link := Entry{Name: "d", Type: Directory}, Entry{Name: "l", Type: Symlink, Ext: &Ext{Link: "x"}}
	for _, c := range []struct {
		e      Entry
		omit   Fields
		differ bool
	}{{dir, 0, true}, {dir, FieldOmitDirTimes, false}, {dir, FieldOmitLinkTimes, true}, {link, 0, true}, {link, FieldOmitLinkTimes, false}, {link, FieldOmitDirTimes, true}} {
		later := c.e
		later.Sec = 5
		child := func(int) Digest { return Digest{} }
		of := func(e Entry) Digest { return NewDigester(FieldTimes|c.omit, nil).Dir(nil, []Entry{e}, child, nil) }
		if (of(c.e) != of(later)) != c.differ {
			t.Errorf("%s with %b", c.e.Name, c.omit)
		}
	}
}
