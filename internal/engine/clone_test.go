package engine_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/engine/memtree"
	"gosync/walker/manifest"
)

// oneFile returns disks with a file whose content is now at the source, old at the destination.
func oneFile(t *testing.T, old, now []byte) (src, dst *memtree.Disk) {
	t.Helper()
	src, dst = memtree.New(memtree.Options{}), memtree.New(memtree.Options{})
	must(t, src.Put("/src", memtree.Node{Type: manifest.Directory, Mode: 0o755}))
	must(t, src.Put("/src/f", memtree.Node{Type: manifest.Regular, Mode: 0o644, Sec: 2000, Data: now}))
	must(t, dst.Put("/dst", memtree.Node{Type: manifest.Directory, Mode: 0o755}))
	must(t, dst.Put("/dst/f", memtree.Node{Type: manifest.Regular, Mode: 0o644, Sec: 1000, Data: old}))
	return src, dst
}

// TestCloneOfChanged: the old file is other for a moment, just when it is cloned. What is
// kept of a clone is what was digested, so it is found out, whatever the old file is then.
func TestCloneOfChanged(t *testing.T) {
	const mib = 1 << 20
	old := []byte(random(1, 8*mib))
	now := slices.Clone(old)
	now[100] ^= 1
	src, dst := oneFile(t, old, now)
	var cloned atomic.Bool // operations overlap
	var again sync.Once
	dst.SetGate(func(op memtree.Op) error {
		switch {
		case op.Kind == "clone":
			cloned.Store(true)
			return dst.Update("/dst/f", []byte(random(2, 8*mib)), true)
		case cloned.Load():
			var err error
			again.Do(func() { err = dst.Update("/dst/f", old, true) })
			return err
		}
		return nil
	})
	job := jobFor("/src", "/dst")
	job.Durability = engine.SyncRun
	trial{way: push, host: src.Host(), server: dst.Host(), job: job}.must(t)
	if !cloned.Load() {
		t.Error("there is no clone: this test shows nothing")
	}
	if !bytes.Equal(dst.Tree("/dst")["f"].Data, now) {
		t.Error("the destination has other content")
	}
}

// TestCloneUnread: what cannot be read of a clone is taken for zeros, and written where
// there have to be zeros: nobody knows what is there.
func TestCloneUnread(t *testing.T) {
	const mib = 1 << 20
	old := []byte(random(1, 8*mib))
	now := slices.Clone(old)
	clear(now[2*mib : 4*mib])
	src, dst := oneFile(t, old, now)
	var cloned atomic.Bool // reads and writes overlap
	dst.SetGate(func(op memtree.Op) error {
		if op.Kind == "clone" {
			cloned.Store(true)
		}
		if op.Kind == "read" && op.Off < 4*mib && op.Off+int64(op.Len) > 2*mib {
			return errors.New("input/output error")
		}
		return nil
	})
	job := jobFor("/src", "/dst")
	job.Durability = engine.SyncRun
	trial{way: push, host: src.Host(), server: dst.Host(), job: job}.must(t)
	if !cloned.Load() {
		t.Error("there is no clone: this test shows nothing")
	}
	if !bytes.Equal(dst.Tree("/dst")["f"].Data, now) {
		t.Error("the destination has other content")
	}
}
