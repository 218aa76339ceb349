package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoRuns has two runs work on one destination at once. Each file of it is
// that of one of the sources then, whole, and nothing is left behind. Where they
// delete, one waits for the other, so the destination is equal to one of them.
func TestTwoRuns(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{{"-a"}, {"-a", "--partial"}, {"-a", "--inplace"}, {"-a", "--delete"}} {
		for _, ways := range [][2]string{{"local", "local"}, {"push", "local"}, {"push", "push"}, {"pull", "push"}} {
			t.Run(fmt.Sprintf("%s %s %s", strings.Join(options, " "), ways[0], ways[1]), func(t *testing.T) {
				t.Parallel()
				testTwoRuns(t, options, ways)
			})
		}
	}
}

func testTwoRuns(t *testing.T, options []string, ways [2]string) {
	b := newFaultBench(t)
	rnd := rand.New(rand.NewPCG(uint64(len(options)), uint64(len(ways[0]))))
	var sources [2]string
	for i := range sources {
		sources[i] = fmt.Sprintf("src%d", i)
		for n := range 40 {
			content := make([]byte, rnd.IntN(300_000))
			for j := range content {
				content[j] = byte(rnd.Uint32())
			}
			name := b.path(fmt.Sprintf("%s/d%d/f%d", sources[i], n%3, n))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b.file(t, fmt.Sprintf("%s/only%d", sources[i], i), 1000)
	}
	if err := os.Mkdir(b.path("dst"), 0o755); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 2)
	for i, way := range ways {
		cmd, output := b.command(append(options[:len(options):len(options)], b.ways(sources[i]+"/", "dst/")[way]...)...)
		go func() {
			err := cmd.Run()
			done <- fmt.Sprintf("%v %s", err, output)
		}()
	}
	for range ways {
		// A run may find that a file went from under it; it says so then.
		if out := <-done; !strings.HasPrefix(out, "<nil>") && !strings.Contains(out, "(exit 23)") {
			t.Errorf("a run ended so: %s", out)
		}
	}
	wantEitherSource(t, b, sources, options[len(options)-1])
	b.want(t, 0, "", append([]string{"-a", "--delete", "--force-delete"}, b.ways(sources[0]+"/", "dst/")["local"]...)...)
	b.same(t, sources[0], "dst")
}

// wantEitherSource checks the files of dst against both sources.
func wantEitherSource(t *testing.T, b *faultBench, sources [2]string, option string) {
	t.Helper()
	b.clean(t, "dst")
	dst, s0, s1 := contents(t, b.path("dst")), contents(t, b.path(sources[0])), contents(t, b.path(sources[1]))
	equal := [2]int{}
	for name, got := range dst {
		is0, is1 := s0[name] == got, s1[name] == got
		switch {
		case is0:
			equal[0]++
		case is1:
			equal[1]++
		default:
			t.Errorf("%s is that of neither source", name)
		}
	}
	if option == "--delete" && (len(dst) != len(s0) || equal[0] != len(s0) && equal[1] != len(s1)) {
		t.Errorf("%d files, of which %d are those of the first source and %d of the second", len(dst), equal[0], equal[1])
	}
	if option != "--delete" && !bytes.Contains([]byte(strings.Join(keys(dst), "\n")), []byte("only0")) {
		t.Error("what only one source has is missing")
	}
}

func keys(m map[string]string) (k []string) {
	for name := range m {
		k = append(k, name)
	}
	return k
}
