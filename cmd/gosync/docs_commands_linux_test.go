package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An unrunCommand is one that the documentation has and TestCommandsOfDocs does not run.
type unrunCommand struct{ begins, why string }

// unrunCommands are not run: of those that are gosync's the options are parsed all the same.
func unrunCommands() []unrunCommand {
	return []unrunCommand{
		{"go test ", "it is what runs this"},
		{"CGO_ENABLED=0 go build ", "it takes minutes; the gate builds the program in other steps"},
		{"gosync demo", "demo.txtar runs it"},
		{"gosync bench ", "it takes minutes; TestBenchAlone and TestBenchHost run it"},
		{"sha256sum -c ", "it needs a release; .ci/release makes and checks one"},
		{"dpkg -i ", "it changes the machine; .ci/release makes what it installs"},
		{"systemctl ", "it needs the systemd of a user who is logged in; TestSystemdExamples checks the units"},
		{"loginctl ", "the same"},
		{"journalctl ", "the same"},
		{"ssh-keyscan ", "it asks a host on the network for its key"},
		{"gosync -a --ssh-option=ProxyJump=gate ", "it needs a server that forwards; TestProxyJump in transport/sshconn has one"},
		{"gosync -a --gosync-path='sudo gosync' ", "it needs sudo"},
		{"gosync -a --gosync-path=/opt/bin/gosync ", "there is no gosync in that place; TestRemoteCommand runs it"},
		{"cd /srv/snapshots/latest && b3sum ", "TestManifestIsThatOfB3sum runs b3sum where there is one"},
	}
}

// TestCommandsOfDocs runs every command that stands in a block of the README and of docs, and those of the README's table
// for users of rsync and scp, in a directory of their own, where hosts are an SSH server in this process. Of commands
// within the text the options are parsed.
func TestCommandsOfDocs(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../../README.md", "../../SECURITY.md", "../../CHANGELOG.md")
	var all []string
	texts := map[string]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		texts[page] = string(text)
		all = append(all, blockCommands(t, page, string(text))...)
	}
	if len(all) < 100 {
		t.Errorf("only %d commands: are the blocks still found?", len(all))
	}
	for _, u := range unrunCommands() {
		if !slices.ContainsFunc(all, func(c string) bool { return strings.HasPrefix(c, u.begins) }) {
			t.Errorf("no command begins with %q any more", u.begins)
		}
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text := texts[page]
			for _, words := range spans(text) {
				parsesOptions(t, words)
			}
			commands := append(blockCommands(t, page, text), tableCommands(text)...)
			if len(commands) == 0 {
				return
			}
			box := newDocBox(t)
			for _, c := range commands {
				box.run(t, c)
			}
		})
	}
}

// blockCommands returns the commands in the blocks for a shell of a page. Commands of gosync in other blocks are errors:
// nobody would run them here.
func blockCommands(t *testing.T, page, text string) (commands []string) {
	t.Helper()
	language, inside := "", false
	var block strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		fence, isFence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case isFence && !inside:
			language, inside = fence, true
		case isFence:
			commands = append(commands, commandsOf(block.String())...)
			inside = false
			block.Reset()
		case inside && language == "sh":
			block.WriteString(line + "\n")
		case regexp.MustCompile(`^( {4,}\$? *|\$ *)gosync `).MatchString(line), inside && regexp.MustCompile(`^\s*gosync( |$)`).MatchString(line):
			t.Errorf("%s: a command that is in no block for sh: %s", page, line)
		}
	}
	return commands
}

// commandsOf splits a block into commands: lines, with those that a backslash continues. A block that begins as a script does
// is one command.
func commandsOf(block string) (commands []string) {
	if strings.HasPrefix(strings.TrimSpace(block), "#!") {
		return []string{strings.TrimSpace(block)}
	}
	for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "go run ./cmd/gosync", "gosync"))
		if line != "" && line[0] != '#' {
			commands = append(commands, line)
		}
	}
	return commands
}

// tableCommands returns the commands in the right column of the table for users of rsync.
func tableCommands(text string) (commands []string) {
	_, table, _ := strings.Cut(text, "\n| rsync, scp | gosync |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) > 2 {
			for _, m := range spanPattern().FindAllStringSubmatch(cells[2], -1) {
				commands = append(commands, m[1])
			}
		}
	}
	return commands
}

func spanPattern() *regexp.Regexp { return regexp.MustCompile("`(gosync [^`]+)`") }

// spans returns the words of commands within the text.
func spans(text string) (all [][]string) {
	outside := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	for _, m := range spanPattern().FindAllStringSubmatch(strings.ReplaceAll(outside, "\n", " "), -1) {
		all = append(all, strings.Fields(m[1])[1:])
	}
	return all
}

// parsesOptions has gosync parse a command line that it does not carry out: with --help it only does that.
func parsesOptions(t *testing.T, words []string) {
	t.Helper()
	var said bytes.Buffer
	var line []string
	for _, w := range words {
		if w != "..." && w != "[OPTION]..." {
			line = append(line, strings.Trim(w, `'"`))
		}
	}
	at := 0
	if c := findCommand(line[0]); c != nil {
		if at = 1; c.own == nil && c.other == optionsNone {
			return // it has no options
		}
	}
	e := &env{stdin: strings.NewReader(""), stdout: &bytes.Buffer{}, stderr: &said, getenv: func(string) string { return "" }, parts: realParts()}
	if status := run(t.Context(), append([]string{"gosync"}, slices.Insert(line, at, "--help")...), e); status != 0 {
		t.Errorf("gosync %s: %s", strings.Join(words, " "), &said)
	}
}

// run runs one command of a page.
func (b *docBox) run(t *testing.T, command string) {
	t.Helper()
	for _, u := range unrunCommands() {
		if strings.HasPrefix(command, u.begins) {
			b.parse(t, command)
			return
		}
	}
	for _, name := range []string{"jq", "git", "parallel", "ssh", "timeout", "install"} {
		if _, err := exec.LookPath(name); err != nil && regexp.MustCompile(`(^|[|;'= ])`+name+`( |$)`).MatchString(command) {
			t.Logf("not run, as there is no %s: %s", name, command)
			b.parse(t, command)
			return
		}
	}
	cmd := exec.Command("/bin/sh", "-c", b.place(command))
	cmd.Dir, cmd.Env = b.work, b.env
	out, err := cmd.CombinedOutput()
	status := cmd.ProcessState.ExitCode()
	compares := regexp.MustCompile(`^gosync (verify|snapshot diff) `).MatchString(command)
	if err != nil && (!compares || status != exitVerify) {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
}

// parse has the options of a command that is not run parsed, if it is gosync's.
func (b *docBox) parse(t *testing.T, command string) {
	t.Helper()
	_, line, ok := strings.Cut(" "+strings.ReplaceAll(command, "{}", "1"), " gosync ")
	if !ok || strings.HasPrefix(strings.TrimSpace(command), "go ") || strings.HasPrefix(command, "CGO_ENABLED") {
		return
	}
	line, _, _ = strings.Cut(line, "#")
	cmd := exec.Command("/bin/sh", "-c", "printf '%s\\0' "+strings.SplitN(line, "|", 2)[0])
	cmd.Dir, cmd.Env = b.work, b.env
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v", command, err)
		return
	}
	parsesOptions(t, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
}
