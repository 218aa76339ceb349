package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// resumeMin is the size in bytes above which what is received of a file is kept
// although nobody has asked for it.
const resumeMin = 64 << 20

// keeps reports whether what is received of a file of that size is kept when the
// run ends early.
func (d *dest) keeps(size int64) bool {
	return !d.job.NoPartial && !d.job.InPlace && (d.job.TempDir == "" || d.job.Partial) && (size > resumeMin || d.job.Partial && size > wire.MaxSmall)
}

// identity is what a partial remembers of its source file.
func identity(e *manifest.Entry) Identity {
	return Identity{Size: e.Size, Sec: e.Sec, Nsec: e.Nsec}
}

// leftover notes what earlier runs have kept in dir.
func (dir *destDir) leftover(name string) {
	if !strings.HasSuffix(name, manifest.PartialSuffix) && !strings.HasSuffix(name, manifest.SidecarSuffix) {
		return
	}
	if dir.left == nil {
		dir.left = map[string]bool{}
	}
	dir.left[name] = true
}

// leftPartial reports whether there is a partial of a file of that name.
func (dir *destDir) leftPartial(name string) bool {
	return dir.left != nil && (dir.left[manifest.PartialName(name)] || dir.left[manifest.ShownName(name)])
}

// spoiled reports whether a run has begun to write the file dst, of that name, in
// place and was not able to end it. Its size and time say nothing then. Where a
// later run has begun a partial, the partial's sidecar has taken the place of the
// one that said so, and the time has to tell.
func (dir *destDir) spoiled(name string, dst *manifest.Entry) bool {
	if dir.left == nil || !dir.left[manifest.SidecarName(name)] {
		return false
	}
	return !dir.leftPartial(name) || dst != nil && dst.IsRegular() && isUnfinished(dst)
}

// trace is what an earlier run has left of a file.
type trace struct {
	partial bool // there may be a partial
	spoiled bool // the file itself is half written
}

// traceOf returns what the listing of dir tells of a file. It is the planner's.
func (d *dest) traceOf(dir *destDir, e *manifest.Entry) trace {
	name := d.nameFor(dir, e)
	return trace{d.hasPartial(dir, e), dir.spoiled(name, dir.find(name))}
}

// isUnfinished reports whether a file has the time of one that a run was not able
// to finish, and left under its own name because --partial asks for that or because
// it was written in place.
func isUnfinished(e *manifest.Entry) bool {
	return e.Nsec == 0 && (e.Sec == 0 || e.Sec == 24*60*60)
}

// unfinished reports whether what is there of an entry has such a time, which is not the
// entry's own.
func unfinished(dst, e *manifest.Entry) bool {
	return isUnfinished(dst) && (dst.Sec != e.Sec || dst.Nsec != e.Nsec)
}

// UnfinishedTime is the modification time of a file that is not whole and shall have
// the time sec, both in seconds: one of long ago that is not by chance sec, nor so close to it
// that a file system which keeps times roughly makes it the same. Trees give it to
// what [CreateOptions] makes visible, and to a file while it is written in place.
func UnfinishedTime(sec int64) int64 {
	const day = 24 * 60 * 60
	if sec > -day/2 && sec < day/2 {
		return day
	}
	return 0
}

// hasPartial reports whether there may be a partial of a file.
func (d *dest) hasPartial(dir *destDir, e *manifest.Entry) bool {
	if d.job.InPlace || !d.keeps(max(e.Size, resumeMin+1)) || e.Size <= wire.MaxSmall {
		return false
	}
	return d.job.PartialDir != "" || dir.leftPartial(d.nameFor(dir, e))
}

// dropLeft removes what was kept of files of dir that need it no more: they are
// equal now, or so small that they are sent whole.
func (p *planner) dropLeft(ctx context.Context, dir *destDir, busy []int) error {
	d := p.d
	if len(dir.left) == 0 || d.job.DryRun {
		return nil
	}
	needed := map[int]bool{}
	for _, i := range busy {
		needed[i] = true
	}
	for i := range dir.entries {
		e := &dir.entries[i]
		name := d.nameFor(dir, e)
		if needed[i] || !dir.leftPartial(name) && !dir.left[manifest.SidecarName(name)] || d.inHand(wire.ID{Dir: dir.index, Entry: i}) {
			continue
		}
		dir.touched.Store(true)
		if err := d.tree.DropPartial(ctx, d.pathFor(dir, e)); err != nil {
			if err := d.fileFailed("remove partial", shownPath(dir, e), err); err != nil {
				return err
			}
		}
	}
	return nil
}

