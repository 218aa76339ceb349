//go:build unix

package sftpfs

import (
	"context"
	"io"
	"net"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"gosync/internal/engine"
	"gosync/internal/engine/treetest"
	"gosync/transport/sshtest"
)

// A dialer starts a server of its own and returns the pipe to it.
type dialer func(t testing.TB) io.ReadWriteCloser

// inProcess serves with package sftp.
func inProcess(t testing.TB) io.ReadWriteCloser {
	t.Helper()
	near, far := net.Pipe()
	server, err := sftp.NewServer(far)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve() // until the client is gone
		_ = server.Close()
	}()
	t.Cleanup(func() { _ = near.Close(); <-done })
	return near
}

// process is the pipe to a program.
type process struct {
	io.Reader
	io.WriteCloser
	cmd *exec.Cmd
}

func (p *process) Close() error {
	err := p.WriteCloser.Close()
	_ = p.cmd.Process.Kill()
	return err
}

// openSSH serves with the server of OpenSSH, without SSH.
func openSSH(t testing.TB) io.ReadWriteCloser {
	t.Helper()
	cmd := exec.Command(serverProgram(t))
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &process{out, in, cmd}
	t.Cleanup(func() {
		_ = p.Close()
		_ = cmd.Wait()
	})
	return p
}

func serverProgram(t testing.TB) string {
	t.Helper()
	for _, p := range []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server"} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	return sshtest.Require(t, "sshd", "sftp-server")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHost(t testing.TB, dial dialer, o Options) *Host {
	t.Helper()
	h, err := New(t.Context(), dial(t), o)
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// common are the limits that SFTP always has.
func common() treetest.Limits {
	return treetest.Limits{NoInodes: true, NoNanos: true, NoLongPaths: true, NoSpecials: true}
}

func TestSource(t *testing.T) {
	for name, dial := range map[string]dialer{"package sftp": inProcess, "OpenSSH": openSSH} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, dial, Options{})
			treetest.TestSource(t, func(t *testing.T) (engine.Source, string) {
				root := t.TempDir()
				tree, err := h.Source(context.WithoutCancel(t.Context()), root)
				must(t, err)
				t.Cleanup(func() { must(t, tree.Close()) })
				return tree, root
			}, common())
		})
	}
}

func TestDest(t *testing.T) {
	all := []string{extPosixRename, extFsync, extStatvfs, extLimits, extLsetstat, extExpand, extCopy}
	for name, tt := range map[string]struct {
		dial   dialer
		o      Options
		how    engine.DestOptions
		trust  time.Duration
		limits func(*treetest.Limits)
	}{
		"OpenSSH, wary":               {openSSH, Options{Verify: true}, engine.DestOptions{Durability: engine.SyncEach}, 0, func(*treetest.Limits) {}},
		"OpenSSH, trusting":           {openSSH, Options{}, engine.DestOptions{Durability: engine.SyncNone}, trustTime, func(l *treetest.Limits) { l.ByPath, l.Trusts = true, true }},
		"OpenSSH, comparing":          {openSSH, Options{Verify: true, Compare: true}, engine.DestOptions{Durability: engine.SyncNone}, 0, func(l *treetest.Limits) { l.NoPartials = true }},
		"OpenSSH, without extensions": {openSSH, Options{Verify: true, Without: all}, engine.DestOptions{}, 0, func(l *treetest.Limits) { l.NoLinkTimes, l.NoPartials = true, true }},
		"package sftp":                {inProcess, Options{Verify: true}, engine.DestOptions{}, 0, func(l *treetest.Limits) { l.NoLinkTimes = true }},
	} {
		t.Run(name, func(t *testing.T) {
			limits := common()
			tt.limits(&limits)
			h := newHost(t, tt.dial, tt.o)
			treetest.TestDest(t, func(t *testing.T) (engine.Dest, string) {
				root := t.TempDir()
				tree, err := h.Dest(context.WithoutCancel(t.Context()), root, tt.how)
				must(t, err)
				tree.(*Tree).trust = tt.trust
				t.Cleanup(func() { _ = tree.Close() })
				return tree, root
			}, limits)
			if !slices.Contains(tt.o.Without, extPosixRename) && !h.offers(extPosixRename) {
				t.Error("the server has no posix-rename")
			}
		})
	}
}
