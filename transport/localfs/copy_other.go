//go:build !linux

package localfs

import (
	"context"

	"gosync/internal/engine"
)

// clones is for systems where files can share blocks.
type clones struct{}

// share begins the file as a clone of another, where there is a way.
func (f *newFile) share(engine.File) error { return nil }

// CopyFrom implements [engine.NewFile]. There is no portable way to let the
// kernel copy.
func (f *newFile) CopyFrom(context.Context, engine.File, int64) (bool, error) { return false, nil }
