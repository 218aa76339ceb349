package transport

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"gosync/transport/sshconn"
)

// DeployOptions say which agent is sent. The zero value sends the running
// program, to far sides of the same system.
type DeployOptions struct {
	Version  string                   // of this release; a part of the agent's name
	Self     func() (*os.File, error) // opens the running program; nil: /proc/self/exe, os.Executable
	AgentDir string                   // where agents for other systems are looked for first, named gosync-GOOS-GOARCH
	Getenv   func(string) string      // for XDG_DATA_HOME and HOME; nil: os.Getenv
	Why      string                   // why an agent is needed, for the message; "": "no gosync there"
	Log      *slog.Logger             // nil: no log

	FirstAnswer time.Duration // as in Options
}

// Deployed is an agent on the far side.
type Deployed struct {
	Path string // below the far side's home directory, such as .cache/gosync/agent-1.0-0123456789abcdef
	Sent int64  // bytes that it took, compressed; 0: it was there already
	Why  string
}

// String is the message for the user.
func (d Deployed) String() string {
	if d.Sent == 0 {
		return "using the agent in ~/" + d.Path
	}
	return fmt.Sprintf("%s; sent agent to ~/%s (%s)", d.Why, d.Path, mebibytes(d.Sent))
}

func mebibytes(n int64) string {
	if n < 1<<20/10 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// Deploy makes an agent available on the far side, where sh has to be, and
// returns the command that starts it as a server, for any login shell. The agent
// lies in ~/.cache/gosync, where only the user can write, under a name that holds
// its digest. The far side checks all of that digest before the agent runs for
// the first time, and again whenever one is used that is there already; far sides
// without a program for it send it back to be checked here.
//
// The error is a *DeployError where the far side, or this one, is not fit for it:
// then another way may be. Two runs may deploy at once. A run that is cut off
// leaves nothing that could be run.
func Deploy(ctx context.Context, l Link, o DeployOptions) (command string, how Deployed, err error) {
	if o.Why == "" {
		o.Why = "no gosync there"
	}
	d := &deployment{link: l, opts: o}
	defer func() {
		if d.agent != nil {
			d.agent.close()
		}
	}()
	how, err = d.run(ctx)
	if err != nil {
		if ctx.Err() != nil { // which ended the stream
			err = context.Cause(ctx)
		}
		if !isDeployError(err) {
			err = fmt.Errorf("deploying the agent: %w", err)
		}
		return "", Deployed{}, err
	}
	return `sh -c 'exec "$HOME/` + how.Path + `" --server'`, how, nil
}

// deployment is one call of Deploy.
type deployment struct {
	link  Link
	opts  DeployOptions
	agent *program
	far   farSide
}

// farSide is what the probe has found.
type farSide struct {
	system system
	gzip   bool
}

// run does what Deploy promises.
func (d *deployment) run(ctx context.Context) (Deployed, error) {
	have, err := d.probe(ctx)
	if err != nil {
		return Deployed{}, err
	}
	how := Deployed{Path: ".cache/gosync/" + d.agent.name, Why: d.opts.Why}
	switch have {
	case "good":
	case "unknown":
		err = d.readBack(ctx, "0", "$f", deployFailure("planted", "~/"+how.Path, ""))
	default:
		how.Sent, err = d.install(ctx)
	}
	return how, err
}

// probe finds out what the far side is, and whether it has the agent. It asks
// for the agent of this machine's system, since most far sides are such, and again
// where it was wrong.
func (d *deployment) probe(ctx context.Context) (have string, err error) {
	here := system{runtime.GOOS, runtime.GOARCH}
	d.agent, err = d.opts.find(here)
	if err != nil { // what the far side is will tell whether it matters
		d.agent = nil
	}
	v, err := d.ask(ctx)
	if err != nil {
		return "", err
	}
	var known bool
	if d.far.system, known = systemOf(v["os"], v["arch"]); !known {
		return "", noAgentFor(v["os"]+" "+v["arch"], nil)
	}
	d.far.gzip = v["gzip"] == "yes"
	if d.agent != nil && d.far.system == here {
		return v["have"], nil
	}
	if d.agent != nil {
		d.agent.close()
	}
	if d.agent, err = d.opts.find(d.far.system); err != nil {
		d.agent = nil
		return "", noAgentFor(d.far.system.String(), err)
	}
	if v, err = d.ask(ctx); err != nil {
		return "", err
	}
	return v["have"], nil
}

func noAgentFor(system string, err error) error {
	system = string(escape(nil, []byte(system[:min(len(system), shownOutput)])))
	e := &DeployError{Kind: DeployNoAgent, Reason: fmt.Sprintf("the far side is %q, for which no agent is here", system), Err: err}
	if err != nil {
		e.Detail = err.Error() + " in --agent-dir and the other places for agents"
	}
	return e
}

// ask runs the probe.
func (d *deployment) ask(ctx context.Context) (map[string]string, error) {
	agent := d.agent
	if agent == nil {
		agent = &program{name: "agent-none-0000000000000000", digest: "none"}
	}
	s, err := d.start(ctx, agent.shCommand(scriptProbe, "0"))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	_ = s.CloseWrite() // where that fails the answer does too
	v, err := s.values("")
	if err == nil && (v["home"] == "" || v["have"] == "") {
		err = s.failed(fmt.Errorf("%w: the home directory or the agent is not named", errNoAnswer))
	}
	return v, err
}

// install sends the agent and returns how many bytes that took.
func (d *deployment) install(ctx context.Context) (sent int64, err error) {
	unpack := "cat"
	if d.far.gzip {
		unpack = "gzip -dc"
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	nonce := hex.EncodeToString(random[:])
	s, err := d.start(ctx, d.agent.shCommand(scriptInstall, nonce, "@UNPACK@", unpack))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if _, err = s.values("ready"); err != nil {
		return 0, err
	}
	sent, err = d.send(s)
	v, verr := s.values("")
	switch { // a script that fails stops reading: what it says is better than that it could not be written to
	case verr != nil && (err == nil || isDeployError(verr)):
		return 0, verr
	case err != nil:
		return 0, fmt.Errorf("sending the agent: %w", err)
	}
	if v["check"] == "yes" {
		if v, err = d.check(ctx, nonce); err != nil {
			return 0, err
		}
	}
	return sent, d.ran(s, v)
}

func isDeployError(err error) bool {
	_, ok := errors.AsType[*DeployError](err)
	return ok
}

// send writes the agent to the script.
func (d *deployment) send(s *exchange) (int64, error) {
	w := &countedWriter{w: s}
	if !d.far.gzip {
		_, err := io.CopyBuffer(w, onlyRead{d.agent.content()}, make([]byte, 64<<10))
		return w.n, errors.Join(err, s.CloseWrite())
	}
	// The compressor writes 240 bytes at a time. As packets of SSH these are
	// slow, and sshd takes time by their square.
	buffer := bufio.NewWriterSize(w, 32<<10)
	z := gzip.NewWriter(buffer)
	_, err := io.CopyBuffer(z, onlyRead{d.agent.content()}, make([]byte, 64<<10))
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = buffer.Flush()
	}
	return w.n, errors.Join(err, s.CloseWrite())
}

// onlyRead hides WriteTo, which would not use the buffer.
type onlyRead struct{ io.Reader }

type countedWriter struct {
	w io.Writer
	n int64
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// check reads back what was sent, where the far side cannot tell its digest, and
// lets the far side go on.
func (d *deployment) check(ctx context.Context, nonce string) (map[string]string, error) {
	script := scriptChecked
	damaged := d.readBack(ctx, nonce, "$n", deployFailure("damaged", "", ""))
	if damaged != nil {
		script = scriptDrop
	}
	s, err := d.start(ctx, d.agent.shCommand(script, nonce))
	if err != nil {
		return nil, errors.Join(damaged, err)
	}
	defer s.Close()
	_ = s.CloseWrite() // where that fails the answer does too
	v, err := s.values("")
	if damaged != nil {
		return nil, damaged
	}
	return v, err
}

// readBack compares a file of the far side with the agent.
func (d *deployment) readBack(ctx context.Context, nonce, file string, differs *DeployError) error {
	s, err := d.start(ctx, d.agent.shCommand(scriptBack, nonce, "@FILE@", file))
	if err != nil {
		return err
	}
	defer s.Close()
	_ = s.CloseWrite() // where that fails the answer does too
	if err := s.begin(); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(s.answer.br, d.agent.size+1))
	if err != nil {
		return fmt.Errorf("reading the agent back: %w", err)
	}
	if n != d.agent.size || hex.EncodeToString(h.Sum(nil)) != d.agent.digest {
		return differs
	}
	return nil
}

// ran looks at how the agent ran for the first time.
func (d *deployment) ran(s *exchange, v map[string]string) error {
	if v["ran"] == "0" && v["done"] == "yes" {
		return nil
	}
	out := v["out"]
	e := &DeployError{Kind: DeployNotRunnable, Detail: string(escape(nil, []byte(out[:min(len(out), 2*shownOutput)])))}
	switch status := v["ran"]; {
	case status == "":
		return s.failed(fmt.Errorf("%w: the agent's first run is not in it", errNoAnswer))
	case strings.Contains(out, "Permission denied"):
		e.Kind, e.Reason = DeployNoExec, "home is noexec"
	case d.agent.libc && (status == "127" || status == "126" || status == "1"):
		e.Reason = "the far side has no C library for this gosync, which wants one: build gosync with CGO_ENABLED=0, or put such a one as gosync-" +
			d.far.system.os + "-" + d.far.system.arch + " into --agent-dir"
	case status == "126", status == "127":
		e.Reason = "the agent is no program for the far side (" + d.far.system.String() + ")"
	default:
		e.Reason = "the agent does not run on the far side (status " + string(escape(nil, []byte(status[:min(len(status), 10)]))) + ")"
	}
	return e
}

// start runs a script.
func (d *deployment) start(ctx context.Context, command string) (*exchange, error) {
	s, err := d.link.Exec(ctx, command)
	if errors.Is(err, sshconn.ErrRefused) {
		return nil, &DeployError{Kind: DeployRefused, Reason: "the far side runs no commands", Err: err}
	}
	if err != nil {
		return nil, err
	}
	return newExchange(s, d.link.Shared(), d.opts.FirstAnswer), nil
}
