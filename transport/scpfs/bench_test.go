package scpfs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
)

// BenchmarkSSH copies 2,000 small files and a large one through a real sshd, and has scp,
// by either of its protocols, do the same beside it.
func BenchmarkSSH(b *testing.B) {
	srv, far := overSSH(b)
	dir := b.TempDir()
	const large = 128 << 20
	sizes := map[string]int64{"large": large}
	for i := range 2000 {
		n := 200 + i%3000
		write(b, filepath.Join(dir, "small", fmt.Sprintf("d%02d/f%04d", i%50, i)), string(make([]byte, n)), 0o644)
		sizes["small"] += int64(n)
	}
	write(b, filepath.Join(dir, "large", "file"), string(make([]byte, large)), 0o644)
	o := engine.Options{Recursive: true, MaxDelete: -1, Durability: engine.SyncNone}
	for name, size := range sizes {
		src := filepath.Join(dir, name)
		for _, way := range []string{"push", "pull"} {
			run, from, to := push, src, srv.Alias+":"
			if way == "pull" {
				run, from, to = pull, srv.Alias+":"+src, ""
			}
			b.Run(name+"/"+way+"/gosync", func(b *testing.B) {
				copies(b, size, func(dst string) error {
					_, _, err := run(b, far, engine.Job{Options: o, Sources: []string{src}, Dest: dst})
					return err
				})
			})
			for tool, args := range map[string][]string{"scp": nil, "scp -O": {"-O"}} {
				b.Run(name+"/"+way+"/"+tool, func(b *testing.B) {
					copies(b, size, func(dst string) error {
						return exec.Command("scp", append(args[:len(args):len(args)], "-q", "-r", "-F", srv.Config, from, to+dst)...).Run()
					})
				})
			}
		}
	}
}

// copies measures a copy into an empty directory.
func copies(b *testing.B, size int64, run func(dst string) error) {
	b.SetBytes(size)
	dst := filepath.Join(b.TempDir(), "dst")
	for b.Loop() {
		b.StopTimer()
		if err := os.Mkdir(dst, 0o755); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := run(dst); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := os.RemoveAll(dst); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
