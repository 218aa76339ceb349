package main

import (
	"strings"
	"testing"
)

// huntFoundCases are what the hunter has found to be different once, made small. In alt is what the alternate directory
// has; all that is no symlink gets the extended attributes, in all trees.
func huntFoundCases() []struct{ name, line, src, dst, alt, xattrs string } {
	acl := "system.posix_acl_access=" + "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x05\x00\x21\x00\x00\x00" +
		"\x04\x00\x05\x00\xff\xff\xff\xff" + "\x10\x00\x05\x00\xff\xff\xff\xff" + "\x20\x00\x04\x00\xff\xff\xff\xff"
	return []struct{ name, line, src, dst, alt, xattrs string }{
		{name: "links to files with extended attributes", line: "-a -X --link-dest=../alt src/ dst/", src: "f a|d d|f d/b", alt: "f a|d d|f d/b", xattrs: "user.x=1"},
		{name: "links to files with access control lists", line: "-a -A --link-dest=../alt src/ dst/", src: "f a mode=654", alt: "f a mode=654", xattrs: acl},
		{name: "files with access control lists that are there", line: "-a -A --compare-dest=../alt src/ dst/", src: "f a mode=654", alt: "f a mode=654", xattrs: acl},
		{name: "a file that is right becomes a link", line: "-a --link-dest=../alt src/ dst/", src: "f a|f b", dst: "f a", alt: "f a|f b"},
		{name: "a file that is right is not needed", line: "-a --compare-dest=../alt src/ dst/", src: "f a|f b", dst: "f a", alt: "f a|f b"},
		{name: "a file that is right stays with copies", line: "-a --copy-dest=../alt src/ dst/", src: "f a|f b", dst: "f a", alt: "f a|f b"},
		{name: "what is linked to is moved", line: "-a --remove-source-files --link-dest=../alt src/ dst/", src: "f a|f b", dst: "f a", alt: "f a|f b"},
		{name: "a directory that another has without times", line: "-a --no-t --compare-dest=../alt src/ dst/", src: "d d mode=700", alt: "d d"},
		{name: "owners of directories for backups", line: "-r --delete --backup-dir=../bak src/ dst/", dst: "d d own=5:6|f d/a own=5:6"},
		{name: "owners of directories for backups are kept", line: "-r -o --delete --backup-dir=../bak src/ dst/", dst: "d d own=5:6|f d/a own=5:6"},
		{name: "a file in place of the directory for backups", line: "-a --backup-dir=b src/ dst/", src: "f a", dst: "f b"},
		{name: "the time of a symlink of another", line: "-r -l -g --compare-dest=../alt src/ dst", src: "d d|l d/z to=a", alt: "d d|l d/z to=a own=33:2"},
		{name: "the time of a symlink of another, of symlinks without", line: "-r -l -t -J -g --compare-dest=../alt src/ dst", src: "d d|l d/z to=a", alt: "d d|l d/z to=a own=33:2"},
		{name: "extended attributes of a symlink that is named", line: "-a -X src/s dst/new", src: "l s to=a", xattrs: "trusted.x=1"},
		{name: "names of a file that --append leaves alone", line: "-r -H --append src/ dst/", src: "f a|h b to=a|h c to=a", dst: "f a sec=1100000000|h b to=a|h c to=a"},
		{name: "--append of a file of 1970 that is there, with -I", line: "-r -t -I --append src/ dst/", src: "f a sec=0", dst: "f a sec=0"},
		{name: "--mkpath onto a symlink that leads nowhere", line: "-r --mkpath src/ dst/a", src: "d a", dst: "l a to=nowhere"},
		{name: "an heir of a group with a directory in its way", line: "-a -H -u src/ dst/", src: "f a sec=1000000000|h b to=a|h c to=a", dst: "f a sec=1100000000|d b"},
		{name: "access times within --modify-window", line: "-a -U --modify-window=2 src/ dst/", src: "f a sec=1000000000", dst: "f a sec=1000000001"},
		{name: "another's time within --modify-window, for a new destination", line: "-a --modify-window=1 --compare-dest={base}/alt src/ dst/new", src: "f a sec=1000000000 size=9", alt: "f a sec=1000000001"},
		{name: "times within --modify-window with -c", line: "-a -c --modify-window=2 src/ dst/", src: "f a sec=1000000001|f b sec=1000000001 size=0", dst: "f a sec=1000000000|f b sec=1000000000 size=0"},
		{name: "a skipped root", line: "-R src/./ dst/a", src: "f a"},
		{name: "a destination for nothing", line: "--exclude=* src/a/c src/b dst/new", src: "d a|f a/c|f b"},
		{name: "a destination for a directory that is excluded", line: "-r --exclude=* src/a dst/new", src: "d a|f a/c|f b"},
		{name: "a destination's name for what the rules leave", line: "-r --exclude=a src/a src/b dst/new", src: "d a|f a/c|f b"},
		{name: "a rule for the directory that ./ stands for", line: "-a -R --exclude=.* ./src/a dst/", src: "f a"},
		{name: "a rule for that directory and all others", line: "-a -R --exclude=* ./src/a dst/", src: "f a"},
		{name: "a rule for that directory, with a missing source", line: "-a -R --exclude=* ./src/b dst/", src: "f a"},
		{name: "an excluded symlink that leads nowhere", line: "-r -L --exclude=b --delete src/ dst/", src: "f a|l b to=/nowhere", dst: "f c"},
		{name: "the time of a new root that another has, without times of directories", line: "-a -O --copy-dest={base}/alt src/ dst/new", src: "f a"},
		{name: "times of new directories that another has, without times of directories", line: "-a -b --link-dest={base}/alt src/ dst/new", src: "d d sec=1000000000|d e sec=1000000000", alt: "d d sec=1100000000|d e sec=1000000000"},
		{name: "a new directory that two others have, without times of directories", line: "-a -O --link-dest=../alt/x --link-dest=../alt/y src/ dst/", src: "d d sec=1000000000", alt: "d x|d x/d mode=700 own=33:0 sec=1000000000|d y|d y/d sec=1100000000"},
		{name: "a directory in the way is not empty", line: "-a -R src/ dst/a", src: "d it|l it/x to=/nowhere", dst: "d a|d a/src|d a/src/it|d a/src/it/x|f a/src/it/x/inner"},
		{name: "the group of what is made where setgid goes", line: "-a --no-g src/ dst/", src: "d d|f d/a own=33:5", dst: "d d mode=2755 own=0:2"},
		{name: "the group of what is made at the top where setgid goes", line: "-a --no-g src/ dst/e", src: "f a own=33:5", dst: "d e mode=2755 own=0:2"},
		{name: "a new top without the setgid that it inherits", line: "-a --no-g src/ dst/e/n", src: "f a", dst: "d e mode=2755 own=0:2"},
		{name: "what is made in a new directory without the setgid that it inherits", line: "-a --no-g src/ dst/", src: "d e mode=2755|d e/n|f e/n/a own=33:5|d e/n/d|p e/n/d/p", dst: "d e mode=2755 own=0:2"},
		{name: "the group of what is made where setgid goes to another group, without root's rights", line: "-a --no-super src/ dst/", src: "d d mode=2755|f d/a own=0:33|d e mode=2755|f e/a own=0:33|d f mode=2755|f f/a own=0:33", dst: "d d mode=755 own=0:5|d e mode=2755 own=0:5"},
		{name: "a directory that is deleted but for what the rules protect", line: "-r --delete --exclude=*.o src/ dst/", src: "f a", dst: "d d|d d/e|f d/e/b.o|f d/e/c|f d/f|d g|f g/h"},
		{name: "a directory that is deleted but for the backups in it", line: "-a -b --delete src/ dst/", src: "f a", dst: "d d|d d/e|f d/e/b|f d/f|d g"},
		{name: "a file in the way of what --mkpath makes", line: "-r --mkpath src/ dst/a/b/", src: "f a", dst: "d a|f a/b"},
		{name: "names that the rules exclude, one of them twice", line: "--exclude=x src/a/x src/f src/b/x dst/new", src: "d a|f a/x|d b|f b/x|f f"},
		{name: "./ where directories take no part", line: "-t -R ./src/a dst/", src: "f a"},
		{name: "./ alone where directories take no part", line: "-t -R ./ ./src/a dst/new/", src: "f a", dst: "d new sec=1000000000"},
		{name: "a new top that inherits setgid", line: "-r src/ dst/e/n", src: "f a|d b", dst: "d e mode=2755 own=0:2"},
		{name: "a group becomes links to another", line: "-a -H --link-dest=../alt src/ dst/", src: "f a|h b to=a", dst: "f a mode=600|h b to=a", alt: "f a|h b to=a"},
		{name: "what is in the place of a file that is not needed", line: "-a --compare-dest=../alt src/ dst/", src: "f a|f b|f c", dst: "p a|l b to=x", alt: "f a|f b|f c"},
		{name: "files to append to that are as long", line: "-a -c --append src/ dst/", src: "f a|f b fill=y|f c", dst: "f a sec=1200000000|f b sec=1200000000|f c"},
		{name: "an empty file is appended to", line: "-r -t --append src/ dst/", src: "f a", dst: "f a size=0 own=5:6"},
		{name: "an empty file is appended to and verified", line: "-r -t --append-verify src/ dst/", src: "f a", dst: "f a size=0 own=5:6"},
		{name: "the time of a directory that another has, of directories without", line: "-a -O --link-dest=../../alt src/ dst/new", src: "d d|d e", alt: "d d sec=1200000000|d e"},
		{name: "unsafe symlinks are not backed up", line: "-a -b --suffix=.bak --safe-links src/ dst/", src: "f x|d e|f e/x|d g|f same", dst: "l x to=../../sens|d e|l e/x to=../x|l g to=/abs|l same to=e"},
		{name: "unsafe symlinks are deleted without backups", line: "-a -b --delete --safe-links src/ dst/", src: "f a|f w", dst: "l x to=../../sens|d e|d e/f|l e/f/x to=../../../x|l z~ to=/abs|d w|l w/x to=/abs|l y to=a"},
		{name: "unsafe symlinks are not in --backup-dir", line: "-a -O -b --delete --backup-dir={base}/bak --safe-links src/ dst/", src: "f x|d e|f e/x", dst: "l x to=../../sens|d e|l e/x to=../../x|d f|l f/x to=/abs|l f/y to=../x"},
		{name: "a file whose attributes are not those of another, by content", line: "-a -c --link-dest=../alt src/ dst/", src: "f a|f b|f c", dst: "f a sec=1200000000|f b mode=600|f c fill=y sec=1200000000", alt: "f a|f b|f c"},
		{name: "a file whose attributes are not those of another, by content, that is in the way", line: "-a -c --compare-dest=../alt src/ dst/", src: "f a|f b", dst: "f a sec=1200000000|f b mode=600", alt: "f a|f b"},
		{name: "a file whose attributes are not those of another whose content is not right", line: "-a -c --link-dest=../alt src/ dst/", src: "f a|f b", dst: "f a sec=1200000000|f b mode=600", alt: "f a fill=y|f b fill=y"},
		{name: "a symlink that leads nowhere is not missing", line: "-a --ignore-missing-args --copy-unsafe-links src/a src/none src/b dst/", src: "l a to=nowhere|f b"},
		{name: "a symlink that leads nowhere is missing", line: "-a --ignore-missing-args -L src/a src/none src/b dst/", src: "l a to=nowhere|f b"},
		{name: "who is named in access lists, by numbers", line: "-a -A --numeric-ids --usermap=0-9999:12 src/ dst/", src: "f a own=1:33", xattrs: acl},
		{name: "a new name before one that is there", line: "-a -H src/ dst/", src: "f a|h b to=a|h c to=a", dst: "f b"},
		{name: "a new name in a directory before one that is there, pushed", line: "-a -H src/ dst/", src: "d d|f d/a|h d/b to=d/a|d e|h e/c to=d/a", dst: "d e|f e/c"},
		{name: "a group that is new, pulled", line: "-a -H src/ dst/", src: "d d|f d/a|h d/b to=d/a|d e|h e/c to=d/a"},
		{name: "a new name with --link-dest", line: "-a -H --link-dest=../alt src/ dst/", src: "f a|h b to=a|h c to=a", alt: "f b"},
		{name: "a group whose last name is newer", line: "-a -H -u src/ dst/", src: "f a sec=1000000000|h b to=a|h c to=a", dst: "f c sec=1100000000"},
		{name: "a name of a group in the place of a symlink", line: "-a -H src/ dst/", src: "f a|h b to=a", dst: "f a|l b to=x"},
		{name: "a first name of a group in the place of a symlink", line: "-a -H src/ dst/", src: "f a|h b to=a", dst: "l a to=x"},
		{name: "owners of a group that is there", line: "-a -H -i src/ dst/", src: "f a own=33:33|h b to=a", dst: "f a|h b to=a"},
		{name: "owners of a group that is there, by content", line: "-a -H -c -i src/ dst/", src: "f a own=33:33|h b to=a", dst: "f a|h b to=a"},
		{name: "times that are not kept of a group that is there", line: "-a -H --no-t src/ dst/", src: "f a fill=y|h b to=a", dst: "f a|h b to=a"},
		{name: "a directory and a file that stays", line: "-a --ignore-existing src/ dst/", src: "d a sec=1000000000", dst: "f a sec=1100000000"},
	}
}

