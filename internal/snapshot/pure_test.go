package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 26, 16, 37, 14, 5, time.FixedZone("", 3600))
	if got := Name(at); got != "2026-11-26T153714Z" {
		t.Error(got)
	}
	if back, ok := ParseName(Name(at)); !ok || !back.Equal(at.Truncate(time.Second)) {
		t.Error(back, ok)
	}
	for _, bad := range []string{"", "latest", "2026-11-26", "2026-11-26T153714", "2026-11-26T153714Z.b3sum", "2026-13-26T153714Z", "2026-11-26T153714.5Z", " 2026-11-26T153714Z", "2026-02-30T153714Z"} {
		if _, ok := ParseName(bad); ok {
			t.Errorf("%q is taken for a snapshot", bad)
		}
	}
}

func sum(n byte) (s Sum) {
	s[0] = n
	return s
}

func TestManifestText(t *testing.T) {
	t.Parallel()
	m := Manifest{{sum(1), "a\nb"}, {sum(2), `a\b`}, {sum(3), "a\rb"}, {sum(4), "plain  name"}, {sum(5), "\xff"}}
	m.sort()
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`\01` + strings.Repeat("0", 62) + `  a\nb` + "\n", `  a\\b` + "\n", `  a\rb` + "\n", "04" + strings.Repeat("0", 62) + "  plain  name\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	back, err := Read(&b)
	if err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("%v, %v", back, err)
	}
}

