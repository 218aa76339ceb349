//go:build unix

package localfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gosync/internal/engine"
)

// TestLock: runs share a destination, but not with one that wants it for itself.
func TestLock(t *testing.T) {
	noLeaks(t)
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	root, other := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(root, link))
	h := NewHost()
	shared, alone := engine.DestOptions{}, engine.DestOptions{Exclusive: true}
	var open []engine.Dest
	take := func(path string, how engine.DestOptions, ok bool) {
		t.Helper()
		d, err := h.Dest(t.Context(), path, how)
		if (err == nil) != ok {
			t.Fatalf("%s, exclusive %v: %v", path, how.Exclusive, err)
		}
		if err == nil {
			open = append(open, d)
		} else if !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	release := func() {
		t.Helper()
		for _, d := range open {
			must(t, d.Close())
		}
		open = nil
	}
	take(root, shared, true)
	take(link, shared, true)
	take(root, alone, false)
	take(link, alone, false)
	take(other, alone, true)
	take(root, engine.DestOptions{Exclusive: true, ReadOnly: true}, true) // a dry run
	src, err := h.Source(t.Context(), root)
	must(t, err)
	must(t, src.Close())
	release()
	take(root, alone, true)
	take(root, shared, false)
	take(link, alone, false)
	release()
	take(root, shared, true)
	release()
	wantOnly(t, filepath.Join(state, "gosync")) // the last run leaves nothing
}

func TestLockWaits(t *testing.T) {
	noLeaks(t)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	root := t.TempDir()
	h := NewHost()
	first, err := h.Dest(t.Context(), root, engine.DestOptions{Exclusive: true})
	must(t, err)

	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go cancel(enough)
	how := engine.DestOptions{Exclusive: true, Wait: time.Hour}
	if _, err := h.Dest(ctx, root, how); !errors.Is(err, enough) {
		t.Errorf("a run that is over waits: %v", err)
	}
	// Several wait; each gets it, one after the other.
	const runs = 4
	got := make(chan error, runs)
	var inside atomic.Int32
	for range runs {
		go func() {
			d, err := h.Dest(t.Context(), root, how)
			if err != nil {
				got <- err
				return
			}
			if n := inside.Add(1); n != 1 {
				t.Errorf("%d runs have the tree for themselves", n)
			}
			inside.Add(-1)
			got <- d.Close()
		}()
	}
	must(t, first.Close())
	for range runs {
		must(t, <-got)
	}
}

// TestLockPlanted: without a place for locks, or with something else in theirs,
// there is no lock, and no failure.
func TestLockPlanted(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "file"), []byte("victim"), 0o600))
	before := listAll(t, outside)
	open := func(t *testing.T, root string) {
		t.Helper()
		for range 2 {
			d, err := NewHost().Dest(t.Context(), root, engine.DestOptions{Exclusive: true})
			must(t, err)
			must(t, d.Close())
		}
		if after := listAll(t, outside); after != before {
			t.Errorf("outside something has changed\n%s\n%s", before, after)
		}
	}
	t.Run("no directory", func(t *testing.T) {
		t.Setenv("XDG_STATE_HOME", "/dev/null")
		open(t, t.TempDir())
	})
	t.Run("open directory", func(t *testing.T) {
		state := t.TempDir()
		must(t, os.Mkdir(filepath.Join(state, "gosync"), 0o700))
		must(t, os.Chmod(filepath.Join(state, "gosync"), 0o777))
		t.Setenv("XDG_STATE_HOME", state)
		open(t, t.TempDir())
		wantOnly(t, filepath.Join(state, "gosync"))
	})
	t.Run("symlinks", func(t *testing.T) {
		state, root := t.TempDir(), t.TempDir()
		t.Setenv("XDG_STATE_HOME", state)
		d, err := NewHost().Dest(t.Context(), root, engine.DestOptions{})
		must(t, err)
		list, err := os.ReadDir(filepath.Join(state, "gosync"))
		if err != nil || len(list) != 1 || list[0].Type() != 0 {
			t.Fatalf("%v, %v", list, err)
		}
		must(t, d.Close())
		for _, target := range []string{filepath.Join(outside, "file"), filepath.Join(outside, "new"), outside} {
			name := filepath.Join(state, "gosync", list[0].Name())
			must(t, os.Symlink(target, name))
			open(t, root)
			must(t, os.Remove(name))
		}
	})
}
