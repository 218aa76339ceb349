package checkpoint

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gosync/delta"
)

// memFile is a file of which only what was synced survives a crash for certain.
type memFile struct {
	mu      sync.Mutex
	now     []byte
	durable []byte
	syncs   int
	fail    error // of Sync
	deny    error // of WriteAt
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= int64(len(f.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.now[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deny != nil {
		return 0, f.deny
	}
	if grow := int(off) + len(p) - len(f.now); grow > 0 {
		f.now = append(f.now, make([]byte, grow)...)
	}
	return copy(f.now[off:], p), nil
}

func (f *memFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	if f.fail != nil {
		return f.fail
	}
	f.durable = slices.Clone(f.now)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.now)), nil
}

func (f *memFile) Truncate(n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = append(f.now[:min(int(n), len(f.now))], make([]byte, max(int(n)-len(f.now), 0))...)
	return nil
}

// crash returns the file as it may be found after a power cut: some bytes that
// were not synced are there, others are not, and the end may be torn.
func (f *memFile) crash(rnd *rand.Rand) *memFile {
	b := slices.Clone(f.durable)
	if n := len(f.now) - len(b); n > 0 {
		b = append(b, f.now[len(b):len(b)+rnd.IntN(n+1)]...)
		for i := len(f.durable); i < len(b); i++ {
			if rnd.IntN(3) == 0 {
				b[i] = 0
			}
		}
	}
	return &memFile{now: b, durable: slices.Clone(b)}
}

const target = "target"

// chunk makes the content of a chunk; most of it is the same to be fast.
func chunk(n, version int) []byte {
	b := make([]byte, delta.ChunkSize)
	copy(b, fmt.Sprintf("%d of version %d", n, version))
	return b
}

// fill writes chunks from one on and lets them land.
func fill(t testing.TB, w *Writer, data *memFile, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		b := chunk(n, 1)
		if _, err := data.WriteAt(b, int64(n)*delta.ChunkSize); err != nil {
			t.Fatal(err)
		}
		w.Landed(delta.Sum(b))
	}
}

func held(t testing.TB, sidecar, data *memFile) (*State, int) {
	t.Helper()
	s, err := Read(sidecar, target)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := s.Held(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	for i, sum := range sums {
		b := make([]byte, delta.ChunkSize)
		if _, err := data.ReadAt(b, int64(i)*delta.ChunkSize); err != nil || delta.Sum(b) != sum {
			t.Fatalf("chunk %d is not what was said of it: %v", i, err)
		}
	}
	return s, len(sums)
}

func TestResume(t *testing.T) {
	sidecar, data := &memFile{}, &memFile{}
	id := Identity{Size: 9 << 20, Sec: -5, Nsec: 7}
	w := Begin(sidecar, data, target, id, Options{})
	fill(t, w, data, 0, 5)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	s, n := held(t, sidecar, data)
	if n != 5 || s.Source != id || s.InPlace {
		t.Fatalf("%d chunks of %+v", n, s)
	}
	// Fewer are kept, of another state of the source.
	id.Sec++
	w = Resume(sidecar, data, s, 3, target, id, Options{})
	if s, n := held(t, sidecar, data); n != 3 || s.Source != id {
		t.Errorf("%d chunks of %+v after a cut", n, s.Source)
	}
	fill(t, w, data, 3, 8)
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
	if _, n := held(t, sidecar, data); n != 8 {
		t.Errorf("%d chunks", n)
	}
	// More are kept than were noted: there would be a gap.
	s, _ = held(t, sidecar, data)
	w = Resume(sidecar, data, s, 9, target, id, Options{})
	fill(t, w, data, 9, 10)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, n := held(t, sidecar, data); n != 8 {
		t.Errorf("%d chunks behind a gap", n)
	}
}

// TestOften checks when checkpoints are made.
func TestOften(t *testing.T) {
	sidecar, data := &memFile{}, &memFile{}
	now := time.Unix(1000, 0)
	w := Begin(sidecar, data, target, Identity{}, Options{Now: func() time.Time { return now }})
	step := func(want int, why string) {
		t.Helper()
		w.running.Wait()
		if data.syncs != want || sidecar.syncs != want {
			t.Errorf("%s: %d and %d syncs, want %d", why, data.syncs, sidecar.syncs, want)
		}
	}
	for n := range everyChunks - 1 {
		w.Landed(delta.Digest{byte(n)})
	}
	step(0, "one chunk less")
	w.Landed(delta.Digest{})
	step(1, "as many as make a checkpoint")
	now = now.Add(everyTime)
	step(1, "no chunk in 5 s")
	w.Landed(delta.Digest{})
	step(2, "one chunk after 5 s")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	step(2, "nothing to flush")
}

// slowFile takes its time to become durable.
type slowFile struct {
	memFile
	goOn chan struct{}
}

func (f *slowFile) Sync() error {
	<-f.goOn
	return f.memFile.Sync()
}

// TestBehind bounds how many chunks no checkpoint covers while a disk is slow.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := &slowFile{goOn: make(chan struct{})}
		w := Begin(&memFile{}, data, target, Identity{}, Options{})
		var landed atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := range 1000 {
				w.Landed(delta.Digest{byte(n)})
				landed.Add(1)
			}
		})
		noted := func() int64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return int64(w.noted)
		}
		for all := false; !all; all = landed.Load() == 1000 {
			synctest.Wait()
			if behind := landed.Load() - noted(); behind >= maxBehind {
				t.Errorf("%d chunks have landed that no checkpoint covers", behind)
				break
			}
			data.goOn <- struct{}{}
		}
		close(data.goOn)
		wg.Wait()
		if err := w.Flush(); err != nil || w.noted != 1000 {
			t.Errorf("%d chunks are noted, %v", w.noted, err)
		}
	})
}

