package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// faultTree is the source of the tests of faults. Beside "small" and "large"
// there is "basis", of which the destination has an older version.
func faultTree(t *testing.T) (src, dst string) {
	return dirs(t,
		map[string]string{"small": "small", "large": random(1, 300<<10), "basis": random(2, 100<<10), "d/other": "other", "d/e/deep": "deep", "link": "->small"},
		map[string]string{"basis": random(2, 90<<10), "extra": "extra", "d/extra": "extra"})
}

// TestSourceFaults lets operations on a file of the source fail: the file is
// reported, the others arrive.
func TestSourceFaults(t *testing.T) {
	for _, op := range []string{"src open", "src read", "src stat"} {
		for _, file := range []string{"small", "large", "basis", "d/e/deep"} {
			for _, fault := range []struct {
				err  error
				code wire.Code
			}{
				{syscall.EIO, wire.CodePartial},
				{&fs.PathError{Op: "open", Path: "/x/" + file, Err: syscall.EACCES}, wire.CodePartial},
				{&fs.PathError{Op: "open", Path: "/x/" + file, Err: fs.ErrNotExist}, wire.CodeVanished},
			} {
				if errors.Is(fault.err, fs.ErrNotExist) && op != "src open" {
					continue // who is open cannot vanish
				}
				t.Run(fmt.Sprintf("%s %s %v", op, file, fault.err), func(t *testing.T) {
					each(t, func(t *testing.T, w way) {
						src, dst := faultTree(t)
						c := trial{way: w, job: jobFor(src, dst), host: failing(op, file, fault.err)}
						out := c.do(t.Context())
						out.wantExit(t, fault.code)
						if n := len(out.fileErrors()); n != 1 {
							t.Errorf("%d errors: %v", n, out.fileErrors())
						}
						var target error // none: a class of its own does not cross the wire
						if fault.code == wire.CodeVanished {
							target = engine.ErrVanished
						} else if errors.Is(fault.err, fs.ErrPermission) {
							target = fs.ErrPermission
						}
						out.wantFileError(t, file, target)
						wantArrived(t, src, dst, file)
					})
				})
			}
		}
	}
}

// wantArrived fails the test unless all files of src but one arrived, and that
// one is what it was.
func wantArrived(t *testing.T, src, dst, but string) {
	t.Helper()
	for _, name := range []string{"small", "large", "basis", "d/other", "d/e/deep"} {
		p := filepath.Join(dst, name)
		switch {
		case name != but:
			if !exists(p) || content(t, p) != content(t, filepath.Join(src, name)) {
				t.Errorf("%s did not arrive", name)
			}
		case name == "basis":
			if content(t, p) != random(2, 90<<10) {
				t.Errorf("%s was changed", name)
			}
		case exists(p):
			t.Errorf("%s is there", name)
		}
	}
	noTemporaries(t, dst)
}

// fileHook lets a test stand between the engine and a file of the source.
type fileHook struct {
	engine.File
	readAt func(f engine.File, p []byte, off int64) (int, error)
	stat   func(f engine.File) (manifest.Entry, error)
}

func (f *fileHook) ReadAt(p []byte, off int64) (int, error) {
	if f.readAt == nil {
		return f.File.ReadAt(p, off)
	}
	return f.readAt(f.File, p, off)
}

func (f *fileHook) Stat() (manifest.Entry, error) {
	if f.stat == nil {
		return f.File.Stat()
	}
	return f.stat(f.File)
}

// hookFiles is a host where files of the source at path are hooked.
func hookFiles(path string, hook func(f engine.File) engine.File) engine.Host {
	return &hookHost{host(), &hooks{file: func(p string, f engine.File) engine.File {
		if p != path {
			return f
		}
		return hook(f)
	}}}
}

// TestSourceShrinks cuts a file short after it was listed and measured: reads
// end early. The file counts as changed; what arrives is no mixture of old and new.
func TestSourceShrinks(t *testing.T) {
	for _, file := range []string{"small", "large", "basis"} {
		t.Run(file, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := faultTree(t)
				full := content(t, filepath.Join(src, file))
				h := hookFiles(file, func(f engine.File) engine.File {
					return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
						_ = os.Truncate(filepath.Join(src, file), int64(len(full)/2))
						return f.ReadAt(p, off)
					}}
				})
				out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
				noTemporaries(t, dst)
				if out.err != nil { // reading it again may have made it right
					out.wantExit(t, wire.CodePartial)
					out.wantFileError(t, file, engine.ErrChanged)
				}
				p := filepath.Join(dst, file)
				if !exists(p) {
					return
				}
				if got := content(t, p); got != full[:len(full)/2] && (file != "basis" || got != random(2, 90<<10)) {
					t.Errorf("%s holds %d bytes that never were", file, len(got))
				}
			})
		})
	}
}

