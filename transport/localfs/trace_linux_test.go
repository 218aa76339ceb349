package localfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/need"
)

// traceEnv names the directory that the traced process works in.
const traceEnv = "LOCALFS_TRACE"

// TestTraced is what the tests below run under strace: it makes files by the
// policy and the number that the environment names, and prints errors. For
// each file that is durable it makes a call that can be told from others.
func TestTraced(t *testing.T) {
	args := strings.Fields(os.Getenv(traceEnv))
	if len(args) != 3 {
		need.Missing(t, "parent", "runs under strace only")
	}
	var policy engine.Durability
	var files int
	fmt.Sscan(args[1], &policy)
	fmt.Sscan(args[2], &files)
	tree := openTree(t, args[0], engine.DestOptions{Durability: policy})
	for i := range files {
		put(t, tree, fmt.Sprintf("file%d", i), "content", func(err error) {
			if err != nil {
				fmt.Println("DONE", err)
			} else if policy == engine.SyncRun {
				_, _ = os.Readlink(filepath.Join(args[0], "done"))
			}
		})
	}
	if err := tree.Sync(t.Context()); err != nil {
		fmt.Println("SYNC", err)
	}
	_ = tree.Close()
}

// trace runs TestTraced under strace. It returns the calls that concern the
// tree, one name for each, and what the process printed. Where the path of a
// descriptor is asked for, the tree stands in the answer, which strace puts
// into the same line or not: such calls are left out.
func trace(t *testing.T, policy engine.Durability, files int, extra ...string) (calls []string, out, root string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		need.Missing(t, "strace", "strace is missing")
	}
	root = t.TempDir()
	log := filepath.Join(t.TempDir(), "log")
	args := append([]string{"-f", "-y", "-o", log}, extra...)
	args = append(args, os.Args[0], "-test.run=^TestTraced$", "-test.v")
	cmd := exec.Command(strace, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", traceEnv, root, policy, files))
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, printed)
	}
	data, err := os.ReadFile(log)
	must(t, err)
	call := regexp.MustCompile(`^\d+ +(\w+)\(`)
	for line := range strings.Lines(string(data)) {
		if m := call.FindStringSubmatch(line); m != nil && strings.Contains(line, root) && !strings.Contains(line, `"/proc/`) {
			calls = append(calls, m[1])
		}
	}
	return calls, string(printed), root
}

func count(calls []string, name string) (n, first, last int) {
	first, last = -1, -1
	for i, c := range calls {
		if c == name {
			if n == 0 {
				first = i
			}
			n, last = n+1, i
		}
	}
	return n, first, last
}

// TestOrder: the data of a group is durable before the first of its files
// appears, and the directory afterwards.
func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		files int
		sync  string
	}{{10, "fsync"}, {groupOpen + 10, "syncfs"}} {
		calls, out, _ := trace(t, engine.SyncRun, tt.files)
		renames, first, last := count(calls, "renameat")
		if renames != tt.files {
			t.Fatalf("%d renames of %d\n%s", renames, tt.files, out)
		}
		before, _, _ := count(calls[:first], tt.sync)
		if want := map[string]int{"fsync": tt.files, "syncfs": 1}[tt.sync]; before != want {
			t.Errorf("%d files: %d calls of %s before the first rename", tt.files, before, tt.sync)
		}
		if n, _, _ := count(calls[first:last], "fsync"); n > 0 {
			t.Errorf("%d files: %d calls of fsync between renames", tt.files, n)
		}
		n, dir, _ := count(calls[last:], "fsync")
		if done, first, _ := count(calls[last:], "readlinkat"); n != 1 || done != tt.files || first < dir {
			t.Errorf("%d files: %d directories were made durable, %d files were done", tt.files, n, done)
		}
	}
}

// TestCalls counts what a small file costs when nothing has to be durable.
func TestCalls(t *testing.T) {
	const few, many = 10, 110
	a, out, _ := trace(t, engine.SyncNone, few)
	b, _, _ := trace(t, engine.SyncNone, many)
	for _, name := range []string{"openat", "pwrite64", "fchmod", "utimensat", "renameat", "close"} {
		x, _, _ := count(a, name)
		y, _, _ := count(b, name)
		if y-x != many-few {
			t.Errorf("%d calls of %s for %d files\n%s", y-x, name, many-few, out)
		}
	}
	if per := float64(len(b)-len(a)) / (many - few); per != 6 {
		t.Errorf("%v calls for each file", per)
	}
}

// TestLostData: a file whose data could not be made durable does not appear,
// and that is not tried again.
func TestLostData(t *testing.T) {
	for _, tt := range []struct {
		files  int
		call   string
		policy engine.Durability
	}{{3, "fsync", engine.SyncRun}, {groupOpen + 10, "syncfs", engine.SyncRun}, {3, "fsync", engine.SyncEach}} {
		_, out, root := trace(t, tt.policy, tt.files, "-e", "trace=%desc,renameat", "-e", "inject="+tt.call+":error=EIO")
		if n := strings.Count(out, "DONE "); n != tt.files || strings.Count(out, "input/output error") < n {
			t.Errorf("%d of %d files failed\n%s", n, tt.files, out)
		}
		if list, _ := os.ReadDir(root); len(list) > 0 {
			t.Errorf("%d files were left", len(list))
		}
	}
}

// TestNoFsync: a file system that cannot make files durable is no failure.
func TestNoFsync(t *testing.T) {
	_, out, root := trace(t, engine.SyncRun, 3, "-e", "trace=%desc,renameat", "-e", "inject=fsync:error=EINVAL")
	if list, _ := os.ReadDir(root); len(list) != 3 || strings.Contains(out, "DONE") || strings.Contains(out, "SYNC") {
		t.Errorf("%v\n%s", list, out)
	}
}

// TestOldKernel: where openat2 is missing or forbidden everything works as well.
func TestOldKernel(t *testing.T) {
	for _, errno := range []string{"ENOSYS", "EPERM"} {
		_, out, root := trace(t, engine.SyncRun, 3, "-e", "trace=all", "-e", "inject=openat2:error="+errno)
		if list, _ := os.ReadDir(root); len(list) != 3 || strings.Contains(out, "DONE") || strings.Contains(out, "SYNC") {
			t.Errorf("%s: %v\n%s", errno, list, out)
		}
	}
}
