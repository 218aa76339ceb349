package main

import (
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"
)

// TestCast checks the picture that .ci/cast has made for the README: it is a document, it has nothing from elsewhere, it
// suits light and dark pages and those who want nothing to move, and gosync still takes the commands in it.
func TestCast(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/gosync.svg")
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string]bool{}
	d := xml.NewDecoder(strings.NewReader(string(text)))
	typed := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			typed = false
			for _, a := range e.Attr {
				typed = typed || a.Name.Local == "class" && strings.Contains(a.Value, "command")
				if a.Name.Local == "href" || a.Name.Local == "src" {
					t.Errorf("<%s> names something else: %s", e.Name.Local, a.Value)
				}
			}
			if e.Name.Local == "script" || e.Name.Local == "image" || e.Name.Local == "foreignObject" {
				t.Errorf("it has <%s>", e.Name.Local)
			}
		case xml.CharData:
			if typed {
				commands[string(e)] = true
			}
			if strings.Contains(string(e), "@import") || strings.Contains(string(e), "url(") {
				t.Error("its style is from elsewhere")
			}
		case xml.EndElement:
			typed = false
		}
	}
	for _, want := range []string{"prefers-color-scheme:dark", "prefers-reduced-motion"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("nothing is said for %s", want)
		}
	}
	whole := 0
	for c := range commands {
		line, ok := strings.CutPrefix(c, "$ gosync ")
		if !ok || !strings.HasSuffix(line, " nas:photos/") { // it is still being typed, or something else
			continue
		}
		whole++
		parsesOptions(t, strings.Fields(line))
	}
	if whole < 2 {
		t.Errorf("%d commands of gosync are in it", whole)
	}
}
