package main

import (
	"path"
	"slices"
	"strings"
)

// linkDifferences are those of hard links.
func linkDifferences() []deliberate {
	return []deliberate{
		{
			name: "-n of a hard link where there is nothing yet, or something of another kind",
			why:  "where the destination or its parent is missing rsync says of it what it has never asked the system for, and else compares it with what it will have removed; gosync says what the run will say",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-H") && forgiveNewLinks(&theirs.dry, &ours.dry, func(string) bool { return true })
			},
		},
		{
			name: "a hard link in the place of a directory",
			why:  "rsync compares it with the directory that it has removed",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-H") && forgiveNewLinks(&theirs.run, &ours.run, func(name string) bool {
					return slices.ContainsFunc(c.dst, func(n peerNode) bool { return n.kind == 'd' && strings.HasSuffix("/"+display(n.path), "/"+name) })
				})
			},
		},
		{
			name: "newer files under another name of what is linked",
			why:  "rsync looks at links before it looks at -u, in the run or only in the next one, and the newer content is gone",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-u", "--update") && c.has("-H") && c.forgiveNewer(theirs, ours)
			},
		},
		{
			name: "extended attributes and access lists of a file that becomes a hard link",
			why:  "rsync tells of them with -n, but not always in the run",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-H") && c.has("-X", "-A") && forgiveLinkLines(theirs, ours, func(line string) string {
					return strings.TrimRight(line[:9], ". ") + line[11:]
				})
			},
		},
		{
			name: "what a file becomes a hard link to, with -n and --link-dest",
			why:  "for rsync that is the file of the alternate directory, which gosync makes the first name of it in the run, and with -n, too",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				return c.has("-H") && c.hasPrefix("--link-dest") && forgiveLinkLines(theirs, ours, func(line string) string {
					name, to, _ := strings.Cut(line, " => ")
					return name + " => " + path.Base(to)
				})
			},
		},
		{
			name: "hard links with --inplace",
			why:  "gosync replaces a file of several names and then links the others; for rsync they stay what they were",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("--inplace") || !c.has("-H") {
					return false
				}
				found := false
				for k, r := range ours.each() {
					n := len(r.lines)
					r.lines = slices.DeleteFunc(r.lines, func(line string) bool {
						return isLinkLine(line) && strings.Contains(line, " => ") && !slices.Contains(theirs.each()[k].lines, line)
					})
					found = found || len(r.lines) < n
				}
				return found
			},
		},
		{
			name:    "access lists where a directory is in the way of a hard link",
			why:     "rsync asks for those of the file that is a directory no more, and ends with 23",
			whole:   true,
			touches: saidWith("sys_acl_get_file(", "-H"),
		},
		{
			name: "which name carries the content of a file that several sources have",
			why:  "gosync knows from the file how many names there are, and does not wait for more",
			touches: func(c *huntCase, theirs, ours *huntOutcome) bool {
				if !c.has("-H") || !c.overlaps() {
					return false
				}
				is := func(line string) bool {
					return isItem(line) && line[1] == 'f' && strings.IndexByte("<>h", line[0]) >= 0 && c.grouped(line[12:])
				}
				a, b := leaveOut(theirs, is), leaveOut(ours, is)
				return a || b
			},
		},
	}
}

// forgiveNewLinks makes lines of theirs about hard links those of ours that say that they are new, where is accepts the
// name, and reports whether there are any.
func forgiveNewLinks(theirs, ours *huntRun, is func(name string) bool) bool {
	found := false
	for i, line := range theirs.lines {
		if !isLinkLine(line) {
			continue
		}
		name, _, _ := strings.Cut(line[12:], " => ")
		if says := "hf+++++++++ " + line[12:]; says != line && slices.Contains(ours.lines, says) && is(name) {
			theirs.lines[i], found = says, true
		}
	}
	return found
}

// overlaps reports whether something may come by way of two sources.
func (c *huntCase) overlaps() bool {
	for i, a := range c.sources {
		for j, b := range c.sources {
			if a, b := path.Clean(a), path.Clean(b); i != j && (a == b || strings.HasPrefix(b, a+"/")) {
				return true
			}
		}
	}
	return false
}

// forgiveLinkLines makes lines of theirs about hard links those of ours that are like them by what alike makes of both, and
// reports whether there are any.
func forgiveLinkLines(theirs, ours *huntOutcome, alike func(line string) string) bool {
	found := false
	for k, r := range theirs.each() {
		for i, line := range r.lines {
			if !isLinkLine(line) || slices.Contains(ours.each()[k].lines, line) {
				continue
			}
			for _, o := range ours.each()[k].lines {
				if isLinkLine(o) && alike(o) == alike(line) {
					r.lines[i], found = o, true
				}
			}
		}
	}
	return found
}

// isLinkLine reports whether a line is that of a file that is or becomes a hard link.
func isLinkLine(line string) bool { return isItem(line) && strings.HasPrefix(line, "hf") }
