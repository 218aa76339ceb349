package snapshot_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/internal/snapshot"
	"gosync/transport/localfs"
)

// clock is a time that tests set.
type clock struct{ now time.Time }

func openStore(t *testing.T, dir string, c *clock) *snapshot.Store {
	t.Helper()
	tree, err := localfs.Open(dir, engine.DestOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot.NewStore(tree, func() time.Time { return c.now })
	t.Cleanup(func() { _ = s.Close() }) // a second time does no harm here
	return s
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// add makes a snapshot of files with these contents.
func add(t *testing.T, dir string, c *clock, files map[string]string) string {
	t.Helper()
	s := openStore(t, dir, c)
	defer s.Close()
	next, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		write(t, filepath.Join(dir, next.Dir, name), content)
	}
	f, err := s.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Hour)
	return f.Name
}

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)} }

func TestStoreNames(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	first := add(t, dir, c, map[string]string{"a": "1"})
	c.now = c.now.Add(-time.Hour) // two within a second
	second := add(t, dir, c, nil)
	if first != "2026-01-02T030405Z" || second != "2026-01-02T030406Z" {
		t.Error(first, second)
	}
	c.now = c.now.Add(-24 * time.Hour)
	s := openStore(t, dir, c)
	if _, err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "of the future") {
		t.Error(err)
	}
}

