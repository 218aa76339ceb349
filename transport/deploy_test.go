package transport

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gosync/internal/need"
	"gosync/transport/wire"
)

// TestDeployShells sends the agent and uses it again, through every shell, each of
// which prints something first.
func TestDeployShells(t *testing.T) {
	t.Parallel()
	for _, shell := range shells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, shell)
			b.makeNoise("echo Welcome; printf 'no newline: gosync-answer-begin'")
			text := b.agentScript("")
			how := b.deploy(b.options(text))
			if !strings.HasPrefix(how.String(), "no gosync there; sent agent to ~/.cache/gosync/"+named(text)+" (") || how.Sent == 0 {
				t.Errorf("%s: %+v", how, how)
			}
			info, err := os.Lstat(filepath.Join(b.home, how.Path))
			dir, derr := os.Lstat(b.dir())
			if err := errors.Join(err, derr); err != nil || info.Mode() != 0o700 || dir.Mode().Perm() != 0o700 {
				t.Errorf("%v, %v, %v", info, dir, err)
			}
			if how = b.deploy(b.options(text)); how.Sent != 0 || how.String() != "using the agent in ~/.cache/gosync/"+named(text) {
				t.Errorf("again: %s: %+v", how, how)
			}
			if names := b.agents(); len(names) != 1 {
				t.Errorf("%q", names)
			}
		})
	}
}

// makeNoise runs commands when the login shell starts.
func (b *farBox) makeNoise(commands string) {
	for _, rc := range []string{".bashrc", ".tcshrc", ".config/fish/config.fish"} {
		mustWrite(b.t, filepath.Join(b.home, rc), commands+"\n", 0o600)
	}
	b.env = append(b.env, "BASH_ENV="+filepath.Join(b.home, ".bashrc"))
	if base := filepath.Base(b.shell); base == "sh" || base == "dash" {
		// It reads no file for a command: a shell of ours in front does.
		wrapper := filepath.Join(b.t.TempDir(), base)
		mustWrite(b.t, wrapper, fmt.Sprintf("#!/bin/sh\n. %q\nexec %s \"$@\"\n", filepath.Join(b.home, ".bashrc"), b.shell), 0o700)
		b.shell = wrapper
	}
}

// The scripts pass every login shell unchanged.
func TestDeployScripts(t *testing.T) {
	t.Parallel()
	p := &program{name: "agent-1-0123456789abcdef", digest: strings.Repeat("a", 64)}
	for name, script := range map[string]string{
		"probe": scriptProbe, "install": scriptInstall, "back": scriptBack, "checked": scriptChecked, "drop": scriptDrop,
	} {
		c := p.shCommand(script, "0", "@UNPACK@", "cat", "@FILE@", "$n")
		inner := strings.TrimSuffix(strings.TrimPrefix(c, "sh -c '"), "'")
		if len(inner) != len(c)-8 || strings.ContainsAny(inner, "'\\!\n@") || strings.Contains(inner, answerMark+"-") {
			t.Errorf("%s: %s", name, c)
		}
		if out, err := exec.Command("sh", "-n", "-c", inner).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// A file in the agent's place is never run, whatever it is.
func TestDeployPlanted(t *testing.T) {
	t.Parallel()
	for name, plant := range map[string]func(b *farBox, path, text string) error{
		"another program": func(b *farBox, path, text string) error { return os.WriteFile(path, []byte(text+"\n"), 0o700) },
		"a link to the right one": func(b *farBox, path, text string) error {
			mustWrite(b.t, b.home+"/elsewhere", text, 0o700)
			return os.Symlink(b.home+"/elsewhere", path)
		},
		"writable by others": func(b *farBox, path, text string) error {
			return errors.Join(os.WriteFile(path, []byte(text), 0o700), os.Chmod(path, 0o702))
		},
		"a directory": func(b *farBox, path, text string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "sh")
			text := b.agentScript("")
			mustWrite(t, filepath.Join(b.dir(), "x"), "", 0o600)
			if err := plant(b, filepath.Join(b.dir(), named(text)), text); err != nil {
				t.Fatal(err)
			}
			b.refused(b.options(text), DeployUnsafe, named(text)+" is not the agent")
			if b.hasRun() {
				t.Error("it has run")
			}
		})
	}
}

