//go:build !linux

package localfs

import "gosync/internal/unix"

func canSyncfs(int) bool { return false }

func syncFileSystem(int) error { return unix.ENOSYS }
