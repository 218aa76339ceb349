package sshconn_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

const configText = `
# comment
Host foo
  HostName foo.example.com
  Port = 2222
  User bob
Host !bar *.example.org
  User carol
Host bar baz?
  Port=7
  HostName "%h.internal"
Host q !q
  Port 44
Match originalhost mo user root
  Port 45
Match !host nohost,other
  HostKeyAlias alias-%
Match host *.internal
  ConnectTimeout 12
Match final host foo.example.com
  IdentitiesOnly yes
Match all
  IdentityFile /keys/%n-%h-%p-%r-%%
Host *
  User default
  IdentityFile "/keys/with space"
  StrictHostKeyChecking accept-new
  UserKnownHostsFile /kh/%n /kh/second
  HashKnownHosts yes
  SomethingUnknown with "unbalanced
`

func TestResolve(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "config", configText)
	for _, test := range []struct {
		c    sshconn.Config
		want string // hostname port user identitiesonly timeout identity
	}{
		{sshconn.Config{Host: "foo"}, "foo.example.com 2222 bob true 30s /keys/foo-foo.example.com-2222-bob-%"},
		{sshconn.Config{Host: "foo", User: "me", Port: 1}, "foo.example.com 1 me true 30s /keys/foo-foo.example.com-1-me-%"},
		{sshconn.Config{Host: "a.example.org"}, "a.example.org 22 carol false 30s /keys/a.example.org-a.example.org-22-carol-%"},
		{sshconn.Config{Host: "bar"}, "bar.internal 7 default false 12s /keys/bar-bar.internal-7-default-%"},
		{sshconn.Config{Host: "bazX", ConnectTimeout: time.Minute}, "bazx.internal 7 default false 1m0s /keys/bazX-bazx.internal-7-default-%"},
		{sshconn.Config{Host: "q"}, "q 22 default false 30s /keys/q-q-22-default-%"},
		{sshconn.Config{Host: "mo", User: "root"}, "mo 45 root false 30s /keys/mo-mo-45-root-%"},
	} {
		test.c.ConfigFile, test.c.SSH = file, "none"
		r, err := sshconn.Resolve(t.Context(), test.c)
		got := fmt.Sprintf("%s %d %s %v %v", r.HostName, r.Port, r.User, r.IdentitiesOnly, r.ConnectTimeout)
		if err != nil || len(r.IdentityFiles) != 2 {
			t.Errorf("%+v: %v %q", test.c, err, r.IdentityFiles)
			continue
		}
		if got += " " + r.IdentityFiles[0]; got != test.want {
			t.Errorf("%s: %s, want %s", test.c.Host, got, test.want)
		}
		if r.StrictHostKeyChecking != sshconn.AcceptNew || !r.HashKnownHosts || r.HostKeyAlias != "alias-%" ||
			!slices.Equal(r.UserKnownHosts, []string{"/kh/" + test.c.Host, "/kh/second"}) || len(r.Warnings) != 0 {
			t.Errorf("%s: %+v", test.c.Host, r)
		}
	}
}

// The same text means the same to ssh -G.
func TestResolveAsSSH(t *testing.T) {
	t.Parallel()
	ssh := sshtest.Require(t, "sshd", "ssh")
	file := writeFile(t, "config", strings.Replace(configText, "SomethingUnknown with \"unbalanced", "", 1))
	for _, host := range []string{"foo", "Foo", "bar", "bazX", "baz", "q", "a.example.org", "mo", "other", "nohost", "X.INTERNAL", "::1"} {
		out, err := exec.Command(ssh, "-G", "-F", file, host).Output()
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for l := range strings.Lines(string(out)) {
			k, v, _ := strings.Cut(strings.TrimSpace(l), " ")
			said[k] = v
		}
		r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: host, ConfigFile: file, SSH: "none"})
		if err != nil {
			t.Fatal(err)
		}
		for key, got := range map[string]string{
			"hostname": r.HostName, "port": fmt.Sprint(r.Port), "user": r.User, "hostkeyalias": r.HostKeyAlias,
			"stricthostkeychecking": string(r.StrictHostKeyChecking), "identitiesonly": yesNo(r.IdentitiesOnly), "hashknownhosts": yesNo(r.HashKnownHosts),
			"userknownhostsfile": strings.Join(r.UserKnownHosts, " "),
		} {
			if want := said[key]; got != want && !(key == "userknownhostsfile") {
				t.Errorf("%s: %s is %q, ssh says %q", host, key, got, want)
			}
		}
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func TestResolveInclude(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("1.conf", "Host other\n Port 1\n")
	put("2.conf", "Port 2\nHost h\n User inner\n")
	put("loop", "Include "+filepath.Join(dir, "loop")+"\n")
	put("a", "Host none\n Include "+dir+"/loop\nHost h\n Include "+dir+"/*.conf "+dir+"/missing\n HostName outer\n")
	r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: filepath.Join(dir, "a"), SSH: "none"})
	if err != nil || r.Port != 2 || r.User != "inner" || r.HostName != "outer" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: filepath.Join(dir, "loop"), SSH: "none"}); !errors.Is(err, sshconn.ErrConfig) {
		t.Errorf("a loop of includes: %v", err)
	}
}

