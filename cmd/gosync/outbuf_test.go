package main

import (
	"strings"
	"testing"
)

// pieces keeps what is written to it, one write each.
type pieces []string

// Write implements io.Writer.
func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, string(b))
	return len(b), nil
}

// TestOutputIsHandedOnByLines: --outbuf=L and N hand on each line at once, B and no --outbuf all lines together, where
// there are few. A later one wins.
func TestOutputIsHandedOnByLines(t *testing.T) {
	t.Parallel()
	for args, atOnce := range map[string]bool{
		"-ai": false, "-ai --outbuf=L": true, "-ai --outbuf=none": true, "-ai --outbuf=B": false, "-ai --outbuf=l --outbuf=Block": false,
	} {
		var got pieces
		f := &fakeRun{events: events(), stdout: &got}
		if code := f.exec(t.Context(), append(strings.Fields(args), "a", "b")...); code != exitOK {
			t.Fatalf("%s: %d: %s", args, code, &f.err)
		}
		lines := strings.Count(strings.Join(got, ""), "\n")
		if want := map[bool]int{true: lines, false: 1}[atOnce]; lines < 5 || len(got) != want {
			t.Errorf("%s: %d lines in %d pieces, want %d", args, lines, len(got), want)
		}
	}
}
