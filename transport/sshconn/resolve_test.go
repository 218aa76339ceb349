package sshconn_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// sshG is what ssh itself says about a host, all values of each keyword.
func sshG(t *testing.T, file, host string, more ...string) map[string][]string {
	t.Helper()
	ssh := sshtest.Require(t, "sshd", "ssh")
	out, err := exec.Command(ssh, slices.Concat([]string{"-G", "-T", "-F", file}, more, []string{"--", host})...).Output()
	if err != nil {
		t.Fatalf("ssh -G %s: %v", host, err)
	}
	said := map[string][]string{}
	for l := range strings.Lines(string(out)) {
		k, v, _ := strings.Cut(strings.TrimRight(l, "\n"), " ")
		said[k] = append(said[k], v)
	}
	return said
}

// A configuration with Match exec, Include and tokens resolves to what ssh -G says, field by field.
func TestResolveBySSH(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	inner := writeFile(t, "inner", "Host far*\n  Port 2200\n  ServerAliveInterval 2m\n")
	file := writeFile(t, "config", `Include `+inner+`
Match originalhost far exec "test %n = far"
  User executed
  HostKeyAlias alias-of-far
Match exec "exit 1"
  User never
Host far
  HostName %h.example.com
  ProxyJump one@j1:2201,[::1]:33
  ControlPath /run/cm-%C
  IdentityFile ~/keys/%r@%h
  IdentityFile "/with space/%%k"
  CertificateFile ~/keys/%n-cert.pub
  UserKnownHostsFile "/a b/known" /c/%h
  Ciphers aes256-ctr,chacha20-poly1305@openssh.com
  KexAlgorithms ^ecdh-sha2-nistp384
  AddressFamily inet6
  BindAddress ::1
  ConnectTimeout 1m5s
  StrictHostKeyChecking accept-new
  IdentitiesOnly yes
  PreferredAuthentications password,publickey
Host cmd
  ProxyCommand nc -x "%r" %h %p # %%
`)
	c := sshconn.Config{Host: "far", ConfigFile: file}
	r, err := sshconn.Resolve(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	said := sshG(t, file, "far")
	home := strings.TrimSuffix(sshG(t, "none", "h")["userknownhostsfile"][0], "/.ssh/known_hosts /root/.ssh/known_hosts2")
	home, _, _ = strings.Cut(home, "/.ssh/known_hosts")
	jumps := []string{}
	for _, j := range r.ProxyJump {
		jumps = append(jumps, j.String())
	}
	for _, f := range []struct{ key, got string }{
		{"hostname", r.HostName},
		{"port", fmt.Sprint(r.Port)},
		{"user", r.User},
		{"hostkeyalias", r.HostKeyAlias},
		{"controlpath", r.ControlPath},
		{"userknownhostsfile", strings.Join(r.UserKnownHosts, " ")},
		{"globalknownhostsfile", strings.Join(r.GlobalKnownHosts, " ")},
		{"ciphers", strings.Join(r.Ciphers, ",")},
		{"bindaddress", r.BindAddress},
		{"connecttimeout", fmt.Sprint(r.ConnectTimeout.Seconds())},
		{"serveraliveinterval", fmt.Sprint(r.ServerAliveInterval.Seconds())},
		{"serveralivecountmax", fmt.Sprint(r.ServerAliveCountMax)},
		{"stricthostkeychecking", string(r.StrictHostKeyChecking)},
		{"identitiesonly", yesNo(r.IdentitiesOnly)},
		{"batchmode", yesNo(r.BatchMode)},
		{"preferredauthentications", strings.Join(r.Methods, ",")},
		{"proxyjump", strings.Join(jumps, ",")},
	} {
		want := strings.Join(said[f.key], "|")
		if f.got != want {
			t.Errorf("%s: %q, ssh says %q", f.key, f.got, want)
		}
	}
	if r.User != "executed" || r.Port != 2200 || r.AddressFamily != "tcp6" || r.KexAlgorithms[0] != "ecdh-sha2-nistp384" || len(r.KexAlgorithms) < 4 {
		t.Errorf("%+v", r)
	}
	// These ssh -G leaves unexpanded.
	if want := []string{home + "/keys/executed@far.example.com", "/with space/%k"}; !slices.Equal(r.IdentityFiles, want) {
		t.Errorf("identities %q, want %q", r.IdentityFiles, want)
	}
	if want := []string{home + "/keys/far-cert.pub"}; !slices.Equal(r.CertificateFiles, want) {
		t.Errorf("certificates %q, want %q", r.CertificateFiles, want)
	}
	c.Host = "cmd"
	c.Options = []string{"User=first", "User=second", "Port 99"}
	if r, err = sshconn.Resolve(t.Context(), c); err != nil || r.ProxyCommand != `nc -x "first" cmd 99 # %` || len(r.ProxyJump) != 0 {
		t.Errorf("%q, %v", r.ProxyCommand, err)
	}
	c.Port, c.User = 7, "field"
	if r, err = sshconn.Resolve(t.Context(), c); err != nil || r.User != "field" || r.Port != 7 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What ssh refuses is refused with its words, and what takes too long ends with the context.
func TestResolveBySSHFails(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	file := writeFile(t, "config", "Prot 22\n")
	_, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: file})
	if !errors.Is(err, sshconn.ErrConfig) || !strings.Contains(err.Error(), "line 1: Bad configuration option: prot") {
		t.Error(err)
	}
	_, err = sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: writeFile(t, "config", "Host *\nProxyJump h\n")})
	if !errors.Is(err, sshconn.ErrConfig) {
		t.Error(err)
	}
	for _, o := range []string{"Port=2\nUser=x", "Port=2\x00"} {
		if _, err = sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: "none", Options: []string{o}}); !errors.Is(err, sshconn.ErrConfig) {
			t.Errorf("%q: %v", o, err)
		}
	}
	ctx, cancel := contextFor(t, 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = sshconn.Resolve(ctx, sshconn.Config{Host: "h", ConfigFile: writeFile(t, "config", "Match exec \"sleep 30\"\nPort 2\n")})
	if !errors.Is(err, ctx.Err()) || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// An ssh that does not know -G gives way to the own parser.
func TestResolveByOldSSH(t *testing.T) {
	t.Parallel()
	old := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho 'unknown option -- G' >&2\nexit 255\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "config", "Port 44\n")
	for _, program := range []string{old, "/nonexistent/ssh", "none"} {
		r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: file, SSH: program})
		if err != nil || r.Port != 44 {
			t.Errorf("%s: %d, %v", program, r.Port, err)
		}
	}
}

