package manifest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/need"
)

// TestModes holds what each kind of item makes of a file and of a directory.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		text             string
		mode, file, dirs uint16
	}{
		{"D755,F644", 0o600, 0o644, 0o755},
		{"0755", 0o7777, 0o755, 0o755},
		{"07777", 0, 0o7777, 0o7777},
		{"u+w", 0o444, 0o644, 0o644},
		{"+w", 0o444, 0o644, 0o644}, // the umask keeps it from the others
		{"a+w", 0o444, 0o666, 0o666},
		{"go-rwx", 0o4755, 0o4700, 0o4700},
		{"=rw", 0o7777, 0o7644, 0o7644},
		{"Du=rwx", 0o644, 0o644, 0o744},
		{"Fg+s", 0o755, 0o2755, 0o755},
		{"a+s", 0o755, 0o6755, 0o6755},
		{"+s", 0o755, 0o4755, 0o4755},
		{"u=t", 0o6755, 0o3055, 0o3055},
		{"o+t", 0o755, 0o1755, 0o1755},
		{"+X", 0o644, 0o644, 0o755},
		{"+X", 0o744, 0o755, 0o755},
		{"-x,+X", 0o744, 0o755, 0o755}, // whether there was one counts
		{"g=u", 0o2640, 0o660, 0o660},
		{"o=g,g-o", 0o750, 0o705, 0o705},
		{"=u", 0o7700, 0o755, 0o755},
		{"u+", 0o641, 0o641, 0o641},
	} {
		m, err := ParseModes(c.text, 0o022)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := m.Apply(Regular, c.mode); got != c.file {
			t.Errorf("%s makes %o of the file's %o", c.text, got, c.mode)
		}
		if got := m.Apply(Directory, c.mode); got != c.dirs {
			t.Errorf("%s makes %o of the directory's %o", c.text, got, c.mode)
		}
		if got := m.Apply(Symlink, c.mode); got != c.mode {
			t.Errorf("%s changes a symlink to %o", c.text, got)
		}
	}
	for _, text := range []string{"", "u", "8", "77777", "u+q", "DFu+r", "u+x+r", "u+rg", "g=us", "rwx", "u+r,", ",u+r", "u755", strings.Repeat("u+w,", 2000) + "u+w"} {
		if _, err := ParseModes(text, 0o022); !errors.Is(err, ErrModes) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// TestModesLikeRsync compares many items with what rsync makes of them.
func TestModesLikeRsync(t *testing.T) {
	rsync, err := exec.LookPath("rsync")
	if err != nil {
		need.Missing(t, "rsync", err.Error())
	}
	dir := t.TempDir()
	modes := []uint16{0, 0o644, 0o711, 0o4711, 0o2750, 0o1777, 0o421, 0o70, 0o7777}
	for _, mode := range modes {
		for _, kind := range []string{"f", "d"} {
			path := filepath.Join(dir, "src", fmt.Sprintf("%s%04o", kind, mode))
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil && kind == "d" {
				err = os.Mkdir(path, 0o755)
			} else if err == nil {
				err = os.WriteFile(path, nil, 0o644)
			}
			if err == nil {
				err = os.Chmod(path, fileMode(mode))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, text := range modeTexts() {
		dst := filepath.Join(dir, fmt.Sprint("dst", i))
		cmd := exec.Command("/bin/sh", "-c", `umask 022; exec "$@"`, "sh", rsync, "-a", "--chmod="+text, dir+"/src/", dst+"/")
		out, err := cmd.CombinedOutput()
		m, own := ParseModes(text, 0o022)
		if (err == nil) != (own == nil) {
			t.Errorf("%s: rsync says %v (%s), ParseModes says %v", text, err, out, own)
		}
		if err != nil || own != nil {
			continue
		}
		for _, mode := range modes {
			for _, kind := range []string{"f", "d"} {
				st, err := os.Stat(filepath.Join(dst, fmt.Sprintf("%s%04o", kind, mode)))
				if err != nil {
					t.Fatal(err)
				}
				typ := map[string]Type{"f": Regular, "d": Directory}[kind]
				if got := m.Apply(typ, mode); fileMode(got) != st.Mode()&^os.ModeDir {
					t.Errorf("%s: %s %o becomes %o, with rsync %v", text, kind, mode, got, st.Mode())
				}
			}
		}
	}
}

func modeTexts() (texts []string) {
	for _, who := range []string{"", "a", "uo", "Dgo"} {
		for _, op := range []string{"+", "-", "="} {
			for _, what := range []string{"", "wx", "rX", "s", "st", "u", "o"} {
				texts = append(texts, who+op+what)
			}
		}
	}
	return append(texts, "755", "F0", "D1777,F4755", "u+w,o=u,Fa-x", "7", "12345", "u", "Dx", "aFo+w")
}

// fileMode returns mode as package os has it.
func fileMode(mode uint16) os.FileMode {
	m := os.FileMode(mode & 0o777)
	for bit, is := range map[uint16]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if mode&bit != 0 {
			m |= is
		}
	}
	return m
}

// FuzzModes: no text breaks the parser, and no change makes bits that a mode does not have.
func FuzzModes(f *testing.F) {
	f.Add("Dg+s,ug+w,Fo-w,+X", uint16(0o644))
	f.Add("u=g,755", uint16(0o7777))
	f.Fuzz(func(t *testing.T, text string, mode uint16) {
		m, err := ParseModes(text, 0o022)
		if err != nil {
			return
		}
		for _, typ := range []Type{Regular, Directory} {
			if got := m.Apply(typ, mode&0o7777); got&^0o7777 != 0 {
				t.Errorf("%q makes %o of %o", text, got, mode)
			}
		}
	})
}
