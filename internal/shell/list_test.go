package shell

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// listing runs a Lister over a tree.
func listing(t *testing.T, f FS, o ListOptions, paths ...string) (string, []error) {
	t.Helper()
	var b strings.Builder
	var errs []error
	l := &Lister{ListOptions: o, Out: &b, Display: escaped, Fail: func(err error) { errs = append(errs, err) }}
	var operands []Operand
	for _, p := range paths {
		operands = append(operands, Operand{Path: p, Shown: strings.TrimPrefix(p, "/")})
	}
	if err := l.List(t.Context(), f, operands); err != nil {
		t.Fatal(err)
	}
	return b.String(), errs
}

func TestList(t *testing.T) {
	t.Parallel()
	f := fake("/d/", "/d/b", "/d/a", "/d/.h", "/d/s/", "/d/s/x", "/d/s/e/", "/l->d", "/dangling->no", "/f", "/esc\x1b[2J")
	for _, test := range []struct {
		o     ListOptions
		paths string
		want  string
	}{
		{ListOptions{}, "/d", "a\nb\ns\n"},
		{ListOptions{All: true}, "/d", ".h\na\nb\ns\n"},
		{ListOptions{Reverse: true}, "/d", "s\nb\na\n"},
		{ListOptions{BySize: true}, "/d", "s\na\nb\n"},
		{ListOptions{ByTime: true, Reverse: true}, "/d", "b\na\ns\n"},
		{ListOptions{Dirs: true}, "/d /f", "d\nf\n"},
		{ListOptions{}, "/f", "f\n"},
		{ListOptions{}, "/l", "a\nb\ns\n"},
		{ListOptions{}, "/dangling", "dangling\n"},
		{ListOptions{}, "/d /f", "f\n\nd:\na\nb\ns\n"},
		{ListOptions{Recursive: true}, "/d", "d:\na\nb\ns\n\nd/s:\ne\nx\n\nd/s/e:\n"},
		{ListOptions{}, "/esc\x1b[2J", `esc\x1b[2J` + "\n"},
		{ListOptions{Width: 80}, "/d", "a  b  s\n"},
		{ListOptions{Width: 5}, "/d", "a  s\nb\n"},
		{ListOptions{Long: true}, "/d", "" +
			"-rw-r--r-- ? 1000 100 3 2026-01-02 03:04 a\n" +
			"-rw-r--r-- ? 1000 100 2 2026-01-02 03:04 b\n" +
			"drwxr-xr-x ? 1000 100 5 2026-01-02 03:04 s\n"},
		{ListOptions{Long: true}, "/l", "lrwxrwxrwx ? 1000 100 8 2026-01-02 03:04 l -> d\n"},
	} {
		if got, errs := listing(t, f, test.o, strings.Fields(test.paths)...); got != test.want || len(errs) > 0 {
			t.Errorf("%+v %s:\n%swant\n%s%v", test.o, test.paths, got, test.want, errs)
		}
	}
}

func TestListGoesOnAfterErrors(t *testing.T) {
	t.Parallel()
	f := fake("/d/", "/d/no!/", "/d/z/", "/d/z/f")
	got, errs := listing(t, f, ListOptions{Recursive: true}, "/missing", "/d")
	if want := "d:\nno!\nz\n\nd/no!:\n\nd/z:\nf\n"; got != want {
		t.Errorf("%s", got)
	}
	if len(errs) != 2 || !errors.Is(errs[0], fs.ErrNotExist) || !errors.Is(errs[1], fs.ErrPermission) {
		t.Errorf("%v", errs)
	}
}

// endless is a server whose directories have no end.
type endless struct{ fakeFS }

func (endless) ReadDir(context.Context, string, bool) ([]Entry, error) {
	return []Entry{{Name: "d", Mode: fs.ModeDir}}, nil
}

