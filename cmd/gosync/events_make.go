package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gosync/internal/engine"
	"gosync/internal/shell"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// startEvent tells what a run is about.
func startEvent(s *settings, r *route, compares bool) *startJSON {
	ev := &startJSON{Release: engine.Release, Way: "local", DryRun: s.DryRun && !compares, Compares: compares}
	switch {
	case r.pull() && r.push():
		ev.Way = "relay"
	case r.pull():
		ev.Way = "pull"
	case r.push():
		ev.Way = "push"
	}
	ev.Sources = []operandJSON{}
	for _, t := range r.sources {
		ev.Sources = append(ev.Sources, operandOf(t))
	}
	if r.dest != (target{}) {
		dest := operandOf(r.dest)
		ev.Dest = &dest
	}
	return ev
}

func operandOf(t target) operandJSON {
	o := operandJSON{User: display(t.User), Host: display(t.Host), Port: t.Port}
	o.Path, o.PathB64 = shell.JSONText(t.Path)
	return o
}

// itemEvent tells what is done to an entry.
func itemEvent(ev *engine.ItemEvent, pull bool) *itemJSON {
	e := &ev.Entry
	j := &itemJSON{
		Action: itemAction(ev, pull), Type: typeWord(e.Type), Size: &e.Size, Mode: fmt.Sprintf("%04o", e.Mode), UID: &e.UID, GID: &e.GID,
		Mtime: shell.JSONTime(time.Unix(e.Sec, int64(e.Nsec))), Changes: changeWords(ev.Change), Itemized: itemized(ev),
	}
	j.Path, j.PathB64 = shell.JSONText(ev.Path)
	switch {
	case ev.Change&manifest.ChangeHardLink != 0 && ev.Link != "":
		j.Link, j.LinkB64 = shell.JSONText(ev.Link)
	case e.Type == manifest.Symlink:
		j.Link, j.LinkB64 = shell.JSONText(e.Link())
	}
	return j
}

// itemAction names what is done to an entry.
func itemAction(ev *engine.ItemEvent, pull bool) string {
	switch c := ev.Change; {
	case c&manifest.ChangeHardLink != 0:
		return "link"
	case c&manifest.ChangeTransfer != 0 && ev.Sent:
		return "send"
	case c&manifest.ChangeTransfer != 0 && pull:
		return "receive"
	case c&manifest.ChangeTransfer != 0:
		return "copy"
	case c&manifest.ChangeNew != 0:
		return "create"
	case c&(attributes|manifest.ChangeLocal) != 0:
		return "update"
	}
	return "keep"
}

