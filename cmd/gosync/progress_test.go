package main

import (
	"bytes"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"gosync/internal/engine"
)

// testMeter is a meter whose clock and terminal are the test's.
func testMeter(width int) (*meter, *bytes.Buffer, *time.Time) {
	var screen bytes.Buffer
	now := time.Unix(1_000_000, 0)
	m := newMeter(newConsole(&bytes.Buffer{}, &screen, false, nil), new(engine.Progress), nil, func() time.Time { return now })
	if width > 0 {
		m = newMeter(m.con, m.counts, func() int { return width }, m.now)
	}
	return m, &screen, &now
}

// frames splits what was drawn into lines, without the codes of the terminal.
func frames(screen *bytes.Buffer) []string {
	text := regexp.MustCompile(`\x1b\[[0-9]*[A-Z]`).ReplaceAllString(screen.String(), "")
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' })
}

func TestProgressNeverGoesBackAndEndsAt100(t *testing.T) {
	t.Parallel()
	m, screen, now := testMeter(100)
	m.counts.Planned.Store(true)
	m.counts.TotalFiles.Store(10)
	for i, done := range []int64{0, 100, 400, 300, 900, 1000} {
		m.counts.TotalBytes.Store(1000)
		if i == 3 {
			m.counts.TotalBytes.Store(2000) // not announced, but it must do no harm
		}
		m.counts.DoneBytes.Store(done)
		m.counts.MovedBytes.Store(done)
		*now = now.Add(2 * time.Second)
		m.show(false)
	}
	m.show(true)
	last := -1
	percent := regexp.MustCompile(`([0-9]+)%`)
	for _, f := range frames(screen) {
		p, err := strconv.Atoi(percent.FindStringSubmatch(f)[1])
		if err != nil || p < last {
			t.Errorf("after %d%%: %q", last, f)
		}
		if last < 100 && p == 100 && f != frames(screen)[len(frames(screen))-1] {
			t.Errorf("100%% before the end: %q", f)
		}
		last = p
	}
	if last != 100 {
		t.Errorf("ends at %d%%", last)
	}
}

func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, width := range []int{1, 10, 40, 80, 200} {
		m, screen, now := testMeter(width)
		m.counts.Seen.Store(12345678)
		m.show(false)
		m.counts.TotalBytes.Store(1 << 42)
		m.counts.TotalFiles.Store(123456789)
		m.counts.Planned.Store(true)
		for range 10 {
			m.counts.DoneBytes.Add(1 << 38)
			m.counts.MovedBytes.Add(1 << 38)
			*now = now.Add(time.Second)
			m.show(false)
		}
		for _, f := range frames(screen) {
			if n := len([]rune(strings.TrimRight(f, " "))); n >= max(width, barWidth+12) {
				t.Errorf("width %d: %d columns: %q", width, n, f)
			}
		}
	}
}

