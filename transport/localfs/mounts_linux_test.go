package localfs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/internal/need"
)

func TestMountedBelow(t *testing.T) {
	const info = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n" +
		"30 21 0:25 / /mnt/nfs rw shared:1 - nfs4 server:/ rw\n" +
		`31 21 0:26 / /mnt/a\040b/c rw - tmpfs tmpfs rw` + "\n"
	for top, want := range map[string]bool{
		"/": true, "/mnt": true, "/mnt/nfs": false, "/mnt/nf": false, "/mnt/a b": true, "/mnt/a": false, "/home": false,
	} {
		if got := mountedBelow([]byte(info), top); got != want {
			t.Errorf("%s: %v", top, got)
		}
	}
	if !mountedBelow([]byte("garbage\n"), "/home") {
		t.Error("what cannot be read is taken for no mounts")
	}
}

// TestAnswers: names are looked at without the runtime's help only where nothing that
// might not answer is mounted.
func TestAnswers(t *testing.T) {
	need.Root(t, "only root can mount")
	root := t.TempDir()
	if tree := openTree(t, root, engine.DestOptions{}); tree.answers != tree.syncfs {
		t.Errorf("a tree without mounts: %v", tree.answers)
	}
	dir := filepath.Join(root, "mnt")
	must(t, os.Mkdir(dir, 0o755))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		need.Missing(t, "mount.tmpfs", err.Error())
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	if openTree(t, root, engine.DestOptions{}).answers {
		t.Error("a tree with a mount is taken for one without")
	}
}
