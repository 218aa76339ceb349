package transport

import (
	"errors"
	"runtime"
	"testing"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	remote := func(user, host string, port int, path string) Target {
		return Target{Remote: true, User: user, Host: host, Port: port, Path: path}
	}
	local := func(path string) Target { return Target{Path: path} }
	for arg, want := range map[string]Target{
		"dir":                          local("dir"),
		"./a:b":                        local("./a:b"),
		"/abs:x":                       local("/abs:x"),
		"a/b:c":                        local("a/b:c"),
		"[::1:b":                       local("[::1:b"),
		"[x]":                          local("[x]"),
		"a/b://c":                      local("a/b://c"),
		"-rf":                          local("-rf"),
		"user@host":                    local("user@host"),
		"host:path":                    remote("", "host", 0, "path"),
		"host:":                        remote("", "host", 0, ""),
		"host:/a b/$(x)\n":             remote("", "host", 0, "/a b/$(x)\n"),
		"host:-rf":                     remote("", "host", 0, "-rf"),
		"host:a:b":                     remote("", "host", 0, "a:b"),
		"host:~/x":                     remote("", "host", 0, "~/x"),
		"host://x":                     remote("", "host", 0, "//x"),
		"u@host:p":                     remote("u", "host", 0, "p"),
		"a@b@host:p":                   remote("a@b", "host", 0, "p"),
		`DOM\u@host:p`:                 remote(`DOM\u`, "host", 0, "p"),
		"[::1]:p":                      remote("", "::1", 0, "p"),
		"u@[fe80::1%eth0]:/p":          remote("u", "fe80::1%eth0", 0, "/p"),
		"[host]:p":                     remote("", "host", 0, "p"),
		":p":                           {Remote: true, SameHost: true, Path: "p"},
		":":                            {Remote: true, SameHost: true},
		"ssh://h/abs":                  remote("", "h", 0, "/abs"),
		"ssh://h":                      remote("", "h", 0, ""),
		"ssh://h/":                     remote("", "h", 0, "/"),
		"ssh://h/~":                    remote("", "h", 0, ""),
		"ssh://h/~/x":                  remote("", "h", 0, "x"),
		"ssh://h/./x":                  remote("", "h", 0, "x"),
		"ssh://h/.//x":                 remote("", "h", 0, "x"),
		"ssh://h/./~x":                 remote("", "h", 0, "./~x"),
		"ssh://h/~bob/x":               remote("", "h", 0, "~bob/x"),
		"ssh://u@h:2222/x%20y":         remote("u", "h", 2222, "/x y"),
		"ssh://u%40d@h/x":              remote("u@d", "h", 0, "/x"),
		"ssh://[::1]:22/x":             remote("", "::1", 22, "/x"),
		"ssh://[fe80::1%25lo]:22/x":    remote("", "fe80::1%lo", 22, "/x"),
		"ssh://h:/x":                   remote("", "h", 0, "/x"),
		"ssh:x":                        remote("", "ssh", 0, "x"),
		"scp:x":                        remote("", "scp", 0, "x"),
		"scp://h":                      remote("", "h", 0, ""),
		"scp://h/":                     remote("", "h", 0, ""),
		"scp://h/a/b":                  remote("", "h", 0, "a/b"),
		"scp://h//abs":                 remote("", "h", 0, "/abs"),
		"scp://u@h:22/~/x%20y":         remote("u", "h", 22, "x y"),
		"scp://[::1]:22/x":             remote("", "::1", 22, "x"),
		"sftp://u@h:22/x":              remote("u", "h", 22, "x"),
		"host:\xff\x01":                remote("", "host", 0, "\xff\x01"),
		"h.example.com:dir/../x with ": remote("", "h.example.com", 0, "dir/../x with "),
	} {
		got, err := ParseTarget(arg)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", arg, got, err, want)
			continue
		}
		if again, err := ParseTarget(got.String()); err != nil || again != got {
			t.Errorf("%q: String %q reads back as %+v, %v", arg, got.String(), again, err)
		}
	}
}

func TestParseScpTarget(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]Target{
		":x":          {Path: ":x"},
		"h::x":        {Remote: true, Host: "h", Path: ":x"},
		"u@[::1]::x":  {Remote: true, User: "u", Host: "::1", Path: ":x"},
		"h:x":         {Remote: true, Host: "h", Path: "x"},
		"scp://h:2/x": {Remote: true, Host: "h", Port: 2, Path: "x"},
		"./h:x":       {Path: "./h:x"},
	} {
		got, err := ParseScpTarget(arg)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", arg, got, err, want)
		}
		if again, err := ParseTarget(got.String()); err != nil || again.Remote != want.Remote || again.Host != want.Host || again.Path != want.Path && again.Path != "./"+want.Path {
			t.Errorf("%q: %q reads back as %+v, %v", arg, got.String(), again, err)
		}
	}
	for _, arg := range []string{"", "-oX::y", "h h::y", "u@::y", ":x\x00", "h::\x00", "h:\x00"} {
		if got, err := ParseScpTarget(arg); !errors.Is(err, ErrTarget) {
			t.Errorf("%q: %+v, %v", arg, got, err)
		}
	}
}

