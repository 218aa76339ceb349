package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
)

// eachSharing runs a test on file systems where files can share blocks.
func eachSharing(t *testing.T, f func(t *testing.T, mnt string)) {
	t.Helper()
	for _, kind := range []string{"xfs", "btrfs"} {
		t.Run(kind, func(t *testing.T) { f(t, mountNew(t, kind, 1<<30)) })
	}
}

// shared returns how many bytes of a file lie in blocks that another has, too.
func shared(t *testing.T, path string) (n int64) {
	t.Helper()
	const getMap, sync, last, isShared = 0xc020660b, 1, 1, 0x2000
	type extent struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	var m struct {
		start, length           uint64
		flags, mapped, count, _ uint32
		extents                 [512]extent
	}
	for {
		m.length, m.flags, m.count = 1<<62-m.start, sync, uint32(len(m.extents))
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), getMap, uintptr(unsafe.Pointer(&m))); errno != 0 {
			t.Fatal(errno)
		}
		for _, e := range m.extents[:m.mapped] {
			if e.flags&isShared != 0 {
				n += int64(e.length)
			}
			if m.start = e.logical + e.length; e.flags&last != 0 {
				return n
			}
		}
		if m.mapped == 0 {
			return n
		}
	}
}

// syncedJob is a job whose files may begin as clones.
func syncedJob(src, dst string) engine.Job {
	job := jobFor(src, dst)
	job.Durability = engine.SyncRun
	return job
}

// TestClone: on a file system where files can share blocks the new state of a file shares
// what has not changed with the old one, and is right.
func TestClone(t *testing.T) {
	const size = 9<<20 + 777
	private := map[string]int64{ // bytes of the new state that are its own, at most
		"same content": 64 << 10, "edit": 256 << 10, "append": 256 << 10, "truncate": 256 << 10, "double": size + 256<<10,
	}
	eachSharing(t, func(t *testing.T, mnt string) {
		for i, e := range edits() {
			if testing.Short() && i%3 != 1 {
				continue
			}
			old := random(uint64(i), size)
			now := e.apply(old)
			top := filepath.Join(mnt, fmt.Sprint(i))
			src, dst := filepath.Join(top, "src"), filepath.Join(top, "dst")
			for dir, content := range map[string]string{src: now, dst: old} {
				must(t, os.MkdirAll(dir, 0o755))
				must(t, os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o644))
			}
			must(t, os.Chtimes(filepath.Join(src, "f"), time.Time{}, time.Unix(1_500_000_000, 0)))
			must(t, os.Link(filepath.Join(dst, "f"), filepath.Join(top, "old")))
			trial{way: push, job: syncedJob(src, dst)}.must(t)
			if content(t, filepath.Join(dst, "f")) != now || content(t, filepath.Join(top, "old")) != old {
				t.Fatalf("%s: other content is there", e.name)
			}
			own := int64(len(now)) - shared(t, filepath.Join(dst, "f"))
			if most, ok := private[e.name]; ok && own > most {
				t.Errorf("%s: %d of %d bytes are not shared, want at most %d", e.name, own, len(now), most)
			}
			noTemporaries(t, dst)
		}
	})
}

// TestCloneChanges: a basis that another program changes does no harm to its clone.
func TestCloneChanges(t *testing.T) {
	const size = 24 << 20
	eachSharing(t, func(t *testing.T, mnt string) {
		old := random(1, size)
		now := []byte(old[:5<<20] + "INSERTED" + old[5<<20:])
		now[9<<20] ^= 1
		src, dst := filepath.Join(mnt, "src"), filepath.Join(mnt, "dst")
		must(t, os.Mkdir(src, 0o755))
		must(t, os.Mkdir(dst, 0o755))
		must(t, os.WriteFile(filepath.Join(src, "f"), now, 0o644))
		must(t, os.WriteFile(filepath.Join(dst, "f"), []byte(old), 0o644))
		var once sync.Once
		spoil := hookFiles("f", func(f engine.File) engine.File {
			return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
				if off > 10<<20 {
					once.Do(func() { must(t, os.WriteFile(filepath.Join(dst, "f"), []byte(random(2, 8<<20)), 0o644)) })
				}
				return f.ReadAt(p, off)
			}}
		})
		trial{way: push, host: spoil, server: host(), job: syncedJob(src, dst)}.must(t)
		if content(t, filepath.Join(dst, "f")) != string(now) {
			t.Fatal("other content is there")
		}
	})
}
