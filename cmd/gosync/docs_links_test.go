package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLinksOfDocs: what the documentation leads to within the repository is there, headings included, and no page
// of docs is one that nothing leads to.
func TestLinksOfDocs(t *testing.T) {
	t.Parallel()
	const top = "../.."
	docs, err := filepath.Glob(top + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	led := map[string]bool{}
	for _, page := range append(docs, top+"/README.md", top+"/SECURITY.md", top+"/CHANGELOG.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			file := page
			if name != "" {
				file = filepath.Join(filepath.Dir(page), name)
			}
			led[file] = led[file] || file != page
			target, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%s leads to %s: %v", page, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(string(target)), anchor) {
				t.Errorf("%s leads to %s, which has no such heading", page, m[1])
			}
		}
	}
	for _, page := range docs {
		if !led[filepath.Clean(page)] {
			t.Errorf("nothing leads to %s", page)
		}
	}
}

// anchors returns what the headings of a page are called in links.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}