// TestOrder crashes again and again: never does the sidecar speak of data that is
// not durable, and what was durable is not lost.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		sidecar, data := &memFile{}, &memFile{}
		var s *State
		have := 0 // chunks
		for run := range rapid.IntRange(1, 4).Draw(t, "runs") {
			now := time.Unix(0, 0)
			o := Options{Now: func() time.Time { return now }}
			id := Identity{Size: int64(run / 2)}
			var w *Writer
			if s == nil {
				w, have = Begin(sidecar, data, target, id, o), 0
			} else {
				have = rapid.IntRange(0, have).Draw(t, "keep")
				_ = data.Truncate(int64(have) * delta.ChunkSize)
				w = Resume(sidecar, data, s, have, target, id, o)
			}
			durable := have
			for range rapid.IntRange(0, 4).Draw(t, "chunks") {
				b := chunk(have, run)
				_, _ = data.WriteAt(b, int64(have)*delta.ChunkSize)
				w.Landed(delta.Sum(b))
				have++
				if rapid.Bool().Draw(t, "late") {
					now = now.Add(everyTime)
				}
				w.running.Wait() // or the crash would race with it
				if len(w.fresh) == 0 {
					durable = have
				}
			}
			begun := s != nil || sidecar.syncs > 0
			synced := len(data.durable)
			sidecar, data = sidecar.crash(rnd), data.crash(rnd)
			var err error
			if s, err = Read(sidecar, target); err != nil {
				if begun {
					t.Fatalf("a durable sidecar cannot be read: %v", err)
				}
				sidecar, data = &memFile{}, &memFile{}
				continue
			}
			if len(s.Sums)*delta.ChunkSize > synced {
				t.Fatalf("%d chunks are noted, %d bytes are durable", len(s.Sums), synced)
			}
			sums, err := s.Held(context.Background(), data)
			if err != nil || len(sums) < durable {
				t.Fatalf("%d chunks are held, %d are durable: %v", len(sums), durable, err)
			}
			have = len(sums) // what was dropped, but not durably, may be there
		}
	})
}

// TestZeros: a file that had grown before the crash, but was not written yet.
func TestZeros(t *testing.T) {
	sidecar, data := small(t)
	good := slices.Clone(sidecar.now)
	for _, tail := range [][]byte{make([]byte, 5), make([]byte, 9), make([]byte, 4096), append(make([]byte, 100), good...)} {
		sidecar.now = append(slices.Clone(good), tail...)
		s, n := held(t, sidecar, data)
		if n != 3 {
			t.Errorf("%d chunks are held with %d bytes behind them", n, len(tail))
		}
		w := Resume(sidecar, data, s, 3, target, s.Source, Options{})
		fill(t, w, data, 3, 4)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, n := held(t, sidecar, data); n != 4 {
			t.Errorf("%d chunks are held after going on", n)
		}
	}
}

