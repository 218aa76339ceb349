package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a file through a tree.
func put(t *testing.T, d *Tree, path, content string, e *manifest.Entry) error {
	t.Helper()
	f, err := d.Create(t.Context(), path, engine.CreateOptions{Size: int64(len(content))})
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		return errors.Join(err, f.Discard())
	}
	done := make(chan error, 1)
	f.Commit(t.Context(), int64(len(content)), e, manifest.AttrMode|manifest.AttrTimes, func(err error) { done <- err })
	must(t, d.Sync(t.Context()))
	return <-done
}

// TestTree: files are written, replaced though they are read-only, listed, and removed; what
// lies below is listed, too.
func TestTree(t *testing.T) {
	root := filepath.ToSlash(t.TempDir())
	d, err := Open(root, engine.DestOptions{Durability: engine.SyncRun}, nil)
	must(t, err)
	defer func() { must(t, d.Close()) }()
	e := &manifest.Entry{Type: manifest.Regular, Mode: 0o444, Sec: 1_700_000_000, Nsec: 123_456_700}
	must(t, d.Mkdir(t.Context(), "dir"))
	for _, text := range []string{"one", "and two"} {
		must(t, put(t, d, "dir/a file", text, e))
	}
	entries, err := d.List(t.Context(), "dir")
	must(t, err)
	if len(entries) != 1 || entries[0].Name != "a file" || entries[0].Size != 7 || entries[0].Mode != 0o444 || entries[0].Sec != e.Sec || entries[0].Nsec != e.Nsec {
		t.Errorf("%+v", entries)
	}
	data, err := os.ReadFile(filepath.Join(root, "dir", "a file"))
	if err != nil || string(data) != "and two" {
		t.Errorf("%q, %v", data, err)
	}
	must(t, d.SetAttrs(t.Context(), "dir", &manifest.Entry{Type: manifest.Directory, Mode: 0o700, Sec: 1000}, manifest.AttrTimes|manifest.AttrMode))
	if info, err := os.Stat(filepath.Join(root, "dir")); err != nil || !info.ModTime().Equal(time.Unix(1000, 0)) {
		t.Errorf("%v, %v", info, err)
	}
	must(t, d.Remove(t.Context(), "dir/a file", &manifest.Entry{Type: manifest.Regular}))
	must(t, d.Remove(t.Context(), "dir", &manifest.Entry{Type: manifest.Directory}))
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestNamesRefused: what Windows would take for another name is an error of that file, before
// anything is made.
func TestNamesRefused(t *testing.T) {
	root := t.TempDir()
	d, err := Open(root, engine.DestOptions{}, nil)
	must(t, err)
	defer func() { must(t, d.Close()) }()
	for _, name := range []string{"CON", "nul.txt", "a:b", "a.", "a ", `..\a`, `C:\a`, "a\nb", "a\xff"} {
		for op, err := range map[string]error{
			"create": put(t, d, name, "x", &manifest.Entry{Type: manifest.Regular, Mode: 0o644}),
			"below":  put(t, d, name+"/x", "x", &manifest.Entry{Type: manifest.Regular, Mode: 0o644}),
			"mkdir":  d.Mkdir(t.Context(), name),
			"link":   d.Symlink(t.Context(), name, &manifest.Entry{Type: manifest.Symlink, Ext: &manifest.Ext{Link: "x"}}, 0),
		} {
			if !errors.Is(err, manifest.ErrName) {
				t.Errorf("%s %q: %v", op, name, err)
			}
		}
	}
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if left, err := os.ReadDir(filepath.Dir(root)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestSameLetters: names that differ in the case of letters are known to be the same.
func TestSameLetters(t *testing.T) {
	d, err := Open(t.TempDir(), engine.DestOptions{}, nil)
	must(t, err)
	defer func() { must(t, d.Close()) }()
	key := d.Folding(t.Context())
	if key == nil || key("FILE \u00c9") != key("file \u00e9") || key("ss") == key("\u00df") {
		t.Error("the rules of Windows are others")
	}
	must(t, put(t, d, "File", "x", &manifest.Entry{Type: manifest.Regular, Mode: 0o644}))
	if e, err := d.Stat(t.Context(), "fILE"); err != nil || !e.IsRegular() {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestLocks: a second run on a tree that is to be had alone is told so, and the lock's file is
// gone in the end.
func TestLocks(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	root := t.TempDir()
	host := NewHost()
	first, err := host.Dest(t.Context(), root, engine.DestOptions{Exclusive: true})
	must(t, err)
	if _, err := host.Dest(t.Context(), root, engine.DestOptions{}); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("got %v", err)
	}
	must(t, first.(*Tree).Close())
	if left, err := os.ReadDir(filepath.Join(state, "gosync")); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}
