package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/transport/wire"
)

// ctime returns the change time of an open file.
func ctime(t *testing.T, f engine.File) (sec int64, nsec uint32) {
	e, err := f.Stat()
	if err != nil || e.Ext == nil {
		t.Errorf("stat: %v", err)
		return 0, 0
	}
	return e.Ext.CtimeSec, e.Ext.CtimeNsec
}

// moveCtime calls change until the change time of f has moved: clocks have ticks.
func moveCtime(t *testing.T, f engine.File, change func()) {
	sec, nsec := ctime(t, f)
	for range 1000 {
		change()
		if s, n := ctime(t, f); s != sec || n != nsec || t.Failed() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the change time stands still")
}

// TestSourceCtime changes a file while it is read so that size and modification
// time stay what they were. Other content must not be taken for what was there;
// another link is no change.
func TestSourceCtime(t *testing.T) {
	for _, x := range []struct {
		name    string
		rewrite bool // content changes
		times   int64
	}{
		{"rewritten", true, 1},
		{"rewritten again and again", true, 1 << 40},
		{"linked", false, 1},
		{"linked again and again", false, 1 << 40},
	} {
		for _, file := range []string{"small", "large", "basis"} {
			t.Run(x.name+" "+file, func(t *testing.T) {
				each(t, func(t *testing.T, w way) { testCtime(t, w, file, x.rewrite, x.times) })
			})
		}
	}
}

func testCtime(t *testing.T, w way, file string, rewrite bool, times int64) {
	src, dst := faultTree(t)
	path := filepath.Join(src, file)
	st, err := os.Stat(path)
	must(t, err)
	was := content(t, path)
	var n atomic.Int64
	h := hookFiles(file, func(f engine.File) engine.File {
		return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
			got, err := f.ReadAt(p, off)
			if n.Add(1) > times {
				return got, err
			}
			moveCtime(t, f, func() {
				if !rewrite {
					_ = os.Remove(src + ".link")
					_ = os.Link(path, src+".link")
					return
				}
				_ = os.WriteFile(path, []byte(random(uint64(100+n.Load()%50), len(was))), 0o644)
				_ = os.Chtimes(path, st.ModTime(), st.ModTime())
			})
			return got, err
		}}
	})
	out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
	now := content(t, path)
	if e, err := os.Stat(path); err != nil || !e.ModTime().Equal(st.ModTime()) || (now != was) != rewrite {
		t.Fatalf("the test has not done what it is meant to: %v", err)
	}
	if out.err == nil {
		if got := content(t, filepath.Join(dst, file)); got != now {
			t.Error("exit 0, and the content is not the source's")
		}
	} else {
		out.wantExit(t, wire.CodePartial)
		out.wantFileError(t, file, engine.ErrChanged)
	}
	if times == 1 && !rewrite && out.err != nil {
		t.Errorf("a new link counts as new content: %v", out.fileErrors())
	}
	if times > 1 && out.err == nil {
		t.Error("no error about a file that changes for ever")
	}
	trial{way: w, job: jobFor(src, dst)}.must(t)
	wantArrived(t, src, dst, "")
}

// TestReplaced puts something else in the place of a file between the listing and
// the moment when it is opened: that file is reported, nothing hangs, the others
// arrive.
func TestReplaced(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for _, x := range []struct {
		name string
		put  func(path string) error
		code wire.Code
	}{
		{"nothing", func(string) error { return nil }, wire.CodeVanished},
		{"fifo", makeFifo, wire.CodePartial},
		{"symlink", func(p string) error { return os.Symlink(outside, p) }, wire.CodePartial},
		{"symlink that leads nowhere", func(p string) error { return os.Symlink("nowhere", p) }, wire.CodePartial},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, wire.CodePartial},
		{"device", makeDevice, wire.CodePartial},
		{"unreadable file", unreadable, wire.CodePartial},
	} {
		for _, file := range []string{"small", "large", "basis", "d/e/deep"} {
			t.Run(x.name+" "+file, func(t *testing.T) {
				if x.name == "device" {
					need.Root(t, "only root can make devices")
				}
				each(t, func(t *testing.T, w way) {
					src, dst := faultTree(t)
					h := &hookHost{host(), &hooks{fail: func(op, path string) error {
						if op == "src open" && path == file {
							_ = os.Remove(filepath.Join(src, file))
							return x.put(filepath.Join(src, file))
						}
						return nil
					}}}
					out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
					out.wantExit(t, x.code)
					if n := len(out.fileErrors()); n != 1 {
						t.Errorf("%d errors: %v", n, out.fileErrors())
					}
					var target error
					if x.code == wire.CodeVanished {
						target = engine.ErrVanished
					}
					out.wantFileError(t, file, target)
					wantArrived(t, src, dst, file)
				})
			})
		}
	}
}

