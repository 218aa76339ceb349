package engine

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Limits is what a server lets its clients do. The zero value lets them do
// everything that the process may do itself. A job that asks for more is refused
// before any file is looked at, with [wire.CodeUnsupported] and the names of what
// it asks for and of the option that forbids it.
//
// Which paths a client can reach is not for Limits to say but for the [Host].
type Limits struct {
	ReadOnly    bool // the server is never a destination
	WriteOnly   bool // ... never a source, and tells nothing of the files it has
	NoDelete    bool // nothing is removed
	NoOverwrite bool // what exists stays as it is; implies NoDelete
	Confined    bool // the host shows a part of the machine only: no device nodes, nothing by absolute paths

	Deny error // why no job is done at all; nil for no reason

	MaxSize  int64 // greatest size of a file that is received, in bytes; 0 for any
	MaxFiles int64 // greatest number of entries of a run that is received; 0 for any

	// MaxTimeout bounds the timeout that the client asks for, and the time that it
	// may take to say what it wants; 0 for any.
	MaxTimeout time.Duration
}

// refused is the error for a job that asks for what the server's option by forbids.
func refused(what, by string) error {
	return wire.Errorf(wire.CodeUnsupported, "the far side runs with %s: it refuses %s", by, what)
}

// keeps returns the option by which nothing is removed, "" if things are.
func (l *Limits) keeps() string {
	switch {
	case l.WriteOnly:
		return "--write-only"
	case l.NoOverwrite:
		return "--no-overwrite"
	case l.NoDelete:
		return "--no-delete"
	}
	return ""
}

// admit refuses a job that asks for more than is permitted, and takes from it
// what the server does in another way than the client may have thought. source
// says that this end is the source.
func (l *Limits) admit(job *Job, source bool) error {
	keeps := l.keeps()
	var err error
	switch {
	case l.Deny != nil:
		err = l.Deny
	case source && l.WriteOnly:
		err = refused("to be read", "--write-only")
	case !source && l.ReadOnly:
		err = refused("to be written to", "--read-only")
	case l.ReadOnly && (job.Delete || job.Clean):
		err = refused("--delete and --clean", "--read-only")
	case job.Delete && keeps != "":
		err = refused("--delete", keeps)
	case job.DeleteMissing && (keeps != "" || l.ReadOnly):
		err = refused("--delete-missing-args", cmp.Or(keeps, "--read-only"))
	case job.RemoveSource && source && (l.ReadOnly || keeps != ""):
		err = refused("--remove-source-files", cmp.Or(keeps, "--read-only"))
	case job.Force && keeps != "":
		err = refused("--force", keeps)
	case job.Clean && keeps != "":
		err = refused("--clean", keeps)
	case job.PartialDir != "" && keeps != "": // what is kept there is replaced and removed
		err = refused("--partial-dir", keeps)
	case l.Confined && source && job.CopyLinks: // they may lead anywhere
		err = refused("--copy-links (which cp implies)", "--restrict-to")
	case l.Confined && source && job.followsSome():
		err = refused("--copy-unsafe-links and --copy-dirlinks", "--restrict-to")
	case l.Confined && job.KeepDirLinks: // they may lead anywhere
		err = refused("--keep-dirlinks", "--restrict-to")
	case l.Confined && job.Xattrs: // root's would give rights to who runs a file
		err = refused("--xattrs", "--restrict-to")
	case l.Confined && job.FakeDest: // ... and these stand for what root would make
		err = refused("--fake-super", "--restrict-to")
	case l.Confined && strings.HasPrefix(job.PartialDir, "/"):
		err = refused("--partial-dir with an absolute path", "--restrict-to")
	case l.WriteOnly && job.AltKind != AltNone:
		err = refused(job.AltKind.option(), "--write-only")
	case job.AltKind == AltCompare && !source && keeps != "": // what is in the place of what it has is removed
		err = refused("--compare-dest", keeps)
	case l.WriteOnly && (job.Update || job.Existing || job.IgnoreExisting):
		err = refused("--update, --existing and --ignore-existing, which look at the files that are there,", "--write-only")
	case job.Backup && (l.WriteOnly || l.NoOverwrite): // what has the name of a backup is replaced
		err = refused("--backup", keeps)
	case job.TempDir != "" && keeps != "": // what has been there is not looked at
		err = refused("--temp-dir", keeps)
	case l.Confined && job.TempDir != "" && !filepath.IsLocal(job.TempDir):
		err = refused("--temp-dir that leads out of the destination", "--restrict-to")
	case l.Confined && job.BackupDir != "" && !filepath.IsLocal(job.BackupDir):
		err = refused("--backup-dir that leads out of the destination", "--restrict-to")
	}
	if err != nil {
		return err
	}
	if err := checkSuffix(&job.Options); err != nil {
		return err
	}
	l.adapt(job)
	return nil
}

