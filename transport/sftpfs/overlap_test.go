//go:build unix

package sftpfs

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// swapping passes requests to a server, the first write to a file after the next one, as
// servers do that answer several at once; where none follows, a moment later.
type swapping struct {
	io.ReadWriteCloser
	requests *io.PipeWriter
	done     chan struct{}
}

func newSwapping(rw io.ReadWriteCloser) *swapping {
	r, w := io.Pipe()
	s := &swapping{rw, w, make(chan struct{})}
	packets := make(chan []byte)
	go func() {
		defer close(packets)
		for {
			var h [4]byte
			if _, err := io.ReadFull(r, h[:]); err != nil {
				return
			}
			p := make([]byte, binary.BigEndian.Uint32(h[:]))
			if _, err := io.ReadFull(r, p); err != nil {
				return
			}
			packets <- append(h[:], p...)
		}
	}()
	go func() {
		defer close(s.done)
		for p := range packets {
			if p[4] == fxpWrite {
				select {
				case next, ok := <-packets:
					if ok {
						_, _ = rw.Write(next) // the client sees that the line is gone
					}
				case <-time.After(100 * time.Millisecond):
				}
			}
			_, _ = rw.Write(p)
		}
	}()
	return s
}

func (s *swapping) Write(p []byte) (int, error) { return s.requests.Write(p) }

func (s *swapping) Close() error {
	_ = s.requests.Close()
	err := s.ReadWriteCloser.Close()
	<-s.done
	return err
}

// TestOverlap: what is written to one place twice counts the second time, whatever the
// order in which the server does what it was asked for.
func TestOverlap(t *testing.T) {
	h := newHost(t, func(t testing.TB) io.ReadWriteCloser { return newSwapping(inProcess(t)) }, Options{})
	root := t.TempDir()
	tree, err := h.Dest(t.Context(), root, engine.DestOptions{})
	must(t, err)
	defer func() { must(t, tree.Close()) }()
	f, err := tree.Create(t.Context(), "file", engine.CreateOptions{Size: 6})
	must(t, err)
	for _, content := range []string{"first.", "second"} {
		_, err := f.WriteAt([]byte(content), 0)
		must(t, err)
	}
	done := make(chan error, 1)
	f.Commit(t.Context(), 6, &manifest.Entry{Type: manifest.Regular, Mode: 0o644}, manifest.AttrMode, func(err error) { done <- err })
	must(t, tree.Sync(t.Context()))
	must(t, <-done)
	if b, err := os.ReadFile(filepath.Join(root, "file")); err != nil || string(b) != "second" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}