func TestManifestLines(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		digest + "  ./a//b\n":       "a/b",
		digest + "  a\r\n":          "a",
		`\` + digest + "  a\\\\n\n": `a\n`,
		digest + "   a\n":           " a",
		digest + "  \\n\n":          `\n`,
	} {
		m, err := Read(strings.NewReader(text))
		if err != nil || len(m) != 1 || m[0].Path != want {
			t.Errorf("%q: %q, %v", text, m, err)
		}
	}
	for _, text := range []string{
		"x\n", digest + " a\n", digest + "  \n", digest + "  /etc/passwd\n", digest + "  a/../../b\n", digest + "  a/\n", digest + "  .\n",
		digest + "  a", digest[:62] + "zz  a\n", `\` + digest + `  a\x` + "\n", `\` + digest + `  a\` + "\n", digest + "  a\x00b\n",
		digest + "  a\n" + digest + "  ./a\n", "\n",
	} {
		if m, err := Read(strings.NewReader(text)); !errors.Is(err, ErrManifest) {
			t.Errorf("%q: %q, %v", text, m, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	digest := strings.Repeat("0f", 32)
	f.Add([]byte(digest + "  a\n" + `\` + digest + `  b\n` + "\n"))
	f.Add([]byte(digest + "  a\r\n"))
	f.Add([]byte("\\\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		back, err := Read(&b)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%q becomes %q, %v", m, back, err)
		}
		for i := range m {
			if p := m[i].Path; p == "" || p[0] == '/' || strings.Contains("/"+p+"/", "/../") || strings.Contains("/"+p+"/", "//") {
				t.Fatalf("the path %q passes", p)
			}
			if got, ok := m.Find(m[i].Path); !ok || got != m[i].Sum {
				t.Fatalf("%q is not found", m[i].Path)
			}
		}
	})
}

func TestCompareManifests(t *testing.T) {
	t.Parallel()
	a := Manifest{{sum(1), "a"}, {sum(1), "b"}, {sum(1), "d"}}
	b := Manifest{{sum(1), "a"}, {sum(1), "c"}, {sum(2), "d"}}
	want := []Difference{{Missing, "b"}, {Extra, "c"}, {Changed, "d"}}
	if got := Compare(a, b); !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	days := func(texts ...string) (names []string) {
		for _, d := range texts {
			at, err := time.Parse("2006-01-02 15", d)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, Name(at))
		}
		return names
	}
	names := days("2024-12-31 10", "2025-12-28 10", "2025-12-29 10", "2026-01-01 09", "2026-01-01 18", "2026-01-02 09", "2026-01-02 18")
	for _, c := range []struct {
		p    Policy
		want string // "1" kept, oldest first
	}{
		{Policy{}, "1111111"},
		{Policy{Last: 2}, "0000011"},
		{Policy{Daily: 2}, "0000101"},
		{Policy{Daily: 3}, "0010101"},
		{Policy{Weekly: 2}, "0100001"}, // 2025-12-29 and 2026-01-02 are in one week
		{Policy{Monthly: 2}, "0010001"},
		{Policy{Yearly: 9}, "1010001"},
		{Policy{Last: 1, Yearly: 2}, "0010001"},
	} {
		good := slices.Repeat([]bool{true}, len(names))
		got := ""
		for _, k := range c.p.Keep(names, good) {
			got += map[bool]string{true: "1", false: "0"}[k]
		}
		if got != c.want {
			t.Errorf("%+v keeps %s, not %s", c.p, got, c.want)
		}
	}
}

// TestPolicyProperties holds of random histories what any retention must hold.
func TestPolicyProperties(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		var names []string
		var good []bool
		for range rnd.IntN(60) {
			at = at.Add(time.Duration(1+rnd.IntN(90*24*3600)) * time.Second)
			names, good = append(names, Name(at)), append(good, rnd.IntN(8) > 0)
		}
		p := Policy{rnd.IntN(4), rnd.IntN(4), rnd.IntN(4), rnd.IntN(4), rnd.IntN(4)}
		if err := checkPolicy(p, names, good); err != nil {
			t.Fatalf("seed %d, %+v: %v", seed, p, err)
		}
	}
}

func checkPolicy(p Policy, names []string, good []bool) error {
	keep := p.Keep(names, good)
	newest := -1
	kept, goodOnes := 0, 0
	for i := range names {
		if good[i] {
			newest = i
			goodOnes++
			if keep[i] {
				kept++
			}
		}
	}
	if newest >= 0 && !keep[newest] {
		return errors.New("the newest good one goes")
	}
	most := p.Last + p.Daily + p.Weekly + p.Monthly + p.Yearly
	if !p.IsZero() && kept > max(most, 1) || kept < min(goodOnes, p.Last) {
		return fmt.Errorf("%d of %d good ones are kept", kept, goodOnes)
	}
	// What is kept does not make a later run of the same policy remove anything.
	var left []string
	var leftGood []bool
	for i := range names {
		if keep[i] {
			left, leftGood = append(left, names[i]), append(leftGood, good[i])
		}
	}
	if slices.Contains(p.Keep(left, leftGood), false) {
		return errors.New("what was kept is not kept the next time")
	}
	// A policy that keeps more in one respect keeps all that the other did.
	more := p
	more.Daily++
	if !p.IsZero() {
		for i, k := range more.Keep(names, good) {
			if keep[i] && !k {
				return errors.New("to keep more days removes a snapshot")
			}
		}
	}
	return nil
}

func FuzzJournal(f *testing.F) {
	digest := strings.Repeat("0f", 32)
	f.Add([]byte("1 2 3 " + digest + "  a\n1 -2 3 \\" + digest + `  b\n` + "\n1 2 3 " + digest + "  c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for path, l := range parseJournal(data) {
			if clean, err := cleanPath(path); err != nil || clean != path || l.Path != path {
				t.Fatalf("%q passes", path)
			}
		}
	})
}

func TestJournal(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0f", 32)
	got := parseJournal([]byte("1 -2 3 " + digest + "  a\nrubbish\n4 5 6 " + digest + "  a\n1 2 3 " + digest + "  torn"))
	if len(got) != 1 || got["a"].Size != 4 || got["a"].Sec != 5 || got["a"].Nsec != 6 {
		t.Errorf("%+v", got)
	}
}
