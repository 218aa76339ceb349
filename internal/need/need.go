// Package need is for tests that need something that not every machine has: a
// program, or to be root. Where it is missing the test is skipped; where
// GOSYNC_REQUIRE, a list with commas between, names it, the test fails. CI sets that
// variable, so that nothing is skipped there without a word.
package need

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Missing ends a test that lacks what, a name that GOSYNC_REQUIRE can hold: by a
// skip, or by a failure. why says what exactly is missing.
func Missing(t testing.TB, what, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("GOSYNC_REQUIRE"), ","), what) {
		t.Fatalf("GOSYNC_REQUIRE names %s: %s", what, why)
	}
	t.Skip(why)
}

// Root ends a test, as Missing does for "root", that another user runs. why says
// what takes root.
func Root(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root", why)
	}
}
