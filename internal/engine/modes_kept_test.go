package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// readOnlyHost is this machine with destinations that keep of permissions whether a file may
// be written. They say so only where honest is set.
type readOnlyHost struct {
	engine.Host
	honest bool
}

func (h *readOnlyHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	if err != nil || !h.honest {
		return &fewModes{t}, err
	}
	return &honestModes{fewModes{t}}, nil
}

func keptMode(t manifest.Type, mode uint16) uint16 {
	switch {
	case t == manifest.Directory:
		return 0o755
	case mode&0o200 == 0:
		return 0o444
	}
	return 0o644
}

type fewModes struct{ engine.Dest }

func few(e *manifest.Entry) *manifest.Entry {
	c := *e
	c.Mode = keptMode(e.Type, e.Mode)
	return &c
}

func (d *fewModes) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return d.Dest.SetAttrs(ctx, path, few(e), attrs)
}

func (d *fewModes) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	f, err := d.Dest.Create(ctx, path, how)
	if err != nil {
		return nil, err
	}
	return &fewModesFile{f}, nil
}

type fewModesFile struct{ engine.NewFile }

func (f *fewModesFile) Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error)) {
	f.NewFile.Commit(ctx, size, few(e), attrs, done)
}

type honestModes struct{ fewModes }

func (*honestModes) KeptMode(t manifest.Type, mode uint16) uint16 { return keptMode(t, mode) }

// TestFewModes copies to a file system that keeps of permissions only whether a file may be
// written: the second run finds nothing to do, but for a file that may not be written any more.
func TestFewModes(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, honest := range []bool{false, true} {
			src, dst := dirs(t, map[string]string{"a": "a", "d/locked": "b", "d/program": "c"}, map[string]string{"d/locked": "old"})
			for name, mode := range map[string]os.FileMode{"a": 0o600, "d": 0o700, "d/locked": 0o400, "d/program": 0o751} {
				must(t, os.Chmod(filepath.Join(src, name), mode))
			}
			job := jobFor(src, dst)
			job.Itemize, job.Perms = true, true
			h := &readOnlyHost{host(), honest}
			trial{way: w, job: job, host: h}.must(t)
			must(t, os.Chmod(filepath.Join(src, "a"), 0o400))
			again := trial{way: w, job: job, host: h}.must(t)
			only := again.sum.Transferred == 0 && strings.Join(changes(again), " ") == "a"
			if honest && !only {
				t.Errorf("the second run has changed %q", changes(again))
			}
			if !honest && only {
				t.Error("nothing to do although it is not known what is kept: this test shows nothing")
			}
			if info, err := os.Stat(filepath.Join(dst, "a")); honest && (err != nil || info.Mode().Perm() != 0o444) {
				t.Errorf("%v, %v", info, err)
			}
		}
	})
}
