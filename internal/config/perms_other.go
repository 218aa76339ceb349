//go:build !unix

package config

import "io/fs"

// othersMay is not known here: permissions are no bits of the mode.
func othersMay(fs.FileInfo, string) (why, remedy string) { return "", "" }