// None of these may ever come near a process or a resolver.
func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{
		"", "a\x00b", "h:a\x00b", "host::module", "u@host::module/x", "rsync://host/mod", "RSYNC://host/mod", "SCP://h/x", "scp://", "scp:///x",
		"scp://u:pw@h/x", "sftp://h:0/x", "scp://h/%00", "scp://::1/x",
		"https://h/x", "::mod", "-oProxyCommand=id:x", "-h:x", "u@-h:x", "-l@h:x", "@h:x", "u@:x", "h h:x", "h\nh:x", "h\th:x", "h;id:x",
		"h|id:x", "h&id:x", "h`id`:x", "$(id):x", "$HOME:x", "h>f:x", "h<f:x", "h'x:y", `h"x:y`, `h\x:y`, "h{a}:x", "h(a):x", "u;id@h:x",
		"u`id`@h:x", "u$(id)@h:x", "u|v@h:x", "a -oX@h:x", `u\@h:x`, "\x7fh:x", "u\x1b@h:x", "[::g]:x", "[:@[::1]:x", "a]b:x", "u@[::1]x:y",
		"ssh://", "ssh:///x", "ssh://-oProxyCommand=x/y", "ssh://u@/x", "ssh://@h/x", "ssh://h:0/x", "ssh://h:65536/x", "ssh://h:-1/x",
		"ssh://h:22x/y", "ssh://u:pw@h/x", "ssh://h%2fx/y", "ssh://h/%00", "ssh://h/%zz", "ssh://h%0a/x", "ssh://::1/x", "ssh://[::1/x",
		"ssh://h h/x",
	} {
		if got, err := ParseTarget(arg); !errors.Is(err, ErrTarget) {
			t.Errorf("%q: %+v, %v", arg, got, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"a:b", "u@[::1]:p", "ssh://u@h:2/./~x", ":x", "./a", "ssh://h/~/x", "h://x", "a@b@c:d", "ssh://a%2fb@h/x", "scp://u@h:2/~/x", "sftp://h//a/./b", "scp://0:1//.", "scp://h:1//./x", "scp://h:1//~x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		got, err := ParseTarget(arg)
		if err != nil {
			if !errors.Is(err, ErrTarget) {
				t.Fatalf("%q: %v", arg, err)
			}
			return
		}
		if again, err := ParseTarget(got.String()); err != nil || again != got {
			t.Fatalf("%q: %+v, String %q reads back as %+v, %v", arg, got, got.String(), again, err)
		}
		if got.Remote && !got.SameHost && (got.Host == "" || got.Host[0] == '-') {
			t.Fatalf("%q: host %q", arg, got.Host)
		}
		if got.User != "" && got.User[0] == '-' || got.Port < 0 || got.Port > 65535 {
			t.Fatalf("%q: %+v", arg, got)
		}
	})
}

// TestWindowsPath: on Windows a letter before the first colon is a drive, and a backslash before it makes a path.
func TestWindowsPath(t *testing.T) {
	for arg, want := range map[string]string{
		`C:\dir`: "C:/dir", "C:/dir": "C:/dir", "c:": "c:", "z:rel": "z:rel", `\\server\share\x`: "//server/share/x",
		`dir\a:b`: "dir/a:b", "./a:b": "./a:b", `.\a:b`: "./a:b", "plain": "plain", `a\b`: "a/b", `\\?\C:\x`: "//?/C:/x",
	} {
		if got, ok := windowsPath(arg); !ok || got != want {
			t.Errorf("%q: %q, %v, want %q", arg, got, ok, want)
		}
	}
	for _, arg := range []string{"host:path", "me@c:path", "co:x", "1:x", ":x", "[::1]:x", `host:C:\dir`, "\u00e9:x", "_:x"} {
		if got, ok := windowsPath(arg); ok {
			t.Errorf("%q is the local path %q", arg, got)
		}
	}
	if runtime.GOOS == "windows" {
		if got, err := ParseTarget(`C:\dir`); err != nil || got.Remote || got.Path != "C:/dir" || got.String() != "C:/dir" {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
