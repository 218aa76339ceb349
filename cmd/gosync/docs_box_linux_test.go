package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gosync/internal/sshserver"
)

// A docBox is where the commands of one page are run: a working directory with the files that they name, a home
// directory, and a host, which goes by all names that the documentation uses.
type docBox struct {
	root, work string
	env        []string
	port       string
}

// docHosts are the names of hosts in commands of the documentation.
const docHosts = "nas web host host.example backup ::1"

func newDocBox(t *testing.T) *docBox {
	t.Helper()
	b := &docBox{root: t.TempDir()}
	b.work = filepath.Join(b.root, "work")
	home, far, bin := filepath.Join(b.root, "home/me"), filepath.Join(b.root, "far"), filepath.Join(b.root, "bin")
	b.files(t, home, far)
	program, err := exec.LookPath("gosync")
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + bin + ":" + filepath.Dir(program) + ":" + os.Getenv("PATH")
	common := []string{path, "GORACE=" + quickExit, "TMPDIR=" + b.root, "XDG_CONFIG_HOME=", "XDG_STATE_HOME=", "XDG_DATA_HOME="}
	server, err := sshserver.Start(t.Context(), sshserver.Options{Dir: t.TempDir(), Home: far, Env: common})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if _, b.port, err = net.SplitHostPort(server.Addr()); err != nil {
		t.Fatal(err)
	}
	f := server.Files()
	b.keys(t, f, home, far)
	// ssh goes by the home directory of the account, whatever HOME says.
	if ssh, err := exec.LookPath("ssh"); err == nil {
		put(t, fmt.Appendf(nil, "#!/bin/sh\nexec %s -F \"$HOME/.ssh/config\" \"$@\"\n", ssh), bin, "ssh")
		if err := os.Chmod(filepath.Join(bin, "ssh"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.env = append(append(os.Environ(), common...), "HOME="+home, "SLURM_ARRAY_TASK_ID=1", "name=one", "SSH_AUTH_SOCK=")
	return b
}

// keys writes what SSH needs where the commands look for it.
func (b *docBox) keys(t *testing.T, f sshserver.Files, home, far string) {
	t.Helper()
	config, err := os.ReadFile(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		t.Fatal(err)
	}
	config = []byte(strings.Replace(string(config), "Host "+f.Alias+"\n", "Host "+docHosts+"\n", 1))
	for _, name := range []string{home + "/.ssh/config", far + "/.ssh/config", b.root + "/etc/gosync/ssh_config"} {
		put(t, config, name)
	}
	put(t, key, home, ".ssh/backup_key")
	put(t, key, b.work, "key")
}

// files makes what the commands copy.
func (b *docBox) files(t *testing.T, home, far string) {
	t.Helper()
	tree := []string{
		"a.c", "a.o", "b.tmp", "c.jpg", "cache/c", "dir/file", "dir/more.jpg", ".nosync", ".gitignore", "big", "one", "two", "documents/d",
		"mail/m", "logs/l", "copy/c", "www/index.html", "project/p",
	}
	old := time.Now().Add(-time.Hour)
	for _, dir := range []string{
		b.work + "/src", b.work + "/SRC", b.work + "/photos", b.work + "/project", b.work + "/logs", home + "/photos", home + "/documents", home + "/mail", home + "/work/src",
		far + "/photos", far + "/dir", far + "/src", b.root + "/srv/www", b.root + "/etc/copy", b.root + "/gpfs/project", b.root + "/data",
	} {
		for _, name := range tree {
			file := filepath.Join(dir, name)
			put(t, []byte(name), file)
			if err := os.Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"disk.img", "a", "b", "one"} {
		put(t, []byte(name), b.work, name)
	}
	put(t, []byte("x"), far, "x")
	for _, dir := range []string{far + "/lists", far + "/project"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, []byte("a.c\n"), far, "lists/today")
	put(t, []byte("a"), far, "project/a.c")
	put(t, []byte(`{"results":[{"case":"edits","tool":"gosync","seconds":{"median":1}}]}`), b.work, "gosync-bench-1/bench.json")
	put(t, []byte("*.o\n"), b.work, "rules")
	put(t, []byte("a.c\ndir\n"), b.work, "list")
	put(t, []byte("program"), b.work, "dist/gosync-linux-arm64")
	for _, dir := range []string{
		b.work + "/dst", far + "/dst", far + "/images", far + "/logs", far + "/in", far + "/nas", far + "/www", far + "/backup", far + "/project",
		b.root + "/backup/www", b.root + "/srv/snapshots", b.root + "/srv/scratch", b.root + "/lustre/project", b.root + "/usr/local/bin", far + "/backups", far + "/work", far + "/host",
		home + "/.local/bin",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	docs, err := filepath.Abs("../../docs")
	if err == nil {
		err = os.Symlink(docs, filepath.Join(b.work, "docs"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if git, err := exec.LookPath("git"); err == nil {
		script := git + ` init -q . && ` + git + ` add -f a.c dir/file`
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.Dir = filepath.Join(b.work, "project")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git: %v\n%s", err, out)
		}
	}
	page, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```toml\n")
	example, _, _ = strings.Cut(example, "```")
	put(t, []byte(b.place(example)), home, ".config/gosync/config.toml")
}

// place writes a command so that it stays in the box: absolute paths are below it, 2222 is the port of the host, and the day
// of the snapshots is today.
func (b *docBox) place(command string) string {
	absolute := regexp.MustCompile(`(^|[\s='":])(/(srv|backup|home|etc|gpfs|lustre|data|usr|opt)\b)`)
	command = absolute.ReplaceAllString(command, "${1}"+b.root+"${2}")
	command = strings.ReplaceAll(command, "2222", b.port)
	return strings.ReplaceAll(command, "2026-11-26", time.Now().UTC().Format(time.DateOnly))
}