// An empty file is what a power cut leaves, and is replaced.
func TestDeployEmptyFile(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	text := b.agentScript("")
	mustWrite(t, filepath.Join(b.dir(), named(text)), "", 0o700)
	if how := b.deploy(b.options(text)); how.Sent == 0 {
		t.Errorf("%+v", how)
	}
}

// Where others could put something into the directory, nothing is run from it.
func TestDeployUnsafeDirectory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reason string
		root   bool
		plant  func(b *farBox) error
	}{
		"a link": {"gosync is no directory", false, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.home+"/.cache", 0o700), os.Mkdir(b.home+"/other", 0o700), os.Symlink("../other", b.dir()))
		}},
		"a dangling link": {"gosync is no directory", false, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.home+"/.cache", 0o700), os.Symlink("../other", b.dir()))
		}},
		"a file": {"gosync is no directory", false, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.home+"/.cache", 0o700), os.WriteFile(b.dir(), nil, 0o700))
		}},
		"others may write": {"gosync, and so replace", false, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.dir(), 0o700), os.Chmod(b.dir(), 0o703))
		}},
		"the group may write": {"gosync, and so replace", false, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.dir(), 0o700), os.Chmod(b.dir(), 0o730))
		}},
		"others may write above": {".cache, and so replace", false, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.dir(), 0o700), os.Chmod(b.home+"/.cache", 0o707))
		}},
		"others may write to home": {"and so replace", false, func(b *farBox) error { return os.Chmod(b.home, 0o777) }},
		"another group may write": {"and so replace", true, func(b *farBox) error {
			return errors.Join(os.Chown(b.home, 0, 12345), os.Chmod(b.home, 0o770))
		}},
		"another owner": {"gosync belongs to somebody else", true, func(b *farBox) error {
			return errors.Join(os.MkdirAll(b.dir(), 0o700), os.Chown(b.dir(), 12345, 0))
		}},
		"a link to what others may write": {"disk, and so replace", false, func(b *farBox) error {
			disk := filepath.Join(b.t.TempDir(), "disk")
			return errors.Join(os.MkdirAll(disk+"/cache", 0o700), os.Chmod(disk, 0o777), os.Symlink(disk+"/cache", b.home+"/.cache"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.root {
				need.Root(t, "only root can do that to a box")
			}
			b := newBox(t, "sh")
			if err := test.plant(b); err != nil {
				t.Fatal(err)
			}
			b.refused(b.options(b.agentScript("")), DeployUnsafe, test.reason)
			if b.hasRun() {
				t.Error("the agent has run")
			}
			b.leavesNothingBeside(t)
		})
	}
}

// leavesNothingBeside is leavesNothing where the directory may be none.
func (b *farBox) leavesNothingBeside(t *testing.T) {
	t.Helper()
	if info, err := os.Lstat(b.dir()); err == nil && info.IsDir() {
		b.leavesNothing()
	}
}

// ~/.cache may lie on another disk.
func TestDeployLinkedCache(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	if err := os.Symlink(t.TempDir(), b.home+"/.cache"); err != nil {
		t.Fatal(err)
	}
	b.deploy(b.options(b.agentScript("")))
}

// tmpfs mounts a file system over the box's home.
func (b *farBox) tmpfs(options string) {
	b.t.Helper()
	need.Root(b.t, "only root can mount")
	b.mount("-t", "tmpfs", "-o", options, "tmpfs", b.home)
	b.t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", b.home).CombinedOutput(); err != nil {
			b.t.Errorf("umount: %v: %s", err, out)
		}
	})
}

