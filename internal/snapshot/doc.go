// Package snapshot keeps copies of a tree under the times at which they were made, and
// manifests: lists of digests, as b3sum writes them, that a tree can be checked against.
//
// A [Store] is the directory that the snapshots are in:
//
//	2026-11-26T153714Z/              a snapshot: it is there as a whole or not at all
//	latest -> 2026-11-26T153714Z     the newest
//	.gosync-snapshots/               what the store knows about them
//	    lock                         held by the run that changes the store
//	    2026-11-26T153714Z.b3sum     digests of the snapshot's files
//	    2026-11-26T153714Z.bad       its files were found not to have them
//	    journal                      digests of files that have come into the next one
//	.gosync-snapshots.next/          the next one, as far as it has come
//	.gosync-snapshots.trash-TIME/    one that is being removed
//
// The flow of a run is Begin, a copy into the next one that links what is equal in the
// newest good one, Note for the digests that the copy has seen, Finish, Prune. Begin
// takes files out of an interrupted next one that are one with those of snapshots: a
// copy that gave these another mode or owner would change the snapshots with it.
//
// A snapshot is good if it has its manifest and was not found bad. Only good ones are
// linked against, so damage that was found is not handed on; damage that nobody has
// looked for is. Nothing here makes snapshots read-only.
//
// Names of snapshots, manifests and journals are read as untrusted input.
package snapshot
