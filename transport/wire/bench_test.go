package wire

import (
	"context"
	"fmt"
	"testing"

	"gosync/walker/manifest"
)

// BenchmarkPipe moves frames of content between two ends in one process.
func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{4 << 10, BulkSize} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			near, far := pair(b, Config{})
			content := pattern(0, size)
			done := make(chan int, 1)
			go func() {
				n := 0
				for ; ; n++ {
					f, err := far.Next()
					if err != nil {
						break
					}
					f.Release()
				}
				done <- n
			}()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				f := near.Buffer(TypeData)
				f.B = append(f.B, content...)
				if err := near.SendBuffer(context.Background(), f); err != nil {
					b.Fatal(err)
				}
				n++
			}
			must(b, near.Drain(context.Background()))
			must(b, near.Close())
			if got := <-done; got != n {
				b.Fatalf("%d frames of %d arrived", got, n)
			}
			must(b, far.Close())
		})
	}
}

// BenchmarkCompressed is BenchmarkPipe with compression of content that shrinks
// to about a half.
func BenchmarkCompressed(b *testing.B) {
	near, far := pair(b, Config{Compress: CompressAlways})
	defer far.Close()
	defer near.Close()
	content := pattern(0, BulkSize)
	for i := range content {
		content[i] &= 0x0f
	}
	b.SetBytes(BulkSize)
	b.ReportAllocs()
	for b.Loop() {
		f := near.Buffer(TypeData)
		f.B = append(f.B, content...)
		must(b, near.SendBuffer(context.Background(), f))
		g, err := far.Next()
		must(b, err)
		_, err = g.Payload()
		must(b, err)
		g.Release()
	}
}

// many returns directories of 100 files each, as a source tree has them.
func many(n int) []ListingRecord {
	var records []ListingRecord
	for d := range n / 100 {
		r := ListingRecord{Dir: d, Parent: d - 1, Entry: 1}
		if d == 0 {
			r.Entry = 0
		}
		for i := range 100 {
			e := manifest.Entry{Name: fmt.Sprintf("module_%03d_test.go", i), Type: manifest.Regular, Mode: 0o644, UID: 1000, GID: 1000}
			e.Size, e.Sec, e.Nsec = int64(i*977), 1_700_000_000+int64(i*d), uint32(i*123_456)
			r.Entries = append(r.Entries, e)
		}
		records = append(records, r)
	}
	return records
}

const manyEntries = 20_000

func BenchmarkListingsEncode(b *testing.B) {
	records := many(manyEntries)
	size := 0
	w := ListingWriter{Flush: func(p []byte) error {
		size += len(p)
		return nil
	}}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for i := range records {
			must(b, w.Add(&records[i]))
		}
		must(b, w.Send())
		n++
	}
	b.ReportMetric(float64(size)/float64(n*manyEntries), "B/entry")
	b.ReportMetric(float64(n*manyEntries)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkListingsDecode(b *testing.B) {
	payloads := writeListings(b, many(manyEntries))
	size := 0
	for _, p := range payloads {
		size += len(p)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		got := 0
		for _, p := range payloads {
			m := Listings{p}
			for {
				r, more, err := m.NextListing()
				must(b, err)
				if !more {
					break
				}
				got += len(r.Entries)
			}
		}
		if got != manyEntries {
			b.Fatalf("%d entries", got)
		}
		n++
	}
	b.ReportMetric(float64(n*manyEntries)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkDecode decodes a small message, as there is one for each directory.
func BenchmarkDecode(b *testing.B) {
	p := (&Want{Dir: 7, Entries: []int{1, 2, 3, 10, 40}}).append(nil)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Decode(TypeWant, p)
		must(b, err)
	}
}
