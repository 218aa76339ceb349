package main

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// accidents are differences in what rsync does by accident and nobody can want of it, and in what its way of working leaves
// open.
func accidents() []deliberate {
	return []deliberate{
		{
			name:  "an empty directory as a destination that is missing",
			why:   "for rsync a single entry becomes the destination, even if it is a directory; gosync puts it below it",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				at := "./" + path.Clean(c.dest)
				return !strings.HasSuffix(c.dest, "/") && ours.before[at] == nil &&
					theirs.run.look.isDir(at) && len(theirs.run.look.below(at)) == 0 && len(ours.run.look.below(at)) == 1
			},
		},
		{
			name: "--mkpath of an empty source",
			why:  "as the destination is to become the source then, rsync makes its parents alone beforehand, and tells of it in the run",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				const top = "cd+++++++++ ./"
				n := len(ours.run.lines)
				if !c.has("--mkpath") || !slices.Equal(theirs.run.lines, []string{top}) || n > 1 || n == 1 && !strings.HasPrefix(ours.run.lines[0], ".d") {
					return false
				}
				theirs.run.lines = slices.Clone(ours.run.lines)
				return true
			},
		},
		{
			name: "alternate directories of an empty source whose destination is missing",
			why:  "as the destination is to become the source then, rsync looks for them from where it was started",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				const top = "cd+++++++++ ./"
				like := len(ours.run.lines) == 1 && strings.HasPrefix(ours.run.lines[0], "cd") && strings.HasSuffix(ours.run.lines[0], " ./")
				if ours.before["./"+path.Clean(c.dest)] != nil || !slices.Equal(theirs.run.lines, []string{top}) || !like && !strings.Contains(theirs.run.stderr, "-dest arg does not exist") {
					return false
				}
				theirs.dry.lines, theirs.run.lines = slices.Clone(ours.dry.lines), slices.Clone(ours.run.lines)
				return true
			},
		},
		{
			name: "that a source file is removed already",
			why:  "rsync says so of what is copied twice with --remove-source-files",
			touches: func(c *huntCase, theirs, _ *huntOutcome) bool {
				return c.has("--remove-source-files") && leaveOut(theirs, func(line string) bool { return strings.HasPrefix(line, "sender file already removed: ") })
			},
		},
		{
			name:    "--remove-source-files of a file that two sources have",
			why:     "rsync may have removed it when it comes to the second name of it, and ends with 24; gosync removes it in the end",
			whole:   true,
			touches: saidWith("file has vanished: ", "--remove-source-files"),
		},
		{
			name: "owners and times of backups of what is written in place",
			why:  "rsync copies them without what is not kept; gosync keeps those of the file",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.hasPrefix("--inplace", "--append") || !c.hasPrefix("-b", "--backup") {
					return false
				}
				owners := c.forgiveAside(theirs, ours, "owner")
				return !c.keeps("t") && c.forgiveAside(theirs, ours, "time") || owners
			},
		},
		{
			name: "times of directories with --delete-before",
			why:  "rsync tells of those that its deletions have changed, but not in a dry run; what gosync tells is what -n has told",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--delete-before") && alikeBut(theirs, ours, "t", func(r *huntRun, line string) bool {
					return strings.HasPrefix(line, ".d") && slices.ContainsFunc(r.lines, func(deleted string) bool {
						at, ok := strings.CutPrefix(deleted, "*deleting   ")
						return ok && path.Dir(strings.TrimSuffix(at, "/")) == path.Clean(line[12:])
					})
				})
			},
		},
		{
			name: "extended attributes of what is replaced by another symlink, device or FIFO",
			why:  "rsync tells of those of the new one, but not in a dry run; gosync of those that differ from what was there",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-X", "-A") && alikeBut(theirs, ours, "ax", func(_ *huntRun, line string) bool {
					return line[0] == 'c' && strings.IndexByte("LDS", line[1]) >= 0
				})
			},
		},
		{
			name: "backups of what an alternate directory has the right state of",
			why:  "with --link-dest and --compare-dest rsync replaces or removes it without a backup; gosync never does",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.hasPrefix("-b", "--backup") && c.hasPrefix("--link-dest", "--compare-dest") && c.forgiveBackups(theirs, ours)
			},
		},
		{
			name:  "a symlink that leads nowhere, of which the rules exclude only files or only directories",
			why:   "it may be what they do not exclude: gosync says so, and deletes nothing; for rsync it is no error",
			whole: true,
			touches: func(_ *huntCase, theirs, ours *huntOutcome) bool {
				return ours.dry.status == exitPartial && strings.Contains(ours.dry.stderr, "gosync: follow ") && !strings.Contains(theirs.dry.stderr, "symlink has no referent")
			},
		},
		{
			name: "what an alternate directory has of a file in the way of a directory",
			why:  "rsync looks for it below the file in a dry run, which ends with 23; the run ends well",
			touches: func(_ *huntCase, theirs, ours *huntOutcome) bool {
				if theirs.dry.status != exitPartial || ours.dry.status != 0 || theirs.run.status != 0 || !strings.Contains(theirs.dry.stderr, "failed: Not a directory (20)") {
					return false
				}
				theirs.dry.status = 0
				return true
			},
		},
		{
			name: "older backups that are in the way of a directory of the newer ones",
			why:  "gosync sets them aside under a name with a tilde; rsync loses them",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				aside, found := c.aside(), false
				for k, r := range ours.each() {
					maps.DeleteFunc(r.look, func(name string, _ []string) bool {
						is := strings.HasSuffix(name, "~") && aside(name) && theirs.each()[k].look[name] == nil && r.look.isDir(strings.TrimSuffix(name, "~"))
						found = found || is
						return is
					})
				}
				return found
			},
		},
		{
			name: "extended attributes of directories for backups",
			why:  "rsync copies them from the directory while another of its processes sets those of the source there",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-X") && c.hasPrefix("--backup-dir") && c.forgiveAside(theirs, ours, "xattrs")
			},
		},
		{
			name: "the time of the directory in which the destination, or one for backups, is made",
			why:  "where -R takes it for the top of the source, its time is that of before or after, as it happens",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				at, i := "./"+path.Clean(c.dest), slices.Index(lookFields(), "time")
				if !c.missing && !c.hasPrefix("--backup-dir={base}") || !c.has("-R") || !slices.ContainsFunc(c.sources, func(s string) bool { return strings.HasPrefix(s, "./") }) ||
					ours.run.look[at] == nil || ours.again.look[at] == nil {
					return false
				}
				ours.run.look[at][i], ours.again.look[at][i] = forgiven, forgiven
				is := func(line string) bool { return line == ".d..t...... ./" || line == ".d          ./" }
				theirs.again.lines, ours.again.lines = slices.DeleteFunc(theirs.again.lines, is), slices.DeleteFunc(ours.again.lines, is)
				return true
			},
		},
		{
			name:  "--no-super in a push",
			why:   "rsync does not send it to the far side, which goes on as root; gosync does",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.way == "push" && c.has("--no-super")
			},
		},
		{
			name: "access times with -c",
			why:  "rsync reads all files of the source, in a dry run, too, and keeps the access times that come of it; gosync reads those that it must compare",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("-U") || !c.has("-c", "--checksum") {
					return false
				}
				is := func(line string) bool { return strings.HasPrefix(line, ".f......u.. ") }
				a, b := leaveOut(theirs, is), leaveOut(ours, is)
				lines := alikeFrom(0, theirs, ours, "u", func(_ *huntRun, line string) bool { return line[1] == 'f' })
				return forgive(ours, "read", "f") || a || b || lines
			},
		},
		{
			name:  "access times with -c and --link-dest",
			why:   "those of the alternate directory's files are what they are after rsync has read them, and decide what is linked",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-U") && c.has("-c", "--checksum") && c.hasPrefix("--link-dest") && linksOfAlternates(theirs, ours)
			},
		},
		{
			name: "the time of a file with -U and -X, without -t",
			why:  "rsync sets one in 1969 where extended attributes are long",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-U") && c.has("-X") && !c.keeps("t") && forgiveBefore1970(theirs, ours)
			},
		},
		{
			name:    "long extended attributes with --remove-source-files",
			why:     "rsync wants to read them again from the file that it has removed, and leaves them empty",
			whole:   true,
			touches: saidWith("failed to re-read xattr", "-X", "--remove-source-files"),
		},
		{
			name:  "symlinks, devices and FIFOs that are linked from an alternate directory, with --remove-source-files",
			why:   "rsync leaves them at the source; gosync removes them as it does files",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("--remove-source-files") || !c.hasPrefix("--link-dest") {
					return false
				}
				for name, there := range theirs.run.look {
					if strings.HasPrefix(name, "./src/") && there[0] != "d" && there[0] != "f" && ours.run.look[name] == nil {
						return true
					}
				}
				return false
			},
		},
		{
			name:  "--ignore-errors where a symlink leads nowhere",
			why:   "gosync deletes nothing in its directory, of which not all is known; rsync does",
			whole: true,
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.has("--ignore-errors") && strings.Contains(ours.dry.stderr, "gosync: follow ")
			},
		},
		{
			name: "that deletions are skipped, with --ignore-existing",
			why:  "rsync cannot list what is in the way of a directory, and takes that for an error of the source",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return strings.Contains(ours.dry.stderr, "--ignore-existing keeps it") &&
					leaveOut(theirs, func(line string) bool { return line == "IO error encountered -- skipping file deletion" })
			},
		},
		{
			name:  "--existing where a directory is in the way of a file with several names",
			why:   "rsync deletes the directory, and then does not make the file, because its other name is missing",
			whole: true,
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("-H") || !c.has("--existing", "--ignore-non-existing") {
					return false
				}
				for name, now := range ours.run.look {
					if now[0] == "f" && ours.before.isDir(name) && theirs.run.look[name] == nil {
						return true
					}
				}
				return false
			},
		},
		{
			name: "access times of backups",
			why:  "rsync has read the file before it is put aside; gosync gives it the one that it had",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-U") && c.hasPrefix("-b", "--backup") && c.forgiveAside(theirs, ours, "read")
			},
		},
		{
			name: "the time of --temp-dir with --append",
			why:  "gosync makes new files under temporary names, as without --append; rsync writes to their own names",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.hasPrefix("--append") && c.hasPrefix("-T", "--temp-dir") && forgiveTouched(theirs, ours)
			},
		},
		{
			name:  "-L into a loop of directories",
			why:   "rsync copies it some forty levels deep, until the system follows no more; gosync says what is a loop, and goes on",
			whole: true,
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.has("-L", "--copy-links", "-k", "--copy-dirlinks", "--copy-unsafe-links") && strings.Contains(ours.dry.stderr, "it leads to a directory that it lies in")
			},
		},
		{
			name:    "--delay-updates with one --partial-dir for all directories",
			why:     "rsync mixes up files of one name in it",
			whole:   true,
			touches: saidWith("rename failed for ", "--delay-updates", "--partial-dir={base}"),
		},
		{
			name:  "a backup whose name is too long",
			why:   "gosync leaves the file; rsync makes none where an alternate directory has the right state, or of a device",
			whole: true,
			touches: func(c *huntCase, _, ours *huntOutcome) bool {
				return c.hasPrefix("-b", "--backup") && (strings.Contains(ours.run.stderr+ours.again.stderr, "file name too long") ||
					c.hasPrefix("--link-dest", "--compare-dest") && ours.before.hasLongName())
			},
		},
		{
			name: "permissions of what has an access list that changes, too",
			why:  "rsync says of them with -n that they change, and in the run only that the list does",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				found := false
				for i, line := range theirs.run.lines {
					if c.has("-A") && isItem(line) && line[0] == '.' && line[9] == 'a' && line[5] == '.' {
						if says := line[:5] + "p" + line[6:]; slices.Contains(ours.run.lines, says) {
							theirs.run.lines[i], found = says, true
						}
					}
				}
				return found
			},
		},
		{
			name: "access lists with --chmod",
			why:  "where the group's own entry is as wide as the mask, rsync changes both; gosync the mask, as chmod(1) does",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("-A") || !c.hasPrefix("--chmod") {
					return false
				}
				return forgiveMasked(theirs, ours)
			},
		},
		{
			name: "that . is skipped",
			why:  "rsync says so of ./ with -R, beside what is named behind it",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-R") && leaveOut(theirs, func(line string) bool {
					return line == "skipping directory ." && !slices.Contains(ours.run.lines, line)
				})
			},
		},
		{
			name: "access times of files with several names, and of those of alternate directories",
			why:  "rsync compares one that it has changed itself by reading the file under another name",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				others := c.hasPrefix("--link-dest", "--copy-dest", "--compare-dest") || c.has("-I", "--ignore-times")
				lines := c.has("-U") && alikeBut(theirs, ours, "u", func(_ *huntRun, line string) bool {
					return line[1] == 'f' && line[8] == 'u' && (others || ours.before.isLinked(line[12:]))
				})
				return c.has("-U") && forgiveOfGroups(theirs, ours, "read") || lines
			},
		},
		{
			name: "the mode of a FIFO, socket or device that takes the place of a file or of another",
			why:  "without -p rsync gives it what the file had, the setuid bit and all; gosync what a new one has",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return !c.keepsModes() && forgiveSpecial(theirs, ours)
			},
		},
		{
			name: "what an alternate directory has of a symlink that takes the place of a directory",
			why:  "rsync does not look for it there where something else is in the way",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				made := c.hasPrefix("--compare-dest") && forgiveInTheWay(theirs, ours)
				return c.hasPrefix("--link-dest", "--copy-dest", "--compare-dest") && forgiveLetters(theirs, ours, "cL+++++++++", "cL") || made
			},
		},
		{
			name: "that --append-verify sends a file twice",
			why:  "rsync tells of it twice where the beginning differs",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("--append-verify") && leaveOut(theirs, func(line string) bool {
					return strings.HasPrefix(line[min(1, len(line)):], "f..t...... ") && !slices.Contains(ours.run.lines, line)
				})
			},
		},
		{
			name:  "-K where a symlink of the destination leads to the directory that it lies in, or above",
			why:   "rsync sees through it what it has just made of that directory itself",
			whole: true,
			touches: func(c *huntCase, _, _ *huntOutcome) bool {
				return c.has("-K", "--keep-dirlinks") && slices.ContainsFunc(c.dst, func(n peerNode) bool {
					return n.kind == 'l' && strings.Trim(n.target, "./") == ""
				})
			},
		},
		{
			name: "the time of the destination, in which the directory for backups is made",
			why:  "rsync makes it after it has set the time, and sets that again in the next run",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				at, i := "./"+path.Clean(c.dest), slices.Index(lookFields(), "time")
				if !c.has("--backup-dir=.old", "--backup-dir=dir") || !forgiveWhere(theirs, ours, "time", func(name string, _, there []string) bool { return name == at && there[i] == "now" }) {
					return false
				}
				is := func(line string) bool { return line == ".d..t...... ./" || line == ".d          ./" }
				theirs.again.lines, ours.again.lines = slices.DeleteFunc(theirs.again.lines, is), slices.DeleteFunc(ours.again.lines, is)
				return true
			},
		},
		{
			name: "that a directory is not deleted",
			why:  "of those inside another rsync says so twice, and in a dry run that they are; in a dry run it does not see that backups will be in the way",
			touches: func(_ *huntCase, theirs, ours *huntOutcome) bool {
				return forgiveNotEmpty(theirs, ours)
			},
		},
		{
			name: "--executability of directories that an alternate directory has",
			why:  "rsync tells of it where neither an old directory nor a new one has other permissions for it",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-E") && !c.keepsModes() && c.hasPrefix("--link-dest", "--copy-dest", "--compare-dest") && leaveOut(theirs, func(line string) bool {
					return strings.HasPrefix(line, "cd") && isItem(line) && line[5] == 'p' && !slices.Contains(ours.run.lines, line)
				})
			},
		},
		{
			name: "access times of files with rules",
			why:  "rsync compares them after it has read the rules",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				hasRules := func(name string) bool {
					return slices.Contains([]string{".rules", ".rsync-filter", ".cvsignore"}, path.Base(name))
				}
				if !c.has("-U") || !c.readsRules() {
					return false
				}
				times := forgiveWhere(theirs, ours, "read", func(name string, _, _ []string) bool { return hasRules(name) })
				return alikeFrom(0, theirs, ours, "u", func(_ *huntRun, line string) bool { return line[1] == 'f' && hasRules(line[12:]) }) || times
			},
		},
		{
			name: "owners and modes of directories for backups without root's rights",
			why:  "rsync opens them to work in them, and has their owners from the source; gosync from the directory whose files they keep",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("--no-super") || !c.hasPrefix("--backup-dir") {
					return false
				}
				modes := c.forgiveAside(theirs, ours, "mode")
				return c.forgiveAside(theirs, ours, "owner") || modes
			},
		},
		{
			name: "%B of what is deleted in a pull, and %U and %G with --usermap or --groupmap",
			why:  "they depend for rsync on which of its processes prints them: they are the permissions, and what ids become, in a pull alone",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				is := func(line string) bool {
					return c.hasPrefix("--out-format=%o:%n:%B") && strings.HasPrefix(line, "del.:") ||
						c.hasPrefix("--out-format=%f_%U:%G") && c.hasPrefix("--usermap", "--groupmap", "--chown")
				}
				a, b := c.way == "pull" && leaveOut(theirs, is), c.way == "pull" && leaveOut(ours, is)
				return a || b
			},
		},
		{
			name: "the destination that --mkpath has made for an empty source",
			why:  "for rsync the last part of its path is made by the transfer, unless it ends in a slash",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				i, j := slices.Index(theirs.run.lines, "cd+++++++++ ./"), slices.Index(ours.run.lines, ".d..t...... ./")
				if !c.has("--mkpath") || i < 0 || j < 0 || len(ours.run.lines) > 1 {
					return false
				}
				theirs.run.lines[i] = ours.run.lines[j]
				return true
			},
		},
		{
			name: "extended attributes of what a followed symlink leads to",
			why:  "rsync takes those of the symlink itself",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				links := slices.ContainsFunc(c.src, func(n peerNode) bool { return n.kind == 'l' && len(n.xattrs) > 0 })
				return links && c.has("-X") && c.has("-L", "--copy-links", "-k", "--copy-dirlinks", "--copy-unsafe-links") &&
					forgiveWhere(theirs, ours, "xattrs", func(name string, said, _ []string) bool { return strings.HasPrefix(name, "./dst") && said[0] != "l" })
			},
		},
		{
			name: "extended attributes of a directory that several alternate directories have",
			why:  "rsync compares those of the first that has any with the source for all of them, and writes them to where it should read",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				alts := 0
				for _, o := range c.opts {
					if strings.HasPrefix(o, "--compare-dest") || strings.HasPrefix(o, "--copy-dest") || strings.HasPrefix(o, "--link-dest") {
						alts++
					}
				}
				if alts < 2 || !c.has("-X", "-A") {
					return false
				}
				lines := leaveOut(theirs, func(line string) bool {
					return isItem(line) && strings.HasPrefix(line, "cd") && strings.Trim(line[9:11], ".+ ") != "" && !slices.Contains(ours.run.lines, line)
				})
				unchanged := func(line string) bool { return lines && strings.HasPrefix(line, "cd          ") }
				leaveOut(ours, unchanged)
				leaveOut(theirs, unchanged)
				return lines && forgiveWhere(theirs, ours, "xattrs", func(_ string, said, _ []string) bool { return said[0] == "d" })
			},
		},
	}
}

