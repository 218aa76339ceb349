package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/wire"
)

// restriction is what the forced command of a key lets its holder do. It stands on
// the server's own command line only: nothing of it comes from the client.
type restriction struct {
	dir         string
	limits      engine.Limits
	strict      bool
	maxSessions int
	sized       bool   // --max-size was given, which is an option of clients, too
	first       string // the option that was given first, for messages
}

// check refuses combinations that make no sense.
func (r *restriction) check(server bool) error {
	switch {
	case r.first != "" && !server:
		return usageErrorf("--%s means something only with --server", r.first)
	case r.first != "" && r.dir == "":
		return usageErrorf("--%s means something only with --restrict-to", r.first)
	case r.sized && server && r.dir == "":
		return usageErrorf("--max-size means something for a server only with --restrict-to")
	case r.sized && server && r.limits.MaxSize == 0:
		return usageErrorf("--max-size: it takes a number greater than zero")
	case r.limits.ReadOnly && r.limits.WriteOnly:
		return usageErrorf("--read-only and --write-only together permit nothing")
	}
	return nil
}

// restrictFlags are the options of a restricted server.
func restrictFlags() []flag {
	limit := func(name, doc, long string, field func(*engine.Limits) *bool) flag {
		return restrictFlag(flag{name: name, doc: doc, long: long}, func(r *restriction, _ string) error {
			*field(&r.limits) = true
			return nil
		})
	}
	return []flag{
		restrictFlag(flag{
			name: "restrict-to", arg: "DIR", doc: "as a server, give access to DIR only",
			long: `For authorized_keys: restrict,command="gosync --server --restrict-to DIR" KEY. Every path of the client, absolute or not, is taken as one below DIR; devices are left out; symlinks are stored with /gosync-munged/ in front of their targets. What the client's command line says is ignored. Where the kernel has Landlock the process cannot reach anything else.`,
		}, func(r *restriction, text string) error { r.dir = text; return nil }),
		limit("read-only", "... to read it", "", func(l *engine.Limits) *bool { return &l.ReadOnly }),
		limit("write-only", "... to write it, and tell nothing of what is there",
			"Files are sent whole, whether they are there already or not.", func(l *engine.Limits) *bool { return &l.WriteOnly }),
		limit("no-delete", "... and remove nothing", "", func(l *engine.Limits) *bool { return &l.NoDelete }),
		limit("no-overwrite", "... and replace or change nothing that exists",
			"Directories that exist keep their owner and permissions; files may be added. It implies --no-delete.",
			func(l *engine.Limits) *bool { return &l.NoOverwrite }),
		restrictFlag(flag{name: "max-files", arg: "N", doc: "... take no more than N entries in a run"},
			func(r *restriction, text string) (err error) {
				r.limits.MaxFiles, err = strconv.ParseInt(text, 10, 64)
				return positive(r.limits.MaxFiles, err)
			}),
		restrictFlag(flag{name: "max-sessions", arg: "N", doc: "... serve no more than N clients of one DIR at a time"},
			func(r *restriction, text string) error {
				n, err := strconv.ParseInt(text, 10, 16)
				r.maxSessions = int(n)
				return positive(n, err)
			}),
		restrictFlag(flag{name: "restrict-strict", doc: "... and do not serve where the kernel has no Landlock"},
			func(r *restriction, _ string) error { r.strict = true; return nil }),
	}
}

func positive(n int64, err error) error {
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return err
	case err != nil || n <= 0:
		return usageErrorf("it takes a number greater than zero")
	}
	return nil
}

// restrictFlag completes a row of the table.
func restrictFlag(f flag, set func(r *restriction, text string) error) flag {
	f.category, f.rare, f.lineOnly = catRemote, true, true
	name := f.name
	f.set = func(s *settings, _ bool, text string) error {
		if f.arg != "" && text == "" {
			return usageErrorf("the value is empty")
		}
		if s.restrict.first == "" {
			s.restrict.first = name
		}
		return set(&s.restrict, text)
	}
	return f
}

// serveRestricted is the far side of a run whose client may reach one directory
// only. The connection is open already; nothing was read from it.
func (e *env) serveRestricted(ctx context.Context, r *restriction, conn io.ReadWriteCloser, log *slog.Logger) error {
	if command := e.getenv("SSH_ORIGINAL_COMMAND"); command != "" && command != "gosync --server" {
		log.Debug("what the client wanted to run is ignored", "command", display(command))
	}
	host, err := localfs.Restrict(r.dir, r.limits.ReadOnly, log)
	if err != nil {
		return withCode(exitSelect, fmt.Errorf("--restrict-to: %w", err))
	}
	defer host.Close()
	limits := r.limits
	limits.Confined, limits.MaxTimeout = true, defaultTimeout
	if r.maxSessions > 0 {
		release, err := host.Session(r.maxSessions)
		if errors.Is(err, engine.ErrInUse) {
			limits.Deny = wire.Errorf(wire.CodeUnsupported, "the far side serves %d clients already (--max-sessions): try again later", r.maxSessions)
		} else if err != nil {
			return withCode(exitSelect, fmt.Errorf("--max-sessions: %w", err))
		}
		defer release()
	}
	switch err := host.Confine(); {
	case errors.Is(err, localfs.ErrNoLandlock) && !r.strict:
		log.Warn("the server is not confined by the kernel", "err", err)
	case err != nil:
		return withCode(exitUnsupported, fmt.Errorf("--restrict-to: %w", err))
	}
	alone := struct{ io.ReadWriteCloser }{conn} // no more streams: what this process may do it was told for one
	return e.parts.serve(ctx, host, alone, log, limits)
}
