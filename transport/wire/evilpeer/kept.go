package evilpeer

import (
	"fmt"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// keptCases lie about extended attributes, access control lists and access times.
func keptCases() (cases []Case) {
	const class = "kept"
	add := func(name string, s *Scene, entry string, k *manifest.Kept, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name, Scene: s, Want: want, Rule: Entry(entry, func(e *manifest.Entry) { e.Keep(k) })})
	}
	attrs := func(names ...string) *manifest.Kept {
		k := &manifest.Kept{}
		for _, n := range names {
			k.Xattrs = append(k.Xattrs, manifest.Xattr{Name: n, Value: "v"})
		}
		return k
	}
	list := func(entries ...manifest.ACLEntry) *manifest.Kept { return &manifest.Kept{Access: entries} }
	user := manifest.ACLEntry{Tag: manifest.ACLUser, Perm: 7, ID: 4242}
	with := fresh().with("xattrs", "acls")
	for _, x := range []keptLie{
		{"attributes", attrs("user.x")},
		{"a list", list(user)},
		{"a default list", &manifest.Kept{Default: manifest.ACL{user}}},
		{"an access time", &manifest.Kept{HasAtime: true, Atime: 7}},
	} {
		add(x.what+" that nobody asked for", fresh(), "a", x.kept)
		cases = append(cases, Case{Class: class, Name: x.what + " of the root that nobody asked for", Rule: Alter(func(m *wire.Roots) { m.Root.Keep(x.kept) })})
	}
	add("an access time beside attributes", with, "a", &manifest.Kept{HasAtime: true, Atime: 7, Xattrs: attrs("user.x").Xattrs})
	add("attributes in the wrong order", with, "a", attrs("user.y", "user.x"))
	add("an attribute twice", with, "a", attrs("user.x", "user.x"))
	add("an attribute without a name", with, "a", attrs("", "user.x"))
	add("a name that is too long", with, "a", attrs("user."+strings.Repeat("n", manifest.MaxXattrName)))
	add("a value that is too long", with, "a", &manifest.Kept{Xattrs: []manifest.Xattr{{Name: "user.x", Value: strings.Repeat("v", manifest.MaxXattrValue+1)}}})
	many, large := &manifest.Kept{}, &manifest.Kept{}
	for i := range manifest.MaxXattrs + 1 {
		many.Xattrs = append(many.Xattrs, manifest.Xattr{Name: fmt.Sprintf("user.%06d", i)})
	}
	for i := range manifest.MaxXattrBytes/manifest.MaxXattrValue + 1 {
		large.Xattrs = append(large.Xattrs, manifest.Xattr{Name: fmt.Sprintf("user.%06d", i), Value: strings.Repeat("v", manifest.MaxXattrValue)})
	}
	add("more attributes than an entry may have", with, "a", many)
	add("more bytes of attributes than an entry may have", with, "a", large)
	add("a list with a tag that is none", with, "a", list(manifest.ACLEntry{Tag: 3, Perm: 7}))
	add("a list with the tag 0", with, "a", list(manifest.ACLEntry{Perm: 7}))
	add("a list with a permission that is none", with, "a", list(manifest.ACLEntry{Tag: manifest.ACLUser, Perm: 8, ID: 1}))
	add("a list of more entries than there may be", with, "a", &manifest.Kept{Access: make(manifest.ACL, manifest.MaxACL+1)})
	for _, x := range []struct {
		what  string
		bytes []byte
	}{
		{"flags of nothing", []byte{0}},
		{"an unknown flag", []byte{0x20}},
		{"the same as before nothing", []byte{2}},
		{"the same and others", []byte{2 | 4, 1, 1, 'x', 0}},
		{"attributes cut", []byte{4, 1, 6, 'u', 's'}},
		{"more attributes than bytes", []byte{4, 0xff, 0xff, 0xff, 0xff, 7}},
		{"more of a list than bytes", []byte{8, 0xff, 0xff, 0xff, 0xff, 7}},
		{"an empty list", []byte{8, 0}},
		{"a value of 2^31 bytes", []byte{4, 1, 1, 'x', 0xff, 0xff, 0xff, 0xff, 7}},
	} {
		cases = append(cases, Case{Class: class, Name: x.what, Scene: with, Rule: Frame[*wire.Listings](func(f []byte) []byte {
			return frame(f[4], 0, append([]byte{0, 1, 0, 0, 1, 0x81, 0, 1, 'a', 0, 0, 0, 0, 0}, x.bytes...))
		})})
	}
	// What a system does not take, or is not to get, is an error of a file, or nothing.
	for _, n := range []string{"user.\x00", "nowhere.x", "user.", "user", "system.posix_acl_access", "system.x", "user.rsync.%stat", "../x", "user.\xff\n"} {
		add(fmt.Sprintf("the attribute %q", n), with, "a", attrs(n), wire.CodeOK, wire.CodePartial)
	}
	owner := manifest.ACLEntry{Tag: manifest.ACLUserObj, Perm: 7}
	for _, x := range []keptLie{
		{"a list with a user twice", list(user, user)},
		{"a list with the owner twice", list(owner, owner)},
		{"a list for nobody", list(manifest.ACLEntry{Tag: manifest.ACLUser, Perm: 7, ID: 1<<32 - 1})},
		{"a default list without an owner", &manifest.Kept{Default: manifest.ACL{user}}},
		{"a list as long as there may be", longList()},
	} {
		add(x.what, with, "a", x.kept, wire.CodeOK, wire.CodePartial)
		add(x.what+", of a symlink", with, "link", x.kept, wire.CodeOK, wire.CodePartial)
		add(x.what+", of a directory", with, "d", x.kept, wire.CodeOK, wire.CodePartial)
	}
	return cases
}

// keptLie is what an entry is said to have.
type keptLie struct {
	what string
	kept *manifest.Kept
}

func longList() *manifest.Kept {
	k := &manifest.Kept{}
	for i := range manifest.MaxACL {
		k.Access = append(k.Access, manifest.ACLEntry{Tag: manifest.ACLUser, Perm: 7, ID: uint32(i)})
	}
	return k
}
