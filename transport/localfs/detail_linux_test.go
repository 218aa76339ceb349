package localfs

import (
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// TestBackupDetails: a backup that is a copy has the extended attributes and the access
// control list of its file, where a run keeps these.
func TestBackupDetails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/a", "old")
	if err := unix.Setxattr(dir+"/a", "user.one", []byte("1"), 0); err == unix.EOPNOTSUPP {
		need.Missing(t, "extended attributes", err.Error())
	}
	acl := manifest.ACL{{Tag: manifest.ACLUser, Perm: 4, ID: 1234}, {Tag: manifest.ACLGroupObj, Perm: 4}}
	must(t, unix.Setxattr(dir+"/a", "system.posix_acl_access", acl.Whole(0o640).Blob(), 0))
	tree := opened(t, dir, engine.DestOptions{})
	must(t, tree.Detail(manifest.DetailXattrs|manifest.DetailACLs))
	e, err := tree.Stat(t.Context(), "a")
	must(t, err)
	k := &kept{t: tree, from: tree.top, name: "a", e: &e, to: tree.top, as: "a~"}
	must(t, k.copy())
	for _, name := range []string{"user.one", "system.posix_acl_access"} {
		var a, b [256]byte
		n, err := unix.Getxattr(dir+"/a", name, a[:])
		must(t, err)
		m, err := unix.Getxattr(dir+"/a~", name, b[:])
		if err != nil || string(a[:n]) != string(b[:m]) {
			t.Errorf("%s of the backup is %q, %v; want %q", name, b[:max(m, 0)], err, a[:n])
		}
	}
}
