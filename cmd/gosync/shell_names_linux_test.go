package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/transport/sshtest"
)

// TestShellNamesAreNoPatterns has names in a session, here and there, that a far side would take for something else if
// it were to look for more than a name in them. Each is beside a name that it would match as a pattern.
func TestShellNamesAreNoPatterns(t *testing.T) {
	t.Parallel()
	names := []string{
		"1.txt", "[1].txt", "a*", "ab", "q?", "qq", `back\*`, `back\x`, `back\\*`, `end\`, "~", "~root", "-rf", "--", "host:x", ":x", "h::m", "rsync:", "a b",
		"[", "x]", "[d]s", "ds", "#c", "!c", "'", `"`, "[!a]", "{a,b}", "$HOME", " ", "esc\x1b[2J",
	}
	for _, via := range []string{"agent", "sftp", "scp"} {
		t.Run(via, func(t *testing.T) {
			t.Parallel()
			s := &batches{t: t, via: via, server: sshtest.Start(t, sshtest.Options{Path: []string{farBin(t)}, Env: []string{"GORACE=" + quickExit}})}
			files := map[string]string{}
			for _, name := range names {
				if via == "scp" && strings.Contains(name, "\x1b") {
					continue // refused: a terminal of the user would be shown it
				}
				files[name] = "content of " + name
			}
			s.there, s.here = t.TempDir(), t.TempDir()
			for name, content := range files {
				put(t, []byte(content), s.there, "odd", name)
				put(t, []byte(content), s.here, "odd", name)
			}
			s.run(`lmkdir "all"`, `lcd all`, `cd "odd"`, `get *`)
			same(t, filepath.Join(s.here, "all"), files)
			s.run(`mkdir all`, `cd all`, `lcd "odd"`, `put *`)
			same(t, filepath.Join(s.there, "all"), files)

			s.run(`lmkdir one`, `lcd one`, `cd "odd"`, `get "[1].txt"`, `get "a*" "q?"`, `get "~" .`, `get 'back\*'`)
			same(t, filepath.Join(s.here, "one"), map[string]string{"[1].txt": files["[1].txt"], "q?": files["a*"], "~": files["~"], `back\*`: files[`back\*`]})
			s.run(`mkdir one`, `cd one`, `lcd "odd"`, `put "[1].txt"`, `put "a*" "q?"`, `put "~" .`, `put 'back\*'`, `put -- -rf "--"`)
			same(t, filepath.Join(s.there, "one"), map[string]string{"[1].txt": files["[1].txt"], "q?": files["a*"], "~": files["~"], `back\*`: files[`back\*`], "--": files["-rf"]})

			put(t, []byte("keep"), s.there, "odds", "keepme")
			put(t, []byte("keep"), s.there, "d", "keepme")
			put(t, []byte("go"), s.there, "[d]", "goes")
			put(t, []byte("new"), s.here, "l[12]", "new")
			put(t, []byte("other"), s.here, "l1", "other")
			option, want := "--delete ", map[string]string{"new": "new"}
			if via == "scp" { // which cannot delete
				option, want["goes"] = "", "go"
			}
			s.run(`sync put ` + option + `"l[12]" "[d]"`)
			same(t, filepath.Join(s.there, "d"), map[string]string{"keepme": "keep"})
			same(t, filepath.Join(s.there, "[d]"), want)
			s.run(`sync get "[d]" "l?"`)
			same(t, filepath.Join(s.here, "l?"), want)
			same(t, filepath.Join(s.here, "l1"), map[string]string{"other": "other"})
			s.run(`get -r "[d]" "x[y]"`, `put -r "l[12]"`)
			same(t, filepath.Join(s.here, "x[y]"), want)
			same(t, filepath.Join(s.there, "l[12]"), map[string]string{"new": "new"})
			s.run(`lcd "l[12]"`, `cd "[d]"`, `put new "n*"`, `lcd "../l1"`, `get "n*" "../l1/[x]"`)
			same(t, filepath.Join(s.here, "l1"), map[string]string{"other": "other", "[x]": "new"})
		})
	}
}

// batches runs sessions whose commands are there from the start.
type batches struct {
	t           *testing.T
	via         string
	server      *sshtest.Server
	there, here string
}

func (b *batches) run(lines ...string) {
	b.t.Helper()
	cmd := exec.Command("gosync", "shell", "--via="+b.via, "--ssh-config", b.server.Config, "box:"+b.there)
	cmd.Dir, cmd.Stdin = b.here, strings.NewReader(strings.Join(lines, "\n")+"\n")
	cmd.Env = append(os.Environ(), "GORACE="+quickExit)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Errorf("%q: %v: %s", lines, err, out)
	}
}

// same wants a directory to hold these files, by their names, and no others.
func same(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
		return
	}
	got := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Error(err)
		}
		got[e.Name()] = string(b)
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}
