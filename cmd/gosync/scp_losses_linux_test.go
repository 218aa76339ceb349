package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/transport/sshtest"
)

// TestScpLosses: what scp cannot do of what the options ask for is said once, whether the way was chosen or taken.
func TestScpLosses(t *testing.T) {
	t.Parallel()
	scp := sshtest.Require(t, "scp", "scp")
	gosync := program(t)
	dir := t.TempDir()
	rsh := filepath.Join(dir, "rsh")
	text := "#!/bin/sh\nwhile [ \"$1\" != box ]; do shift; done\nshift\nPATH=/nowhere\nscp() { exec " + scp + " \"$@\"; }\neval \"$*\"\n"
	if err := os.WriteFile(rsh, []byte(text), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, "f"), []byte("f"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", filepath.Join(src, "l")); err != nil {
		t.Fatal(err)
	}
	const (
		stepped = "gosync: box: "
		archive = "gosync: box: over scp symbolic links are left out; devices and special files are left out; owners and groups are not kept\n"
		pulled  = "gosync: box: over scp symbolic links come as what they lead to; devices and special files are left out; owners and groups are not kept\n"
	)
	for i, x := range []struct{ args, says string }{
		{"-a --via=scp SRC/ box:DST", archive},
		{"-a --via=scp box:SRC/ DST", pulled},
		{"-rt --via=scp SRC/ box:DST", ""},
		{"-rt --via=scp --inplace SRC/ box:DST", "gosync: box: over scp a file with hard links is changed under all its names\n"},
		{"-a --no-deploy SRC/ box:DST", stepped + "no gosync there; * using scp: everything is sent, whole; no deletions, links or resuming\n" + archive},
		{"cp -rpO SRC box:DST", ""},
		{"cp -OC SRC/f box:DST/", "gosync: box: over scp nothing is compressed\n"},
	} {
		dst := filepath.Join(dir, "dst", string(rune('a'+i)))
		if err := os.MkdirAll(dst, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), gosync, strings.Fields(strings.NewReplacer("SRC", src, "DST", dst).Replace(x.args))...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "GOSYNC_RSH="+rsh)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", x.args, err, &errs)
		}
		want, rest, star := strings.Cut(x.says, "*")
		if got := errs.String(); !star && got != want || star && !(strings.HasPrefix(got, want) && strings.HasSuffix(got, rest)) {
			t.Errorf("%s: %q, want %q", x.args, got, x.says)
		}
	}
}
