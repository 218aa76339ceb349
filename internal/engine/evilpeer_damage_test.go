package engine_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosync/delta"
	"gosync/transport/wire/evilpeer"
)

const (
	damagedRuns    = 400       // of an ordinary test
	damagedLong    = 1_000_000 // changes of one with GOSYNC_LONG
	damagedWorkers = 6         // runs at a time: many wait for a peer that will say no more
)

// damageBench is what one worker of TestDamagedPeers damages: scenes, which it
// makes again and again, with what is right in them.
type damageBench struct {
	bench *evilpeer.Bench
	src   map[string]string // files of the source and their content, see files
	any   map[string]bool   // contents that may be there: all of both trees
}

// TestDamagedPeers lets frames be damaged at random, at both ends and in both
// directions. A run that ends well has done what it was to do. However it ends,
// every file of the destination is one of those that were there or were sent, and
// not a mixture, nothing around the destination has changed, and nobody hangs.
//
// With GOSYNC_LONG it goes on to a million changes, or to the end of the time that
// -timeout gives it; GOSYNC_SEED is the seed to begin with.
func TestDamagedPeers(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	var next, count, well, damaged atomic.Int64
	first, _ := strconv.ParseInt(os.Getenv("GOSYNC_SEED"), 10, 64) // 0 without it
	next.Store(first)
	long := os.Getenv("GOSYNC_LONG") != ""
	until := time.Now().Add(time.Hour)
	if end, ok := t.Deadline(); ok {
		until = end.Add(-30 * time.Second)
	}
	var wg sync.WaitGroup
	for range damagedWorkers {
		var benches []*damageBench
		for _, s := range []*evilpeer.Scene{evilpeer.Mixed(), evilpeer.Mixed("delete"), evilpeer.Mixed("checksum")} {
			benches = append(benches, newDamageBench(t, s))
		}
		wg.Go(func() {
			for !t.Failed() {
				seed := next.Add(1)
				if long && (count.Load() >= damagedLong || time.Now().After(until)) || !long && seed > first+damagedRuns {
					return
				}
				n, ok := benches[seed%3].run(t, uint64(seed))
				count.Add(int64(n))
				if ok {
					well.Add(1)
				}
				if ok && n > 0 {
					damaged.Add(1)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d runs with %d changes; %d ended well, of which %d were changed", next.Load()-first-damagedWorkers, count.Load(), well.Load(), damaged.Load())
	if well.Load() == 0 || count.Load() == 0 {
		t.Error("no run ended well, or nothing was changed: this test shows nothing")
	}
}

func newDamageBench(t *testing.T, s *evilpeer.Scene) *damageBench {
	t.Helper()
	b, err := s.Make(t.TempDir())
	must(t, err)
	d := &damageBench{bench: b, any: map[string]bool{}}
	d.src, err = treeFiles(b.Src())
	must(t, err)
	dst, err := treeFiles(b.Dst())
	must(t, err)
	for _, m := range []map[string]string{d.src, dst} {
		for v := range maps.Values(m) {
			d.any[v] = true
		}
	}
	return d
}

// treeFiles describes a tree by what a run must not get wrong: names, types and
// contents.
func treeFiles(root string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(e.Name(), ".gosync.") || p == root {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		out[rel] = e.Type().String()
		switch {
		case e.Type().IsRegular():
			content, err := os.ReadFile(p)
			out[rel] += fmt.Sprintf(" %d %x", len(content), delta.Sum(content))
			return err
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			out[rel] += target
			return err
		}
		return nil
	})
	return out, err
}

// run damages one run and returns how many changes were made, and whether it
// ended well at both ends. A failure names the seed that repeats it.
func (d *damageBench) run(t *testing.T, seed uint64) (changes int, well bool) {
	b := d.bench
	if err := b.Reset(); err != nil {
		t.Error(err)
		return 0, false
	}
	before, err := b.Snapshot()
	if err != nil {
		t.Error(err)
		return 0, false
	}
	rule, done := evilpeer.Damage(seed, 1+int(seed/12%3)*6)
	r := &evilRun{bench: b, job: sceneJob(t, b), rule: rule, passes: true, limit: 4 * evilTime}
	r.as, r.at = evilpeer.Role(seed/3%2), evilpeer.Client+evilpeer.Side(seed/6%2)
	r.job.Timeout = 300 * time.Millisecond
	end := r.do(t.Context())
	well = end.err == nil && end.peer.Honest == nil
	for _, bad := range d.judge(before, done, well) {
		t.Errorf("seed %d (%s, peer is the %v, victim %d): %s\nvictim: %v\npeer: %v", seed, b.Scene.Name, r.as, r.at, bad, end.err, end.peer.Honest)
	}
	if end.hung {
		t.Errorf("seed %d: hangs (victim: %v; peer: %v)", seed, end.err, end.peer.Honest)
	}
	return done.Count, well
}

// judge looks at what a run has left.
func (d *damageBench) judge(before map[string]string, done *evilpeer.Damaged, well bool) (bad []string) {
	after, err := d.bench.Snapshot()
	if err != nil {
		return []string{err.Error()}
	}
	for _, x := range evilpeer.Differences(before, after) {
		bad = append(bad, "around the destination: "+x)
	}
	got, err := treeFiles(d.bench.Dst())
	if err != nil {
		return append(bad, err.Error())
	}
	for p, v := range got {
		if strings.HasPrefix(v, "-") && !d.any[v] { // a regular file
			bad = append(bad, fmt.Sprintf("%q is a mixture: %s", p, v))
		}
	}
	if !well || done.Lied {
		return bad
	}
	want := maps.Clone(d.src)
	for _, x := range evilpeer.Differences(want, got) {
		bad = append(bad, "after a run that ended well: "+x)
	}
	return bad
}
