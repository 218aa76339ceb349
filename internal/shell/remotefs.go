package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/pkg/sftp"
)

// ReadDir implements FS.
func (r *Remote) ReadDir(ctx context.Context, dir string, links bool) ([]Entry, error) {
	var entries []Entry
	err := r.do(ctx, "list", dir, func(c *sftp.Client) error {
		infos, err := c.ReadDirContext(ctx, here(dir))
		for _, info := range infos {
			entries = append(entries, remoteEntry(info))
		}
		return err
	})
	entries, bad := checkNames(dir, entries)
	if err == nil {
		err = bad
	}
	if links {
		r.readLinks(ctx, dir, entries)
	}
	return entries, err
}

// readLinks fills in the targets of symlinks; one that cannot be read stays empty.
func (r *Remote) readLinks(ctx context.Context, dir string, entries []Entry) {
	index := map[string]int{}
	var names []string
	for i := range entries {
		if entries[i].Mode.Type() == fs.ModeSymlink {
			name := join(dir, entries[i].Name)
			index[name] = i
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	_ = r.each(ctx, "readlink", names, func(c *sftp.Client, name string) (err error) {
		entries[index[name]].Target, err = c.ReadLink(name)
		return err
	})
}

// Stat implements FS.
func (r *Remote) Stat(ctx context.Context, name string) (e Entry, err error) {
	return r.stat(ctx, name, (*sftp.Client).Stat)
}

// Lstat implements FS.
func (r *Remote) Lstat(ctx context.Context, name string) (e Entry, err error) {
	return r.stat(ctx, name, (*sftp.Client).Lstat)
}

func (r *Remote) stat(ctx context.Context, name string, f func(*sftp.Client, string) (os.FileInfo, error)) (e Entry, err error) {
	err = r.do(ctx, "stat", name, func(c *sftp.Client) error {
		info, err := f(c, here(name))
		if err == nil {
			e = remoteEntry(info)
		}
		return err
	})
	return e, err
}

// ReadLink implements FS.
func (r *Remote) ReadLink(ctx context.Context, name string) (target string, err error) {
	err = r.do(ctx, "readlink", name, func(c *sftp.Client) (err error) {
		target, err = c.ReadLink(name)
		return err
	})
	return target, err
}

// RealPath makes a path absolute, as the server sees it.
func (r *Remote) RealPath(ctx context.Context, name string) (full string, err error) {
	err = r.do(ctx, "realpath", name, func(c *sftp.Client) (err error) {
		full, err = c.RealPath(here(name))
		return err
	})
	if err == nil && (full == "" || full[0] != '/') {
		err = &fs.PathError{Op: "realpath", Path: name, Err: fmt.Errorf("the server says %q, which is no absolute path", full)}
	}
	return full, err
}

func remoteEntry(info fs.FileInfo) Entry {
	e := Entry{Name: info.Name(), Mode: info.Mode(), Size: max(info.Size(), 0), ModTime: info.ModTime()}
	if st, ok := info.Sys().(*sftp.FileStat); ok {
		e.UID, e.GID = st.UID, st.GID
	}
	return e
}

// mkdir makes a directory; servers say of most errors only that they failed.
func (r *Remote) mkdir(ctx context.Context, name string) error {
	err := r.do(ctx, "mkdir", name, func(c *sftp.Client) error { return c.Mkdir(name) })
	if vague(err) {
		if _, found := r.Lstat(ctx, name); found == nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
		}
	}
	return err
}

// mkdirAll makes a directory and those above it that are missing.
func (r *Remote) mkdirAll(ctx context.Context, name string) error {
	return r.do(ctx, "mkdir", name, func(c *sftp.Client) error { return c.MkdirAll(name) })
}

// rmdir removes an empty directory.
func (r *Remote) rmdir(ctx context.Context, name string) error {
	err := r.do(ctx, "rmdir", name, func(c *sftp.Client) error { return c.RemoveDirectory(name) })
	if vague(err) {
		if entries, listed := r.ReadDir(ctx, name, false); listed == nil && len(entries) > 0 {
			return &fs.PathError{Op: "rmdir", Path: name, Err: errors.New("directory not empty")}
		}
	}
	return err
}

// vague reports whether a server has said only that something failed.
func vague(err error) bool {
	status, ok := errors.AsType[*sftp.StatusError](err)
	return ok && status.FxCode() == sftp.ErrSSHFxFailure
}

// removeFiles removes what is no directory.
func (r *Remote) removeFiles(ctx context.Context, names []string) []error {
	// Remove would try rmdir next, and hide the first error.
	return r.each(ctx, "remove", names, func(c *sftp.Client, name string) error { return c.Remove(name) })
}

// rename moves a file, over one that is there where the server can do that.
func (r *Remote) rename(ctx context.Context, from, to string) error {
	err := r.do(ctx, "rename", from, func(c *sftp.Client) error {
		if _, ok := c.HasExtension("posix-rename@openssh.com"); ok {
			return c.PosixRename(from, to)
		}
		return c.Rename(from, to)
	})
	if vague(err) {
		if _, found := r.Lstat(ctx, to); found == nil {
			return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
		}
	}
	return err
}

// link makes newname a hard link to, or a symlink with the text oldname.
func (r *Remote) link(ctx context.Context, oldname, newname string, symbolic bool) error {
	return r.do(ctx, "link", newname, func(c *sftp.Client) error {
		if symbolic {
			return c.Symlink(oldname, newname)
		}
		return c.Link(oldname, newname)
	})
}

// errNoExtension is what a server says that does not know a request.
var errNoExtension = errors.New("the server does not offer it")

// statVFS tells about the file system that a path is on.
func (r *Remote) statVFS(ctx context.Context, name string) (st *sftp.StatVFS, err error) {
	err = r.do(ctx, "df", name, func(c *sftp.Client) (err error) {
		if _, ok := c.HasExtension("statvfs@openssh.com"); !ok {
			return errNoExtension
		}
		st, err = c.StatVFS(name)
		return err
	})
	return st, err
}

// read copies the content of a file to w. The file may have any length: it ends
// with the file, with ctx, or with an error of w.
func (r *Remote) read(ctx context.Context, name string, w io.Writer) error {
	return r.do(ctx, "read", name, func(c *sftp.Client) error {
		f, err := c.Open(name)
		if err != nil {
			return err
		}
		defer f.Close() // it was only read
		buf := make([]byte, 512<<10)
		for {
			r.conn.refill()
			n, err := f.Read(buf)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if _, failed := w.Write(buf[:n]); failed != nil {
				return failed
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
}

// ServeSFTP is an SFTP server for one client, until it hangs up or ctx ends.
func ServeSFTP(ctx context.Context, conn io.ReadWriteCloser) error {
	server, err := sftp.NewServer(conn)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends Serve
	defer stop()
	err = server.Serve()
	_ = server.Close() // the client has hung up
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
