package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/internal/sshserver"
	"gosync/transport/localfs"
	"gosync/transport/wire"
)

// exitBench is a directory with a source tree, and an SSH server in this process
// that runs gosync, also in this process, and everything else in a shell.
type exitBench struct {
	dir     string
	server  *sshserver.Server
	running sync.WaitGroup // commands of the far side
}

func newExitBench(t *testing.T, o sshserver.Options) *exitBench {
	t.Helper()
	b := &exitBench{dir: t.TempDir()}
	for _, name := range []string{"src", "empty", "ssh"} {
		if err := os.Mkdir(b.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// More than an SSH connection may be cut after in these tests.
	b.write(t, "src/a", strings.Repeat("0123456789abcdef", 64<<10))
	b.write(t, "file", "x")
	o.Dir, o.Handler = b.path("ssh"), b.farSide
	var err error
	if b.server, err = sshserver.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.server.Close() }) // the test has ended
	return b
}

func (b *exitBench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *exitBench) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// farSide runs a command that the client has asked for.
func (b *exitBench) farSide(ctx context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) int {
	b.running.Add(1)
	defer b.running.Done()
	if command == "gosync --server" {
		d := demo{env: &env{parts: realParts()}}
		return d.handle(ctx, command, stdin, stdout, stderr)
	}
	if command == "corrupt --server" {
		return b.farSide(ctx, "gosync --server", stdin, &corrupting{w: stdout, left: 200}, stderr)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 255
	}
	go func() { _, _ = io.Copy(in, stdin) }() // ends with the connection; the command does not wait for it
	_ = cmd.Wait()                            // its status says how it went
	return cmd.ProcessState.ExitCode()
}

// corrupting spoils what passes after some bytes.
type corrupting struct {
	w    io.Writer
	left int
}

func (c *corrupting) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		p = bytes.Repeat([]byte{0xff}, len(p))
	}
	return c.w.Write(p)
}

// run runs a command line, in which SSH stands for the server's configuration and
// names of files for those of the bench, and returns status and standard error.
func (b *exitBench) run(t *testing.T, ctx context.Context, line string, p parts, stdout io.Writer) (int, string) {
	t.Helper()
	args := []string{"gosync"}
	files := b.server.Files()
	for _, word := range strings.Fields(line) {
		word = strings.NewReplacer("SSH", "--ssh-config="+files.Config, "HOST:", files.Alias+":"+b.dir+"/", "DIR/", b.dir+"/", "_", " ").Replace(word)
		args = append(args, word)
	}
	var stderr bytes.Buffer
	status := run(ctx, args, &env{
		stdin: strings.NewReader(""), stdout: stdout, stderr: &stderr, parts: p,
		getenv: func(string) string { return "" },
		pause: func(context.Context, time.Duration) error {
			b.running.Wait() // the far side of a lost connection notices, and cleans up
			return nil
		},
	})
	return status, stderr.String()
}

// vanishing is a machine whose files are gone when they are to be read.
type vanishing struct{ engine.Host }

type vanishingSource struct {
	engine.Source
	dir string
}

func (v vanishing) Source(ctx context.Context, path string) (engine.Source, error) {
	s, err := v.Host.Source(ctx, path)
	return &vanishingSource{s, path}, err
}

func (v *vanishingSource) Open(ctx context.Context, path string) (engine.File, error) {
	if err := os.Remove(filepath.Join(v.dir, path)); err != nil {
		return nil, err
	}
	return v.Source.Open(ctx, path)
}

