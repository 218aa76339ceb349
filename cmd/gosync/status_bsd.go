//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os"
	"syscall"
)

// statusSignals are the signals that ask how far a run is. Ctrl-T sends SIGINFO.
func statusSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1, syscall.SIGINFO} }
