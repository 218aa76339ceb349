//go:build !linux

package localfs

import "golang.org/x/sys/unix"

func canSyncfs(int) bool { return false }

func syncFileSystem(int) error { return unix.ENOSYS }
