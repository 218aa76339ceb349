// Package shell lists and manages the files of a far side over SFTP: it is behind
// gosync ls and the interactive gosync shell.
//
// Remote is the far side: an SFTP session that is started in one of several ways,
// watched while a request is under way, and started again when it was lost. Lister
// prints listings of it and of this machine. Session reads command lines, from a
// terminal with completion and history or from a file, and runs them by the table
// in table.go; get, put and sync are handed to a Transfer, which is gosync itself.
//
// What comes from the far side is untrusted. Names are checked one component at a
// time, listings are bounded in bytes, everything printed goes through
// Config.Display, and completion inserts no name that a terminal would not show as
// it is. What the package cannot promise is that a path still means the same file
// when the server acts on it: SFTP knows paths only, so whoever can write on the
// server can redirect rm -r or chmod -R there.
package shell
