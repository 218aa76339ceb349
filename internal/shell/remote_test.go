package shell

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
)

// serverWay starts sessions of an SFTP server in this process, over a pipe.
func serverWay(t *testing.T) Way {
	return Way{Name: "pipe", Start: func(context.Context) (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = ServeSFTP(context.Background(), there)
		}()
		t.Cleanup(func() {
			here.Close()
			there.Close()
			<-done
		})
		return here, nil
	}}
}

// sshWay starts sessions over SSH by the server in this process.
func sshWay(t *testing.T) Way {
	t.Helper()
	s, err := sshserver.Start(context.Background(), sshserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c, err := sshconn.Dial(context.Background(), sshconn.Config{Host: s.Files().Alias, ConfigFile: s.Files().Config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return Way{Name: "ssh", Start: func(context.Context) (io.ReadWriteCloser, error) {
		session, err := c.StartSubsystem(context.Background(), "sftp")
		if err != nil {
			return nil, err
		}
		return &sessionStream{session}, nil
	}}
}

type sessionStream struct{ s *sshconn.Session }

func (s *sessionStream) Read(p []byte) (int, error)  { return s.s.Stdout.Read(p) }
func (s *sessionStream) Write(p []byte) (int, error) { return s.s.Stdin.Write(p) }
func (s *sessionStream) Close() error                { return s.s.Close() }

// evilWay is a server that greets well and then answers each request with what
// reply makes of its type and number; nil ends the stream, empty says nothing.
func evilWay(reply func(kind byte, id uint32) [][]byte) Way {
	return Way{Name: "evil", Start: func(context.Context) (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			for {
				var size uint32
				if binary.Read(there, binary.BigEndian, &size) != nil || size > 1<<20 {
					return
				}
				p := make([]byte, size)
				if _, err := io.ReadFull(there, p); err != nil {
					return
				}
				if p[0] == 1 {
					_, _ = there.Write(packet(2, u32(3)))
					continue
				}
				answers := reply(p[0], binary.BigEndian.Uint32(p[1:]))
				if answers == nil {
					return
				}
				for _, a := range answers {
					if _, err := there.Write(a); err != nil {
						return
					}
				}
			}
		}()
		return here, nil
	}}
}

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func text(s string) []byte { return append(u32(uint32(len(s))), s...) }

// packet frames an answer.
func packet(kind byte, parts ...[]byte) []byte {
	body := []byte{kind}
	for _, p := range parts {
		body = append(body, p...)
	}
	return append(u32(uint32(len(body))), body...)
}

const (
	fxOpendir, fxReaddir = 11, 12
	fxHandle, fxName     = 102, 104
	fxStatus             = 101
)

// nameList answers a request for the names of a directory.
func nameList(id uint32, names ...string) []byte {
	parts := [][]byte{u32(id), u32(uint32(len(names)))}
	for _, n := range names {
		parts = append(parts, text(n), text(n), u32(0))
	}
	return packet(fxName, parts...)
}

func TestRemoteNamesAreChecked(t *testing.T) {
	t.Parallel()
	sent := false
	r := &Remote{Ways: []Way{evilWay(func(kind byte, id uint32) [][]byte {
		switch {
		case kind == fxOpendir:
			return [][]byte{packet(fxHandle, u32(id), text("h"))}
		case kind == fxReaddir && !sent:
			sent = true
			return [][]byte{nameList(id, "good", "..", ".", "x/..", "", "/", "a\x00b", "good", strings.Repeat("n", 300))}
		}
		return [][]byte{packet(fxStatus, u32(id), u32(1), text("end"), text(""))}
	})}}
	defer r.Close()
	entries, err := r.ReadDir(t.Context(), "/d", false)
	if len(entries) != 1 || entries[0].Name != "good" {
		t.Errorf("%v", entries)
	}
	var file *fs.PathError
	if !errors.As(err, &file) || !strings.Contains(err.Error(), "the server sent the name") {
		t.Errorf("%v", err)
	}
}

func TestRemoteEndlessListing(t *testing.T) {
	t.Parallel()
	big := make([]string, 900)
	for i := range big {
		big[i] = strings.Repeat("n", 100)
	}
	r := &Remote{Ways: []Way{evilWay(func(kind byte, id uint32) [][]byte {
		if kind == fxOpendir {
			return [][]byte{packet(fxHandle, u32(id), text("h"))}
		}
		return [][]byte{nameList(id, big...)}
	})}}
	defer r.Close()
	if err := r.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	release := r.conn.watch(t.Context(), 4<<20)
	_, err := r.client.ReadDir("/d")
	release()
	if err = r.explain(t.Context(), "list", "/d", err); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}

func TestRemoteSilence(t *testing.T) {
	t.Parallel()
	silent := evilWay(func(byte, uint32) [][]byte { return [][]byte{} })
	r := &Remote{Ways: []Way{silent}, Timeout: 100 * time.Millisecond}
	if _, err := r.Stat(t.Context(), "/x"); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
	_ = r.Close()

	r = &Remote{Ways: []Way{silent}}
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(ErrInterrupted) })
	begin := time.Now()
	if _, err := r.Stat(ctx, "/x"); !errors.Is(err, ErrInterrupted) || time.Since(begin) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
	_ = r.Close()
}

