package shell

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// JSONLine returns v as one line of JSON, with its newline, that does no harm on a terminal: characters
// that move the cursor, change the direction of text or show nothing are escaped.
// v holds nothing that cannot be written as JSON.
func JSONLine(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&invisible{&b})
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings and numbers into memory: it cannot fail
	return b.String()
}

// JSONTime writes a time as RFC 3339 wants it, with the years that it has.
func JSONTime(t time.Time) string {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		t = time.Unix(0, 0).UTC()
	}
	return t.Format(time.RFC3339Nano)
}

// JSONText returns the two fields that a text of bytes has in JSON: itself where it
// is UTF-8, else nil and the bytes in base64.
func JSONText(s string) (text *string, b64 string) {
	if utf8.ValidString(s) {
		return &s, ""
	}
	return nil, base64.StdEncoding.EncodeToString([]byte(s))
}

// invisible escapes the characters of JSON text that could do harm on a terminal
// and that JSON permits as they are. Writes hold whole characters.
type invisible struct{ b *strings.Builder }

func (w *invisible) Write(p []byte) (int, error) {
	for _, r := range string(p) {
		switch {
		case r < utf8.RuneSelf && r != 0x7f || !unseen(r):
			w.b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(w.b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(w.b, `\u%04x`, r)
		}
	}
	return len(p), nil
}
