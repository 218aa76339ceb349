package main

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// delays is a relay through which every byte takes a while.
type delays struct {
	l    net.Listener
	left atomic.Int64 // bytes until the connection is cut, once; never where it is negative
	wg   sync.WaitGroup
}

// newDelays listens on loopback until the test ends, and forwards to a server.
func newDelays(t *testing.T, to string, each time.Duration) *delays {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &delays{l: l}
	d.left.Store(-1)
	d.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test ends
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			d.wg.Go(func() { d.pump(server, client, each) })
			d.wg.Go(func() { d.pump(client, server, each) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		d.wg.Wait()
	})
	return d
}

// pump carries one direction to its end.
func (d *delays) pump(to io.WriteCloser, from io.ReadCloser, each time.Duration) {
	type piece struct {
		b   []byte
		due time.Time
	}
	pieces := make(chan piece, 1<<12)
	d.wg.Go(func() {
		defer to.Close()
		for p := range pieces {
			time.Sleep(time.Until(p.due))
			_, err := to.Write(p.b)
			if left := d.left.Add(-int64(len(p.b))); left <= 0 && left+int64(len(p.b)) > 0 {
				to.Close()
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				from.Close()
			}
		}
	})
	defer close(pieces)
	for {
		b := make([]byte, 32<<10)
		n, err := from.Read(b)
		pieces <- piece{b[:n], time.Now().Add(each)}
		if err != nil {
			return
		}
	}
}

// TestLongLine: over a line with a long way gosync opens channels beside its own, where
// the SSH server lets it, and what arrives is the same.
func TestLongLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		extra []string
		lanes bool
	}{
		"allowed": {nil, true},
		"refused": {[]string{"AllowStreamLocalForwarding no"}, false},
		"few":     {[]string{"MaxSessions 1"}, true}, // these are no sessions
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSSHBench(t, sshtest.Options{Extra: append(test.extra, "LogLevel DEBUG1")})
			d := newDelays(t, b.sshd.Addr(), 15*time.Millisecond)
			_, port, _ := net.SplitHostPort(d.l.Addr().String())
			b.file(t, "src/large", 8<<20)
			line := []string{
				"-a", "--no-compress", "--ssh-config", b.sshd.Config, "--gosync-path=" + b.gosync, "--port=" + port,
				"--ssh-option=UserKnownHostsFile=" + b.path("known"), "--ssh-option=StrictHostKeyChecking=accept-new",
			}
			far := b.sshd.Alias + ":" + b.dir
			for _, way := range [][2]string{{b.path("src") + "/", far + "/push"}, {far + "/src/", b.path("pull")}} {
				if r := b.run(t, append(line, way[0], way[1])...); r.status != 0 {
					t.Fatalf("%s to %s: exit %d\n%s", way[0], way[1], r.status, r.output)
				}
			}
			wantSame(t, b.path("src"), b.path("push"))
			wantSame(t, b.path("src"), b.path("pull"))
			for _, way := range [][2]string{{b.path("src") + "/", far + "/push2"}, {far + "/src/", b.path("pull2")}} {
				d.left.Store(4 << 20)
				r := b.run(t, append(line, way[0], way[1])...)
				if r.status != 0 || !strings.Contains(r.output, "reconnecting") {
					t.Fatalf("cut, %s to %s: exit %d\n%s", way[0], way[1], r.status, r.output)
				}
			}
			wantSame(t, b.path("src"), b.path("push2"))
			wantSame(t, b.path("src"), b.path("pull2"))
			asked := strings.Count(b.sshd.Log(), "ctype direct-streamlocal@openssh.com")
			opened := asked - strings.Count(b.sshd.Log(), "failure direct-streamlocal@openssh.com")
			if asked == 0 || opened > 0 != test.lanes {
				t.Errorf("%d channels were asked for, %d opened\n%s", asked, opened, b.sshd.Log())
			}
		})
	}
}
