package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/transport/wire"
)

// harm is what a relay does once to what it carries, when so many bytes have gone in that direction.
type harm struct {
	kind string // "rst", "fin", "stall", "flip"; empty: none
	up   bool   // away from the client
	at   int64
	bit  int // of flip
}

// A relay carries TCP connections to a server, and does harm to one of them.
type relay struct {
	to string
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	next  harm // of the next connection
	done  time.Time
	marks [2][]int64 // where the pieces of the last connection ended: down, up
	open  []*net.TCPConn
}

// newRelay listens on loopback until the test ends.
func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{to: to, l: l}
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test ends
			}
			r.carry(c.(*net.TCPConn))
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.release()
		r.wg.Wait()
	})
	return r
}

// config returns an ssh_config that reaches a server through the relay.
func (r *relay) config(t *testing.T, config, known, dir string) string {
	t.Helper()
	rewrite := func(from, to string, change func(string) string) {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, []byte(change(string(text))), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_, was, _ := net.SplitHostPort(r.to)
	is := strings.TrimPrefix(r.l.Addr().String(), "127.0.0.1:")
	hosts := filepath.Join(dir, "relay_hosts")
	rewrite(known, hosts, func(s string) string { return strings.ReplaceAll(s, "]:"+was+" ", "]:"+is+" ") })
	name := filepath.Join(dir, "relay_config")
	rewrite(config, name, func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, "Port "+was+"\n", "Port "+is+"\n"), known, hosts)
	})
	return name
}

// arm says what to do to the next connection, and forgets the last one.
func (r *relay) arm(h harm) {
	r.release()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.done, r.marks = h, time.Time{}, [2][]int64{}
}

// struck returns when the harm was done, zero if it was not.
func (r *relay) struck() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// release closes what is still open: connections that were silenced.
func (r *relay) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		c.Close()
	}
	r.open = nil
}

func (r *relay) carry(client *net.TCPConn) {
	c, err := net.Dial("tcp", r.to)
	if err != nil {
		client.Close()
		return
	}
	server := c.(*net.TCPConn)
	r.mu.Lock()
	h := r.next
	r.next = harm{}
	r.open = append(r.open, client, server)
	r.mu.Unlock()
	line := &line{relay: r, harm: h, silent: make(chan struct{})}
	r.wg.Go(func() { line.pump(server, client, true) })
	r.wg.Go(func() { line.pump(client, server, false) })
}

// A line is one connection through a relay.
type line struct {
	relay  *relay
	harm   harm
	silent chan struct{} // closed when nothing is to move any more
}

// pump carries one direction to its end.
func (l *line) pump(to, from *net.TCPConn, up bool) {
	var seen int64
	p := make([]byte, 32<<10)
	for {
		n, err := from.Read(p)
		select {
		case <-l.silent: // both ends wait for ever, until the relay is released
			return
		default:
		}
		if h := l.harm; h.kind != "" && h.up == up && seen < h.at && h.at <= seen+int64(n) {
			if !l.strike(to, from, p[:n], int(h.at-seen)) {
				return
			}
		} else if _, err := to.Write(p[:n]); err != nil {
			from.Close()
			return
		}
		seen += int64(n)
		l.mark(up, seen)
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = to.CloseWrite() // it may be closed already
			} else {
				to.Close()
			}
			return
		}
	}
}

// pieces returns where the pieces end that went over the line at once, down and up.
func (r *relay) pieces() (marks [2][]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range marks {
		marks[i] = slices.Clone(r.marks[i])
	}
	return marks
}

func (l *line) mark(up bool, at int64) {
	l.relay.mu.Lock()
	defer l.relay.mu.Unlock()
	i := 0
	if up {
		i = 1
	}
	l.relay.marks[i] = append(l.relay.marks[i], at)
}

// strike does the harm behind the first n bytes of p, and reports whether the direction goes on.
func (l *line) strike(to, from *net.TCPConn, p []byte, n int) bool {
	if l.harm.kind == "flip" {
		p[n-1] ^= 1 << l.harm.bit
		n = len(p)
	}
	_, err := to.Write(p[:n])
	l.relay.mu.Lock()
	l.relay.done = time.Now()
	l.relay.mu.Unlock()
	switch l.harm.kind {
	case "rst":
		for _, c := range []*net.TCPConn{to, from} {
			_ = c.SetLinger(0)
			c.Close()
		}
	case "fin":
		_ = to.CloseWrite()
		_, _ = io.Copy(io.Discard, from) // until the other end gives up
		from.Close()
	case "stall":
		close(l.silent)
	default:
		return err == nil
	}
	return false
}

