package delta

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"testing"
)

// pair is a basis and a target that are made to be hard.
type pair struct {
	name          string
	basis, target []byte
}

// hardPairs are the worst cases of a delta: what repeats itself, what is alike almost
// everywhere, and what has nothing in common.
func hardPairs(t testing.TB, size int) []pair {
	t.Helper()
	r := rng(21)
	random, other := r.bytes(size), r.bytes(size)
	line := bytes.Repeat([]byte("all work and no play makes jack a dull boy\n"), size/43+1)[:size]
	alike := bytes.Clone(random) // all blocks begin alike
	for i := 0; i+2<<10 <= size; i += 4 << 10 {
		copy(alike[i:], other[:2<<10])
	}
	pages, pages2 := databasePages(random, 0), databasePages(random, 1)
	logs := logLines(size, 0)
	return []pair{
		{"nothing in common", random, other},
		{"zeros for random", random, make([]byte, size)},
		{"random for zeros", make([]byte, size), random},
		{"a repeated line, shifted", line, line[7:]},
		{"equal prefixes, shifted", alike, r.scatter(append([]byte("?"), alike[:size-1]...), size/4096, 1)},
		{"every page of a database touched", pages, pages2},
		{"4 bytes in every 512", random, everyNth(random, 512, 4)},
		{"1 byte in every 96", random, everyNth(random, 96, 1)},
		{"logs of another day", logs, logLines(size, 1)},
		{"compressed archives", deflated(t, logs), deflated(t, append([]byte("one line more\n"), logs...))},
	}
}

// databasePages gives each page of 8 KiB a counter at its start and a sum at its end.
func databasePages(content []byte, step int) []byte {
	b := bytes.Clone(content)
	for i := 0; i+8<<10 <= len(b); i += 8 << 10 {
		binary.LittleEndian.PutUint64(b[i:], uint64(i*7+step))
		binary.LittleEndian.PutUint64(b[i+8<<10-8:], mix(uint64(i+step)))
	}
	return b
}

func everyNth(content []byte, n, width int) []byte {
	b := bytes.Clone(content)
	for i := 0; i+n <= len(b); i += n {
		for k := range width {
			b[i+k+i/n%8] ^= 0x5a
		}
	}
	return b
}

func logLines(size, day int) []byte {
	r := rng(uint64(33 + day))
	b := make([]byte, 0, size+100)
	for i := 0; len(b) < size; i++ {
		b = fmt.Appendf(b, "2026-01-%02d 12:%02d:%02d host app[%d]: request %x took %d ms\n", day+1, i/60%60, i%60, 1000+i%7, r.next(), r.intn(90))
	}
	return b[:size]
}

func deflated(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	check(t, err)
	_, err = w.Write(content)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

// TestWorstWire: whatever the files are, a delta puts no more on the wire than the file,
// a hundredth of it, and the coarse signature.
func TestWorstWire(t *testing.T) {
	for _, size := range []int{60 << 10, 1 << 20, 9 << 20} {
		for _, c := range hardPairs(t, size) {
			got, tr := newSession(c.basis).run(t, c.basis, c.target)
			if !bytes.Equal(got, c.target) && tr.bad == 0 {
				t.Errorf("%s, %d bytes: the target is not what comes of it", c.name, size)
			}
			n := len(c.target)
			if most := n + n/100 + tr.signature + 1<<10; tr.total()+tr.bad*ChunkSize > most {
				t.Errorf("%s, %d bytes: %d on the wire, more than %d: %+v", c.name, n, tr.total(), most, tr)
			}
		}
	}
}

// BenchmarkWorst is what both ends of a delta compute; "whole" is what they compute
// for a file that is sent as it is, beside the line: a digest at each end.
func BenchmarkWorst(b *testing.B) {
	const size = 32 << 20
	pairs := hardPairs(b, size)
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			for off := 0; off < size; off += ChunkSize {
				Sum(pairs[0].target[off : off+ChunkSize])
				Sum(pairs[0].target[off : off+ChunkSize])
			}
		}
	})
	for _, c := range pairs {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.target)))
			b.ReportAllocs()
			var tr traffic
			for b.Loop() {
				_, tr = newSession(c.basis).run(b, c.basis, c.target)
			}
			b.ReportMetric(float64(tr.total())/float64(len(c.target)), "wire/B")
		})
	}
}