// adapt changes the job to what the server does.
func (l *Limits) adapt(job *Job) {
	if l.MaxTimeout > 0 && (job.Timeout <= 0 || job.Timeout > l.MaxTimeout) {
		job.Timeout = l.MaxTimeout
	}
	if l.Confined {
		job.Devices = false // they would reach what is not below the root
	}
	if l.WriteOnly || l.NoOverwrite {
		job.InPlace, job.Append, job.AppendVerify = false, false, false
	}
	if l.WriteOnly {
		job.WholeFile, job.Checksum = true, false
		job.Partial, job.NoPartial = false, true
	}
}

// hurry ends the connection of a client that takes too long to say what it wants.
// over says that it has.
func (l *Limits) hurry(c *wire.Conn) (over func()) {
	if l.MaxTimeout <= 0 {
		return func() {}
	}
	timer := time.AfterFunc(l.MaxTimeout, func() {
		c.Fail(fmt.Errorf("%w: no job within %v", wire.ErrTimeout, l.MaxTimeout))
	})
	return func() { timer.Stop() }
}

// tooMany is the error for a run with more entries than are permitted.
func (l *Limits) tooMany() error {
	return wire.Errorf(wire.CodeMemory, "more than %d entries, and the far side takes no more (--max-files): copy them in parts", l.MaxFiles)
}

// count checks the number of entries that have come so far.
func (l *Limits) count(n int64) error {
	if l.MaxFiles > 0 && n > l.MaxFiles {
		return l.tooMany()
	}
	return nil
}

// tooLarge is the error for a file with more bytes than are permitted.
func (l *Limits) tooLarge() error {
	return fmt.Errorf("the far side takes no file of more than %d bytes (--max-size)", l.MaxSize)
}

// errExists is the error for what is there and is not to be replaced.
func errExists() error {
	return &wire.Error{Kind: wire.KindExist, Text: "it exists, and the far side replaces nothing (--no-overwrite)"}
}

// content ends the run when content comes that no file may have: it was asked for
// because the source had announced less.
func (d *dest) content(m wire.Msg) error {
	var id wire.ID
	var end int64
	switch m := m.(type) {
	case *wire.Data:
		id, end = m.ID, m.Offset+int64(len(m.Content))+m.Zeros
	case *wire.Segment:
		id, end = m.ID, m.Size
	}
	if d.limits.MaxSize == 0 || end <= d.limits.MaxSize {
		return nil
	}
	d.mu.Lock()
	in, err := d.lookup(id)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return &wire.Error{Code: wire.CodeMemory, Op: "receive", Path: in.shown, Text: d.limits.tooLarge().Error()}
}

// limit reports whether an entry is not dealt with because of the server's limits.
func (p *planner) limit(dir *destDir, i int) (bool, error) {
	d, e := p.d, &dir.entries[i]
	l := &d.limits
	var err error
	switch dst := dir.find(d.nameFor(dir, e)); {
	case l.MaxSize > 0 && e.IsRegular() && e.Size > l.MaxSize:
		err = l.tooLarge()
	case l.NoOverwrite && dst != nil && p.replaces(e, dst):
		err = errExists()
	default:
		return false, nil
	}
	d.lose(wire.ID{Dir: dir.index, Entry: i})
	return true, d.fileFailed("receive", shownPath(dir, e), err)
}

// replaces reports whether e would certainly take the place of dst. What the two
// have in common only their content can tell is refused later.
func (p *planner) replaces(e, dst *manifest.Entry) bool {
	switch {
	case !p.d.copies(e):
		return false
	case e.Type != dst.Type:
		return true
	case e.IsRegular():
		return p.d.judge(e, dst) == different
	}
	return !sameSpecial(e, dst)
}
