package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// fingerprint is all of a tree that a snapshot has to have: by path the type, mode, time,
// and content of what is there.
type fingerprint map[string]string

func fingerprintOf(t *testing.T, root string) fingerprint {
	t.Helper()
	f := fingerprint{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		switch info.Mode().Type() {
		case fs.ModeSymlink:
			content, err = os.Readlink(name)
		case 0:
			var data []byte
			data, err = os.ReadFile(name)
			content = string(data)
		}
		rel, _ := filepath.Rel(root, name)
		f[rel] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), " ", content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// week is a week of backups.
type week struct {
	dir  string
	rnd  *rand.Rand
	way  string
	made []string               // names of all snapshots, in order
	was  map[string]fingerprint // what the source was then
	last time.Duration          // how long a snapshot takes

	kills, resumed int
	killed         []fingerprint // what the source was whenever a run was killed
}

// snapshot runs gosync snapshot; after is when it is killed, 0 for never.
func (w *week) snapshot(after time.Duration) (out string, err error) {
	src, dst, args := w.dir+"/src/", w.dir+"/dst", []string{"snapshot", "--keep-last=4", "--keep-daily=2", "--timeout=20", "-H"}
	switch w.way {
	case "push":
		args, dst = append(args, "-e", "rsh"), "host:"+dst
	case "pull":
		args, src = append(args, "-e", "rsh"), "host:"+src
	}
	cmd := exec.Command("gosync", append(args, src, dst)...) // testscript has put it into the PATH
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		defer timer.Stop()
	}
	err = cmd.Wait()
	return b.String(), err
}

// again makes a snapshot, however often that is interrupted.
func (w *week) again(t *testing.T) {
	t.Helper()
	for range w.rnd.IntN(5) {
		out, err := w.snapshot(time.Duration(w.rnd.Int64N(int64(w.last)) + 1))
		if err == nil {
			w.note(t, out) // it was faster
			w.change(t)
			continue
		}
		w.kills++
		w.killed = append(w.killed, fingerprintOf(t, w.dir+"/src"))
		if w.rnd.IntN(2) == 0 {
			w.change(t)
		}
	}
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		this := time.Now()
		out, err := w.snapshot(0)
		if err == nil {
			w.last = time.Since(this)
			if strings.Contains(out, "was interrupted") {
				w.resumed++
			}
			w.note(t, out)
			return
		}
		if !strings.Contains(out, "another run") { // the far side of one that was killed may still be there
			t.Fatalf("%v\n%s", err, out)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the lock is not given back")
}

// note notes what a snapshot has to be, and looks at it.
func (w *week) note(t *testing.T, out string) {
	t.Helper()
	_, name, ok := strings.Cut(out, "snapshot 20")
	name, _, _ = strings.Cut("20"+name, "\n")
	if !ok {
		t.Fatalf("no snapshot: %s", out)
	}
	w.made = append(w.made, name)
	w.was[name] = fingerprintOf(t, w.dir+"/src")
	w.same(t, name)
	if latest, err := os.Readlink(w.dir + "/dst/latest"); err != nil || latest != name {
		t.Fatalf("the latest is %s, %v and not %s", latest, err, name)
	}
}

// same compares a snapshot with what the source was.
func (w *week) same(t *testing.T, name string) {
	t.Helper()
	has, want := fingerprintOf(t, w.dir+"/dst/"+name), w.was[name]
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if has[path] != want[path] {
			t.Fatalf("%s: %s is %.80q and not %.80q", name, path, has[path], want[path])
		}
	}
	if len(has) != len(want) {
		t.Fatalf("%s: %d entries, not %d", name, len(has), len(want))
	}
}

// kept returns the snapshots that are there.
func (w *week) kept(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(w.dir + "/dst")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "20") {
			names = append(names, e.Name())
		} else if n := e.Name(); n != "latest" && n != ".gosync-snapshots" {
			t.Errorf("%s is left", n)
		}
	}
	return names
}