// TestFailures: what cannot be noted costs a later run bytes, what cannot be made
// durable is lost for good, even where a second attempt seems to succeed.
func TestFailures(t *testing.T) {
	broken := errors.New("broken")
	t.Run("sidecar", func(t *testing.T) {
		sidecar, data := &memFile{deny: broken}, &memFile{}
		warned := 0
		w := Begin(sidecar, data, target, Identity{}, Options{Warn: func(err error) {
			if !errors.Is(err, broken) {
				t.Error(err)
			}
			warned++
		}})
		fill(t, w, data, 0, 2)
		if err := w.Flush(); err != nil || warned != 1 {
			t.Errorf("%v, warned %d times", err, warned)
		}
	})
	t.Run("sidecar sync", func(t *testing.T) {
		sidecar, data := &memFile{fail: broken}, &memFile{}
		w := Begin(sidecar, data, target, Identity{}, Options{})
		fill(t, w, data, 0, 2)
		if err := w.Flush(); err != nil {
			t.Error(err)
		}
	})
	t.Run("data", func(t *testing.T) {
		sidecar, data := &memFile{}, &memFile{fail: broken}
		w := Begin(sidecar, data, target, Identity{}, Options{})
		fill(t, w, data, 0, 2)
		if err := w.Flush(); !errors.Is(err, broken) {
			t.Error(err)
		}
		data.fail = nil
		fill(t, w, data, 2, 3)
		if err := w.Flush(); !errors.Is(err, broken) {
			t.Errorf("the second attempt is taken for good: %v", err)
		}
		if s, err := Read(sidecar, target); err != nil || len(s.Sums) > 0 || data.syncs != 1 {
			t.Errorf("%v, %v, %d syncs", s, err, data.syncs)
		}
	})
}

func TestLazy(t *testing.T) {
	sidecar, data := &memFile{}, &memFile{}
	w := Begin(sidecar, data, target, Identity{}, Options{Lazy: true})
	fill(t, w, data, 0, 3)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, n := held(t, sidecar, data); n != 3 || data.syncs+sidecar.syncs > 0 {
		t.Errorf("%d chunks, %d syncs", n, data.syncs+sidecar.syncs)
	}
}

func TestInPlace(t *testing.T) {
	f := &memFile{now: []byte("something else")}
	if err := MarkInPlace(f, target, false); err != nil || f.syncs != 1 {
		t.Fatal(err)
	}
	if s, err := Read(f, target); err != nil || !s.InPlace {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Read(f, "other"); !errors.Is(err, ErrInvalid) {
		t.Errorf("the sidecar of another file: %v", err)
	}
}

// small makes a sidecar of a few records and the partial that belongs to it.
func small(t testing.TB) (sidecar, data *memFile) {
	sidecar, data = &memFile{}, &memFile{}
	now := time.Unix(0, 0)
	w := Begin(sidecar, data, target, Identity{Size: 4 << 20, Sec: 3}, Options{Now: func() time.Time { return now }})
	for n := range 3 {
		now = now.Add(everyTime)
		fill(t, w, data, n, n+1)
		w.running.Wait()
	}
	return sidecar, data
}

// TestEveryByte flips every byte of a sidecar, and cuts it at every length: never
// is a chunk taken for held that is not there.
func TestEveryByte(t *testing.T) {
	sidecar, data := small(t)
	whole := sidecar.now
	if s, n := held(t, sidecar, data); n != 3 || len(s.Sums) != 3 {
		t.Fatalf("%d chunks", n)
	}
	try := func(what string, i int, b []byte) {
		s, err := Read(&memFile{now: b}, target)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("%s %d: %v", what, i, err)
			}
			return
		}
		for n, sum := range s.Sums {
			if sum != delta.Sum(chunk(n, 1)) {
				t.Fatalf("%s %d: chunk %d has a digest that was never written", what, i, n)
			}
		}
	}
	for i := range whole {
		for bit := range 8 {
			b := slices.Clone(whole)
			b[i] ^= 1 << bit
			try("flip", i, b)
		}
	}
	last := -1
	for i := range len(whole) + 1 {
		b := slices.Clone(whole[:i])
		try("cut", i, b)
		if s, err := Read(&memFile{now: b}, target); err == nil {
			if len(s.Sums) < last {
				t.Errorf("cut at %d: fewer chunks than of a shorter one", i)
			}
			last = len(s.Sums)
		}
	}
	if last != 3 {
		t.Errorf("%d chunks in the end", last)
	}
}

