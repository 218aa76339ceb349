package sshconn_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// Each row is a known_hosts file and what comes of it. "" means that the connection is made.
func TestHostKey(t *testing.T) {
	t.Parallel()
	_, ed := newKey(t, "ed25519")
	_, ec := newKey(t, "ecdsa")
	_, rsa := newKey(t, "rsa")
	_, other := newKey(t, "ed25519")
	_, ca := newKey(t, "ed25519")
	_, caRSA := newKey(t, "rsa")
	plain := []ssh.Signer{ed, ec, rsa}
	hour := time.Now().Add(time.Hour)
	certified := []ssh.Signer{hostCert(t, ca, ed, "127.0.0.1", hour), ed}

	for _, test := range []struct {
		name  string
		keys  []ssh.Signer
		known func(host string) string // host is [127.0.0.1]:port
		want  sshconn.HostKeyProblem
		line  int
	}{
		{"known", plain, func(h string) string { return line("", h, ed.PublicKey()) }, "", 0},
		{"known by ecdsa alone", plain, func(h string) string { return line("", h, ec.PublicKey()) }, "", 0},
		{"known by rsa alone", plain, func(h string) string { return line("", h, rsa.PublicKey()) }, "", 0},
		{"one of several", plain, func(h string) string { return line("", h, other.PublicKey()) + line("", h, ed.PublicKey()) }, "", 0},
		{"hashed", plain, func(h string) string { return line("", knownhosts.HashHostname(h), ec.PublicKey()) }, "", 0},
		{"hashed, changed", plain, func(h string) string { return line("", knownhosts.HashHostname(h), other.PublicKey()) }, sshconn.KeyChanged, 1},
		{"wildcard without port", plain, func(string) string { return line("", "127.0.0.*", ec.PublicKey()) }, "", 0},
		{"name without port", plain, func(string) string { return line("", "127.0.0.1", ec.PublicKey()) }, "", 0},
		{"name without port, another key", plain, func(string) string { return line("", "127.0.0.1", other.PublicKey()) }, sshconn.KeyUnknown, 0},
		{"other port", plain, func(string) string { return line("", "[127.0.0.1]:1", ed.PublicKey()) }, sshconn.KeyUnknown, 0},
		{"negated", plain, func(h string) string { return line("", "!"+h+",!127.0.0.1,*", ed.PublicKey()) }, sshconn.KeyUnknown, 0},
		{"empty", plain, func(string) string { return "" }, sshconn.KeyUnknown, 0},
		{"changed", plain, func(h string) string { return "# comment\n\n" + line("", h, other.PublicKey()) }, sshconn.KeyChanged, 3},
		{"other type only", []ssh.Signer{ec}, func(h string) string { return line("", h, ed.PublicKey()) }, sshconn.KeyChanged, 1},
		{"revoked", plain[:1], func(h string) string { return line("", h, ed.PublicKey()) + line("@revoked", "*", ed.PublicKey()) }, sshconn.KeyRevoked, 2},
		{"lines that do not parse", plain, func(h string) string {
			return "nonsense\n" + h + " ssh-ed25519 !!!\n" + h + " 1024 35 12345\n|1|x|y ssh-ed25519 AAAA\n@what " + line("", h, ec.PublicKey()) + line("", h, ed.PublicKey())
		}, "", 0},
		{"lines that do not parse, changed", plain, func(h string) string { return "nonsense\n" + line("", h, other.PublicKey()) }, sshconn.KeyChanged, 2},

		{"authority", certified, func(h string) string { return line("@cert-authority", h, ca.PublicKey()) }, "", 0},
		{"authority with another key type", []ssh.Signer{hostCert(t, caRSA, ed, "127.0.0.1", hour)}, func(string) string {
			return line("@cert-authority", "*", caRSA.PublicKey())
		}, "", 0},
		{"certificate expired", []ssh.Signer{hostCert(t, ca, ed, "127.0.0.1", time.Now().Add(-time.Hour))}, func(string) string {
			return line("@cert-authority", "*", ca.PublicKey())
		}, sshconn.KeyCertificate, 0},
		{"certificate of another host", []ssh.Signer{hostCert(t, ca, ed, "elsewhere", hour)}, func(string) string {
			return line("@cert-authority", "*", ca.PublicKey())
		}, sshconn.KeyCertificate, 0},
		{"authority revoked", certified[:1], func(h string) string {
			return line("@cert-authority", h, ca.PublicKey()) + line("@revoked", "*", ca.PublicKey())
		}, sshconn.KeyRevoked, 2},
		{"authority only revoked", []ssh.Signer{hostCert(t, ca, ed, "127.0.0.1", hour)}, func(h string) string {
			return line("@cert-authority", "*", other.PublicKey()) + line("@revoked", "*", ca.PublicKey())
		}, sshconn.KeyRevoked, 2},
		{"authority for all, plain key known", plain, func(h string) string {
			return line("@cert-authority", "*", ca.PublicKey()) + line("", h, ec.PublicKey())
		}, "", 0},
		{"authority for all, plain key unknown", plain, func(string) string { return line("@cert-authority", "*", ca.PublicKey()) }, sshconn.KeyUnknown, 0},
		{"other authority, plain key known", certified, func(h string) string {
			return line("@cert-authority", "*", other.PublicKey()) + line("", h, ed.PublicKey())
		}, "", 0},
	} {
		for _, policy := range []sshconn.Policy{sshconn.Yes, sshconn.Ask, sshconn.AcceptNew, sshconn.No} {
			t.Run(test.name+"/"+string(policy), func(t *testing.T) {
				t.Parallel()
				s := serve(t, sshserver.Options{HostKeys: test.keys})
				file := writeFile(t, "known", test.known("[127.0.0.1]:"+port(t, s)))
				c := config(s)
				c.KnownHosts, c.StrictHostKeyChecking = []string{file}, policy
				err := try(t, c)
				want := test.want
				if want == sshconn.KeyUnknown && (policy == sshconn.AcceptNew || policy == sshconn.No) {
					want = ""
				}
				checkProblem(t, err, want, file, test.line)
			})
		}
	}
}

