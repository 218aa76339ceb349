//go:build !unix

package main

import "os"

// statusSignals are the signals that ask how far a run is: there are none.
func statusSignals() []os.Signal { return nil }
