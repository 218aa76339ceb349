package main

import (
	"os/exec"
	"strings"
	"testing"

	"gosync/internal/need"
)

// TestOneFileSystem mounts something in the source: -x leaves out what is in it, -xx the place as well. A link to another
// file system cannot be made, so --link-dest copies from there.
func TestOneFileSystem(t *testing.T) {
	t.Parallel()
	need.Root(t, "mounting needs root")
	requireTool(t, "unshare")
	for args, want := range map[string]string{
		"-ai": "d d/k d/k/f d/m d/m/p d/p 1", "-aix": "d d/k d/k/f d/m d/p 1", "-aixx": "d d/k d/k/f d/p 1", "-aixx --no-x": "d d/k d/k/f d/m d/m/p d/p 1",
		"-a --link-dest=../s/m": "d d/k d/k/f d/m d/m/p d/p 1",
	} {
		script := `mkdir -p s/m s/k; echo 1 > s/k/f; mount -t tmpfs none s/m || exit 77; echo p > s/m/p
cp -p s/m/p s/p
gosync ` + args + ` s/ d/ >/dev/null && find d | sort && stat -c %h d/p && cmp d/p s/p`
		cmd := exec.Command("unshare", "-m", "sh", "-c", script)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() == 77 {
			t.Skipf("no tmpfs: %s", out)
		}
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("%s: %v: have %s, want %s", args, err, got, want)
		}
	}
}
