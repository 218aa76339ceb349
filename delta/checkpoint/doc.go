// Package checkpoint keeps what has been received of a file across the end of a
// run: it writes, beside the partial file, a sidecar that says which of its
// chunks are on the disk.
//
// The flow: [Begin] starts a sidecar, or [Resume] goes on with one. The caller
// writes chunks into the partial in order and calls [Writer.Landed] for each.
// Every 64 MiB or 5 seconds the Writer makes the partial durable, then appends a
// record to the sidecar, then makes that durable: a record is never ahead of the
// data that it speaks of. A later run calls [Read], and [State.Held], which reads
// the partial again and keeps the chunks that have their digests.
//
// # Format
//
// A sidecar is 8 bytes of magic and records, all numbers little endian:
//
//	length of the payload, 4 bytes | type, 1 byte | payload | CRC-32C of all before, 4 bytes
//
//	type 1, source:   size 8, seconds 8, nanoseconds 4 of the source file, then the target's name
//	type 2, chunks:   number of the first chunk 8, digests of 32 bytes each
//	type 3, cut:      number of chunks 8; those behind it are void
//	type 4, in place: the target itself is being written; the target's name
//
// The first record is of type 1 or 4. A record that the end of the file cuts
// short, or that has the wrong checksum, is dropped with what is behind it: a crash
// leaves such, zeros for instance where the file had grown before it was written.
// Any other fault makes the sidecar invalid.
//
// # What is not guaranteed
//
// A sidecar is never trusted: somebody may have written it, and a disk may lose
// what it called durable. It can cost bytes on the line, and reads, but never make
// a file wrong, because Held computes every digest anew and the caller compares
// them with the source's. The package opens and names no files, and it does not
// keep two runs from writing the same partial: the caller locks it.
package checkpoint
