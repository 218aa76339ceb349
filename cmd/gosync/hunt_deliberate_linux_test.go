package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
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
			name:  "--backup-dir and --temp-dir by way of a symlink below the destination",
			why:   "the source may have sent it: gosync follows none there",
			whole: true,
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.hasPrefix("--backup-dir", "--temp-dir", "-T") && strings.Contains(ours.run.stderr, "-dir ") && strings.Contains(ours.run.stderr, "it is not a directory")
			},
		},
		{
			name:    "symlinks of other users in what the command line names",
			why:     "rsync 3.5 follows none; gosync follows none below its roots, whoever owns it",
			whole:   true,
			touches: saidByRsync("refusing to follow a symlink"),
		},
		{
			name:    "rsync breaks off",
			why:     "where the first name of a file that has several cannot be made, or comes by way of a second source; where a rule hides a directory above a name of --files-from, or that name goes up; where the name of a backup is too long",
			whole:   true,
			touches: saidByRsync("File-list index", "hard-link gnum", "rejecting excluded file-list name", "rejecting unrequested file-list name", "keep_backup failed"),
		},
		{
			name:  "rsync does not end",
			why:   "it waits for itself, for ever: after a minute it is stopped",
			whole: true,
			touches: func(_ *huntCase, theirs, ours *huntOutcome) bool {
				return slices.ContainsFunc(theirs.each(), func(r *huntRun) bool { return r.status < 0 }) &&
					!slices.ContainsFunc(ours.each(), func(r *huntRun) bool { return r.status < 0 })
			},
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
			name:  "files with rules on the way to what -R or --files-from names",
			why:   "rsync leaves out what such a file excludes although it is named, unless --no-inc-recursive is given; for gosync what is named is judged by the rules of the command line alone",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				deep := func(name string) bool { return strings.Contains(path.Clean(name), "/") }
				return c.readsRules() && !c.has("--no-i-r", "--no-inc-recursive") &&
					(c.has("-R") && len(c.files) == 0 && slices.ContainsFunc(c.sources, deep) || slices.ContainsFunc(c.files, deep))
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
			name:  "a bad rule in a file of the source",
			why:   "rsync ends at once, with 1; for gosync the directory of the file cannot be read, and the rest is copied: 23; it does not read the files on the way to what -R names",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return saidByGosync("bad filter rule")(c, theirs, ours) || saidByRsync("<rule from ")(c, theirs, ours)
			},
		},
		{
			name:  "a device or FIFO under the name of a file of rules",
			why:   "rsync reads it; for gosync its directory cannot be read: 23",
			whole: true,
			touches: func(_ *huntCase, _, ours *huntOutcome) bool {
				return ours.dry.status == exitPartial && strings.Contains(ours.dry.stderr, "reading merge file ") && strings.Contains(ours.dry.stderr, ", not a file")
			},
		},
		{
			name:  "--mkpath where nothing arrives",
			why:   "rsync makes the path although the source is missing, or is left out; gosync makes nothing",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--mkpath") && len(theirs.run.look) > len(theirs.before) && len(ours.run.look) == len(ours.before) && !slices.ContainsFunc(theirs.run.lines, isItem)
			},
		},
		{
			name: "--existing and a destination that is missing",
			why:  "rsync makes it, but does not say so in a dry run, nor does it make it for a source that is empty; gosync always makes it and says so",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				is := func(line string) bool {
					return (strings.HasPrefix(line, "cd") || strings.HasPrefix(line, ".d") && ours.before["./"+path.Clean(c.dest)] == nil) && strings.HasSuffix(line, "./")
				}
				at := "./" + path.Clean(c.dest)
				if !c.has("--existing", "--ignore-non-existing") {
					return false
				}
				if ours.before[at] == nil && theirs.run.look[at] == nil && ours.run.look.isDir(at) && len(ours.run.look.below(at)) == 0 {
					leaveOut(ours, is)
					return skipLooks(theirs, ours)
				}
				return leaveOut(ours, is) && (leaveOut(theirs, is) || skipLooks(theirs, ours))
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
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("-X") || c.keepsModes() {
					return false
				}
				acls := forgiveACLs(theirs, ours) // a mode is the mask of a list
				return forgive(ours, "mode", "d") || acls
			},
		},
		{
			name: "the mode of what gets other extended attributes",
			why:  "without -p rsync gives it the source's mode; for gosync it keeps its own",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-X") && !c.keepsModes() && forgiveDecorated(theirs, ours)
			},
		},
		{
			name:  "backups inside the destination with --delete",
			why:   "rsync deletes the backups of the run before, which makes backups of them a level deeper, or for good; for gosync they are no business of --delete",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.deletes() && c.has("--backup-dir=.old", "--backup-dir=dir")
			},
		},
		{
			name: "a directory for backups that the source has, too",
			why:  "rsync says in the run, but not with -n, that it is there, where a backup was made in it before its turn",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.hasPrefix("--backup-dir=") && ours.before["./dst/dir"] == nil && forgiveLetters(theirs, ours, ".d..tp.....", "cd+++++++++")
			},
		},
		{
			name: "the time of a file or symlink where a directory belongs, with --ignore-existing",
			why:  "rsync leaves it, but in the end sets its time to that of the directory that it was not replaced by; gosync leaves all of it",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--ignore-existing") && c.keepsTimeOf(theirs, ours)
			},
		},
		{
			name:  "what lies below a symlink where a directory belongs, with --ignore-existing",
			why:   "rsync writes it to where the symlink leads; gosync says that it cannot make the directory",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("--ignore-existing") || !strings.Contains(ours.dry.stderr, "--ignore-existing keeps it") {
					return false
				}
				for name, there := range theirs.run.look {
					if up := ours.before["./"+path.Dir(name)]; ours.run.look[name] == nil && there[0] != "d" && strings.HasPrefix(name, "./dst") && up != nil {
						return slices.ContainsFunc(c.dst, func(n peerNode) bool { return n.kind == 'l' })
					}
				}
				return false
			},
		},
		{
			name:    "what lies below a file where a directory belongs, with --ignore-existing",
			why:     "rsync wants to make each of it below the file, and fails, but in a dry run says that it does; gosync says once that it cannot, with 23 in both",
			touches: keepsFileAbove,
		},
		{
			name: "directories that their owner may not write to or enter, without root's rights",
			why:  "rsync opens them to work in them, and in the end does not always take that back",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("--no-super") {
					return false
				}
				lists := forgiveWhere(theirs, ours, "acl", func(_ string, said, there []string) bool { return said[0] == "d" })
				return forgiveOpened(c, theirs, ours) || lists
			},
		},
		{
			name: "the group of a file where setgid goes, without root's rights",
			why:  "rsync gives a directory that is there its bit before or after what is made in it, as it can write to it or not; for gosync what is made in it always gets its group",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--no-super") && forgiveWhere(theirs, ours, "owner", func(name string, said, there []string) bool {
					group := func(of []string) string {
						_, id, _ := strings.Cut(of[slices.Index(lookFields(), "owner")], ":")
						return id
					}
					dir := ours.run.look["./"+path.Dir(name)]
					return dir != nil && group(said) == group(dir)
				})
			},
		},
		{
			name: "the owner of a file of several names with --inplace",
			why:  "gosync replaces it, so that other names keep what they had",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--inplace") && !(c.keeps("g") && c.keeps("o")) && forgiveLinked(theirs, ours, func(string) bool { return true })
			},
		},
		{
			name:  "a directory in the way that would hold the backups of what is in it",
			why:   "rsync makes these backups, and then cannot remove the directory, which -n has not told; gosync leaves all of it as it was",
			whole: true,
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.hasPrefix("-b", "--backup") && strings.Contains(ours.dry.stderr, "or would hold the backups of what is in it")
			},
		},
		{
			name: "the time of a directory in which --delete-before has deleted",
			why:  "rsync says in the run, but not with -n, that it sets it, since it has just changed it itself; gosync says what was different before the run",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--delete-before") && forgiveDeletedIn(theirs, ours)
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
				return (n.kind == 'd' || n.kind == 'l' && c.has("-L", "--copy-links", "-k", "--copy-dirlinks", "--copy-unsafe-links")) && path.Base(at) == path.Base(n.path)
			}) {
				said[i], found = forgiven, true
			}
		}
	}
	return found
}