// TestSourceChanges lets a file be another one with every look at it.
func TestSourceChanges(t *testing.T) {
	for _, file := range []string{"small", "large", "basis"} {
		t.Run(file, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := faultTree(t)
				var looks atomic.Int64
				h := hookFiles(file, func(f engine.File) engine.File {
					return &fileHook{File: f, stat: func(f engine.File) (manifest.Entry, error) {
						e, err := f.Stat()
						e.Sec += looks.Add(1)
						return e, err
					}}
				})
				out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
				out.wantExit(t, wire.CodePartial)
				out.wantFileError(t, file, engine.ErrChanged)
				if n := len(out.fileErrors()); n != 1 {
					t.Errorf("%d errors: %v", n, out.fileErrors())
				}
				wantArrived(t, src, dst, "")
			})
		})
	}
}

// TestSourceGrows appends to a file while it is read. That is no fault: what it was at a moment arrives, and the next run
// sees the rest, if there is one.
func TestSourceGrows(t *testing.T) {
	for _, file := range []string{"small", "large", "basis"} {
		t.Run(file, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := faultTree(t)
				path := filepath.Join(src, file)
				full := content(t, path)
				var once atomic.Bool
				h := hookFiles(file, func(f engine.File) engine.File {
					return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
						n, err := f.ReadAt(p, off)
						if once.CompareAndSwap(false, true) {
							w, werr := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
							if werr == nil {
								_, _ = w.WriteString("grown")
								_ = w.Close()
							}
						}
						return n, err
					}}
				})
				out := trial{way: w, job: jobFor(src, dst), host: h}.do(t.Context())
				got := content(t, filepath.Join(dst, file))
				if out.err != nil || got != full+"grown" && got != full {
					t.Errorf("%v, %d bytes", out.err, len(got))
				}
				trial{way: w, job: jobFor(src, dst)}.must(t)
				wantArrived(t, src, dst, "")
			})
		})
	}
}

// TestListFaults lets a directory of one side be unreadable: nothing is deleted
// on the word of an incomplete listing of the source, anywhere.
func TestListFaults(t *testing.T) {
	for _, op := range []string{"src list", "dst list"} {
		for _, dir := range []string{"d", "d/e"} {
			t.Run(op+" "+dir, func(t *testing.T) {
				each(t, func(t *testing.T, w way) {
					src, dst := faultTree(t)
					must(t, os.MkdirAll(filepath.Join(dst, "d/e"), 0o755))
					c := trial{way: w, job: jobFor(src, dst), host: failing(op, dir, syscall.EIO)}
					c.job.Delete = true
					out := c.do(t.Context())
					out.wantExit(t, wire.CodePartial)
					if op == "src list" && (!exists(filepath.Join(dst, "extra")) || !exists(filepath.Join(dst, "d/extra")) || out.sum.Deleted != 0) {
						t.Error("something was deleted")
					}
					if dir == "d" && !exists(filepath.Join(dst, "d/extra")) {
						t.Error("deleted from a directory that could not be listed")
					}
					if content(t, filepath.Join(dst, "small")) != "small" {
						t.Error("small did not arrive")
					}
				})
			})
		}
	}
}

// TestDestFaults lets operations on an entry of the destination fail.
func TestDestFaults(t *testing.T) {
	for _, op := range []string{"dst create", "dst write", "dst commit"} {
		for _, file := range []string{"small", "large", "basis", "d/e/deep"} {
			t.Run(op+" "+file, func(t *testing.T) {
				each(t, func(t *testing.T, w way) {
					src, dst := faultTree(t)
					out := trial{way: w, job: jobFor(src, dst), host: failing(op, file, syscall.EACCES)}.do(t.Context())
					out.wantExit(t, wire.CodePartial)
					out.wantFileError(t, file, fs.ErrPermission)
					wantArrived(t, src, dst, file)

					if file == "large" || file == "d/e/deep" {
						return
					}
					src, dst = faultTree(t)
					out = trial{way: w, job: jobFor(src, dst), host: failing(op, file, syscall.ENOSPC)}.do(t.Context())
					out.wantExit(t, wire.CodeFile)
					if got := engine.ExitCode(out.served); w != local && got != int(wire.CodeFile) {
						t.Errorf("the server ends with %d (%v)", got, out.served)
					}
					noTemporaries(t, dst)
				})
			})
		}
	}
	for _, x := range []struct{ op, path string }{
		{"dst mkdir", "d/e"}, {"dst symlink", "link"}, {"dst attrs", "d/e"}, {"dst attrs", ""}, {"dst remove", "d/extra"},
	} {
		t.Run(x.op+" "+x.path, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := faultTree(t)
				c := trial{way: w, job: jobFor(src, dst), host: failing(x.op, x.path, syscall.EACCES)}
				c.job.Delete = true
				out := c.do(t.Context())
				out.wantExit(t, wire.CodePartial)
				if n := len(out.fileErrors()); n != 1 {
					t.Errorf("%d errors: %v", n, out.fileErrors())
				}
				but := ""
				if x.op == "dst mkdir" {
					but = "d/e/deep"
				}
				wantArrived(t, src, dst, but)
				if got := exists(filepath.Join(dst, "d/extra")); got != (x.op == "dst remove") {
					t.Errorf("d/extra exists: %v", got)
				}
			})
		})
	}
}

