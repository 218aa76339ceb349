package engine

import (
	"fmt"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Backups says where a destination keeps what is replaced or removed.
type Backups struct {
	Dir    string         // below which it gets the path that it has in the tree; relative to the tree's root, or absolute; "" for the directory that it lies in
	Suffix string         // behind its name
	Attrs  manifest.Attrs // of AttrOwner and AttrGroup what directories below Dir get from those they stand for

	RemovesFirst bool                           // all that is removed is removed before anything is replaced
	Kept         func(path, as string)          // called for what is kept, with the path of the backup as a user would write it; may be nil
	Leaves       func(path, target string) bool // called for a symlink that is to be kept: it is not where that reports true; may be nil
}

// Backer is a [Dest] that can keep what it takes away.
type Backer interface {
	// KeepBackups has Commit, Symlink, Mknod, Link and Remove, from now on, keep what
	// they would take away, directories aside: they leave everything as it is where that
	// fails. What is written in place is copied first. It is called before anything is
	// changed. inside is the path of the directory for backups where that lies in the
	// tree, else "".
	KeepBackups(b Backups) (inside string, err error)
}

// startBackups has the tree keep what this run replaces and removes.
func (d *dest) startBackups(t Dest) error {
	if !d.job.Backup || d.job.Clean {
		return nil
	}
	b, ok := capability[Backer](t)
	if !ok {
		return wire.Errorf(wire.CodeUnsupported, "the destination cannot keep backups: --backup needs gosync on its machine")
	}
	inside, err := b.KeepBackups(Backups{
		Dir: d.job.BackupDir, Suffix: d.job.Suffix, Attrs: d.job.backupAttrs(), RemovesFirst: d.job.DeleteBefore,
		Kept: d.remarkBackups(), Leaves: d.leaveUnsafe(),
	})
	if err != nil {
		return &wire.Error{Code: wire.CodeUsage, Kind: wire.KindOf(err), Op: "use --backup-dir", Path: d.job.BackupDir, Text: text(err)}
	}
	d.backups = inside
	return nil
}

// backupAttrs is what directories for backups get of owners: what the run keeps.
func (o *Options) backupAttrs() (a manifest.Attrs) {
	if o.Owner {
		a |= manifest.AttrOwner
	}
	if o.Group {
		a |= manifest.AttrGroup
	}
	return a
}

// besides reports whether backups lie beside what they are backups of.
func (o *Options) besides() bool { return o.Backup && o.BackupDir == "" }

// IsBackup reports whether a name is that of a backup beside its file.
func (b *Backups) IsBackup(name string) bool {
	return b.Dir == "" && len(name) > len(b.Suffix) && strings.HasSuffix(name, b.Suffix)
}

// leavesBackup reports whether removing an entry from a directory of the destination
// leaves a backup there, for which the directory must stay.
func (d *dest) leavesBackup(dir string, e *manifest.Entry) bool {
	b := Backups{Dir: d.job.BackupDir, Suffix: d.job.Suffix}
	return d.job.besides() && !e.IsDir() && !b.IsBackup(e.Name) && !d.isUnsafe(manifest.Join(dir, e.Name), e)
}

// isUnsafe reports whether an entry of the destination is a symlink that --safe-links would
// not make there. No backup is made of it.
func (d *dest) isUnsafe(path string, e *manifest.Entry) bool {
	return d.job.SafeLinks && e.Type == manifest.Symlink && isUnsafe(path, e.Link())
}

// checkSuffix refuses a suffix that would lead a backup elsewhere, or nowhere. It may
// come from the far side.
func checkSuffix(o *Options) error {
	if o.Backup && (strings.ContainsAny(o.Suffix, "/\x00") || o.Suffix == "" && o.BackupDir == "") {
		return wire.Errorf(wire.CodeUsage, "%w: the suffix %q makes no name of a backup", ErrSelect, o.Suffix)
	}
	return nil
}

// errKept is about a directory that is in the way and has to stay.
func (d *dest) errKept() error {
	what := "something protected or another file system"
	if d.job.besides() {
		what += ", or would hold the backups of what is in it: use --backup-dir"
	}
	return fmt.Errorf("a directory is in the way that holds %s", what)
}

// backupOptions returns the options of backups as they stand in a job frame, and
// setBackupOption takes one of them.
func (o *Options) backupOptions() (options []string) {
	for _, t := range o.backupTexts() {
		if *t.p != "" {
			options = append(options, t.name+"="+*t.p)
		}
	}
	return options
}

func (o *Options) setBackupOption(name, value string) bool {
	for _, t := range o.backupTexts() {
		if t.name == name {
			*t.p = value
			return true
		}
	}
	return false
}

func (o *Options) backupTexts() []struct {
	name string
	p    *string
} {
	return []struct {
		name string
		p    *string
	}{{"backup-dir", &o.BackupDir}, {"suffix", &o.Suffix}, {"temp-dir", &o.TempDir}}
}
