package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosync/transport/wire"
	"gosync/walker/filter"
)

// fullJob returns a job that has every option set.
func fullJob(t *testing.T) *Job {
	t.Helper()
	j := &Job{Sources: []string{"a", "b c/", "\xff\n"}, Dest: "dst =x"}
	v := reflect.ValueOf(&j.Options).Elem()
	setAll(v)
	j.MaxDelete, j.Durability, j.BandwidthLimit, j.Timeout = 7, SyncEach, 1<<40, 3*time.Second
	j.MinSize, j.TooLarge, j.ModifyWindow, j.OneFileSystem, j.AltKind = 5, 1<<50, -1, 2, AltLink
	for range MaxAlternates {
		j.AltDirs.Add("../a =b")
	}
	j.Shard = Shard{3, 7}
	j.Filter = new(filter.Set)
	if err := j.Filter.Exclude("*.o"); err != nil {
		t.Fatal(err)
	}
	return j
}

// setAll sets all booleans of a struct.
func setAll(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Struct:
			setAll(f)
		}
	}
}

// overWire sends a job through its message.
func overWire(t *testing.T, j *Job, source bool) *Job {
	t.Helper()
	got, err := decodeJob(j.encode(source))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sameOptions compares options that travel; of filters their encoding.
func sameOptions(a, b Options) bool {
	var fa, fb []byte
	if a.Filter != nil {
		fa = a.Filter.AppendBinary(nil)
	}
	if b.Filter != nil {
		fb = b.Filter.AppendBinary(nil)
	}
	a.Filter, b.Filter = nil, nil
	a.ListOnly, b.ListOnly = false, false
	return a == b && string(fa) == string(fb)
}

// TestJobRoundTrip wants every field of the options to reach the far side. An
// option that is added to the struct and forgotten in the encoding fails here.
func TestJobRoundTrip(t *testing.T) {
	for _, j := range []*Job{fullJob(t), {Sources: []string{"x"}, Dest: "y"}} {
		got := overWire(t, j, true)
		if !slices.Equal(got.Sources, j.Sources) || !sameOptions(got.Options, j.Options) {
			t.Errorf("have %+v\nwant %+v", got, j)
		}
		got = overWire(t, j, false)
		if got.Dest != j.Dest || !sameOptions(got.Options, j.Options) {
			t.Errorf("have %+v\nwant %+v", got, j)
		}
	}
}

// TestJobOneOption sets one option after the other, so that none is taken for another.
func TestJobOneOption(t *testing.T) {
	var fields func(v reflect.Value, path []int) [][]int
	fields = func(v reflect.Value, path []int) (out [][]int) {
		for i := range v.NumField() {
			p := append(slices.Clone(path), i)
			switch v.Field(i).Kind() {
			case reflect.Bool:
				out = append(out, p)
			case reflect.Struct:
				out = append(out, fields(v.Field(i), p)...)
			}
		}
		return out
	}
	var o Options
	all := fields(reflect.ValueOf(&o).Elem(), nil)
	if encoded := len(o.flags()) + len(o.Meta.flags()) + 1; len(all) != encoded { // 1: ListOnly
		t.Errorf("%d boolean options, %d in the encoding", len(all), encoded)
	}
	for _, path := range all {
		j := &Job{Dest: "x"}
		reflect.ValueOf(&j.Options).Elem().FieldByIndex(path).SetBool(true)
		if got := overWire(t, j, false); !sameOptions(got.Options, j.Options) {
			t.Errorf("field %v: have %+v, want %+v", path, got.Options, j.Options)
		}
	}
}

// TestJobFiles tells an empty list from none. The names follow in messages of their own.
func TestJobFiles(t *testing.T) {
	for _, files := range [][]string{nil, {}, {"a", "b/c"}} {
		got := overWire(t, &Job{Sources: []string{"x"}, Files: files}, true)
		if (got.Files == nil) != (files == nil) {
			t.Errorf("have %#v, want %#v", got.Files, files)
		}
	}
}

// TestJobRefused gives jobs that must not be run.
func TestJobRefused(t *testing.T) {
	for _, x := range []struct {
		job  wire.Job
		code wire.Code
		text string
	}{
		{wire.Job{Paths: []string{"x"}, Options: []string{"shred=1"}}, wire.CodeUnsupported, "shred"},
		{wire.Job{Paths: []string{"x"}, Options: []string{"shred"}}, wire.CodeUnsupported, "shred"},
		{wire.Job{Paths: []string{"x"}, Options: []string{"=1"}}, wire.CodeUnsupported, `""`},
		{wire.Job{Paths: []string{"x"}, Options: []string{"fsync=9"}}, wire.CodeUnsupported, "9"},
		{wire.Job{Paths: []string{"x"}, Options: []string{"fsync=-1"}}, wire.CodeUnsupported, "-1"},
		{wire.Job{Paths: []string{"x"}, Options: []string{"max-delete=many"}}, wire.CodeUnsupported, "max-delete"},
		{wire.Job{Paths: []string{"x", "y"}}, wire.CodeStream, "2 destinations"},
		{wire.Job{}, wire.CodeStream, "0 destinations"},
		{wire.Job{Paths: []string{"x"}, Filter: []byte{255, 255, 1}}, wire.CodeStream, "filter"},
	} {
		_, err := decodeJob(&x.job)
		if err == nil || ExitCode(err) != int(x.code) || !strings.Contains(err.Error(), x.text) {
			t.Errorf("%+v: %v (exit %d), want %d with %q", x.job, err, ExitCode(err), x.code, x.text)
		}
	}
}

func FuzzDecodeJob(f *testing.F) {
	f.Add(true, "a", "delete=1", []byte{})
	f.Add(false, "a", "fsync=1", []byte{0})
	f.Add(false, "a", "max-delete=-1", fuzzFilter())
	f.Fuzz(func(t *testing.T, source bool, path, option string, set []byte) {
		j, err := decodeJob(&wire.Job{Source: source, Paths: []string{path}, Options: []string{option}, Filter: set})
		if err != nil {
			return
		}
		again, err := decodeJob(j.encode(source))
		if err != nil {
			t.Fatal(err)
		}
		if !sameOptions(j.Options, again.Options) {
			t.Errorf("%+v is not %+v", again.Options, j.Options)
		}
	})
}

func fuzzFilter() []byte {
	s := new(filter.Set)
	_ = s.Exclude("*.o") // the pattern is right
	return s.AppendBinary(nil)
}

func TestQueue(t *testing.T) {
	q := newQueue[int]()
	if _, ok := q.try(); ok {
		t.Error("an empty queue gave something")
	}
	q.put(1, 2)
	q.put(3)
	for want := 1; want <= 3; want++ {
		if v, ok := q.get(); !ok || v != want {
			t.Errorf("have %d %v, want %d", v, ok, want)
		}
	}
	got := make(chan int)
	go func() { v, _ := q.get(); got <- v }()
	q.put(4)
	if v := <-got; v != 4 {
		t.Errorf("have %d, want 4", v)
	}
	ended := make(chan bool)
	go func() { _, ok := q.get(); ended <- ok }()
	q.put() // nothing
	q.close()
	if <-ended {
		t.Error("a closed queue gave something")
	}
	q.put(5)
	if _, ok := q.get(); ok {
		t.Error("a closed queue gave something")
	}
}

// TestQueueShared has several goroutines at each end of a queue.
func TestQueueShared(t *testing.T) {
	const n = 1000
	q := newQueue[int]()
	var mu sync.Mutex
	seen := map[int]bool{}
	var takers, putters sync.WaitGroup
	var left sync.WaitGroup
	left.Add(4 * n)
	for range 4 {
		takers.Go(func() {
			for {
				v, ok := q.get()
				if !ok {
					return
				}
				mu.Lock()
				if seen[v] {
					t.Errorf("%d came twice", v)
				}
				seen[v] = true
				mu.Unlock()
				left.Done()
			}
		})
	}
	for i := range 4 {
		putters.Go(func() {
			for k := range n {
				q.put(i*n + k)
			}
		})
	}
	putters.Wait()
	left.Wait()
	q.close()
	takers.Wait()
	if len(seen) != 4*n {
		t.Errorf("%d items, want %d", len(seen), 4*n)
	}
}

// collect returns a reporter whose events are put into a list.
func collect(ctx context.Context) (*reporter, *[]string) {
	var got []string
	r := newReporter(func(_ context.Context, ev Event) error {
		got = append(got, ev.(NoteEvent).Text)
		return nil
	}, nil)
	go r.run(ctx) // stop waits for it
	return r, &got
}

// TestReportOrder settles places that were held in another order than that in
// which they were taken.
func TestReportOrder(t *testing.T) {
	r, got := collect(t.Context())
	var want []string
	var slots []*slot
	var held []int
	for i := range 20 {
		if i%3 == 0 {
			r.post(NoteEvent{fmt.Sprint(i)})
		} else {
			slots, held = append(slots, r.hold()), append(held, i)
		}
		if i%3 == 0 || i%7 != 1 {
			want = append(want, fmt.Sprint(i))
		}
	}
	for k := len(slots) - 1; k >= 0; k-- {
		if held[k]%7 == 1 {
			slots[k].settle(nil) // nothing to tell
			continue
		}
		slots[k].settle(NoteEvent{fmt.Sprint(held[k])})
	}
	if err := r.stop(false); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(*got, want) {
		t.Errorf("have %q, want %q", *got, want)
	}
}

// TestReportAborted stops a reporter with a place that is never settled.
func TestReportAborted(t *testing.T) {
	r, got := collect(t.Context())
	r.post(NoteEvent{"a"})
	r.hold()
	r.post(NoteEvent{"b"})
	if err := r.stop(true); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(*got, []string{"a", "b"}) {
		t.Errorf("have %q", *got)
	}
}

// TestReportFlush waits for what was posted, held places included.
func TestReportFlush(t *testing.T) {
	r, got := collect(t.Context())
	s := r.hold()
	r.post(NoteEvent{"b"})
	go s.settle(NoteEvent{"a"})
	r.flush(t.Context())
	if !slices.Equal(*got, []string{"a", "b"}) {
		t.Errorf("have %q", *got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.hold()
	cancel()
	r.flush(ctx) // does not wait
	_ = r.stop(true)
}

// TestReportCancelled ends a reporter by its context.
func TestReportCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := collect(ctx)
	r.hold()
	cancel()
	r.flush(t.Context())
	_ = r.stop(false)
}

// TestReportFault keeps the first error of the one that delivers.
func TestReportFault(t *testing.T) {
	fault := errors.New("fault")
	n := 0
	r := newReporter(func(context.Context, Event) error { n++; return fault }, nil)
	go r.run(t.Context()) // stop waits for it
	r.post(NoteEvent{"a"})
	r.post(NoteEvent{"b"})
	if err := r.stop(false); err != fault || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
}

func TestExitCode(t *testing.T) {
	for _, x := range []struct {
		err  error
		want wire.Code
	}{
		{nil, 0},
		{ErrPartial, wire.CodePartial},
		{ErrVanished, wire.CodeVanished},
		{fmt.Errorf("x: %w", ErrDeleteGuard), wire.CodeDelete},
		{ErrDeleteLimit, wire.CodeDelete},
		{ErrSelect, wire.CodeSelect},
		{context.Canceled, wire.CodeSignal},
		{wire.ErrTimeout, wire.CodeTimeout},
		{wire.ErrVersion, wire.CodeProtocol},
		{wire.ErrProtocol, wire.CodeStream},
		{wire.ErrClosed, wire.CodeStream},
		{io.ErrUnexpectedEOF, wire.CodeStream},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, wire.CodeFile},
		{&wire.Error{Code: wire.CodeFile, Kind: wire.KindNoSpace}, wire.CodeFile},
		{errors.Join(wire.ErrClosed, wire.Errorf(wire.CodeSelect, "x")), wire.CodeSelect},
		{errors.New("whatever"), wire.CodeStream},
	} {
		if got := ExitCode(x.err); got != int(x.want) {
			t.Errorf("%v: %d, want %d", x.err, got, x.want)
		}
	}
}

// TestTroubleRoundTrip wants errors about files to keep their class on the wire.
func TestTroubleRoundTrip(t *testing.T) {
	for _, err := range []error{
		ErrVanished, ErrChanged, ErrContent, fs.ErrNotExist, fs.ErrPermission, fs.ErrExist,
		fmt.Errorf("deep: %w", ErrChanged), &fs.PathError{Op: "open", Path: "/secret/x", Err: syscall.EACCES},
	} {
		e := &FileError{Op: "op", Path: "path", Err: err}
		got := fromTrouble(toTrouble(e))
		if got.Op != e.Op || got.Path != e.Path || got.Vanished() != e.Vanished() {
			t.Errorf("%v: have %+v", err, got)
		}
		for _, class := range []error{ErrVanished, ErrChanged, ErrContent, fs.ErrPermission, fs.ErrExist} {
			if errors.Is(got, class) != errors.Is(e, class) {
				t.Errorf("%v: is %v: %v", err, class, errors.Is(got, class))
			}
		}
		if strings.Contains(got.Error(), "/secret") {
			t.Errorf("%v repeats the path", got)
		}
	}
}

func TestSplitPath(t *testing.T) {
	for _, x := range []struct {
		path, dir, name string
		content         bool
	}{
		{"a", ".", "a", false},
		{"a/", ".", "a", true},
		{"/a", "/", "a", false},
		{"/", "/", "", true},
		{"//", "/", "", true},
		{"a/b//", "a", "b", true},
		{".", ".", ".", true},
		{"a/..", "a", "..", true},
		{"../a", "..", "a", false},
	} {
		dir, name, content := splitPath(x.path)
		if dir != x.dir || name != x.name || content != x.content {
			t.Errorf("%q: %q %q %v", x.path, dir, name, content)
		}
	}
}

func TestClampPath(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "/a": "a", "a/b/": "a/b/", "../../etc": "etc", "a/../../b": "b", "": "", "/": "", ".": "", "a/.": "a/", "a//b": "a/b", "..": "",
	} {
		if got := clampPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestRunError: whatever a dead connection makes of an operation, what ends the run is why the connection died, so that
// a cut within a frame is not taken for a file that got shorter.
func TestRunError(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	conn, err := wire.New(a, wire.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for err, ends := range map[error]bool{
		io.ErrUnexpectedEOF: false, fs.ErrPermission: false, // of a file
		context.Canceled: true, fmt.Errorf("%w: x", wire.ErrProtocol): true,
	} {
		if got := runError(conn, err); (got != nil) != ends || ends && !errors.Is(got, err) {
			t.Errorf("with a live connection, %v ends the run with %v", err, got)
		}
	}
	cut := fmt.Errorf("cut: %w", io.ErrUnexpectedEOF)
	conn.Fail(cut)
	for _, err := range []error{io.ErrUnexpectedEOF, fs.ErrPermission, context.Canceled} {
		if got := runError(conn, err); got != cut {
			t.Errorf("with a dead connection, %v ends the run with %v", err, got)
		}
	}
}

// TestNameList: short names take memory, too.
func TestNameList(t *testing.T) {
	for _, x := range []struct {
		name string
		n    int // names that there is room for
	}{{"a", 58}, {"abcd", 50}, {strings.Repeat("n", 84), 10}} {
		l := nameList{room: 1000}
		for i := range x.n {
			if err := l.take([]string{x.name}); err != nil {
				t.Fatalf("%d of %d names: %v", i+1, x.n, err)
			}
		}
		if err := l.take([]string{x.name}); ExitCode(err) != int(wire.CodeMemory) || len(l.files) != x.n {
			t.Errorf("%d of %d names: %v", len(l.files), x.n, err)
		}
	}
}

func TestCompression(t *testing.T) {
	for o, want := range map[Options]wire.Compression{
		{}:                 wire.CompressSlow,
		{Compress: true}:   wire.CompressAlways,
		{NoCompress: true}: wire.CompressNever,
	} {
		j := overWire(t, &Job{Options: o, Sources: []string{"a"}}, true)
		if got := j.compression(); got != want {
			t.Errorf("%+v gives %d", o, got)
		}
	}
}
