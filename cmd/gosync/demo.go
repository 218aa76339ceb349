package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gosync/internal/engine"
	"gosync/internal/sshserver"
	"gosync/transport"
)

const demoUsage = `Usage: gosync demo

Shows the main job over SSH with nothing set up: an SSH server within this process, on
loopback, a tree that is copied to it, changed and copied again. After each step both
sides are compared. Everything happens in a temporary directory, which is removed.
`

// runDemo shows the main job over SSH with nothing set up: it starts an SSH
// server within this process, on loopback, copies a tree that it has made to it,
// changes about a hundredth, copies again, and once more where there is nothing
// to do. After each step both sides are read and compared. Everything happens
// in a temporary directory, which is removed.
func runDemo(ctx context.Context, args []string, e *env) (err error) {
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		return e.text(demoUsage)
	}
	if len(args) > 0 {
		return usageErrorf("demo takes no options or operands; a directory of that name is ./demo")
	}
	dir, err := os.MkdirTemp("", "gosync-demo-")
	if err != nil {
		return withCode(exitFile, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{env: e, src: filepath.Join(dir, "here"), dst: filepath.Join(dir, "there")}
	keys := filepath.Join(dir, "ssh")
	for _, name := range []string{d.src, keys} {
		if err := os.Mkdir(name, 0o700); err != nil {
			return withCode(exitFile, err)
		}
	}
	server, err := sshserver.Start(ctx, sshserver.Options{Dir: keys, Handler: d.handle})
	if err != nil {
		return withCode(exitConnect, err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	d.files = server.Files()
	fmt.Fprintf(e.stdout, "An SSH server runs inside this process on %s; all files are in %s.\n", server.Addr(), display(dir))
	return d.steps(ctx)
}

// demo is one demonstration.
type demo struct {
	env      *env
	src, dst string
	files    sshserver.Files
}

// handle is the far side: it does what a login shell would do with the one
// command that gosync sends.
func (d *demo) handle(ctx context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) int {
	if command != "gosync --server" {
		fmt.Fprintln(stderr, "the demonstration runs gosync --server only")
		return 127
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := d.env.parts.serve(ctx, d.env.parts.host(), &handlerConn{stdin, stdout}, log, engine.Limits{}); err != nil {
		return d.env.parts.exitCode(err)
	}
	return 0
}

// handlerConn is a command's standard input and output as a connection.
type handlerConn struct {
	io.Reader
	io.Writer
}

// Close ends reads that are waiting, where the input can be closed.
func (c *handlerConn) Close() error {
	if in, ok := c.Reader.(io.Closer); ok {
		return in.Close()
	}
	return nil
}

// steps runs the demonstration and prints what each step cost.
func (d *demo) steps(ctx context.Context) error {
	made, err := makeTree(ctx, d.src)
	if err != nil {
		return withCode(exitFile, fmt.Errorf("making files: %w", err))
	}
	fmt.Fprintf(d.env.stdout, "Made %s files, %s; every step is: gosync -a --delete here/ %s:there/\n\n", group(fmt.Sprint(made.files)), bytesIEC(made.bytes), d.files.Alias)
	fmt.Fprintf(d.env.stdout, "%-44s %7s %12s %12s %9s\n", "", "files", "content", "on the line", "time")
	if err := d.step(ctx, "first copy"); err != nil {
		return err
	}
	changed, err := editTree(d.src)
	if err != nil {
		return withCode(exitFile, fmt.Errorf("changing files: %w", err))
	}
	if err := d.step(ctx, fmt.Sprintf("%s changed, 1 new, 1 removed: again", bytesIEC(changed))); err != nil {
		return err
	}
	if err := d.step(ctx, "nothing changed: again"); err != nil {
		return err
	}
	fmt.Fprint(d.env.stdout, "\nAfter each step both sides were read and are equal: content, types, modes, times.\n")
	return nil
}

// step copies once, compares, and prints a row.
func (d *demo) step(ctx context.Context, what string) error {
	start := time.Now()
	sum, err := d.copy(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	elapsed := time.Since(start)
	if err := sameTrees(ctx, d.src, d.dst); err != nil {
		return withCode(exitVerify, fmt.Errorf("%s: the sides differ: %w", what, err))
	}
	fmt.Fprintf(d.env.stdout, "%-44s %7s %12s %12s %8.2fs\n", what, group(fmt.Sprint(sum.Transferred)), bytesIEC(sum.TransferredSize),
		bytesIEC(sum.BytesSent+sum.BytesReceived), elapsed.Seconds())
	return nil
}

// copy is gosync -a --delete here/ box:there/.
func (d *demo) copy(ctx context.Context) (engine.Summary, error) {
	s, _, err := parseArgs([]string{"-a", "--delete"}, false)
	if err != nil {
		return engine.Summary{}, err
	}
	if err := s.finish(false); err != nil {
		return engine.Summary{}, err
	}
	con := newConsole(d.env.stdout, d.env.stderr, d.env.outTerm, nil)
	p := &printer{con: con, s: s, far: &messages{con: con}}
	to := transport.Target{Remote: true, Host: d.files.Alias, Path: d.dst + "/"}
	far, err := d.env.parts.open(ctx, to, transport.Options{
		SSHConfig: d.files.Config, RemoteCommand: []string{"gosync", "--server"}, Stderr: p.far, Via: transport.ViaAgent, NoDeploy: true,
	})
	if err != nil {
		return engine.Summary{}, err
	}
	defer far.Close() // what matters has been acknowledged
	job := engine.Job{Options: s.Options, Sources: []string{d.src + "/"}, Dest: to.Path}
	sum, err := d.env.parts.send(ctx, d.env.parts.host(), far.Agent, job, engine.Report{Event: p.event})
	return sum, d.env.conclude(ctx, p, &sum, err)
}
