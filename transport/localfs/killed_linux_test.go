package localfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// victimEnv says what the process that is killed does, and in which directory.
const victimEnv = "LOCALFS_VICTIM"

// TestVictim is what the tests below run in a process of its own. It says when it
// has come to the point where it is to be killed, and waits there.
func TestVictim(t *testing.T) {
	what, root, ok := strings.Cut(os.Getenv(victimEnv), " ")
	if !ok {
		need.Missing(t, "parent", "runs as a child only")
	}
	tree := openTree(t, root, engine.DestOptions{})
	switch what {
	case "receive":
		begin(t, tree, "file", resumable, checkpointed+2)
		side := filepath.Join(root, manifest.SidecarName("file"))
		for sizeAt(t, side) < checkpointed*32 { // one is being made
			time.Sleep(time.Millisecond)
		}
	case "commit":
		f := begin(t, tree, "file", resumable, 2)
		f.Commit(t.Context(), 2<<20, foreignEntry(), allAttrs, func(err error) { t.Error("it has appeared", err) })
		put(t, tree, "small", "content", func(err error) { t.Error("it has appeared", err) })
	case "staged":
		must(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
		tree := openTree(t, filepath.Join(root, "d"), engine.DestOptions{Durability: engine.SyncNone, PartialDir: filepath.Join(root, "p")})
		tree.DelayUpdates()
		heldBack(t, tree, "n", 3)
		put(t, tree, "small", "content", func(err error) { t.Error("it has appeared", err) })
	case "in-place", "in-place-new":
		f, err := tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
		must(t, err)
		receive(t, f, 0, 2)
	case "in-place-whole":
		f, err := tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
		must(t, err)
		receive(t, f, 0, 1)
		finish(t, tree, f, 1, entry(0o644))
		must(t, tree.Close())
		return
	case "lost":
		f := begin(t, tree, "file", resumable, checkpointed)
		f.Commit(t.Context(), checkpointed<<20, entry(0o644), allAttrs, func(err error) { fmt.Println("DONE", err) })
		must(t, tree.Close())
		return
	}
	fmt.Println("READY")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// foreignEntry describes a file that this process cannot take for its own later.
func foreignEntry() *manifest.Entry {
	e := entry(0o666)
	e.Sec = 1_000_000_000 // long ago
	if os.Geteuid() == 0 {
		e.UID, e.GID = nobody, nobody
	}
	return e
}

// kill starts a process that does something in root, and kills it on the way.
func kill(t *testing.T, what, root string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victimEnv+"="+what+" "+root)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "READY\n" {
		_ = in.Close() // or it waits
		t.Errorf("the process has failed: %q, %v", line, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
}

// TestKilled: at most what came after the last checkpoint is lost with a process.
func TestKilled(t *testing.T) {
	root := t.TempDir()
	kill(t, "receive", root)
	wantOnly(t, root, manifest.SidecarName("file"), manifest.PartialName("file"))
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	for _, name := range []string{manifest.PartialName("file"), manifest.SidecarName("file")} {
		if ok, err := tree.RemoveStale(t.Context(), name, false); ok || err != nil {
			t.Errorf("it is not stale: %v, %v", ok, err)
		}
	}
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	n := len(p.Held())
	if n < checkpointed || p.Identity() != resumable.Identity {
		t.Errorf("%d chunks are held of %+v", n, p.Identity())
	}
	f, err := p.Continue(t.Context(), n, resumable)
	must(t, err)
	receive(t, f, n, checkpointed+3)
	finish(t, tree, f, checkpointed+3, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), checkpointed+3)
	wantOnly(t, root, "file")
}

// TestKilledStaged: what lies in the directory for partials when the process is killed is a basis, or goes, and is in
// nobody's way.
func TestKilledStaged(t *testing.T) {
	root := t.TempDir()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	kill(t, "staged", root)
	dir, apart := filepath.Join(root, "d"), filepath.Join(root, "p")
	if got := names(t, apart); len(got) != 2 || len(names(t, dir)) != 0 {
		t.Fatalf("%q, and in the destination %q, were left", got, names(t, dir))
	}
	must(t, os.Mkdir(filepath.Join(dir, "e"), 0o755))
	tree := openTree(t, dir, engine.DestOptions{Durability: engine.SyncNone, PartialDir: apart})
	tree.DelayUpdates()
	wantOnly(t, apart, "n")
	p, err := tree.Partial(t.Context(), "n")
	must(t, err)
	must(t, p.Close())
	heldBack(t, tree, "e/n", 1)
	put(t, tree, "n", "new", func(err error) { must(t, err) })
	must(t, tree.Sync(t.Context()))
	wantChunks(t, filepath.Join(dir, "e/n"), 1)
	holds(t, filepath.Join(dir, "n"), "new")
	wantOnly(t, apart)
	must(t, tree.Close())
}

// TestKilledAtEnd: a file that had got its attributes, but not its name, is not in
// the way, even if it is somebody else's by now.
func TestKilledAtEnd(t *testing.T) {
	root := t.TempDir()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	kill(t, "commit", root)
	if list, _ := os.ReadDir(root); len(list) != 3 {
		t.Fatalf("%v was left", list)
	}
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	list, err := os.ReadDir(root)
	must(t, err)
	for _, e := range list { // as a run does that comes along
		if _, err := tree.RemoveStale(t.Context(), e.Name(), false); err != nil {
			t.Errorf("RemoveStale %s: %v", e.Name(), err)
		}
	}
	p, err := tree.Partial(t.Context(), "file")
	if err == nil {
		must(t, p.Close())
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	if p, err = tree.Partial(t.Context(), "file"); err != nil {
		t.Errorf("the file cannot be resumed any more: %v", err)
	} else {
		must(t, p.Close())
	}
	f := begin(t, tree, "file", resumable, 2)
	finish(t, tree, f, 2, entry(0o644))
	wantOnly(t, root, "file")
}

// TestKilledInPlace: a file that was being written in place cannot be taken for
// complete until another run has completed it.
func TestKilledInPlace(t *testing.T) {
	for _, what := range []string{"in-place", "in-place-new"} {
		root := t.TempDir()
		path := filepath.Join(root, "file")
		if what == "in-place" {
			must(t, os.WriteFile(path, make([]byte, 3<<20), 0o600))
		}
		kill(t, what, root)
		info, err := os.Lstat(path)
		must(t, err)
		if info.ModTime().Unix() != 0 {
			t.Errorf("%s: it has time %v", what, info.ModTime())
		}
		tree := openTree(t, root, engine.DestOptions{})
		for _, all := range []bool{false, true} {
			if ok, err := tree.RemoveStale(t.Context(), manifest.SidecarName("file"), all); ok || err != nil {
				t.Errorf("the mark was removed: %v, %v", ok, err)
			}
		}
		wantOnly(t, root, manifest.SidecarName("file"), "file")
		f, err := tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
		must(t, err)
		receive(t, f, 0, 3)
		finish(t, tree, f, 3, entry(0o644))
		wantOnly(t, root, "file")
		wantChunks(t, path, 3)
		must(t, tree.Close())
	}
}

// traced runs TestVictim under strace with faults.
func traced(t *testing.T, what, root string, faults ...string) (log, out string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		need.Missing(t, "strace", "strace is missing")
	}
	file := filepath.Join(t.TempDir(), "log")
	args := append([]string{"-f", "-y", "-o", file}, faults...)
	cmd := exec.CommandContext(context.Background(), strace, append(args, os.Args[0], "-test.run=^TestVictim$")...)
	cmd.Env = append(os.Environ(), victimEnv+"="+what+" "+root)
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, printed)
	}
	data, err := os.ReadFile(file)
	must(t, err)
	return string(data), string(printed)
}

