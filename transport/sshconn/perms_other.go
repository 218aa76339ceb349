//go:build !unix

package sshconn

import "io/fs"

// Permission bits say nothing on these systems.
func writableByOthers(fs.FileInfo) bool { return false }

func readableByOthers(fs.FileInfo) bool { return false }
