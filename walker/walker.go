// Package walker walks the trees that take part in a run and yields one
// directory listing after the other, in the order in which a run visits them.
//
// What is walked is a [Node]: the transfer's root, in which the sources of the
// command line have been put together. Several workers list directories ahead
// of the one that is yielded, so that latency of the storage is hidden; the
// order of what is yielded does not depend on them.
//
// A walk is not a snapshot: what changes while it goes on is seen before, after
// or not at all.
package walker

import (
	"context"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// Tree lists directories. Paths are relative to the tree's root, "" is the root
// itself, components are separated by slashes. Symlinks below the root are
// never followed. All methods may be called from several goroutines.
type Tree interface {
	// List returns what the directory dir holds, with all metadata, in any
	// order. Names that vanish meanwhile are left out. An error may come with
	// entries: those that could be read. Of others it is an [EntryError], joined
	// with what else there is.
	List(ctx context.Context, dir string) ([]manifest.Entry, error)

	// ReadFile returns the content of a regular file of at most limit bytes.
	ReadFile(ctx context.Context, name string, limit int64) ([]byte, error)
}

// RuleLinker is a [Tree] in which a symlink may stand in the place of a file with rules.
type RuleLinker interface {
	// ReadLinked returns the content of the regular file that the symlink name leads to,
	// inside of the tree or not, of at most limit bytes. It fails with [fs.ErrNotExist]
	// where the symlink leads to none, or is not to be trusted.
	ReadLinked(ctx context.Context, name string, limit int64) ([]byte, error)
}

// Origin is a directory of a tree whose content takes part in the walk.
type Origin struct {
	Tree Tree
	Dir  string
}

// Node is a place in the transfer: what the command line's sources put there.
type Node struct {
	// Entry describes the node itself, as it appears in its parent's listing.
	// The root's name is "".
	Entry manifest.Entry

	// Implied says that the node is only there because something below it was
	// named: filters do not apply to it.
	Implied bool

	// Tree and Path say where a node that is not a directory is read: by its
	// path in a tree. For the root and for directories they are not used.
	Tree Tree
	Path string

	// Contents are the directories whose whole content belongs into this
	// directory. Of entries with the same name the first wins, except that
	// directories are merged and win over everything else.
	Contents []Origin

	// Children are the nodes that were named one by one. They win over entries
	// of Contents, but a directory is merged with a child directory, and wins
	// over a child that is none. Of children with the same name the first wins
	// in the same way.
	Children []*Node
}

// Options adjusts a walk. The zero value walks recursively, without filters,
// with a few workers.
type Options struct {
	NoRecurse  bool                        // directories are listed in their parents but not entered (named nodes and their Contents are)
	Filter     *filter.Set                 // names that are left out; nil for none
	Side       filter.Side                 // whose rules apply
	Workers    int                         // listing goroutines; 0 chooses
	OneDevice  bool                        // directories on other file systems than their parent are not entered
	NoMounts   bool                        // ... and not listed either
	HardLinks  bool                        // entries get their group's first member (Ext.LeaderDir, LeaderEntry)
	FirstLinks bool                        // ... and the first members a mark (Ext.First)
	Only       func(dir string) bool       // directories of the transfer of which more than the directories in them takes part; nil for all
	Skip       func(dir, name string) bool // names in directories of the transfer that never take part, such as temporaries; nil for none. It is called from several goroutines
}

// Dir is one directory of a walk.
type Dir struct {
	Index  int    // position in the order of the walk; 0 is the root
	Parent int    // index of the parent, -1 for the root
	Entry  int    // position in the parent's Entries
	Path   string // path in the transfer, "" for the root
	manifest.Listing

	// Protected marks entries that the walk's side excludes but that are kept
	// in the listing because the side is a destination (filter.Receiver): they
	// are not to be deleted. It is nil where nothing is excluded.
	Protected []bool

	// Children are the indices of Entries that the walk enters, in order.
	Children []int

	Git GitRules // what was read of git's rules, where the filter asks for them

	bare    bool
	origins []Origin // the directories whose content this one holds
	nodes   []*Node  // the named nodes among the entries
	from    []uint32 // for each entry an index into origins, or behind them into nodes; nil where all come from the first origin
}

// Origin tells where the entry at index i of Entries is read: the tree and the
// path in it. Of a directory that several origins make up it is the first one
// that decided its metadata. The tree is nil for a named directory without content.
func (d *Dir) Origin(i int) (Tree, string) {
	from := 0
	if d.from != nil {
		from = int(d.from[i])
	}
	if from < len(d.origins) {
		o := d.origins[from]
		return o.Tree, manifest.Join(o.Dir, d.Entries[i].Name)
	}
	n := d.nodes[from-len(d.origins)]
	if n.Entry.IsDir() && len(n.Contents) > 0 {
		return n.Contents[0].Tree, n.Contents[0].Dir
	}
	return n.Tree, n.Path
}

// Bare reports whether the directory is only there because something below it was
// named: it was not itself.
func (d *Dir) Bare() bool { return d.bare }

// Sole reports whether all entries are what one tree has in one directory, and there
// are some.
func (d *Dir) Sole() bool { return len(d.origins) == 1 && d.from == nil && len(d.Entries) > 0 }

// Implied reports whether only named nodes make up the directory, so that it
// says nothing about what else lies there.
func (d *Dir) Implied() bool { return len(d.origins) == 0 }
