//go:build unix

package sftpfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/walker/manifest"
)

// cutPipe ends the connection after a number of bytes that were written.
type cutPipe struct {
	io.ReadWriteCloser
	left atomic.Int64
}

func (c *cutPipe) Write(p []byte) (int, error) {
	if c.left.Add(-int64(len(p))) < 0 {
		_ = c.Close()
		return 0, io.ErrClosedPipe
	}
	return c.ReadWriteCloser.Write(p)
}

// TestResume cuts the line in the middle of an upload, where at most 48 MiB are not noted
// yet, however slow the disk. The next run goes on, without reading back what is there,
// and with --checksum after reading it.
func TestResume(t *testing.T) {
	const size = 96 << 20
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(content) // never fails
	src := t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "file"), content, 0o644))
	must(t, os.Chtimes(filepath.Join(src, "file"), mtime(1), mtime(1)))
	for _, verify := range []bool{false, true} {
		dst := t.TempDir()
		job := archive(src, dst)
		job.Checksum = verify
		cut := &cutPipe{ReadWriteCloser: openSSH(t)}
		cut.left.Store(size / 4 * 3)
		h, err := New(t.Context(), cut, Options{Verify: verify})
		must(t, err)
		_, err = engine.Between(t.Context(), localfs.NewHost(), h, job, engine.Report{})
		if err == nil || !errors.Is(h.Err(), io.ErrUnexpectedEOF) {
			t.Fatalf("the run ends with %v, the session with %v", err, h.Err())
		}
		must(t, h.Close())
		part := filepath.Join(dst, manifest.PartialName("file"))
		info, err := os.Stat(part)
		must(t, err)
		if info.Size() < size/2 {
			t.Errorf("%d bytes were kept", info.Size())
		}
		count := &counted{ReadWriteCloser: openSSH(t)}
		h, err = New(t.Context(), count, Options{Verify: verify})
		must(t, err)
		_, err = engine.Between(context.WithoutCancel(t.Context()), localfs.NewHost(), h, job, engine.Report{})
		must(t, err)
		must(t, h.Close())
		if got, err := os.ReadFile(filepath.Join(dst, "file")); err != nil || !bytes.Equal(got, content) {
			t.Errorf("verify %v: the content differs, %v", verify, err)
		}
		sent, read := count.sent.Load(), count.read.Load()
		if sent > size-15<<20 || !verify && read > 8<<20 {
			t.Errorf("verify %v: %d bytes were sent and %d read", verify, sent, read)
		}
		wantOnly(t, dst, "file")
	}
}

// counted counts what passes.
type counted struct {
	io.ReadWriteCloser
	sent, read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadWriteCloser.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *counted) Write(p []byte) (int, error) {
	c.sent.Add(int64(len(p)))
	return c.ReadWriteCloser.Write(p)
}

// TestComparing uploads over a known basis: in place and, where the server offers
// copy-data, with a temporary, little more is sent than what has changed.
func TestComparing(t *testing.T) {
	const size = 24 << 20
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{2})
	_, _ = r.Read(content) // never fails
	for _, inPlace := range []bool{true, false} {
		src, dst := t.TempDir(), t.TempDir()
		must(t, os.WriteFile(filepath.Join(dst, "file"), content, 0o644))
		changed := bytes.Clone(content)
		copy(changed[5<<20:], "changed")
		copy(changed[20<<20:], "changed, too")
		changed = append(changed, "and longer"...)
		must(t, os.WriteFile(filepath.Join(src, "file"), changed, 0o644))
		must(t, os.Chtimes(filepath.Join(src, "file"), mtime(1), mtime(1)))
		count := &counted{ReadWriteCloser: openSSH(t)}
		h, err := New(t.Context(), count, Options{Compare: true})
		must(t, err)
		job := archive(src, dst)
		job.InPlace = inPlace
		_, err = engine.Between(t.Context(), localfs.NewHost(), h, job, engine.Report{})
		must(t, err)
		offers := h.offers(extCopy)
		must(t, h.Close())
		if got, err := os.ReadFile(filepath.Join(dst, "file")); err != nil || !bytes.Equal(got, changed) {
			t.Errorf("in place %v: the content differs, %v", inPlace, err)
		}
		if sent := count.sent.Load(); sent > 1<<20 && (inPlace || offers) {
			t.Errorf("in place %v: %d bytes were sent", inPlace, sent)
		}
	}
}
