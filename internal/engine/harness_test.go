package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// trial is one run of a job with everything a test can put in its way.
type trial struct {
	way  way
	host engine.Host // of both ends; nil for this machine
	job  engine.Job

	server engine.Host // of the far end; nil for host

	confirm func(ctx context.Context, question string) bool // the user's answer

	// source and dest wrap the stream of the end that they are named after.
	// They are not used where both ends are in one process.
	source, dest func(io.ReadWriteCloser) io.ReadWriteCloser
}

// outcome is what a trial ended with.
type outcome struct {
	sum    engine.Summary
	events []engine.Event
	err    error
	served error // of the server; nil where there is none
	hung   bool
}

// patience is how long a trial may take.
const patience = 60 * time.Second

// do runs the trial. It reports a run that does not come back; of the tests'
// wishes it knows nothing.
func (c trial) do(ctx context.Context) outcome {
	var out outcome
	var mu sync.Mutex
	rep := engine.Report{Event: func(e engine.Event) {
		mu.Lock()
		defer mu.Unlock()
		out.events = append(out.events, e)
	}, Progress: new(engine.Progress), Confirm: c.confirm}
	h := c.host
	if h == nil {
		h = host()
	}
	server := c.server
	if server == nil {
		server = h
	}
	done := make(chan struct{})
	var sum engine.Summary
	var err, served error
	go func() {
		defer close(done)
		if c.way == local {
			sum, err = engine.Copy(ctx, h, c.job, rep)
			return
		}
		near, far := wire.Pipe()
		src, dst := &near, &far
		if c.way == pull {
			src, dst = dst, src
		}
		if c.source != nil && c.way != relay {
			*src = c.source(*src)
		}
		if c.dest != nil {
			*dst = c.dest(*dst)
		}
		var wg sync.WaitGroup
		wg.Go(func() { served = engine.Serve(ctx, server, far, slog.New(slog.DiscardHandler)) })
		switch c.way {
		case push:
			sum, err = engine.Send(ctx, h, near, c.job, rep)
		case pull:
			sum, err = engine.Receive(ctx, h, near, c.job, rep)
		default:
			sum, err = c.relay(ctx, h, near, rep, &wg)
		}
		wg.Wait()
	}()
	select {
	case <-done:
		mu.Lock()
		defer mu.Unlock()
		out.sum, out.err, out.served = sum, err, served
		return out
	case <-time.After(patience):
		return outcome{hung: true, err: errors.New("the run does not come back")}
	}
}

// relay runs the job through this process between two servers: the destination's,
// which answers near, and one more for the source.
func (c trial) relay(ctx context.Context, h engine.Host, near io.ReadWriteCloser, rep engine.Report, wg *sync.WaitGroup) (engine.Summary, error) {
	a, b := wire.Pipe()
	if c.source != nil {
		b = c.source(b)
	}
	wg.Go(func() { _ = engine.Serve(ctx, h, b, slog.New(slog.DiscardHandler)) }) // the client tells
	return engine.Relay(ctx, h, a, near, c.job, rep)
}

// must runs the trial and fails the test unless it ends well.
func (c trial) must(t *testing.T) outcome {
	t.Helper()
	out := c.do(t.Context())
	if out.err != nil || out.served != nil {
		for _, e := range out.fileErrors() {
			t.Log(e)
		}
		t.Fatalf("%s: %v (server: %v)", c.way, out.err, out.served)
	}
	return out
}

// wantExit fails the test unless the run ended with the exit status code, at
// both ends where it is not one of a run that went on to its end.
func (o outcome) wantExit(t *testing.T, code wire.Code) {
	t.Helper()
	if o.hung {
		buf := make([]byte, 1<<20)
		t.Fatalf("the run does not come back\n%s", buf[:runtime.Stack(buf, true)])
	}
	if got := engine.ExitCode(o.err); got != int(code) {
		for _, e := range o.fileErrors() {
			t.Log(e)
		}
		t.Errorf("exit %d (%v), want %d", got, o.err, code)
	}
}

