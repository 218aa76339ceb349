// Package memtree is a machine whose disk is in memory, for tests: a [Disk] keeps
// files, directories, symlinks, FIFOs and devices with owners, modes, times and
// hard links, and its [Host] lets the engine work on them through the same
// protocol of temporaries, groups, marks, partials and locks as the real one.
//
// The flow: a test fills a [Disk] with Put, runs the engine with the Host of it,
// and looks at the result with Tree. Every operation passes [Options.Gate], where
// a test can hold it, count it, or have it fail.
//
// # Power cuts and kills
//
// What is written is volatile until it is synced. Crash returns the disk as a
// machine may find it after a power cut: of every directory the changes since its
// last sync up to some point, of every file its attributes as of some moment since
// its last sync, and of its content any of the pages that changed. With
// [Ordered] a file that was never synced is never longer than the data that
// reached the disk, as on ext4; with [Weak] it may have its length, its time, and
// zeros. Kill returns the disk as the end of all processes leaves it. Either way
// the old disk is dead: whatever still works on it gets [ErrDead], and changes
// nothing.
//
// An fsync of a file makes its content and attributes durable, but no name. That
// of a directory makes its entries durable, the names of the directory itself
// above it, and the attributes of what cannot be synced by itself.
//
// # What is not there
//
// Permissions are kept, not enforced. There is one file system, without quotas or
// limits. Directories for partials are not supported. Groups of files are made
// durable by whoever fills them, not in the background.
package memtree
