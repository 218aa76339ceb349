package sftpfs

import (
	"context"
	"errors"
	"strings"
	"time"

	"gosync/walker/manifest"
)

// looking is a look at a directory that is under way.
type looking struct {
	done chan struct{} // closed when err is set
	err  error
}

// isDir fails unless dir and all directories above it, up to the root, are
// directories and not symlinks, as far as a look of a moment ago tells. One look
// serves all who want to know at the same time.
func (t *Tree) isDir(ctx context.Context, dir string) error {
	for dir != "" {
		t.mu.Lock()
		if t.trusted(dir) {
			t.mu.Unlock()
			return nil
		}
		l, busy := t.looks[dir]
		if !busy {
			l = &looking{done: make(chan struct{})}
			t.looks[dir] = l
		}
		t.mu.Unlock()
		if !busy {
			l.err = t.lookDown(ctx, dir)
			t.mu.Lock()
			delete(t.looks, dir)
			t.mu.Unlock()
			close(l.done)
			return l.err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if l.err == nil || t.h.s.over() || !errors.Is(l.err, context.Canceled) && !errors.Is(l.err, context.DeadlineExceeded) {
			return l.err
		} // else it was not this one that was interrupted
	}
	return nil
}

// trusted reports whether a directory was looked at a moment ago. The caller holds
// t.mu.
func (t *Tree) trusted(dir string) bool {
	seen, ok := t.dirs[dir]
	return dir == "" || ok && time.Since(seen) < t.trust
}

// lookDown looks at dir and at those above it that nobody has looked at lately, at
// all of them at once: each look takes a round trip.
func (t *Tree) lookDown(ctx context.Context, dir string) error {
	var paths []string
	t.mu.Lock()
	for up := dir; !t.trusted(up); up = up[:max(strings.LastIndexByte(up, '/'), 0)] {
		paths = append(paths, up)
	}
	t.mu.Unlock()
	now := time.Now()
	requests := make([]*request, len(paths))
	for i, p := range paths {
		var err error
		if requests[i], err = t.startLook(ctx, p); err != nil {
			return t.fail("open", p, err)
		}
	}
	for i := len(paths) - 1; i >= 0; i-- { // from the top
		a, err := decodeAttrs(requests[i].want(ctx, fxpAttrs))
		if err == nil && typeOf(a.perm) != manifest.Directory {
			err = &typeError{typeOf(a.perm), manifest.Directory}
		}
		if err != nil {
			return t.fail("open", paths[i], err)
		}
		t.saw(paths[i], now)
	}
	return nil
}

func (t *Tree) saw(dir string, when time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(t.dirs, dir, when)
}

// note remembers when something was seen of a directory. The caller holds t.mu.
func (t *Tree) note(in map[string]time.Time, dir string, when time.Time) {
	if len(in) >= maxDirs {
		clear(in)
	}
	in[dir] = when
}

// listed notes what a listing that was asked for at a time has shown: it is a look
// at the directories in it, too.
func (t *Tree) listed(dir string, entries []manifest.Entry, when time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(t.lists, dir, when)
	for i := range entries {
		if entries[i].IsDir() {
			t.note(t.dirs, manifest.Join(dir, entries[i].Name), when)
		}
	}
}

// listTrust is for how long a listing tells what a name was: whoever exchanges a file
// for a FIFO meanwhile can have the server wait for its other end.
const listTrust = time.Minute

// listAge returns how long ago dir was listed.
func (t *Tree) listAge(dir string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if when, ok := t.lists[dir]; ok {
		return time.Since(when)
	}
	return 2 * listTrust // or never
}