func (b *farBox) mount(args ...string) {
	b.t.Helper()
	if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		if strings.Contains(os.Getenv("GOSYNC_REQUIRE"), "sshd") {
			b.t.Fatalf("mount: %v: %s", err, out)
		}
		b.t.Skipf("mount: %v: %s", err, out)
	}
}

func TestDeployNoExec(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	b.tmpfs("noexec,mode=700")
	l := &cutLink{Link: b.link(), how: func(Stream) { t.Error("the agent has been sent for nothing") }}
	_, _, err := Deploy(t.Context(), l, b.options(b.agentScript("")))
	if e, ok := errors.AsType[*DeployError](err); !ok || e.Kind != DeployNoExec || e.Reason != "home is noexec" || e.Code() != wire.CodeTransport {
		t.Error(err)
	}
	b.leavesNothing()
}

func TestDeployReadOnly(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	b.tmpfs("mode=700")
	b.mount("-o", "remount,ro", b.home)
	b.refused(b.options(b.agentScript("")), DeployUnwritable, "Read-only file system")
	b.leavesNothing()
}

// A home without space ends the upload in its midst.
func TestDeployNoSpace(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	b.tmpfs("mode=700,size=64k")
	b.refused(b.options(b.agentScript("# "+strings.Repeat("x", 4<<20))), DeployUnwritable, "No space left")
	b.leavesNothing()
}

func TestDeployNoHome(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	o := b.options(b.agentScript(""))
	b.home = "relative"
	b.refused(o, DeployUnwritable, "no home directory")
}

// tools makes a PATH of links to programs, those of without left out.
func (b *farBox) tools(without ...string) {
	b.t.Helper()
	dir := b.t.TempDir()
	for _, name := range []string{
		"sh", "bash", "ls", "id", "uname", "mkdir", "chmod", "mv", "rm", "find", "head", "touch", "cat",
		"sha256sum", "shasum", "openssl", "gzip",
	} {
		path, err := exec.LookPath(name)
		if err != nil || strings.Contains(" "+strings.Join(without, " ")+" ", " "+name+" ") {
			continue
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			b.t.Fatal(err)
		}
	}
	b.path = dir
}

// fake puts a program of the test in front of the PATH.
func (b *farBox) fake(name, script string) {
	b.t.Helper()
	dir := b.t.TempDir()
	mustWrite(b.t, filepath.Join(dir, name), "#!/bin/sh\n"+script+"\n", 0o700)
	b.path = dir + ":" + b.path
}

// TestDeployTools goes without the programs that may be missing.
func TestDeployTools(t *testing.T) {
	t.Parallel()
	for name, without := range map[string][]string{
		"no gzip":            {"gzip"},
		"openssl":            {"sha256sum", "shasum"},
		"no digests":         {"sha256sum", "shasum", "openssl"},
		"no digests no gzip": {"sha256sum", "shasum", "openssl", "gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "bash")
			b.tools(without...)
			b.makeNoise("echo Welcome")
			text := b.agentScript("")
			if how := b.deploy(b.options(text)); how.Sent == 0 {
				t.Errorf("%+v", how)
			}
			if how := b.deploy(b.options(text)); how.Sent != 0 {
				t.Errorf("again: %+v", how)
			}
			mustWrite(t, filepath.Join(b.dir(), named(text)), text+": >"+b.ran+".planted\n", 0o700)
			b.refused(b.options(text), DeployUnsafe, "is not the agent")
			if _, err := os.Stat(b.ran + ".planted"); err == nil {
				t.Error("what was planted has run")
			}
		})
	}
}

// What is damaged on its way does not run.
func TestDeployDamaged(t *testing.T) {
	t.Parallel()
	for name, without := range map[string][]string{"digest": nil, "read back": {"sha256sum", "shasum", "openssl"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "sh")
			b.tools(without...)
			b.fake("gzip", "/bin/gzip -dc; echo damage")
			b.refused(b.options(b.agentScript("")), DeployDamaged, "not what was sent")
			if b.hasRun() {
				t.Error("it has run")
			}
			b.leavesNothing()
		})
	}
}

