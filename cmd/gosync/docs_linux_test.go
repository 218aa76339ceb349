package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gosync/internal/need"
)

// TestConfigExamples has the jobs of the documentation and of the help listed, which checks them.
func TestConfigExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```toml\n")
	example, _, ok := strings.Cut(example, "```")
	var help strings.Builder
	for line := range strings.Lines(configText) {
		if strings.HasPrefix(line, "  ") {
			help.WriteString(line)
		}
	}
	for name, text := range map[string]string{"docs/config.md": example, "gosync help config": help.String()} {
		file := filepath.Join(t.TempDir(), "config.toml")
		put(t, []byte(text), file)
		cmd := exec.Command("gosync", "run", "--list", "--config="+file)
		cmd.Env = append(os.Environ(), "HOME=/home/me")
		out, err := cmd.CombinedOutput()
		if err != nil || !ok || !strings.Contains(string(out), "/home/me/photos/ nas:photos/") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// TestSystemdExamples has systemd check the units of the documentation.
func TestSystemdExamples(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		need.Missing(t, "systemd-analyze", "needs systemd-analyze")
	}
	program, err := exec.LookPath("gosync")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"gosync@.service", "gosync@.timer"} {
		text, err := os.ReadFile(filepath.Join("../../docs/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, text, dir, name)
	}
	verify := func(name string) string {
		cmd := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, name))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		// Of units of this machine there may be something to say as well.
		var said strings.Builder
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "gosync") || strings.Contains(line, "wrong@") {
				said.WriteString(line)
			}
		}
		return said.String()
	}
	for _, name := range []string{"gosync@.service", "gosync@.timer"} {
		if said := verify(name); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	}
	put(t, []byte("[Timer]\nOnCalendar=each night\n[Install]\nWantedBy=timers.target\n"), dir, "wrong@.timer")
	put(t, []byte("[Service]\nExecStart="+program+"\n"), dir, "wrong@.service")
	if verify("wrong@.timer") == "" {
		t.Error("a wrong timer is found to be right")
	}
}

// TestUnitsArePackaged: deb and rpm bring the units, to where systemd looks for those of users, and what they start is
// found wherever it was installed. The crontab's examples are among the documents.
func TestUnitsArePackaged(t *testing.T) {
	t.Parallel()
	release, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob("../../docs/systemd/*")
	if err != nil || len(units) == 0 {
		t.Fatal(units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil || strings.Contains(string(text), "/usr/local/bin/gosync run") {
			t.Errorf("%s starts what a package does not have: %v", unit, err)
		}
		name := filepath.Base(unit)
		for _, packager := range []string{"deb", "rpm"} {
			want := fmt.Sprintf("{src: docs/systemd/%s, dst: /usr/lib/systemd/user/%s, packager: %s}", name, name, packager)
			if !strings.Contains(string(release), want) {
				t.Errorf(".goreleaser.yaml has no %s", want)
			}
		}
	}
	if service, err := os.ReadFile("../../docs/systemd/gosync@.service"); err != nil || !strings.Contains(string(service), "\nExecStart=/usr/bin/env gosync run %i\n") {
		t.Errorf("gosync is not looked for: %v", err)
	}
	for _, want := range []string{`{src: "docs/*.*", dst: /usr/share/doc/gosync/docs/}`, `{src: "docs/systemd/*", info: *plain}`} {
		if !strings.Contains(string(release), want) {
			t.Errorf(".goreleaser.yaml has no %s", want)
		}
	}
	cron, err := os.ReadFile("../../docs/gosync.cron")
	if err != nil || !strings.Contains(string(cron), "\nPATH=/usr/local/bin:/usr/bin:/bin\n") {
		t.Errorf("cron does not find gosync: %v", err)
	}
}

// TestCronExamples holds the lines of the documentation against what crontab(5) permits, and has
// the options of their commands parsed.
func TestCronExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/gosync.cron")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for line := range strings.Lines(string(text)) {
		command, err := cronCommand(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if command == "" {
			continue
		}
		commands++
		words := strings.Fields(strings.Split(command, "||")[0])
		if words[0] != "gosync" { // packages have it in another place than go build
			t.Errorf("%s starts something else", line)
		}
		if words[1] == "run" {
			words = words[1:]
		}
		if _, _, err := parseArgs(words[1:], false); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if commands < 3 {
		t.Errorf("%d commands", commands)
	}
	for _, wrong := range []string{"60 3 * * * x", "1 24 * * * x", "1 2 0 * * x", "1 2 3 * x", "* * * * 8 x", "*/0 * * * * x", "5-1 * * * * x", "1 2 3 4 5", "1 2 3 4 5 date +%s", "x"} {
		if _, err := cronCommand(wrong); err == nil {
			t.Errorf("%q is found to be right", wrong)
		}
	}
}

// cronCommand returns the command of a line of a crontab, "" for a comment or a variable.
func cronCommand(line string) (string, error) {
	if line == "" || line[0] == '#' || regexp.MustCompile(`^[A-Z]+ *=`).MatchString(line) {
		return "", nil
	}
	fields := regexp.MustCompile(`^(\S+) +(\S+) +(\S+) +(\S+) +(\S+) +(\S.*)$`).FindStringSubmatch(line)
	if fields == nil {
		return "", fmt.Errorf("it has not five times and a command")
	}
	for i, limit := range []struct {
		least, most int
		names       string
	}{{0, 59, ""}, {0, 23, ""}, {1, 31, ""}, {1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"}, {0, 7, "sun mon tue wed thu fri sat"}} {
		for part := range strings.SplitSeq(fields[i+1], ",") {
			if err := cronPart(part, limit.least, limit.most, strings.Fields(limit.names)); err != nil {
				return "", err
			}
		}
	}
	command := fields[6]
	if strings.Contains(strings.ReplaceAll(command, `\%`, ""), "%") {
		return "", fmt.Errorf("a %% is not escaped")
	}
	return command, nil
}

// cronPart checks one of the times of a field: *, a number or a name, a range, each with or without a step.
func cronPart(part string, least, most int, names []string) error {
	part, step, stepped := strings.Cut(part, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1) {
		return fmt.Errorf("%q is no step", step)
	}
	if part == "*" {
		return nil
	}
	value := func(text string) (int, error) {
		for i, n := range names {
			if strings.EqualFold(n, text) {
				return least + i, nil
			}
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("%q is not from %d to %d", text, least, most)
		}
		return n, nil
	}
	from, to, ranged := strings.Cut(part, "-")
	low, err := value(from)
	if err != nil || !ranged {
		return err
	}
	high, err := value(to)
	if err == nil && high < low {
		err = fmt.Errorf("%q goes backwards", part)
	}
	return err
}
