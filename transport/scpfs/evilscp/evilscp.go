// Package evilscp is what scp -f says on far sides that lie, for tests.
//
// [Cases] holds the bad servers of OpenSSH's regression tests and more, each with a control that differs in what is wrong
// only. A far side says a text and ends its output, whatever it hears.
package evilscp

import "strings"

// A Case is a far side that lies. The destination is an existing directory, called dest in what follows.
type Case struct {
	Name      string
	Source    string // what is asked for
	Recursive bool
	Evil      string   // what a bad server says
	Good      string   // and the one that is not
	Written   []string // what may be there after the bad one
	Control   []string // what is there after the good one
}

// Refused reports whether the good server has an error to tell, so that the run is not to succeed.
func (c Case) Refused() bool { return strings.HasPrefix(c.Good, "\x01") }

// Cases is the table.
func Cases() []Case {
	var all []Case
	for _, some := range [][]Case{unwanted(), numbers(), lines()} {
		all = append(all, some...)
	}
	return all
}

// file is a file of two bytes.
func file(name string) string { return "C0644 2 " + name + "\nhi\x00" }

// unwanted are names that were not asked for, or lead elsewhere, and directories that do not nest. Those with numbers
// are OpenSSH's.
func unwanted() []Case {
	return []Case{
		{"0 a name that was not asked for", "file", false, file("other"), file("file"), nil, []string{"dest/file"}},
		{"1 the name of the directory above", "file", false, file(".."), file("file"), nil, []string{"dest/file"}},
		{"2 a path that leads out", "file", false, file("../canary"), file("file"), nil, []string{"dest/file"}},
		{"3 an absolute name", "file", false, file("/tmp/x"), file("file"), nil, []string{"dest/file"}},
		{"4 a file behind the one that was asked for", "file", false, file("file") + file("extra"), file("file"), []string{"dest/file"}, []string{"dest/file"}},
		{"the file that was asked for, twice", "file", false, file("file") + file("file"), file("file"), []string{"dest/file"}, []string{"dest/file"}},
		{"the directory that was asked for, twice", "dir", true, "D0755 0 dir\nE\nD0755 0 dir\nE\n", "D0755 0 dir\nE\n", []string{"dest/dir"}, []string{"dest/dir"}},
		{"5 a directory in the place of a file", "file", false, "D0777 0 file\n" + file("x") + "E\n", file("file"), nil, []string{"dest/file"}},
		{"6 an empty directory name", "dir", true, "D0777 0 \nE\n", "D0755 0 dir\nE\n", nil, []string{"dest/dir"}},
		{"7 the directory itself", "dir", true, "D0777 0 .\nE\n", "D0755 0 dir\nE\n", nil, []string{"dest/dir"}},
		{"a file that is the directory itself", "file", false, file("."), file("file"), nil, []string{"dest/file"}},
		{"another directory", "dir", true, "D0777 0 other\n" + file("x") + "E\n", "D0755 0 dir\n" + file("x") + "E\n", nil, []string{"dest/dir", "dest/dir/x"}},
		{"the directory above inside", "dir", true, "D0755 0 dir\nD0777 0 ..\n" + file("canary") + "E\nE\n", "D0755 0 dir\nD0755 0 x\n" + file("canary") + "E\nE\n", []string{"dest/dir"}, []string{"dest/dir", "dest/dir/x", "dest/dir/x/canary"}},
		{"a path inside", "dir", true, "D0755 0 dir\n" + file("../../canary") + "E\n", "D0755 0 dir\n" + file("canary") + "E\n", []string{"dest/dir"}, []string{"dest/dir", "dest/dir/canary"}},
		{"a file behind the directory", "dir", true, "D0755 0 dir\nE\n" + file("dir2"), "D0755 0 dir\n" + file("dir2") + "E\n", []string{"dest/dir"}, []string{"dest/dir", "dest/dir/dir2"}},
		{"what the pattern does not match", "*.txt", false, file("a.txt") + file("a.sh"), file("a.txt") + file("b.txt"), []string{"dest/a.txt"}, []string{"dest/a.txt", "dest/b.txt"}},
		{"what the pattern does not match, hidden", "*", false, file(".profile"), file("profile"), nil, []string{"dest/profile"}},
		{"more ends than directories", "dir", true, "D0755 0 dir\nE\nE\n", "D0755 0 dir\nE\n", []string{"dest/dir"}, []string{"dest/dir"}},
		{"an end with a text", "dir", true, "D0755 0 dir\nE x\n", "D0755 0 dir\nE\n", []string{"dest/dir"}, []string{"dest/dir"}},
		{"a directory without an end", "dir", true, "D0755 0 dir\n", "D0755 0 dir\nE\n", []string{"dest/dir"}, []string{"dest/dir"}},
	}
}

