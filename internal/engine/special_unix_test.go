//go:build unix

package engine_test

import (
	"syscall"
	"testing"
)

func makeFifo(path string) error   { return syscall.Mkfifo(path, 0o600) }
func makeDevice(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) }

func inode(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Lstat(path, &st))
	return &st
}
