package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDeployRefused meets accounts that run no commands.
func TestDeployRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ shell, reason string }{
		"nologin":  {"echo This account is currently not available.; exit 1", `"This account is currently not available."; status 1`},
		"message":  {"echo fatal: unrecognized command >&2; exit 128", "fatal: unrecognized command; status 128"},
		"silent":   {"exit 0", "no commands of sh"},
		"sftp":     {"cat >/dev/null; exit 0", "no commands of sh"},
		"no sh":    {"echo sh: not found >&2; exit 127", "sh: not found; status 127"},
		"echo":     {`echo "$@"`, "it printed"},
		"halfways": {"echo gosync-answer-begin; echo os Linux", "in the midst of it"},
		"nonsense": {"echo gosync-answer-begin; echo '?'", "in the midst of it"},
		"no have":  {"echo gosync-answer-begin; echo os Linux; echo gosync-answer-end", "in the midst of it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "sh")
			b.shell = filepath.Join(t.TempDir(), "shell")
			mustWrite(t, b.shell, "#!/bin/sh\n"+test.shell+"\n", 0o700)
			b.refused(b.options(b.agentScript("")), DeployRefused, test.reason)
		})
	}
}

// Noise has a bound.
func TestDeployNoise(t *testing.T) {
	t.Parallel()
	for name, noise := range map[string]string{
		"a GiB":       "head -c 1073741824 /dev/zero",
		"without end": "yes noise",
		"lines":       "yes gosync-answer-begi | head -n 100000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "bash")
			b.makeNoise(noise)
			start := time.Now()
			b.refused(b.options(b.agentScript("")), DeployRefused, "no commands of sh")
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	b := newBox(t, "bash") // what is just bearable
	b.makeNoise("head -c 4000 /dev/zero")
	b.deploy(b.options(b.agentScript("")))
}

func TestDeployTogether(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	o := b.options(b.agentScript(""))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, _, err := Deploy(t.Context(), b.link(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if names := b.agents(); len(names) != 1 {
		t.Errorf("%q", names)
	}
	if how := b.deploy(o); how.Sent != 0 {
		t.Errorf("%+v", how)
	}
}

// cutLink ends the line when so much has been sent to a command that takes input.
type cutLink struct {
	Link
	after int
	how   func(s Stream)
}

type cutStream struct {
	Stream
	link *cutLink
	sent int
}

func (l *cutLink) Exec(ctx context.Context, command string) (Stream, error) {
	s, err := l.Link.Exec(ctx, command)
	return &cutStream{Stream: s, link: l}, err
}

func (s *cutStream) Write(p []byte) (int, error) {
	if s.sent += len(p); s.sent > s.link.after {
		s.link.how(s.Stream)
		return 0, io.ErrUnexpectedEOF
	}
	return s.Stream.Write(p)
}

// A line that is cut leaves nothing that could run, and the next run deploys.
func TestDeployCut(t *testing.T) {
	t.Parallel()
	for _, without := range [][]string{nil, {"gzip"}, {"sha256sum", "shasum", "openssl"}} {
		t.Run(fmt.Sprint(without), func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "sh")
			b.tools(without...)
			random := make([]byte, 1<<20)
			for i := range random {
				random[i] = byte('a' + (i*i>>3+i>>7)%23)
			}
			o := b.options(b.agentScript("# " + string(random)))
			l := &cutLink{Link: b.link(), after: 1000, how: func(s Stream) { s.Close() }}
			if _, _, err := Deploy(t.Context(), l, o); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v", err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			l.how = func(s Stream) { cancel(errors.New("enough")) }
			if _, _, err := Deploy(ctx, l, o); err == nil || !strings.Contains(err.Error(), "enough") {
				t.Errorf("%v", err)
			}
			for _, name := range b.agents() {
				info, err := os.Lstat(filepath.Join(b.dir(), name))
				if err == nil && (info.Mode()&0o111 != 0 || !strings.HasPrefix(name, ".new-")) {
					t.Errorf("left: %s %v", name, info.Mode())
				}
			}
			if b.hasRun() {
				t.Error("it has run")
			}
			b.deploy(o)
		})
	}
}

// Agents that nobody uses go after 30 days, and nothing else does.
func TestDeployRemovesOld(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	old := time.Now().Add(-32 * 24 * time.Hour)
	names := map[string]bool{
		"agent-0.9-0123456789abcdef": true, ".new-agent-0.9-0123456789abcdef-0123456789abcdef": true,
		"agent-0.9-0123456789abcde": false, "agent-0.9-0123456789ABCDEF": false, "notes": false, "agent-0.9-0123456789abcdef.bak": false,
	}
	for name := range names {
		mustWrite(t, filepath.Join(b.dir(), name), "x", 0o700)
		if err := os.Chtimes(filepath.Join(b.dir(), name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, filepath.Join(b.dir(), "agent-1.0-0123456789abcdef"), "x", 0o700)
	text := b.agentScript("")
	b.deploy(b.options(text))
	for name, gone := range names {
		if _, err := os.Lstat(filepath.Join(b.dir(), name)); errors.Is(err, os.ErrNotExist) != gone {
			t.Errorf("%s: gone %v, want %v", name, !gone, gone)
		}
	}
	if _, err := os.Lstat(filepath.Join(b.dir(), "agent-1.0-0123456789abcdef")); err != nil {
		t.Error(err)
	}
	used := filepath.Join(b.dir(), named(text))
	if err := os.Chtimes(used, old, old); err != nil {
		t.Fatal(err)
	}
	b.deploy(b.options(text))
	if info, err := os.Lstat(used); err != nil || time.Since(info.ModTime()) > time.Hour {
		t.Errorf("the agent in use is not marked so: %v, %v", info.ModTime(), err)
	}
}

// TestAnswerLimits holds what a far side may say against its bounds.
func TestAnswerLimits(t *testing.T) {
	t.Parallel()
	const begin, end = "gosync-answer-begin\n", "gosync-answer-end\n"
	for what, test := range map[string]struct {
		text string
		ok   bool
	}{
		"all lines":                       {"motd\n" + begin + strings.Repeat("out x\n", maxAnswer) + end, true},
		"a line too many":                 {begin + strings.Repeat("out x\n", maxAnswer+1) + end, false},
		"a long line":                     {begin + "out " + strings.Repeat("x", maxAnswerLine) + "\n" + end, false},
		"no end":                          {begin + "out x\n", false},
		"a cut line":                      {begin + "out x", false},
		"a mark inside":                   {"echo " + begin + "out x\n" + end, false},
		"a long prelude":                  {strings.Repeat("x", maxPrelude) + "\n" + begin + end, false},
		"a mark behind a piece of a line": {strings.Repeat("x", maxAnswerLine) + begin + end, false},
	} {
		a := newAnswer(strings.NewReader(test.text))
		err := a.begin()
		if err == nil {
			_, err = a.values("")
		}
		if (err == nil) != test.ok || err != nil && !errors.Is(err, errNoAnswer) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzAnswer reads any bytes as a far side's answer.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("motd\n\ngosync-answer-begin\nos Linux\narch x86_64\nhome /home/u\nhave none\ngosync-answer-end\n"))
	f.Add([]byte("gosync-answer-begin\r\nfail planted /x\r\ngosync-answer-end\r\n"))
	f.Add([]byte("gosync-answer-begin\nout a\nout b\nready yes\n"))
	f.Add([]byte("x gosync-answer-begin\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := newAnswer(bytes.NewReader(b))
		if err := a.begin(); err != nil {
			if !errors.Is(err, errNoAnswer) || len(a.prelude) > shownOutput {
				t.Fatalf("%v, %d bytes kept", err, len(a.prelude))
			}
			return
		}
		v, err := a.values("ready")
		if err != nil {
			if !errors.Is(err, errNoAnswer) {
				t.Fatal(err)
			}
			return
		}
		for key, value := range v {
			if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "" || key == "" || strings.Contains(value, "\n") || len(value) > maxAnswer*maxAnswerLine {
				t.Fatalf("%q: %q", key, value)
			}
		}
	})
}
