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
	limit := s.Timeout
	args, err := directArgs(s, r, heartbeatFlag(limit), "--"+expandFlag)
	if err != nil {
		return err
	}
	how, err := e.connectOptions(s, p)
	if err != nil {
		return err
	}
	if how.Via == transport.ViaSFTP || how.Via == transport.ViaSCP {
		return usageErrorf("to copy directly needs gosync on the source's machine, so %s alone does not do", how.Via)
	}
	how.Via = transport.ViaAgent
	far, err := e.parts.open(ctx, r.sources[0].Target, how)
	if err != nil {
		return &connectError{err}
	}
	defer far.Close() // what matters has been said
	if far.Release != engine.Release {
		limit = 0
		if args, err = otherReleaseArgs(s, r, far.Release); err != nil {
			return err
		}
	}
	// The server that was reached first has nothing to do, and there may be room for one session only.
	p.far.quietly(func() { _ = far.Agent.Close() })
	command, err := far.Link.Exec(ctx, far.Program()+" "+strings.Join(args, " "))
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