func TestListDepthIsBounded(t *testing.T) {
	t.Parallel()
	_, errs := listing(t, endless{fake()}, ListOptions{Recursive: true}, "/")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "nested too deep") {
		t.Errorf("%v", errs)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	f := fake("/d/", "/d/a\x1b<\u009b\u202e\U000e0001é", "/d/raw\xff", "/d/z->\xfe")
	got, _ := listing(t, f, ListOptions{JSON: true, Recursive: true}, "/d")
	want := `{"v":1,"path":"d/a\u001b<\u009b\u202e\udb40\udc01é","type":"file","size":2,"mode":"0644","mtime":"2026-01-02T03:04:01Z","uid":1000,"gid":100}
{"v":1,"path_b64":"ZC9yYXf/","type":"file","size":3,"mode":"0644","mtime":"2026-01-02T03:04:02Z","uid":1000,"gid":100}
{"v":1,"path":"d/z","type":"symlink","size":4,"mode":"0777","mtime":"2026-01-02T03:04:03Z","uid":1000,"gid":100,"link_b64":"/g=="}
`
	if got != want {
		t.Errorf("%swant\n%s", got, want)
	}
	var e struct{ Path string }
	if err := json.Unmarshal([]byte(strings.SplitN(got, "\n", 2)[0]), &e); err != nil || e.Path != "d/a\x1b<\u009b\u202e\U000e0001é" {
		t.Errorf("it reads back as %q, %v", e.Path, err)
	}
	if s := JSONTime(time.Unix(1<<60, 0)); s != "1970-01-01T00:00:00Z" {
		t.Errorf("a year beyond RFC 3339: %s", s)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]string{
		0o644: "-rw-r--r-- 0644 file", fs.ModeDir | fs.ModeSticky | 0o777: "drwxrwxrwt 1777 dir",
		fs.ModeSetuid | 0o755: "-rwsr-xr-x 4755 file", fs.ModeSetgid | 0o644: "-rw-r-Sr-- 2644 file",
		fs.ModeSymlink | 0o777: "lrwxrwxrwx 0777 symlink", fs.ModeNamedPipe: "p--------- 0000 fifo",
		fs.ModeSocket: "s--------- 0000 socket", fs.ModeDevice: "b--------- 0000 blockdev",
		fs.ModeDevice | fs.ModeCharDevice: "c--------- 0000 chardev", fs.ModeIrregular: "?--------- 0000 unknown",
	} {
		if got := modeText(mode) + " " + octal(mode) + " " + typeName(mode); got != want {
			t.Errorf("%v: %s, want %s", mode, got, want)
		}
		if back := fileMode(unixMode(mode)); back != mode&^fs.ModeType {
			t.Errorf("%v comes back as %v", mode, back)
		}
	}
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1024: "1.0K", 10 << 10: "10K", 1<<20 - 1: "1.0M", 5 << 30: "5.0G", 1<<63 - 1: "8.0E"} {
		if got := size(n, true); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
	if got := dfText(4096, 100, 40, 30, false); !strings.Contains(got, "400          240          120    67%") {
		t.Errorf("df:\n%s", got)
	}
	_ = dfText(0, 0, 1, 0, true)
	_ = dfText(1<<63, 1<<63, 1<<63, 1<<63, true) // what a server may say
}

func TestParseMode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		old  uint32
		dir  bool
		want uint32
	}{
		{"640", 0o777, false, 0o640},
		{"4755", 0, false, 0o4755},
		{"u+x", 0o644, false, 0o744},
		{"+x", 0o644, false, 0o755},
		{"go-rwx", 0o755, false, 0o700},
		{"u=rw,go=r", 0o777, false, 0o644},
		{"a+X", 0o644, false, 0o644},
		{"a+X", 0o644, true, 0o755},
		{"a+X", 0o744, false, 0o755},
		{"u+s,g+s,+t", 0o755, false, 0o7755},
		{"u-s", 0o4755, false, 0o755},
		{"g=u", 0, false, 1 << 20},
		{"", 0, false, 1 << 20},
		{"8", 0, false, 1 << 20},
		{"77777", 0, false, 1 << 20},
		{"u", 0, false, 1 << 20},
		{"u+x,", 0, false, 1 << 20},
		{"u+w-x", 0o555, false, 0o655},
		{"-x", 0o755, false, 0o644},
	} {
		got, err := parseMode(test.text, test.old, test.dir)
		if test.want == 1<<20 {
			if !errors.Is(err, ErrUsage) {
				t.Errorf("%q: %o, %v; want a usage error", test.text, got, err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s on %o: %o, %v; want %o", test.text, test.old, got, err, test.want)
		}
	}
}
