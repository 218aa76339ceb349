package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// optionDocs is the table that TestEveryOptionIsTested holds against the tests.
const optionDocs = "../../docs/options.md"

// rsyncOption is one of rsync's options, in one spelling.
type rsyncOption struct {
	tier  string // T1: everyday; T2: expected of whatever takes rsync's place
	name  string // with its dashes; "--no-OPTION" stands for all negations
	short string // of the same, with its dash, or ""
}

// rsyncOptions reads the list of rsync's options in testdata.
func rsyncOptions(t *testing.T) []rsyncOption {
	t.Helper()
	data, err := os.ReadFile("testdata/options.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []rsyncOption
	for line := range strings.Lines(string(data)) {
		fields := append(strings.Split(strings.TrimSuffix(line, "\n"), "\t"), "", "")
		if fields[1] == "" {
			t.Fatalf("%q has no name", line)
		}
		all = append(all, rsyncOption{fields[0], fields[1], fields[2]})
	}
	return all
}

// pattern matches the option where it stands on a command line, alone or in a cluster of letters.
func (o rsyncOption) pattern() *regexp.Regexp {
	const before, after = `(?m)(?:^|[\s'"=|])`, `(?:$|[\s'"=|,])`
	if o.name == "--no-OPTION" {
		return regexp.MustCompile(before + `--no-[a-z]`)
	}
	var forms []string
	for _, name := range []string{o.name, o.short} {
		if strings.HasPrefix(name, "--") {
			forms = append(forms, regexp.QuoteMeta(name)+after)
		} else if name != "" {
			forms = append(forms, `-[A-Za-z0-9@]*`+name[1:])
		}
	}
	return regexp.MustCompile(before + "(?:" + strings.Join(forms, "|") + ")")
}

// testTexts returns what the tests of this package say: of each script its commands, of each test function all its
// strings, and those of the functions of the tests that it uses. Scripts are named by their files.
func testTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scripts {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		commands, _, _ := strings.Cut(string(data), "\n-- ")
		texts[filepath.Base(name)] = regexp.MustCompile(`(?m)^#.*`).ReplaceAllString(commands, "")
	}
	funcs := testFuncs(t)
	for name := range funcs {
		if strings.HasPrefix(name, "Test") {
			texts[name] = strings.Join(funcs.strings(name, map[string]bool{}), "\n")
		}
	}
	return texts
}

// functions are those of the tests, by name; methods of one name stand together.
type functions map[string][]*ast.FuncDecl

// testFuncs reads the functions of the tests of this package, for all systems.
func testFuncs(t *testing.T) functions {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	all := functions{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && name != "options_test.go" {
				all[fn.Name.Name] = append(all[fn.Name.Name], fn)
			}
		}
	}
	return all
}

// strings returns the strings in the function and in those that it uses, but those in seen.
func (f functions) strings(name string, seen map[string]bool) (all []string) {
	seen[name] = true
	for _, fn := range f[name] {
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					all = append(all, text)
				}
			case *ast.Ident:
				if f[n.Name] != nil && !seen[n.Name] {
					all = append(all, f.strings(n.Name, seen)...)
				}
			}
			return true
		})
	}
	return all
}

// TestEveryOptionIsTested wants each of rsync's options to have a test that gives it, and docs/options.md to say which,
// which GOSYNC_UPDATE=1 writes. That the test fails when the option is ignored, TestIgnoredOptionsAreNoticed shows.
func TestEveryOptionIsTested(t *testing.T) {
	t.Parallel()
	texts, tests, idle := testTexts(t), optionTests(), idleOptions()
	known := map[string]bool{}
	for _, o := range rsyncOptions(t) {
		known[o.name] = true
		test := tests[o.name]
		switch text, ok := texts[test]; {
		case idle[o.name] != "" && test != "":
			t.Errorf("%s has a test, and is said to be without effect", o.name)
		case idle[o.name] != "":
			wantIdleOption(t, o)
		case test == "":
			t.Errorf("%s has no test", o.name)
		case !ok:
			t.Errorf("%s: there is no test %s", o.name, test)
		case !o.pattern().MatchString(text):
			t.Errorf("%s does not stand in %s", o.name, test)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		if !known[name] {
			t.Errorf("%s is not in the list of options", name)
		}
	}
	want := optionTable(rsyncOptions(t))
	if os.Getenv("GOSYNC_UPDATE") != "" {
		if err := os.WriteFile(optionDocs, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(optionDocs); err != nil || string(got) != want {
		t.Errorf("%s is not what it should be: GOSYNC_UPDATE=1 go test ./cmd/gosync -run %s (%v)", optionDocs, t.Name(), err)
	}
}

// TestListedOptionsAreInTheTable wants the parser to know each of rsync's options in the spelling of the list, and its
// letter to be the same option.
func TestListedOptionsAreInTheTable(t *testing.T) {
	t.Parallel()
	letters := map[string]string{}
	for _, f := range flagTable() {
		letters["-"+f.short] = "-" + f.short
		for _, name := range append(append([]string{f.name}, f.alias...), f.negations()...) {
			letters["--"+name] = "-" + f.short
		}
	}
	for _, o := range rsyncOptions(t) {
		letter, ok := letters[o.name]
		if !ok && o.name != "--no-OPTION" {
			t.Errorf("%s is not in the table of options", o.name)
		}
		if o.short != "" && o.short != letter && o.name != "--help" {
			t.Errorf("%s is %s in the table of options, in the list %s", o.name, letter, o.short)
		}
	}
}

// wantIdleOption fails the test unless the option changes nothing of what a run is told.
func wantIdleOption(t *testing.T, o rsyncOption) {
	t.Helper()
	s, _, err := parseArgs([]string{"-a", o.name + "=none"}, false)
	if err != nil {
		t.Errorf("%s: %v", o.name, err)
		return
	}
	without, _, err := parseArgs([]string{"-a"}, false)
	if s.given, without.given = nil, nil; err != nil || !reflect.DeepEqual(s, without) {
		t.Errorf("%s changes something (%v)", o.name, err)
	}
}

// optionTable is docs/options.md.
func optionTable(options []rsyncOption) string {
	var b strings.Builder
	b.WriteString(`# rsync's options and the tests that notice when they are ignored

Each of rsync's options that are in everyday use (T1), or that is expected of whatever takes rsync's place (T2), in each of
its long spellings, and a test of cmd/gosync that fails when gosync takes the option and does nothing with it. A name with
.txtar is a script in cmd/gosync/testdata. This page is generated; that what it says is true is shown by

    GOSYNC_LONG=1 go test ./cmd/gosync -run TestIgnoredOptionsAreNoticed -v -timeout 2h

which builds a gosync that ignores one option at a time, and runs the test that stands beside it.

| Tier | Option | Shown by |
|---|---|---|
`)
	for _, o := range options {
		name := o.name
		if o.short != "" {
			name += ", " + o.short
		}
		by := optionTests()[o.name]
		if why := idleOptions()[o.name]; why != "" {
			by = "without effect: " + why
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", o.tier, name, by)
	}
	return b.String()
}
