package localfs

import (
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

var _ engine.ModeKeeper = (*Tree)(nil)

// KeptMode implements [engine.ModeKeeper]: of permissions there is the read-only attribute.
func (t *Tree) KeptMode(typ manifest.Type, mode uint16) uint16 {
	switch {
	case typ == manifest.Directory:
		return 0o755
	case typ == manifest.Symlink:
		return 0o777
	case mode&0o200 == 0:
		return 0o444
	}
	return 0o644
}
