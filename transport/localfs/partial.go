package localfs

import (
	"context"

	"golang.org/x/sys/unix"

	"gosync/delta"
	"gosync/internal/engine"
)

// Partial implements [engine.Dest].
func (t *Tree) Partial(ctx context.Context, path string) (engine.Partial, error) {
	return nil, t.fail("open partial", path, unix.ENOENT)
}

// DropPartial implements [engine.Dest].
func (t *Tree) DropPartial(ctx context.Context, path string) error { return nil }

// Landed implements [engine.NewFile].
func (f *newFile) Landed(ctx context.Context, sum delta.Digest) {}

// Remove implements [engine.NewFile].
func (f *newFile) Remove() error { return f.Discard() }