// TestHuntFound runs the cases that once were different.
func TestHuntFound(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	needRoot(t)
	h := &hunt{gosync: program(t), dir: huntDir(t), kinds: map[string][]uint64{}, accepted: map[string]int{}}
	b := h.bench(t, 0)
	split := func(text string) []string { return strings.FieldsFunc(text, func(c rune) bool { return c == '|' }) }
	for i, f := range huntFoundCases() {
		if !sampled(i, 2) {
			continue
		}
		c := &huntCase{others: map[string]peerTree{"alt": tree(t, split(f.alt)...)}, texts: map[string]string{}}
		c.way, c.umask, c.src, c.dst = []string{"local", "push", "pull"}[i%3], "022", tree(t, split(f.src)...), tree(t, split(f.dst)...)
		if f.xattrs != "" {
			for _, s := range []peerTree{c.src, c.dst, c.others["alt"]} {
				for j := range s {
					s[j].xattrs = []string{f.xattrs}
				}
			}
		}
		words := strings.Fields(f.line)
		for ; strings.HasPrefix(words[0], "-"); words = words[1:] {
			c.opts = append(c.opts, words[0])
		}
		c.sources, c.dest = words[:len(words)-1], words[len(words)-1]
		if diffs := b.compare(t, c, false); len(diffs) > 0 {
			t.Errorf("%s\n%s  %s", f.name, c, strings.Join(diffs, "\n  "))
		}
	}
}

