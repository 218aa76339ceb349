package engine_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
)

func TestParseShard(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "1", "/", "1/", "/2", "3/2", "-1/2", "1/0", "1/2/3", "a/b", "1/2000000", "0/0"} {
		if s, err := engine.ParseShard(bad); err == nil {
			t.Errorf("%q is %v", bad, s)
		}
	}
	for _, n := range []int64{1, 2, 7} {
		last, _ := engine.ParseShard(fmt.Sprintf("%d/%d", n, n))
		first, _ := engine.ParseShard(fmt.Sprintf("0/%d", n))
		count := map[bool]int{}
		for i := range 1000 {
			dir := fmt.Sprintf("a/dir%d", i)
			if first.Has(dir) != last.Has(dir) {
				t.Fatalf("0/%d and %d/%d are different parts", n, n, n)
			}
			count[last.Has(dir)]++
		}
		if share := 1000 / int(n); count[true] < share*3/4 || count[true] > share*4/3 {
			t.Errorf("a part of %d has %d of 1000 directories", n, count[true])
		}
	}
}

// shardTree is a random tree: the same for the same seed.
func shardTree(r *rand.Rand, dirs int) map[string]string {
	names := []string{""}
	files := map[string]string{}
	for i := range dirs {
		at := names[r.IntN(len(names))]
		name := fmt.Sprintf("%sd%d/", at, i)
		names = append(names, name)
		for j := range r.IntN(4) {
			files[fmt.Sprintf("%sf%d", name, j)] = fmt.Sprint("content ", i, j)
		}
	}
	files["top"] = "top"
	return files
}

// TestShards copies trees in parts, at once and one after the other: what is there in
// the end is what one run makes, deletions and all, every file is copied once, and no
// part touches what is another's.
func TestShards(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for round, n := range []int64{1, 2, 3, 5} {
			r := rand.New(rand.NewPCG(uint64(n), 7))
			old := map[string]string{}
			if round%2 == 1 {
				old = shardTree(r, 15)
				for name := range maps.Clone(old) {
					old[filepath.Dir(name)+"/extra"] = "extra"
				}
			}
			src, dst := dirs(t, shardTree(r, 25), old)
			whole := dst + "-whole"
			must(t, os.CopyFS(whole, os.DirFS(dst)))
			job := jobFor(src, whole)
			job.Delete, job.ForceDelete = true, true
			trial{way: w, job: job}.must(t)
			before := fingerprint(t, dst)
			var mu sync.Mutex
			var transferred int64
			run := func(i int64) {
				job := jobFor(src, dst)
				job.Delete, job.ForceDelete, job.Shard = true, true, engine.Shard{Index: i, Count: n}
				out := trial{way: w, job: job}.must(t)
				mu.Lock()
				defer mu.Unlock()
				transferred += out.sum.Transferred
			}
			run(1)
			part := engine.Shard{Index: 1, Count: n}
			for name := range before {
				dir := filepath.Dir(name)
				if dir == "." {
					dir = ""
				}
				if !part.Has(dir) && !exists(filepath.Join(dst, name)) && exists(filepath.Join(dst, dir)) {
					t.Errorf("part 1/%d removes %s, which is not its own", n, name)
				}
			}
			var wg sync.WaitGroup
			for i := int64(2); i <= n; i++ {
				wg.Go(func() { run(i) })
			}
			wg.Wait()
			equalTrees(t, src, dst)
			equalTrees(t, whole, dst)
			if files := int64(len(shardFiles(t, src))); round%2 == 0 && transferred != files {
				t.Errorf("%d parts transfer %d files, there are %d", n, transferred, files)
			}
		}
	})
}

func shardFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// TestShardTimes has a part change a directory whose content is another's, after that
// one has set its time.
func TestShardTimes(t *testing.T) {
	src, dst := dirs(t, shardTree(rand.New(rand.NewPCG(1, 1)), 30), nil)
	long := time.Unix(1_000_000_000, 0)
	must(t, filepath.WalkDir(src, func(path string, _ os.DirEntry, _ error) error { return os.Chtimes(path, long, long) }))
	for i := range int64(4) {
		job := jobFor(src, dst)
		job.Shard = engine.Shard{Index: i, Count: 4}
		trial{way: local, job: job}.must(t)
	}
	must(t, filepath.WalkDir(dst, func(path string, _ os.DirEntry, _ error) error {
		if st, err := os.Stat(path); err != nil || !st.ModTime().Equal(long) {
			t.Errorf("%s has the time %v (%v)", path, st.ModTime(), err)
		}
		return nil
	}))
}