// The own parser and ssh -G come to the same for each of these.
func TestOwnParserAsSSH(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	inner := writeFile(t, "inner", "Port 10\nHost box\n User in\nHost other\n User not\n")
	configs := []string{
		"", "Port 9", "port=9", "Port = 9 ", "PORT\t9", "Host box # comment\n Port 9", "Host \"box\"\n Port 9\nHost *\n Port 8",
		"Host !box *\n Port 9", "Host b?x\n Port 9\n User u", "HostName %h.example.com", "HostName X.Example", "User \"with space\"",
		"Match all\n Port 3", "Match host box\n Port 3", "Match host b*,!box\n Port 3", "HostName y.z\nMatch host y.z\n Port 3",
		"HostName y.z\nMatch originalhost box\n Port 3", "Match user nobody\n Port 3", "Match localuser root,nobody\n Port 3", "Match !localuser zz\n Port 3",
		"Match final\n Port 3\n IdentityFile /k2\nHost *\n IdentityFile /k1", "Match canonical\n Port 3", "HostName y\nMatch final host y\n Port 5",
		"Include " + inner, "Host other\n Include " + inner, "Host box\n Include " + inner + "\n Port 11", "Include /nonexistent/*\nPort 5",
		"IdentityFile ~/a\nIdentityFile \"/b c/%r@%h-%n-%p\"\nIdentityFile ~/a", "IdentityFile none", "CertificateFile ~/c\nCertificateFile /d-%u",
		"IdentitiesOnly yes\nBatchMode yes\nHashKnownHosts yes\nServerAliveInterval 0" /* Debian ties them */, "IdentityAgent none", "IdentityAgent ~/agent-%h", "IdentityAgent SSH_AUTH_SOCK",
		"UserKnownHostsFile /a /b", "UserKnownHostsFile \"/a b\" ~/c-%h", "UserKnownHostsFile none", "GlobalKnownHostsFile /x /y",
		"StrictHostKeyChecking no", "StrictHostKeyChecking off", "StrictHostKeyChecking accept-new", "StrictHostKeyChecking yes", "HostKeyAlias %h",
		"ConnectTimeout 9", "ConnectTimeout 1h2m3s", "ConnectTimeout none", "ServerAliveInterval 15\nServerAliveCountMax 2",
		"AddressFamily inet", "BindAddress 127.0.0.1", "ProxyJump a,u@b:3,[::1]:4", "ProxyJump none\nProxyCommand nc %h", "ProxyCommand nc \"%h\" %p # 'x",
		"ProxyJump a\nProxyCommand nc", "ProxyCommand none\nProxyJump a", "ProxyCommand nc\nProxyJump a", "ProxyJump ssh://u@h:5", "ControlPath /s/%C", "ControlPath ~/%r@%h:%p-%n", "ControlPath none",
		"Ciphers aes256-ctr,aes128-ctr", "Ciphers +3des-cbc", "Ciphers ^aes256-ctr", "KexAlgorithms curve25519-sha256", "KexAlgorithms +diffie-hellman-group14-sha1",
		"KexAlgorithms ^ecdh-sha2-nistp521", "MACs hmac-sha2-256", "HostKeyAlgorithms ssh-ed25519", "HostKeyAlgorithms +ssh-rsa",
		"PubkeyAcceptedAlgorithms ssh-ed25519", "PubkeyAuthentication no", "PasswordAuthentication no\nKbdInteractiveAuthentication no",
		"PreferredAuthentications keyboard-interactive,publickey", "NumberOfPasswordPrompts 1", "GSSAPIAuthentication yes\nPreferredAuthentications gssapi-with-mic",
		"PKCS11Provider /lib/x.so", "KnownHostsCommand /bin/echo %H", "RevokedHostKeys /r", "VerifyHostKeyDNS yes", "HostbasedAuthentication yes", "BindInterface lo",
	}
	slots := make(chan struct{}, 2)
	for _, text := range configs {
		t.Run(strings.ReplaceAll(text, "\n", ";"), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			c := sshconn.Config{Host: "box", ConfigFile: writeFile(t, "config", text+"\n")}
			bySSH, err := sshconn.Resolve(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			c.SSH = "none"
			own, err := sshconn.Resolve(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			same(t, own, bySSH)
		})
	}
}

// same compares two resolutions field by field, those that are not exported by their text.
func same(t *testing.T, own, bySSH sshconn.Resolved) {
	t.Helper()
	a, b := reflect.ValueOf(own), reflect.ValueOf(bySSH)
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		x, y := fmt.Sprintf("%q", a.Field(i)), fmt.Sprintf("%q", b.Field(i))
		if name == "KexAlgorithms" { // ssh knows its own list only, and the library's has more
			x, y = strings.ReplaceAll(x, `"mlkem768x25519-sha256" `, ""), strings.ReplaceAll(y, `"mlkem768x25519-sha256" `, "")
		}
		if x != y {
			t.Errorf("%s: own parser %s, ssh -G %s", name, x, y)
		}
	}
}

