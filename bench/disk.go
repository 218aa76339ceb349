package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// probeSize is how much is written to find out how fast a disk is.
const probeSize = 32 << 20

// diskSpeed measures how many MiB a second the destination's disk makes durable, in one file that is written in order. It is
// nil where that cannot be told.
func (b *run) diskSpeed(ctx context.Context) *float64 {
	took, err := b.writeThere(ctx)
	if err != nil || took <= 0 {
		return nil
	}
	return new(float64(probeSize) / (1 << 20) / took.Seconds())
}

func (b *run) writeThere(ctx context.Context) (time.Duration, error) {
	if b.end.loopback() {
		return writeDurably(ctx, filepath.Join(b.end.dir, "probe"), b.c.Seed)
	}
	dir := quote(b.end.dir)
	ctx, cancel := context.WithTimeout(ctx, b.c.Limit) // a disk that hangs is not known, either
	defer cancel()
	// What does not compress, and is in the caches when it is read. macOS has no conv=fsync, and is not known.
	prepare := fmt.Sprintf("cd %s && head -c %d /dev/urandom | dd of=probe bs=65536 conv=fsync 2>/dev/null\n", dir, probeSize)
	if _, err := b.end.far.Run(ctx, prepare); err != nil {
		return 0, err
	}
	begin := time.Now()
	if _, err := b.end.far.Run(ctx, "true\n"); err != nil {
		return 0, err
	}
	start := time.Since(begin)
	begin = time.Now()
	_, err := b.end.far.Run(ctx, fmt.Sprintf("cd %s && dd if=probe of=probed bs=1048576 conv=fsync 2>/dev/null\n", dir))
	took := time.Since(begin) - start
	clean, done := context.WithTimeout(context.WithoutCancel(ctx), b.c.Limit)
	defer done()
	if _, left := b.end.far.Run(clean, fmt.Sprintf("cd %s && rm -f probe probed\n", dir)); err == nil {
		err = left
	}
	return took, err
}

// writeDurably writes a file and removes it.
func writeDurably(ctx context.Context, name string, seed uint64) (time.Duration, error) {
	data := make([]byte, probeSize)
	_, _ = io.ReadFull(randomBytes(seed, 8), data) // never fails
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer os.Remove(name) // its directory goes at the end
	begin := time.Now()
	for rest := data; len(rest) > 0 && err == nil && ctx.Err() == nil; rest = rest[min(1<<20, len(rest)):] {
		_, err = f.Write(rest[:min(1<<20, len(rest))])
	}
	if err == nil {
		err = f.Sync()
	}
	took := time.Since(begin)
	if end := f.Close(); err == nil {
		err = end
	}
	return took, err
}

// diskText says how fast the destination's disk is, "" where that is not known.
func (r *Report) diskText() string {
	if r.There.DiskWrite == nil {
		return ""
	}
	return fmt.Sprintf("The destination's disk makes %.0f MiB a second durable: gosync, which waits for that, cannot be faster (gosync-nosync can).", *r.There.DiskWrite)
}
