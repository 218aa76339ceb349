package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/internal/sshserver"
	"gosync/transport"
	"gosync/transport/localfs"
	"gosync/transport/sshconn"
	"gosync/transport/wire"
)

// flaky is a line to a server in this process that breaks.
type flaky struct {
	cuts   []int64 // after how many bytes from the far side each connection is cut; more connections hold
	refuse map[int]error
	broken error         // what a cut looks like; nil for the end of the stream
	ends   map[int]error // how the far side's command ends

	mu       sync.Mutex
	connects int
	pauses   []time.Duration
	servers  sync.WaitGroup
}

// cutConn is a connection that ends after so many bytes were read.
type cutConn struct {
	transport.Stream
	rw   io.ReadWriteCloser
	left int64
	err  error
	end  error
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left == 0 {
		_ = c.rw.Close()
		return 0, c.err
	}
	if c.left > 0 && int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.rw.Read(p)
	if c.left > 0 {
		c.left -= int64(n)
	}
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) { return c.rw.Write(p) }
func (c *cutConn) Close() error                { return c.rw.Close() }
func (c *cutConn) Wait() error                 { return c.end }

func (f *flaky) open(ctx context.Context, t transport.Target, how transport.Options) (*transport.Far, error) {
	s, err := f.connect(ctx, t, how)
	if err != nil {
		return nil, err
	}
	return &transport.Far{Via: transport.ViaAgent, Agent: s, Again: how}, nil
}

func (f *flaky) connect(ctx context.Context, _ transport.Target, _ transport.Options) (transport.Stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.connects
	f.connects++
	if err := f.refuse[n]; err != nil {
		return nil, err
	}
	near, far := wire.Pipe()
	f.servers.Go(func() {
		_ = engine.Serve(ctx, localfs.NewHost(), far, slog.New(slog.DiscardHandler)) // it is cut
	})
	c := &cutConn{rw: near, left: -1, err: io.EOF, end: f.ends[n]}
	if f.broken != nil {
		c.err = f.broken
	}
	if n < len(f.cuts) {
		c.left = f.cuts[n]
	}
	return c, nil
}

// run runs a command line against the line and returns its status and output.
func (f *flaky) run(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := realParts()
	p.open = f.open
	status = run(t.Context(), append([]string{"gosync"}, args...), &env{
		stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		getenv: func(string) string { return "" }, parts: p,
		random: func() float64 { return 0.5 },
		pause: func(_ context.Context, d time.Duration) error {
			f.pauses = append(f.pauses, d)
			return nil
		},
	})
	f.servers.Wait()
	return status, stdout.String(), stderr.String()
}