func TestRemoteStartsAgain(t *testing.T) {
	t.Parallel()
	var started atomic.Int32
	way := serverWay(t)
	broken := evilWay(func(byte, uint32) [][]byte { return nil })
	r := &Remote{Ways: []Way{{Name: "first broken", Start: func(ctx context.Context) (io.ReadWriteCloser, error) {
		if started.Add(1) == 1 {
			return broken.Start(ctx)
		}
		return way.Start(ctx)
	}}}}
	defer r.Close()
	if _, err := r.Stat(t.Context(), "/"); !errors.Is(err, ErrLost) {
		t.Fatalf("%v", err)
	}
	if e, err := r.Stat(t.Context(), "/"); err != nil || !e.Mode.IsDir() {
		t.Fatalf("%v, %v", e, err)
	}
}

func TestRemoteWays(t *testing.T) {
	t.Parallel()
	noise := Way{Name: "noise", Start: func(context.Context) (io.ReadWriteCloser, error) {
		here, there := net.Pipe()
		go func() {
			_, _ = io.WriteString(there, "welcome to this machine, have a nice day\n")
			there.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, there) }() // ends with the pipe
		return here, nil
	}}
	refusing := Way{Name: "refusing", Start: func(context.Context) (io.ReadWriteCloser, error) {
		return nil, &NotOffered{errors.New("no subsystem")}
	}}
	dead := Way{Name: "dead", Start: func(context.Context) (io.ReadWriteCloser, error) { return nil, io.ErrUnexpectedEOF }}
	r := &Remote{Ways: []Way{refusing, noise, serverWay(t)}}
	if err := r.Connect(t.Context()); err != nil || r.Way() != "pipe" {
		t.Errorf("%v by %s", err, r.Way())
	}
	_ = r.Close()
	r = &Remote{Ways: []Way{refusing, noise}}
	if err := r.Connect(t.Context()); !errors.Is(err, ErrNoSFTP) || !strings.Contains(err.Error(), "refusing: no subsystem") {
		t.Errorf("%v", err)
	}
	r = &Remote{Ways: []Way{dead, serverWay(t)}}
	if err := r.Connect(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrNoSFTP) {
		t.Errorf("%v", err)
	}
}

// TestRemoteGreeting: the first answer has a time of its own, and no other answer has that.
func TestRemoteGreeting(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	silent := evilWay(func(byte, uint32) [][]byte { return [][]byte{} })
	slow := Way{Name: "slow", Start: func(ctx context.Context) (io.ReadWriteCloser, error) {
		stream, err := silent.Start(ctx)
		return &slowStart{ReadWriteCloser: stream, pause: 2 * limit}, err
	}}
	for _, greeting := range []time.Duration{0, time.Minute} {
		r := &Remote{Ways: []Way{slow}, Timeout: limit, Greeting: func() time.Duration { return greeting }}
		if err := r.Connect(t.Context()); err != nil {
			t.Errorf("%v: %v", greeting, err)
			continue
		}
		began := time.Now()
		if _, err := r.ReadDir(t.Context(), "/d", false); !errors.Is(err, ErrTimeout) || time.Since(began) > time.Minute/2 {
			t.Errorf("%v: %v after %v", greeting, err, time.Since(began))
		}
		r.Close()
	}
	r := &Remote{Ways: []Way{slow}, Timeout: time.Hour, Greeting: func() time.Duration { return limit }}
	if err := r.Connect(t.Context()); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
}

// slowStart is a stream whose first byte takes a while.
type slowStart struct {
	io.ReadWriteCloser
	pause time.Duration
}

func (s *slowStart) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	s.pause = 0
	return s.ReadWriteCloser.Read(p)
}

func TestServeSFTPEndsWithContext(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrInterrupted)
	if err := ServeSFTP(ctx, there); !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, content string, parts ...string) {
	t.Helper()
	name := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
