package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"gosync/internal/engine"
	"gosync/walker"
	"gosync/walker/manifest"
)

var _ engine.Follower = (*Tree)(nil)

// Follow implements [engine.Follower]. The server follows; nothing keeps what is
// read below the tree's root then, and the tree is for reading only.
func (t *Tree) Follow() error {
	t.follows, t.how.ReadOnly = true, true
	return nil
}

// look describes a name: what it leads to where the tree follows symlinks.
func (t *Tree) look(ctx context.Context, path string) (attrs, error) {
	r, err := t.startLook(ctx, path)
	if err != nil {
		return attrs{}, err
	}
	return decodeAttrs(r.want(ctx, fxpAttrs))
}

func (t *Tree) startLook(ctx context.Context, path string) (*request, error) {
	kind := byte(fxpLstat)
	if t.follows {
		kind = fxpStat
	}
	return t.h.s.start(ctx, kind, onHandle(t.at(path)), nil)
}

// errLoop is about a symlink to a directory that it lies in.
var errLoop = fmt.Errorf("it leads to a directory that it lies in: %w", syscall.ELOOP)

// maxUnfollowed bounds the errors of one directory; the last tells of the rest.
const maxUnfollowed = 100

// followed replaces the symlinks among the entries of dir by what they lead to. err
// is what listing dir has ended with. What cannot be followed is left out and
// becomes an error.
func (t *Tree) followed(ctx context.Context, dir string, entries []manifest.Entry, err error) ([]manifest.Entry, error) {
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	kept := entries[:0]
	var lost []string
	for _, e := range entries {
		if e.Type == manifest.Symlink {
			path := manifest.Join(dir, e.Name)
			to, err := t.target(ctx, dir, path, e.Name)
			if ctx.Err() != nil {
				return kept, context.Cause(ctx)
			}
			if err != nil {
				if lost = append(lost, e.Name); len(lost) <= maxUnfollowed {
					errs = append(errs, &walker.EntryError{Names: []string{e.Name}, Err: t.fail("follow", path, err)})
				}
				continue
			}
			e = to
		}
		kept = append(kept, e)
	}
	if len(lost) > maxUnfollowed {
		rest := lost[maxUnfollowed:]
		errs = append(errs, &walker.EntryError{Names: rest, Err: t.fail("follow", dir, fmt.Errorf("and %d more in this directory", len(rest)))})
	}
	return kept, errors.Join(errs...)
}

// target describes what a symlink in dir leads to. A directory that dir itself lies
// in, by its own name, would never end; SFTP tells no inode numbers.
func (t *Tree) target(ctx context.Context, dir, path, name string) (manifest.Entry, error) {
	a, err := t.h.stat(ctx, t.at(path))
	if err != nil {
		return manifest.Entry{}, err
	}
	e, err := a.entry(name)
	if err != nil || !e.IsDir() {
		return e, err
	}
	to, err := t.h.realpath(ctx, t.at(path))
	if err != nil {
		return e, err
	}
	from, err := t.h.realpath(ctx, t.at(dir))
	if err != nil {
		return e, err
	}
	if to = strings.TrimSuffix(to, "/") + "/"; strings.HasPrefix(strings.TrimSuffix(from, "/")+"/", to) {
		return e, errLoop
	}
	if !t.deeper(dir, path) {
		return e, errLoop
	}
	return e, nil
}

// maxFollowed is how many symlinks to directories the way to one may pass: not all
// servers know the real names of directories, by which a circle shows at once.
const maxFollowed = 8

// deeper notes that path, in dir, is a symlink to a directory. It reports false
// where the way there has passed too many.
func (t *Tree) deeper(dir, path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 1
	for up := dir; up != ""; up = up[:max(strings.LastIndexByte(up, '/'), 0)] {
		if k, ok := t.links[up]; ok {
			n = k + 1
			break
		}
	}
	if t.links == nil {
		t.links = map[string]int{}
	}
	t.links[path] = n
	return n <= maxFollowed
}