// flakyTree makes a source of some files and a destination.
func flakyTree(t *testing.T) (src, dst string) {
	t.Helper()
	src, dst = filepath.Join(t.TempDir(), "src"), filepath.Join(t.TempDir(), "dst")
	for i := range 20 {
		name := filepath.Join(src, strings.Repeat("d", i%3+1), "file"+string(rune('a'+i)))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, bytes.Repeat([]byte{byte(i)}, 1000*i*i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return src, dst
}

func wantSame(t *testing.T, src, dst string) {
	t.Helper()
	err := filepath.Walk(src, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(src, name)
		want, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if got, err := os.ReadFile(filepath.Join(dst, rel)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReconnect(t *testing.T) {
	t.Parallel()
	for _, pull := range []bool{true, false} {
		src, dst := flakyTree(t)
		f := &flaky{cuts: []int64{150, 100}, broken: io.ErrUnexpectedEOF}
		args := []string{"-ai", "--stats", src + "/", "host:" + dst}
		if pull {
			args = []string{"-ai", "--stats", "host:" + src + "/", dst}
		}
		status, out, errs := f.run(t, args...)
		if status != 0 || f.connects != 3 {
			t.Fatalf("pull %v: status %d after %d connections\n%s%s", pull, status, f.connects, out, errs)
		}
		wantSame(t, src, dst)
		if n := strings.Count(errs, "connection lost"); n != 1 {
			t.Errorf("pull %v: it was said %d times:\n%s", pull, n, errs)
		}
		if !strings.Contains(out, "reconnected 2 times") {
			t.Errorf("pull %v: the end does not say it:\n%s", pull, out)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(out) {
			if _, name, ok := strings.Cut(line, " "); ok && strings.ContainsAny(line[:1], "<>c") {
				if seen[name] {
					t.Errorf("pull %v: %q comes twice", pull, name)
				}
				seen[name] = true
			}
		}
		if len(seen) < 20 {
			t.Errorf("pull %v: %d lines", pull, len(seen))
		}
	}
}

func TestGiveUp(t *testing.T) {
	t.Parallel()
	auth := errors.Join(sshconn.ErrAuth, errors.New("no method is left"))
	refused := errors.Join(sshconn.ErrConnect, syscall.ECONNREFUSED)
	cut := []int64{100, 10, 10, 10, 10, 10, 10, 10}
	exit := func(status int) error { return &transport.ExitError{Status: status, Err: errors.New("exit")} }
	always := func(status int) map[int]error {
		ends := map[int]error{}
		for i := range cut {
			ends[i] = exit(status)
		}
		return ends
	}
	greetingCut := &transport.GreetingError{Kind: transport.GreetingCut, Err: wire.ErrVersion}
	for name, tt := range map[string]struct {
		f        *flaky
		args     []string
		status   int
		connects int
		pauses   []time.Duration
	}{
		"always cut":         {&flaky{cuts: cut}, nil, 12, 6, []time.Duration{1, 2, 4, 8, 16}},
		"two retries":        {&flaky{cuts: cut}, []string{"--retries=2"}, 12, 3, []time.Duration{1, 2}},
		"none":               {&flaky{cuts: cut}, []string{"--retries=0"}, 12, 1, nil},
		"stalled":            {&flaky{cuts: cut, broken: wire.ErrTimeout}, nil, 30, 6, []time.Duration{1, 2, 4, 8, 16}},
		"timeout is meant":   {&flaky{cuts: cut, broken: wire.ErrTimeout}, []string{"--timeout=9"}, 30, 1, nil},
		"both":               {&flaky{cuts: cut, broken: wire.ErrTimeout}, []string{"--timeout=9", "--retries=1"}, 30, 2, []time.Duration{1}},
		"protocol":           {&flaky{cuts: cut, broken: wire.ErrProtocol}, nil, 12, 1, nil},
		"never reached":      {&flaky{refuse: map[int]error{0: refused}}, nil, 40, 1, nil},
		"cut in a greeting":  {&flaky{refuse: map[int]error{0: greetingCut}}, nil, 12, 1, nil},
		"then cut in one":    {&flaky{cuts: cut[:1], refuse: map[int]error{1: greetingCut}}, nil, 0, 3, []time.Duration{1, 2}},
		"then refused":       {&flaky{cuts: cut[:1], refuse: map[int]error{1: refused, 2: refused, 3: refused, 4: refused, 5: refused}}, nil, 12, 6, []time.Duration{1, 2, 4, 8, 16}},
		"then refused once":  {&flaky{cuts: cut[:1], refuse: map[int]error{1: refused}}, nil, 0, 3, []time.Duration{1, 2}},
		"then no gosync":     {&flaky{cuts: []int64{100, 0}, ends: map[int]error{1: exit(127)}, broken: io.ErrUnexpectedEOF}, nil, 127, 2, []time.Duration{1}},
		"far side failed":    {&flaky{cuts: cut, ends: always(2)}, nil, 12, 1, nil},
		"far side timed out": {&flaky{cuts: cut, ends: always(30)}, nil, 30, 6, []time.Duration{1, 2, 4, 8, 16}},
		"far side killed":    {&flaky{cuts: cut, ends: always(137)}, nil, 12, 6, []time.Duration{1, 2, 4, 8, 16}},
		"ssh lost it":        {&flaky{cuts: cut, ends: always(255), broken: io.ErrUnexpectedEOF}, nil, 12, 6, []time.Duration{1, 2, 4, 8, 16}},
		"ssh found none":     {&flaky{cuts: []int64{0}, ends: always(255)}, nil, 40, 1, nil},
		"then no password":   {&flaky{cuts: cut[:1], refuse: map[int]error{1: auth}}, nil, 42, 2, []time.Duration{1}},
		"then another key":   {&flaky{cuts: cut[:1], refuse: map[int]error{1: sshconn.ErrHostKey}}, nil, 41, 2, []time.Duration{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, dst := flakyTree(t)
			status, out, errs := tt.f.run(t, append(tt.args, "-a", src+"/", "host:"+dst)...)
			if status != tt.status || tt.f.connects != tt.connects {
				t.Errorf("status %d after %d connections, want %d after %d\n%s%s", status, tt.f.connects, tt.status, tt.connects, out, errs)
			}
			for i, p := range tt.f.pauses {
				if i >= len(tt.pauses) || p != tt.pauses[i]*time.Second {
					t.Errorf("pauses %v, want %v seconds", tt.f.pauses, tt.pauses)
					break
				}
			}
			if status != 0 && strings.Count(errs, "(exit ") != 1 {
				t.Errorf("not one last line:\n%s", errs)
			}
		})
	}
}

// TestProgressRestartsTheCount: a line that breaks again and again is no reason to
// give up while files arrive.
func TestProgressRestartsTheCount(t *testing.T) {
	t.Parallel()
	src, dst := flakyTree(t)
	f := &flaky{}
	for range 12 {
		f.cuts = append(f.cuts, 1_300_000) // room for some of the files
	}
	status, out, errs := f.run(t, "-a", "--fsync=none", "--retries=1", "host:"+src+"/", dst)
	if status != 0 || f.connects < 3 {
		t.Errorf("status %d after %d connections\n%s%s", status, f.connects, out, errs)
	}
	wantSame(t, src, dst)
}

func TestLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{wire.ErrClosed, true},
		{io.ErrUnexpectedEOF, true},
		{wire.ErrTimeout, true},
		{&os.SyscallError{Syscall: "read", Err: syscall.ECONNRESET}, true},
		{&wire.Error{Code: wire.CodeTimeout, Kind: wire.KindTimeout}, true},
		{&wire.Error{Code: wire.CodeSignal, Kind: wire.KindCanceled}, true},
		{wire.ErrProtocol, false},
		{wire.ErrVersion, false},
		{errors.Join(wire.ErrProtocol, io.ErrUnexpectedEOF), false},
		{&wire.Error{Code: wire.CodeFile, Kind: wire.KindNoSpace}, false},
		{&fs.PathError{Op: "write", Err: syscall.ENOSPC}, false}, // the number of an error passes for a network error
		{&endedError{status: 2, err: wire.ErrClosed}, false},
		{&endedError{status: 137, err: wire.ErrClosed}, true},
		{engine.ErrPartial, false},
		{context.Canceled, false},
		{errors.New("anything else"), false},
	} {
		if got := lost(tt.err); got != tt.want {
			t.Errorf("lost(%v) is %v", tt.err, got)
		}
	}
}

// TestReconnectOverSSH resets real connections in the middle of packets.
func TestReconnectOverSSH(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"-a SSH DIR/tree/ HOST:new", "-a SSH HOST:tree/ DIR/new"} {
		for _, after := range []int64{2_500_000, 3_000_001} {
			b := newExitBench(t, sshserver.Options{DropAfter: after})
			if err := os.Mkdir(b.path("tree"), 0o755); err != nil {
				t.Fatal(err)
			}
			r := rand.NewChaCha8([32]byte{2})
			for i := range 30 {
				content := make([]byte, 20_000*i)
				_, _ = r.Read(content) // never fails
				b.write(t, "tree/"+fmt.Sprint(i), string(content))
			}
			status, errs := b.run(t, t.Context(), line, realParts(), io.Discard)
			if status != 0 || strings.Count(errs, "; reconnecting\n") != 1 {
				t.Errorf("%s: status %d\n%s", line, status, errs)
			}
			if err := sameTrees(t.Context(), b.path("tree"), b.path("new")); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestReconnectOptions(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]int{ // seconds to connect, retries
		"": {0, 5}, "--retries=0": {0, 0}, "--retries 7": {0, 7}, "--contimeout=9": {9, 5}, "--contimeout=9 --no-contimeout": {0, 5}, "--contimeout=0": {0, 5},
	} {
		s, _ := parsed(t, line)
		var f fakeRun
		if status := f.exec(t.Context(), append(strings.Fields(line), "-a", "a", "h:b")...); status != 0 {
			t.Errorf("%s: status %d, %s", line, status, &f.err)
		}
		if got := [2]int{int(f.how.ConnectTimeout / time.Second), s.retries}; got != want {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

// attempts runs a command line whose engine does one step for each connection.
func attempts(t *testing.T, steps []func(engine.Job, engine.Report) (engine.Summary, error), e env, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	n := 0
	send := func(_ context.Context, _ engine.Host, _ io.ReadWriteCloser, job engine.Job, rep engine.Report) (engine.Summary, error) {
		n++
		return steps[n-1](job, rep)
	}
	e.stdout, e.stderr, e.stdin = &stdout, &stderr, strings.NewReader("")
	e.getenv = func(string) string { return "" }
	e.pause = func(context.Context, time.Duration) error { return nil }
	e.parts = parts{
		host: func() engine.Host { return nil }, send: send, exitCode: engine.ExitCode,
		open: func(_ context.Context, _ transport.Target, how transport.Options) (*transport.Far, error) {
			return &transport.Far{Via: transport.ViaAgent, Agent: nothing{}, Again: how}, nil
		},
	}
	status = run(t.Context(), append([]string{"gosync"}, args...), &e)
	if n != len(steps) {
		t.Errorf("%d connections, want %d", n, len(steps))
	}
	return status, stdout.String(), stderr.String()
}

// TestOneRun: whatever the connections, to the user it is one run.
func TestOneRun(t *testing.T) {
	t.Parallel()
	const question = "120 of 130 entries would be deleted"
	var limits []int64
	step := func(sum engine.Summary, err error, events ...engine.Event) func(engine.Job, engine.Report) (engine.Summary, error) {
		return func(job engine.Job, rep engine.Report) (engine.Summary, error) {
			limits = append(limits, job.MaxDelete)
			for _, ev := range events {
				rep.Event(ev)
			}
			if !rep.Confirm(t.Context(), question) {
				t.Error("the answer is no")
			}
			return sum, err
		}
	}
	failed := engine.ErrorEvent{Err: &engine.FileError{Op: "open", Path: "x", Err: fs.ErrPermission}}
	later := engine.ErrorEvent{Err: &engine.FileError{Op: "open", Path: "y", Err: fs.ErrPermission}}
	asked := 0
	status, out, errs := attempts(t, []func(engine.Job, engine.Report) (engine.Summary, error){
		step(engine.Summary{Transferred: 2, BytesSent: 10}, wire.ErrClosed,
			engine.DeleteEvent{Path: "a"}, engine.DeleteEvent{Path: "b"}, failed, later, engine.NoteEvent{Text: "created directory d"}),
		step(engine.Summary{Transferred: 1, BytesSent: 5}, wire.ErrClosed, engine.DeleteEvent{Path: "b"}, engine.DeleteEvent{Path: "c"}, failed),
		step(engine.Summary{Files: 7, Transferred: 3, BytesSent: 1}, engine.ErrPartial, engine.NoteEvent{Text: "created directory d"}, failed),
	}, env{ask: func(context.Context, string) (string, error) { asked++; return " Yes\n", nil }},
		"-ai", "--stats", "--delete", "--max-delete=10", "a", "h:b")
	if want := []int64{10, 8, 7}; status != 23 || !reflect.DeepEqual(limits, want) || asked != 1 {
		t.Errorf("status %d, limits %v, want %v, asked %d times", status, limits, want, asked)
	}
	for text, want := range map[string]int{
		"*deleting   a\n": 1, "*deleting   b\n": 1, "*deleting   c\n": 1, "created directory": 1, "reconnected 2 times\n": 1,
		"files transferred: 6\n": 1, "Total bytes sent: 16\n": 1, "Number of files: 7\n": 1,
	} {
		if n := strings.Count(out, text); n != want {
			t.Errorf("%q comes %d times:\n%s", text, n, out)
		}
	}
	for text, want := range map[string]int{
		"gosync: open x": 1, "gosync: open y": 1, "  open x": 1, "  open y": 0, "1 error in this run": 1, "; reconnecting\n": 1, "(exit 23)\n": 1,
	} {
		if n := strings.Count(errs, text); n != want {
			t.Errorf("%q comes %d times:\n%s", text, n, errs)
		}
	}
}
