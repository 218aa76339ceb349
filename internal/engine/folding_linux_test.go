package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/text/unicode/norm"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/transport/localfs"
)

// foldNode is a directory or file of a file system that shows another one and
// takes names for the same that differ in case or in how letters are composed.
// Each has a root of its own, so that its path is that of the file below, whatever
// name it was found under.
type foldNode struct{ fs.LoopbackNode }

func newFoldNode(path string) *foldNode {
	n := &foldNode{}
	//lint:ignore SA1019 what takes its place is not told the name
	n.RootData = &fs.LoopbackRoot{Path: path, RootNode: n, NewNode: func(up *fs.LoopbackRoot, _ *fs.Inode, name string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return newFoldNode(filepath.Join(up.Path, name))
	}}
	return n
}

// real returns the name that the directory below has for what name names.
func (n *foldNode) real(name string) string {
	entries, _ := os.ReadDir(n.RootData.Path)
	for _, e := range entries {
		if strings.EqualFold(norm.NFC.String(e.Name()), norm.NFC.String(name)) {
			return e.Name()
		}
	}
	return name
}

func (n *foldNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.LoopbackNode.Lookup(ctx, n.real(name), out)
}

func (n *foldNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	fd, err := syscall.Open(n.RootData.Path, int(flags)&^syscall.O_APPEND, 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return fs.NewLoopbackFile(fd), 0, 0
}

func (n *foldNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return n.LoopbackNode.Create(ctx, n.real(name), flags, mode, out)
}

func (n *foldNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.LoopbackNode.Mkdir(ctx, n.real(name), mode, out)
}

func (n *foldNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.LoopbackNode.Symlink(ctx, target, n.real(name), out)
}

func (n *foldNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.LoopbackNode.Link(ctx, target, n.real(name), out)
}

func (n *foldNode) Unlink(ctx context.Context, name string) syscall.Errno {
	return n.LoopbackNode.Unlink(ctx, n.real(name))
}

func (n *foldNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	return n.LoopbackNode.Rmdir(ctx, n.real(name))
}

func (n *foldNode) Rename(ctx context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	dir, ok := to.(*foldNode)
	if !ok {
		return syscall.EXDEV
	}
	newName = dir.real(newName)
	errno := n.LoopbackNode.Rename(ctx, n.real(name), to, newName, flags)
	if child := n.GetChild(name); errno == 0 && child != nil {
		child.Operations().(*foldNode).RootData.Path = filepath.Join(dir.RootData.Path, newName)
	}
	return errno
}

// mountFolding mounts a file system that folds names. It skips the test where
// that cannot be done.
func mountFolding(t *testing.T) string {
	t.Helper()
	need.Root(t, "only root can mount")
	top := t.TempDir()
	below, dir := filepath.Join(top, "below"), filepath.Join(top, "mnt")
	must(t, os.Mkdir(below, 0o755))
	must(t, os.Mkdir(dir, 0o755))
	server, err := fs.Mount(dir, newFoldNode(below), &fs.Options{
		NullPermissions: true, MountOptions: fuse.MountOptions{DirectMountStrict: true},
	})
	if err != nil {
		t.Skipf("FUSE: %v", err)
	}
	t.Cleanup(func() { must(t, server.Unmount()) })
	return dir
}

// TestFoldingFileSystem is TestFolding on a real file system, which the host has to
// find out about.
func TestFoldingFileSystem(t *testing.T) {
	mnt := mountFolding(t)
	for i, x := range foldCases() {
		if x.hard[0] != "" {
			continue // this file system gives links numbers of their own
		}
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, _ := dirs(t, x.src, nil)
				dst := filepath.Join(mnt, fmt.Sprint(w, i))
				must(t, os.Mkdir(dst, 0o755))
				tree(t, dst, x.dst)
				x.check(t, trial{way: w, job: jobFor(src, dst)})
			})
		})
	}
}

// TestFoldingForms copies names that differ in how their letters are composed.
func TestFoldingForms(t *testing.T) {
	mnt := mountFolding(t)
	each(t, func(t *testing.T, w way) {
		x := foldCase{
			src:    map[string]string{"e\u0301t\u00e9": "1", "\u00e9te\u0301": "2", "\u00c9COLE": "3", "plain": "4"},
			dst:    map[string]string{"e\u0301cole": "3", "gone": ""},
			delete: true, exit: 23,
			want: map[string]string{"e\u0301t\u00e9": "1", "e\u0301cole": "3", "plain": "4"},
		}
		src, _ := dirs(t, x.src, nil)
		dst := filepath.Join(mnt, string(w))
		must(t, os.Mkdir(dst, 0o755))
		tree(t, dst, x.dst)
		job := jobFor(src, dst)
		job.Delete = true
		for range 2 {
			out := trial{way: w, job: job}.do(t.Context())
			out.wantExit(t, 23)
			out.wantFileError(t, "\u00e9te\u0301", nil)
			got := contents(t, dst)
			for p, want := range x.want {
				if got[p] != want {
					t.Errorf("%q holds %q, want %q", p, got[p], want)
				}
			}
			if len(got) != len(x.want) {
				t.Errorf("have %q", got)
			}
			noTemporaries(t, dst)
		}
	})
}

// TestFoldingProbe finds out about file systems, and leaves nothing behind.
func TestFoldingProbe(t *testing.T) {
	for name, x := range map[string]struct {
		dir   string
		folds bool
	}{
		"folding": {mountFolding(t), true},
		"exact":   {t.TempDir(), false},
	} {
		tr, err := localfs.Open(x.dir, engine.DestOptions{}, nil)
		must(t, err)
		key := tr.Folding(t.Context())
		if (key != nil) != x.folds {
			t.Errorf("%s: it folds: %v", name, key != nil)
		}
		if key != nil && (key("\u00c9A") != key("e\u0301a") || key("a") == key("b") || key("\xffA") != key("\xffa") || key("\xff") == key("\xfe")) {
			t.Errorf("%s: the keys are wrong", name)
		}
		must(t, tr.Close())
		if entries, err := os.ReadDir(x.dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v was left behind (%v)", name, entries, err)
		}
	}
}
