package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"gosync/internal/engine"
	"gosync/internal/snapshot"
	"gosync/transport"
	"gosync/transport/localfs"
)

// keeperFlag is the hidden option that makes a far side a server of snapshots and digests.
const keeperFlag = "keep-snapshots"

// serveKeeper is the far side of gosync snapshot and of manifests.
func (e *env) serveKeeper(ctx context.Context) error {
	conn, err := e.serverConn()
	if err != nil {
		return withCode(exitSelect, fmt.Errorf("standard input and output: %w", err))
	}
	defer conn.Close() // everything was said
	exit := func(err error) int { return exitCode(keeperError(err), e.parts.exitCode) }
	open := func(ctx context.Context, dir string, made bool) (*snapshot.Store, error) {
		host := localfs.NewHost()
		paths, err := host.Expand(ctx, dir)
		if err == nil && len(paths) != 1 {
			err = fmt.Errorf("%s stands for %d names", dir, len(paths))
		}
		if err != nil {
			return nil, err
		}
		return openStore(ctx, paths[0], made)
	}
	return snapshot.Serve(ctx, conn, open, exit)
}

// openStore opens a directory of this machine.
func openStore(ctx context.Context, dir string, made bool) (*snapshot.Store, error) {
	host := localfs.NewHost()
	if _, err := host.Stat(ctx, dir); made && errors.Is(err, fs.ErrNotExist) {
		if err := host.Mkdir(ctx, strings.TrimRight(dir, "/")); err != nil {
			return nil, err
		}
	}
	t, err := localfs.Open(dir, engine.DestOptions{}, nil)
	if err != nil {
		return nil, err
	}
	store := snapshot.NewStore(t, time.Now)
	store.Settled = func(ctx context.Context, name string) error {
		// Whoever writes there shares this lock, or has it.
		d, err := host.Dest(ctx, strings.TrimRight(dir, "/")+"/"+name, engine.DestOptions{Exclusive: true, Wait: settleTime})
		if err != nil {
			return err
		}
		return d.Close()
	}
	return store, nil
}

// settleTime is how long a run waits for the far side of one that was killed.
const settleTime = 30 * time.Second

// keeper opens the directory of an operand, wherever it is. What it returns to end that may be
// called more than once.
func (e *env) keeper(ctx context.Context, s *settings, t target, made bool, con *console) (snapshot.Keeper, func(), error) {
	if !t.Remote {
		store, err := openStore(ctx, t.Path, made)
		if err != nil {
			return nil, nil, keeperError(err)
		}
		return store, func() { _ = store.Close() }, nil // whatever was written is durable
	}
	p := &printer{con: con, s: s, far: &messages{con: con}}
	how, err := e.connectOptions(s, p)
	if err != nil {
		return nil, nil, err
	}
	if how.Via == transport.ViaSFTP || how.Via == transport.ViaSCP {
		return nil, nil, withCode(exitUnsupported, fmt.Errorf("snapshots and digests need gosync on the far side: --via=%s does not do", how.Via))
	}
	how.Via = transport.ViaAgent
	far, err := e.parts.open(ctx, t.Target, how)
	if err != nil {
		return nil, nil, &connectError{explainGreeting(err)}
	}
	// The server that was reached first has nothing to do, and there may be room for one session only.
	p.far.quietly(func() { _ = far.Agent.Close() })
	stream, err := far.Link.Exec(ctx, far.Program()+" --"+keeperFlag)
	if err != nil {
		_ = far.Close() // nothing was said
		return nil, nil, &connectError{err}
	}
	wait := snapshot.Patience{First: s.Timeout, Silence: s.Timeout}
	if !far.Link.Shared() {
		wait.First = how.FirstAnswer
	}
	client, err := snapshot.Dial(ctx, stream, t.Path, made, wait)
	if err != nil {
		_ = far.Close() // nothing has happened
		return nil, nil, keeperError(err)
	}
	end := sync.OnceFunc(func() {
		_ = client.Close() // every request was answered
		_ = far.Close()
	})
	return client, end, nil
}

// keeperError gives errors of stores their exit status.
func keeperError(err error) error {
	var coded *codeError
	var failure *snapshot.Failure
	switch {
	case err == nil || errors.As(err, &coded):
		return err
	case errors.As(err, &failure) && failure.Code > 0 && failure.Code < 256:
		return withCode(failure.Code, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, snapshot.ErrSilent):
		return withCode(exitTimeout, err)
	case errors.Is(err, snapshot.ErrNoServer):
		return withCode(exitUnsupported, fmt.Errorf("%w: a newer one is needed there, whose key is not restricted", err))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, snapshot.ErrNoSnapshot):
		return withCode(exitSelect, err)
	case errors.Is(err, snapshot.ErrManifest), errors.Is(err, engine.ErrInUse), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrExist):
		return withCode(exitFile, err)
	}
	return err
}