// TestEveryExitStatus provokes every exit status that can be had without root, and
// wants one last line that names the cause, and a remedy.
func TestEveryExitStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		line   string
		server sshserver.Options
		change func(t *testing.T, b *exitBench)
		thing  string // what standard error names
		remedy string
	}{
		{0, "-a SSH DIR/src/ HOST:new", sshserver.Options{}, nil, "", ""},
		{1, "-a --exlude=x DIR/src/ DIR/new", sshserver.Options{}, nil, "--exlude", "did you mean --exclude"},
		{1, "-a --contimeout=5 -e rsh DIR/src/ HOST:new", sshserver.Options{}, nil, "time to connect", "command"},
		{2, "-a SSH --via=agent --no-deploy --gosync-path=echo_hello;: DIR/src/ HOST:new", sshserver.Options{}, nil, "hello", "gosync --version"},
		{3, "-a DIR/src/ DIR/file", sshserver.Options{}, nil, "/file", "not a directory"},
		{3, "-a SSH DIR/src/ HOST:new", sshserver.Options{}, func(t *testing.T, b *exitBench) {
			b.replace(t, b.server.Files().Config, "Port", "StrictHostKeyChecking maybe\n  Port")
		}, "maybe", ""},
		{4, "-a DIR/src/ host::module", sshserver.Options{}, nil, "host::module", "HOST:PATH"},
		{5, "-a SSH --via=agent DIR/src/ HOST:new", sshserver.Options{RefuseExec: true}, nil, "gosync --server", "lets this user run commands"},
		{5, "-a -e /no/such/program DIR/src/ HOST:new", sshserver.Options{}, nil, "/no/such/program", "command of -e"},
		{11, "-a --exclude-from=/no/such/list DIR/src/ DIR/new", sshserver.Options{}, nil, "/no/such/list", ""},
		{12, "-a SSH --retries=0 DIR/src/ HOST:new", sshserver.Options{DropAfter: 300_000}, nil, "connection|EOF|reset", "run the same command again"},
		{12, "-a SSH --gosync-path=corrupt DIR/src/ HOST:new", sshserver.Options{}, nil, "protocol", "same release"},
		{13, "-av DIR/src/ DIR/new", sshserver.Options{}, nil, "writing the output", ""},
		{20, "-a DIR/src/ DIR/new", sshserver.Options{}, nil, "interrupted", "run the same command again"},
		{23, "-a DIR/src/ DIR/missing DIR/new", sshserver.Options{}, nil, "/missing", "check the spelling"},
		{24, "-a DIR/src/ DIR/new", sshserver.Options{}, nil, "/a", "run again"},
		{25, "-a --delete DIR/empty/ DIR/src/", sshserver.Options{}, nil, "source is empty", "--delete-empty-source"},
		{30, "-a SSH --timeout=1 --gosync-path=exec_sleep_20; DIR/src/ HOST:new", sshserver.Options{}, nil, "timeout", "check the line"},
		{35, "-a SSH --contimeout=1 DIR/src/ HOST:new", sshserver.Options{}, deafServer, "box", "does not answer"},
		{40, "-a SSH DIR/src/ HOST:new", sshserver.Options{}, func(_ *testing.T, b *exitBench) { _ = b.server.Close() }, "127.0.0.1", "SSH server is running"},
		{40, "-a -e sh_-c_\"exit_255\" DIR/src/ HOST:new", sshserver.Options{}, nil, "remote shell", "works by hand"},
		{41, "-a SSH DIR/src/ HOST:new", sshserver.Options{}, otherHostKey, "127.0.0.1", "known_hosts"},
		{42, "-a SSH DIR/src/ HOST:new", sshserver.Options{}, otherKey, "gosync", "authorized_keys"},
		{126, "-a SSH --via=agent --no-deploy --gosync-path=DIR/file DIR/src/ HOST:new", sshserver.Options{}, nil, "cannot run gosync", "--gosync-path"},
		{43, "-a SSH --no-deploy --gosync-path=/no/gosync DIR/src/ HOST:new", sshserver.Options{RefuseExec: true, RefuseSFTP: true}, nil, "no usable transport", "refuses"},
		{127, "-a SSH --via=agent --no-deploy --gosync-path=/no/gosync DIR/src/ HOST:new", sshserver.Options{}, nil, "cannot run gosync", "install it"},
	} {
		t.Run(fmt.Sprint(tt.status, " ", tt.line), func(t *testing.T) {
			t.Parallel()
			b := newExitBench(t, tt.server)
			if tt.change != nil {
				tt.change(t, b)
			}
			p, ctx, stdout := realParts(), t.Context(), io.Discard
			switch tt.status {
			case exitOutput:
				stdout = failingWriter{os.ErrClosed}
			case exitSignal:
				stopped, cancel := context.WithCancelCause(ctx)
				cancel(errInterrupted)
				ctx = stopped
			case int(wire.CodeVanished):
				p.host = func() engine.Host { return vanishing{localfs.NewHost()} }
			}
			status, errs := b.run(t, ctx, tt.line, p, stdout)
			checkEnd(t, status, tt.status, errs)
			for _, want := range []string{tt.thing, tt.remedy} {
				if !regexp.MustCompile(want).MatchString(errs) {
					t.Errorf("standard error does not say %q:\n%s", want, errs)
				}
			}
		})
	}
}

