package scpfs_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/scpfs"
	"gosync/transport/sshtest"
)

// overSSH reaches a real sshd that offers no SFTP.
func overSSH(t testing.TB, extra ...string) (*sshtest.Server, *scpfs.Remote) {
	t.Helper()
	sshtest.Require(t, "scp", "scp")
	// The shell must not read what the user has it read when it starts.
	srv := sshtest.Start(t, sshtest.Options{Extra: extra, Env: []string{"HOME=" + t.TempDir()}})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	return srv, &scpfs.Remote{MaxSessions: 5, Start: func(ctx context.Context, cmd string) (io.ReadWriteCloser, error) { return link.Exec(ctx, cmd) }}
}

// TestOverSSH goes both ways through a real sshd.
func TestOverSSH(t *testing.T) {
	_, far := overSSH(t, "ForceCommand case $SSH_ORIGINAL_COMMAND in scp*) eval \"$SSH_ORIGINAL_COMMAND\";; *) exit 1;; esac")
	dir := t.TempDir()
	for i := range 80 {
		write(t, filepath.Join(dir, "src", strconv.Itoa(i%7), strconv.Itoa(i)), fmt.Sprint(i), 0o640)
	}
	write(t, filepath.Join(dir, "src/big"), string(make([]byte, 3<<20)), 0o644)
	there, back := filepath.Join(dir, "the re"), filepath.Join(dir, "back")
	if _, rec, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src") + "/"}, Dest: there}); err != nil {
		t.Fatal(err, rec.errs)
	}
	sameTree(t, filepath.Join(dir, "src"), there)
	if _, rec, err := pull(t, far, engine.Job{Options: recursive(), Sources: []string{there + "/"}, Dest: back}); err != nil {
		t.Fatal(err, rec.errs)
	}
	sameTree(t, there, back)
}

// TestFewSessions pushes to a server that permits one session only.
func TestFewSessions(t *testing.T) {
	_, far := overSSH(t, "MaxSessions 1")
	dir := t.TempDir()
	for i := range 60 {
		write(t, filepath.Join(dir, "src", strconv.Itoa(i)), fmt.Sprint(i), 0o640)
	}
	dest := filepath.Join(dir, "dest")
	if err := os.Mkdir(dest, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, rec, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src") + "/"}, Dest: dest}); err != nil {
		t.Fatal(err, rec.errs)
	}
	sameTree(t, filepath.Join(dir, "src"), dest)
	// Here one session follows another.
	write(t, filepath.Join(dir, "file"), "", 0o600)
	_, _, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src") + "/"}, Dest: filepath.Join(dir, "file")})
	if engine.ExitCode(err) != 11 {
		t.Errorf("a file as the destination: %v", err)
	}
}
