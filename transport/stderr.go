package transport

import (
	"fmt"
	"io"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/time/rate"
)

const (
	stderrRate  = 64 << 10 // bytes a second that reach the user
	stderrBurst = 64 << 10
	stderrTail  = 8 << 10 // bytes kept for error messages
)

// A stderrSink takes the messages of the far side. It reads as fast as they come, because what is not read holds up the
// protocol, which shares the connection; of a flood only stderrRate bytes a second are passed on, and the user is told
// how much was left out. Everything that is not printable is escaped.
type stderrSink struct {
	w     io.Writer // nil: only the tail is kept
	limit *rate.Limiter
	now   func() time.Time

	rest    []byte // start of a character whose end has not come yet; belongs to the draining goroutine
	dropped int64  // bytes not passed on since the last notice; as rest

	mu   sync.Mutex
	tail []byte // the last messages, escaped
}

func newStderrSink(w io.Writer, now func() time.Time) *stderrSink {
	return &stderrSink{w: w, limit: rate.NewLimiter(stderrRate, stderrBurst), now: now}
}

// drain reads r to its end. A writer that fails loses the messages, not the transfer.
func (s *stderrSink) drain(r io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		s.take(buf[:n])
		if err != nil {
			break
		}
	}
	if len(s.rest) > 0 {
		s.emit(escape(nil, s.rest))
		s.rest = nil
	}
	s.notice()
}

func (s *stderrSink) take(p []byte) {
	data := append(s.rest, p...)
	whole := len(data) - incomplete(data)
	text := escape(make([]byte, 0, whole+64), data[:whole])
	s.rest = append([]byte(nil), data[whole:]...)
	s.emit(text)
}

// emit passes text on as far as the rate allows and keeps the tail.
func (s *stderrSink) emit(text []byte) {
	s.mu.Lock()
	s.tail = append(s.tail, text...)
	if over := len(s.tail) - stderrTail; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
	s.mu.Unlock()
	if s.w == nil || len(text) == 0 {
		return
	}
	now := s.now()
	allowed := min(len(text), max(0, int(s.limit.TokensAt(now))))
	if s.dropped > 0 && allowed < min(len(text), stderrBurst/2) { // still a flood: one notice at its end, not for each piece
		s.dropped += int64(len(text))
		return
	}
	s.notice()
	for allowed > 0 && allowed < len(text) && !utf8.RuneStart(text[allowed]) {
		allowed-- // no half characters
	}
	if allowed > 0 {
		s.limit.AllowN(now, allowed)
		_, _ = s.w.Write(text[:allowed])
	}
	s.dropped += int64(len(text) - allowed)
}

func (s *stderrSink) notice() {
	if s.dropped > 0 && s.w != nil {
		fmt.Fprintf(s.w, "\n[%d bytes of remote messages left out]\n", s.dropped)
	}
	s.dropped = 0
}

// Tail returns the end of the messages without surrounding newlines. It may be called at any time.
func (s *stderrSink) Tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tail
	for len(t) > 0 && (t[len(t)-1] == '\n' || t[len(t)-1] == ' ') {
		t = t[:len(t)-1]
	}
	for len(t) > 0 && (t[0] == '\n' || !utf8.RuneStart(t[0])) { // a cut may have fallen into a character
		t = t[1:]
	}
	return string(t)
}

// incomplete counts the bytes at the end of p that may be the start of a character, or a carriage return whose newline
// is still to come.
func incomplete(p []byte) int {
	if n := len(p); n > 0 && p[n-1] == '\r' {
		return 1
	}
	for i := 1; i <= min(utf8.UTFMax-1, len(p)); i++ {
		c := p[len(p)-i]
		if utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-i:]) {
				return i
			}
			return 0
		}
	}
	return 0
}

// escape appends p to dst with everything that is not printable in the form \#ooo, three octal digits for each byte:
// control characters of both kinds, invalid UTF-8, and the format characters that reorder or hide text. Newlines and
// tabs stay, and a carriage return before a newline vanishes.
func escape(dst, p []byte) []byte {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == '\n' || r == '\t':
			dst = append(dst, p[0])
		case r == '\r' && len(p) > 1 && p[1] == '\n':
		case r == utf8.RuneError && n == 1, !unicode.IsPrint(r):
			for _, c := range p[:n] {
				dst = append(dst, '\\', '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			}
		default:
			dst = append(dst, p[:n]...)
		}
		p = p[n:]
	}
	return dst
}
