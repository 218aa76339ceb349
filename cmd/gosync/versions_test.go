package main

import (
	"cmp"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestMinimumVersions holds versions below which something that gosync relies on
// is broken: os.Root and the standard library before Go 1.26.5; host keys of a
// revoked authority before x/crypto 0.52; a server's short reply that ends the
// process before pkg/sftp 1.13.12; writes out of bounds before compress 1.18.7.
func TestMinimumVersions(t *testing.T) {
	t.Parallel()
	have := moduleVersions(t)
	for name, least := range map[string]string{
		"go":                            "1.26.5",
		"golang.org/x/crypto":           "0.52.0",
		"github.com/pkg/sftp":           "1.13.12",
		"github.com/klauspost/compress": "1.18.7",
	} {
		v, ok := have[name]
		if !ok || older(v, least) {
			t.Errorf("go.mod has %s %q, at least %s is needed", name, v, least)
		}
	}
	if v := strings.TrimPrefix(runtime.Version(), "go"); older(v, "1.26.5") {
		t.Errorf("this was built by Go %s, at least 1.26.5 is needed", v)
	}
}

// moduleVersions reads go.mod: modules with their versions, and "go".
func moduleVersions(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 {
			have[f[0]] = strings.TrimPrefix(f[1], "v")
		}
	}
	return have
}

// older reports whether version a comes before b. What follows a dash or a space
// is not looked at.
func older(a, b string) bool {
	number := func(v string, i int) int {
		v, _, _ = strings.Cut(v, "-")
		v, _, _ = strings.Cut(v, " ")
		parts := strings.Split(v, ".")
		if i >= len(parts) {
			return 0
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return -1
		}
		return n
	}
	for i := range 3 {
		if c := cmp.Compare(number(a, i), number(b, i)); c != 0 {
			return c < 0
		}
	}
	return false
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"1.26.4", "1.26.5", true},
		{"1.26.5", "1.26.5", false},
		{"1.26", "1.26.5", true},
		{"1.27", "1.26.5", false},
		{"0.9.0", "0.52.0", true},
		{"0.58.0", "0.52.0", false},
		{"0.52.0-20260101", "0.52.0", false},
		{"devel", "1.26.5", true},
	} {
		if got := older(tt.a, tt.b); got != tt.want {
			t.Errorf("older(%q, %q) is %v", tt.a, tt.b, got)
		}
	}
}
