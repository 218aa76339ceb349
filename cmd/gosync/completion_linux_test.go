package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/internal/need"
)

// keyPress is what is typed at a shell's prompt, and the arguments that gosync gets then.
type keyPress struct{ typed, args string }

// TestShellCompletion types at real shells, on a terminal, and looks at what a command that
// was completed with the tab key is started with.
func TestShellCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []struct {
		name  string
		start func(t *testing.T, dir, script string) *exec.Cmd
	}{
		{"bash", startBash},
		{"zsh", startZsh},
		{"fish", startFish},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell.name); err != nil {
				need.Missing(t, shell.name, "needs "+shell.name)
			}
			dir := t.TempDir()
			far := filepath.Join(dir, "far")
			put(t, nil, far, "my dir", "x")
			put(t, nil, far, "it's $1", "x")
			put(t, nil, far, "plain")
			put(t, nil, dir, "local file")
			put(t, nil, dir, "sub", "inner")
			put(t, []byte("Host nas\n"), dir, ".ssh", "config")
			put(t, []byte("[job.photos]\nsources = '~/a'\ndest = 'nas:'\n"), dir, ".config", "gosync", "config.toml")
			if err := os.Chmod(filepath.Join(dir, ".ssh", "config"), 0o600); err != nil {
				t.Fatal(err)
			}
			script, err := exec.Command("gosync", "completion", shell.name).Output()
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, "completion-script")
			put(t, script, name)
			p := openPrompt(t, dir, shell.start(t, dir, name))
			for _, k := range []keyPress{
				{"snapsh\t", "<snapshot>"},
				{"snapshot pru\t", "<snapshot><prune>"},
				{"--arch\t", "<--archive>"},
				{"--archi\t--fsyn\t", "<--archive><--fsync>"},
				{"--via=ag\t", "<--via=agent>"},
				{"--via ag\t", "<--via><agent>"},
				{"--exclude=a,b --info=progress2,ski\t", "<--exclude=a,b><--info=progress2,skip>"},
				{"run pho\t", "<run><photos>"},
				{"completion powe\t", "<completion><powershell>"},
				{"na\t", "<nas:>"},
				{"me@na\t", "<me@nas:>"},
				{"loc\t", "<local file>"},
				{"su\tinn\t", "<sub/inner>"},
				{"--exclude-from=loc\t", "<--exclude-from=local file>"},
				{"nas:" + far + "/pl\t", "<nas:" + far + "/plain>"},
				{"nas:" + far + "/my\t", "<nas:" + far + "/my dir/>"},
				{"nas:" + far + "/my\tx\t", "<nas:" + far + "/my dir/x>"},
				{"nas:" + far + "/it\t", "<nas:" + far + "/it's $1/>"},
				{"'nas:" + far + "/my\t" + map[string]string{"zsh": "'", "fish": "'"}[shell.name], "<nas:" + far + "/my dir/>"}, // bash closes the quote
			} {
				if got := p.enter("gosync " + k.typed); got != k.args {
					t.Errorf("%s: %q became %s, want %s", shell.name, k.typed, got, k.args)
				}
			}
		})
	}
}

const endOfArgs = "=end-of-arguments"

func startBash(t *testing.T, dir, script string) *exec.Cmd {
	put(t, []byte("source "+script+"\ngosync() { printf '<%s>' \"$@\"; echo '"+endOfArgs[:3]+"''"+endOfArgs[3:]+"'; }\nPS1='READY> '\n"+
		"bind 'set bell-style none' 2>/dev/null\nbind 'set enable-bracketed-paste off' 2>/dev/null\n"), dir, "bashrc")
	return exec.Command("bash", "--noprofile", "--rcfile", filepath.Join(dir, "bashrc"), "-i")
}

func startZsh(t *testing.T, dir, script string) *exec.Cmd {
	put(t, []byte("autoload -Uz compinit\ncompinit -u -D\nsource "+script+"\ngosync() { printf '<%s>' \"$@\"; echo '"+endOfArgs[:3]+"''"+endOfArgs[3:]+"' }\n"+
		"unsetopt PROMPT_SP ZLE_BRACKETED_PASTE 2>/dev/null\nunset zle_bracketed_paste\nsetopt NO_BEEP\nPS1='READY> '\n"), dir, ".zshrc")
	return exec.Command("zsh", "-d", "-i")
}

func startFish(t *testing.T, dir, script string) *exec.Cmd {
	put(t, []byte("source "+script+"\nfunction gosync\n printf '<%s>' $argv\n echo '"+endOfArgs[:3]+"''"+endOfArgs[3:]+"'\nend\n"+
		"function fish_prompt\n printf 'READY> '\nend\nset -g fish_greeting ''\nset -g fish_autosuggestion_enabled 0\n"), dir, ".config", "fish", "config.fish")
	return exec.Command("fish", "-i")
}

// prompt is a shell that waits for somebody to type.
type prompt struct {
	t      *testing.T
	master *os.File
	shown  chan string
	screen strings.Builder
	seen   int // of the screen
}

// openPrompt starts a shell on a terminal of its own, in dir, which is its home.
func openPrompt(t *testing.T, dir string, cmd *exec.Cmd) *prompt {
	t.Helper()
	master, slave := terminal(t)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "ZDOTDIR="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, ".config"), "XDG_DATA_HOME="+dir, "TERM=dumb",
		"GOSYNC_RSH=rsh", "LC_ALL=C.UTF-8", "HISTFILE=", "COLUMNS=1000", "GORACE="+quickExit)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	p := &prompt{t: t, master: master, shown: make(chan string)}
	ended := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(p.shown)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf) // fails when the shell has ended
			if n > 0 {
				select {
				case p.shown <- string(bytes.Clone(buf[:n])):
				case <-stop:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-ended
	})
	p.wait("READY> ")
	return p
}

// wait waits until the screen shows a text that it has not shown before, and returns what
// came in front of it.
func (p *prompt) wait(text string) string {
	p.t.Helper()
	guard := time.NewTimer(3 * time.Minute)
	defer guard.Stop()
	for {
		if before, _, ok := strings.Cut(p.screen.String()[p.seen:], text); ok {
			p.seen += len(before) + len(text)
			return before
		}
		select {
		case more, ok := <-p.shown:
			if !ok {
				p.t.Fatalf("the shell has ended:\n%s", p.screen.String())
			}
			p.screen.WriteString(more)
		case <-guard.C:
			p.t.Fatalf("no %q:\n%q", text, p.screen.String())
		}
	}
}

// enter types a line, and returns the arguments that its command has got.
func (p *prompt) enter(typed string) string {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.master, "%s\r", typed); err != nil {
		p.t.Fatal(err)
	}
	before := p.wait(endOfArgs)
	p.wait("READY> ")
	before = before[strings.LastIndexByte(before, '\n')+1:]
	if i := strings.IndexByte(before, '<'); i >= 0 {
		before = before[i:]
	}
	return before
}
