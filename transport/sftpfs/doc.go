// Package sftpfs is a machine behind an SFTP server, with its trees: it implements
// [engine.Host], [engine.Source] and [engine.Dest] on an SFTP session of version 3.
//
// The flow: [New] starts a session on a pipe; [Host.Source] and [Host.Dest] open
// trees. What comes from the server passes one reader that checks the form of every
// packet before it gets any further, and each name, size, type and target of a
// symlink is checked where it is used. Two clients share the session: that of
// package sftp, and requests which that client does not have (session.go says
// which). No call waits for longer than its context; what tidies up after a context
// has ended has some seconds more.
//
// Files are made under hidden temporary names beside their targets and renamed. What
// has begun to be received of a large file is kept in the same form as in localfs,
// with its sidecar, and can be gone on with over either.
//
// # Extensions
//
// Used where the server offers them: posix-rename@openssh.com (else a file that is
// replaced is removed first, which is said), fsync@openssh.com, hardlink@openssh.com,
// statvfs@openssh.com (a large file that does not fit is not begun), limits@openssh.com
// (larger requests), lsetstat@openssh.com (times and owners of symlinks), copy-data
// (see [Options.Compare]) and expand-path@openssh.com (~user).
//
// # What is not guaranteed
//
// A server goes by paths and follows symlinks on the way. Before anything is done in
// a directory it and those above it, up to the tree's root, are looked at, and looked
// at again when a second has passed; and links in listings are never followed. A small
// file is opened without another look within a second of its listing. But
// somebody with the right to write there can exchange a directory for a symlink in
// between. Where others can write to the tree, the far side needs gosync.
//
// There are no locks. Two runs do not disturb each other's temporaries, which have
// random names, but both can write the same file in place, or the same partial;
// Exclusive has no effect. Temporaries that a run has left are known by their age: a
// day, for partials a week.
//
// With the policy that everything is durable when the run ends (SyncRun), files below
// 1 MiB are not made durable: the server has to flush its disk for each. Directories
// never are. SyncEach covers every file.
//
// Times are whole seconds of 1970 to 2106; others become the first or the last of
// these, with an error. Inode numbers and counts of links are not told: hard links
// are not found in a source and are made anew by every run at a destination. That a
// file has other names, and so is replaced and not written in place, is known where
// the server lists directories as OpenSSH does. Owners are numbers.
// Devices and FIFOs cannot be made. Holes are not found. Whether the session's user
// is root is found out when a destination is opened to be changed; until then, and in
// a dry run, it counts as not.
package sftpfs
