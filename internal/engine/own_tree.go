package engine

import (
	"gosync/walker"
	"gosync/walker/manifest"
)

// ownTree is the destination's own walk.
type ownTree struct {
	dirs   []*walker.Dir
	unsure []bool // by index: it, or something below, could not be listed
	byPath map[string]*walker.Dir
	source []*walker.Dir       // those that stand for the source's directories, by the indices of these; nil for none
	left   map[string][]string // what earlier runs have kept of files, by directory
}

func (o *ownTree) root() *walker.Dir { return o.byPath[""] }

// below returns the directory of that name in dir, nil if there is none.
func (o *ownTree) below(dir *walker.Dir, name string) *walker.Dir {
	if dir == nil {
		return nil
	}
	return o.byPath[manifest.Join(dir.Path, name)]
}