func TestResolveUnknownMatch(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "config", "Match exec \"true\" host h\n Port 1\nMatch host h tagged x\n Port 2\nMatch final all\n Port 3\n")
	r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: file, SSH: "none"})
	if err != nil || r.Port != 3 || len(r.Warnings) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestResolveErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Port x", "Port 0", "Port 65536", "Port", "Host", "Match", "HostName a;b", "HostName -x", "User -x", "StrictHostKeyChecking maybe", "IdentitiesOnly x",
		"IdentityFile \"/open", "IdentityFile /a%z", "IdentityFile /a%", "IdentityFile ${GOSYNC_NOT_SET}/x", "IdentityFile ${x", "HostName %p",
		"ConnectTimeout soon", "ProxyJump ,b", "ProxyJump -x", "ProxyJump a:0", "ProxyJump [::1", "ProxyCommand nc %z", "ServerAliveInterval x", "ServerAliveCountMax -1", "AddressFamily inet5", "CertificateFile %z", "ControlPath %", "PubkeyAuthentication x", "Include", "Host \"a", "Match host", "Include [",
	} {
		r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: writeFile(t, "config", text+"\n"), SSH: "none"})
		if text == "Match host" { // no more than a block that does not apply
			if err != nil || len(r.Warnings) != 1 {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if !errors.Is(err, sshconn.ErrConfig) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, c := range []sshconn.Config{
		{},
		{Host: "-oProxyCommand=x"},
		{Host: "a b"},
		{Host: "h", User: "-x"},
		{Host: "h", Port: -1},
		{Host: "h", Port: 65536},
		{Host: "h", ConfigFile: "/nonexistent/config"},
		{Host: "h", StrictHostKeyChecking: "x"},
	} {
		if c.ConfigFile == "" {
			c.ConfigFile = "none"
		}
		if _, err := sshconn.Resolve(t.Context(), c); !errors.Is(err, sshconn.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Not parallel: these set the environment.
func TestResolveHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	t.Setenv("GOSYNC_DIR", "/env")
	path := filepath.Join(home, ".ssh", "config")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "Host h\nIdentityFile ~/k1\nIdentityFile ${GOSYNC_DIR}/k2\nIdentityFile %d/%u/k3\nHost i\nIdentityAgent $GOSYNC_DIR\nHost j\nIdentityAgent none\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string][2]string{
		"h": {home + "/k1 /env/k2 " + home + "/" + u.Username + "/k3", "/agent"},
		"i": {"", "/env"},
		"j": {"", ""},
	} {
		r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: host, SSH: "none"})
		if err != nil {
			t.Fatal(err)
		}
		if want[0] != "" && strings.Join(r.IdentityFiles, " ") != want[0] || want[0] == "" && r.IdentityFiles[0] != home+"/.ssh/id_rsa" || r.IdentityAgent != want[1] {
			t.Errorf("%s: %q, agent %q", host, r.IdentityFiles, r.IdentityAgent)
		}
		if r.UserKnownHosts[0] != home+"/.ssh/known_hosts" {
			t.Errorf("%q", r.UserKnownHosts)
		}
	}
	// A file that others may write decides nothing.
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", SSH: "none"}); !errors.Is(err, sshconn.ErrConfig) || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("writable by all: %v", err)
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{configText, "Match host \"a b\" !user x", "Host=a\\ b", "Port = 1\nIdentityFile '%d", "Match final\nHostName %%h", "IdentityFile #\n"} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "config")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // no other files
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "some.host", User: "u", ConfigFile: path, SSH: "none"})
		if err != nil {
			if !errors.Is(err, sshconn.ErrConfig) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if r.Port < 1 || r.Port > 65535 || sshconn.ValidHost(r.HostName) != nil || r.User != "u" || r.ConnectTimeout <= 0 {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}
