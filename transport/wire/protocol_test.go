package wire

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func typeName(m Msg) string { return fmt.Sprintf("%T", m) }

// TestCatalogue checks that the constants of type Type, the messages and what
// known says are the same set.
func TestCatalogue(t *testing.T) {
	consts := typeConstants(t)
	seen := map[Type]bool{}
	for _, m := range catalogue() {
		name := "Type" + strings.TrimPrefix(typeName(m), "*wire.")
		if v, ok := consts[name]; !ok || v != int(m.Type()) {
			t.Errorf("message %T has number %d, constant %s is %d", m, m.Type(), name, v)
		}
		seen[m.Type()] = true
		delete(consts, name)
	}
	for name := range consts {
		t.Errorf("%s has no message", name)
	}
	for n := range 256 {
		if Type(n).known() != seen[Type(n)] {
			t.Errorf("type %d: known is %v", n, Type(n).known())
		}
	}
}

// typeConstants reads the constants of messages.go whose names begin with Type.
func typeConstants(t *testing.T) map[string]int {
	f, err := parser.ParseFile(token.NewFileSet(), "messages.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string]int{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, "Type") || len(v.Values) != 1 {
			return true
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok {
			if n, err := strconv.Atoi(lit.Value); err == nil {
				consts[v.Names[0].Name] = n
			}
		}
		return true
	})
	if len(consts) == 0 {
		t.Fatal("no constants found")
	}
	return consts
}

// TestProtocolText checks that PROTOCOL.md describes every message, with its
// number, and every field.
func TestProtocolText(t *testing.T) {
	b, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := protocolSections(string(b))
	for _, m := range catalogue() {
		name := strings.TrimPrefix(typeName(m), "*wire.")
		head := fmt.Sprintf("%s (%d", name, m.Type())
		text, ok := "", false
		for title, s := range sections {
			if strings.HasPrefix(title, head+",") {
				text, ok = s, true
			}
		}
		if !ok {
			t.Errorf("PROTOCOL.md has no section %q", head)
			continue
		}
		for _, f := range fieldNames(reflect.TypeOf(m).Elem()) {
			if !strings.Contains(text, "`"+f+"`") {
				t.Errorf("PROTOCOL.md does not describe `%s` of %s", f, name)
			}
		}
	}
	for _, r := range []any{ListingRecord{}, DirDigest{}, Item{}, Totals{}, Error{}, ID{}} {
		for _, f := range fieldNames(reflect.TypeOf(r)) {
			if !strings.Contains(string(b), "`"+f+"`") {
				t.Errorf("PROTOCOL.md does not describe `%s` of %T", f, r)
			}
		}
	}
}

// protocolSections returns the text below each heading of the third level.
func protocolSections(s string) map[string]string {
	sections := map[string]string{}
	heads := regexp.MustCompile(`(?m)^#{1,3} (.*)$`).FindAllStringSubmatchIndex(s, -1)
	for i, h := range heads {
		end := len(s)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		sections[s[h[2]:h[3]]] = s[h[1]:end]
	}
	return sections
}

// fieldNames returns the exported fields of a struct, those of embedded ones
// included.
func fieldNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Anonymous:
			names = append(names, fieldNames(f.Type)...)
		case f.IsExported():
			names = append(names, f.Name)
		}
	}
	return names
}

// TestProtocolNumbers checks the tables of kinds and codes.
func TestProtocolNumbers(t *testing.T) {
	b, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range kindConstants(t) {
		if !strings.Contains(string(b), fmt.Sprintf("| %d | %s |", n, name)) {
			t.Errorf("PROTOCOL.md does not list kind %d, %s", n, name)
		}
	}
	for name, n := range codeConstants(t) {
		if !strings.Contains(string(b), fmt.Sprintf("| %d | %s |", n, name)) {
			t.Errorf("PROTOCOL.md does not list code %d, %s", n, name)
		}
	}
}

func kindConstants(t *testing.T) map[string]int {
	kinds := map[string]int{}
	for i, name := range errorConstants(t, "Kind") {
		kinds[name] = i
	}
	if len(kinds) != int(kindEnd) {
		t.Fatalf("%d kinds found, %d expected", len(kinds), kindEnd)
	}
	return kinds
}

// errorConstants returns the names of errors.go with a prefix, in order.
func errorConstants(t *testing.T, prefix string) []string {
	f, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, prefix) && !slices.Contains(names, v.Names[0].Name) {
			names = append(names, v.Names[0].Name)
		}
		return true
	})
	return names
}

func codeConstants(t *testing.T) map[string]int {
	f, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Code") && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok {
				codes[v.Names[0].Name], _ = strconv.Atoi(lit.Value)
			}
		}
		return true
	})
	if len(codes) == 0 {
		t.Fatal("no codes found")
	}
	return codes
}
