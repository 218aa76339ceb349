package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"gosync/internal/sshserver"
)

const (
	settle    = 10 * time.Second // how long the server may take to end what it runs
	hostPause = time.Second      // ... and a host's, of which nothing is known
)

// end is the far side of a benchmark.
type end struct {
	far        Far
	name       string // what the tools call it
	dir        string // the benchmark's own directory there, absolute
	gosync     string // the gosync program
	sshArgs    []string
	gosyncArgs []string

	// Of a server in this process.
	server *sshserver.Server
	relay  *relay
}

// loopback reports whether the far side is this process.
func (e *end) loopback() bool { return e.server != nil }

// here runs scripts on this machine.
type here struct{}

// Run implements Far.
func (here) Run(ctx context.Context, script string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "sh")
	cmd.Stdin = strings.NewReader(script)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("sh: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// RTT implements Far: there is no line.
func (here) RTT(context.Context) (time.Duration, error) { return 0, nil }

// openLoopback starts a server in this process with a line in front of it. dir is private and exists.
func openLoopback(ctx context.Context, c *Config, dir string) (e *end, err error) {
	keys, there := filepath.Join(dir, "ssh"), filepath.Join(dir, "there")
	for _, d := range []string{keys, there} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	path := "PATH=" + filepath.Dir(c.Gosync) + string(os.PathListSeparator) + os.Getenv("PATH")
	server, err := sshserver.Start(ctx, sshserver.Options{Dir: keys, Env: []string{path}})
	if err != nil {
		return nil, err
	}
	e = &end{far: here{}, name: server.Files().Alias, dir: there, gosync: c.Gosync, server: server}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if e.relay, err = startRelay(ctx, server.Addr(), c.Shape); err != nil {
		return e, err
	}
	config, err := throughRelay(server, e.relay, keys)
	if err != nil {
		return e, err
	}
	e.sshArgs = []string{"-F", config}
	e.gosyncArgs = []string{"--ssh-config=" + config, "--no-deploy"}
	return e, nil
}

// throughRelay writes a configuration of ssh that takes the line.
func throughRelay(server *sshserver.Server, r *relay, dir string) (config string, err error) {
	files := server.Files()
	_, port, _ := strings.Cut(server.Addr(), ":")
	known, err := os.ReadFile(files.KnownHosts)
	if err != nil {
		return "", err
	}
	hosts := filepath.Join(dir, "known_hosts_line")
	known = bytes.ReplaceAll(known, []byte("]:"+port+" "), fmt.Appendf(nil, "]:%d ", r.addr().Port))
	if err := os.WriteFile(hosts, known, 0o600); err != nil {
		return "", err
	}
	text, err := os.ReadFile(files.Config)
	if err != nil {
		return "", err
	}
	text = bytes.ReplaceAll(text, []byte("Port "+port+"\n"), fmt.Appendf(nil, "Port %d\n", r.addr().Port))
	text = bytes.ReplaceAll(text, []byte(files.KnownHosts), []byte(hosts))
	config = filepath.Join(dir, "ssh_config_line")
	return config, os.WriteFile(config, text, 0o600)
}

// openHost makes the benchmark's directory on a host.
func openHost(ctx context.Context, c *Config, name string) (*end, error) {
	parent := "."
	if c.Dir != "" {
		parent = c.Dir
	}
	out, err := c.Far.Run(ctx, fmt.Sprintf("set -e\ncd %s\nmkdir -m 700 %s\ncd %s\npwd -P\n", quote(parent), name, name))
	if err != nil { // it may be there all the same
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		_, _ = c.Far.Run(tidy, fmt.Sprintf("cd %s && rm -rf %s\n", quote(parent), name))
		return nil, fmt.Errorf("making a directory on %s: %w", c.Host, err)
	}
	dir := strings.TrimSuffix(string(out), "\n")
	e := &end{far: c.Far, name: c.Host, dir: dir, gosync: c.Gosync, sshArgs: c.SSHArgs, gosyncArgs: c.GosyncArgs}
	if !regexp.MustCompile(`^/[A-Za-z0-9/._@+,=-]*$`).MatchString(dir) {
		err := fmt.Errorf("%w: the directory %q on %s has characters in its path that not every tool can be given; name another one, as in %s:/tmp", ErrConfig, dir, c.Host, c.Host)
		return nil, errors.Join(err, e.remove(ctx, name))
	}
	return e, nil
}

// remove takes away the benchmark's directory on a host. name is the last word of its path, which has to be
// the one that was made.
func (e *end) remove(ctx context.Context, name string) error {
	if e.loopback() {
		return nil // it lies in the private directory
	}
	if !strings.HasSuffix(e.dir, "/"+name) {
		return fmt.Errorf("%s is not the directory that was made", e.dir)
	}
	if _, err := e.far.Run(ctx, removal(e.dir)); err != nil {
		return fmt.Errorf("removing %s on %s: %w", e.dir, e.name, err)
	}
	return nil
}

// removal is a script that removes a directory. The far end of a run that was stopped may still write into it for
// a moment, which makes rm fail.
func removal(dir string) string {
	return fmt.Sprintf("n=0\nuntil rm -rf %[1]s 2>/dev/null; do n=$((n+1)); [ $n -lt 10 ] || exec rm -rf %[1]s; sleep 1; done\n", quote(dir))
}

// close ends the server and the line, if they are in this process.
func (e *end) close() error {
	var err error
	if e.relay != nil {
		err = e.relay.close()
	}
	if e.server != nil {
		err = errors.Join(err, e.server.Close())
	}
	return err
}

// rest waits until nothing of a run goes on at the far side any more.
func (e *end) rest(ctx context.Context) {
	if !e.loopback() {
		return // a run that ended in order has nothing left there
	}
	until := time.Now().Add(settle)
	for e.server.Connections() > 0 && time.Now().Before(until) && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// quote writes a word for sh.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
