package engine_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gosync/internal/need"
	"gosync/transport/wire"
)

// inMountNamespace runs the rest of the calling test in a process that has a
// mount namespace of its own, and reports whether this is that process.
func inMountNamespace(t *testing.T) bool {
	t.Helper()
	const mark = "GOSYNC_TEST_MOUNTS"
	if os.Getenv(mark) != "" {
		return true
	}
	need.Root(t, "mounting needs root")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		t.Skipf("no namespace: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("%s", out)
	}
	return false
}

// mountAt mounts an empty file system with one file in it.
func mountAt(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	tree(t, dir, map[string]string{"precious": "p"})
}

// TestDeleteStopsAtMounts has file systems mounted in the destination where the
// source has nothing, or something else.
func TestDeleteStopsAtMounts(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	for _, at := range []string{"x", "x/y/z"} {
		t.Run(strings.ReplaceAll(at, "/", "_"), func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"a": "a"}, map[string]string{"gone": "", "old/gone": ""})
				mountAt(t, filepath.Join(dst, at))
				job := jobFor(src, dst)
				job.Delete = true
				out := trial{way: w, job: job}.do(t.Context())
				out.wantExit(t, wire.CodeOK)
				if content(t, filepath.Join(dst, at, "precious")) != "p" {
					t.Error("the mounted file system was touched")
				}
				if exists(filepath.Join(dst, "gone")) || exists(filepath.Join(dst, "old")) {
					t.Error("something else stayed")
				}
				// Something is to take its place.
				tree(t, src, map[string]string{"x": "file"})
				out = trial{way: w, job: job}.do(t.Context())
				out.wantExit(t, wire.CodePartial)
				out.wantFileError(t, "x", nil)
				if n := len(out.fileErrors()); n != 1 || content(t, filepath.Join(dst, at, "precious")) != "p" {
					t.Errorf("%d errors: %v", n, out.fileErrors())
				}
			})
		})
	}
}
