package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestConfigOutOfReach: the home directory of somebody else, which this user may not look into, or one that is no
// directory, has no configuration and stops no copy. A file that was named has to be there.
func TestConfigOutOfReach(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newFaultBench(t)
	b.file(t, "src/f", 10)
	b.file(t, "home/.config/gosync/config.toml", 10) // which is wrong, for whoever can read it
	for _, err := range []error{os.Mkdir(b.path("dst"), 0o755), os.Chown(b.path("dst"), 65534, 65534), os.Chmod(b.path("home"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.env = []string{"HOME=" + b.path("home"), "XDG_CONFIG_HOME="}
	b.want(t, exitUsage, "config.toml:1", "-r", "src/", "dst/")
	b.nobody = true
	b.want(t, exitOK, "", "-r", "src/", "dst/")
	b.here(t, true, "dst/f")
	b.want(t, exitFile, "permission denied; --no-config goes without", "--config="+b.path("home/.config/gosync/config.toml"), "-r", "src/", "dst/two/")
	b.env = []string{"HOME=" + b.path("src/f"), "XDG_CONFIG_HOME="}
	b.want(t, exitOK, "", "-r", "src/", "dst/three/")
	b.here(t, true, "dst/three/f")
}

// TestConfigOfOthers: the message about a configuration of somebody else names the file, whose it is, and what to do. A
// named pipe is not waited for.
func TestConfigOfOthers(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newFaultBench(t)
	b.file(t, "src/f", 10)
	b.file(t, "it's.toml", 10)
	if err := os.Chown(b.path("it's.toml"), 12345, 12345); err != nil {
		t.Fatal(err)
	}
	b.want(t, exitUsage, "it's.toml: others may have written it, and it can name commands that are run: it belongs to 12345, and not to root; as root: chown root '"+
		b.path(`it'\''s.toml`)+"'", "--config="+b.path("it's.toml"), "-r", "src/", "dst/")
	if err := syscall.Mkfifo(b.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.want(t, exitUsage, "pipe: it is no regular file", "--config=pipe", "-r", "src/", "dst/")
	b.here(t, false, "dst")
}

// TestManifestBelowUnreadable: what lies below a directory that cannot be read is not said to be missing.
func TestManifestBelowUnreadable(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newFaultBench(t)
	b.file(t, "tree/open/a", 10)
	b.file(t, "tree/shut/deep/b", 10)
	b.file(t, "tree/shut/c", 10)
	b.want(t, exitOK, "", "verify", "--write-manifest="+b.path("sums"), "tree")
	if err := os.Chmod(b.path("tree/shut"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.path("sums"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.nobody = true
	b.want(t, exitPartial, "permission denied", "verify", "--manifest="+b.path("sums"), "tree")
	b.remove(t, "tree/open/a")
	e := b.want(t, exitVerify, "missing: open/a", "verify", "--manifest="+b.path("sums"), "tree")
	if n := strings.Count(e.output, "missing: "); n != 1 {
		t.Errorf("%d files are missing:\n%s", n, e.output)
	}
}
