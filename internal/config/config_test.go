package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// never is for files without spelling mistakes.
func never(string, []string) string { return "" }

func TestParse(t *testing.T) {
	t.Parallel()
	f, err := parse("f", []byte(`# comment
[defaults]
timeout = 0x10
compress = true
exclude = ["a", 'b\', 3]

[job.photos]
sources = "~/p/"     # one
dest = "nas:p"
delete = false
"D" = true
[job."two words"]
command = "verify"
sources = ["x", "y"]
[job]
inline = { sources = ["s"], dest = "d", about = "é", rsh = """ssh -4""" }
dotted.sources = ["s"]
dotted.dest = "d"
`), never)
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(f.Defaults); got != "timeout=16@3 compress=true@4 exclude=a|b\\|3@5" {
		t.Errorf("defaults: %s", got)
	}
	want := []struct{ name, command, about, sources, dest, settings string }{
		{"photos", "", "", "~/p/", "nas:p", "delete=false@10 D=true@11"},
		{"two words", "verify", "", "x y", "", ""},
		{"inline", "", "é", "s", "d", "rsh=ssh -4@16"},
		{"dotted", "", "", "s", "d", ""},
	}
	if len(f.Jobs) != len(want) {
		t.Fatalf("%+v", f.Jobs)
	}
	for i, w := range want {
		j := f.Jobs[i]
		if j.Name != w.name || j.Command != w.command || j.About != w.about || strings.Join(j.Sources, " ") != w.sources || j.Dest != w.dest || lines(j.Settings) != w.settings {
			t.Errorf("%+v, want %+v", j, w)
		}
		if f.Job(w.name) != &f.Jobs[i] {
			t.Errorf("job %s is not found", w.name)
		}
	}
	if f.Job("none") != nil {
		t.Error("a job that is not there was found")
	}
}

// lines writes settings in one line.
func lines(all []Setting) string {
	var out []string
	for _, s := range all {
		text := strings.Join(s.Values, "|")
		if s.Kind == Switch {
			text = map[bool]string{true: "true", false: "false"}[s.On]
		}
		out = append(out, s.Key+"="+text+"@"+strings.Split(s.At.String(), ":")[1])
	}
	return strings.Join(out, " ")
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	job := "[job.j]\nsources=['s']\ndest='d'\n"
	for text, want := range map[string]string{
		"x":                                        "f:1:1: expected '='",
		"[defaults]\na=1\na=2":                     "f:3:1",
		"[defaults]\nx = 1.5":                      "f:2:1: x: 1.5: a value is",
		"[defaults]\nx = 2026-01-02":               "f:2:1: x: 2026-01-02: a value is",
		"[defaults]\nx = [true]":                   "f:2:1: x: an array holds",
		"[defaults]\nx = [[1]]":                    "f:2:1: x: an array holds",
		"[defaults]\nx = 99999999999999999999":     "f:2:",
		"[defaults]\nx = \"\\u0000\"":              "f:2:1: x: the value holds a zero",
		"[defaults.x]\na=1":                        "f:1:11: [defaults] holds options and no tables: x",
		"[defaults]\nx.y=1":                        "f:2:3: [defaults] holds options and no tables: x.y",
		"defaults = 1":                             "f:1:1: defaults is a table",
		"job = 1":                                  "f:1:1: job is a table",
		"timeout = 1":                              "f:1:1: unknown key \"timeout\"; there are [defaults], [job.NAME]",
		"[default]\na=1":                           "f:1:2: unknown table \"default\"; did you mean defaults?",
		"[jobs.x]\na=1":                            "f:1:7: unknown table \"jobs\"",
		"[[job]]\na=1":                             "f:1:3: there are no arrays of tables",
		"[job.x.y]\na=1":                           "f:1:8: a job holds options",
		"[job.x]\na.b=1":                           "f:2:3: a job holds options",
		"[job.x]\ndest='d'":                        "f:1:6: job x: it has no sources",
		"[job.x]\nsources=['s']":                   "f:1:6: job x: it has no dest",
		"[job.x]\nsources=true":                    "f:2:1: sources takes an array",
		job + "about=3":                            "f:4:1: about takes a string",
		job + "about=''":                           "f:4:1: about is empty",
		job + "command=\"a\\nb\"":                  "f:4:1: command is empty, or more",
		"[job.'']\nsources=['s']\ndest='d'":        "cannot be the name",
		"[job.'-x']\nsources=['s']\ndest='d'":      "cannot be the name",
		"[job.\"a\\nb\"]\nsources=['s']\ndest='d'": "cannot be the name",
	} {
		_, err := parse("f", []byte(text), func(word string, known []string) string {
			if word == "default" {
				return known[0]
			}
			return ""
		})
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestReadRefuses has files that others could have written, or that are none.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(sub string, dirMode, mode fs.FileMode) string {
		name := filepath.Join(dir, sub, "config.toml")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("[defaults]\ndelete = true\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for n, m := range map[string]fs.FileMode{name: mode, filepath.Dir(name): dirMode} {
			if err := os.Chmod(n, m); err != nil {
				t.Fatal(err)
			}
		}
		return name
	}
	if f, err := Read(put("good", 0o755, 0o644), never); err != nil || len(f.Defaults) != 1 {
		t.Errorf("%+v %v", f, err)
	}
	if _, err := Read(put("sticky", 0o777|fs.ModeSticky, 0o600), never); err != nil {
		t.Error(err)
	}
	open := put("open", 0o777, 0o600)
	link := filepath.Join(dir, "good", "link")
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{put("group", 0o755, 0o664), put("others", 0o755, 0o606), open, put("groupdir", 0o775, 0o600), link} {
		if _, err := Read(name, never); !errors.Is(err, ErrWritable) || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none"), never); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Read(dir, never); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a directory: %v", err)
	}
	long := filepath.Join(dir, "good", "long")
	if err := os.WriteFile(long, []byte("#"+strings.Repeat("x", maxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(long, never); err == nil || !strings.Contains(err.Error(), "longer than 1024 KiB") {
		t.Errorf("a long file: %v", err)
	}
}

// FuzzParse has the two readings of the library agree: what is TOML for one is for the other,
// and nothing panics.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"[defaults]\na = 1", "job.x = {sources=['a'], dest=\"b\\u00e9\"}", "[job.x]\nsources = [\n'a', # c\n]\ndest='''b'''",
		"[job]\nx.sources=1_0", "a = {b = {c = [[{}]]}}", "[[job]]", "\xff", "\"\" = 1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("f", data, never)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v is no *Error", err)
			}
			return
		}
		for _, j := range file.Jobs {
			if j.Name == "" || len(j.Sources) == 0 || j.At.Line == 0 {
				t.Fatalf("%+v", j)
			}
		}
	})
}
