package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/transport/wire/evilpeer"
)

const (
	evilTime   = time.Minute // a victim must have ended by itself: on a busy machine with the race detector, too
	evilMoment = time.Second // ... or is ended, where nothing else does that
	evilHeap   = 256 << 20   // bytes that a victim and its peer may take
)

// sceneJob returns the job of a scene.
func sceneJob(t *testing.T, b *evilpeer.Bench) engine.Job {
	t.Helper()
	job := engine.Job{Options: archive(), Sources: b.Sources(), Dest: b.Dst()}
	job.Itemize, job.Files = true, b.Scene.Files
	for _, f := range b.Scene.Flags {
		name, value, _ := strings.Cut(f, "=")
		switch on := sceneFlag(&job, f); {
		case name == "exclude":
			job.Filter = rules(t, "- "+value)
		case name == "gitignore":
			job.Filter = rules(t)
			job.Filter.GitIgnore()
		case name == "shard":
			var err error
			job.Shard, err = engine.ParseShard(value)
			must(t, err)
		case on == nil:
			t.Fatalf("no flag %q", f)
		default:
			*on = !strings.HasPrefix(f, "no-") || f == "no-partial" || f == "no-implied-dirs"
		}
	}
	return job
}

func sceneFlag(job *engine.Job, name string) *bool {
	return map[string]*bool{
		"delete": &job.Delete, "relative": &job.Relative, "checksum": &job.Checksum, "append-verify": &job.AppendVerify,
		"append": &job.Append, "partial": &job.Partial, "hard-links": &job.HardLinks, "confirm": &job.Confirm,
		"ignore-times": &job.IgnoreTimes, "no-perms": &job.Perms, "no-devices": &job.Devices, "inplace": &job.InPlace,
		"remove-source-files": &job.RemoveSource, "delete-missing-args": &job.DeleteMissing, "no-implied-dirs": &job.NoImplied,
		"detect-renames": &job.DetectRenames, "xattrs": &job.Xattrs, "acls": &job.ACLs,
	}[name]
}

// evilRun is a victim that is run against a peer.
type evilRun struct {
	bench  *evilpeer.Bench
	job    engine.Job
	as     evilpeer.Role
	at     evilpeer.Side
	rule   evilpeer.Rule
	passes bool
	limit  time.Duration
}

// evilEnd is how it ended.
type evilEnd struct {
	err  error // of the victim
	peer evilpeer.Result
	hung bool
	heap uint64 // peak, in bytes
}

// do runs victim and peer.
func (r *evilRun) do(ctx context.Context) (end evilEnd) {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	h := host()
	if r.bench.Scene.User {
		h = userHost{h}
	}
	near, far := wire.Pipe()
	rep := engine.Report{Event: func(engine.Event) {}}
	if r.job.Confirm {
		rep.Confirm = func(context.Context, string) bool { return true }
	}
	client := func(ctx context.Context, rw io.ReadWriteCloser) error {
		return evilClient(ctx, h, rw, r.job, rep, (r.as == evilpeer.Source) == (r.at == evilpeer.Server))
	}
	server := func(ctx context.Context, rw io.ReadWriteCloser) error {
		return engine.Serve(ctx, h, rw, slog.New(slog.DiscardHandler))
	}
	victim, honest := client, server
	if r.at == evilpeer.Server {
		victim, honest = server, client
	}
	heap := watchHeap()
	done := make(chan struct{})
	go func() {
		defer close(done)
		end.peer = evilpeer.Play(ctx, far, r.rule, r.passes, honest)
	}()
	end.err = victim(ctx, near)
	_ = near.Close() // again
	end.hung = ctx.Err() != nil
	<-done
	end.heap = heap()
	return end
}

// userHost is a host to a process that has not the rights of root.
type userHost struct{ engine.Host }

func (h userHost) IDs() engine.IDs { return userIDs{h.Host.IDs()} }

type userIDs struct{ engine.IDs }

func (userIDs) Root() bool { return false }

// evilClient runs a client that sends, or one that receives.
func evilClient(ctx context.Context, h engine.Host, rw io.ReadWriteCloser, job engine.Job, rep engine.Report, sends bool) (err error) {
	if sends {
		_, err = engine.Send(ctx, h, rw, job, rep)
	} else {
		_, err = engine.Receive(ctx, h, rw, job, rep)
	}
	return err
}

// watchHeap returns a function that ends the watch and returns by how much the
// heap has grown at the most.
func watchHeap() func() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	read := func() uint64 { metrics.Read(sample); return sample[0].Value.Uint64() }
	first := read()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		most := first
		for {
			select {
			case <-tick.C:
				most = max(most, read())
			case <-stop:
				peak <- max(most, read(), first) - first
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-peak
	}
}

// evilBenches are the scenes that were made. A scene is used again as long as
// nothing around the destination has changed.
type evilBenches map[string]*evilpeer.Bench

func (m evilBenches) bench(t *testing.T, s *evilpeer.Scene) *evilpeer.Bench {
	t.Helper()
	if b := m[s.Name]; b != nil && !s.Moves {
		must(t, b.Reset())
		return b
	}
	top, err := os.MkdirTemp(os.Getenv("XDG_STATE_HOME"), "bench")
	must(t, err)
	b, err := s.Make(top)
	must(t, err)
	m[s.Name] = b
	return b
}

