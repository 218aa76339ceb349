package filter

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// gen makes random trees and rules.
type gen struct{ *rand.Rand }

func pick[T any](g gen, from ...T) T { return from[g.IntN(len(from))] }

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

// isDirPath fixes for a path whether it is a directory, so that both trees of a case agree on it.
func isDirPath(path string, salt uint64) bool {
	if strings.HasSuffix(path, `\c`) {
		return false // rsync takes a directory's backslash for an escape in the directory's own rules
	}
	h := fnv.New64a()
	fmt.Fprint(h, path, salt)
	return h.Sum64()%5 < 2
}

// memTree is a directory tree: path to content, directories end in a slash.
type memTree map[string]string

func (g gen) tree(salt uint64, merges []string) memTree {
	t := memTree{"": ""}
	var fill func(dir string, depth int)
	fill = func(dir string, depth int) {
		for range 2 + g.IntN(5) {
			name := pick(g, "a", "b", "ab", "foo", "foo.o", "d", "e", "x.c", "core", "x y", "-q", "a]b", `b\c`, "Z9", "\xc3\xa9")
			path := dir + name
			if !isDirPath(path, salt) {
				t[path] = ""
			} else if _, ok := t[path+"/"]; !ok && depth < 4 {
				t[path+"/"] = ""
				fill(path+"/", depth+1)
			}
		}
		for _, m := range merges {
			if g.chance(30) {
				t[dir+m] = g.fileRules(g.IntN(3), merges)
			}
		}
	}
	fill("", 0)
	return t
}

func (g gen) pattern() string {
	comp := func() string {
		return pick(g, "a", "b", "ab", "foo", "foo.o", "d", "e", "x.c", "*", "*.o", "a*", "*o*", "?", "[a-d]",
			"[!a]*", "[^[:lower:]]*", "*[[:digit:]]", `\a*`, "f*o", "???", "**", "*.[oc]", `[\]a]*b`, "d*", "x?y", `b\c`, `b\\*`)
	}
	p := comp()
	for g.chance(35) {
		p += pick(g, "/", "/", "/", "/**/", "**") + comp()
	}
	p = pick(g, "", "", "", "/", "/", "**/", "**") + p + pick(g, "", "", "", "/", "/", "/***", "/**", "/*", "***")
	return p
}

// rule returns a random rule; inFile is for rules of per-directory files, whose "." rules stay in
// their directory and may be missing.
func (g gen) rule(merges []string, sided, inFile bool) string {
	mods := ""
	for _, m := range []string{"!", "p", "s", "r", "x"} {
		if sided && (m == "s" || m == "r") {
			continue
		}
		if g.chance(map[string]int{"!": 4, "p": 10, "s": 12, "r": 12, "x": 3}[m]) {
			mods += m
		}
	}
	if len(merges) > 0 && g.chance(15) {
		mods = strings.NewReplacer("!", "", "x", "").Replace(mods) + pick(g, "", "", "", "", "n", "e", "-", "+", "w-", "nw+")
		// In a per-directory file the slash would make rsync look into the parents.
		slash := pick(g, "", "/")
		if inFile {
			slash = ""
		}
		return pick(g, ":", "dir-merge,", ":,") + mods + " " + slash + pick(g, merges...)
	}
	sep := pick(g, " ", " ", " ", "_")
	kind := pick(g, "-", "-", "-", "-,", "+", "+", "exclude,", "include,", "+,")
	if !sided && g.chance(25) {
		kind = pick(g, "H", "S", "P", "R", "hide,", "show,", "protect,", "risk,")
		mods = strings.NewReplacer("s", "", "r", "").Replace(mods)
	}
	if g.chance(3) {
		return pick(g, "!", "clear")
	}
	if !inFile && g.chance(2) {
		return "-C" // with modifiers or in files rsync's outcome depends on the first one it meets
	}
	if !inFile && g.chance(5) {
		return "-/" + mods + sep + pick(g, "", "/tmp/**/", "**/", "case/src/", "dst/", "src/", "case/dst**") + g.pattern()
	}
	return kind + mods + sep + g.pattern()
}

func (g gen) fileRules(n int, merges []string) string {
	var b strings.Builder
	for range n + 1 {
		b.WriteString(pick(g, "", "", "", "# comment\n", "; other\n", "\n"))
		b.WriteString(g.rule(merges, true, true))
		b.WriteString(pick(g, "\n", "\n", "\r\n"))
	}
	return b.String()
}

// option is one filter option as rsync and as the package take it.
type option struct{ name, value string }

func (g gen) options(merges []string, files memTree) []option {
	var opts []option
	for range 1 + g.IntN(6) {
		switch g.IntN(12) {
		case 0, 1:
			opts = append(opts, option{"--exclude", pick(g, "", "", "", "- ", "+ ") + g.pattern()})
		case 2, 3:
			opts = append(opts, option{"--include", pick(g, "", "", "", "- ", "+ ") + g.pattern()})
		case 4:
			name := fmt.Sprint("list", len(files))
			var lines []string
			for range 1 + g.IntN(4) {
				lines = append(lines, pick(g, "", "", "", "- ", "+ ", "#", ";")+g.pattern())
			}
			files[name] = strings.Join(lines, pick(g, "\n", "\r\n", "\n\n"))
			opts = append(opts, option{pick(g, "--exclude-from", "--include-from"), name})
		case 5:
			name := fmt.Sprint("merge", len(files))
			files[name] = g.fileRules(g.IntN(4), merges)
			mods := pick(g, "", "", "s", "r", "p", "-", "+", "w-", "C", "e")
			opts = append(opts, option{"--filter", pick(g, ".", "merge,") + mods + " " + name})
		case 6:
			opts = append(opts, pick(g,
				[]option{{"--include", "*/"}, {"--include", g.pattern()}, {"--exclude", "*"}},
				[]option{{"--filter", ": /.f"}},
				[]option{{"--filter", ": /.f"}, {"--filter", "- .f"}},
				[]option{{"--filter", ":C"}},
			)...)
		default:
			opts = append(opts, option{"--filter", g.rule(merges, g.chance(30), false)})
		}
	}
	return opts
}
