package engine

import (
	"context"
	"io"
	"time"

	"gosync/delta"
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

// Follower is a [Source] that can show what symlinks lead to.
type Follower interface {
	// Follow has the tree show, from now on, every symlink below its root as what
	// it leads to, inside of the tree or not, and open that. It is called before
	// anything else. An error means that the tree cannot, and has not changed.
	//
	// A symlink that leads nowhere, or to a directory that it lies in, is left out
	// of its listing, whose error then holds one for each of these.
	Follow() error
}

// Lister is a [Source] whose listings can stand for a look at a file.
type Lister interface {
	// OpenListed is Open for what List has shown as e. The file's first Stat may
	// tell that; later ones tell what it is then, so that whoever compares both
	// notices a file that has changed since it was listed.
	OpenListed(ctx context.Context, path string, e *manifest.Entry) (File, error)
}

// Distant is implemented by trees, and by their hosts, that lie behind a line with no gosync at
// its other end: every call waits for an answer, and content that is read crosses
// the line. The engine makes more calls at a time then, does not read such files to
// find out what differs, and takes a partial's content for what its size and the
// source's identity say, unless a comparison by content was asked for.
type Distant interface {
	// Parallel returns how many files are dealt with at a time.
	Parallel() int
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
	// reports whether it did. A partial or sidecar that a later run may use is
	// kept for a week, unless all is set. What a run that is alive holds stays.
	RemoveStale(ctx context.Context, path string, all bool) (bool, error)

	// Partial opens what an earlier run has kept of the file at path. The error
	// wraps fs.ErrNotExist where there is nothing of use: no partial, or one
	// that somebody else could have made. It waits a while for a run that is
	// still writing it; the error wraps [ErrInUse] if that goes on.
	Partial(ctx context.Context, path string) (Partial, error)

	// DropPartial removes what earlier runs have kept of the file at path, the
	// mark of a file that is written in place included. What a run that is
	// alive holds stays, without an error.
	DropPartial(ctx context.Context, path string) error

	io.Closer
}

// CreateOptions adjusts [Dest.Create].
type CreateOptions struct {
	Size    int64 // expected size in bytes, for preallocation; a hint
	InPlace bool  // write into the existing file itself, or into path directly where there is none
	Sparse  bool  // make holes where zeros are written

	// Basis is a file that the new one will mostly equal, nil for none: see [Cloned].
	Basis File

	// Resume has Discard, and a crash, keep what was written, so that a later
	// run can go on with it: see [Dest.Partial]. Identity is the source file's.
	Resume   bool
	Identity Identity

	// Visible has Discard put what was written under the final name if nothing
	// is there, with a time of long ago so that nobody takes it for the whole.
	Visible bool

	// Sec is the time that the file is to have in the end. While it is written
	// in place it has another.
	Sec int64
}

// Identity tells one state of a source file from another.
type Identity struct {
	Size int64
	Sec  int64 // modification time
	Nsec uint32
}

// Partial is a file that an earlier run has begun. Exactly one of Continue and
// Close ends it. Reading gives its content, of which only the chunks that Held
// names are known to be good.
type Partial interface {
	File

	// Identity is that of the source file that it was received from.
	Identity() Identity

	// Held returns the digests of the chunks that are there from the start on,
	// computed from what is on the disk now: nothing that an earlier run noted
	// is trusted.
	Held() []delta.Digest

	// Continue makes it the file that is written again, with its first keep
	// chunks, which the caller knows to be right; what is behind them is
	// dropped. Exactly one of NewFile's Commit, Discard and Remove ends it then.
	Continue(ctx context.Context, keep int, how CreateOptions) (NewFile, error)

	// Unlink takes the partial out of its directory, so that another can be
	// begun there, while its content can be read until Close.
	Unlink(ctx context.Context) error
}

// NewFile is a file in the making. WriteAt may be called from several
// goroutines on distinct ranges. Exactly one of Commit, Discard and Remove ends it.
type NewFile interface {
	io.WriterAt

	// Begun returns how many bytes of what stood under the final name the file
	// begins with: all of them where it is written in place, none where it will
	// take that one's place, as it can also with CreateOptions.InPlace. It is
	// called before anything is written.
	Begun() int64

	// CopyFrom lets the kernel copy or clone the first size bytes of src, and
	// reports false where it cannot, having written nothing that matters.
	CopyFrom(ctx context.Context, src File, size int64) (bool, error)

	// Commit sets the file's length to size and its attributes to those of e
	// that attrs names, and makes it appear under its final name, at once or
	// when the tree's group of files is made durable. done is called exactly
	// once, from any goroutine, when it has appeared or failed to.
	Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error))

	// Landed tells that the file's next chunk, in order from the start, was
	// written, has the digest sum, and will not be written again. From time to
	// time a file that can be resumed makes its chunks durable and notes them;
	// if that cannot be noted, resuming will not be possible, and that is all.
	// One goroutine calls it, not at the same time as Commit.
	Landed(ctx context.Context, sum delta.Digest)

	// Discard gives the file up: what was written is kept where CreateOptions
	// says so, and removed otherwise.
	Discard() error

	// Remove gives the file up and keeps nothing, as far as that is possible: a
	// file written in place stays what it has become.
	Remove() error
}

// Cloned is a [NewFile] that may begin with the content of CreateOptions.Basis, whose
// blocks it shares.
type Cloned interface {
	// Cloned returns the file as it is while it is written, to be read and to be closed by
	// the caller, if need be after the file itself; nil if it begins empty.
	Cloned() (File, error)
}

// Host is a machine that an end runs on: it opens trees by the paths that
// users give. It is the seam between the engine and the operating system.
type Host interface {
	// Source opens the directory at path, following symlinks in path itself.
	Source(ctx context.Context, path string) (Source, error)

	// Dest opens the directory at path, following symlinks in path itself, as long
	// as they are to be trusted: where others can write on the way they could lead
	// a privileged run to another place. The same holds for paths in how, and for
	// those of Mkdir.
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

	// Now is the machine's clock, the one that gives its files their times.
	Now() time.Time

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

	// Member reports whether this process may give its files to the group, as
	// anybody may who belongs to it: what root may do does not count.
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
	NoReplace  bool // what has a name keeps it: Commit, Symlink, Mknod and Link fail with fs.ErrExist

	// PartialDir is where files are kept that can be resumed: a directory below
	// that of the file, or an absolute path; "" for hidden names beside the file.
	PartialDir string

	// Exclusive has the tree opened only when no other run works on it, and
	// keeps others away until it is closed; without it runs share a tree.
	// Opening waits for that for a while; the error wraps [ErrInUse] then.
	Exclusive bool

	// Wait is how long opening and Partial wait for another run.
	Wait time.Duration
}
