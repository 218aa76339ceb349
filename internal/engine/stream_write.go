package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// smallStream is a small file that was read.
type smallStream struct {
	in      *incoming
	content []byte
}

// file receives a file.
func (s *streamReceiver) file(ctx context.Context, src StreamSource, e *manifest.Entry) error {
	if takes, err := s.takes(e); err != nil || !takes {
		return err
	}
	count(&s.totals, e)
	in, err := s.prepare(ctx, e)
	if in == nil || err != nil {
		return err
	}
	s.prog.TotalFiles.Add(1)
	s.prog.TotalBytes.Add(e.Size)
	s.prog.moving(s.top().dir.shown, e.Name)
	defer s.prog.DoneFiles.Add(1)
	if e.Size > wire.MaxSmall {
		return s.large(ctx, src, in)
	}
	content := make([]byte, e.Size)
	if err := s.readAll(ctx, src, content); err != nil {
		return s.notWhole(in, err)
	}
	s.written.Add(1)
	select {
	case s.small <- smallStream{in, content}:
		return nil
	case <-ctx.Done():
		s.written.Done()
		return context.Cause(ctx)
	}
}

// prepare makes room for a file. Where it cannot be written it returns nil, and the
// error has been told.
func (s *streamReceiver) prepare(ctx context.Context, e *manifest.Entry) (*incoming, error) {
	at := s.top()
	dir := at.shadow(e)
	shown := shownPath(dir, e)
	if err := s.lookUp(ctx, dir, e); err != nil {
		return nil, s.fileFailed("stat", shown, err)
	}
	dst := dir.find(s.nameFor(dir, e))
	if dst != nil && dst.IsDir() {
		if err := s.tree.Remove(ctx, s.pathFor(dir, e), dst); err != nil {
			return nil, s.fileFailed("replace", shown, fmt.Errorf("a directory is in the way: %w", err))
		}
	}
	if dst != nil && !dst.IsRegular() {
		dst = nil
	}
	s.item(dir, 0, e, s.transferChange(e, dst), "")
	s.countTransfer(e, dst)
	at.dir.touched.Store(true)
	in := &incoming{dir: dir, e: e, path: s.pathFor(dir, e), shown: shown}
	in.want = s.wanted(e, dst)
	in.attrs = s.allAttrs(&in.want)
	return in, nil
}

// notWhole deals with a file whose content did not come as it should.
func (s *streamReceiver) notWhole(in *incoming, err error) error {
	if refused := new(StreamRefusal); errors.As(err, &refused) {
		s.dest.fail("read", in.shown, refused)
		return nil
	}
	return err
}

// readAll reads the content of a file and what the far side says about it.
func (s *streamReceiver) readAll(ctx context.Context, src StreamSource, content []byte) error {
	if _, err := s.read(ctx, src, content); err != nil {
		return err
	}
	return s.readEnd(src)
}

// read fills p.
func (s *streamReceiver) read(ctx context.Context, src StreamSource, p []byte) (int, error) {
	if l := s.line.limit; l != nil {
		if err := l.WaitN(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	defer s.line.wait()()
	n, err := io.ReadFull(src, p)
	s.received(int64(n), int64(n))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // a source gives what it has announced
	}
	return n, err
}

// readEnd reads the far side's word about the file that was read.
func (s *streamReceiver) readEnd(src StreamSource) error {
	defer s.line.wait()()
	_, err := src.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: a file is longer than was announced", wire.ErrProtocol)
	}
	return err
}

// large receives a file piece by piece.
func (s *streamReceiver) large(ctx context.Context, src StreamSource, in *incoming) error {
	f, err := s.create(ctx, in)
	if err != nil {
		return s.fileFailed("write", in.shown, err) // Next drops the content
	}
	if s.buf == nil {
		s.buf = make([]byte, streamPiece)
	}
	for off := int64(0); off < in.e.Size; {
		n, err := s.read(ctx, src, s.buf[:min(streamPiece, in.e.Size-off)])
		if err != nil {
			removeFile(f)
			return err
		}
		if _, err := f.WriteAt(s.buf[:n], off); err != nil {
			removeFile(f)
			return s.fileFailed("write", in.shown, err)
		}
		off += int64(n)
	}
	if err := s.readEnd(src); err != nil {
		removeFile(f)
		return s.notWhole(in, err)
	}
	s.commitStream(ctx, in, f)
	return nil
}

func (s *streamReceiver) create(ctx context.Context, in *incoming) (NewFile, error) {
	return s.tree.Create(ctx, in.path, CreateOptions{
		Size: in.e.Size, InPlace: s.job.InPlace, Sparse: s.job.Sparse, Sec: in.want.Sec,
	})
}

func (s *streamReceiver) commitStream(ctx context.Context, in *incoming, f NewFile) {
	f.Commit(ctx, in.e.Size, &in.want, in.attrs, func(err error) {
		if err != nil {
			_ = s.fileFailed("commit", in.shown, err) // what is hopeless stands in fatal
		}
	})
}

// writeStreams writes small files.
func (s *streamReceiver) writeStreams(ctx context.Context) error {
	for w := range s.small {
		err := s.writeStream(ctx, w)
		s.written.Done()
		if err != nil {
			for range s.small { // nobody may wait for them
				s.written.Done()
			}
			return err
		}
	}
	return nil
}

func (s *streamReceiver) writeStream(ctx context.Context, w smallStream) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f, err := s.create(ctx, w.in)
	if err == nil {
		if _, err = f.WriteAt(w.content, 0); err != nil {
			removeFile(f)
		}
	}
	if err != nil {
		return s.fileFailed("write", w.in.shown, err)
	}
	s.commitStream(ctx, w.in, f)
	return nil
}
