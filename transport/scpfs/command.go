package scpfs

import (
	"strings"

	"gosync/internal/engine"
	"gosync/transport/farshell"
	"gosync/transport/wire"
)

// SinkCommand returns the command that takes files into path on the far side: a
// line for its login shell, whichever that is. A leading ~ or ~user is left for that
// to expand unless how.Literal, everything else is quoted. The error has
// [wire.CodeUnsupported].
func SinkCommand(path string, how engine.StreamHow) (string, error) {
	cmd := "scp"
	if how.Recursive {
		cmd += " -r"
	}
	if how.Perms {
		cmd += " -p"
	}
	if how.Directory {
		cmd += " -d"
	}
	return withPath(cmd+" -t", path, how.Literal, false)
}

// SourceCommand returns the command that gives what is at path, in which the
// wildcards * ? and [] are left for the shell to expand, too, unless how.Literal.
func SourceCommand(path string, how engine.StreamHow) (string, error) {
	cmd := "scp"
	if how.Recursive {
		cmd += " -r"
	}
	if how.Perms || how.Times {
		cmd += " -p"
	}
	return withPath(cmd+" -f", path, how.Literal, true)
}

// withPath adds the path to a command. As in scp itself "--" is there only where
// it is needed: boxes that know nothing but SCP may not know it.
func withPath(cmd, path string, literal, glob bool) (string, error) {
	if path == "" {
		path = "."
	}
	if path[0] == '-' {
		cmd += " --"
	}
	word, err := farshell.Path(path, glob)
	if literal {
		word, err = farshell.Word(path)
	}
	if err != nil {
		return "", wire.Errorf(wire.CodeUnsupported, "scp with %q: %w: use --via=sftp", path, err)
	}
	return cmd + " " + word, nil
}

// isPattern reports whether a shell may find several things for a path.
func isPattern(path string) bool {
	return strings.ContainsAny(path, "*?") || strings.Contains(path, "[") && strings.Contains(path, "]")
}