// run makes a scene, with what an earlier run has left of it.
func (m evilBenches) run(t *testing.T, c *evilpeer.Case, at evilpeer.Side) *evilRun {
	t.Helper()
	b := m.bench(t, c.Scene)
	t.Cleanup(func() {
		if t.Failed() {
			delete(m, c.Scene.Name)
		}
	})
	r := &evilRun{bench: b, job: sceneJob(t, b), as: c.As, at: at, limit: evilTime}
	if c.Scene.Cut != nil {
		cut := *r
		cut.as, cut.at, cut.rule = evilpeer.Source, evilpeer.Server, c.Scene.Cut
		if end := cut.do(t.Context()); engine.ExitCode(end.err) != int(wire.CodeStream) {
			t.Fatalf("the run that is cut ends with %v", end.err)
		}
	}
	return r
}

// TestEvilPeers runs all cases. A case asserts that the victim ends with the exit
// status stated, by itself and soon, without a panic, that nothing around the
// destination has changed, and that little memory was taken. The same scene
// without the lie ends well. GOSYNC_EVIL_SHARE=n has every nth case run.
func TestEvilPeers(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	before := runtime.NumGoroutine()
	m, controls := evilBenches{}, map[string]bool{}
	classes := map[string]int{}
	share, n := envInt("GOSYNC_EVIL_SHARE", 1), 0
	for _, c := range evilpeer.Cases() {
		for _, at := range c.Sides() {
			if n++; n%share != 0 {
				continue
			}
			name := fmt.Sprintf("%s/%s/%s", c.Class, c.Name, [...]string{"", "client", "server"}[at])
			key := fmt.Sprint(c.Scene.Name, c.As, at)
			if !controls[key] {
				controls[key] = true
				t.Run("control/"+key, func(t *testing.T) { m.control(t, &c, at) })
			}
			t.Run(name, func(t *testing.T) { m.lie(t, &c, at) })
			classes[c.Class]++
		}
	}
	t.Log(classes)
	settles(t, before)
}

// control runs a scene without a lie.
func (m evilBenches) control(t *testing.T, c *evilpeer.Case, at evilpeer.Side) {
	r := m.run(t, c, at)
	before, err := r.bench.Snapshot()
	must(t, err)
	end := r.do(t.Context())
	if got := engine.ExitCode(end.err); got != int(c.Scene.Control) && (got != 0 || at == evilpeer.Client) || end.hung {
		t.Fatalf("the honest run ends with %d: %v (peer: %v)", got, end.err, end.peer.Honest)
	}
	if c.Scene.Moves {
		must(t, r.bench.Moved())
		return
	}
	if c.Scene.Control == wire.CodeOK && len(c.Scene.Keep) == 0 {
		evilEqual(t, r.bench)
	}
	evilUntouched(t, r.bench, before)
}

func evilEqual(t *testing.T, b *evilpeer.Bench) {
	t.Helper()
	want, err := evilpeer.Tree(b.Src())
	must(t, err)
	got, err := evilpeer.Tree(b.Dst())
	must(t, err)
	delete(want, ".")
	delete(got, ".")
	for _, d := range evilpeer.Differences(want, got) {
		t.Error("after a run that ended well:", d)
	}
}

func evilUntouched(t *testing.T, b *evilpeer.Bench, before map[string]string) {
	t.Helper()
	after, err := b.Snapshot()
	must(t, err)
	for _, d := range evilpeer.Differences(before, after) {
		t.Error("around the destination:", d)
	}
	if err := b.Kept(); err != nil {
		t.Error(err)
	}
}

// lie runs a case and judges what is left.
func (m evilBenches) lie(t *testing.T, c *evilpeer.Case, at evilpeer.Side) {
	r := m.run(t, c, at)
	before, err := r.bench.Snapshot()
	must(t, err)
	r.rule, r.passes = c.Rule, c.Passes
	if c.Ends {
		r.limit = max(evilMoment, c.Lasts)
		defer time.AfterFunc(r.limit*9/10, runtime.GC).Stop() // what is held at the end counts, whenever it ran before
	}
	end := r.do(t.Context())
	evilUntouched(t, r.bench, before)
	if !end.peer.Struck {
		t.Errorf("the lie was not told: this case shows nothing (victim: %v, peer: %v)", end.err, end.peer.Honest)
	}
	if end.heap > evilHeap {
		t.Errorf("the heap has grown by %d MiB", end.heap>>20)
	}
	if c.Ends {
		return
	}
	if end.hung {
		t.Errorf("the victim does not end by itself (%v; peer: %v)", end.err, end.peer.Honest)
		return
	}
	evilOutcome(t, c, at, &end)
	if c.Equal && end.err == nil && c.Allows(int(wire.CodeOK)) {
		evilEqual(t, r.bench)
	}
	if c.Check != nil {
		if err := c.Check(r.bench.Dst()); err != nil {
			t.Error(err)
		}
	}
}

// evilOutcome judges what a victim ended with.
func evilOutcome(t *testing.T, c *evilpeer.Case, at evilpeer.Side, end *evilEnd) {
	t.Helper()
	code := engine.ExitCode(end.err)
	switch {
	case code == int(wire.CodeOK) && at == evilpeer.Server && (c.Allows(int(wire.CodePartial)) || c.Allows(int(wire.CodeDelete))):
		// A server tells of single files; the client makes an exit status of it.
	case !c.Allows(code):
		t.Errorf("exit %d (%v), want %v (peer: %v)", code, end.err, c.Want, end.peer.Honest)
	case c.Refuses() && !errors.Is(end.err, wire.ErrProtocol):
		t.Errorf("ends with %v, want %v (peer: %v)", end.err, wire.ErrProtocol, end.peer.Honest)
	case c.Says != "" && end.err != nil && !strings.Contains(end.err.Error(), c.Says):
		t.Errorf("ends with %q, which does not say %q", end.err, c.Says)
	}
	if c.Refuses() && !c.Passes && strings.Contains(fmt.Sprintf("%T", end.err), "farError") {
		t.Errorf("it was the peer that found out: %v", end.err)
	}
}
