//go:build !linux || !(amd64 || arm64 || riscv64 || s390x || ppc64le)

package localfs

import "gosync/internal/unix"

// statName is fstatAt for a name that has its NUL behind it.
func statName(dirfd int, name string, st *unix.Stat_t, _ bool) error {
	return fstatAt(dirfd, name[:len(name)-1], st)
}
