package transport

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain\ttext\n":         "plain\ttext\n",
		"dos\r\nline":           "dos\nline",
		"\x1b]0;x\x07":          `\#033]0;x\#007`,
		"a\rb":                  `a\#015b`,
		"\x7f":                  `\#177`,
		"\x9b31m":               `\#23331m`,
		"\u009b":                `\#302\#233`,
		"\u202e":                `\#342\#200\#256`,
		"\u200b":                `\#342\#200\#213`,
		"\xff\xfe":              `\#377\#376`,
		"Grüße, 世界":             "Grüße, 世界",
		"half \xe4\xb8":         `half \#344\#270`,
		"\x00":                  `\#000`,
		"\ufffd stays as it is": "\ufffd stays as it is",
	} {
		var out bytes.Buffer
		s := newStderrSink(&out, time.Now)
		s.drain(iotest.OneByteReader(strings.NewReader(in))) // characters come in pieces
		if out.String() != want {
			t.Errorf("%q: %q, want %q", in, out.String(), want)
		}
		if tail := strings.TrimRight(want, "\n "); s.Tail() != tail {
			t.Errorf("%q: tail %q", in, s.Tail())
		}
	}
}

// A flood is read to its end, a burst of it is passed on, and the user is told about the rest.
func TestStderrFlood(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var out bytes.Buffer
	s := newStderrSink(&out, func() time.Time { return now })
	const size = 4 << 20
	s.drain(strings.NewReader(strings.Repeat("x", size-4) + "last"))
	if n := strings.Count(out.String(), "x"); n != stderrBurst {
		t.Errorf("%d bytes passed on", n)
	}
	if m := regexp.MustCompile(`\[(\d+) bytes of remote messages left out\]`).FindAllStringSubmatch(out.String(), -1); len(m) != 1 || m[0][1] != "4128768" {
		t.Errorf("notices: %q", m)
	}
	if tail := s.Tail(); len(tail) != stderrTail || !strings.HasSuffix(tail, "xlast") {
		t.Errorf("tail of %d bytes", len(tail))
	}
	// Later there is room again.
	now = now.Add(time.Second)
	out.Reset()
	s.drain(strings.NewReader("later\n"))
	if out.String() != "later\n" {
		t.Errorf("%q", out.String())
	}
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("a\x1b[0m\xff\u202e\r\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		var whole, parts bytes.Buffer
		newStderrSink(&whole, time.Now).drain(bytes.NewReader(data))
		s := newStderrSink(&parts, time.Now)
		if cut = min(max(cut, 0), len(data)); len(data) > 32<<10 {
			return
		}
		s.take(data[:cut])
		s.drain(bytes.NewReader(data[cut:]))
		if !bytes.Equal(whole.Bytes(), parts.Bytes()) {
			t.Fatalf("%q cut at %d: %q, whole %q", data, cut, parts.Bytes(), whole.Bytes())
		}
		for _, c := range whole.Bytes() {
			if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
				t.Fatalf("%q: %q", data, whole.Bytes())
			}
		}
	})
}