func TestAlgorithmLists(t *testing.T) {
	t.Parallel()
	const gcm, ctr = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com", "aes128-ctr,aes192-ctr,aes256-ctr"
	const old = "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com" // ssh 9.2's default
	for _, test := range []struct{ setting, written, dumped string }{
		{"aes256-ctr,xyz", "aes256-ctrtrue", "aes256-ctrtrue"},
		{"xyz", "false", "false"},
		{"+aes128-cbc,xyz", gcm + "," + ctr + ",aes128-cbctrue", ""},
		{"^aes256-ctr", "aes256-ctr," + gcm + ",aes128-ctr,aes192-ctrtrue", ""},
		{"-aes*-ctr", gcm + "true", ""},
		{"-*", "false", ""},
		{old, old + "true", "true"},
		{old + ",aes128-cbc", "", gcm + "," + ctr + ",aes128-cbctrue"},
		{"aes256-ctr," + strings.Replace(old, ",aes256-ctr", "", 1), "", "aes256-ctr," + gcm + ",aes128-ctr,aes192-ctrtrue"},
	} {
		written, dumped := sshconn.Algorithms("ciphers", test.setting)
		if test.written != "" && written != test.written || test.dumped != "" && dumped != test.dumped {
			t.Errorf("%s:\nwritten %s\nwant    %s\ndumped %s\nwant   %s", test.setting, written, test.written, dumped, test.dumped)
		}
	}
}

