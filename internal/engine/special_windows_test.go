package engine_test

import (
	"errors"
	"testing"

	"gosync/internal/unix"
)

func makeFifo(string) error   { return errors.ErrUnsupported }
func makeDevice(string) error { return errors.ErrUnsupported }

func inode(t *testing.T, path string) *unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	return &st
}
