package transport

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

func TestSplitRsh(t *testing.T) {
	t.Parallel()
	for cmd, want := range map[string][]string{
		"ssh":                     {"ssh"},
		"  ssh   -p 2222  ":       {"ssh", "-p", "2222"},
		"ssh -i '/a b/c'":         {"ssh", "-i", "/a b/c"},
		`x 'it''s' "a""b" y'z w'`: {"x", "it's", `a"b`, "yz w"},
		`x '' ""`:                 {"x", "", ""},
		`x \n 'a\'`:               {"x", `\n`, `a\`},
		"x\ty $HOME":              {"x\ty", "$HOME"},
		`x "'" '"'`:               {"x", "'", `"`},
		`x ''''`:                  {"x", "'"},
	} {
		if got, err := SplitRsh(cmd); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", cmd, got, err, want)
		}
	}
	for _, cmd := range []string{"", "   ", "ssh 'a", `ssh "`, "''", "'' x", "a\x00b", `x '''`, strings.Repeat("a ", 1001)} {
		if got, err := SplitRsh(cmd); err == nil {
			t.Errorf("%q: %q", cmd, got)
		}
	}
}

// rsync itself says how it splits: it runs a program that prints its arguments.
func TestSplitRshAsRsync(t *testing.T) {
	t.Parallel()
	rsync := sshtest.Require(t, "rsync", "rsync")
	dir := t.TempDir()
	script, seen := filepath.Join(dir, "print"), filepath.Join(dir, "seen")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s\\0' \"$@\" >'"+seen+"'\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"'", `"`, "'", `"`, " ", `\`, "a", "\t", "$"}
	for range 60 {
		var cmd strings.Builder
		cmd.WriteString(script + " ")
		for range 1 + rng.IntN(8) {
			cmd.WriteString(pieces[rng.IntN(len(pieces))])
		}
		os.Remove(seen)
		var out bytes.Buffer
		c := exec.Command(rsync, "-e", cmd.String(), "host.invalid:x", dir)
		c.Stderr = &out
		_ = c.Run() // it cannot succeed
		words, err := SplitRsh(cmd.String())
		data, readErr := os.ReadFile(seen)
		if readErr != nil {
			if err == nil || !strings.Contains(out.String(), "Missing trailing") {
				t.Errorf("%q: rsync refuses (%s), got %q", cmd.String(), out.String(), words)
			}
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
		if n := slices.Index(args, "host.invalid"); err != nil || !slices.Equal(words[1:], args[:n]) {
			t.Errorf("%q: rsync says %q, got %q, %v", cmd.String(), args[:n], words[1:], err)
		}
	}
}

func FuzzSplitRsh(f *testing.F) {
	for _, s := range []string{"ssh -p 22", "a 'b c' \"d\"", "''''", "x 'it''s'", `\ `} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cmd string) {
		words, err := SplitRsh(cmd)
		if err != nil {
			return
		}
		// Words written back in quotes split into the same words.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", "''")+"'")
		}
		again, err := SplitRsh(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(words, again) {
			t.Fatalf("%q: %q, quoted %q, %v", cmd, words, again, err)
		}
	})
}

func TestRshArgv(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rsh    string
		config string
		port   int
		limit  time.Duration
		want   string // "": refused
	}{
		{"anything -x", "", 0, 0, "anything -x"},
		{"ssh -4", "f", 22, 1500 * time.Millisecond, "ssh -4 -F f -p 22 -o ConnectTimeout=2"},
		{"/usr/bin/ssh", "", 0, 9 * time.Second, "/usr/bin/ssh -o ConnectTimeout=9"},
		{"rsh", "", 22, 0, ""},
		{"rsh", "f", 0, 0, ""},
		{"rsh", "", 0, time.Second, ""},
	} {
		got, err := rshArgv(&Options{Rsh: strings.Fields(tt.rsh), SSHConfig: tt.config, ConnectTimeout: tt.limit}, tt.port)
		if strings.Join(got, " ") != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, ErrRsh) {
			t.Errorf("%+v gives %q, %v", tt, got, err)
		}
	}
}
