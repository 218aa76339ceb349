// Package manifest says what a tree holds: one [Entry] per name, one [Listing]
// per directory, a [Digest] that stands for a directory and all that is below
// it, and the comparison of two entries.
//
// A listing is sorted by the raw bytes of its names. Entries carry one
// component each, never a path, so nothing that arrives from a peer can name a
// file outside the directory in which it stands; [ValidName] is the rule and
// every decoder applies it.
//
// The package is pure: it opens no files. It does not guarantee that what it
// describes is still on disk when somebody acts on it.
package manifest
