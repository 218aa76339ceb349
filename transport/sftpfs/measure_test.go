package sftpfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// sshPipe runs the sftp subsystem of a real sshd over the SSH client of this module.
func sshPipe(t testing.TB, s *sshtest.Server) io.ReadWriteCloser {
	t.Helper()
	client, err := sshconn.Dial(context.Background(), sshconn.Config{Host: s.Alias, ConfigFile: s.Config})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	p, err := client.StartSubsystem(context.Background(), "sftp")
	must(t, err)
	return sshStream{p}
}

type sshStream struct{ s *sshconn.Session }

func (p sshStream) Read(b []byte) (int, error)  { return p.s.Stdout.Read(b) }
func (p sshStream) Write(b []byte) (int, error) { return p.s.Stdin.Write(b) }
func (p sshStream) Close() error                { return p.s.Close() }

// TestMeasure compares with scp where GOSYNC_MEASURE is set, to the number of rounds.
func TestMeasure(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("GOSYNC_MEASURE"))
	if err != nil {
		t.Skip("GOSYNC_MEASURE is not set")
	}
	scp := sshtest.Require(t, "scp", "scp")
	s := sshtest.Start(t, sshtest.Options{})
	small, large := t.TempDir(), t.TempDir()
	for i := range 2000 {
		must(t, os.WriteFile(filepath.Join(small, fmt.Sprint(i)), make([]byte, 4096), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(large, "file"), make([]byte, 1<<30), 0o644))
	far, near := newHost(t, func(t testing.TB) io.ReadWriteCloser { return sshPipe(t, s) }, Options{}), localfs.NewHost()
	for name, src := range map[string]string{"2000 files of 4 KiB": small, "1 GiB": large} {
		for _, pull := range []bool{true, false} {
			for round := range rounds {
				dst := t.TempDir()
				from, to := engine.Host(near), engine.Host(far)
				args := []string{"-q", "-r", "-p", "-F", s.Config, src, s.Alias + ":" + filepath.Join(dst, "scp")}
				if pull {
					from, to = to, from
					args[5], args[6] = s.Alias+":"+src, filepath.Join(dst, "scp")
				}
				began := time.Now()
				_, err := engine.Between(t.Context(), from, to, archive(src, filepath.Join(dst, "own")), engine.Report{})
				own := time.Since(began)
				must(t, err)
				began = time.Now()
				if out, err := exec.Command(scp, args...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				other := time.Since(began)
				t.Logf("%s, pull %v, round %d: %v, scp -rp %v, ratio %.2f", name, pull, round, own, other, own.Seconds()/other.Seconds())
				must(t, os.RemoveAll(dst))
			}
		}
	}
}
