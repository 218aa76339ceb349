//go:build unix

package sftpfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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

// BenchmarkSSH copies 2,000 small files and a large one through a real sshd, and has scp
// do the same beside it.
func BenchmarkSSH(b *testing.B) {
	scp := sshtest.Require(b, "scp", "scp")
	s := sshtest.Start(b, sshtest.Options{})
	const small, large = 2000, 128 << 20
	trees := map[string]string{"small": b.TempDir(), "large": b.TempDir()}
	for i := range small {
		must(b, os.WriteFile(filepath.Join(trees["small"], fmt.Sprint(i)), make([]byte, 4096), 0o644))
	}
	must(b, os.WriteFile(filepath.Join(trees["large"], "file"), make([]byte, large), 0o644))
	far, near := newHost(b, func(t testing.TB) io.ReadWriteCloser { return sshPipe(t, s) }, Options{}), localfs.NewHost()
	for name, size := range map[string]int64{"small": small * 4096, "large": large} {
		src := trees[name]
		for _, way := range []string{"push", "pull"} {
			from, to, args := engine.Host(near), engine.Host(far), []string{src, s.Alias + ":"}
			if way == "pull" {
				from, to, args = to, from, []string{s.Alias + ":" + src, ""}
			}
			b.Run(name+"/"+way+"/gosync", func(b *testing.B) {
				copies(b, size, func(dst string) error {
					_, err := engine.Between(b.Context(), from, to, archive(src, dst), engine.Report{})
					return err
				})
			})
			b.Run(name+"/"+way+"/scp", func(b *testing.B) {
				copies(b, size, func(dst string) error {
					return exec.Command(scp, "-q", "-r", "-p", "-F", s.Config, args[0], args[1]+dst).Run()
				})
			})
		}
	}
}

// copies measures a copy to a place where nothing is.
func copies(b *testing.B, size int64, run func(dst string) error) {
	b.SetBytes(size)
	dst := filepath.Join(b.TempDir(), "dst")
	for b.Loop() {
		must(b, run(dst))
		b.StopTimer()
		must(b, os.RemoveAll(dst))
		b.StartTimer()
	}
}
