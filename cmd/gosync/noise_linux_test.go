package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gosync/transport/wire"
)

// realFarSide is how a remote shell of these tests starts what it was asked for.
const realFarSide = "\n[ \"$1\" = -l ] && shift 2\nshift\nexec /bin/sh -c \"$*\"\n"

// noiseMemory is how many bytes a client may take that is talked to by no gosync.
const noiseMemory = 256 << 20

// noiseShell writes a remote shell that does what script says.
func noiseShell(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rsh")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// prints is a command that prints bytes, whatever they are.
func prints(b string) string {
	var octal strings.Builder
	for _, c := range []byte(b) {
		fmt.Fprintf(&octal, `\%03o`, c)
	}
	return "printf '" + octal.String() + "'\n"
}

// utf16 is text in the encoding of a login script that was saved on Windows.
func utf16(text string) string {
	b := []byte("\xff\xfe")
	for _, c := range []byte(text) {
		b = append(b, c, 0)
	}
	return string(b)
}

// noises are far sides that no handshake is possible with. Says is in the message;
// it is what the far side printed, escaped, or at least 200 bytes of it.
func noises() map[string]struct{ script, says string } {
	wrong := wire.Magic[:len(wire.Magic)-1] + "\x00"
	return map[string]struct{ script, says string }{
		"garbage and the end":          {prints("\x1b]0;title\x07Connection refused\n"), `"\x1b]0;title\aConnection refused\n"`},
		"garbage and silence":          {prints("Press any key\r") + "exec sleep 60\n", `"Press any key\r"`},
		"more than 4 KiB, then gosync": {"head -c 200 /dev/zero | tr '\\000' a; head -c 3897 /dev/zero | tr '\\000' b" + realFarSide, strings.Repeat("a", 200) + `"`},
		"1 GiB of zeros":               {"head -c 1073741824 /dev/zero\n", `"` + strings.Repeat(`\x00`, 200) + `"`},
		"1 GiB of zeros, then gosync":  {"head -c 1073741824 /dev/zero" + realFarSide, strings.Repeat(`\x00`, 200)},
		"endless lines":                {"exec yes \"$(printf 'warning:\\033[2J')\"\n", `"warning:\x1b[2J\nwarning:`},
		"UTF-16":                       {prints(utf16("Welcome\r\n")), `"\xff\xfeW\x00e\x00l\x00c\x00o\x00m\x00e\x00\r\x00\n\x00"`},
		"a wrong magic":                {prints(wrong + "\x00\x00\x00\x04\x01\x00\x02\x02\x00\x00"), `"gosync\x00wire\r\n\x1a\xff\x00`},
		"the magic in upper case":      {prints(strings.ToUpper(wire.Magic[:11]) + wire.Magic[11:]), `"GOSYNC\x00WIRE\r\n\x1a\xff1"`},
		"a text that is no UTF-8":      {prints("Gr\xfc\xdfe\xe2\x80\xae\n"), `"Gr\xfc\xdfe\u202e\n"`},
		"half the magic":               {prints(wire.Magic[:8]), "the line ended while the far side greeted"},
	}
}

// TestNoise: a far side that is no gosync, or cannot be heard, ends a run with 2 and
// with what it printed, harmless for a terminal. Nothing is done in the destination.
func TestNoise(t *testing.T) {
	t.Parallel()
	for name, noise := range noises() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFaultBench(t)
			b.file(t, "src/f", 1000)
			rsh := noiseShell(t, noise.script)
			for _, operands := range [][]string{{"src/", "host:" + b.path("pushed")}, {"host:" + b.path("src") + "/", "pulled"}} {
				want := exitProtocol
				if name == "half the magic" { // the line was cut
					want = exitStream
				}
				b.wantNoise(t, want, noise.says, append([]string{"-a", "--via=agent", "--no-deploy", "-e", rsh, "--gosync-path=" + b.gosync}, operands...)...)
			}
			for _, dst := range []string{"pushed", "pulled"} {
				left, err := os.ReadDir(b.path(dst))
				// A server that the client does not hear may have made what it was asked for, before the line is cut.
				heard := dst == "pushed" && strings.HasSuffix(noise.script, realFarSide)
				if len(left) > 0 || err == nil && !heard {
					t.Errorf("%s was made, with %d files in it", dst, len(left))
				}
			}
		})
	}
}