// saidWith reports whether rsync has said a text in the run, with options that begin like that.
func saidWith(text string, options ...string) func(c *huntCase, theirs, ours *huntOutcome) bool {
	return func(c *huntCase, theirs, _ *huntOutcome) bool {
		return !slices.ContainsFunc(options, func(o string) bool { return !c.hasPrefix(o) }) && strings.Contains(theirs.run.stderr, text)
	}
}

func (l huntLook) isDir(at string) bool { return l[at] != nil && l[at][0] == "d" }

// below returns the paths below a directory.
func (l huntLook) below(at string) (names []string) {
	for name := range l {
		if strings.HasPrefix(name, at+"/") {
			names = append(names, name)
		}
	}
	return names
}

// alikeBut makes lines of the runs alike that differ in some letters only, and reports whether there are any. is says of
// rsync's which these are.
func alikeBut(theirs, ours *huntOutcome, letters string, is func(r *huntRun, line string) bool) bool {
	return alikeFrom(1, theirs, ours, letters, is)
}

// alikeFrom is alikeBut for the runs from the n-th on; with 0 the dry run is one of them.
func alikeFrom(n int, theirs, ours *huntOutcome, letters string, is func(r *huntRun, line string) bool) bool {
	mask := func(line string) string {
		b := []byte(strings.ReplaceAll(line[:11], " ", "."))
		for i := range b {
			if strings.IndexByte(letters, b[i]) >= 0 {
				b[i] = '.'
			}
		}
		return string(b) + line[11:]
	}
	found := false
	for k, r := range theirs.each()[n:] {
		o := ours.each()[k+n]
		r.lines = slices.DeleteFunc(slices.Clone(r.lines), func(line string) bool {
			if !isItem(line) || slices.Contains(o.lines, line) || !is(r, line) {
				return false
			}
			i := slices.IndexFunc(o.lines, func(other string) bool { return len(other) > 11 && mask(other) == mask(line) })
			switch {
			case i >= 0:
				o.lines = slices.Delete(slices.Clone(o.lines), i, i+1)
			case strings.Trim(mask(line)[2:11], ".") != "":
				return false
			}
			found = true
			return true
		})
	}
	return found
}

// aside returns what says of a path whether it is one of a backup.
func (c *huntCase) aside() func(name string) bool {
	suffix := "~"
	var dirs []string
	for _, o := range c.opts {
		if s, ok := strings.CutPrefix(o, "--suffix="); ok {
			suffix = s
		}
		switch dir, ok := strings.CutPrefix(o, "--backup-dir="); {
		case !ok:
		case strings.HasPrefix(dir, "{base}"):
			dirs = append(dirs, "./bak")
		default:
			dirs = append(dirs, "./"+path.Join(path.Clean(c.dest), dir))
		}
	}
	return func(name string) bool {
		if len(dirs) == 0 {
			return strings.HasPrefix(name, "./dst/") && strings.HasSuffix(name, suffix)
		}
		return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(name+"/", dir+"/") })
	}
}
