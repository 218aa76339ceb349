package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// farHost is a host whose destination is one behind a line.
type farHost struct{ engine.Host }

type farDest struct{ engine.Dest }

func (h farHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	return farDest{t}, err
}

func (farDest) Parallel() int { return 8 }

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
