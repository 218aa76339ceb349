package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"gosync/internal/engine"
	"gosync/transport"
)

// direct has the source's machine run the copy: gosync there connects to the
// destination with the keys and the ssh configuration of that machine. What it
// prints is printed here, and its exit status is this run's.
func (e *env) direct(ctx context.Context, s *settings, r *route, p *printer) error {
	args, err := directArgs(s, r)
	if err != nil {
		return err
	}
	how, err := e.connectOptions(s, p)
	if err != nil {
		return err
	}
	if how.Via == transport.ViaSFTP || how.Via == transport.ViaSCP {
		return usageErrorf("--direct needs gosync on the source's machine, so --via=%s does not go with it", how.Via)
	}
	how.Via = transport.ViaAgent
	far, err := e.parts.open(ctx, r.sources[0].Target, how)
	if err != nil {
		return &connectError{err}
	}
	defer far.Close() // what matters has been said
	beat, limit := heartbeatFlag(s.Timeout), s.Timeout
	if far.Release != engine.Release { // it may not know the option
		beat, limit = "", 0
	}
	command, err := far.Link.Exec(ctx, far.Program()+beat+" "+strings.Join(args, " "))
	if err != nil {
		return &connectError{err}
	}
	first := limit
	if !far.Link.Shared() {
		first = how.FirstAnswer
	}
	stream := listen(command, limit, first)
	defer stream.Close()    // it has ended, or is given up
	_ = stream.CloseWrite() // nobody can be asked
	err = p.con.lines(stream)
	end := stream.Wait()
	p.far.end()
	var exit *transport.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case stream.err() != nil:
		return stream.err()
	case errors.As(end, &exit) && exit.Status > 0:
		return withCode(exit.Status, fmt.Errorf("the run on %s failed", r.sources[0].Host))
	case end != nil:
		return end
	}
	return err
}

// directArgs are the arguments for gosync on the source's machine, fit for a shell.
func directArgs(s *settings, r *route) ([]string, error) {
	var args []string
	for _, g := range s.given {
		switch g.flag.name {
		case "files-from", "exclude-from", "include-from", "filter":
			if g.flag.name != "filter" || strings.ContainsAny(g.text, ".") && strings.HasPrefix(strings.TrimSpace(g.text), ".") {
				return nil, withCode(exitUnsupported, fmt.Errorf("--%s names a file of this machine, which does not go with --direct", g.flag.name))
			}
		}
		if g.flag.category != catRemote {
			args = append(args, g.arg())
		}
	}
	for _, name := range []string{"timeout", "retries"} { // they are about that connection
		for _, g := range s.given {
			if g.flag.category == catRemote && g.flag.name == name {
				args = append(args, g.arg())
			}
		}
	}
	args = append(args, "--")
	for _, t := range r.sources {
		path := t.Path
		if strings.HasPrefix(path, "~") || path == "" {
			path = "./" + strings.TrimPrefix(strings.TrimPrefix(path, "~"), "/") // the shell starts at home
		}
		args = append(args, path)
	}
	args = append(args, r.dest.Target.String())
	for i, a := range args {
		if strings.ContainsAny(a, "\n\r\x00") {
			return nil, withCode(exitUnsupported, fmt.Errorf("%q cannot be handed to the far side's shell, as --direct needs", a))
		}
		args[i] = transport.Quote(a)
	}
	return args, nil
}

// lines prints what another gosync prints, safe for a terminal whatever it is.
func (c *console) lines(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			c.print(plainText(withoutBeats(string(line))))
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// plainText puts question marks in the place of what cannot be printed. Unlike
// display it leaves escapes alone that are there already.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return '?'
		}
		return r
	}, s)
}
