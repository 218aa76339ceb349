package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/need"
)

// ignorance is what makes the parser of flags.go ignore an option: what stands there, and what stands there instead.
func ignorance() map[string]string {
	return map[string]string{
		"type binding struct {":                        "type binding struct {\n\tignored bool",
		"&binding{flag: f, on: on, settings: s}":       "&binding{flag: f, on: on, settings: s, ignored: ignored(name, short, on)}",
		"func (b *binding) Set(text string) error {\n": "func (b *binding) Set(text string) error {\n\tif b.ignored {\n\t\treturn nil\n\t}\n",
	}
}

// ignorantSource is the file that is added to it.
const ignorantSource = `package main

import (
	"os"
	"strings"
)

func ignored(name, short string, on bool) bool {
	spelled := "--" + name
	if strings.HasPrefix(name, given) {
		spelled = "-" + short
	}
	switch option := os.Getenv("` + ignoredVariable + `"); option {
	case "--no-OPTION":
		return !on
	default:
		return option == spelled
	}
}
`

// ignorantTests builds the tests of this package around a program that takes the option that ignoredVariable names, in
// this spelling, its value as well, and does nothing with it. What is changed is the source that the build reads: the
// program itself has no such means.
func ignorantTests(t *testing.T) string {
	t.Helper()
	requireTool(t, "go")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("flags.go")
	if err != nil {
		t.Fatal(err)
	}
	text := string(source)
	for from, to := range ignorance() {
		if strings.Count(text, from) != 1 {
			t.Fatalf("flags.go has %q %d times", from, strings.Count(text, from))
		}
		text = strings.Replace(text, from, to, 1)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for name, text := range map[string]string{"flags.go": text, "ignored.go": ignorantSource} {
		replace[filepath.Join(here, name)] = filepath.Join(dir, name)
		put(t, []byte(text), dir, name)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	put(t, overlay, dir, "overlay.json")
	program := filepath.Join(dir, "ignorant.test")
	if out, err := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// TestIgnoredOptionsAreNoticed has the program ignore each of rsync's options, one at a time, and wants the test that
// optionTests names for it to fail, and not to fail otherwise. It takes some minutes, so it runs with GOSYNC_LONG only:
//
//	GOSYNC_LONG=1 go test ./cmd/gosync -run TestIgnoredOptionsAreNoticed -v -timeout 2h
//	GOSYNC_LONG=1 go test ./cmd/gosync -run 'TestIgnoredOptionsAreNoticed/^--del' -v
func TestIgnoredOptionsAreNoticed(t *testing.T) {
	if !longRun() {
		need.Missing(t, "long", "GOSYNC_LONG is not set")
	}
	program := ignorantTests(t)
	sound := map[string]bool{}
	for _, o := range rsyncOptions(t) {
		test := optionTests()[o.name]
		if test == "" {
			continue // TestEveryOptionIsTested has it without effect, or fails
		}
		t.Run(o.name, func(t *testing.T) {
			if !sound[test] {
				if outcome, out := runIgnoring(t, program, test, ""); outcome != "PASS" {
					t.Fatalf("%s, with no option ignored: %s\n%s", test, outcome, out)
				}
				sound[test] = true
			}
			outcome, out := runIgnoring(t, program, test, o.name)
			if outcome != "FAIL" {
				t.Errorf("%s, with %s ignored: %s\n%s", test, o.name, outcome, out)
			}
		})
	}
}

// runIgnoring runs a test with an option ignored, and returns how it ended, as the test itself says: PASS, FAIL, SKIP, or
// nothing when it did not come to that.
func runIgnoring(t *testing.T, program, test, option string) (outcome, out string) {
	t.Helper()
	name := test
	if script, ok := strings.CutSuffix(test, ".txtar"); ok {
		name = "TestScripts/" + script
	}
	cmd := exec.Command(program, "-test.run=^"+strings.ReplaceAll(name, "/", "$/^")+"$", "-test.v", "-test.timeout=30m")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GOSYNC_LONG=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, ignoredVariable+"="+option)
	text, _ := cmd.CombinedOutput() // the exit status says less than the lines
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "--- ")
		if got, of, two := strings.Cut(rest, ": "); ok && two && strings.HasPrefix(of, name+" (") {
			return got, string(text)
		}
	}
	return "", string(text)
}