// unreadable writes a file that may not be opened. Root may: it gets the error that others get.
func unreadable(path string) error {
	err := os.WriteFile(path, nil, 0)
	if err == nil && os.Geteuid() == 0 {
		err = syscall.EACCES
	}
	return err
}

// TestDirectoryReplaced takes a directory away, or puts something else in its place,
// between the listing of its parent and its own: nothing is deleted, and what is
// elsewhere arrives.
func TestDirectoryReplaced(t *testing.T) {
	outside := t.TempDir()
	tree(t, outside, map[string]string{"secret": "secret"})
	for _, x := range []struct {
		name string
		put  func(path string) error
		code wire.Code
	}{
		{"nothing", func(string) error { return nil }, wire.CodeVanished},
		{"file", func(p string) error { return os.WriteFile(p, nil, 0o600) }, wire.CodePartial},
		{"fifo", makeFifo, wire.CodePartial},
		{"symlink", func(p string) error { return os.Symlink(outside, p) }, wire.CodePartial},
	} {
		for _, mode := range []string{"digests", "listings"} {
			t.Run(x.name+" "+mode, func(t *testing.T) {
				each(t, func(t *testing.T, w way) {
					src, dst := faultTree(t)
					tree(t, dst, map[string]string{"d/e/old": "old"})
					h := &hookHost{host(), &hooks{fail: func(op, path string) error {
						if op == "src list" && path == "d" {
							_ = os.RemoveAll(filepath.Join(src, "d"))
							return x.put(filepath.Join(src, "d"))
						}
						return nil
					}}}
					job := jobFor(src, dst)
					job.Delete, job.ItemizeAll = true, mode == "listings"
					out := trial{way: w, job: job, host: h}.do(t.Context())
					out.wantExit(t, x.code)
					for _, p := range []string{"d/e/old", "d/extra"} {
						if !exists(filepath.Join(dst, p)) {
							t.Errorf("%s was deleted", p)
						}
					}
					if exists(filepath.Join(dst, "d/secret")) {
						t.Error("what is outside was copied")
					}
					for _, p := range []string{"small", "large", "basis"} {
						if content(t, filepath.Join(dst, p)) != content(t, filepath.Join(src, p)) {
							t.Errorf("%s did not arrive", p)
						}
					}
				})
			})
		}
	}
}

// TestGrowsNoFurther: of a file that grows faster than it is read no more is read than it had some time. That is no
// fault, but where the kernel copies, since nobody has seen then what was there: the next run brings the rest.
func TestGrowsNoFurther(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := faultTree(t)
		path := filepath.Join(src, "large")
		was := content(t, path)
		var far atomic.Int64
		h := hookFiles("large", func(f engine.File) engine.File {
			return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
				far.Store(max(far.Load(), off+int64(len(p))))
				out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = out.Write(make([]byte, 64<<10))
					err = errors.Join(err, out.Close())
				}
				if err != nil {
					return 0, err
				}
				return f.ReadAt(p, off)
			}}
		})
		out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
		if w == local {
			out.wantExit(t, wire.CodePartial)
			out.wantFileError(t, "large", engine.ErrChanged)
		} else if out.err != nil {
			t.Error(out.err)
		}
		got := content(t, filepath.Join(dst, "large"))
		if len(got) < len(was) || got[:len(was)] != was {
			t.Errorf("%d bytes arrived that never were", len(got))
		}
		if st, err := os.Stat(path); err != nil || far.Load() >= st.Size() {
			t.Errorf("read up to %d of %d", far.Load(), st.Size())
		}
		trial{way: w, job: jobFor(src, dst)}.must(t)
		wantArrived(t, src, dst, "")
	})
}

// TestGrowsAndEnds: what a large file has grown by while it is read arrives with it.
func TestGrowsAndEnds(t *testing.T) {
	for _, w := range []way{push, pull} {
		t.Run(string(w), func(t *testing.T) {
			src, dst := dirs(t, map[string]string{"large": random(1, 2<<20+17)}, nil)
			path := filepath.Join(src, "large")
			var once atomic.Bool
			h := hookFiles("large", func(f engine.File) engine.File {
				return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
					if off == 0 && once.CompareAndSwap(false, true) {
						out, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
						if err == nil {
							_, err = out.WriteString(random(2, 1<<20))
							err = errors.Join(err, out.Close())
						}
						if err != nil {
							return 0, err
						}
					}
					return f.ReadAt(p, off)
				}}
			})
			out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
			if out.err != nil || content(t, filepath.Join(dst, "large")) != content(t, path) {
				t.Errorf("%v, %d bytes arrived", out.err, len(content(t, filepath.Join(dst, "large"))))
			}
		})
	}
}
