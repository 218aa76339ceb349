package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gosync/internal/engine"
	"gosync/transport"
)

// mostListed bounds a list of --files-from on a far side, in bytes.
const mostListed = 64 << 20

// farList is a list of --files-from that lies on a far side.
type farList struct {
	end  int    // of the route
	path string // there
	arg  string // as the user wrote it

	confined bool // the far side follows no symlinks, since it is confined to a directory
}

// findList finds out on which side the list of --files-from lies: HOST:FILE on the one of that host, :FILE on the far
// side, with two of them that of the source. As in rsync HOST has to be what the operand says, with its user and port.
// Whatever is no operand on a host is the name of a file here.
func (r *route) findList(arg string) error {
	if arg == "" || arg == "-" {
		return nil
	}
	t, err := transport.ParseTarget(arg)
	switch {
	case err != nil:
		return usageErrorf("--files-from: %s", strings.TrimPrefix(err.Error(), transport.ErrTarget.Error()+" "))
	case !t.Remote:
		return nil
	case t.Path == "" || t.Path == "-":
		return usageErrorf("--files-from=%s names no file on the host; - alone is standard input", arg)
	case r.local():
		return usageErrorf("--files-from=%s is on a host, and both sides of the copy are here; a file here whose name has a colon is ./%s", arg, arg)
	}
	var hosts []string
	for i, end := range r.ends() {
		if !end.Remote {
			continue
		}
		if t.SameHost || sameHost(target{Target: t}, end) {
			r.list = &farList{end: i, path: t.Path, arg: arg}
			return nil
		}
		end.Path = ""
		hosts = append(hosts, end.Target.String())
	}
	return usageErrorf("--files-from=%s is not on a host of the copy, %s; write :FILE for a file there, ./%s for one here whose name has a colon",
		arg, strings.Join(hosts, " or "), arg)
}

// readList puts the names of a list on a far side into the job. They are read once, however often the connection has to
// be made.
func (w *ways) readList(ctx context.Context, f *fars, job *engine.Job) error {
	list := w.r.list
	if list == nil {
		return nil
	}
	if w.names == nil {
		data, err := w.copyList(ctx, f[list.end], list, job)
		if exitCode(err, w.e.parts.exitCode) == exitUnsupported && f[list.end].Agent != nil {
			list.confined = true
			if err := w.startAgain(ctx, f, list.end); err != nil {
				return err
			}
			data, err = w.copyList(ctx, f[list.end], list, job)
		}
		if err != nil {
			return err
		}
		w.names = listedNames(data, w.s.from0)
		if err := w.startAgain(ctx, f, list.end); err != nil {
			return err
		}
	}
	job.Files = w.names
	return nil
}

// startAgain starts gosync anew on a far side, where it has done a job. Other ways can be used for several.
func (w *ways) startAgain(ctx context.Context, f *fars, end int) error {
	far := f[end]
	if far.Agent == nil {
		return nil
	}
	_ = far.Agent.Close() // everything has come
	far.Agent = nil
	next, err := transport.Climb(ctx, far.Link, w.r.ends()[end].Host, w.how[end])
	if err != nil {
		return &connectError{explainGreeting(err)}
	}
	f[end] = next
	return nil
}

// copyList returns the content of a list on a far side. It comes as any file that is copied does, so there is nothing that
// the far side has to have for it; the copy is in a directory for temporary files that is removed again.
func (w *ways) copyList(ctx context.Context, far *transport.Far, list *farList, job *engine.Job) ([]byte, error) {
	dir, err := os.MkdirTemp("", "gosync-list-")
	if err != nil {
		return nil, withCode(exitFile, fmt.Errorf("--files-from=%s: a directory for its copy: %w", list.arg, err))
	}
	defer os.RemoveAll(dir) // it is not missed where it stays
	name := filepath.Join(dir, "list")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var said error // what is wrong with the file
	rep := engine.Report{Progress: new(engine.Progress), Event: func(ev engine.Event) {
		switch ev := ev.(type) {
		case engine.ErrorEvent:
			said = ev.Err
		case engine.ItemEvent:
			if ev.Entry.Size > mostListed {
				said = fmt.Errorf("it has more than %d bytes", mostListed)
				cancel(said)
			}
		}
	}}
	err = w.copyFile(ctx, far, list.job(name, job), rep)
	switch {
	case err != nil && (said == nil || lost(err)):
		return nil, err
	case said != nil:
		return nil, usageErrorf("--files-from=%s: %v", list.arg, said)
	}
	data, err := readCopy(name)
	if err != nil {
		return nil, usageErrorf("--files-from=%s: %v", list.arg, err)
	}
	return data, nil
}

// job is what has the list copied to a name here, within what the main job may take of the line. As with rsync only a
// leading ~ is expanded in the list's path, which homePath has done but for that of another user.
func (l *farList) job(name string, main *engine.Job) engine.Job {
	path := homePath(l.path)
	job := engine.Job{Sources: []string{path}, Dest: filepath.ToSlash(name)}
	job.CopyLinks, job.WholeFile, job.NoPartial, job.Itemize, job.MaxDelete = !l.confined, true, true, true, -1
	job.Durability, job.Timeout, job.BandwidthLimit = engine.SyncNone, main.Timeout, main.BandwidthLimit
	if job.LiteralPaths = !strings.HasPrefix(path, "~"); !job.LiteralPaths {
		job.Sources[0] = literalPattern(path)
	}
	return job
}

// copyFile copies a file from a far side to this one.
func (w *ways) copyFile(ctx context.Context, far *transport.Far, job engine.Job, rep engine.Report) (err error) {
	p := &w.e.parts
	switch far.Via {
	case transport.ViaAgent:
		_, err = p.receive(ctx, p.host(), far.Agent, job, rep)
	case transport.ViaSCP:
		_, err = p.receiveStream(ctx, p.host(), job, far.SCP, rep)
	default:
		_, err = p.between(ctx, far.Files, p.host(), job, rep)
	}
	return err
}

// readCopy reads a copy, if one was made. The list may have grown meanwhile.
func readCopy(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("it is not a regular file")
	} else if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, mostListed+1))
	if err == nil && len(data) > mostListed {
		err = fmt.Errorf("it has more than %d bytes", mostListed)
	}
	return data, err
}
