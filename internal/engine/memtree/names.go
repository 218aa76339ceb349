package memtree

import (
	"maps"
	"slices"
	"strings"
)

// key returns what names that are the same have in common.
func (d *Disk) key(name string) string {
	if d.o.Normalise {
		name = compose(name)
	}
	if d.o.FoldCase {
		name = strings.ToLower(name)
	}
	return name
}

// compose replaces some letters that are followed by a combining accent by the
// letter that has it. It stands for what file systems do with all of Unicode.
func compose(name string) string {
	if !strings.Contains(name, "\xcc") { // no combining mark begins otherwise
		return name
	}
	return strings.NewReplacer(
		"a\u0300", "à", "a\u0301", "á", "a\u0308", "ä", "A\u0308", "Ä", "c\u0327", "ç",
		"e\u0300", "è", "e\u0301", "é", "E\u0301", "É", "n\u0303", "ñ",
		"o\u0308", "ö", "O\u0308", "Ö", "u\u0308", "ü", "U\u0308", "Ü",
	).Replace(name)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