// A pipeRelay is a remote shell and its far side, with what goes between them in the clear, so that it can be cut
// at the edges of gosync's frames. It serves one run.
type pipeRelay struct {
	dir, gosync string
	up          bool // the direction to cut
	frame       int  // the cut comes at the end of this frame, counted from 1; 0: never
	by          int  // so many bytes later

	frames [2]int // that passed: down, up
	struck bool
	stderr strings.Builder
	wg     sync.WaitGroup
}

// shell writes the remote shell. It connects its standard input and output to two FIFOs.
func (p *pipeRelay) shell(t *testing.T) string {
	t.Helper()
	name := filepath.Join(p.dir, "pipe_rsh")
	text := "#!/bin/sh\nexec 3<&0\ncat <&3 >" + p.dir + "/up 2>/dev/null &\nexec 3<&- </dev/null\nexec cat " + p.dir + "/down\n"
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// run starts the far side and carries what goes between the ends until both have ended. start starts the client.
func (p *pipeRelay) run(t *testing.T, start func()) {
	t.Helper()
	var fifos [2]*os.File
	for _, name := range []string{"down", "up"} {
		name = filepath.Join(p.dir, name)
		_ = os.Remove(name) // of the run before
		if err := unix.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start()
	for i, mode := range []int{os.O_WRONLY, os.O_RDONLY} { // opening waits for the shell
		f, err := os.OpenFile(filepath.Join(p.dir, []string{"down", "up"}[i]), mode, 0)
		if err != nil {
			t.Fatal(err)
		}
		fifos[i] = f
	}
	far := exec.Command(p.gosync, "--server")
	far.Stderr = &p.stderr
	far.WaitDelay = 5 * time.Second
	stdin, err := far.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := far.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := far.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	cut := func() {
		once.Do(func() {
			for _, c := range []io.Closer{stdin, stdout, fifos[0], fifos[1]} {
				c.Close()
			}
		})
	}
	p.wg.Go(func() { p.carry(stdin, fifos[1], true, cut) })
	p.wg.Go(func() { p.carry(fifos[0], stdout, false, cut) })
	hangs := time.AfterFunc(30*time.Second, func() { _ = far.Process.Signal(syscall.SIGQUIT) })
	p.wg.Wait()
	_ = far.Wait() // how it ended is the client's business
	if !hangs.Stop() || strings.Contains(p.stderr.String(), "goroutine ") {
		t.Errorf("the far side hangs or panics:\n%s", p.stderr.String())
	}
}

// carry copies one direction, and looks for the place of the cut.
func (p *pipeRelay) carry(to io.WriteCloser, from io.Reader, up bool, cut func()) {
	i := 0
	if up {
		i = 1
	}
	left := int64(-1) // bytes until the cut, once it is known
	w := io.Writer(to)
	pass := func(b []byte) bool {
		if left >= 0 {
			b = b[:min(int64(len(b)), left)]
			left -= int64(len(b))
		}
		_, err := w.Write(b)
		if left == 0 {
			p.struck = true
			cut()
		}
		return err == nil && left != 0
	}
	head := make([]byte, len(wire.Magic))
	if _, err := io.ReadFull(from, head); err != nil || !pass(head) {
		to.Close()
		return
	}
	for {
		var h [6]byte // length of the payload, type, flags
		if n, err := io.ReadFull(from, h[:]); err != nil {
			pass(h[:n])
			to.Close()
			return
		}
		size := int64(binary.BigEndian.Uint32(h[:4]))
		p.frames[i]++
		if up == p.up && p.frames[i] == p.frame {
			left = int64(len(h)) + size + int64(p.by)
		}
		if !pass(h[:]) {
			return
		}
		if n, err := io.CopyN(writerFunc(func(b []byte) (int, error) {
			if !pass(b) {
				return 0, io.ErrClosedPipe
			}
			return len(b), nil
		}), from, size); err != nil || n < size {
			to.Close()
			return
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
