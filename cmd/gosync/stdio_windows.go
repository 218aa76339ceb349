package main

// unblock has nothing to do: a pipe of Windows is made the one or the other way.
func unblock(int) error { return nil }
