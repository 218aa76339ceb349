package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPowerShellScript has the script for PowerShell parsed, and asked, where there is one. Where
// there is none it is held against the rules for what opens and closes.
func TestPowerShellScript(t *testing.T) {
	t.Parallel()
	data, err := completionScripts.ReadFile("completion/gosync.ps1")
	if err != nil {
		t.Fatal(err)
	}
	if err := balanced(string(data)); err != "" {
		t.Error(err)
	}
	if balanced("if ($a) { 'x' ") == "" || balanced(`"a`) == "" || balanced("(]") == "" {
		t.Error("the rules find nothing wrong with text that is")
	}
	// PowerShell takes four characters for a single quote, and knows how to write them.
	if !strings.Contains(string(data), "::EscapeSingleQuotedStringContent($word)") {
		t.Error("words are not quoted by PowerShell's own rules")
	}
	pwsh, err := exec.LookPath("pwsh")
	if err != nil {
		return
	}
	ask := string(data) + "\n(TabExpansion2 'gosync --via=ag' 15).CompletionMatches.CompletionText"
	out, err := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-Command", ask).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "--via=agent" {
		t.Errorf("%v: %s", err, out)
	}
}

// balanced says what is not closed, or closed without being open, in text for PowerShell.
func balanced(text string) string {
	var open []byte
	closing := map[byte]byte{'(': ')', '{': '}', '[': ']'}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '#':
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return ""
			}
			i += end
		case '\'', '"':
			for i++; i < len(text) && text[i] != c; i++ {
				if c == '"' && text[i] == '`' {
					i++
				}
			}
			if i >= len(text) {
				return "a quote is not closed"
			}
		case '(', '{', '[':
			open = append(open, closing[c])
		case ')', '}', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return string(c) + " closes nothing"
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return string(open) + " is missing"
	}
	return ""
}