// changeWords names the bits of a change that concern attributes.
func changeWords(c manifest.Change) []string {
	var words []string
	for _, w := range []struct {
		bit  manifest.Change
		word string
	}{
		{manifest.ChangeNew, "new"},
		{manifest.ChangeContent, "content"},
		{manifest.ChangeSize, "size"},
		{manifest.ChangeTime | manifest.ChangeTimeNow, "time"},
		{manifest.ChangePerms, "permissions"},
		{manifest.ChangeOwner, "owner"},
		{manifest.ChangeGroup, "group"},
		{manifest.ChangeAccess, "access_time"},
		{manifest.ChangeACL, "acl"},
		{manifest.ChangeXattrs, "xattrs"},
	} {
		if c&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return words
}

// typeWord names a type as gosync ls --json does.
func typeWord(t manifest.Type) string {
	switch t {
	case manifest.Regular:
		return "file"
	case manifest.Directory:
		return "dir"
	case manifest.Symlink:
		return "symlink"
	case manifest.Fifo:
		return "fifo"
	case manifest.Socket:
		return "socket"
	case manifest.CharDevice:
		return "chardev"
	case manifest.BlockDevice:
		return "blockdev"
	}
	return "unknown"
}

// namedEvent tells of an entry of which no more than the name is known.
func namedEvent(action, path, reason string) *itemJSON {
	j := &itemJSON{Action: action, Reason: display(reason)}
	j.Path, j.PathB64 = shell.JSONText(path)
	return j
}

func deleteEvent(ev *engine.DeleteEvent) *itemJSON {
	j := namedEvent("delete", ev.Path, "")
	if ev.Dir {
		j.Type = "dir"
	}
	return j
}

// What differs between the ends of a comparison.
const (
	differs    = "differ"
	onlySource = "only_source"
	onlyDest   = "only_dest"
)

// differEvent tells of an entry of the source that differs from the destination's.
func differEvent(ev *engine.ItemEvent, what string) *itemJSON {
	j := itemEvent(ev, false)
	j.Action, j.Itemized, j.Reason = differs, "", what
	if ev.Change&manifest.ChangeNew != 0 {
		j.Action = onlySource
	}
	return j
}

func errorEvent(err *engine.FileError) *errorJSON {
	j := &errorJSON{Op: display(err.Op), Kind: kindWord(err), Message: display(err.Error()), Hint: advice(err)}
	j.Path, j.PathB64 = shell.JSONText(err.Path)
	return j
}

// kindWord names what kind of error it is that concerns one file.
func kindWord(err *engine.FileError) string {
	switch {
	case err.Vanished():
		return "vanished"
	case errors.Is(err, engine.ErrChanged):
		return "changed"
	case errors.Is(err, engine.ErrContent):
		return "content"
	case errors.Is(err, engine.ErrInUse):
		return "in_use"
	}
	switch wire.KindOf(err) {
	case wire.KindNotExist:
		return "not_found"
	case wire.KindExist, wire.KindNotEmpty:
		return "exists"
	case wire.KindPermission:
		return "permission"
	case wire.KindNoSpace, wire.KindQuota:
		return "no_space"
	case wire.KindReadOnly:
		return "read_only"
	case wire.KindTooLong:
		return "name_too_long"
	case wire.KindIO:
		return "io"
	}
	return "other"
}

func summaryEvent(s *settings, sum *engine.Summary, reconnects int) *summaryJSON {
	return &summaryJSON{
		DryRun:           s.DryRun,
		Source:           countsJSON{sum.Files, sum.Regular, sum.Dirs, sum.Links, sum.Devices, sum.Specials},
		Created:          countsJSON{sum.Created, sum.CreatedRegular, sum.CreatedDirs, sum.CreatedLinks, sum.CreatedDevices, sum.CreatedSpecials},
		Deleted:          countsJSON{sum.Deleted, sum.DeletedRegular, sum.DeletedDirs, sum.DeletedLinks, sum.DeletedDevices, sum.DeletedSpecials},
		FilesTransferred: sum.Transferred, BytesSource: sum.TotalSize, BytesTransferred: sum.TransferredSize,
		BytesLiteral: sum.Literal, BytesMatched: sum.Matched, BytesSent: sum.BytesSent, BytesReceived: sum.BytesReceived,
		Errors: sum.Errors, Vanished: sum.Vanished, Reconnects: reconnects, DeleteLimited: sum.DeleteLimited, Elapsed: seconds(sum.Elapsed),
	}
}

// seconds writes a duration with as many digits as mean something.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// exitName is the word for an exit status. What a program that gosync has started ends
// with may be any number.
func exitName(code int) string {
	names := map[int]string{
		exitOK: "ok", exitUsage: "usage", exitProtocol: "version", exitSelect: "select", exitUnsupported: "unsupported", exitStart: "start",
		exitFile: "file", exitStream: "stream", exitOutput: "output", exitSignal: "interrupted", exitPartial: "partial", exitVanished: "vanished",
		exitDelete: "delete", exitTimeout: "timeout", exitConnTimeout: "connect_timeout", exitConnect: "connect", exitHostKey: "host_key",
		exitAuth: "auth", exitTransport: "transport", exitVerify: "differs", exitNotRunnable: "not_runnable", exitNoCommand: "no_command",
	}
	if name, ok := names[code]; ok {
		return name
	}
	return "other"
}

// shellCommand writes a command line so that a shell reads it as it was; what a terminal
// must not get stands in the form $'\033', which bash, zsh, ksh and POSIX have.
func shellCommand(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = shellQuote(a)
	}
	return strings.Join(words, " ")
}

// shellQuote writes a word so that a shell reads it as that.
func shellQuote(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"
	quote := strings.NewReplacer(`'`, `'\''`)
	switch {
	case word != "" && strings.Trim(word, plain) == "":
		return word
	case display(word) == word && !strings.Contains(word, "\t"):
		return "'" + quote.Replace(word) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(word) {
		if c := word[i]; c < ' ' || c >= 0x7f || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}
