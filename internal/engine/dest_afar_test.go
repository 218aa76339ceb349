package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// farHost is a host whose destination is one behind a line.
type farHost struct{ engine.Host }

type farDest struct{ engine.Dest }

func (h farHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	return farDest{t}, err
}

func (farDest) Parallel() int { return 8 }

// landing is a farHost that notes which chunks of files have landed.
type landing struct {
	farHost
	sums map[string][]delta.Digest
}

type landingDest struct {
	farDest
	*landing
}

type landingFile struct {
	engine.NewFile
	*landing
	path string
}

func (l *landing) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := l.Host.Dest(ctx, path, how)
	return landingDest{farDest{t}, l}, err
}

func (d landingDest) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	f, err := d.farDest.Create(ctx, path, how)
	return landingFile{f, d.landing, path}, err
}

func (f landingFile) Landed(_ context.Context, sum delta.Digest) {
	f.sums[f.path] = append(f.sums[f.path], sum) // one goroutine calls it
}

func (landingFile) CopyFrom(context.Context, engine.File, int64) (bool, error) { return false, nil }

// TestLandedAfar tells of every chunk of a file that can be resumed, those in holes
// included.
func TestLandedAfar(t *testing.T) {
	src, dst := dirs(t, map[string]string{"f": random(1, 100)}, nil)
	path := filepath.Join(src, "f")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	for _, at := range []int64{0, 3<<20 + 12345, 5 << 20, 8<<20 - 1} {
		_, err = f.WriteAt([]byte(random(uint64(at), 5000)), at)
		must(t, err)
	}
	must(t, f.Truncate(10<<20+77))
	must(t, f.Close())
	want := contentOf(t, path)
	for _, sparse := range []bool{false, true} {
		job := jobFor(src, dst)
		job.Sparse, job.Partial, job.IgnoreTimes = sparse, true, true
		l := &landing{farHost{host()}, map[string][]delta.Digest{}}
		trial{way: local, job: job, host: l}.must(t)
		if !bytes.Equal(contentOf(t, filepath.Join(dst, "f")), want) {
			t.Error("the content differs")
		}
		if got := l.sums["f"]; len(got) != 10 {
			t.Errorf("sparse %v: %d chunks were told of, want 10", sparse, len(got))
		}
		for i, sum := range l.sums["f"] {
			if sum != delta.Sum(want[i*delta.ChunkSize:(i+1)*delta.ChunkSize]) {
				t.Errorf("sparse %v: chunk %d has another digest", sparse, i)
			}
		}
	}
}

// TestShrinksAfar has a file become shorter while several of its chunks are read at a
// time: it is read again.
func TestShrinksAfar(t *testing.T) {
	content := random(1, 4<<20)
	src, dst := dirs(t, map[string]string{"f": content}, nil)
	const now = 3 << 19
	later := make(chan struct{})
	var once sync.Once
	h := &hookHost{host(), &hooks{file: func(_ string, f engine.File) engine.File {
		return readHook{f, func(off int64) {
			switch off {
			case 1 << 20: // chunk 2 was read by now
				select {
				case <-later:
				case <-time.After(patience / 2):
				}
				once.Do(func() { must(t, os.Truncate(filepath.Join(src, "f"), now)) })
			}
		}, func(off int64) {
			if off == 2<<20 {
				select {
				case <-later:
				default:
					close(later)
				}
			}
		}}
	}}}
	trial{way: local, job: jobFor(src, dst), host: farHost{h}}.must(t)
	if got := content; string(contentOf(t, filepath.Join(dst, "f"))) != got[:now] {
		t.Error("not what the file has become")
	}
}

// readHook is a file whose reads are told of, before and afterwards.
type readHook struct {
	engine.File
	before, after func(off int64)
}

func (f readHook) ReadAt(p []byte, off int64) (int, error) {
	f.before(off)
	defer f.after(off)
	return f.File.ReadAt(p, off)
}

// TestUnmadeDir has a directory that cannot be made, at once and behind a line:
// there is one error, whatever is in the directory, and what is linked to that is
// made.
func TestUnmadeDir(t *testing.T) {
	check := func(t *testing.T, w way, wrap func(engine.Host) engine.Host) {
		src, dst := dirs(t, map[string]string{"d/file": "file", "d/link": "->file", "d/first": "linked", "z/": ""}, nil)
		in := func(name string) string { return filepath.Join(src, name) }
		must(t, os.Link(in("d/first"), in("d/second")))
		must(t, os.Link(in("d/first"), in("z/third")))
		must(t, os.Link(in("d/first"), in("z/fourth")))
		must(t, os.Link(in("d/link"), in("z/link")))
		job := jobFor(src, dst)
		job.HardLinks = true
		out := trial{way: w, job: job, host: wrap(failing("dst mkdir", "d", syscall.EACCES))}.do(t.Context())
		out.wantExit(t, wire.CodePartial)
		if errs := out.fileErrors(); len(errs) != 1 {
			t.Errorf("%d errors: %v", len(errs), errs)
		}
		if got := content(t, filepath.Join(dst, "z/third")); got != "linked" {
			t.Errorf("z/third: %q", got)
		}
		if !linked(t, filepath.Join(dst, "z/third"), filepath.Join(dst, "z/fourth")) {
			t.Error("the rest of the group is not linked")
		}
		if got, err := os.Readlink(filepath.Join(dst, "z/link")); got != "file" {
			t.Errorf("z/link: %q, %v", got, err)
		}
	}
	each(t, func(t *testing.T, w way) {
		check(t, w, func(h engine.Host) engine.Host { return h })
	})
	t.Run("afar", func(t *testing.T) {
		check(t, local, func(h engine.Host) engine.Host { return farHost{h} })
	})
}

// busyDest notes how many listings are under way at a time below a directory.
type busyDest struct {
	farDest
	h *busyHost
}

type busyHost struct {
	engine.Host
	below     string
	now, most atomic.Int32
}

func (h *busyHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	return busyDest{farDest{t}, h}, err
}

func (d busyDest) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	if strings.HasPrefix(dir, d.h.below) {
		for n := d.h.now.Add(1); n > d.h.most.Load(); {
			d.h.most.Store(n)
		}
		defer d.h.now.Add(-1)
		time.Sleep(10 * time.Millisecond)
	}
	return d.farDest.List(ctx, dir)
}

// TestProtectedAfar deletes directories among many that rules protect: what stays is
// not listed ahead, and what goes still is.
func TestProtectedAfar(t *testing.T) {
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("old/keep%d/f", i)] = "x"
		files[fmt.Sprintf("gone/%d/f", i)] = "x"
	}
	src, dst := dirs(t, map[string]string{"f": "x"}, files)
	job := jobFor(src, dst)
	job.Delete, job.ForceDelete, job.MaxDelete = true, true, -1
	job.Filter = rules(t, "P keep*")
	h := &busyHost{Host: host(), below: "gone/"}
	trial{way: local, job: job, host: h}.must(t)
	if n := h.most.Load(); n < 2 {
		t.Errorf("%d listings at a time", n)
	}
	if _, err := os.Stat(filepath.Join(dst, "old/keep7/f")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dst, "gone")); err == nil {
		t.Error("nothing was deleted")
	}
}
