package main

import (
	"path"
	"slices"
	"strings"
)

// A deliberate difference is one that gosync is meant to have. touches reports whether it is in a case, and takes it out
// of the outcomes, unless nothing is to be compared any more then.
type deliberate struct {
	name    string
	why     string
	whole   bool // nothing is compared
	touches func(c *huntCase, theirs, ours *huntOutcome) bool
}

// saidByRsync is touches for what rsync says on standard error.
func saidByRsync(texts ...string) func(*huntCase, *huntOutcome, *huntOutcome) bool {
	return func(_ *huntCase, theirs, _ *huntOutcome) bool {
		return slices.ContainsFunc(theirs.each(), func(r *huntRun) bool {
			return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(r.stderr, text) })
		})
	}
}

// saidByGosync is touches for what gosync says on standard error.
func saidByGosync(texts ...string) func(*huntCase, *huntOutcome, *huntOutcome) bool {
	rsync := saidByRsync(texts...)
	return func(c *huntCase, theirs, ours *huntOutcome) bool { return rsync(c, ours, theirs) }
}

func deliberateDifferences() []deliberate {
	return []deliberate{
		{
			name:  "a destination whose parent is missing",
			why:   "gosync ends with 11 before it has looked at the source, also in a dry run",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return saidByGosync("create it first")(c, theirs, ours) || saidByRsync("change_dir#3")(c, theirs, ours)
			},
		},
		{
			name:    "a source is missing and something is to be deleted",
			why:     "gosync deletes nothing then",
			whole:   true,
			touches: saidByGosync("skipping file deletion"),
		},
		{
			name:    "symlinks of other users in what the command line names",
			why:     "rsync 3.5 follows none; gosync follows none below its roots, whoever owns it",
			whole:   true,
			touches: saidByRsync("refusing to follow a symlink"),
		},
		{
			name:    "rsync breaks off",
			why:     "where the first name of a file that has several cannot be made, and where a rule hides a directory above a name of --files-from",
			whole:   true,
			touches: saidByRsync("File-list index", "rejecting excluded file-list name"),
		},
		{
			name:  "-F above the source",
			why:   "rsync reads .rsync-filter in the directories above the source, too, up to the root of the file system; for gosync what is not copied has no say",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.has("-F", "-FF") && slices.ContainsFunc(c.sources, func(s string) bool { return strings.Contains(strings.Trim(path.Clean(s), "./"), "/") })
			},
		},
		{
			name:  "files with rules in several sources",
			why:   "the rules of the first source that ends in a slash hold for what lies in others, and for what is named beside it, unless --no-inc-recursive is given; for gosync each has its own, as for rsync with it",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.readsRules() && !c.has("--no-i-r", "--no-inc-recursive") && len(c.sources) > 1 && slices.ContainsFunc(c.sources, func(s string) bool { return strings.HasSuffix(s, "/") || strings.HasSuffix(s, "/.") })
			},
		},
		{
			name:  "files with rules on the way to what -R names",
			why:   "rsync leaves out what such a file excludes although it is named, unless --no-inc-recursive or --files-from is given; for gosync what is named is judged by the rules of the command line alone",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.readsRules() && c.has("-R") && !c.has("--no-i-r", "--no-inc-recursive") && len(c.files) == 0 && slices.ContainsFunc(c.sources, func(s string) bool { return strings.Contains(path.Clean(s), "/") })
			},
		},
		{
			name:  "--append with an alternate directory",
			why:   "rsync takes the alternate directory's file for the one to append to, and leaves the file out where that is not shorter, without an error; gosync copies it",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.has("--append", "--append-verify") && c.hasPrefix("--link-dest", "--copy-dest", "--compare-dest")
			},
		},
		{
			name:  "--remove-source-files with --compare-dest",
			why:   "rsync removes what only the other directory has; gosync removes nothing that is not at the destination",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.has("--remove-source-files") && c.hasPrefix("--compare-dest")
			},
		},
		{
			name: "attributes of directories in a dry run",
			why:  "with an alternate directory rsync wants to copy them to directories that it has not made, and fails",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !strings.Contains(theirs.dry.stderr, "gen_entry_copy_xattrs") {
					return false
				}
				theirs.dry.status = ours.dry.status
				return true
			},
		},
		{
			name: "an alternate directory by way of a path that is not made yet",
			why:  "with --mkpath rsync finds it in the run but not in the dry run; gosync finds it in both, so that -n shows what the run does",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				const lost = "-dest arg does not exist"
				if !c.has("--mkpath") || !strings.Contains(theirs.dry.stderr, lost) || strings.Contains(theirs.run.stderr, lost) {
					return false
				}
				theirs.dry.lines = slices.Clone(ours.dry.lines) // what is left out is taken from each
				return true
			},
		},
		{
			name:    "a bad rule in a file of the source",
			why:     "rsync ends at once, with 1; for gosync the directory of the file cannot be read, and the rest is copied: 23",
			whole:   true,
			touches: saidByGosync("bad filter rule"),
		},
		{
			name:  "--mkpath where nothing arrives",
			why:   "rsync makes the path although the source is missing, or is left out; gosync makes nothing",
			whole: true,
			touches: func(c *huntCase, theirs, _ *huntOutcome) bool {
				return c.has("--mkpath") && slices.ContainsFunc(theirs.run.lines, func(line string) bool { return strings.HasPrefix(line, "created ") }) &&
					!slices.ContainsFunc(theirs.run.lines, isItem)
			},
		},
		{
			name: "--existing and a destination that is missing",
			why:  "rsync makes it, but does not say so in a dry run, nor does it make it for a source that is empty; gosync always makes it and says so",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--existing", "--ignore-non-existing") && leaveOut(ours, func(line string) bool { return line == "cd+++++++++ ./" }) &&
					(leaveOut(theirs, func(line string) bool { return line == "cd+++++++++ ./" }) || skipLooks(theirs, ours))
			},
		},
		{
			name: "that the destination was made",
			why:  "rsync says so twice with --mkpath, and in a pull not at all",
			touches: func(_ *huntCase, theirs, ours *huntOutcome) bool {
				is := func(line string) bool { return strings.HasPrefix(line, "created ") }
				a, b := leaveOut(theirs, is), leaveOut(ours, is)
				return a || b
			},
		},
		{
			name: "the mode of a new file with another basis",
			why:  "without -p it is for rsync that of the alternate directory's file whose content it was updated from; for gosync every new file is as the umask says",
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.hasPrefix("--link-dest", "--copy-dest", "--compare-dest") && !c.keepsModes() && forgive(ours, "mode", "f")
			},
		},
		{
			name: "the mode of a directory without -p",
			why:  "rsync gives it that of the source where that has extended attributes and -X is given",
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.has("-X") && !c.keepsModes() && forgive(ours, "mode", "d")
			},
		},
		{
			name:  "backups inside the destination with --delete-excluded",
			why:   "rsync deletes the backups of the run before; for gosync they are no business of --delete",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.has("--delete-excluded") && c.has("--backup-dir=.old", "--backup-dir=dir")
			},
		},
		{
			name: "the time of a file or symlink where a directory belongs, with --ignore-existing",
			why:  "rsync leaves it, but in the end sets its time to that of the directory that it was not replaced by; gosync leaves all of it",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--ignore-existing") && c.keepsTimeOf(theirs, ours)
			},
		},
	}
}