// keepsFileAbove leaves out what rsync says of entries that are below what gosync says is no directory.
func keepsFileAbove(_ *huntCase, theirs, ours *huntOutcome) bool {
	const text = ": what exists there is no directory, and --ignore-existing keeps it"
	found := false
	for i, r := range ours.each() {
		for line := range strings.SplitSeq(r.stderr, "\n") {
			dir, is := strings.CutSuffix(strings.TrimPrefix(line, "gosync: mkdir "), text)
			if !is {
				continue
			}
			t := theirs.each()[i]
			t.lines = slices.DeleteFunc(t.lines, func(line string) bool {
				return isItem(line) && strings.HasPrefix(line[12:], dir+"/") || strings.HasPrefix(line, `skipping non-regular file "`+dir+"/")
			})
			found = true
			if t.status == exitOK {
				t.status = r.status
			}
		}
	}
	return found
}

// forgiveLinked has the owners of files of several names not compared where choose says so, and reports whether there is
// a difference.
func forgiveLinked(theirs, ours *huntOutcome, choose func(name string) bool) bool {
	owner, links, found := slices.Index(lookFields(), "owner"), slices.Index(lookFields(), "links"), false
	for k, r := range ours.each() {
		for name, said := range r.look {
			there := theirs.each()[k].look[name]
			if there != nil && said[links] != "" && said[owner] != there[owner] && choose(name) {
				said[owner], found = forgiven, true
			}
		}
	}
	return found
}

