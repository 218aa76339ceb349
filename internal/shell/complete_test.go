package shell

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// tree is a lookup of names that are the same in every directory.
type tree []candidate

func (l tree) names(k kind, dir string, tilde bool) []candidate {
	if k == commandName {
		return commandNames()
	}
	if k == syncName {
		return []candidate{{name: "get"}, {name: "put"}}
	}
	var out []candidate
	for _, c := range l {
		if rest, ok := strings.CutPrefix(c.name, dir); ok && !strings.Contains(rest, "/") {
			c.name = rest
			out = append(out, c)
		}
	}
	return out
}

func (l tree) isDir(_ kind, name string, _ bool) bool { return strings.HasSuffix(name, "dir") }

func TestComplete(t *testing.T) {
	t.Parallel()
	names := tree{
		{name: "alpha"},
		{name: "alps"},
		{name: "beta", dir: true},
		{name: "beta/one two"},
		{name: "sp ace"},
		{name: "sp ark"},
		{name: "esc\x1b[2J"},
		{name: "-rf"},
		{name: ".hidden"},
		{name: "it's"},
		{name: "linkdir", link: true},
		{name: "linkfile", link: true},
		{name: "élan"},
		{name: "~tilde"},
		{name: "ev\x07il"},
		{name: "ev"},
	}
	for _, test := range []struct{ line, want, show string }{ // | is the cursor
		{"he|", "help |", ""},
		{"m|", "m|", "mget mkdir mput mv"},
		{"|", "|", "*"},
		{"zz|", "", ""},
		{"ls al|", "ls alp|", ""},
		{"ls alp|", "ls alp|", "alpha alps"},
		{"ls alph|", "ls alpha |", ""},
		{"ls b|", "ls beta/|", ""},
		{"ls beta/|", `ls beta/one\ two |`, ""},
		{"cat 'beta/o|", "cat 'beta/one two' |", ""},
		{`cat "beta/|`, `cat "beta/one two" |`, ""},
		{"ls sp|", `ls sp\ a|`, ""},
		{"ls 'sp|", `ls 'sp a|`, ""},
		{`ls sp\ ac|`, `ls sp\ ace |`, ""},
		{"ls es|", "ls es|", `esc\x1b[2J`},
		{"ls e|", "ls e|", `esc\x1b[2J ev\ail ev`},
		{"ls -|", `ls ./-rf |`, ""},
		{"ls .|", "ls .hidden |", ""},
		{"ls i|", `ls it\'s |`, ""},
		{"ls 'i|", `ls 'it'\''s' |`, ""},
		{"cd linkd|", "cd linkdir/|", ""},
		{"ls linkf|", "ls linkfile |", ""},
		{"ls é|", "ls élan |", ""},
		{`ls \~|`, `ls \~tilde |`, ""},
		{"ls alph| x", "ls alpha | x", ""},
		{"pwd a|", "", ""},
		{"chmod a|", "", ""},
		{"chmod 644 alph|", "chmod 644 alpha |", ""},
		{"nosuch a|", "", ""},
		{"sync p|", "sync put |", ""},
		{"sync put alph|", "sync put alpha |", ""},
		{"help sy|", "help sy|", "symlink sync"},
		{`ls a\|`, "", ""},
		{"-ls alph|", "-ls alpha |", ""},
	} {
		pos := strings.IndexByte(test.line, '|')
		line := test.line[:pos] + test.line[pos+1:]
		c, ok := complete(line, pos, names, escaped)
		got := ""
		if ok {
			got = c.line[:c.pos] + "|" + c.line[c.pos:]
		}
		if got != test.want || test.show != "*" && strings.Join(c.show, " ") != test.show {
			t.Errorf("%s gives %s and shows %q; want %s, %q", test.line, got, c.show, test.want, test.show)
		}
	}
}

func TestKindsOfArguments(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]kind{
		"": commandName, "get ": remoteName, "get -r ": remoteName, "get a ": localName, "put ": localName, "put a ": remoteName,
		"lcd ": localName, "sync put ": localName, "sync put a ": remoteName, "sync get ": remoteName, "sync get a ": localName,
		"sync get -n a ": localName, "chown ": noName, "chown 0 ": remoteName, "exit ": noName, "? ": commandName,
	} {
		done, _ := wordsBefore(line)
		if got := kindAt(done); got != want {
			t.Errorf("%q: kind %d, want %d", line, got, want)
		}
	}
}

// FuzzComplete has the far side offer any names: what is inserted must hold no
// character that a terminal obeys, and must read back as one of the names.
func FuzzComplete(f *testing.F) {
	f.Add("ls a", 4, "a b", "a\x1bc")
	f.Add("ls 'a", 5, "a'b", "a\"c")
	f.Add(`get "`, 5, `x\"y`, "-rf")
	f.Add("cd ~", 4, "~x", "~")
	f.Add("cat \\", 5, "é", "\xff")
	f.Add("rm x", 3, "*", "?[")
	f.Fuzz(func(t *testing.T, line string, pos int, one, two string) {
		if pos < 0 || pos > len(line) || strings.Contains(one, "/") || strings.Contains(two, "/") || len(line) > 200 {
			return
		}
		c, ok := complete(line, pos, tree{{name: one}, {name: two, dir: true}}, escaped)
		if !ok {
			return
		}
		if c.pos < 0 || c.pos > len(c.line) {
			t.Fatalf("the cursor is at %d of %q", c.pos, c.line)
		}
		for _, s := range c.show {
			if !harmless(s) {
				t.Fatalf("%q is shown", s)
			}
		}
		if c.line == line {
			return
		}
		if harmless(line) && !harmless(c.line) || utf8.ValidString(line) && !utf8.ValidString(c.line) {
			t.Fatalf("%q becomes %q", line, c.line)
		}
		if !strings.HasSuffix(c.line[:c.pos], " ") {
			return // not finished yet
		}
		words, start := wordsBefore(c.line[:c.pos])
		if start != c.pos { // an escaped space: not finished either
			return
		}
		if kindAt(words[:len(words)-1]) == commandName || words[0].text == "sync" {
			return
		}
		got := words[len(words)-1].text
		if name := got[strings.LastIndexByte(got, '/')+1:]; name != one && name != two {
			t.Fatalf("%q with %q and %q becomes %q, which reads as %q", line, one, two, c.line, got)
		}
	})
}
