package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/zeebo/blake3"
	"golang.org/x/sync/errgroup"

	"gosync/internal/engine"
	"gosync/walker"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// Opener is a tree whose files can be listed and read.
type Opener interface {
	walker.Tree
	Open(ctx context.Context, path string) (engine.File, error)
}

// Summing adjusts how the digests of a tree are made.
type Summing struct {
	Filter *filter.Set // names that take part; nil for all

	// Known returns the digest of a file if it is known without reading it; nil for never.
	// It is called by one goroutine at a time.
	Known func(path string, e *manifest.Entry) (Sum, bool)

	// Fail is told of a file or directory that cannot be read. It is called by one
	// goroutine at a time. If it is nil that ends the work.
	Fail func(path string, err error)

	inodes map[inode]*shared // of trees that share files; nil for none
}

// TreeSums returns the digests of the regular files of a tree, each inode being read once.
func TreeSums(ctx context.Context, t Opener, how Summing) (Manifest, error) {
	s := &summer{tree: t, how: how, inodes: how.inodes}
	if s.inodes == nil {
		s.inodes = map[inode]*shared{}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)) + 1)
	root := &walker.Node{Entry: manifest.Entry{Type: manifest.Directory}, Contents: []walker.Origin{{Tree: t}}}
	opts := walker.Options{
		Filter: how.Filter, Side: filter.Sender,
		Skip: func(_, name string) bool { return manifest.Temporary(name) },
	}
	err := walker.Walk(ctx, root, opts, func(d *walker.Dir) error {
		if d.Err != nil {
			if err := s.failed(d.Path, d.Err); err != nil {
				return err
			}
		}
		for i := range d.Entries {
			if e := &d.Entries[i]; e.IsRegular() {
				path := manifest.Join(d.Path, e.Name)
				g.Go(func() error { return s.file(ctx, path, e) })
			}
		}
		return nil
	})
	if werr := g.Wait(); werr != nil {
		err = werr // a walk that was cancelled for it is only its consequence
	}
	s.lines.sort()
	return s.lines, err
}

// inode is a file whatever it is called.
type inode struct{ dev, ino uint64 }

// shared is the digest of a file with several names.
type shared struct {
	once sync.Once
	sum  Sum
	err  error
}

type summer struct {
	tree Opener
	how  Summing

	mu     sync.Mutex
	lines  Manifest
	inodes map[inode]*shared
}

func (s *summer) failed(path string, err error) error {
	if s.how.Fail == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.how.Fail(path, err)
	return nil
}

// file adds the digest of a file.
func (s *summer) file(ctx context.Context, path string, e *manifest.Entry) error {
	sum, known := Sum{}, false
	if s.how.Known != nil {
		s.mu.Lock()
		sum, known = s.how.Known(path, e)
		s.mu.Unlock()
	}
	var err error
	switch id, linked := inodeOf(e); {
	case known:
	case linked:
		s.mu.Lock()
		one := s.inodes[id]
		if one == nil {
			one = new(shared)
			s.inodes[id] = one
		}
		s.mu.Unlock()
		one.once.Do(func() { one.sum, one.err = fileSum(ctx, s.tree, path) })
		sum, err = one.sum, one.err
	default:
		sum, err = fileSum(ctx, s.tree, path)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return s.failed(path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, Line{sum, path})
	return nil
}

// inodeOf returns which file an entry is, if it has several names.
func inodeOf(e *manifest.Entry) (inode, bool) {
	if e.Ext == nil || e.Ext.Nlink < 2 || e.Ino == 0 {
		return inode{}, false
	}
	return inode{e.Ext.Dev, e.Ino}, true
}

// fileSum reads a file.
func fileSum(ctx context.Context, t Opener, path string) (sum Sum, err error) {
	f, err := t.Open(ctx, path)
	if err != nil {
		return sum, err
	}
	defer f.Close() // it was only read
	h := blake3.New()
	buf := make([]byte, 256<<10)
	for off := int64(0); ; {
		if ctx.Err() != nil {
			return sum, context.Cause(ctx)
		}
		n, err := f.ReadAt(buf, off)
		_, _ = h.Write(buf[:n]) // a hash takes everything
		off += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sum, fmt.Errorf("read %s: %w", path, err)
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}
