//go:build !linux

package localfs

import (
	"context"

	"gosync/internal/engine"
)

// CopyFrom implements [engine.NewFile]. There is no portable way to let the
// kernel copy.
func (f *newFile) CopyFrom(context.Context, engine.File, int64) (bool, error) { return false, nil }
