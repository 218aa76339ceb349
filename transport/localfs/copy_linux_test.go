package localfs

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/internal/need"
)

// TestCopySmallHoles: a hole of a small file is kept too, although files without
// one are not asked for theirs.
func TestCopySmallHoles(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	content := make([]byte, askHoles-1)
	copy(content[48<<10:], "behind a hole")
	for name, sparse := range map[string]bool{"hole": true, "full": false} {
		from, err := os.Create(filepath.Join(root, name))
		must(t, err)
		if sparse {
			must(t, from.Truncate(int64(len(content))))
			_, err = from.WriteAt(content[48<<10:], 48<<10)
		} else {
			_, err = from.Write(content)
		}
		must(t, err)
		must(t, from.Close())
		src, err := tree.Open(t.Context(), name)
		must(t, err)
		f, err := tree.Create(t.Context(), name+".copy", engine.CreateOptions{})
		must(t, err)
		ok, err := f.CopyFrom(t.Context(), src, int64(len(content)))
		must(t, err)
		if !ok {
			need.Missing(t, "copy_file_range", "the kernel copies nothing between files of "+root)
		}
		must(t, src.Close())
		f.Commit(t.Context(), int64(len(content)), entry(0o644), allAttrs, func(err error) { must(t, err) })
		got, err := os.ReadFile(filepath.Join(root, name+".copy"))
		must(t, err)
		if !bytes.Equal(got, content) {
			t.Errorf("%s is not copied", name)
		}
		info, err := os.Lstat(filepath.Join(root, name+".copy"))
		must(t, err)
		if blocks := info.Sys().(*syscall.Stat_t).Blocks * 512; sparse != (blocks < 32<<10) {
			t.Errorf("the copy of %s takes %d bytes", name, blocks)
		}
	}
}

// TestCloneRefused: that two file systems share no blocks is tried out once; what is
// refused for one file alone is tried again.
func TestCloneRefused(t *testing.T) {
	tree := openTree(t, t.TempDir(), engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	from, to := &file{opened: &unix.Stat_t{Dev: 1}}, &newFile{d: &dir{dev: 2}}
	tree.clones.refused(from, to, unix.EINVAL)
	if !tree.clones.may(from, to) {
		t.Error("one file that cannot be cloned counts for all")
	}
	tree.clones.refused(from, to, unix.EOPNOTSUPP)
	if tree.clones.may(from, to) {
		t.Error("it is tried again where the file system cannot")
	}
	if other := (&newFile{d: &dir{dev: 3}}); !tree.clones.may(from, other) {
		t.Error("one file system stands for another")
	}
	if !tree.clones.may(&file{}, to) {
		t.Error("a file whose device is unknown is not tried")
	}
}

func BenchmarkCopySmall(b *testing.B) {
	root := b.TempDir()
	tree := openTree(b, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	content := make([]byte, 4<<10)
	must(b, os.WriteFile(filepath.Join(root, "file"), content, 0o644))
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		src, err := tree.Open(b.Context(), "file")
		must(b, err)
		_, err = src.Stat()
		must(b, err)
		f, err := tree.Create(b.Context(), "copy", engine.CreateOptions{Size: int64(len(content))})
		must(b, err)
		_, err = f.CopyFrom(b.Context(), src, int64(len(content)))
		must(b, err)
		must(b, f.Discard())
		must(b, src.Close())
	}
}