// inHand reports whether a file was asked for, or is compared, out of its turn.
func (d *dest) inHand(id wire.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[id] != nil || d.checks[id] != nil
}

// startLeft asks for a file of which an earlier run has kept something. With the
// same source file it goes on where that stopped; else what was kept is one more
// basis.
func (d *dest) startLeft(ctx context.Context, in *incoming) error {
	working := d.conn.Work() // it is read again
	part, err := d.tree.Partial(ctx, in.path)
	working()
	if errors.Is(err, ErrInUse) {
		defer d.finished(in)
		d.lose(in.id)
		return d.fileFailed("receive", in.shown, err)
	}
	if err != nil {
		return d.ask(ctx, in) // nothing of use
	}
	st, err := part.Stat()
	d.mu.Lock()
	in.part = part
	if part.Identity() == identity(in.e) {
		in.held = part.Held()[:min(int64(len(part.Held())), in.e.Size/delta.ChunkSize)]
	}
	goesOn := len(in.held) > 0
	if !goesOn && d.local == nil && !d.job.WholeFile && err == nil && st.Size >= minDelta {
		in.delta = true // what was kept is one more basis
	}
	d.mu.Unlock()
	switch {
	case d.local != nil, in.delta:
		return d.ask(ctx, in) // a copy on this machine compares the content itself
	case goesOn:
		return d.conn.Send(ctx, &wire.Resume{ID: in.id, Chunks: len(in.held)})
	}
	in.release()
	if err := d.tree.DropPartial(ctx, in.path); err != nil {
		defer d.finished(in)
		d.lose(in.id)
		return d.fileFailed("remove partial", in.shown, err)
	}
	return d.ask(ctx, in)
}

// ask asks for a file, in the way that was decided.
func (d *dest) ask(ctx context.Context, in *incoming) error {
	switch {
	case in.append:
		return d.startAppend(ctx, in)
	case d.local != nil && !in.delta:
		return d.copyLocal(ctx, in)
	case in.delta:
		return d.startDelta(ctx, in)
	}
	return d.conn.Send(ctx, &wire.Want{Dir: in.id.Dir, Entries: []int{in.id.Entry}})
}

// create begins the file that takes a file's place, or goes on with the partial.
// A new one may begin as a clone of basis, nil for none.
func (in *incoming) create(ctx context.Context, d *dest, basis File) (NewFile, error) {
	how := CreateOptions{
		Size: in.e.Size, InPlace: d.job.InPlace || in.append, Sparse: d.job.Sparse, Visible: d.job.Partial,
		Basis: basis, Resume: d.keeps(in.e.Size), Identity: identity(in.e), Sec: in.want.Sec,
	}
	if in.append {
		how.Sparse, how.Visible, how.Resume = false, false, false
	}
	if part := in.part; part != nil {
		in.part = nil
		keep := len(in.held)
		if d.local != nil && !in.delta {
			keep = in.same
		}
		return part.Continue(ctx, keep, how)
	}
	if in.base != nil { // it stays readable
		if err := in.base.Unlink(ctx); err != nil {
			return nil, err
		}
		in.base = nil
	}
	f, err := d.tree.Create(ctx, in.path, how)
	if err != nil || !in.append {
		return f, err
	}
	if err := d.bring(ctx, in, f); err != nil {
		removeFile(f)
		return nil, err
	}
	return f, nil
}

