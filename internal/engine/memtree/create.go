package memtree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// newFile is a file in the making.
type newFile struct {
	t    *tree
	path string
	name string
	temp string // name of the temporary, "" where the file itself is written
	i    *inode
	how  engine.CreateOptions
	made bool  // in place: there was no file before
	size int64 // in place: length before; of a partial what was kept; of a clone that of its basis

	cloned bool // it began as CreateOptions.Basis

	resumable bool               // temp is the partial that a later run finds, and is locked
	side      *inode             // its sidecar, or the mark of a file written in place; nil for none
	ckpt      *checkpoint.Writer // nil for none

	wrote   atomic.Bool   // something was written
	end     atomic.Int64  // end of what was written
	turn    chan struct{} // holds a token while nobody takes the old time away
	spoiled error         // of that, guarded by turn
	begun   bool          // ... which was done

	done   func(error)
	failed error // the file cannot appear
}

// temp returns a name for a temporary: the number of the run and one of its own.
// The disk is locked.
func (t *tree) temp() string {
	if t.run == 0 {
		t.d.run++
		t.run = t.d.run
		t.d.runs[t.run] = true
	}
	t.d.temps++
	return fmt.Sprintf("%s%08x%08x", manifest.TempPrefix, t.run, t.d.temps)
}

// Create implements [engine.Dest].
func (t *tree) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	if err := t.mayChange(ctx); err != nil {
		return nil, t.fail("create", path, err)
	}
	f := t.newFile(path, how)
	if err := f.begin(ctx); err != nil {
		return nil, t.fail("create", path, err)
	}
	if err := f.share(); err != nil {
		return nil, t.fail("clone", path, errors.Join(err, f.finishEarly(false)))
	}
	t.enlist(f)
	return f, nil
}

