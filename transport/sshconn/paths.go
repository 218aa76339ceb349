package sshconn

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// paths sets the files, the sockets and the command of the way there, with ~, ${NAME} and % tokens expanded.
func (r *Resolved) paths(c Config, s *settings, n *names) error {
	x := expander{home: n.home, tokens: r.tokens(n)}
	// Paths of the caller are taken as they are, except for the tilde, which a shell leaves alone inside --opt=~/x.
	for _, f := range c.IdentityFiles {
		r.IdentityFiles = append(r.IdentityFiles, x.tilde(f))
	}
	if len(s.identities) == 0 && len(c.IdentityFiles) == 0 {
		r.defaultIdentity = true
		for _, k := range []string{"id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"} {
			r.IdentityFiles = append(r.IdentityFiles, filepath.Join(n.home, ".ssh", k))
		}
	}
	// ssh -G leaves these two lists as they were written.
	files, err := x.all(s.identities)
	if err != nil {
		return fmt.Errorf("IdentityFile: %w", err)
	}
	r.IdentityFiles = append(r.IdentityFiles, files...)
	if r.CertificateFiles, err = x.all(s.certificates); err != nil {
		return fmt.Errorf("CertificateFile: %w", err)
	}
	if r.ProxyCommand, err = r.proxyCommand(&x, s.first("proxycommand")); err != nil {
		return fmt.Errorf("ProxyCommand: %w", err)
	}
	x.done = s.dumped
	if p := s.first("controlpath"); p != "" && p != "none" {
		if r.ControlPath, err = x.expand(p); err != nil {
			return fmt.Errorf("ControlPath: %w", err)
		}
	}
	if err := r.agentPath(&x, s.first("identityagent")); err != nil {
		return err
	}
	return r.knownHosts(c, s, &x)
}

// proxyCommand expands the tokens of a command for the shell. What is put in comes from the configuration and from host
// names, which hold nothing that a shell reads; user names may, and are refused then.
func (r *Resolved) proxyCommand(x *expander, command string) (string, error) {
	if command == "" || command == "none" || len(r.ProxyJump) > 0 {
		return "", nil
	}
	if strings.Contains(command, "%r") && strings.ContainsAny(r.User, " $\\*?[]~#!") {
		return "", fmt.Errorf("the user name %q is not safe for a shell", r.User)
	}
	return expandTokens(command, x.tokens)
}

func (r *Resolved) agentPath(x *expander, setting string) error {
	switch {
	case setting == "" || setting == "SSH_AUTH_SOCK":
		r.IdentityAgent = cmp.Or(os.Getenv("SSH_AUTH_SOCK"), usualAgent)
	case setting == "none":
	case strings.HasPrefix(setting, "$") && !strings.HasPrefix(setting, "${"):
		r.IdentityAgent = os.Getenv(setting[1:])
	default:
		p, err := x.expand(setting)
		if err != nil {
			return fmt.Errorf("IdentityAgent: %w", err)
		}
		r.IdentityAgent = p
	}
	return nil
}

func (r *Resolved) knownHosts(c Config, s *settings, x *expander) error {
	if len(c.KnownHosts) > 0 {
		for _, f := range c.KnownHosts {
			r.UserKnownHosts = append(r.UserKnownHosts, x.tilde(f))
		}
		return nil
	}
	user := s.values["userknownhostsfile"]
	if user == nil {
		user = []string{filepath.Join(x.home, ".ssh", "known_hosts"), filepath.Join(x.home, ".ssh", "known_hosts2")}
	} else {
		var err error
		if user, err = x.all(user); err != nil {
			return fmt.Errorf("UserKnownHostsFile: %w", err)
		}
	}
	global := s.values["globalknownhostsfile"]
	if global == nil {
		global = []string{filepath.Join(systemDir(), "ssh_known_hosts"), filepath.Join(systemDir(), "ssh_known_hosts2")}
	}
	r.UserKnownHosts = user
	// Of the files of all users ssh(1) expands nothing.
	r.GlobalKnownHosts = slices.DeleteFunc(slices.Clone(global), func(f string) bool { return f == "none" })
	return nil
}

// tokens are the % sequences of ssh_config(5) that can be told before there is a connection.
func (r *Resolved) tokens(n *names) map[byte]string {
	host, _ := os.Hostname()
	short, _, _ := strings.Cut(host, ".")
	uid := ""
	if u, err := user.Current(); err == nil {
		uid = u.Uid
	}
	jump := joinJumps(r.ProxyJump)
	// %C tells connections apart in the names of sockets. OpenSSH since 9.4 puts the jump hosts in; before it did not, and
	// asked about a way without them both agree.
	sum := sha1.Sum([]byte(host + r.HostName + strconv.Itoa(r.Port) + r.User + jump))
	return map[byte]string{
		'C': hex.EncodeToString(sum[:]), 'j': jump,
		'd': n.home, 'h': r.HostName, 'i': uid, 'k': cmp.Or(r.HostKeyAlias, r.HostName), 'L': short, 'l': host,
		'n': r.Host, 'p': strconv.Itoa(r.Port), 'r': r.User, 'u': n.localUser,
	}
}

type expander struct {
	home   string
	tokens map[byte]string
	done   bool // what comes is expanded already
}

// all expands a list of file names; "none" in it stands for nothing.
func (x *expander) all(in []string) ([]string, error) {
	var out []string
	for _, f := range in {
		if f == "none" {
			continue
		}
		p, err := x.expand(f)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// expand replaces tokens and variables first and the tilde last, so that a percent sign in the name of the home
// directory is not taken for a token.
func (x *expander) expand(s string) (string, error) {
	if x.done {
		return s, nil
	}
	s, err := expandTokens(s, x.tokens)
	if err != nil {
		return "", err
	}
	if s, err = expandEnv(s); err != nil {
		return "", err
	}
	return x.tilde(s), nil
}

// tilde replaces a leading ~/; the home of another user is not looked up.
func (x *expander) tilde(s string) string {
	if s == "~" || strings.HasPrefix(s, "~/") {
		return x.home + s[1:]
	}
	return s
}

// expandEnv replaces ${NAME}; a variable that is not set is an error, as in ssh(1).
func expandEnv(s string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("%q has no closing brace", s)
		}
		v, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", safeText(name))
		}
		b.WriteString(v)
		s = after
	}
}

// expandTokens replaces %x by tokens['x'] and %% by a percent sign.
func expandTokens(s string, tokens map[byte]string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", fmt.Errorf("%q ends with a lone %%", s)
		}
		if s[i] == '%' {
			b.WriteByte('%')
			continue
		}
		v, ok := tokens[s[i]]
		if !ok {
			return "", fmt.Errorf("%q: token %%%c is not supported", s, s[i])
		}
		b.WriteString(v)
	}
	return b.String(), nil
}

func joinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