func (o outcome) fileErrors() (errs []*engine.FileError) {
	for _, e := range o.events {
		if e, ok := e.(engine.ErrorEvent); ok {
			errs = append(errs, e.Err)
		}
	}
	return errs
}

// wantFileError fails the test unless an error about path was reported that
// is target.
func (o outcome) wantFileError(t *testing.T, path string, target error) {
	t.Helper()
	for _, e := range o.fileErrors() {
		if strings.HasSuffix(e.Path, path) && (target == nil || errors.Is(e, target)) {
			return
		}
	}
	t.Errorf("no error about %q that is %v among %v", path, target, o.fileErrors())
}

// dirs makes a source and a destination; a nil map leaves the directory out.
func dirs(t *testing.T, src, dst map[string]string) (srcDir, dstDir string) {
	t.Helper()
	top := t.TempDir()
	srcDir, dstDir = filepath.Join(top, "src"), filepath.Join(top, "dst")
	if src != nil {
		must(t, os.Mkdir(srcDir, 0o755))
		tree(t, srcDir, src)
	}
	if dst != nil {
		must(t, os.Mkdir(dstDir, 0o755))
		tree(t, dstDir, dst)
	}
	return srcDir, dstDir
}

// jobFor is an archive run of the content of src into dst.
func jobFor(src, dst string) engine.Job {
	return engine.Job{Options: archive(), Sources: []string{src + "/"}, Dest: dst}
}

// each runs a test in all ways.
func each(t *testing.T, f func(t *testing.T, w way)) {
	t.Helper()
	share := envInt("GOSYNC_WAYS", 1)
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name()))
	for i, w := range ways() {
		if (i+int(h.Sum32()>>8))%share != 0 {
			continue
		}
		t.Run(string(w), func(t *testing.T) { f(t, w) })
	}
}

// noTemporaries fails the test if a run has left temporaries below dir.
func noTemporaries(t *testing.T, dir string) {
	t.Helper()
	for p := range fingerprint(t, dir) {
		if manifest.Temporary(filepath.Base(p)) {
			t.Errorf("%s was left behind", p)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

// hooks is what a test does to the operations of trees. fail may return an
// error to give in place of what the operation does; it is called from several
// goroutines.
type hooks struct {
	fail func(op, path string) error

	// file may replace a file of the source that was opened.
	file func(path string, f engine.File) engine.File
}

func (h *hooks) err(op, path string) error {
	if h.fail == nil {
		return nil
	}
	return h.fail(op, path)
}

// failing returns a host on which an operation on a path fails.
func failing(op, path string, err error) engine.Host {
	return &hookHost{host(), &hooks{fail: func(o, p string) error {
		if o == op && p == path {
			return err
		}
		return nil
	}}}
}

type hookHost struct {
	engine.Host
	*hooks
}

func (h *hookHost) Source(ctx context.Context, path string) (engine.Source, error) {
	t, err := h.Host.Source(ctx, path)
	if err != nil {
		return nil, err
	}
	return &hookSource{t, h.hooks}, nil
}

func (h *hookHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	if err != nil {
		return nil, err
	}
	return &hookDest{t, h.hooks}, nil
}

type hookSource struct {
	engine.Source
	*hooks
}

func (s *hookSource) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	if err := s.err("src list", dir); err != nil {
		return nil, err
	}
	return s.Source.List(ctx, dir)
}

func (s *hookSource) Open(ctx context.Context, path string) (engine.File, error) {
	if err := s.err("src open", path); err != nil {
		return nil, err
	}
	f, err := s.Source.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if s.file != nil {
		f = s.file(path, f)
	}
	return &hookFile{f, s.hooks, "src", path}, nil
}

type hookFile struct {
	engine.File
	*hooks
	side, path string
}

func (f *hookFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.err(f.side+" read", f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *hookFile) Stat() (manifest.Entry, error) {
	if err := f.err(f.side+" stat", f.path); err != nil {
		return manifest.Entry{}, err
	}
	return f.File.Stat()
}

type hookDest struct {
	engine.Dest
	*hooks
}

func (d *hookDest) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	if err := d.err("dst list", dir); err != nil {
		return nil, err
	}
	return d.Dest.List(ctx, dir)
}

func (d *hookDest) Open(ctx context.Context, path string) (engine.File, error) {
	if err := d.err("dst open", path); err != nil {
		return nil, err
	}
	f, err := d.Dest.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	return &hookFile{f, d.hooks, "dst", path}, nil
}

func (d *hookDest) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	if err := d.err("dst create", path); err != nil {
		return nil, err
	}
	f, err := d.Dest.Create(ctx, path, how)
	if err != nil {
		return nil, err
	}
	return &hookNewFile{f, d.hooks, path}, nil
}

func (d *hookDest) Mkdir(ctx context.Context, path string) error {
	if err := d.err("dst mkdir", path); err != nil {
		return err
	}
	return d.Dest.Mkdir(ctx, path)
}

func (d *hookDest) Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	if err := d.err("dst symlink", path); err != nil {
		return err
	}
	return d.Dest.Symlink(ctx, path, e, attrs)
}

