// Package unix is the calls of golang.org/x/sys/unix that trees are built on, for all
// systems that gosync builds for. Where the system has them they are these; on Windows they
// are made of what the NT kernel has, which knows names below an open directory, too.
//
// On Windows a descriptor is a handle. A name in a directory is a single component: none that
// leads elsewhere, or that Windows takes for something else than a name ([BadName]), ever
// reaches the system. Directories are reached without following symlinks or junctions where
// O_NOFOLLOW says so. Files may be renamed and removed while they are open. The permission to
// write is the read-only attribute; there are no owners, which are 0 throughout, and no
// devices. Times are multiples of 100 ns. Locks are advisory: they lie behind all content.
// What there is nothing for fails with ENOTSUP.
package unix
