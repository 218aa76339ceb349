package main

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// forgiveBackups has what gosync has put aside not compared where rsync has not, and reports whether there is any.
func (c *huntCase) forgiveBackups(theirs, ours *huntOutcome) bool {
	aside, found := c.aside(), false
	for k, r := range ours.each()[1:] {
		for name := range r.look {
			if aside(name) && theirs.each()[k+1].look[name] == nil {
				delete(r.look, name)
				found = true
			}
		}
	}
	i := slices.Index(lookFields(), "links")
	return forgiveWhere(theirs, ours, "links", func(name string, said, _ []string) bool {
		return aside(name) || slices.ContainsFunc(strings.Split(strings.Trim(said[i], "[]"), " "), func(other string) bool {
			unquoted, err := strconv.Unquote(other)
			return err == nil && aside(unquoted)
		})
	}) || found
}

// forgiveWhere has a field not compared of what both have, differently, and is says of; it reports whether there is any.
func forgiveWhere(theirs, ours *huntOutcome, field string, is func(name string, said, there []string) bool) bool {
	i, found := slices.Index(lookFields(), field), false
	for k, r := range ours.each() {
		for name, said := range r.look {
			if there := theirs.each()[k].look[name]; there != nil && said[i] != there[i] && is(name, said, there) {
				said[i], found = forgiven, true
			}
		}
	}
	return found
}

// forgiveAside has a field of backups not compared, and reports whether there is a difference.
func (c *huntCase) forgiveAside(theirs, ours *huntOutcome, field string) bool {
	aside := c.aside()
	return forgiveWhere(theirs, ours, field, func(name string, _, _ []string) bool { return aside(name) })
}

// forgiveOfGroups has a field of files with several names, now or before, not compared, and reports whether there is a difference.
func forgiveOfGroups(theirs, ours *huntOutcome, field string) bool {
	links := slices.Index(lookFields(), "links")
	return forgiveWhere(theirs, ours, field, func(name string, said, there []string) bool {
		before := ours.before[name]
		return said[links] == there[links] && (said[links] != "" || before != nil && before[links] != "")
	})
}

// forgiveACLs has access lists of files and directories not compared, and reports whether there is a difference.
func forgiveACLs(theirs, ours *huntOutcome) bool {
	acl := slices.Index(lookFields(), "acl")
	return forgiveWhere(theirs, ours, "acl", func(_ string, said, there []string) bool {
		return strings.ContainsAny(said[0], "df") && said[acl] != "" && there[acl] != ""
	})
}

// hasLongName reports whether the name of a backup of some file would be too long.
func (l huntLook) hasLongName() bool {
	for name := range l {
		if len(path.Base(name)) > 250 {
			return true
		}
	}
	return false
}

// isLinked reports whether a file of which a line tells has several names in the destination.
func (l huntLook) isLinked(shown string) bool {
	links := slices.Index(lookFields(), "links")
	for name, said := range l {
		if said[links] != "" && strings.HasPrefix(name, "./dst") && strings.HasSuffix(display(name), "/"+shown) {
			return true
		}
	}
	return false
}

// linksOfAlternates reports whether the two have linked other files of an alternate directory.
func linksOfAlternates(theirs, ours *huntOutcome) bool {
	links := slices.Index(lookFields(), "links")
	for name, said := range ours.run.look {
		if there := theirs.run.look[name]; there != nil && strings.HasPrefix(name, "./alt") && said[links] != there[links] {
			return true
		}
	}
	return false
}

// forgiveBefore1970 has times not compared that are now for gosync and negative for rsync, and reports whether there are any.
func forgiveBefore1970(theirs, ours *huntOutcome) bool {
	i := slices.Index(lookFields(), "time")
	return forgiveWhere(theirs, ours, "time", func(_ string, said, there []string) bool {
		return said[i] == "now" && strings.HasPrefix(there[i], "-1.")
	})
}

// forgiveTouched has the time of the directory for temporary files not compared, and reports whether it differs.
func forgiveTouched(theirs, ours *huntOutcome) bool {
	i := slices.Index(lookFields(), "time")
	return forgiveWhere(theirs, ours, "time", func(name string, said, _ []string) bool {
		return said[0] == "d" && !strings.HasPrefix(name, "./dst") && said[i] == "now"
	})
}

