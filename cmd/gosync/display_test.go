package main

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestDisplay(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain name.txt", "plain name.txt"},
		{"tab\tstays", "tab\tstays"},
		{"line\nbreak\r", `line\#012break\#015`},
		{"\x1b]0;x\x07", `\#033]0;x\#007`},
		{"\x00\x7f", `\#000\#177`},
		{"raw c1 \x9b0m", `raw c1 \#2330m`},
		{"utf-8 c1 \u009b0m", `utf-8 c1 \#302\#2330m`},
		{"bad \xff\xc3(", `bad \#377\#303(`},
		{"é 日本 🙂", "é 日本 🙂"},
		{"\ufffd", "\ufffd"},
		{"a\u202eb", `a\#342\#200\#256b`},
		{"a\u2066b\u2069", `a\#342\#201\#246b\#342\#201\#251`},
		{"a\u200bb\u200d\ufeff", `a\#342\#200\#213b\#342\#200\#215\#357\#273\#277`},
		{"a\u2028b", `a\#342\#200\#250b`},
		{"\u3164", `\#343\#205\#244`},
		{"\U000e0041", `\#363\#240\#201\#201`},
		{`back\slash`, `back\slash`},
		{`b\#033`, `b\#134#033`},
		{`b\#999x`, `b\#134#999x`},
		{`b\#9`, `b\#9`},
		{`b\#01`, `b\#01`},
		{"overlong \xc0\xaf", `overlong \#300\#257`},
		{"surrogate \xed\xa0\x80", `surrogate \#355\#240\#200`},
	}
	for _, tt := range tests {
		if got := display(tt.in); got != tt.want {
			t.Errorf("display(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// undisplay reverses display.
func undisplay(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && looksEscaped(s[i:]) {
			b.WriteByte((s[i+2]-'0')<<6 | (s[i+3]-'0')<<3 | (s[i+4] - '0'))
			i += 4
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// FuzzDisplay checks that what is printed is printable and tells the original.
func FuzzDisplay(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[0m", "\u202e", "\xff", `\#033`, `\\#033`, "\\\x1b", "\\#01\x1b", "é\u0301", "\xe2\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := display(s)
		if !utf8.ValidString(out) {
			t.Fatalf("display(%q) = %q is not UTF-8", s, out)
		}
		for _, r := range out {
			if r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
				t.Fatalf("display(%q) = %q holds %U", s, out, r)
			}
		}
		if back := undisplay(out); back != s {
			t.Fatalf("display(%q) = %q stands for %q", s, out, back)
		}
	})
}