func checkProblem(t *testing.T, err error, want sshconn.HostKeyProblem, file string, line int) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	e, ok := errors.AsType[*sshconn.HostKeyError](err)
	if !ok || !errors.Is(err, sshconn.ErrHostKey) || e.Problem != want {
		t.Fatalf("%v, want a key that is %s", err, want)
	}
	if line != 0 && (e.File != file || e.Line != line || !strings.Contains(err.Error(), file)) {
		t.Fatalf("%v names %s:%d, want %s:%d", err, e.File, e.Line, file, line)
	}
}

// What accept-new stores is found again, by this client and by ssh, and the next different key is refused.
func TestAcceptNew(t *testing.T) {
	t.Parallel()
	for _, hashed := range []string{"no", "yes"} {
		s := serve(t, sshserver.Options{})
		dir := t.TempDir()
		known := filepath.Join(dir, "new", "known_hosts")
		base := strings.Replace(readFile(t, s.Files().Config), "StrictHostKeyChecking yes", "HashKnownHosts "+hashed, 1)
		base = strings.Replace(base, s.Files().KnownHosts, known, 1)
		c := config(s)
		c.ConfigFile = writeFile(t, "config", base)
		c.StrictHostKeyChecking = sshconn.AcceptNew
		for range 2 {
			if err := try(t, c); err != nil {
				t.Fatal(err)
			}
		}
		text := readFile(t, known)
		if n := strings.Count(text, "\n"); n != 1 {
			t.Fatalf("%d lines: %s", n, text)
		}
		if strings.Contains(text, "127.0.0.1") == (hashed == "yes") {
			t.Fatalf("hashed %s: %s", hashed, text)
		}
		c.StrictHostKeyChecking = sshconn.Yes
		if err := try(t, c); err != nil {
			t.Fatal(err)
		}
		if ssh, err := exec.LookPath("ssh"); err == nil {
			if out, err := exec.Command(ssh, "-F", c.ConfigFile, "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", c.Host, "true").CombinedOutput(); err != nil {
				t.Fatalf("ssh does not accept what was stored: %v %s", err, out)
			}
		}
	}
}

// A file without a newline at its end must not swallow the new line.
func TestAcceptNewAppends(t *testing.T) {
	t.Parallel()
	s := serve(t, sshserver.Options{})
	known := writeFile(t, "known", "# no newline here")
	c := config(s)
	c.KnownHosts, c.StrictHostKeyChecking = []string{known}, sshconn.AcceptNew
	if err := try(t, c); err != nil {
		t.Fatal(err)
	}
	if text := readFile(t, known); !strings.HasPrefix(text, "# no newline here\n[127.0.0.1]:") {
		t.Fatalf("%q", text)
	}
}

func TestAskHostKey(t *testing.T) {
	t.Parallel()
	for answer, ok := range map[string]bool{"yes": true, "no": false, "fingerprint": true, "perhaps": false} {
		s := serve(t, sshserver.Options{})
		known := writeFile(t, "known", "")
		c := config(s)
		c.KnownHosts, c.StrictHostKeyChecking = []string{known}, sshconn.Ask
		c.Prompt = func(_ context.Context, text string, echo bool) (string, error) {
			if !echo {
				t.Error("the answer would be hidden")
			}
			if answer != "fingerprint" {
				return answer, nil
			}
			_, fp, _ := strings.Cut(text, "fingerprint is ")
			return strings.TrimSuffix(strings.Fields(fp)[0], "."), nil
		}
		err := try(t, c)
		if ok != (err == nil) || !ok && !errors.Is(err, sshconn.ErrHostKey) {
			t.Errorf("%s: %v", answer, err)
		}
		if stored := readFile(t, known) != ""; stored != ok {
			t.Errorf("%s: stored %v", answer, stored)
		}
	}
}