// wantNoise runs gosync, which has to fail in the handshake.
func (b *faultBench) wantNoise(t *testing.T, want int, says string, args ...string) {
	t.Helper()
	cmd, output := b.command(args...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the exit status tells
	}()
	peak := residentPeak(cmd.Process.Pid, ended)
	<-ended
	took, text := time.Since(began), output.String()
	if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(text, says) || strings.Contains(text, "goroutine ") {
		t.Errorf("gosync %q: exit %d, want %d with %s\n%q", args, got, want, says, text)
	}
	if strings.Contains(text, "reconnecting") || strings.Count(text, fmt.Sprintf("(exit %d)\n", want)) != 1 {
		t.Errorf("gosync %q does not say once why it ends:\n%s", args, text)
	}
	if bad := harmful(text); bad != "" {
		t.Errorf("gosync %q prints %s:\n%q", args, bad, text)
	}
	if len(text) > 4096 {
		t.Errorf("gosync %q prints %d bytes", args, len(text))
	}
	if peak == 0 || peak > noiseMemory {
		t.Errorf("gosync %q took %d bytes of memory", args, peak)
	}
	if took > 20*time.Second { // three are promised, but not by a machine that does something else
		t.Errorf("gosync %q took %v", args, took)
	}
	t.Logf("%v", took.Round(time.Millisecond))
}

// harmful says what in a text could change the state of a terminal.
func harmful(text string) string {
	for i, r := range text {
		switch {
		case r < ' ' && r != '\n' && r != '\t', r >= 0x7f && r < 0xa0:
			return fmt.Sprintf("control character %#x at %d", r, i)
		case r == '\u202e', r == utf8.RuneError:
			return fmt.Sprintf("%#x at %d", r, i)
		}
	}
	return ""
}

// TestNoiseIsSkipped: up to 4 KiB of anything in front of the greeting do no harm.
func TestNoiseIsSkipped(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"a greeting of the login shell": prints("Welcome to host\r\n\x1b[1mLast login: today\x1b[0m\r\n"),
		"a byte order mark":             prints("\ufeff"),
		"4 KiB of zeros":                "head -c 4096 /dev/zero\n",
		"a part of the magic":           prints(wire.Magic[:15]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newFaultBench(t)
			b.file(t, "src/f", 1000)
			remote := []string{"-a", "-e", noiseShell(t, script+realFarSide), "--gosync-path=" + b.gosync}
			b.want(t, 0, "", append(remote[:4:4], "src/", "host:"+b.path("pushed"))...)
			b.want(t, 0, "", append(remote[:4:4], "host:"+b.path("src")+"/", "pulled")...)
			b.same(t, "src", "pushed")
			b.same(t, "src", "pulled")
		})
	}
}

// TestNoiseOnStderr: messages of the far side come escaped, and of a flood of them
// so much as one can read; the run goes on.
func TestNoiseOnStderr(t *testing.T) {
	t.Parallel()
	const flood = 16 << 20
	b := newFaultBench(t)
	b.file(t, "src/f", 1000)
	script := fmt.Sprintf("{ %shead -c %d /dev/zero | tr '\\000' '\\033'; } >&2", prints("first\x1b[2J\n"), flood)
	remote := []string{"-a", "-e", noiseShell(t, script+realFarSide), "--gosync-path=" + b.gosync}
	for dst, operands := range map[string][]string{"pushed": {"src/", "host:" + b.path("pushed")}, "pulled": {"host:" + b.path("src") + "/", "pulled"}} {
		cmd, output := b.command(append(remote[:4:4], operands...)...)
		began := time.Now()
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v", dst, err)
		}
		text := output.String()
		// 64 KiB at once and as many in each second; a byte more or less is the transport's to test.
		if most := (int(time.Since(began)/time.Second) + 3) * 64 << 10; len(text) > most {
			t.Errorf("%s: %d bytes printed, at most %d are to be", dst, len(text), most)
		}
		if !strings.Contains(text, `first\#033[2J`) || !strings.Contains(text, "bytes of remote messages left out") || harmful(text) != "" {
			t.Errorf("%s: %q: %s", dst, text[:min(len(text), 200)], harmful(text))
		}
		b.same(t, "src", dst)
	}
}
