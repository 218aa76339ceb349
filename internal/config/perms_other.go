//go:build !unix

package config

import "io/fs"

// writableByOthers is not known here: permissions are no bits of the mode.
func writableByOthers(fs.FileInfo) bool { return false }