func TestStoreIsLocked(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	one, two := openStore(t, dir, c), openStore(t, dir, c)
	if _, err := one.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Begin(t.Context()); !errors.Is(err, engine.ErrInUse) {
		t.Error(err)
	}
	if _, err := two.Prune(t.Context(), snapshot.Policy{Last: 1}, false); !errors.Is(err, engine.ErrInUse) {
		t.Error(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Begin(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStoreResumes: what an interrupted run has linked to a snapshot is taken out, what it has copied stays, and what it
// has noted is not read again.
func TestStoreResumes(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	first := add(t, dir, c, map[string]string{"d/linked": "1", "d/other": "2"})
	s := openStore(t, dir, c)
	next, err := s.Begin(t.Context())
	if err != nil || next.Base != first || next.Resumed {
		t.Fatal(next, err)
	}
	in := func(name string) string { return filepath.Join(dir, next.Dir, name) }
	write(t, in("d/copied"), "3")
	write(t, in("d/twice"), "4")
	write(t, in("d/changed"), "5")
	if err := errors.Join(os.Link(filepath.Join(dir, first, "d/linked"), in("d/linked")), os.Link(in("d/twice"), in("again")), os.Chmod(in("d"), 0o555)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(in("d/copied"))
	if err != nil {
		t.Fatal(err)
	}
	at := info.ModTime()
	note := snapshot.Landed{Path: "d/copied", Size: 1, Sec: at.Unix(), Nsec: uint32(at.Nanosecond()), Sum: snapshot.Sum{7}}
	wrong := note
	wrong.Path, wrong.Size = "d/changed", 2
	if err := s.Note([]snapshot.Landed{note, wrong}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir, c)
	if next, err = s.Begin(t.Context()); err != nil || !next.Resumed {
		t.Fatal(next, err)
	}
	if _, err := os.Lstat(in("d/linked")); !errors.Is(err, os.ErrNotExist) {
		t.Error("what is linked to a snapshot is still there:", err)
	}
	for _, name := range []string{"d/copied", "d/twice", "again"} {
		if _, err := os.Lstat(in(name)); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(os.Chmod(in("d"), 0o755), os.Link(filepath.Join(dir, first, "d/linked"), in("d/linked"))); err != nil {
		t.Fatal(err)
	}
	f, err := s.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Files != 5 || f.Read != 3 { // changed, and twice under both names
		t.Errorf("%+v", f)
	}
	m, err := s.Manifest(t.Context(), f.Name)
	if err != nil {
		t.Fatal(err)
	}
	if sum, _ := m.Find("d/copied"); sum != note.Sum {
		t.Error("what was noted does not count")
	}
	if sum, ok := m.Find("d/changed"); !ok || sum == note.Sum {
		t.Error("what was noted of another state counts")
	}
}

func TestStoreTidies(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	name := add(t, dir, c, map[string]string{"a": "1"})
	write(t, dir+"/.gosync-snapshots.trash-2020-01-01T000000Z/d/f", "x")
	write(t, dir+"/.gosync-snapshots/2020-01-01T000000Z.b3sum", "")
	write(t, dir+"/.gosync-snapshots/2020-01-01T000000Z.bad", "")
	if err := errors.Join(os.Chmod(dir+"/.gosync-snapshots.trash-2020-01-01T000000Z/d", 0o500), os.Remove(dir+"/latest")); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir, c)
	if _, err := s.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(dir + "/latest"); err != nil || to != name {
		t.Error(to, err)
	}
	for _, gone := range []string{".gosync-snapshots.trash-2020-01-01T000000Z", ".gosync-snapshots/2020-01-01T000000Z.b3sum", ".gosync-snapshots/2020-01-01T000000Z.bad"} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", gone, err)
		}
	}
}

func TestStoreMovesNothingOverAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/a", 0o755), os.Mkdir(dir+"/b", 0o755), os.Mkdir(dir+"/a/c", 0o755)); err != nil {
		t.Fatal(err)
	}
	tree, err := localfs.Open(dir, engine.DestOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, to := range []string{"b", "b/x", "../x", "a/c/x"} {
		if err := tree.Move(t.Context(), "a", to); err == nil {
			t.Errorf("a is moved to %s", to)
		}
	}
	if err := tree.Move(t.Context(), "a/c", "a/d"); err != nil {
		t.Error(err)
	}
}

// TestRemoteIsLikeLocal does the same with a store and with one behind a line.
func TestRemoteIsLikeLocal(t *testing.T) {
	t.Parallel()
	var results [2][]any
	for i := range results {
		dir, c := t.TempDir(), newClock()
		add(t, dir, c, map[string]string{"a": "1", "x\ny": "2", "\xff": "3"})
		add(t, dir, c, map[string]string{"a": "1"})
		var k snapshot.Keeper = openStore(t, dir, c)
		if i == 1 {
			k = dial(t, dir, c)
		}
		note := func(v any, err error) {
			if err != nil {
				t.Error(i, err)
			}
			results[i] = append(results[i], v)
		}
		all, err := k.List(t.Context())
		note(all, err)
		write(t, filepath.Join(dir, all[0].Name, "a"), "damage")
		m, err := k.Manifest(t.Context(), all[0].Name)
		note(m, err)
		var found []snapshot.Found
		err = k.Check(t.Context(), []string{all[0].Name}, func(f snapshot.Found) { found = append(found, f) })
		note(found, err)
		if len(found) != 1 {
			t.Error(found)
		}
		next, err := k.Begin(t.Context())
		note(next, err)
		write(t, filepath.Join(dir, next.Dir, "new"), "4")
		if err := k.Note([]snapshot.Landed{{Path: "new", Size: 9}}); err != nil {
			t.Error(err)
		}
		f, err := k.Finish(t.Context())
		note(f, err)
		gone, err := k.Prune(t.Context(), snapshot.Policy{Last: 1}, true)
		note(gone, err)
		gone, err = k.Prune(t.Context(), snapshot.Policy{Last: 1}, false)
		note(gone, err)
		if len(gone) != 2 {
			t.Error(gone)
		}
		sums, err := k.Sums(t.Context(), func(string, error) {})
		note(len(sums), err)
		if _, err := k.Manifest(t.Context(), all[0].Name); err == nil {
			t.Error("the manifest of a snapshot that is gone is there")
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
	for j := range results[0] {
		if !reflect.DeepEqual(results[0][j], results[1][j]) {
			t.Errorf("here %v, there %v", results[0][j], results[1][j])
		}
	}
}

// dial returns a store behind a pipe.
func dial(t *testing.T, dir string, c *clock) *snapshot.Client {
	t.Helper()
	near, far := net.Pipe()
	go func() {
		open := func(_ context.Context, dir string, _ bool) (*snapshot.Store, error) {
			tree, err := localfs.Open(dir, engine.DestOptions{}, nil)
			if err != nil {
				return nil, err
			}
			return snapshot.NewStore(tree, func() time.Time { return c.now }), nil // which the server closes
		}
		_ = snapshot.Serve(t.Context(), far, open, func(error) int { return 11 }) // that it ends is all
		_ = far.Close()
	}()
	k, err := snapshot.Dial(t.Context(), near, dir, false, snapshot.Patience{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestClientTrustsNothing: what a far side may send is checked.
func TestClientTrustsNothing(t *testing.T) {
	t.Parallel()
	sum := `"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="`
	for what, reply := range map[string]string{
		"a name that leads out":     `{"infos":[{"Name":"../../etc"}],"end":true}`,
		"a path that leads out":     `{"sums":[{"sum":` + sum + `,"path":"Li4vYQ=="}],"end":true}`,
		"a digest that is short":    `{"sums":[{"sum":"AAAA","path":"YQ=="}],"end":true}`,
		"another directory":         `{"next":{"Dir":"../x","Base":""},"end":true}`,
		"another base":              `{"next":{"Dir":".gosync-snapshots.next","Base":"../x"},"end":true}`,
		"no JSON":                   "x",
		"an end without a snapshot": `{"end":true}`,
		"a failure":                 `{"failure":{"code":3,"text":"eA=="},"end":true}`,
	} {
		near, far := net.Pipe()
		go func() {
			go func() { _, _ = io.Copy(io.Discard, far) }()
			for _, line := range []string{"Welcome to this machine", snapshot.Greeting, `{"end":true}`, reply, reply, reply, reply} {
				if _, err := io.WriteString(far, line+"\n"); err != nil {
					return
				}
			}
			_ = far.Close()
		}()
		k, err := snapshot.Dial(t.Context(), near, "d", false, snapshot.Patience{First: time.Minute, Silence: time.Minute})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		_, listed := k.List(t.Context())
		_, read := k.Manifest(t.Context(), "2026-01-02T030405Z")
		_, begun := k.Begin(t.Context())
		_, finished := k.Finish(t.Context())
		if listed == nil && read == nil && begun == nil && finished == nil {
			t.Errorf("%s passes", what)
		}
		_ = k.Close()
	}
}

func TestClientWaitsNoLonger(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	_, err := snapshot.Dial(t.Context(), near, "d", false, snapshot.Patience{First: 10 * time.Millisecond})
	if !errors.Is(err, snapshot.ErrSilent) {
		t.Error(err)
	}
}

// TestManifestIsThatOfB3sum checks it with the program, where that is installed.
func TestManifestIsThatOfB3sum(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("b3sum")
	if err != nil {
		need.Missing(t, "b3sum", "b3sum is missing")
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "b c", "new\nline", `back\slash`} {
		write(t, filepath.Join(dir, "t", name), strings.Repeat(name, 300_000))
	}
	tree, err := localfs.Open(dir+"/t", engine.DestOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	m, err := snapshot.TreeSums(t.Context(), tree, snapshot.Summing{})
	if err != nil || !slices.IsSortedFunc(m, func(a, b snapshot.Line) int { return strings.Compare(a.Path, b.Path) }) {
		t.Fatal(m, err)
	}
	f, err := os.Create(dir + "/m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--check", dir+"/m")
	cmd.Dir = dir + "/t"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
