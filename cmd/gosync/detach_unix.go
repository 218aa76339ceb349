//go:build unix

package main

import "syscall"

// detach takes this process, and those that it starts, off its terminal, so that none
// can ask anything there, and reports whether that was possible.
func detach() bool {
	_, err := syscall.Setsid()
	return err == nil
}
