package engine_test

import (
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// TestMixtureIsSentAgain lets a file be another one with every look, of the same
// size, and show other bytes than it ends up with. What arrives may be a mixture:
// it must not look equal to any later run.
func TestMixtureIsSentAgain(t *testing.T) {
	for _, file := range []string{"small", "large", "basis"} {
		for _, update := range []bool{false, true} {
			name := file
			if update {
				name += ", newer ones are kept"
			}
			t.Run(name, func(t *testing.T) {
				each(t, func(t *testing.T, w way) {
					src, dst := faultTree(t)
					var looks atomic.Int64
					h := hookFiles(file, func(f engine.File) engine.File {
						return &fileHook{
							File: f,
							stat: func(f engine.File) (manifest.Entry, error) {
								e, err := f.Stat()
								e.Nsec = uint32(looks.Add(1))
								return e, err
							},
							readAt: func(f engine.File, p []byte, off int64) (int, error) {
								n, err := f.ReadAt(p, off)
								if off <= 3 && off+int64(n) > 3 {
									p[3-off] ^= 1
								}
								return n, err
							},
						}
					})
					job := jobFor(src, dst)
					job.Update = update
					out := trial{way: w, job: job, host: h}.do(t.Context())
					out.wantExit(t, wire.CodePartial)
					out.wantFileError(t, file, engine.ErrChanged)
					want, err := os.Stat(filepath.Join(src, file))
					must(t, err)
					got, err := os.Stat(filepath.Join(dst, file))
					must(t, err)
					if got.ModTime().Unix() == want.ModTime().Unix() {
						t.Error("it has the source's time")
					}
					trial{way: w, job: job}.must(t)
					if content(t, filepath.Join(dst, file)) != content(t, filepath.Join(src, file)) {
						t.Error("the next run has left it as it was")
					}
					wantArrived(t, src, dst, "")
				})
			})
		}
	}
}

// TestReadFaultWithinDelta lets reading fail while the destination still
// answers questions about an earlier part: that file fails, the run goes on.
func TestReadFaultWithinDelta(t *testing.T) {
	const segment = 8 << 20
	old := random(1, segment+delta.ChunkSize)
	now := []byte(old)
	for off := 100 << 10; off < segment; off += 1 << 20 { // unaligned shifts make questions
		copy(now[off+7:off+50<<10], old[off:])
		copy(now[off:], random(uint64(off), 7))
	}
	for _, x := range []struct {
		name string
		read func(f engine.File, p []byte, off int64) (int, error)
	}{
		{"fails", func(f engine.File, p []byte, off int64) (int, error) {
			if off+int64(len(p)) > segment {
				return 0, syscall.EIO
			}
			return f.ReadAt(p, off)
		}},
		{"shrinks", func(f engine.File, p []byte, off int64) (int, error) {
			if off+int64(len(p)) > segment {
				n, _ := f.ReadAt(p[:max(0, segment-off)], off)
				return n, io.EOF
			}
			return f.ReadAt(p, off)
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			for _, w := range []way{push, pull} {
				t.Run(string(w), func(t *testing.T) {
					src, dst := dirs(t, map[string]string{"f": string(now), "g": "g"}, map[string]string{"f": old})
					h := hookFiles("f", func(f engine.File) engine.File { return &fileHook{File: f, readAt: x.read} })
					var asked atomic.Int64
					count := func(s io.ReadWriteCloser) io.ReadWriteCloser {
						return &meddler{ReadWriteCloser: s, change: func(typ wire.Type, _ []byte) {
							if typ == wire.TypeQuestion {
								asked.Add(1)
							}
						}}
					}
					job := jobFor(src, dst)
					job.IgnoreTimes = true
					out := trial{way: w, job: job, host: h, dest: count}.do(t.Context())
					out.wantExit(t, wire.CodePartial)
					out.wantFileError(t, "f", nil)
					if n := len(out.fileErrors()); n != 1 {
						t.Errorf("%d errors: %v", n, out.fileErrors())
					}
					if asked.Load() == 0 {
						t.Error("nothing was asked: this test shows nothing")
					}
					if content(t, filepath.Join(dst, "f")) != old || !exists(filepath.Join(dst, "g")) {
						t.Error("f was touched, or g did not arrive")
					}
					noTemporaries(t, dst)
				})
			}
		})
	}
}

// TestBasisChanges lets the old version of a file go bad or be another one at
// some point of its use: the file arrives all the same.
func TestBasisChanges(t *testing.T) {
	old := random(1, 300<<10)
	now := old[:100<<10] + "inserted" + old[100<<10:200<<10] + random(2, 50<<10) + old[200<<10:]
	for _, x := range []struct {
		name string
		err  error
		do   func(path string)
	}{
		{"unreadable", syscall.EIO, nil},
		{"shrinks", nil, func(path string) { _ = os.Truncate(path, 50<<10) }},
		{"empty", nil, func(path string) { _ = os.Truncate(path, 0) }},
		{"other content", nil, func(path string) { _ = os.WriteFile(path, []byte(random(3, len(old))), 0o600) }},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				for _, from := range []int64{1, 2, 3, 5, 8, 13} { // signing, questions, making it
					src, dst := dirs(t, map[string]string{"f": now, "g": "g"}, map[string]string{"f": old})
					var reads atomic.Int64
					h := &hookHost{host(), &hooks{fail: func(op, path string) error {
						if op != "dst read" || path != "f" {
							return nil
						}
						n := reads.Add(1)
						if n == from && x.do != nil {
							x.do(filepath.Join(dst, path))
						}
						if n >= from {
							return x.err
						}
						return nil
					}}}
					trial{way: w, job: jobFor(src, dst), host: h}.must(t)
					equalTrees(t, src, dst)
				}
			})
		})
	}
}
