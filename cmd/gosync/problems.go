package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/wire"
)

// problemsKept is how many errors of one kind are repeated at the end; all are
// printed when they happen.
const problemsKept = 20

// problems collects the errors of single files, by what can be done about them.
type problems struct {
	groups []*problemGroup
	total  int
}

type problemGroup struct {
	advice string
	lines  []string
	count  int
}

// add remembers an error.
func (p *problems) add(err *engine.FileError) {
	p.total++
	g := p.group(advice(err))
	g.count++
	if len(g.lines) < problemsKept {
		g.lines = append(g.lines, display(err.Error()))
	}
}

func (p *problems) group(advice string) *problemGroup {
	for _, g := range p.groups {
		if g.advice == advice {
			return g
		}
	}
	g := &problemGroup{advice: advice}
	p.groups = append(p.groups, g)
	return g
}

// lines repeats the errors, grouped, each group with what to do.
func (p *problems) lines() []string {
	if p.total == 0 {
		return nil
	}
	noun := "errors"
	if p.total == 1 {
		noun = "error"
	}
	out := []string{fmt.Sprintf("gosync: %d %s in this run:", p.total, noun)}
	for _, g := range p.groups {
		for _, l := range g.lines {
			out = append(out, "  "+l)
		}
		if more := g.count - len(g.lines); more > 0 {
			out = append(out, fmt.Sprintf("  ... and %d more of this kind, printed above", more))
		}
		if g.advice != "" {
			out = append(out, "    => "+g.advice)
		}
	}
	return out
}

// advice says what a user can do about an error, "" where the error says it all.
func advice(err error) string {
	var file *engine.FileError
	var connecting *connectError
	var ended *endedError
	switch {
	case errors.As(err, &connecting):
		return connectAdvice(err)
	case errors.As(err, &file) && file.Vanished(), errors.Is(err, engine.ErrVanished):
		return "the source changed during the run: run again if the file should have been copied"
	case errors.Is(err, engine.ErrChanged):
		return "the file was being written: run again when it is quiet, or copy from a snapshot"
	case errors.Is(err, engine.ErrContent):
		return "what arrived was wrong twice: check the disks and memory of both machines"
	case errors.Is(err, fs.ErrPermission):
		return "give this user access, or run as root (--gosync-path='sudo gosync' for the far side)"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room at the destination and run the same command again"
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only"
	case errors.Is(err, syscall.ENAMETOOLONG):
		return "the destination's file system cannot hold so long a name: rename the file"
	case errors.Is(err, syscall.EIO):
		return "the disk reports errors: look at its log before you trust it"
	case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrExist):
		return "something that the run does not know is in the way: look at the destination"
	case errors.Is(err, fs.ErrNotExist) && file == nil && exitCode(err, engine.ExitCode) == exitFile: // of the destination
		return "make the directories above the destination first, or give --mkpath"
	case errors.Is(err, fs.ErrNotExist):
		return "check the spelling, and that the file system is mounted"
	case errors.Is(err, engine.ErrDeleteGuard):
		return "look at the source: is it mounted, and is it the right one?"
	case errors.Is(err, engine.ErrDeleteLimit):
		return "raise --max-delete, or run again to delete the next ones"
	case errors.As(err, &ended):
		return "look at what it said and at the far side's log; the same command goes on from here"
	case errors.Is(err, wire.ErrTimeout), lost(err):
		return "check the line, and run the same command again: what has arrived is not sent twice"
	case errors.Is(err, wire.ErrVersion):
		return "gosync --version must say the same on both machines, and the far side's login shell must print nothing"
	case errors.Is(err, wire.ErrProtocol):
		return "install the same release at both ends, and do not trust this far side if it stays so"
	}
	return ""
}

// connectAdvice is advice for a far side that was not reached; errors of the SSH
// client bring their own.
func connectAdvice(err error) string {
	var g *transport.GreetingError
	switch {
	case errors.Is(err, wire.ErrTimeout):
		return "check the line, and that the far side is not waiting for something"
	case errors.As(err, &g) && errors.Is(err, wire.ErrVersion) && exitCode(err, engine.ExitCode) == exitProtocol:
		return "gosync --version must say the same on both machines, and the far side's login shell must print nothing"
	}
	if exitCode(err, engine.ExitCode) == exitStart {
		return "check the command of -e, and that the far side lets this user run commands"
	}
	return ""
}
