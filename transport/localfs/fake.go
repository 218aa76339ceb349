package localfs

import (
	"errors"

	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// fakes reports whether files of the tree stand for what only root may make.
func (t *Tree) fakes() bool { return t.detail&manifest.DetailFake != 0 }

// makeLink makes a symlink, or a file that holds its target and is to stand for it.
func (t *Tree) makeLink(d *dir, name string, e *manifest.Entry) error {
	if !t.fakes() {
		return unix.Symlinkat(e.Link(), d.fd, name)
	}
	return makeFake(d, name, e.Link())
}

// makeNode makes a device, FIFO or socket, or a file that is to stand for it.
func (t *Tree) makeNode(d *dir, name string, e *manifest.Entry) error {
	if !t.fakes() {
		return mknodAt(d.fd, name, e)
	}
	return makeFake(d, name, "")
}

// makeFake makes a file that holds text. What it stands for is set with its attributes.
func makeFake(d *dir, name, text string) error {
	fd, err := createAt(d.fd, name)
	if err != nil {
		return err
	}
	for b := []byte(text); len(b) > 0 && err == nil; {
		var n int
		if n, err = unix.Write(fd, b); err == unix.EINTR {
			err = nil
		}
		b = b[max(n, 0):]
	}
	if err = errors.Join(err, unix.Close(fd)); err != nil {
		_ = unix.Unlinkat(d.fd, name, 0)
	}
	return err
}