// forgiveDeletedIn leaves the time out of the lines of a run about directories in which something was deleted, and
// reports whether there are any.
func forgiveDeletedIn(theirs, ours *huntOutcome) bool {
	found := false
	for _, r := range []*huntRun{&theirs.run, &theirs.again, &ours.run, &ours.again} {
		in := map[string]bool{}
		for _, line := range r.lines {
			if name, is := strings.CutPrefix(line, "*deleting   "); is {
				in[path.Dir(strings.TrimSuffix(name, "/"))+"/"] = true
			}
		}
		for i, line := range r.lines {
			if isItem(line) && strings.HasPrefix(line, ".d..t") && in[line[12:]] {
				r.lines[i], found = ".d..."+line[5:], true
			}
		}
		r.lines = slices.DeleteFunc(r.lines, func(line string) bool {
			return strings.HasPrefix(line, ".d......... ") || strings.HasPrefix(line, ".d          ") && in[line[12:]] // the latter with -ii
		})
	}
	return found
}

// forgiveOpened has the modes of directories not compared to which rsync has given their owner all rights where gosync
// has not, and reports whether there are any.
func forgiveOpened(c *huntCase, theirs, ours *huntOutcome) bool {
	i, found := slices.Index(lookFields(), "mode"), false
	for k, r := range ours.each() {
		for name, said := range r.look {
			there := theirs.each()[k].look[name]
			if there == nil || said[0] != "d" || there[0] != "d" || said[i] == there[i] {
				continue
			}
			our, err := strconv.ParseUint(said[i], 8, 16)
			if err != nil || there[i] != fmt.Sprintf("%04o", our|0o700) && there[i] != fmt.Sprintf("%04o", our|0o200) {
				continue
			}
			said[i], found = forgiven, true
			for _, o := range []*huntOutcome{theirs, ours} {
				for _, r := range o.each() {
					for j, line := range r.lines {
						if isItem(line) && strings.HasPrefix(line, ".d..tp") && strings.HasSuffix(display(name)+"/", "/"+line[12:]) {
							r.lines[j] = line[:5] + "." + line[6:]
						}
					}
				}
			}
			is := func(line string) bool {
				return (strings.HasPrefix(line, ".d...p..... ") || strings.HasPrefix(line, ".d          ")) &&
					(strings.HasSuffix(display(name)+"/", "/"+line[12:]) || line[12:] == "./" && name == "./"+path.Clean(c.dest))
			}
			leaveOut(theirs, is)
			leaveOut(ours, is)
		}
	}
	return found
}

// forgiveDecorated has the modes not compared of what the destination had with other extended attributes, and reports
// whether there are different ones.
func forgiveDecorated(theirs, ours *huntOutcome) bool {
	mode, xattrs, found := slices.Index(lookFields(), "mode"), slices.Index(lookFields(), "xattrs"), false
	for k, r := range ours.each() {
		for name, said := range r.look {
			before, there := ours.before[name], theirs.each()[k].look[name]
			if before != nil && there != nil && before[xattrs] != said[xattrs] && said[mode] == before[mode] && said[mode] != there[mode] {
				said[mode], found = forgiven, true
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
func (c *huntCase) keepsModes() bool { return c.keeps("p", "-A") }

// keeps reports whether what a letter of -a stands for is kept.
func (c *huntCase) keeps(letter string, implies ...string) bool {
	on := false
	for _, o := range c.opts {
		switch {
		case o == "-a" || o == "-"+letter || slices.Contains(implies, o):
			on = true
		case o == "--no-"+letter:
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