// forgiveNewer has files not compared that gosync has left as they were and rsync has made links, nor the groups that they
// are in then, and reports whether there are any.
func (c *huntCase) forgiveNewer(theirs, ours *huntOutcome) bool {
	links, found := slices.Index(lookFields(), "links"), false
	for k, r := range ours.each() {
		there := theirs.each()[k]
		for name, said := range r.look {
			before := ours.before[name]
			if said[0] != "f" || before == nil || !slices.Equal(said[:5], before[:5]) || there.look[name] == nil || there.look[name][links]+said[links] == "" && !c.grouped(display(name)) || slices.Equal(said, there.look[name]) {
				continue
			}
			group := there.look[name][links]
			for other, one := range there.look {
				if group != "" && one[links] == group && r.look[other] != nil {
					one[links], r.look[other][links] = forgiven, forgiven
				}
			}
			there.look[name], found = said, true
			for _, there := range theirs.each() {
				there.lines = slices.DeleteFunc(there.lines, func(line string) bool {
					at, _, is := strings.Cut(line, " => ")
					return is && isLinkLine(line) && strings.HasSuffix(display(name), "/"+at[12:])
				})
			}
		}
	}
	return found
}

// forgiveSpecial has the modes of FIFOs, sockets and devices not compared that have taken the place of something else.
func forgiveSpecial(theirs, ours *huntOutcome) bool {
	return forgiveWhere(theirs, ours, "mode", func(name string, said, there []string) bool {
		before := ours.before[name]
		return before != nil && before[0] != "d" && strings.Contains("psbc", said[0]) && there[0] == said[0]
	})
}

// forgiveLetters makes lines of theirs that begin with their letters those of ours for the same entry that begin with our
// letters, and reports whether there are any.
func forgiveLetters(theirs, ours *huntOutcome, their, our string) bool {
	found := false
	for k, r := range theirs.each() {
		for i, line := range r.lines {
			at, ok := strings.CutPrefix(line, their+" ")
			j := slices.IndexFunc(ours.each()[k].lines, func(o string) bool { return len(o) > 12 && strings.HasPrefix(o, our) && o[12:] == at })
			if ok && j >= 0 && ours.each()[k].lines[j] != line {
				r.lines[i], found = ours.each()[k].lines[j], true
			}
		}
	}
	return found
}

// forgiveMasked has access lists not compared that differ, with the letters of all, and reports whether there are any.
func forgiveMasked(theirs, ours *huntOutcome) bool {
	acl, found := slices.Index(lookFields(), "acl"), false
	for k, r := range ours.each() {
		for name, said := range r.look {
			if there := theirs.each()[k].look[name]; there != nil && said[acl] != "" && there[acl] != "" && said[acl] != there[acl] {
				said[acl], found = forgiven, true
			}
		}
	}
	if found {
		for _, o := range []*huntOutcome{theirs, ours} {
			for _, r := range o.each() {
				for i, line := range r.lines {
					if isItem(line) && line[9] == 'a' {
						r.lines[i] = line[:9] + "." + line[10:]
					}
				}
			}
		}
	}
	return found
}

// forgiveInTheWay leaves out symlinks that rsync has made where a directory was in the way, and gosync has made nothing, and
// reports whether there are any.
func forgiveInTheWay(theirs, ours *huntOutcome) bool {
	found := false
	for k, r := range theirs.each() {
		for name, there := range r.look {
			if there[0] != "l" || !ours.before.isDir(name) || ours.each()[k].look[name] != nil {
				continue
			}
			delete(r.look, name)
			found = true
			leaveOut(theirs, func(line string) bool {
				at, _, is := strings.Cut(line, " -> ")
				return is && strings.HasPrefix(at, "cL+++++++++ ") && strings.HasSuffix(display(name), "/"+at[12:])
			})
		}
	}
	return found
}

// forgiveNotEmpty leaves one of rsync's lines about each directory that is not deleted, and none that says it is, and
// reports whether there are others. Where gosync has no such line, nor has rsync then in a dry run.
func forgiveNotEmpty(theirs, ours *huntOutcome) bool {
	const text = "cannot delete non-empty directory: "
	found := false
	for k, r := range theirs.each() {
		o := ours.each()[k]
		for _, line := range o.lines {
			name, is := strings.CutPrefix(line, text)
			if !is {
				continue
			}
			n := len(r.lines)
			r.lines = slices.DeleteFunc(slices.Clone(r.lines), func(l string) bool {
				return l == line || k == 0 && strings.HasPrefix(strings.TrimPrefix(l, "*"), "del") && strings.Contains(l, name+"/") && !slices.Contains(o.lines, l)
			})
			found = found || len(r.lines) != n-1
			if len(r.lines) < n {
				r.lines = append(r.lines, line)
			}
		}
	}
	return found
}
