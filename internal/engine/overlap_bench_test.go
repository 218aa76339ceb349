package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
)

// slowDisk makes reads wait as long as a disk of rate bytes a second would. What was
// among the last cache bytes that it read is not read again.
type slowDisk struct {
	rate, cache int64

	mu    sync.Mutex
	free  time.Time       // when it has done what it was asked for
	read  int64           // bytes
	pages map[int64]int64 // by MiB of the file: the value of read behind it
}

func (d *slowDisk) wait(off, n int64) {
	d.mu.Lock()
	if now := time.Now(); d.free.Before(now) {
		d.free = now
	}
	for n > 0 {
		k := min(n, 1<<20-off%(1<<20))
		page := off >> 20
		if at, ok := d.pages[page]; !ok || d.read-at > d.cache || off%(1<<20) > 0 && at == d.read { // or it goes on
			d.read += k
			d.pages[page] = d.read
			d.free = d.free.Add(time.Duration(k) * time.Second / time.Duration(d.rate))
		}
		off, n = off+k, n-k
	}
	until := d.free
	d.mu.Unlock()
	if left := time.Until(until); left > 2*time.Millisecond { // short sleeps take longer than they should
		time.Sleep(left)
	}
}

// readAt reads from a file on the disk.
func (d *slowDisk) readAt(f engine.File, p []byte, off int64) (int, error) {
	n, err := f.ReadAt(p, off)
	d.wait(off, int64(n))
	return n, err
}

// BenchmarkSlowDisks updates a file in which one page of a hundred was edited; both
// ends read 200 MB/s. Once the old file stays in the destination's cache, once it is
// too large for that.
func BenchmarkSlowDisks(b *testing.B) {
	const size, rate = 384 << 20, 200e6
	old := []byte(random(95, size))
	now := append([]byte(nil), old...)
	for i := 0; i < size/4096; i += 100 {
		copy(now[i*4096:], random(uint64(i), 4096))
	}
	for _, cache := range []int64{size, size / 2} {
		b.Run(fmt.Sprintf("cache=%dMiB", cache>>20), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				dir := b.TempDir()
				for name, content := range map[string][]byte{"src": now, "dst": old} {
					if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
						b.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(dir, name, "f"), content, 0o644); err != nil {
						b.Fatal(err)
					}
				}
				job := jobFor(filepath.Join(dir, "src"), filepath.Join(dir, "dst"))
				job.IgnoreTimes, job.Durability = true, engine.SyncNone
				source := &slowDisk{rate: rate, cache: size, pages: map[int64]int64{}}
				h := &hookHost{
					&basisHost{host(), (&slowDisk{rate: rate, cache: cache, pages: map[int64]int64{}}).readAt},
					&hooks{file: func(_ string, f engine.File) engine.File { return &fileHook{File: f, readAt: source.readAt} }},
				}
				b.StartTimer()
				out := trial{way: push, host: h, job: job}.do(b.Context())
				if out.err != nil {
					b.Fatal(out.err)
				}
				b.ReportMetric(float64(out.sum.Literal), "literals")
				b.StopTimer()
				_ = os.RemoveAll(dir)
				b.StartTimer()
			}
		})
	}
}
