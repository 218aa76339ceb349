// Package localfs is a tree on this machine's disk, confined to its root.
//
// A [Tree] holds a descriptor of its root and reaches everything else by
// directory descriptors and single names: no path of a user's tree is ever given
// to the operating system as a whole, except to openat2, which is told not to
// leave the root and not to follow symlinks. So whoever swaps a directory for a
// symlink while a run goes on gains nothing, and paths may be longer than the
// system's limit. Directory descriptors are cached. One that was beneath the
// root when it was opened stays in use when somebody else moves that directory
// away: what is then written goes into the directory that was meant when the
// descriptor was opened, wherever it has gone.
//
// A new file is written into a hidden temporary beside its target, gets its
// attributes by its descriptor and is renamed. With [engine.SyncRun], the
// policy for whole runs, files are collected in groups: first the data of a
// group is made durable, then all its files are renamed, then the directories
// are made durable, and only then are the files reported as done. A name
// never stands for content that a power cut could take away. A file whose
// content could not be made durable is removed, and that is not tried again:
// the system may have dropped the data, and a second attempt would succeed
// without it.
//
// A large file is received into a partial, whose name follows from the file's, and
// which is locked. Package checkpoint keeps a sidecar beside it that says what of it
// is on the disk; a run that ends early leaves both, and the next one goes on. What
// stands under these names is opened only if nobody but this user can have written
// it, and is believed only as far as its digests are right. A file that is written
// in place is locked, and has a mark, which is a sidecar of its own kind, until it is
// whole; meanwhile its time is one of long ago.
//
// On Windows the descriptors are handles; package unix says what its calls do there. A name
// that Windows would take for another one, or cannot hold, is refused before anything is
// made for it.
//
// Runs of one user on one machine that work on the same tree know of each other by a
// lock in $XDG_STATE_HOME/gosync.
//
// What localfs does not guarantee: a listing is no snapshot; extended attributes and
// access control lists are kept on Linux only; with [engine.SyncNone] nothing is durable;
// partials and marks are locked as far as the file system knows locks, and a mark is
// missing where the directory cannot be written; and a killed process leaves its
// temporaries behind, which [Tree.RemoveStale] knows.
package localfs
