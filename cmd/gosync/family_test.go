package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/walker/manifest"
)

// TestFamily: -4 and -6 reach whatever SSH is used, and no command that would not know them.
func TestFamily(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":             "",
		"-4":           "AddressFamily=inet",
		"-4 --ipv6":    "AddressFamily=inet6",
		"-6 -e ssh":    "AddressFamily=inet6",
		"-6 -e /x/rsh": "",
	} {
		f := &fakeRun{}
		if code := f.exec(t.Context(), append(strings.Fields(args), "src", "h:dst")...); code != exitOK {
			t.Fatalf("%s: %d: %s", args, code, &f.err)
		}
		if got := strings.Join(f.how.SSHOptions, " "); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

// TestRemoteOptions: -M reaches the far side's command line, and no way without one is tried then.
func TestRemoteOptions(t *testing.T) {
	t.Parallel()
	f := &fakeRun{}
	if code := f.exec(t.Context(), "-M-v", "-M", "--debug=io", "src", "h:dst"); code != exitOK {
		t.Fatalf("%d: %s", code, &f.err)
	}
	if len(f.how.ServerArgs) != 2 || f.how.ServerArgs[0] != "-v" || f.how.Via != transport.ViaAgent || !slices.Equal(f.how.RemoteCommand, []string{"gosync", "--server"}) {
		t.Errorf("%+v", f.how)
	}
}

// TestEqualLinkAtPush: that an entry is linked is told where it becomes so, and not with each -ii.
func TestEqualLinkAtPush(t *testing.T) {
	t.Parallel()
	for change, want := range map[manifest.Change]string{
		manifest.ChangeHardLink:                      "hf          b\n",
		manifest.ChangeHardLink | manifest.ChangeNew: "hf+++++++++ b => a\n",
	} {
		var out bytes.Buffer
		s := newSettings()
		s.itemize, s.ItemizeAll = 2, true
		p := &printer{con: newConsole(&out, io.Discard, false, nil), s: s}
		p.event(engine.ItemEvent{Path: "b", Link: "a", Change: change, Sent: true, Entry: manifest.Entry{Type: manifest.Regular}})
		if err := p.con.flush(); err != nil || out.String() != want {
			t.Errorf("%q, want %q (%v)", &out, want, err)
		}
	}
}