func (t *tree) newFile(path string, how engine.CreateOptions) *newFile {
	f := &newFile{t: t, path: path, name: path[strings.LastIndexByte(path, '/')+1:], how: how, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

func (t *tree) enlist(f *newFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[f] = struct{}{}
}

// ends takes f out of the files in the making, and reports whether it was there.
func (f *newFile) ends() bool {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	_, ok := f.t.live[f]
	delete(f.t.live, f)
	return ok
}

// begin opens what is written to.
func (f *newFile) begin(ctx context.Context) error {
	if f.how.InPlace {
		if ok, err := f.beginInPlace(ctx); ok || err != nil {
			return err
		}
	}
	if f.how.Resume && !f.how.InPlace {
		return f.beginPartial(ctx)
	}
	return f.alter("create", func(dir *inode, _ string) error {
		f.temp = f.t.temp()
		f.i = f.t.d.create(dir, f.temp)
		return nil
	})
}

// alter makes a change of the file's directory, which is dirty then.
func (f *newFile) alter(op string, change func(dir *inode, name string) error) error {
	return f.t.alter(op, f.path, change)
}

// create makes an empty file that only its owner can use.
func (d *Disk) create(dir *inode, name string) *inode {
	i := d.make(manifest.Regular, 0o600)
	if dir.now.mode&0o2000 != 0 {
		i.now.gid = dir.now.gid
		i.states[0] = i.now
	}
	d.alter(dir, naming{name, i})
	return i
}

// Begun implements [engine.NewFile].
func (f *newFile) Begun() int64 {
	if f.temp != "" || f.made {
		return 0
	}
	return f.size
}

// beginInPlace opens the file itself, and reports false where a temporary must be
// used. A file that is not there is marked before it is made, else before it is
// first written.
func (f *newFile) beginInPlace(ctx context.Context) (ok bool, err error) {
	until := time.Now().Add(f.t.how.Wait)
	for {
		there := true
		err = f.t.d.do(Op{Kind: "open in place", Path: f.t.full(f.path)}, func() error {
			dir, name, err := f.t.d.dirOf(f.t.top, f.path)
			if err != nil {
				return err
			}
			e, found := f.t.d.child(dir, name)
			switch there = found; {
			case !found || e.ino.kind != manifest.Regular || e.ino.nlink > 1:
			case e.ino.holder != nil:
				return engine.ErrInUse
			default:
				f.i, f.size, ok = e.ino, int64(len(e.ino.data)), true
				f.i.holder = f.t
			}
			return nil
		})
		if err == nil && !there {
			return f.makeInPlace()
		}
		if err == nil {
			return ok, nil
		}
		if err := wait(ctx, until, err); err != nil {
			return false, err
		}
	}
}

// makeInPlace makes a file under its final name, and reports false where something
// else has come to be there.
func (f *newFile) makeInPlace() (ok bool, err error) {
	_ = f.markInPlace() // if there can be no mark, the time must do
	err = f.alter("create", func(dir *inode, name string) error {
		if _, there := f.t.d.child(dir, name); !there {
			f.i, f.made, ok = f.t.d.create(dir, name), true, true
			f.i.holder = f.t
		}
		return nil
	})
	if !ok {
		f.dropSidecar()
		return false, err
	}
	_ = f.retouch() // the first write does it again, and tells
	return true, nil
}

// WriteAt implements [io.WriterAt]. Where the gate gives an error half of p is
// written.
func (f *newFile) WriteAt(p []byte, off int64) (n int, err error) {
	if err := f.touch(); err != nil {
		return 0, f.t.fail("write", f.path, err)
	}
	if f.how.Sparse && isZero(p) {
		n, err = f.punch(p, off)
	} else {
		n, err = f.write(p, off)
	}
	if err == nil {
		err = f.retouch()
	}
	return n, f.t.fail("write", f.path, err)
}

func (f *newFile) write(p []byte, off int64) (int, error) {
	n := len(p)
	op := Op{Kind: "write", Path: f.t.full(f.path), Off: off, Len: n, Change: true}
	err := f.t.d.pass(op)
	if err != nil {
		n /= 2
	}
	derr := f.t.d.locked(func() error {
		f.i.write(p[:n], off)
		f.t.d.touch(f.i)
		return nil
	})
	if derr != nil {
		return 0, derr
	}
	raise(&f.end, off+int64(n))
	return n, err
}

// punch makes a hole, which does not make the file longer.
func (f *newFile) punch(zeros []byte, off int64) (int, error) {
	if off >= max(f.size, f.end.Load()) {
		return len(zeros), nil // there is one
	}
	err := f.t.d.do(Op{Kind: "punch", Path: f.t.full(f.path), Off: off, Len: len(zeros), Change: true}, func() error {
		if n := min(int64(len(zeros)), int64(len(f.i.data))-off); n > 0 {
			f.i.write(zeros[:n], off)
			f.t.d.touch(f.i)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(zeros), nil
}

func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// touch is called before anything is written. A file that is written in place is
// marked and loses its time first.
func (f *newFile) touch() error {
	f.wrote.Store(true)
	if f.temp != "" {
		return nil
	}
	<-f.turn
	defer func() { f.turn <- struct{}{} }()
	if f.begun {
		return f.spoiled
	}
	f.begun = true
	durable := f.t.how.Durability != engine.SyncNone && !f.made
	if !f.made && f.markInPlace() == nil && durable { // if there can be no mark, the time must do
		_ = f.sidecar().Sync()
		_ = f.syncDir()
	}
	f.spoiled = f.retouch()
	if f.spoiled == nil && durable {
		f.spoiled = f.t.fsync(f.path, f.i)
	}
	return f.spoiled
}

// retouch takes away the time that writing has set.
func (f *newFile) retouch() error {
	if f.temp != "" {
		return nil
	}
	return f.setTime(engine.UnfinishedTime(f.how.Sec))
}

func (f *newFile) setTime(sec int64) error {
	return f.t.d.do(Op{Kind: "utimens", Path: f.t.full(f.path), Change: true}, func() error {
		f.i.now.sec, f.i.now.nsec = sec, 0
		f.i.note()
		return nil
	})
}

// copyPiece is how much one operation of CopyFrom copies.
const copyPiece = 256 << 10

// CopyFrom implements [engine.NewFile].
func (f *newFile) CopyFrom(ctx context.Context, src engine.File, size int64) (bool, error) {
	from, ok := src.(*file)
	if !ok || from.t.d != f.t.d || f.t.d.o.NoCopy {
		return false, nil
	}
	if err := f.touch(); err != nil {
		return false, f.t.fail("copy", f.path, err)
	}
	for off := int64(0); off < size; off += copyPiece {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		piece := make([]byte, min(copyPiece, size-off))
		if _, err := from.ReadAt(piece, off); err != nil {
			return false, f.t.fail("copy", f.path, err)
		}
		if _, err := f.write(piece, off); err != nil {
			return false, f.t.fail("copy", f.path, err)
		}
	}
	return true, f.t.fail("copy", f.path, f.retouch())
}

// share begins the file as a clone of its basis, where the disk can copy.
func (f *newFile) share() error {
	from, ok := f.how.Basis.(*file)
	if !ok || from.t.d != f.t.d || f.temp == "" || f.how.Sparse || f.t.d.o.NoCopy {
		return nil
	}
	return f.t.d.do(Op{Kind: "clone", Path: f.t.full(f.path), Change: true}, func() error {
		f.i.write(from.i.data, 0)
		f.t.d.touch(f.i)
		f.cloned, f.size = true, int64(len(from.i.data))
		return nil
	})
}

// Cloned implements [engine.Cloned].
func (f *newFile) Cloned() (engine.File, error) {
	if !f.cloned {
		return nil, nil
	}
	return &file{f.t, f.path, f.i}, nil
}

// Landed implements [engine.NewFile].
func (f *newFile) Landed(_ context.Context, sum delta.Digest) {
	if f.ckpt != nil {
		f.ckpt.Landed(sum)
	}
}

// truncate sets the length.
func (f *newFile) truncate(size int64) error {
	return f.t.d.do(Op{Kind: "truncate", Path: f.t.full(f.path), Off: size, Change: true}, func() error {
		f.i.resize(size)
		f.t.d.touch(f.i)
		return nil
	})
}

// drop removes a name if it is still that of the inode.
func (f *newFile) drop(name string, i *inode) error {
	return f.alter("unlink", func(dir *inode, _ string) error {
		f.t.d.unlink(dir, name, i)
		return nil
	})
}

// errTaken says that a name is taken by what is not a run's.
const errTaken = syscall.EEXIST