// An alias is looked up without the port.
func TestHostKeyAlias(t *testing.T) {
	t.Parallel()
	_, key := newKey(t, "ed25519")
	s := serve(t, sshserver.Options{HostKeys: []ssh.Signer{key}})
	c := config(s)
	c.KnownHosts = []string{writeFile(t, "known", line("", "the-alias", key.PublicKey()))}
	c.HostKeyAlias = "the-alias"
	if err := try(t, c); err != nil {
		t.Fatal(err)
	}
	c.HostKeyAlias = "another"
	checkProblem(t, try(t, c), sshconn.KeyUnknown, "", 0)
}

// What a user is told to type reaches the same server and account.
func TestHintsNameThePort(t *testing.T) {
	t.Parallel()
	s := serve(t, sshserver.Options{})
	c := config(s)
	c.User = "somebody"
	_, port, _ := net.SplitHostPort(s.Addr())
	want := "-p " + port + " somebody@" + s.Files().Alias
	c.KnownHosts = []string{writeFile(t, "known", "")}
	if err := try(t, c); err == nil || !strings.Contains(err.Error(), "ssh "+want) {
		t.Errorf("%v, want %q", err, want)
	}
	stranger, _ := newKey(t, "ed25519")
	n, _ := strconv.Atoi(port)
	c = sshconn.Config{
		Host: "127.0.0.1", Port: n, User: "somebody", ConfigFile: "none", Options: []string{"IdentityAgent=none"}, SSH: "none", Prompt: noPrompt,
		KnownHosts: []string{s.Files().KnownHosts}, IdentityFiles: []string{keyFile(t, stranger, "")},
	}
	want = "-p " + port + " somebody@127.0.0.1"
	if err := try(t, c); err == nil || !strings.Contains(err.Error(), "ssh-copy-id "+want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// The same files give the same answers from ssh and from this client, against sshd with three kinds of keys.
func TestHostKeyAsSSH(t *testing.T) {
	t.Parallel()
	ssh := sshtest.Require(t, "sshd", "ssh")
	srv := sshtest.Start(t, sshtest.Options{HostKeys: []string{"rsa", "ecdsa", "ed25519"}})
	lines := strings.SplitAfter(strings.TrimSpace(readFile(t, srv.KnownHosts)), "\n")
	wrong := filepath.Join(t.TempDir(), "wrong")
	sshtest.Keygen(t, wrong, "ed25519", "")
	name := strings.Fields(lines[0])[0]
	wrongKey := strings.Join(strings.Fields(readFile(t, wrong+".pub"))[:2], " ")
	edKey := strings.Join(strings.Fields(lines[2])[1:], " ")
	for label, known := range map[string]string{
		"rsa": lines[0], "ecdsa": lines[1], "ed25519": lines[2], "all": strings.Join(lines, ""), "none": "",
		"wrong": name + " " + wrongKey + "\n", "wrong and right": name + " " + wrongKey + "\n" + lines[2],
		"revoked": lines[2] + "\n@revoked * " + edKey + "\n", "wildcard": "127.* " + edKey + "\n", "bare": "127.0.0.1 " + edKey + "\n",
		"garbage": "garbage\n" + lines[1],
	} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			file := writeFile(t, "known", known)
			text := strings.Replace(readFile(t, srv.Config), srv.KnownHosts, file, 1)
			cfg := writeFile(t, "config", text)
			out, sshErr := exec.Command(ssh, "-F", cfg, "-o", "BatchMode=yes", srv.Alias, "true").CombinedOutput()
			err := try(t, sshconn.Config{Host: srv.Alias, ConfigFile: cfg, Prompt: noPrompt})
			if (sshErr == nil) != (err == nil) || err != nil && !errors.Is(err, sshconn.ErrHostKey) {
				t.Errorf("ssh says %v (%s), this client %v", sshErr, out, err)
			}
		})
	}
}

func FuzzKnownHosts(f *testing.F) {
	_, key := newKey(f, "ed25519")
	good := line("", "h", key.PublicKey())
	for _, s := range []string{good, "|1|" + good, "@revoked " + good, "[h]:" + good, "!," + good, "@cert-authority *" + good, "h ssh-rsa " + good, "\v", "\f# c\n\u00a0" + good + "\v", strings.ReplaceAll(good, " ", "\v")} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "known")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := sshconn.LoadKnownHosts(file); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