// TestDeployDoesNotRun sends agents that are of no use to the far side.
func TestDeployDoesNotRun(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, reason string }{
		"crashes":            {"#!/bin/sh\necho panic: no\nkill -SEGV $$\n", "(status 139): panic: no"},
		"fails":              {"#!/bin/sh\necho I will not >&2\nexit 3\n", "(status 3): I will not"},
		"another machine":    {string(elfHeader(0xb7)), "no program for the far side"},
		"a missing loader":   {"#!/nowhere/ld.so\n", "no program for the far side"},
		"endless complaints": {"#!/bin/sh\nwhile echo complaint; do :; done\n", "complaint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, "sh")
			b.refused(b.options(test.text), DeployNotRunnable, test.reason)
			b.leavesNothing()
		})
	}
}

// elfHeader is a program of one machine that holds nothing.
func elfHeader(machine byte) []byte {
	h := make([]byte, 4096)
	copy(h, "\x7fELF\x02\x01\x01")
	h[16], h[18], h[20] = 2, machine, 1
	return h
}

// TestDeployOtherSystem takes the agent for another system from --agent-dir.
func TestDeployOtherSystem(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	b.fake("uname", `case $1 in -s) echo FreeBSD;; *) echo riscv64;; esac`)
	o := b.options("#!/bin/sh\nexit 9\n")
	b.refused(o, DeployNoAgent, "freebsd/riscv64")
	o.AgentDir = t.TempDir()
	mustWrite(t, o.AgentDir+"/gosync-freebsd-riscv64", b.agentScript(""), 0o600)
	if how := b.deploy(o); how.Sent == 0 {
		t.Errorf("%+v", how)
	}
	mustWrite(t, o.AgentDir+"/gosync-freebsd-riscv64", string(elfHeader(0xb7)), 0o600)
	b.refused(o, DeployNotRunnable, "no program for the far side (freebsd/riscv64)")
	b.fake("uname", "echo Plan9")
	b.refused(o, DeployNoAgent, "Plan9 Plan9")
	b.fake("uname", "exit 1")
	b.refused(o, DeployNoAgent, "no agent is here")
}

func TestSearchOrder(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	o := DeployOptions{Getenv: func(name string) string { return map[string]string{"XDG_DATA_HOME": data, "HOME": "/nohome"}[name] }}
	if _, err := o.search("gosync-a-b"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	mustWrite(t, data+"/gosync/agents/gosync-a-b", "data", 0o600)
	mustWrite(t, dir+"/gosync-a-b", "dir", 0o600)
	for _, want := range []string{"data", "dir"} {
		f, err := o.search("gosync-a-b")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(f); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		f.Close()
		o.AgentDir = dir
	}
}

// A program that wants a C library is the second choice.
func TestDeployPrefersStatic(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	dynamic := elfHeader(0x3e)
	dynamic[32], dynamic[52], dynamic[54], dynamic[56] = 64, 64, 56, 1 // one program header, behind the file header
	dynamic[64] = 3                                                    // PT_INTERP
	o := b.options(string(dynamic))
	o.Self = func() (*os.File, error) { return os.Open("/bin/sh") }
	p, err := o.find(system{runtime.GOOS, runtime.GOARCH})
	if err != nil {
		t.Fatal(err)
	}
	if p.close(); !p.libc {
		t.Error("/bin/sh is said to want no C library")
	}
	o = b.options(string(dynamic))
	b.refused(o, DeployNotRunnable, "CGO_ENABLED=0")
	o.AgentDir = t.TempDir()
	mustWrite(t, filepath.Join(o.AgentDir, "gosync-"+runtime.GOOS+"-"+runtime.GOARCH), b.agentScript(""), 0o600)
	b.deploy(o)
}
