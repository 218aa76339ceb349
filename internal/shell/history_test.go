package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "state", "gosync", "shell_history")
	h, err := OpenHistory(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"ls", "ls", "", " secret", "esc\x1b", "cd x  ", "ls"} {
		h.Add(line)
	}
	again, err := OpenHistory(name)
	if err != nil || again.Len() != 3 || again.At(0) != "ls" || again.At(1) != "cd x" || again.At(2) != "ls" {
		t.Fatalf("%d lines, %v", again.Len(), err)
	}
	for p, mode := range map[string]os.FileMode{name: 0o600, filepath.Dir(name): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "h")
	var b strings.Builder
	for i := range 3 * maxHistory {
		fmt.Fprintf(&b, "ls %d\n", i)
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := OpenHistory(name)
	if err != nil || h.Len() != maxHistory || h.At(0) != fmt.Sprintf("ls %d", 3*maxHistory-1) {
		t.Fatalf("%d lines, %v", h.Len(), err)
	}
	h.Add("last")
	if h.Len() != maxHistory {
		t.Errorf("%d lines in memory", h.Len())
	}
	text, err := os.ReadFile(name)
	if n := strings.Count(string(text), "\n"); err != nil || n != maxHistory+1 || !strings.HasSuffix(string(text), "\nlast\n") {
		t.Errorf("%d lines in the file, %v", n, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v, %v", info.Mode(), err)
	}
}

func TestHistoryWithoutFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, dir} {
		h, err := OpenHistory(name)
		if err == nil {
			t.Errorf("%s was opened", name)
		}
		h.Add("ls")
		if h.Len() != 1 || h.Err() != nil {
			t.Errorf("%d lines, %v", h.Len(), h.Err())
		}
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "precious\n" {
		t.Errorf("the symlink was followed: %q, %v", b, err)
	}
	if h, err := OpenHistory(""); err != nil || h.Len() != 0 {
		t.Error(err)
	}
}