// TestSyncFault lets the destination fail to make things durable: the run
// must not end well.
func TestSyncFault(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := faultTree(t)
		out := trial{way: w, job: jobFor(src, dst), host: failing("dst sync", "", syscall.EIO)}.do(t.Context())
		out.wantExit(t, wire.CodeFile)
	})
}

// TestLinkFault lets a hard link fail.
func TestLinkFault(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := faultTree(t)
		must(t, os.Link(filepath.Join(src, "small"), filepath.Join(src, "z")))
		c := trial{way: w, job: jobFor(src, dst), host: failing("dst link", "small", syscall.EACCES)}
		c.job.HardLinks = true
		out := c.do(t.Context())
		out.wantExit(t, wire.CodePartial)
		out.wantFileError(t, "small", nil)
		wantArrived(t, src, dst, "small")
	})
}

// TestLinksFull has more names of one file than the file system permits: the next
// one is a copy, and the first of a new group.
func TestLinksFull(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a": "content"}, map[string]string{})
		for _, name := range []string{"b", "c", "d", "e"} {
			must(t, os.Link(filepath.Join(src, "a"), filepath.Join(src, name)))
		}
		c := trial{way: w, job: jobFor(src, dst), host: failing("dst link", "c", syscall.EMLINK)}
		c.job.HardLinks = true
		out := c.do(t.Context())
		out.wantExit(t, 0)
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			if content(t, filepath.Join(dst, name)) != "content" {
				t.Errorf("%s is not the file", name)
			}
		}
		same := func(a, b string) bool {
			sa, err := os.Stat(filepath.Join(dst, a))
			must(t, err)
			sb, err := os.Stat(filepath.Join(dst, b))
			must(t, err)
			return os.SameFile(sa, sb)
		}
		if !same("d", "e") || same("c", "d") || !same("a", "c") || !same("b", "c") {
			t.Error("the groups are not a b c and d e")
		}
	})
}

// TestBasisFaults lets the destination's old version of a file be unreadable:
// the file goes whole.
func TestBasisFaults(t *testing.T) {
	for _, fault := range []error{syscall.EACCES, fs.ErrNotExist} {
		each(t, func(t *testing.T, w way) {
			for range 10 { // there were races
				src, dst := faultTree(t)
				trial{way: w, job: jobFor(src, dst), host: failing("dst open", "basis", fault)}.must(t)
				wantArrived(t, src, dst, "")
			}
		})
	}
	for _, op := range []string{"dst read", "dst stat"} {
		t.Run(op, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := faultTree(t)
				out := trial{way: w, job: jobFor(src, dst), host: failing(op, "basis", syscall.EIO)}.do(t.Context())
				if out.err == nil {
					wantArrived(t, src, dst, "")
					return
				}
				// One bad sector under an old file is no reason to leave the others out.
				out.wantExit(t, wire.CodePartial)
				wantArrived(t, src, dst, "basis")
			})
		})
	}
}

// TestDamage damages content on its way to the destination, once or always.
func TestDamage(t *testing.T) {
	for _, typ := range []wire.Type{wire.TypeFiles, wire.TypeData, wire.TypeLiterals} {
		for _, times := range []int64{1, 2, 1 << 40} {
			t.Run(fmt.Sprintf("message %d, %d times", typ, times), func(t *testing.T) {
				for _, w := range []way{push, pull} {
					t.Run(string(w), func(t *testing.T) { testDamage(t, w, typ, times) })
				}
			})
		}
	}
}

