//go:build !unix

package main

// detach cannot keep a program from asking on the console.
func detach() bool { return false }