// The commands that only the ssh program can do, by name.
func TestNeedsCommand(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "",
		"GSSAPIAuthentication yes":    "",
		"PKCS11Provider /x":           "PKCS11Provider",
		"PKCS11Provider none":         "",
		"KnownHostsCommand /bin/x %H": "KnownHostsCommand",
		"HostbasedAuthentication yes": "HostbasedAuthentication",
		"VerifyHostKeyDNS yes":        "VerifyHostKeyDNS",
		"VerifyHostKeyDNS ask":        "",
		"GSSAPIAuthentication yes\nPreferredAuthentications gssapi-with-mic": "GSSAPIAuthentication",
		"RevokedHostKeys /x":                    "RevokedHostKeys",
		"Ciphers umac":                          "ciphers umac",
		"SecurityKeyProvider /lib/sk.so":        "SecurityKeyProvider",
		"IdentityFile KEY":                      "security key of ",
		"IdentityFile KEY\nIdentityAgent AGENT": "",
	} {
		key, agentPath := securityKey(t)
		text = strings.NewReplacer("KEY", key, "AGENT", agentPath).Replace(text)
		if !strings.Contains(text, "IdentityAgent") {
			text += "\nIdentityAgent none"
		}
		if !strings.Contains(text, "IdentityFile") {
			text += "\nIdentityFile none"
		}
		r, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", ConfigFile: writeFile(t, "config", text+"\n"), SSH: "none"})
		if err != nil {
			t.Fatal(err)
		}
		if got := sshconn.NeedsCommand(t.Context(), &r); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// What must not be left out is refused without the ssh program.
	_, err := sshconn.Dial(t.Context(), sshconn.Config{Host: "127.0.0.1", ConfigFile: writeFile(t, "config", "RevokedHostKeys /x\n"), SSH: "none", Prompt: noPrompt})
	if !errors.Is(err, sshconn.ErrCommandOnly) || !errors.Is(err, sshconn.ErrConfig) {
		t.Error(err)
	}
}

func FuzzParseDump(f *testing.F) {
	f.Add([]byte("host box\nuser root\nhostname box\nport 22\nidentityfile ~/.ssh/id_rsa\nproxyjump a,b:2\nciphers a,b\n"))
	f.Add([]byte("user u\nhostname h\nuserknownhostsfile /a b /c\ncontrolpath /x%y\nproxycommand nc %h %%\nconnecttimeout 1h\n"))
	f.Add([]byte("user u\nhostname h\r\nidentityagent $X\nproxyjump [::1]:2,ssh://u@h\nrevokedhostkeys none\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		r, err := sshconn.ResolveDump(sshconn.Config{Host: "some.host"}, out)
		if err != nil {
			return
		}
		if r.Port < 1 || r.Port > 65535 || sshconn.ValidHost(r.HostName) != nil || sshconn.ValidUser(r.User) != nil || r.ConnectTimeout <= 0 ||
			r.ServerAliveInterval < 0 || r.ServerAliveCountMax < 0 || r.ProxyCommand != "" && len(r.ProxyJump) > 0 {
			t.Fatalf("%q: %+v", out, r)
		}
		for _, j := range r.ProxyJump {
			if sshconn.ValidHost(j.Host) != nil || j.Port < 0 || j.Port > 65535 {
				t.Fatalf("%q: %+v", out, j)
			}
		}
	})
}
