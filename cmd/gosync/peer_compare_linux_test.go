package main

import (
	"path"
	"slices"
	"strings"
)

// accept takes known differences out of the outcomes. It returns true where nothing is left to compare. They are:
//   - the limits on deletions, which argv lifts;
//   - a destination below a directory that is missing: gosync ends with 11 when rsync ends with 3 because it had nothing
//     to copy, and gosync says so with -n already;
//   - with a source missing gosync deletes nothing; rsync does what it was about to do;
//   - rsync does not follow symlinks of other users that the command line names;
//   - rsync breaks off where the first name of a file that has several cannot be made, and where a filter rule hides a
//     directory above a name of --files-from;
//   - there are no cases of --inplace where a file has other names, which gosync never writes into; of times that differ
//     in nanoseconds alone; of filter rules with the modifier "/", which for gosync begin at the transfer's root, and with
//     "!", which hide the root from rsync where it is implied; of --delete with --files-from, where rsync deletes in
//     listed directories and gosync nothing; of lists with comments in a pull, where rsync takes them for names; of -H
//     without the attributes, which depend on the name rsync takes for the first;
//   - what rsync says about a directory in the way of a file is on standard output, an error nevertheless;
//   - gosync always tells that it has made the destination, rsync not where the source is empty;
//   - an empty directory without a trailing slash is one item for rsync, and a missing destination its new name; gosync
//     puts it below the destination, where it comes to be when it is no longer empty.
func (c *peerCase) accept(theirs, ours *peerOutcome) bool {
	if (ours.status == exitFile || ours.status == exitSelect) && strings.Contains(ours.stderr, "create it first") &&
		(strings.Contains(theirs.stderr, "change_dir#3") || slices.Contains(c.opts, "-n")) {
		return true
	}
	if strings.Contains(ours.stderr, "skipping file deletion") && ours.status == theirs.status {
		return true
	}
	for _, text := range []string{"refusing to follow a symlink", "File-list index", "rejecting excluded file-list name"} {
		if strings.Contains(theirs.stderr, text) {
			return true
		}
	}
	for _, lines := range []*[]string{&theirs.lines, &theirs.second, &ours.lines, &ours.second} {
		*lines = slices.DeleteFunc(*lines, func(line string) bool { return strings.HasPrefix(line, "cannot delete non-empty directory: ") })
	}
	if quietly(theirs.lines, ours.lines) && !strings.HasSuffix(theirs.lines[0], " ./") {
		return true
	}
	for _, lines := range [][2]*[]string{{&theirs.lines, &ours.lines}, {&theirs.second, &ours.second}} {
		if quietly(*lines[0], *lines[1]) {
			*lines[1] = (*lines[1])[1:]
		}
	}
	return false
}

// quietly reports whether rsync has made the destination and gosync has said so.
func quietly(theirs, ours []string) bool {
	return len(theirs) > 0 && strings.HasPrefix(theirs[0], "cd+++++++++ ") && len(ours) == len(theirs)+1 && strings.HasPrefix(ours[0], "created directory ")
}

// firstDifference is the beginning of a line that one of the two has and the other has not, which tells differences of
// one kind apart well enough for shrinking.
func firstDifference(theirs, ours []string) string {
	shape := func(line string) string {
		if len(line) > 11 && line[11] == ' ' {
			return line[:11]
		}
		word, _, _ := strings.Cut(line, " ")
		return word
	}
	for _, line := range theirs {
		if !slices.Contains(ours, line) {
			return "without " + shape(line)
		}
	}
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			return "with " + shape(line)
		}
	}
	return "in another order"
}

func indentLines(lines []string) string { return "      " + strings.Join(lines, "\n      ") }

// sameLines compares what was printed: first what, then in which order. There are differences that nobody needs to be
// told of:
//   - deletions come at another time, and so does what takes the place of a directory;
//   - rsync's messages about what it skips overtake its lines about what it copies;
//   - where rsync receives, two of its processes print without waiting for each other;
//   - with -H names of a file, of which others may lie outside of the transfer, wait for these in another way;
//   - where files of the destination are one, rsync finds that the second has changed with the first;
//   - where the old file was setuid or setgid, rsync looks again after changing its owner, and reports less.
func (c *peerCase) sameLines(theirs, ours []string) bool {
	theirs, ours = c.comparable(theirs), c.comparable(ours)
	if !slices.Equal(slices.Sorted(slices.Values(theirs)), slices.Sorted(slices.Values(ours))) {
		return false
	}
	unordered := func(line string) bool {
		return strings.HasPrefix(line, "*deleting") || strings.HasPrefix(line, "skipping ") || c.inTheWay(line) ||
			slices.Contains(c.opts, "-H") && isItem(line) && line[1] == 'f' && c.grouped(line[12:])
	}
	theirs, ours = slices.DeleteFunc(theirs, unordered), slices.DeleteFunc(ours, unordered)
	return c.way == "pull" || slices.Equal(theirs, ours)
}

// comparable leaves out of the lines what is not compared.
func (c *peerCase) comparable(lines []string) []string {
	owners := slices.ContainsFunc(c.dst, func(n peerNode) bool { return n.mode&0o6000 != 0 })
	var out []string
	for _, line := range lines {
		item := len(line) > 12 && strings.IndexByte(" _", line[11]) >= 0 && strings.IndexByte("<>ch.*", line[0]) >= 0
		file := item && line[1] == 'f'
		special := item && strings.IndexByte("DS", line[1]) >= 0
		switch {
		case (file || special) && line[0] == '.' && owners:
			line = line[:5] + "..." + line[8:]
			if strings.Trim(line[2:11], ". ") == "" {
				continue
			}
		}
		out = append(out, line)
	}
	return out
}

// grouped reports whether the name of a line may be one of several names of a file.
func (c *peerCase) grouped(name string) bool {
	name, _, _ = strings.Cut(name, " => ")
	is := func(p string) bool { return strings.HasSuffix("/"+name, "/"+display(path.Base(p))) }
	return slices.ContainsFunc(c.src, func(n peerNode) bool { return n.kind == 'h' && (is(n.path) || is(n.target)) })
}

// inTheWay reports whether a line may be about something that is a directory at the destination and no longer one in
// the source: gosync reports it when that has been deleted.
func (c *peerCase) inTheWay(line string) bool {
	if len(line) <= 12 || line[1] == 'd' || line[2] != '+' {
		return false
	}
	name, _, _ := strings.Cut(line[12:], " -> ")
	return slices.ContainsFunc(c.dst, func(n peerNode) bool {
		return n.kind == 'd' && strings.HasSuffix("/"+display(n.path), "/"+name)
	})
}
