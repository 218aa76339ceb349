package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// clockHost is this machine with another clock.
type clockHost struct {
	engine.Host
	now func() time.Time
}

func (h *clockHost) Now() time.Time { return h.now() }

func frozen(at time.Time) engine.Host {
	return &clockHost{host(), func() time.Time { return at }}
}

// TestRacy gives both ends a file of one size and time and with other content. The
// quick check must not take them for equal where the time is so young that a
// second change need not show in it.
func TestRacy(t *testing.T) {
	odd, even := int64(1_700_000_001), int64(1_700_000_000)
	for _, x := range []struct {
		name  string
		mtime time.Time
		start time.Duration // of the run, after mtime
		found bool
		set   func(o *engine.Options)
	}{
		{name: "5 ms old", mtime: time.Unix(odd, 5), start: 5 * time.Millisecond, found: true},
		{name: "50 ms old", mtime: time.Unix(odd, 5), start: 50 * time.Millisecond},
		{name: "0.95 s old, whole seconds", mtime: time.Unix(odd, 0), start: 950 * time.Millisecond, found: true},
		{name: "1.1 s old, whole seconds", mtime: time.Unix(odd, 0), start: 1100 * time.Millisecond},
		{name: "1.95 s old, two seconds", mtime: time.Unix(even, 0), start: 1950 * time.Millisecond, found: true},
		{name: "2.1 s old, two seconds", mtime: time.Unix(even, 0), start: 2100 * time.Millisecond},
		{name: "from the near future", mtime: time.Unix(odd, 5), start: -time.Hour, found: true},
		{name: "from the far future", mtime: time.Unix(odd, 5), start: -48 * time.Hour},
		{name: "old", mtime: time.Unix(odd, 5), start: 48 * time.Hour},
		{name: "size only", mtime: time.Unix(odd, 5), set: func(o *engine.Options) { o.SizeOnly = true }},
	} {
		for _, mode := range []string{"digests", "listings"} {
			t.Run(x.name+" "+mode, func(t *testing.T) {
				each(t, func(t *testing.T, w way) {
					src, dst := dirs(t, map[string]string{"d/e/f": "new content", "d/g": "g"}, map[string]string{"d/e/f": "old content", "d/g": "g"})
					for _, dir := range []string{src, dst} {
						must(t, os.Chtimes(filepath.Join(dir, "d/e/f"), x.mtime, x.mtime))
						for _, p := range []string{"d/e", "d", ""} {
							must(t, os.Chtimes(filepath.Join(dir, p), time.Unix(1, 0), time.Unix(1, 0)))
						}
					}
					job := jobFor(src, dst)
					job.ItemizeAll = mode == "listings"
					if x.set != nil {
						x.set(&job.Options)
					}
					out := trial{way: w, job: job, host: frozen(x.mtime.Add(x.start))}.must(t)
					want := "old content"
					if x.found {
						want = "new content"
					}
					if got := content(t, filepath.Join(dst, "d/e/f")); got != want || (out.sum.Transferred == 1) != x.found {
						t.Errorf("%q with %d files transferred, want %q", got, out.sum.Transferred, want)
					}
				})
			})
		}
	}
}

// coarseHost is this machine with destinations that keep times to two seconds. It
// says so only where honest is set.
type coarseHost struct {
	engine.Host
	honest bool
}

func (h *coarseHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	if err != nil || !h.honest {
		return &coarseDest{t}, err
	}
	return &honestDest{coarseDest{t}}, nil
}

type coarseDest struct{ engine.Dest }

func cut(e *manifest.Entry) *manifest.Entry {
	c := *e
	c.Sec, c.Nsec = c.Sec&^1, 0
	return &c
}

func (d *coarseDest) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return d.Dest.SetAttrs(ctx, path, cut(e), attrs)
}

func (d *coarseDest) Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return d.Dest.Symlink(ctx, path, cut(e), attrs)
}

func (d *coarseDest) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	f, err := d.Dest.Create(ctx, path, how)
	if err != nil {
		return nil, err
	}
	return &coarseFile{f}, nil
}

type coarseFile struct{ engine.NewFile }

func (f *coarseFile) Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error)) {
	f.NewFile.Commit(ctx, size, cut(e), attrs, done)
}

type honestDest struct{ coarseDest }

func (d *honestDest) Granularity() time.Duration { return 2 * time.Second }

// changes returns the paths of what a run has changed.
func changes(out outcome) (paths []string) {
	for _, e := range out.events {
		if e, ok := e.(engine.ItemEvent); ok && e.Change != 0 {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// TestCoarseClock copies to a file system that keeps times to two seconds: the
// second run finds nothing to do.
func TestCoarseClock(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, honest := range []bool{false, true} {
			src, dst := dirs(t, map[string]string{"a": "even", "ab": "odd", "d/c": "c", "d/link": "->c", "dd/e/f": "f"}, map[string]string{"ab": "odd"})
			job := jobFor(src, dst)
			job.Itemize = true
			h := &coarseHost{host(), honest}
			trial{way: w, job: job, host: h}.must(t)
			before, err := os.Stat(src)
			must(t, err)
			must(t, os.WriteFile(filepath.Join(src, "unreadable"), nil, 0o644)) // so that digests do not end it
			must(t, os.Chtimes(src, before.ModTime(), before.ModTime()))
			again := trial{way: w, job: job, host: h}.must(t)
			idle := again.sum.Transferred == 1 && again.sum.Literal == 0 && strings.Join(changes(again), " ") == "unreadable"
			if honest && !idle {
				t.Errorf("the second run has changed %q", changes(again))
			}
			if !honest && idle {
				t.Error("nothing to do although the unit is not known: this test shows nothing")
			}
		}
	})
}

// TestSkew gives the far side another clock: with -u, and only then, it is told.
func TestSkew(t *testing.T) {
	for _, x := range []struct {
		name   string
		skew   time.Duration
		update bool
		want   string
	}{
		{"ahead", time.Hour, true, "1h0m0s ahead of"},
		{"behind", -5 * time.Second, true, "behind"},
		{"a little", 1200 * time.Millisecond, true, ""},
		{"no -u", time.Hour, false, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			for _, w := range []way{push, pull} {
				src, dst := dirs(t, map[string]string{"f": "f"}, nil)
				job := jobFor(src, dst)
				job.Update = x.update
				near := time.Unix(1_800_000_000, 500_000_000)
				out := trial{way: w, job: job, host: frozen(near), server: frozen(near.Add(x.skew))}.must(t)
				var notes []string
				for _, e := range out.events {
					if n, ok := e.(engine.NoteEvent); ok && strings.Contains(n.Text, "clock") {
						notes = append(notes, n.Text)
					}
				}
				if x.want == "" && len(notes) > 0 || x.want != "" && (len(notes) != 1 || !strings.Contains(notes[0], x.want)) {
					t.Errorf("%s: told %q, want %q", w, notes, x.want)
				}
				if content(t, filepath.Join(dst, "f")) != "f" {
					t.Error("f did not arrive")
				}
			}
		})
	}
}