// readsRules reports whether files of the source have rules.
func (c *huntCase) readsRules() bool {
	return c.has("-C", "-F", "-FF") || c.hasPrefix("--filter=:", "--filter=dir-merge")
}

// keepsTimeOf takes over what rsync makes of the times of what stands at the destination whose paths are directories in the
// source, and reports whether there are any.
func (c *huntCase) keepsTimeOf(theirs, ours *huntOutcome) bool {
	i, found := slices.Index(lookFields(), "time"), false
	for k, r := range ours.each() {
		for name, said := range r.look {
			there := theirs.each()[k].look[name]
			at := "/" + strings.TrimPrefix(name, "./dst/")
			if said[0] == "d" || there == nil || there[0] != said[0] || said[i] == there[i] || said[i] != ours.before[name][i] {
				continue
			}
			if slices.ContainsFunc(c.src, func(n peerNode) bool {
				return (n.kind == 'd' || n.kind == 'l' && c.has("-L", "--copy-links", "-k", "--copy-dirlinks", "--copy-unsafe-links")) && strings.HasSuffix(at, "/"+n.path)
			}) {
				said[i], found = forgiven, true
			}
		}
	}
	return found
}

// leaveOut takes lines out of an outcome, and reports whether there were any.
func leaveOut(o *huntOutcome, is func(line string) bool) bool {
	found := false
	for _, r := range o.each() {
		n := len(r.lines)
		r.lines = slices.DeleteFunc(r.lines, is)
		found = found || len(r.lines) < n
	}
	return found
}

// isItem reports whether a line of output is that of an entry.
func isItem(line string) bool {
	return len(line) > 11 && line[11] == ' ' && strings.IndexByte("<>ch.*", line[0]) >= 0
}

// keepsModes reports whether permissions are kept.
func (c *huntCase) keepsModes() bool {
	on := false
	for _, o := range c.opts {
		switch o {
		case "-a", "-p", "-A":
			on = true
		case "--no-p":
			on = false
		}
	}
	return on
}

// forgive has a field of what is below the destination not compared, and reports whether there is any.
func forgive(o *huntOutcome, field, kind string) bool {
	i := slices.Index(lookFields(), field)
	found := false
	for _, r := range o.each() {
		for name, said := range r.look {
			if said[0] == kind && strings.HasPrefix(name+"/", "./dst/") {
				said[i], found = forgiven, true
			}
		}
	}
	return found
}

// forgiven stands for whatever is there.
const forgiven = "*"

// skipLooks has the trees of a case not compared.
func skipLooks(theirs, ours *huntOutcome) bool {
	for i, r := range theirs.each() {
		ours.each()[i].look = r.look
	}
	ours.before = ours.dry.look
	return true
}
