package engine

import (
	"sync"

	"gosync/walker/manifest"
)

// Remarks are what a run tells of single entries, in rsync's words, beside what it does to them: a [SkipEvent] with one of
// these reasons. They are made where whoever asks for the run wants to hear them ([Options.Remarks]).
const (
	// CopiedUnsafe is about a symlink that --copy-unsafe-links follows; the path of the event holds its target as that of
	// [UnsafeSymlink] does.
	CopiedUnsafe = "copying unsafe symlink"
	// SourceRemoved is about a file that --remove-source-files has removed.
	SourceRemoved = "sender removed"
	// BackedUp is about an entry that was kept. The path of the backup follows.
	BackedUp = "backed up to "
	// FuzzyBasis is about a file that --fuzzy has found another for. The path of that follows.
	FuzzyBasis = "fuzzy basis "
	// NotBackedUp is about a symlink that is taken away without a backup because of --safe-links; the path of the event
	// holds its target as that of [UnsafeSymlink] does.
	NotBackedUp = "not backing up unsafe symlink"
	// BackupDir is about the directory for backups, which is the event's path.
	BackupDir = "(new) backup_dir is"
)

// once returns a function that posts an event for each path at the first call with it.
func (f *forest) remarkOnce() func(path string, ev Event) {
	var mu sync.Mutex
	told := map[string]bool{}
	return func(path string, ev Event) {
		mu.Lock()
		first := !told[path]
		told[path] = true
		mu.Unlock()
		if first && f.tell != nil {
			f.tell(ev)
		}
	}
}

// chooseUnsafe returns what picks the symlinks that --copy-unsafe-links follows, in a tree that stands at a path of the
// transfer.
func (f *forest) chooseUnsafe(at string) func(path, target string) bool {
	remark := f.remarkOnce()
	return func(path, target string) bool {
		shown := manifest.Join(at, path)
		unsafe := isUnsafe(shown, target)
		if unsafe && f.job.Remarks {
			remark(path, SkipEvent{Path: shown + "\" -> \"" + target, Reason: CopiedUnsafe})
		}
		return unsafe
	}
}

// remarkBackups returns what is called for each backup, nil where nobody wants to hear of them.
func (d *dest) remarkBackups() func(path, as string) {
	if !d.job.Remarks {
		return nil
	}
	if d.job.BackupDir != "" {
		d.rep.post(SkipEvent{Path: d.job.BackupDir, Reason: BackupDir})
	}
	return func(path, as string) { d.rep.post(SkipEvent{Path: path, Reason: BackedUp + as}) }
}

// leaveUnsafe returns what picks the symlinks that no backup is made of, and tells of them; nil where there are none.
func (d *dest) leaveUnsafe() func(path, target string) bool {
	if !d.job.SafeLinks {
		return nil
	}
	return func(path, target string) bool {
		unsafe := isUnsafe(path, target)
		if unsafe && d.job.Remarks {
			d.rep.post(SkipEvent{Path: path + "\" -> \"" + target, Reason: NotBackedUp})
		}
		return unsafe
	}
}
