//go:build unix

package main

import "syscall"

// unblock puts a descriptor into non-blocking mode.
func unblock(fd int) error { return syscall.SetNonblock(fd, true) }