// checkEnd wants the status, and one line that tells it, which is the last.
func checkEnd(t *testing.T, status, want int, errs string) {
	t.Helper()
	if status != want {
		t.Errorf("status %d, want %d\n%s", status, want, errs)
	}
	if status == 0 {
		if errs != "" {
			t.Errorf("all went well, and still: %s", errs)
		}
		return
	}
	last := regexp.MustCompile(fmt.Sprintf(`(?m)^gosync: \S.* \(exit %d\)\n`, status)).FindAllStringIndex(errs, -1)
	if len(last) != 1 || last[0][1] != len(errs) || strings.Count(errs, "(exit ") != 1 {
		t.Errorf("not one last line that tells the status:\n%s", errs)
	}
}

// deafServer has the alias lead to something that takes connections and says nothing.
func deafServer(t *testing.T, b *exitBench) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b.replace(t, b.server.Files().Config, port(b.server.Addr()), port(l.Addr().String()))
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// replace changes a file of the client.
func (b *exitBench) replace(t *testing.T, name, from, to string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil && !strings.Contains(string(text), from) {
		err = fmt.Errorf("%s does not hold %q", name, from)
	}
	if err == nil {
		err = os.WriteFile(name, []byte(strings.Replace(string(text), from, to, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// otherKey gives the client a key that the server does not know.
func otherKey(t *testing.T, b *exitBench) {
	t.Helper()
	other := newExitBench(t, sshserver.Options{})
	b.replace(t, b.server.Files().Config, b.server.Files().Key, other.server.Files().Key)
}

// otherHostKey has the client expect another key of the server.
func otherHostKey(t *testing.T, b *exitBench) {
	t.Helper()
	other := newExitBench(t, sshserver.Options{})
	b.replace(t, b.server.Files().Config, b.server.Files().KnownHosts, other.server.Files().KnownHosts)
	b.replace(t, other.server.Files().KnownHosts, port(other.server.Addr()), port(b.server.Addr()))
}

// TestStatusNumbers holds the numbers that scripts rely on, and those that are
// kept for what comes later.
func TestStatusNumbers(t *testing.T) {
	t.Parallel()
	for want, codes := range map[int][]int{
		0: {exitOK, int(wire.CodeOK)}, 1: {exitUsage, int(wire.CodeUsage)}, 2: {exitProtocol, int(wire.CodeProtocol)},
		3: {exitSelect, int(wire.CodeSelect)}, 4: {exitUnsupported, int(wire.CodeUnsupported)}, 5: {exitStart, int(wire.CodeStart)},
		10: {int(wire.CodeSocket)}, 11: {exitFile, int(wire.CodeFile)}, 12: {exitStream, int(wire.CodeStream)}, 13: {exitOutput},
		14: {int(wire.CodeInternal)}, 20: {exitSignal, int(wire.CodeSignal)}, 22: {int(wire.CodeMemory)},
		23: {exitPartial, int(wire.CodePartial)}, 24: {int(wire.CodeVanished)}, 25: {exitDelete, int(wire.CodeDelete)},
		30: {exitTimeout, int(wire.CodeTimeout)}, 35: {exitConnTimeout, int(wire.CodeConnTimeout)},
		40: {exitConnect, int(wire.CodeConnect)}, 41: {exitHostKey, int(wire.CodeHostKey)}, 42: {exitAuth, int(wire.CodeAuth)},
		43: {exitTransport, int(wire.CodeTransport)}, 45: {exitVerify}, 127: {int(wire.CodeNotFound)},
	} {
		for _, code := range codes {
			if code != want {
				t.Errorf("a code is %d, want %d", code, want)
			}
		}
		if line := fmt.Sprintf("%3d  ", want); want != 13 && want != 10 && want != 14 && want != 22 && want < 45 && !strings.Contains(exitText, line) {
			t.Errorf("the help does not explain %d", want)
		}
	}
}
