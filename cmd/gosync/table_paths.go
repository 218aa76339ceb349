package main

import (
	"io/fs"
	"os"
)

// insecureFlag is the option by which links of others are followed.
const insecureFlag = "insecure-links"

// pathFlags are the options about the paths that the command line names.
func pathFlags() []flag {
	return []flag{{
		name: insecureFlag, negate: true, rare: true, category: catNames, doc: "follow symlinks of others in the paths that options name",
		long: "Else a symlink in the destination's path, or in that of --files-from and the like, of --link-dest and the like, of --backup-dir, --temp-dir, --partial-dir and --log-file, is followed only if root or this user owns it: " +
			"whoever can write in a directory on the way could lead the run elsewhere. It concerns this machine; -M--insecure-links the far side.",
		set: on(func(s *settings) *bool { return &s.insecureLinks }),
	}}
}

// trustLinks has symlinks of others followed where the options say so.
func (e *env) trustLinks(s *settings) {
	if s.insecureLinks && e.parts.insecure != nil {
		e.parts.host, e.parts.openFile = e.parts.insecure, nil
	}
}

// openFile opens a file that an option names.
func (e *env) openFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	if e.parts.openFile == nil {
		return os.OpenFile(name, flags, mode)
	}
	return e.parts.openFile(name, flags, mode)
}