// bring gives a file that is appended to what stays of the old one. It has that
// already, unless the old one cannot be written in place, because it has other names
// for instance.
func (d *dest) bring(ctx context.Context, in *incoming, f NewFile) error {
	stays := max(in.keepTo, int64(len(in.held))*delta.ChunkSize)
	begun := f.Begun()
	if begun >= stays {
		return nil
	}
	if begun > 0 {
		return fmt.Errorf("%w: it has become shorter", ErrChanged)
	}
	defer d.conn.Work()()
	old, err := d.tree.Open(ctx, in.path)
	if err != nil {
		return err
	}
	defer old.Close()
	if ok, err := f.CopyFrom(ctx, old, stays); ok || err != nil {
		return err
	}
	buf := make([]byte, delta.ChunkSize)
	for off := int64(0); off < stays; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := old.ReadAt(buf[:min(int64(len(buf)), stays-off)], off)
		if n == 0 {
			return fmt.Errorf("%w: it ends at %d: %w", ErrChanged, off, err)
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// giveUp ends a file that is not finished because the run ends, and keeps what
// can be kept.
func giveUp(f NewFile) {
	if f != nil {
		_ = f.Discard() // there is an error to tell already
	}
}

// removeFile ends a file that cannot be finished, of which nothing is to be kept.
func removeFile(f NewFile) {
	if f != nil {
		_ = f.Remove() // there is an error to tell already
	}
}

// release lets go of a partial that was not used.
func (in *incoming) release() {
	if in.part != nil {
		_ = in.part.Close() // it was only read
		in.part = nil
	}
}

// prefix compares the chunks at the start of a file that are there already with
// what the source says of its own.
type prefix struct {
	held []delta.Digest
	next int
}

// take handles a message of the source. bad are the chunks that differ.
func (x *prefix) take(in *incoming, m *wire.Held) (bad []int, err error) {
	if m.First != x.next || len(m.Sums) == 0 || x.next+len(m.Sums) > len(x.held) {
		return nil, fmt.Errorf("%w: digests of %d chunks of %s at %d, which are not the next that are held", wire.ErrProtocol, len(m.Sums), in.shown, m.First)
	}
	for i, sum := range m.Sums {
		if sum != x.held[x.next+i] {
			bad = append(bad, x.next+i)
		}
	}
	x.next += len(m.Sums)
	return bad, nil
}

// startAppend goes on at the end of a file that is shorter than the source's. It
// is written in place.
func (d *dest) startAppend(ctx context.Context, in *incoming) error {
	f, err := d.tree.Open(ctx, in.path)
	if err != nil {
		in.append = false
		return d.ask(ctx, in)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size >= in.e.Size {
		in.append = false
		return d.ask(ctx, in)
	}
	chunks := st.Size / delta.ChunkSize
	switch {
	case d.local != nil && !d.job.Append: // the copy compares
		in.held = make([]delta.Digest, chunks)
	case d.job.AppendVerify:
		in.held = make([]delta.Digest, 0, chunks)
		err = d.cpu.do(ctx, func() error {
			_, err := delta.SumReaderAt(ctx, f, chunks*delta.ChunkSize, 1, func(_ int64, sum delta.Digest) { in.held = append(in.held, sum) })
			return err
		})
		if err != nil {
			in.append, in.held = false, nil
			return d.ask(ctx, in)
		}
	default:
		in.blind, in.keepTo = chunks, st.Size
	}
	if d.local != nil {
		return d.copyLocal(ctx, in)
	}
	return d.conn.Send(ctx, &wire.Resume{ID: in.id, Chunks: int(chunks), Blind: in.blind > 0})
}

// joined is a basis of two files, one behind the other: what an earlier run has
// received, then the old file.
type joined struct {
	first io.ReaderAt
	size  int64 // of first
	then  io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (j *joined) ReadAt(p []byte, off int64) (int, error) {
	if off >= j.size {
		return j.then.ReadAt(p, off-j.size)
	}
	n, err := j.first.ReadAt(p[:min(int64(len(p)), j.size-off)], off)
	if err != nil && !errors.Is(err, io.EOF) || n == len(p) {
		return n, err
	}
	if off+int64(n) < j.size {
		return n, io.EOF
	}
	m, err := j.then.ReadAt(p[n:], 0)
	return n + m, err
}

// samePrefix returns how many chunks at the start of two files are equal.
func samePrefix(ctx context.Context, a, b io.ReaderAt, size int64) (int, error) {
	var bufs [2][]byte
	bufs[0], bufs[1] = make([]byte, delta.ChunkSize), make([]byte, delta.ChunkSize)
	for n := 0; int64(n+1)*delta.ChunkSize <= size; n++ {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		off := int64(n) * delta.ChunkSize
		if k, _ := a.ReadAt(bufs[0], off); k < len(bufs[0]) {
			return n, nil // it ends here, or whoever copies on meets the error
		}
		if k, _ := b.ReadAt(bufs[1], off); k < len(bufs[1]) || !bytes.Equal(bufs[0], bufs[1]) {
			return n, nil
		}
	}
	return int(size / delta.ChunkSize), nil
}
