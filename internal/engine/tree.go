package engine

import (
	"context"
	"io"

	"gosync/walker"
	"gosync/walker/manifest"
)

// Source is a tree that content is read from. Paths are those of [walker.Tree].
type Source interface {
	walker.Tree

	// Open opens a regular file. It never follows a symlink and never blocks:
	// whatever is not a regular file when it is opened is an error. An error
	// for a file that is gone wraps fs.ErrNotExist.
	Open(ctx context.Context, path string) (File, error)

	io.Closer
}

// File is an open regular file. Its methods may be called from several
// goroutines, except Close.
type File interface {
	io.ReaderAt
	io.Closer

	// Stat returns the file's current metadata, Ino and Ext.Dev included.
	Stat() (manifest.Entry, error)

	// NextData returns the first range at or behind off that may hold data. At
	// the end of the data start is the file's size. A tree that knows nothing
	// of holes returns off and the size.
	NextData(off int64) (start, end int64, err error)
}

// Dest is a tree that is made equal to a source. Every change is confined to
// its root: no method follows a symlink below it. All methods may be called
// from several goroutines; calls for the same name are made one after another.
type Dest interface {
	walker.Tree

	// Open opens a file of the tree as the basis of a delta.
	Open(ctx context.Context, path string) (File, error)

	// Stat returns the entry at path.
	Stat(ctx context.Context, path string) (manifest.Entry, error)

	// Create begins a file that will replace path. Nothing is visible under
	// path before Commit, except where how.InPlace is set.
	Create(ctx context.Context, path string, how CreateOptions) (NewFile, error)

	// Mkdir makes a directory that only the owner can use yet.
	Mkdir(ctx context.Context, path string) error

	// Symlink, Mknod and Link make an entry at path in one step, replacing
	// whatever is there except a directory. Link makes a hard link to the
	// file at old. Symlink and Mknod also set the attributes in attrs.
	Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error
	Mknod(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error
	Link(ctx context.Context, path, old string) error

	// SetAttrs applies attributes of e (owner, group, mode, times, in this
	// order) to what is at path; it fails if that is not of e's type.
	SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error

	// Remove removes what is at path: an empty directory where e is one, else
	// anything but a directory. It fails if its type is not e's any more.
	Remove(ctx context.Context, path string, e *manifest.Entry) error

	// Sync waits until all files that were committed are in place and, where
	// the policy asks for it, durable, directories included. The engine calls
	// it before it links to files, before it sets times of directories (Sync
	// of which is called once more at the end) and before it reports success.
	Sync(ctx context.Context) error

	// RemoveStale removes the temporary at path, whose name satisfies
	// [manifest.Temporary], if a run that is over has left it behind, and
	// reports whether it did.
	RemoveStale(ctx context.Context, path string) (bool, error)

	io.Closer
}

// CreateOptions adjusts [Dest.Create].
type CreateOptions struct {
	Size    int64 // expected size in bytes, for preallocation; a hint
	InPlace bool  // write into the existing file itself, or into path directly where there is none
	Sparse  bool  // make holes where zeros are written
	Partial bool  // on Discard keep what was written under the final name
}

// NewFile is a file in the making. WriteAt may be called from several
// goroutines on distinct ranges. Exactly one of Commit and Discard ends it.
type NewFile interface {
	io.WriterAt

	// CopyFrom lets the kernel copy or clone the first size bytes of src, and
	// reports false where it cannot, having written nothing that matters.
	CopyFrom(ctx context.Context, src File, size int64) (bool, error)

	// Commit sets the file's length to size and its attributes to those of e
	// that attrs names, and makes it appear under its final name, at once or
	// when the tree's group of files is made durable. done is called exactly
	// once, from any goroutine, when it has appeared or failed to.
	Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error))

	// Discard removes what was written (or keeps it as CreateOptions.Partial says).
	Discard() error
}

// Host is a machine that an end runs on: it opens trees by the paths that
// users give. It is the seam between the engine and the operating system.
type Host interface {
	// Source opens the directory at path, following symlinks in path itself.
	Source(ctx context.Context, path string) (Source, error)

	// Dest opens the directory at path, following symlinks in path itself.
	Dest(ctx context.Context, path string, how DestOptions) (Dest, error)

	// Lstat and Stat describe the file at path.
	Lstat(ctx context.Context, path string) (manifest.Entry, error)
	Stat(ctx context.Context, path string) (manifest.Entry, error)

	// Mkdir makes the directory at path, whose parent must exist.
	Mkdir(ctx context.Context, path string) error

	// Expand expands a leading ~ or ~user and wildcards in a path from afar. A
	// pattern that matches nothing stands for itself.
	Expand(ctx context.Context, path string) ([]string, error)

	// IDs returns the machine's owners.
	IDs() IDs

	// Seed returns a random number, from which the hashes of a run are made so
	// that nobody can prepare content whose hashes collide.
	Seed() uint64
}

// IDs knows the users and groups of a machine.
type IDs interface {
	manifest.Names
	User(name string) (uid uint32, ok bool)
	Group(name string) (gid uint32, ok bool)

	// Root reports whether this process may give files away.
	Root() bool

	// Member reports whether this process may give its files to the group.
	Member(gid uint32) bool

	// Umask returns the permission bits that new files lose where permissions
	// are not preserved.
	Umask() uint16
}

// Durability says when data that was written survives a power cut.
type Durability uint8

// The policies of --fsync.
const (
	SyncRun  Durability = iota // everything before the run ends, in groups
	SyncEach                   // every file before it appears
	SyncNone                   // whenever the operating system likes
)

// DestOptions adjusts a destination tree.
type DestOptions struct {
	Durability Durability
	ReadOnly   bool // nothing will be changed (dry run)
}