func (d *hookDest) Link(ctx context.Context, path, old string) error {
	if err := d.err("dst link", path); err != nil {
		return err
	}
	return d.Dest.Link(ctx, path, old)
}

func (d *hookDest) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	if err := d.err("dst attrs", path); err != nil {
		return err
	}
	return d.Dest.SetAttrs(ctx, path, e, attrs)
}

func (d *hookDest) Remove(ctx context.Context, path string, e *manifest.Entry) error {
	if err := d.err("dst remove", path); err != nil {
		return err
	}
	return d.Dest.Remove(ctx, path, e)
}

func (d *hookDest) Sync(ctx context.Context) error {
	if err := d.err("dst sync", ""); err != nil {
		return err
	}
	return d.Dest.Sync(ctx)
}

type hookNewFile struct {
	engine.NewFile
	*hooks
	path string
}

// CopyFrom leaves the copying to the caller, so that it passes the hooks.
func (f *hookNewFile) CopyFrom(context.Context, engine.File, int64) (bool, error) { return false, nil }

func (f *hookNewFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.err("dst write", f.path); err != nil {
		return 0, err
	}
	return f.NewFile.WriteAt(p, off)
}

func (f *hookNewFile) Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error)) {
	if err := f.err("dst commit", f.path); err != nil {
		_ = f.Discard()
		done(err)
		return
	}
	f.NewFile.Commit(ctx, size, e, attrs, done)
}

// meddler changes frames on their way to the reader of a stream. It knows the
// frames' outermost form only: the magic, then length, type, flags, payload.
type meddler struct {
	io.ReadWriteCloser
	change func(typ wire.Type, payload []byte)
	ready  bytes.Buffer
	begun  bool
}

func (m *meddler) Read(p []byte) (int, error) {
	if m.ready.Len() == 0 {
		if err := m.fill(); err != nil {
			return 0, err
		}
	}
	return m.ready.Read(p)
}

func (m *meddler) fill() error {
	const header = 6
	if !m.begun {
		m.begun = true
		_, err := io.CopyN(&m.ready, m.ReadWriteCloser, int64(len(wire.Magic)))
		return err
	}
	var h [header]byte
	if _, err := io.ReadFull(m.ReadWriteCloser, h[:]); err != nil {
		return err
	}
	payload := make([]byte, binary.BigEndian.Uint32(h[:4]))
	if _, err := io.ReadFull(m.ReadWriteCloser, payload); err != nil {
		return err
	}
	m.change(wire.Type(h[4]), payload)
	m.ready.Write(h[:])
	m.ready.Write(payload)
	return nil
}

// settles fails the test unless the number of goroutines gets back to what it was.
func settles(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines, %d before, among them:\n%s", runtime.NumGoroutine(), before, engineStacks())
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// engineStacks returns the stacks of goroutines that this module's packages started.
func engineStacks() string {
	buf := make([]byte, 1<<20)
	var own []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "created by gosync") && !strings.Contains(stack, "_test.") {
			own = append(own, stack)
		}
	}
	return strings.Join(own[:min(len(own), 3)], "\n\n")
}
