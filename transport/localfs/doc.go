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
// What localfs does not guarantee: a listing is no snapshot; two runs into the
// same directory do not know of each other; extended attributes and access
// control lists are not kept; with [engine.SyncNone] nothing is durable; and
// a killed process leaves its temporaries behind, which [Tree.Temporary] knows.
package localfs