// numbers are times, sizes and modes that are none.
func numbers() []Case {
	return []Case{
		{"a time of 2^63", "file", false, "T9223372036854775808 0 0 0\n" + file("file"), "T1500000000 0 0 0\n" + file("file"), nil, []string{"dest/file"}},
		{"a time of 2^62", "file", false, "T4611686018427387904 0 0 0\n" + file("file"), "T1099511627776 999999 0 0\n" + file("file"), nil, []string{"dest/file"}},
		{"a negative time", "file", false, "T-1 0 0 0\n" + file("file"), "T1 0 0 0\n" + file("file"), nil, []string{"dest/file"}},
		{"a time with too many microseconds", "file", false, "T1 1000000 0 0\n" + file("file"), "T1 0 0 0\n" + file("file"), nil, []string{"dest/file"}},
		{"times twice", "file", false, "T1 0 0 0\nT1 0 0 0\n" + file("file"), "T1 0 0 0\n" + file("file"), nil, []string{"dest/file"}},
		{"times of nothing", "file", false, file("file") + "T1 0 0 0\n", "T1 0 0 0\n" + file("file"), []string{"dest/file"}, []string{"dest/file"}},
		{"a negative size", "file", false, "C0644 -1 file\n\x00", "C0644 0 file\n\x00", nil, []string{"dest/file"}},
		{"a size of 2^63", "file", false, "C0644 9223372036854775808 file\n", "C0644 0 file\n\x00", nil, []string{"dest/file"}},
		{"a size of 2^62+1", "file", false, "C0644 4611686018427387905 file\n", "C0644 0 file\n\x00", nil, []string{"dest/file"}},
		{"a size with a sign", "file", false, "C0644 +2 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a size with a space", "file", false, "C0644  2 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a size in hexadecimal", "file", false, "C0644 0x2 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a size with a leading zero", "file", false, "C0644 02 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"no size", "file", false, "C0644 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a mode with five digits", "file", false, "C10644 2 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a mode with an 8", "file", false, "C0648 2 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
	}
}

// lines are lines that are too long or hold what they may not, and content that is not what was announced.
func lines() []Case {
	return []Case{
		{"a line of 2 KiB", "file", false, "C0644 2 " + strings.Repeat("x", 2048) + "\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a line without an end", "file", false, "C0644 2 " + strings.Repeat("x", 1<<20), file("file"), nil, []string{"dest/file"}},
		{"a name of 256 bytes", strings.Repeat("x", 256), false, file(strings.Repeat("x", 256)), "\x01no\n", nil, nil},
		{"an escape sequence", "*", false, file("a\x1b[31mb"), file("ab"), nil, []string{"dest/ab"}},
		{"a zero byte", "*", false, file("a\x00b"), file("ab"), nil, []string{"dest/ab"}},
		{"a carriage return", "*", false, file("a\r"), file("a"), nil, []string{"dest/a"}},
		{"an unknown letter", "file", false, "T1 0 0 0\nX0644 2 file\nhi\x00", file("file"), nil, []string{"dest/file"}},
		{"a status that is none", "file", false, "C0644 2 file\nhi\x07", file("file"), nil, []string{"dest/file"}},
		{"a complaint of 2 KiB", "file", false, "\x01" + strings.Repeat("x", 4096) + "\n", file("file"), nil, []string{"dest/file"}},
		{"content that is cut", "file", false, "C0644 2000 file\nhi", file("file"), nil, []string{"dest/file"}},
		{"content that lacks its status", "file", false, "C0644 2 file\nhi", file("file"), nil, []string{"dest/file"}},
		{"large content that is cut", "file", false, "C0644 2000000 file\nhi", file("file"), nil, []string{"dest/file"}},
		{"an end by the far side", "file", false, "\x02no\n", file("file"), nil, []string{"dest/file"}},
	}
}
