//go:build unix

package sftpfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gosync/internal/engine"
)

// TestFollow: a tree that follows symlinks shows and opens what they lead to, and
// leaves out what leads nowhere, or round in a circle.
func TestFollow(t *testing.T) {
	for name, dial := range map[string]dialer{"package sftp": inProcess, "OpenSSH": openSSH} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, d := range []string{"tree/d", "other/in"} {
				if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for name, to := range map[string]string{
				"tree/file": "../other/f", "tree/dir": "../other", "tree/nowhere": "x", "tree/d/up": "..", "tree/d/here": ".",
			} {
				if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(root, "other/f"), []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			tree, err := newHost(t, dial, Options{}).Source(t.Context(), filepath.Join(root, "tree"))
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			if err := tree.(engine.Follower).Follow(); err != nil {
				t.Fatal(err)
			}
			names := func(dir string) (list string, err error) {
				entries, err := tree.List(t.Context(), dir)
				for _, e := range entries {
					list += fmt.Sprintf(" %s:%v:%d", e.Name, e.Type, e.Size)
				}
				return list, err
			}
			top, err := names("")
			if err == nil || !strings.Contains(err.Error(), "nowhere") || !strings.Contains(top, "file:file:7") || !strings.Contains(top, "dir:directory") {
				t.Errorf("the root has%s; %v", top, err)
			}
			if in, err := names("dir"); err != nil || !strings.Contains(in, "f:file:7") {
				t.Errorf("dir has%s; %v", in, err)
			}
			deep := "d"
			in, err := names(deep)
			for range maxFollowed { // a server that does not know real names
				if err != nil {
					break
				}
				deep += "/here"
				in, err = names(deep)
			}
			if in != "" || !errors.Is(err, syscall.ELOOP) {
				t.Errorf("%s has%s; %v", deep, in, err)
			}
			if f, err := tree.Open(t.Context(), "dir/f"); err != nil {
				t.Error(err)
			} else {
				f.Close()
			}
		})
	}
}
