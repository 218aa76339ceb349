//go:build unix && !(darwin || dragonfly || freebsd || netbsd || openbsd)

package main

import (
	"os"
	"syscall"
)

// statusSignals are the signals that ask how far a run is.
func statusSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1} }