func testDamage(t *testing.T, w way, typ wire.Type, times int64) {
	src, dst := dirs(t, nil, map[string]string{"f": random(1, 100<<10)})
	must(t, os.Mkdir(src, 0o755))
	old := random(1, 100<<10)
	if typ == wire.TypeData {
		old = random(3, 3<<20)
	}
	must(t, os.WriteFile(filepath.Join(dst, "f"), []byte(old), 0o644))
	now := old[:50<<10] + "literal" + old[50<<10:]
	tree(t, src, map[string]string{"f": now, "g": "good"})
	var hits atomic.Int64
	c := trial{way: w, job: jobFor(src, dst), dest: func(s io.ReadWriteCloser) io.ReadWriteCloser {
		return &meddler{ReadWriteCloser: s, change: func(got wire.Type, payload []byte) {
			// A resent file comes as Data. The last byte of each is content.
			at := len(payload) - 1
			if got == wire.TypeFiles {
				at = bytes.Index(payload, []byte("short"))
			}
			hit := got == typ || hits.Load() > 0 && got == wire.TypeData
			if hit && at >= 0 && hits.Load() < times {
				hits.Add(1)
				payload[at] ^= 1
			}
		}}
	}}
	c.job.WholeFile = typ != wire.TypeLiterals
	if typ == wire.TypeFiles {
		must(t, os.WriteFile(filepath.Join(src, "f"), []byte("short"), 0o644))
		now = "short"
	}
	out := c.do(t.Context())
	if hits.Load() == 0 {
		t.Fatal("nothing was damaged")
	}
	noTemporaries(t, dst)
	if !exists(filepath.Join(dst, "g")) || content(t, filepath.Join(dst, "g")) != "good" {
		t.Error("the other file did not arrive")
	}
	if times < 1<<40 {
		out.wantExit(t, wire.CodeOK)
		if got := content(t, filepath.Join(dst, "f")); got != now {
			t.Errorf("what arrived is not what was sent")
		}
		return
	}
	out.wantExit(t, wire.CodePartial)
	out.wantFileError(t, "f", engine.ErrContent)
	if got := content(t, filepath.Join(dst, "f")); got != old {
		t.Errorf("the file was touched")
	}
}

// TestLiteralsChange gives other bytes for literals than those that were
// matched, once: the chunk is sent again, and the file ends right.
func TestLiteralsChange(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, inPlace := range []bool{false, true} {
			src, dst := dirs(t, nil, map[string]string{})
			must(t, os.Mkdir(src, 0o755))
			old := random(1, 3<<20)
			now := old[:1<<20+100] + random(2, 50<<10) + old[1<<20+100+50<<10:]
			tree(t, src, map[string]string{"f": now})
			must(t, os.WriteFile(filepath.Join(dst, "f"), []byte(old), 0o644))
			var reads, lies atomic.Int64
			h := hookFiles("f", func(f engine.File) engine.File {
				return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
					n, err := f.ReadAt(p, off)
					// The inserted bytes are read by the matcher first, then for the literals.
					if off <= 1<<20+1000 && off+int64(n) > 1<<20+1000 && reads.Add(1) > 1 && n < 200<<10 && lies.Add(1) == 1 {
						p[1<<20+1000-off] ^= 1
					}
					return n, err
				}}
			})
			c := trial{way: w, job: jobFor(src, dst), host: h}
			c.job.InPlace = inPlace
			c.must(t)
			if content(t, filepath.Join(dst, "f")) != now {
				t.Error("the file is wrong")
			}
			if lies.Load() == 0 {
				t.Error("no literals were read in a way that this test knows")
			}
		}
	})
}

// TestSlowSource checks that a run whose source is slow is no worse for it.
func TestSlowSource(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := faultTree(t)
		h := hookFiles("small", func(f engine.File) engine.File {
			return &fileHook{File: f, readAt: func(f engine.File, p []byte, off int64) (int, error) {
				time.Sleep(50 * time.Millisecond)
				return f.ReadAt(p, off)
			}}
		})
		trial{way: w, job: jobFor(src, dst), host: h}.must(t)
		wantArrived(t, src, dst, "")
	})
}

// TestNoSpaceNeverSucceeds tries often what is a matter of moments: the error
// of the last file that is written comes while the run is about to end well.
func TestNoSpaceNeverSucceeds(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for range 30 {
			src, dst := dirs(t, map[string]string{"f": "x"}, map[string]string{})
			out := trial{way: w, job: jobFor(src, dst), host: failing("dst create", "f", syscall.ENOSPC)}.do(t.Context())
			if out.err == nil || w != local && out.served == nil {
				t.Fatalf("the client ends with %v, the server with %v", out.err, out.served)
			}
			out.wantExit(t, wire.CodeFile)
		}
	})
}