// TestHostile reads sidecars that were made to mislead, with right checksums.
func TestHostile(t *testing.T) {
	source := append(Identity{}.encode(), target...)
	begin := func() []byte { return appendRecord([]byte(magic), recordSource, source) }
	sum := make([]byte, digestSize)
	for name, b := range map[string][]byte{
		"empty":               nil,
		"magic only":          []byte(magic),
		"no source":           appendRecord([]byte(magic), recordChunks, number(0), sum),
		"gap":                 appendRecord(begin(), recordChunks, number(1), sum),
		"huge position":       appendRecord(begin(), recordChunks, number(-1), sum),
		"half a digest":       appendRecord(begin(), recordChunks, number(0), sum[:5]),
		"cut of nothing":      appendRecord(begin(), recordCut, number(1)),
		"cut with more":       appendRecord(begin(), recordCut, number(0), sum),
		"short number":        appendRecord(begin(), recordCut, []byte{1}),
		"in place later":      appendRecord(begin(), recordInPlace, []byte(target)),
		"chunks in place":     appendRecord(appendRecord([]byte(magic), recordInPlace, []byte(target)), recordChunks, number(0), sum),
		"unknown record":      appendRecord(begin(), 9, sum),
		"short source":        appendRecord([]byte(magic), recordSource, []byte("x")),
		"long name":           appendRecord([]byte(magic), recordInPlace, bytes.Repeat([]byte("n"), 300)),
		"record too long":     appendRecord(begin(), recordChunks, make([]byte, maxPayload+1)),
		"another file's name": appendRecord([]byte(magic), recordInPlace, []byte("other")),
	} {
		if s, err := Read(&memFile{now: b}, target); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	// More chunks than the partial has, and one that is wrong.
	sidecar, data := small(t)
	data.now = data.now[:2*delta.ChunkSize+5]
	if _, n := held(t, sidecar, data); n != 2 {
		t.Errorf("%d chunks of a short partial", n)
	}
	data.now[7] ^= 1
	if _, n := held(t, sidecar, data); n != 0 {
		t.Errorf("%d chunks of a wrong partial", n)
	}
	big := &sizedFile{memFile: memFile{now: begin()}, size: maxSidecar + 1}
	if _, err := Read(big, target); !errors.Is(err, ErrInvalid) {
		t.Errorf("a huge sidecar: %v", err)
	}
}

type sizedFile struct {
	memFile
	size int64
}

func (f *sizedFile) Size() (int64, error) { return f.size, nil }

// FuzzRead reads anything. What it accepts is encoded in one way.
func FuzzRead(f *testing.F) {
	sidecar, _ := small(f)
	f.Add(sidecar.now)
	f.Add(appendRecord([]byte(magic), recordInPlace, []byte(target)))
	f.Add(appendRecord(slices.Clone(sidecar.now), recordCut, number(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode(b, target)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if len(s.Sums)*digestSize > len(b) || s.end > int64(len(b)) {
			t.Fatalf("%d chunks of %d bytes", len(s.Sums), len(b))
		}
		again, err := decode(b[:s.end], target)
		if err != nil || again.Source != s.Source || again.InPlace != s.InPlace || !slices.Equal(again.Sums, s.Sums) || again.end != s.end {
			t.Fatalf("without its torn end it is %+v, %v", again, err)
		}
		// Records have one encoding.
		for off := len(magic); off < int(s.end); {
			n := int(binary.LittleEndian.Uint32(b[off:]))
			rec := appendRecord(nil, b[off+4], b[off+recordHead:off+recordHead+n])
			if !bytes.Equal(rec, b[off:off+len(rec)]) {
				t.Fatalf("the record at %d is encoded in another way", off)
			}
			off += len(rec)
		}
	})
}
