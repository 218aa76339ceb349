// Package scpfs speaks the old SCP protocol with an scp(1) on the far side: scp -t,
// which takes files, and scp -f, which gives them. It is for servers that have
// nothing better.
//
// [Remote] starts sessions and implements [engine.StreamTo] and [engine.StreamFrom];
// how a command is run on the far side is the caller's. A [Sink] sends to scp -t, a
// [Source] reads from scp -f.
//
// # The protocol
//
// The sending side writes a line for each thing: "C0644 123 name" for a file, whose
// content and one byte of status follow; "D0755 0 name" and "E" around what a
// directory holds; "T<mtime> 0 <atime> 0" before a C or D. The receiving side answers
// each with a byte, after one that says that it is there: 0 is yes; 1, with a line of
// text, is no to this thing alone; 2 with a line ends everything. A 1 and a line may
// also stand in place of a sender's line.
//
// A Sink never sends content before the file's line was answered, since content
// that is not expected would be read as lines. It does send the next line with the
// content before it, so that a small file costs one round trip. A Source that is to
// give directories writes its answers ahead: then nothing waits for it.
//
// # What a Source refuses
//
// Names that were not asked for, or are no single component, or have control
// characters; more than was asked for; a directory where a file was asked for; sizes,
// times, modes and lines that are too large or written in another way; directories
// that are not ended, too deep, or ended too often. Each is [wire.ErrProtocol], before
// anything that it speaks of has been handed on.
//
// # What is not possible
//
// The far side writes files in place, under their final names. It tells nothing of
// what it has, follows every symbolic link that it sends, and keeps times in seconds.
package scpfs