func TestProgressFields(t *testing.T) {
	t.Parallel()
	m, screen, now := testMeter(0)
	m.counts.Seen.Store(1234)
	m.show(false)
	m.counts.Planned.Store(true)
	m.counts.TotalBytes.Store(4 << 30)
	m.counts.TotalFiles.Store(8455)
	for range 10 {
		m.counts.DoneBytes.Add(100 << 20)
		m.counts.MovedBytes.Add(50 << 20)
		*now = now.Add(time.Second)
		m.sample()
	}
	m.counts.DoneFiles.Store(2031)
	m.show(false)
	want := "scanning: 1,234 entries  0 files done  0 B moved  0 B/s\n 24%  1.0/4.0 GiB  2,031/8,455 files  50.0 MiB/s  ETA 0:31\n"
	if got := screen.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestETALooksAtWhatTakesTime: neither a long scan nor what an earlier run has left makes
// the rest look shorter or longer than it is, and before 5 s of data there is no guess.
func TestETALooksAtWhatTakesTime(t *testing.T) {
	t.Parallel()
	m, _, now := testMeter(0)
	m.sample()
	for range 100 { // of listing
		*now = now.Add(time.Second)
		m.sample()
	}
	m.counts.Planned.Store(true)
	m.counts.TotalBytes.Store(1000 << 20)
	m.counts.HeldBytes.Store(500 << 20)
	m.counts.DoneBytes.Store(500 << 20)
	for i := range 10 {
		if text := m.text(false); strings.HasSuffix(text, "ETA -") != (i < 5) {
			t.Errorf("after %d s of data: %s", i, text)
		}
		m.counts.DoneBytes.Add(10 << 20)
		m.counts.MovedBytes.Add(10 << 20)
		*now = now.Add(time.Second)
		m.sample()
	}
	if text := m.text(false); !strings.HasSuffix(text, "10.0 MiB/s  ETA 0:40") {
		t.Errorf("400 MiB are left at 10 MiB/s: %s", text)
	}
}

func TestFitFields(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{
		60: "25.0/57.2 MiB  0/6 files  3.5 MiB/s  ETA 0:10", 40: "25.0/57.2 MiB  3.5 MiB/s  ETA 0:10", 30: "25.0/57.2 MiB  ETA 0:10", 17: "ETA 0:10", 3: "ETA", -1: "",
	} {
		if got := fitFields([]string{"25.0/57.2 MiB", "0/6 files", "3.5 MiB/s", "ETA 0:10"}, width); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
}

func TestLastColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"a/b", 3, "a/b"},
		{"dir/name", 7, "...name"},
		{"dir/日本語", 9, "...日本語"},
		{"dir/日本語", 8, "...本語"},
		{"e\u0301e\u0301e\u0301e\u0301e\u0301", 4, "...e\u0301"},
		{"long/👩🏽", 7, "...👩🏽"},
		{"long/🇩🇪", 6, "..."},
		{"abcd", 3, "..."},
		{"abcd", 2, ".."},
		{"abcd", 0, ""},
		{"", 0, ""},
	} {
		got := lastColumns(tt.text, tt.width)
		if got != tt.want {
			t.Errorf("%q in %d columns: %q, want %q", tt.text, tt.width, got, tt.want)
		}
		if n := uniseg.StringWidth(got); n > tt.width {
			t.Errorf("%q in %d columns takes %d", tt.text, tt.width, n)
		}
	}
}

func TestMessagesStayAboveTheProgressLine(t *testing.T) {
	t.Parallel()
	m, screen, _ := testMeter(80)
	m.show(false)
	m.con.message("a message")
	m.show(false)
	if got := screen.String(); !strings.Contains(got, "\r\x1b[Ka message\n\r") {
		t.Errorf("%q", got)
	}
}

func TestMeterStops(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	stop := startMeter(newConsole(&bytes.Buffer{}, &screen, true, nil), new(engine.Progress), meterOptions{shown: true, width: func() int { return 80 }})
	stop(true)
	if got := screen.String(); !strings.Contains(got, "100%") || !strings.HasSuffix(got, "\n") {
		t.Errorf("%q", got)
	}
}

func TestMessagesOfTheFarSide(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	w := &messages{con: newConsole(&bytes.Buffer{}, &screen, false, nil)}
	for _, piece := range []string{"one\ntw", "o\n", "", "three"} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.end()
	w.end()
	if got := screen.String(); got != "one\ntwo\nthree\n" {
		t.Errorf("%q", got)
	}
	screen.Reset()
	for range 10 {
		_, _ = w.Write(bytes.Repeat([]byte("x"), maxMessage))
		if len(w.rest) > maxMessage {
			t.Fatalf("%d bytes are held back", len(w.rest))
		}
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	var screen bytes.Buffer
	log := slog.New(&logHandler{con: newConsole(&bytes.Buffer{}, &screen, false, nil), level: slog.LevelWarn})
	log.Info("not wanted")
	log.With("host", "h").WithGroup("g").Warn("careful\x1b", "file", "x y")
	if got, want := screen.String(), "gosync: careful\\#033 host=h g.file=x y\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRecapFits: no line of the last words is broken by the terminal, where that can be helped.
func TestRecapFits(t *testing.T) {
	t.Parallel()
	p := &printer{s: newSettings(), route: &route{}}
	sum := engine.Summary{Literal: 218_000_000, Matched: 27_000_000, TotalSize: 290_000_000, Regular: 12_501, CreatedRegular: 387, Transferred: 390}
	for width, want := range map[int]int{200: 2, 92: 3, 20: 3} {
		lines := recap(p, &sum, width)
		if len(lines) != want {
			t.Errorf("%d columns: %q", width, lines)
		}
		for _, l := range lines {
			if len(l) > width && width > 50 {
				t.Errorf("%d columns: %q", width, l)
			}
		}
	}
}

// TestProgressOfNothing: a run that finds nothing to copy does not show shares of nothing.
func TestProgressOfNothing(t *testing.T) {
	t.Parallel()
	m, _, now := testMeter(0)
	*now = now.Add(2 * time.Second)
	m.counts.Planned.Store(true)
	if got, want := m.line(true), "100%  no files to copy  in 0:02"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
