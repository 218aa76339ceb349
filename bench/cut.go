package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// errNotCut means that a copy ended before it could be interrupted.
var errNotCut = errors.New("the copy ended before it was interrupted: a larger --size lets it be")

// errCut is why a copy is ended of which enough has arrived.
var errCut = errors.New("enough has arrived")

// interrupt has the tool copy half. In front of the server in this process the line is cut there. On the way to a host the
// destination is watched, and the tool is ended when half has arrived; where all of it has, until that is noticed, it is
// tried again with less.
func (b *run) interrupt(ctx context.Context, p *pair) error {
	if b.end.loopback() {
		if err := b.cutLine(ctx, p); err != nil {
			return err
		}
		return b.measureHeld(ctx, p)
	}
	for _, part := range []int64{2, 4, 16} {
		err := b.cutAt(ctx, p, p.set.Bytes/part)
		if err == nil {
			err = b.measureHeld(ctx, p)
		}
		if !errors.Is(err, errNotCut) {
			return err
		}
		dst := quote(b.dest(p))
		if _, err := b.end.far.Run(ctx, removal(b.dest(p))+"mkdir "+dst+"\n"); err != nil {
			return err
		}
	}
	return errNotCut
}

// cutLine has the tool copy until the line is cut at half of the bytes.
func (b *run) cutLine(ctx context.Context, p *pair) error {
	b.end.relay.cutAfter(p.set.Bytes / 2)
	defer b.end.relay.mend()
	argv, err := p.tool.argv(b.job(p, true))
	if err != nil {
		return err
	}
	_, err = execute(ctx, argv, b.environ, b.c.Limit)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return errNotCut
	case errors.Is(err, errLimit):
		return fmt.Errorf("copying until the line is cut: %w", err)
	}
	b.end.rest(ctx)
	return nil
}

// cutAt has the tool copy until the destination holds so many bytes.
func (b *run) cutAt(ctx context.Context, p *pair, most int64) error {
	argv, err := p.tool.argv(b.job(p, true))
	if err != nil {
		return err
	}
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan error, 1)
	go func() {
		_, err := b.end.far.Run(run, watching(b.dest(p), most))
		if err == nil {
			cancel(errCut)
		}
		watched <- err
	}()
	_, err = execute(run, argv, b.environ, b.c.Limit)
	var saw error
	select {
	case saw = <-watched:
	default:
		cancel(nil) // who still watches, and is not asked what became of that
		<-watched
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case saw != nil:
		return fmt.Errorf("watching the destination: %w", saw)
	case err == nil:
		return errNotCut
	case errors.Is(err, errLimit):
		return fmt.Errorf("copying until half has arrived: %w", err)
	case !errors.Is(err, errCut):
		return fmt.Errorf("the copy that was to be interrupted: %w", err)
	}
	return sleep(ctx, hostPause) // the far side hears of it when the line does
}

// holding is a script that tells how many bytes the files below a directory have.
func holding(dir string) string {
	return "find " + quote(dir) + " -type f -exec ls -ln {} + 2>/dev/null | awk '{n += $5} END {printf \"%.0f\\n\", n}'"
}

// watching is a script that ends when the files below a directory have so many bytes. It keeps telling how many there are, so
// that it ends as well when nobody listens any more.
func watching(dir string, most int64) string {
	return fmt.Sprintf("while n=$(%s); do\n  echo \"$n\" || exit 1\n  [ \"${n:-0}\" -lt %d ] || exit 0\n  sleep 0.02 2>/dev/null || sleep 1\ndone\nexit 1\n", holding(dir), most)
}

// measureHeld finds out what an interrupted copy has left.
func (b *run) measureHeld(ctx context.Context, p *pair) (err error) {
	p.held = 0
	if b.end.loopback() {
		err = filepath.WalkDir(b.dest(p), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				var info fs.FileInfo
				if info, err = d.Info(); err == nil {
					p.held += info.Size()
				}
			}
			return err
		})
	} else {
		var out []byte
		if out, err = b.end.far.Run(ctx, holding(b.dest(p))+"\n"); err == nil {
			p.held, err = strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		}
		if err == nil && p.held >= p.set.Bytes {
			return errNotCut
		}
	}
	if err != nil {
		return fmt.Errorf("what an interrupted copy has left: %w", err)
	}
	return nil
}
