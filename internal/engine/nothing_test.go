package engine_test

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// lockedHost does not let anybody into directories of that name.
type lockedHost struct{ engine.Host }

func (h lockedHost) Source(ctx context.Context, path string) (engine.Source, error) {
	if strings.HasSuffix(path, "/locked") {
		return nil, fs.ErrPermission
	}
	return h.Host.Source(ctx, path)
}

// TestParentsOfNothing names a source that cannot be taken: its parents are not
// made, nor is a destination for it.
func TestParentsOfNothing(t *testing.T) {
	for _, x := range []struct{ name, source, dst string }{
		{"missing", "./p/missing", "dst"},
		{"missing, to a new directory", "./p/missing", "new"},
		{"missing, below the root", "././missing", "dst"},
		{"missing, below the root, to a new directory", "././missing", "new"},
		{"locked", "./p/locked", "dst"},
		{"locked, to a new directory", "./p/locked", "new"},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, _ := dirs(t, map[string]string{"dst/": "", "p/locked/f": "f"}, nil)
				job := engine.Job{Options: archive(), Sources: []string{src + "/" + x.source}, Dest: filepath.Join(src, x.dst)}
				job.Relative = true
				trial{way: w, job: job, host: lockedHost{userHost{host()}}}.do(t.Context()).wantExit(t, wire.CodePartial)
				if x.dst == "dst" {
					wantNames(t, job.Dest, "")
				} else if exists(job.Dest) {
					t.Error("it was made")
				}
			})
		})
	}
}
