package meta

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

// kept describes a name with all details.
func kept(t *testing.T, dir, name string) (e manifest.Entry, dirfd int) {
	t.Helper()
	e, dirfd = at(t, dir, name)
	var st unix.Stat_t
	must(t, unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW))
	must(t, Describe(dirfd, name, manifest.DetailAtime|manifest.DetailXattrs|manifest.DetailACLs|manifest.DetailUser, &e, &st))
	return e, dirfd
}

// TestDetails: what is described of one file can be given to another, by descriptor and by name, and what that one had
// is gone; what the details do not show stays.
func TestDetails(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"from", "open", "named"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o640))
	}
	from := filepath.Join(dir, "from")
	acl := manifest.ACL{{Tag: manifest.ACLUser, Perm: 4, ID: 1234}, {Tag: manifest.ACLGroupObj, Perm: 4}}
	if err := unix.Setxattr(from, "user.one", []byte("1"), 0); err == unix.EOPNOTSUPP {
		need.Missing(t, "xattrs", "the file system has no extended attributes")
	}
	must(t, unix.Setxattr(from, "system.posix_acl_access", acl.Whole(0o640).Blob(), 0))
	want, _ := kept(t, dir, "from")
	want.Keep(&manifest.Kept{HasAtime: true, Atime: -7, Xattrs: want.Kept().Xattrs, Access: want.Kept().Access})
	for _, name := range []string{"open", "named"} {
		path := filepath.Join(dir, name)
		must(t, unix.Setxattr(path, "user.other", []byte("2"), 0))
		_, dirfd := at(t, dir, name)
		target := Target{FD: dirfd, Name: name, Type: manifest.Regular, Detail: manifest.DetailUser}
		if name == "open" {
			f, err := os.Open(path)
			must(t, err)
			defer f.Close()
			target.FD, target.Name = int(f.Fd()), ""
		}
		must(t, Apply(&target, &want, all|manifest.AttrACL|manifest.AttrXattrs|manifest.AttrAccess))
		got, _ := kept(t, dir, name)
		if !got.Kept().SameAttributes(want.Kept()) || len(got.Kept().Xattrs) != 1 || len(got.Kept().Access) != 2 || got.Kept().Atime != -7 || got.Mode != want.Mode {
			t.Errorf("%s: %+v, %+v", name, got, got.Kept())
		}
		want2 := want
		want2.Ext = nil
		must(t, Apply(&target, &want2, manifest.AttrACL|manifest.AttrXattrs))
		if got, _ := kept(t, dir, name); len(got.Kept().Xattrs) != 0 || got.Kept().Access != nil {
			t.Errorf("%s still has %+v", name, got.Kept())
		}
	}
}

// TestDetailsOfSymlinks: a symlink is not followed to attributes.
func TestDetailsOfSymlinks(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "victim"), nil, 0o640))
	must(t, os.Symlink("victim", filepath.Join(dir, "link")))
	if err := unix.Setxattr(filepath.Join(dir, "victim"), "user.one", []byte("1"), 0); err == unix.EOPNOTSUPP {
		need.Missing(t, "xattrs", "the file system has no extended attributes")
	}
	e, dirfd := kept(t, dir, "link")
	if e.Ext != nil && e.Ext.Kept != nil {
		t.Errorf("the link has %+v", e.Kept())
	}
	e.Keep(&manifest.Kept{Xattrs: []manifest.Xattr{{Name: "user.evil", Value: "x"}}})
	target := Target{FD: dirfd, Name: "link", Type: manifest.Symlink, Detail: manifest.DetailUser}
	if err := Apply(&target, &e, manifest.AttrXattrs|manifest.AttrACL); err == nil {
		t.Error("a symlink got an attribute of users")
	}
	if got, _ := kept(t, dir, "victim"); len(got.Kept().Xattrs) != 1 || got.Kept().Xattrs[0].Name != "user.one" {
		t.Errorf("the victim has %+v", got.Kept())
	}
}

// TestCannotDescribe: without /proc there is a clear word, and times need none.
func TestCannotDescribe(t *testing.T) {
	none := filepath.Join(t.TempDir(), "fd")
	for _, d := range []manifest.Detail{manifest.DetailXattrs, manifest.DetailACLs | manifest.DetailAtime} {
		if err := canDescribe(d, none); err == nil || !strings.Contains(err.Error(), "mount /proc") {
			t.Errorf("%v: %v", d, err)
		}
		must(t, CanDescribe(d))
	}
	must(t, canDescribe(manifest.DetailAtime, none))
}