// change changes the source: a few files are written, removed, renamed, made executable.
func (w *week) change(t *testing.T) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(w.dir+"/src", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + w.rnd.IntN(8) {
		name := files[w.rnd.IntN(len(files))]
		info, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		switch w.rnd.IntN(7) {
		case 0:
			err = os.Remove(name)
		case 1:
			err = os.Rename(name, name+".moved")
		case 2:
			err = os.Chmod(name, info.Mode()^0o111)
		case 3:
			err = w.write(name+".new", 1+w.rnd.IntN(3<<20))
		case 4:
			if err = os.Link(name, name+".link"); errors.Is(err, fs.ErrExist) {
				err = nil
			}
		case 5:
			err = errors.Join(os.MkdirAll(name+".dir/sub", 0o755), w.write(name+".dir/sub/f", 100))
		default:
			err = w.write(name, 1+w.rnd.IntN(100<<10))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (w *week) write(name string, size int) error {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(w.rnd.Uint32())
	}
	// A new file: one that is written in place may get the time that it had.
	if err := os.WriteFile(name+".tmp", data, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

// inodes counts the regular files that the kept snapshots take on the disk, and how many
// there would be if each had only what differs from the one before it.
func (w *week) inodes(t *testing.T, kept []string) (has, most int) {
	t.Helper()
	seen := map[uint64]bool{}
	for _, name := range kept {
		err := filepath.WalkDir(w.dir+"/dst/"+name, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var st syscall.Stat_t
				err = syscall.Lstat(name, &st)
				seen[st.Ino] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	states := map[string]bool{}
	for _, name := range kept {
		for path, is := range w.was[name] {
			if strings.HasPrefix(is, "-") {
				states[path+"\x00"+is] = true
			}
		}
	}
	return len(seen), len(states)
}

// TestWeekOfSnapshots makes snapshots of a tree that changes, is killed at random moments while it does, removes old ones, and
// holds each that is kept against what the source was when it was made. With GOSYNC_LONG there are 30 of a larger tree
// for each way.
func TestWeekOfSnapshots(t *testing.T) {
	t.Parallel()
	count, real := 6, "delta/checkpoint"
	if longRun() {
		count, real = 30, "transport"
	}
	for _, way := range []string{"local", "push", "pull"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			seed := peerSeeds(t, 1, 1)[0]
			t.Logf("seed %d", seed)
			w := &week{dir: t.TempDir(), rnd: rand.New(rand.NewPCG(seed, uint64(len(way)))), way: way, was: map[string]fingerprint{}}
			if err := os.CopyFS(w.dir+"/src", os.DirFS(filepath.Join("../..", real))); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.write(w.dir+"/src/large", 5<<20), os.Symlink("large", w.dir+"/src/symlink")); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			out, err := w.snapshot(0)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			w.last = time.Since(begun)
			w.note(t, out)
			for len(w.made) < count {
				w.change(t)
				w.again(t)
			}
			w.conclude(t)
		})
	}
}

// known finds out what a snapshot has to be that was complete when the run was killed that made it.
func (w *week) known(t *testing.T, name string) {
	t.Helper()
	if w.was[name] != nil {
		return
	}
	has := fingerprintOf(t, w.dir+"/dst/"+name)
	for _, was := range w.killed {
		if maps.Equal(has, was) {
			w.was[name] = was
			w.made = append(w.made, name)
			slices.Sort(w.made)
			return
		}
	}
	t.Fatalf("%s is nothing that the source has been", name)
}

// conclude looks at all that was kept.
func (w *week) conclude(t *testing.T) {
	t.Helper()
	kept := w.kept(t)
	for _, name := range kept {
		w.known(t, name)
	}
	for _, name := range kept {
		w.same(t, name)
	}
	if want := w.made[max(0, len(w.made)-4):]; len(kept) > 6 || !slices.Equal(kept[max(0, len(kept)-len(want)):], want) {
		t.Errorf("%v are kept of %v", kept, w.made)
	}
	has, most := w.inodes(t, kept)
	if has > most {
		t.Errorf("%d files are on the disk, and %d states of files are kept", has, most)
	}
	if out, err := exec.Command("gosync", "snapshot", "verify", w.dir+"/dst").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%d snapshots, %d kills, %d were gone on with; %d kept, in %d files of %d states", len(w.made), w.kills, w.resumed, len(kept), has, most)
}

// TestDigestsComeFromOnePass: what is copied whole is not read again for its digest, whatever its size and the way,
// and the digests are right.
func TestDigestsComeFromOnePass(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &week{dir: dir, rnd: rand.New(rand.NewPCG(1, 1))}
	if err := os.Mkdir(dir+"/src", 0o755); err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 1, 64 << 10, 1 << 20, 1<<20 + 1, 5<<20 + 77} {
		if err := w.write(fmt.Sprint(dir, "/src/", i), size); err != nil {
			t.Fatal(err)
		}
	}
	sparse, err := os.Create(dir + "/src/sparse")
	if err == nil {
		_, err = sparse.WriteAt([]byte("x"), 7<<20+5)
		err = errors.Join(err, sparse.Truncate(10<<20), sparse.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"src/", "local"},
		{"-e", "rsh", "src/", "host:" + dir + "/push"},
		{"-e", "rsh", "host:" + dir + "/src/", "pull"},
	} {
		if args[1] == "local" && exec.Command("cp", "--reflink=always", dir+"/src/1", dir+"/reflink").Run() == nil {
			continue // what is cloned is not read
		}
		out, err := gosyncIn(dir, append([]string{"snapshot", "-v", "-z"}, args...)...)
		if err != nil || !strings.Contains(out, "\n7 files, of which 0 were read again") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		dst := args[len(args)-1]
		dst = dst[strings.LastIndexByte(dst, '/')+1:]
		if out, err := gosyncIn(dir, "snapshot", "verify", dst); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// gosyncIn runs gosync in a directory.
func gosyncIn(dir string, args ...string) (string, error) {
	cmd := exec.Command("gosync", args...) // testscript has put it into the PATH
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestSnapshotsKeepTheirMetadata: what changes at the source between an interrupted run and the next does not reach the
// snapshot that both link against.
func TestSnapshotsKeepTheirMetadata(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &week{dir: dir, rnd: rand.New(rand.NewPCG(1, 1)), was: map[string]fingerprint{}}
	if err := errors.Join(os.Mkdir(dir+"/src", 0o755), w.write(dir+"/src/a", 10), w.write(dir+"/src/b", 10)); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := gosyncIn(dir, append([]string{"snapshot"}, args...)...)
		if code := cmdStatus(err); code != 0 && code != exitPartial {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	w.note(t, run("src/", "dst"))
	run("src/", "gone", "dst") // links both, and ends with 23
	if err := os.Chmod(dir+"/src/a", 0o600); err != nil {
		t.Fatal(err)
	}
	w.note(t, run("src/", "dst"))
	for _, name := range w.made {
		w.same(t, name)
	}
	if len(w.made) != 2 {
		t.Error(w.made)
	}
}

// cmdStatus is the exit status of a command.
func cmdStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// TestSnapshotsOverSSH keeps snapshots behind a real sshd, and is refused where the key allows no more than copies.
func TestSnapshotsOverSSH(t *testing.T) {
	t.Parallel()
	dir, bin := t.TempDir(), farBin(t)
	w := &week{dir: dir, rnd: rand.New(rand.NewPCG(2, 2))}
	if err := errors.Join(os.Mkdir(dir+"/src", 0o755), w.write(dir+"/src/a", 10), w.write(dir+"/src/b", 3<<20)); err != nil {
		t.Fatal(err)
	}
	open := sshtest.Start(t, sshtest.Options{Path: []string{bin}, Env: []string{"GORACE=" + quickExit}})
	far := "box:" + dir + "/kept"
	for _, args := range [][]string{
		{"snapshot", "-v", "src/", far},
		{"snapshot", "-v", "box:" + dir + "/src/", "pulled"},
		{"snapshot", "verify", far},
		{"snapshot", "restore", far, "latest", "back"},
		{"verify", "src", "box:" + dir + "/back"},
		{"verify", "--write-manifest=m", "box:" + dir + "/src"},
		{"verify", "--manifest=m", "pulled/latest"},
	} {
		args = append(args, "--ssh-config="+open.Config)
		out, err := gosyncIn(dir, args...)
		if err != nil || slices.Contains(args, "-v") && !strings.Contains(out, "\n2 files, of which 0 were read again") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	closed := sshtest.Start(t, sshtest.Options{Command: bin + "/gosync --server --restrict-to " + dir, Env: []string{"XDG_STATE_HOME=" + dir + "/state"}})
	out, err := gosyncIn(dir, "snapshot", "--ssh-config="+closed.Config, "src/", "box:no")
	if cmdStatus(err) != exitUnsupported || !strings.Contains(out, "whose key is not restricted") {
		t.Errorf("%v\n%s", err, out)
	}
}
