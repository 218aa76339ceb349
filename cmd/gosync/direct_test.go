package main

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gosync/transport"
)

// TestCpWords: what another gosync cp is told makes it do the same. Only how the source's host is reached stays here.
func TestCpWords(t *testing.T) {
	t.Parallel()
	const reach = "PiFoJc46BSsO3R"
	values := map[byte]string{'l': "8", 'X': "buffer=1", 'o': "A=b", 'P': "22"}
	for _, o := range cpOptions() {
		args := []string{"-" + string(o.letter)}
		if o.arg != "" {
			args = append(args, cmp.Or(values[o.letter], "x"))
		}
		c, _, err := parseCp(args)
		if exitCode(err, nil) == exitUnsupported {
			continue
		}
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		c.s.IntoDir = c.intoDir // as a run has it
		words := c.s.cpWords()
		again, rest, err := parseCp(append(slices.Clone(words), "--"))
		if err != nil || len(rest) > 0 {
			t.Fatalf("%q: %q: %v", args, words, err)
		}
		again.s.IntoDir = again.intoDir
		if strings.ContainsRune(reach, rune(o.letter)) {
			if len(words) > 0 {
				t.Errorf("%q becomes %q", args, words)
			}
		} else if !reflect.DeepEqual(again.s, c.s) {
			t.Errorf("%q becomes %q: %+v, want %+v", args, words, again.s, c.s)
		}
	}
	c, _, err := parseCp([]string{"-rpqvvvCl", "800", "-d"})
	if err != nil {
		t.Fatal(err)
	}
	if c.s.IntoDir = c.intoDir; strings.Join(c.s.cpWords(), " ") != "-r -p -q -vvv -l800 -C -d" {
		t.Errorf("%q", c.s.cpWords())
	}
}

// TestDirectOptions: options arrive as they were given, and come back as the same settings.
func TestDirectOptions(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"-a|--no-D|-f||--exclude=":                         "--archive|--no-D|--filter=|--exclude=",
		"-P|-vv|--no-p|--fsync|--bwlimit=1m":               "-P|--verbose|--verbose|--no-perms|--fsync=each|--bwlimit=1m",
		"-e|ssh|--port=3|--direct|--retries=2|--no-deploy": "--retries=2",
		"--timeout=3|-f|:C|-f|dir-merge .x|-f|: .y":        "--timeout=3|--filter=:C|--filter=dir-merge .x|--filter=: .y",
		"--partial-dir=.p|--no-partial-dir":                "--partial-dir=.p|--no-partial-dir",
	} {
		s, _, err := parseArgs(strings.Split(line, "|"), false)
		if err != nil {
			t.Fatal(err)
		}
		args, err := s.directOptions()
		if got := strings.Join(args, "|"); err != nil || got != want {
			t.Errorf("%s becomes %s, want %s (%v)", line, got, want, err)
		}
		if _, rest, err := parseArgs(args, false); err != nil || len(rest) > 0 {
			t.Errorf("%s becomes %s: %q, %v", line, args, rest, err)
		}
	}
}

// TestDirectOperands: a path on the source's machine is one there, and never a host.
func TestDirectOperands(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"": ".", "a": "a", "/a:b": "/a:b", "x:y": "./x:y", ":x": "./:x", "[::1]:x": "./[::1]:x", "ssh://h/x": "./ssh://h/x", "rsync://h/x": "./rsync://h/x",
		"h::m": "./h::m", "~": "~", "~/x": "~/x", "~root/zz": "~root/zz", "~/x:y": "~/x:y", "./~x": "./~x", "*.c": "*.c", "-r": "-r",
	} {
		got := localOperand(path)
		if got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
		for name, parse := range map[string]func(string) (transport.Target, error){"gosync": transport.ParseTarget, "gosync cp": transport.ParseScpTarget} {
			if back, err := parse(got); err != nil || back.Remote || daemonForm(got) {
				t.Errorf("%q: %s reads %q as %+v, %v", path, name, got, back, err)
			}
		}
	}
}

// TestDirectRefusesLineBreaks: no shell can be handed them.
func TestDirectRefusesLineBreaks(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-a", "--direct", "h:a\nb", "g:"}, {"-a", "--direct", "h:a", "g:b\r"}, {"-a", "--direct", "--exclude=a\nb", "h:a", "g:b"}, {"cp", "-R", "h:a\nb", "g:"}} {
		f := &fakeRun{}
		if got := f.exec(t.Context(), args...); got != exitUnsupported || !strings.Contains(f.err.String(), "line break") {
			t.Errorf("%q: exit %d: %s", args, got, &f.err)
		}
		if f.to.Host != "" {
			t.Errorf("%q: a connection was made", args)
		}
	}
}
