// Package evilsftp is an SFTP server for tests that breaks one rule of the protocol.
//
// [Cases] is the table of what is broken, and what is to come of it. A server is one that behaves, of package sftp, with
// something in front that changes its replies: what is wrong is wrong in one place, and the rest of a session is real.
// [Wrap] puts that in front of a session in the same process, [Serve] is a whole server on two streams, as sshd starts one.
//
// The numbers of the protocol stand here once more, so that a mistake in those of package sftpfs is found.
package evilsftp