// TestLostCheckpoint: when data could not be made durable at a checkpoint, the file
// is lost, although making it durable once more would succeed.
func TestLostCheckpoint(t *testing.T) {
	root := t.TempDir()
	log, out := traced(t, "lost", root, "-e", "trace=fsync,pwrite64,renameat", "-e", "inject=fsync:error=EIO:when=1")
	if !strings.Contains(out, "DONE fsync "+filepath.Join(root, "file")) || !strings.Contains(out, unix.EIO.Error()) {
		t.Errorf("it was told: %s", out)
	}
	wantOnly(t, root)
	if got := steps(log, root, manifest.PartialSuffix+">"); strings.Count(got, "sync data") != 1 || strings.Contains(got, "rename") {
		t.Errorf("it was tried again, or went on: %s", got)
	}
}

// TestCheckpointOrder: at every checkpoint the data is durable before a record
// speaks of it, and the record before the next one.
func TestCheckpointOrder(t *testing.T) {
	root := t.TempDir()
	log, out := traced(t, "lost", root, "-e", "trace=fsync,pwrite64,renameat,unlinkat")
	if !strings.Contains(out, "DONE <nil>") {
		t.Fatalf("it has failed: %s", out)
	}
	const want = "note, (sync data, note, sync notes, )+sync data, rename, unlink notes, sync directory"
	if got := steps(log, root, manifest.PartialSuffix+">"); !regexp.MustCompile("^" + want + "$").MatchString(got) {
		t.Errorf("it did\n%s, want\n%s", got, want)
	}
}

// TestMarkOrder: the mark and the wrong time are durable before the file is written,
// and the content is before the right time is there; the mark goes last.
func TestMarkOrder(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "file"), []byte("old"), 0o600))
	log, out := traced(t, "in-place-whole", root, "-e", "trace=fsync,pwrite64,utimensat,unlinkat")
	const want = "note, sync notes, sync directory, time, sync data, write, time, sync data, time, sync data, unlink notes"
	if got := steps(log, root, "/file>"); !strings.HasPrefix(got, want) {
		t.Errorf("it did\n%s, want\n%s\n%s", got, want, out)
	}
}

// steps says what a trace is about. The data is in files of that name.
func steps(log, root, data string) string {
	var got []string
	for line := range strings.Lines(log) {
		_, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		side, ours := strings.Contains(call, manifest.SidecarSuffix), strings.Contains(call, data)
		switch name, _, _ := strings.Cut(call, "("); {
		case strings.Contains(call, "resumed>"):
		case name == "pwrite64" && side:
			got = append(got, "note")
		case name == "pwrite64" && ours && data == "/file>":
			if len(got) == 0 || got[len(got)-1] != "write" { // one write is several calls
				got = append(got, "write")
			}
		case name == "fsync" && side:
			got = append(got, "sync notes")
		case name == "fsync" && ours:
			got = append(got, "sync data")
		case name == "fsync" && strings.Contains(call, root+">"):
			got = append(got, "sync directory")
		case name == "utimensat" && ours:
			got = append(got, "time")
		case name == "renameat" && strings.Contains(call, manifest.PartialSuffix):
			got = append(got, "rename")
		case name == "unlinkat" && side:
			got = append(got, "unlink notes")
		}
	}
	return strings.Join(got, ", ")
}
