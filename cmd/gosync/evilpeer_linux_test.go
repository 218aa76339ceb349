package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/sshtest"
	"gosync/transport/wire/evilpeer"
)

// evilVariable names the case that a test binary plays as the far side of an SSH
// session; "control" stands for none.
const evilVariable = "GOSYNC_EVILPEER"

// overSSH are the cases that are tried through sshd, beside all that show
// something: some of each class.
func overSSH() []string {
	return []string{
		`names/01 "." of a file`, `names/24 "../a" of a directory`, "scope/an extra file", "scope/the content of the root, names",
		"types/a symlink, then a file below it", "oracle/Want of a directory", "oracle/Basis of an entry out of range",
		"delta/a copy of nothing", "delta/content that stays wrong, chunks", "resume/a held chunk too many, append", "meta/mode 100644",
		"counts/-1 directories", "counts/troubles without end", "frames/zstd of 1 GiB, as source", "frames/2^32-1 bytes, as destination",
		"frames/the end after 3 bytes of a frame", "direction/*wire.Roots from the destination", "confirm/a question to nobody",
	}
}

// TestEvilPeerServer is no test: as the far side of TestEvilPeersOverSSH the test
// binary runs nothing else.
func TestEvilPeerServer(t *testing.T) {
	name := os.Getenv(evilVariable)
	if name == "" {
		return
	}
	conn, err := stdioConn()
	if err != nil {
		t.Fatal(err)
	}
	var rule evilpeer.Rule
	passes := true
	for _, c := range evilpeer.Cases() {
		if c.Class+"/"+c.Name == name {
			rule, passes = c.Rule, c.Passes
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	evilpeer.Play(ctx, conn, rule, passes, func(ctx context.Context, rw io.ReadWriteCloser) error {
		return engine.Serve(ctx, localfs.NewHost(), rw, slog.New(slog.DiscardHandler))
	})
}

// TestEvilPeersOverSSH runs the program against a far side that lies, through the
// real sshd.
func TestEvilPeersOverSSH(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	e := &evilSSH{gosync: program(t), self: self, state: state}
	e.sshd = sshtest.Start(t, sshtest.Options{Env: []string{"XDG_STATE_HOME=" + state}})
	wanted, controls := overSSH(), map[string]bool{}
	ran := 0
	for _, c := range evilpeer.Cases() {
		name := c.Class + "/" + c.Name
		if c.Class != "show" && !slices.Contains(wanted, name) || !slices.Contains(c.Sides(), evilpeer.Client) {
			continue
		}
		ran++
		if key := fmt.Sprint(c.Scene.Name, c.As); !controls[key] {
			controls[key] = true
			t.Run("control/"+key, func(t *testing.T) { e.control(t, &c) })
		}
		t.Run(name, func(t *testing.T) { e.lie(t, &c, name) })
	}
	if ran < len(wanted) {
		t.Errorf("%d cases ran, %d are wanted: a name has changed", ran, len(wanted))
	}
}

type evilSSH struct {
	gosync, self, state string
	sshd                *sshtest.Server
}

// evilSSHRun is how the program ended.
type evilSSHRun struct {
	status int
	out    string
	memory int64 // most that was resident, in bytes
}

// run runs the program for a case's scene against the far side of that name.
func (e *evilSSH) run(t *testing.T, b *evilpeer.Bench, as evilpeer.Role, name string) evilSSHRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // a connection takes its time, too
	defer cancel()
	far := fmt.Sprintf("%s='%s' exec %s -test.run='^TestEvilPeerServer$' --", evilVariable, name, e.self)
	args := []string{"-aivv", "--retries=0", "--via=agent", "--no-deploy", "--ssh-config", e.sshd.Config, "--gosync-path=" + far}
	for _, f := range b.Scene.Flags {
		args = append(args, "--"+f)
	}
	src, dst, prefix := b.Sources(), b.Dst(), e.sshd.Alias+":"
	if as == evilpeer.Source {
		for i := range src {
			src[i] = prefix + src[i]
		}
	} else {
		dst = prefix + dst
	}
	cmd := exec.CommandContext(ctx, e.gosync, append(append(args, src...), dst)...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+e.state, "LC_ALL=C.UTF-8")
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- residentPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	r := evilSSHRun{memory: <-peak}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r.status, r.out = cmd.ProcessState.ExitCode(), out.String()
	if ctx.Err() != nil {
		t.Errorf("gosync does not end by itself\n%s", r.out)
	}
	return r
}

func (e *evilSSH) bench(t *testing.T, c *evilpeer.Case) (b *evilpeer.Bench, around map[string]string) {
	t.Helper()
	b, err := c.Scene.Make(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if around, err = b.Snapshot(); err != nil {
		t.Fatal(err)
	}
	return b, around
}

// control runs a scene without a lie.
func (e *evilSSH) control(t *testing.T, c *evilpeer.Case) {
	b, around := e.bench(t, c)
	r := e.run(t, b, c.As, "control")
	if r.status != int(c.Scene.Control) {
		t.Fatalf("the honest run ends with %d\n%s", r.status, r.out)
	}
	untouched(t, b, around)
}

// lie runs a case and judges what is left, and what the user has seen.
func (e *evilSSH) lie(t *testing.T, c *evilpeer.Case, name string) {
	t.Parallel()
	b, around := e.bench(t, c)
	r := e.run(t, b, c.As, name)
	untouched(t, b, around)
	if !c.Allows(r.status) {
		t.Errorf("exit status %d, want %v", r.status, c.Want)
	}
	if c.Refuses() && !strings.Contains(r.out, "protocol error") {
		t.Error("it does not say that the protocol was broken")
	}
	if strings.Contains(r.out, "goroutine ") || strings.Contains(r.out, "panic") {
		t.Error("it panics")
	}
	if r.memory > 256<<20 {
		t.Errorf("it takes %d MiB", r.memory>>20)
	}
	if bad := regexp.MustCompile(`[^\x20-\x7e\n]`).FindString(strings.ToValidUTF8(r.out, "\x00")); bad != "" {
		t.Errorf("%q goes to the terminal", bad)
	}
	if c.Shown != "" && !regexp.MustCompile(c.Shown).MatchString(r.out) {
		t.Errorf("%q is not shown", c.Shown)
	}
	if t.Failed() {
		t.Logf("%q", r.out)
	}
	if c.Check != nil {
		if err := c.Check(b.Dst()); err != nil {
			t.Error(err)
		}
	}
}

// untouched fails the test if anything around the destination has changed, or
// something in it that must be kept.
func untouched(t *testing.T, b *evilpeer.Bench, before map[string]string) {
	t.Helper()
	after, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range evilpeer.Differences(before, after) {
		t.Error("around the destination:", d)
	}
	if err := b.Kept(); err != nil {
		t.Error(err)
	}
}

// residentPeak samples the most memory that a process has had, in bytes, until it
// has ended. What a child's resource usage says includes what the parent had
// before the child became another program.
func residentPeak(pid int, ended <-chan struct{}) (peak int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil {
			_, rest, _ := strings.Cut(string(status), "VmHWM:")
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				peak = max(peak, kib<<10)
			}
		}
		select {
		case <-ended:
			return peak
		case <-tick.C:
		}
	}
}