// TestPerDirectoryRulesLikeRsync: -F reads the rules that lie in the source, and -FF leaves their files out.
func TestPerDirectoryRulesLikeRsync(t *testing.T) {
	t.Parallel()
	const script = "mkdir -p s/d/e d/d; for f in 1.x 1.y 1.z d/1.x d/1.y d/1.z d/e/1.x d/e/1.z d/e/ok; do echo hi >s/$f; done; echo '- *.x' >s/.rsync-filter; echo '- *.z' >s/d/.rsync-filter\n" +
		"touch d/1.x d/d/1.y d/d/old; find s d -exec touch -h -d @1000000000 {} +"
	var cases []likeCase
	for _, args := range []string{"-aiF {S}s/ {D}d/", "-aiFF {S}s/ {D}d/", "-aiF --delete {S}s/ {D}d/", "-ai -F -F -F --delete {S}s/ {D}d/", "-ai --include=*.x -F {S}s/ {D}d/"} {
		cases = append(cases, likeCase{name: strings.NewReplacer(" ", "_", "/", "-", "{S}", "", "{D}", "").Replace(args), script: script, args: args})
	}
	likeRsync(t, cases)
}

// TestDeleteAfterByNewRules: what --delete-after removes is judged by the files with rules that the transfer has brought,
// and what the others remove is not.
func TestDeleteAfterByNewRules(t *testing.T) {
	t.Parallel()
	const dirs = "mkdir -p s/a/b/c d/a/b/c d/a/o/p; touch s/a/f s/a/b/g; for i in a a/b a/b/c a/o .; do touch d/$i/1.k d/$i/2.o; done; touch d/a/o/p/3; "
	scripts := []struct{ name, script, args string }{
		{"new", "echo '- *.k' >s/.rsync-filter", "-F --delete-after"},
		{"new, below", "echo '- *.k' >s/a/b/.rsync-filter", "-F --delete-after"},
		{"in a new directory", "mkdir s/n d/a/n; echo '- *.k' >s/n/.rsync-filter; echo '- /a/o' >s/.rsync-filter", "-F --delete-after"},
		{"changed", "echo '- *.k' >s/a/.rsync-filter; echo '- *.o' >d/a/.rsync-filter", "-F --delete-after"},
		{"less", "echo '- x' >s/a/.rsync-filter; echo '- o' >d/a/.rsync-filter", "-F --delete-after"},
		{"left out themselves", "echo '- *.k' >s/a/.rsync-filter; echo '- *.o' >d/a/.rsync-filter", "-FF --delete-after"},
		{"gone", "echo '- *.k' >d/a/.rsync-filter", "-F --delete-after"},
		{"of a directory that goes", "echo '- *.k' >d/a/o/.rsync-filter; echo '- 2.o' >s/a/.rsync-filter", "-F --delete-after"},
		{"of another name", "echo '- *.k' >s/.rf; echo '*.o' >s/a/.cvsignore", "-f:_.rf -C --delete-after"},
		{"with backups", "echo '- *.k' >s/.rsync-filter; echo '- *.o' >d/.rsync-filter", "-F -b --delete-after"},
		{"with backups elsewhere", "echo '- *.k' >s/.rsync-filter; echo '- *.o' >d/.rsync-filter", "-F --backup-dir=bak --delete-after"},
		{"with a limit", "echo '- *.k' >s/.rsync-filter", "-F --max-delete=3 --delete-after"},
		{"with updates in the end", "echo '- *.k' >s/.rsync-filter", "-F --delay-updates --delete-after"},
		{"with what is missing", "echo '- *.k' >s/a/.rsync-filter", "-F --delete-missing-args --delete-after {S}s/./a/o"},
		{"in a dry run", "echo '- *.k' >s/.rsync-filter", "-n -F --max-delete=100 --delete-after"},
		{"during", "echo '- *.k' >s/.rsync-filter", "-F --delete-during"},
		{"with a delay", "echo '- *.k' >s/.rsync-filter", "-F --delete-delay"},
	}
	var cases []likeCase
	for _, c := range scripts {
		for _, way := range []string{"", " again", " once more"} { // each goes another way
			args := "-ai " + strings.ReplaceAll(c.args, "_", " ") + " {S}s/ {D}d/"
			cases = append(cases, likeCase{name: strings.ReplaceAll(c.name+way, " ", "_"), script: dirs + c.script + "; find s d -exec touch -h -d @1000000000 {} +", args: args})
		}
	}
	likeRsync(t, cases)
}
