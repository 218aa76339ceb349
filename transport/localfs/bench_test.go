//go:build unix

package localfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
	"gosync/walker"
)

// BenchmarkList lists a directory of 20,000 files.
func BenchmarkList(b *testing.B) {
	const files = 20_000
	root := b.TempDir()
	for i := range files {
		must(b, os.WriteFile(filepath.Join(root, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644))
	}
	tree := openTree(b, root, engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	b.ReportAllocs()
	for b.Loop() {
		entries, err := tree.List(b.Context(), "")
		if err != nil || len(entries) != files {
			b.Fatal(len(entries), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/entry")
}

// BenchmarkWalk walks 400 directories of 50 files.
func BenchmarkWalk(b *testing.B) {
	const dirs, files = 400, 50
	root := b.TempDir()
	for d := range dirs {
		dir := filepath.Join(root, fmt.Sprint(d/20), fmt.Sprint(d%20))
		must(b, os.MkdirAll(dir, 0o755))
		for i := range files {
			must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%05d.txt", i)), nil, 0o644))
		}
	}
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tree := openTree(b, root, engine.DestOptions{ReadOnly: true})
				n := 0
				node := &walker.Node{Contents: []walker.Origin{{Tree: tree}}}
				must(b, walker.Walk(b.Context(), node, walker.Options{Workers: workers}, func(d *walker.Dir) error {
					n += len(d.Entries)
					return d.Err
				}))
				if n < dirs*files {
					b.Fatal(n)
				}
				must(b, tree.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(dirs*files), "ns/entry")
		})
	}
}

// BenchmarkCreate makes 5,000 files of 4 KiB by each policy.
func BenchmarkCreate(b *testing.B) {
	const files, size = 5_000, 4 << 10
	content := string(make([]byte, size))
	for name, policy := range map[string]engine.Durability{"none": engine.SyncNone, "run": engine.SyncRun} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(files * size)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				root := b.TempDir()
				b.StartTimer()
				tree := openTree(b, root, engine.DestOptions{Durability: policy})
				for i := range files {
					if i%50 == 0 {
						must(b, tree.Mkdir(b.Context(), fmt.Sprint(i/50)))
					}
					put(b, tree, fmt.Sprintf("%d/%d", i/50, i), content, func(err error) { must(b, err) })
				}
				must(b, tree.Sync(b.Context()))
				must(b, tree.Close())
				b.StopTimer()
				must(b, os.RemoveAll(root))
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/files, "ns/file")
		})
	}
}
