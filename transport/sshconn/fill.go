package sshconn

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// fill sets what is neither name nor path.
func (r *Resolved) fill(c Config, s *settings) error {
	var err error
	if r.Port, err = port(c.Port, s.first("port")); err != nil {
		return err
	}
	if r.StrictHostKeyChecking, err = policy(cmp.Or(string(c.StrictHostKeyChecking), s.first("stricthostkeychecking"))); err != nil {
		return err
	}
	if r.ConnectTimeout, err = timeout(c.ConnectTimeout, s.first("connecttimeout")); err != nil {
		return err
	}
	if r.ServerAliveInterval, err = seconds("ServerAliveInterval", s.first("serveraliveinterval")); err != nil {
		return err
	}
	if r.ServerAliveCountMax, err = number("ServerAliveCountMax", s.first("serveralivecountmax"), 3); err != nil {
		return err
	}
	if r.PasswordPrompts, err = number("NumberOfPasswordPrompts", s.first("numberofpasswordprompts"), maxTypedAnswers); err != nil {
		return err
	}
	if r.AddressFamily, err = network(s.first("addressfamily")); err != nil {
		return err
	}
	r.BindAddress = s.first("bindaddress")
	if r.ProxyJump, err = parseJumps(s.first("proxyjump")); err != nil {
		return err
	}
	for name, to := range map[string]*bool{"IdentitiesOnly": &r.IdentitiesOnly, "HashKnownHosts": &r.HashKnownHosts, "BatchMode": &r.BatchMode} {
		if *to, err = flag(name, s.first(strings.ToLower(name)), false); err != nil {
			return err
		}
	}
	r.IdentitiesOnly = r.IdentitiesOnly || c.IdentitiesOnly
	r.algorithms(s)
	if err := r.methods(s); err != nil {
		return err
	}
	r.foreign(s)
	return nil
}

// methods sets how to log in, in which order.
func (r *Resolved) methods(s *settings) error {
	on := map[string]bool{}
	for keyword, method := range map[string]string{
		"pubkeyauthentication": "publickey", "passwordauthentication": "password", "kbdinteractiveauthentication": "keyboard-interactive",
		"gssapiauthentication": "gssapi-with-mic", "hostbasedauthentication": "hostbased",
	} {
		value := s.first(keyword)
		if value == "unbound" || value == "host-bound" { // public keys, with or without an extension that the library does not have
			value = "yes"
		}
		byDefault := method != "gssapi-with-mic" && method != "hostbased"
		ok, err := flag(keyword, value, byDefault)
		if err != nil {
			return err
		}
		on[method] = ok
	}
	order := cmp.Or(s.first("preferredauthentications"), "gssapi-with-mic,hostbased,publickey,keyboard-interactive,password")
	for _, m := range strings.Split(order, ",") {
		if !on[m] {
			continue
		}
		switch m {
		case "gssapi-with-mic":
			r.gssapi = true
		case "hostbased":
			r.needs = append(r.needs, "HostbasedAuthentication")
		default:
			r.Methods = append(r.Methods, m)
		}
	}
	if r.gssapi && len(r.Methods) == 0 {
		r.needs = append(r.needs, "GSSAPIAuthentication, the only way to log in that is left,")
	}
	return nil
}

// foreign notes what only the ssh program can do.
func (r *Resolved) foreign(s *settings) {
	set := func(key string) string {
		if v := s.first(key); v != "none" && v != "no" && v != "false" {
			return v
		}
		return ""
	}
	for _, k := range [][2]string{
		{"pkcs11provider", "PKCS11Provider"},
		{"knownhostscommand", "KnownHostsCommand"},
		{"revokedhostkeys", "RevokedHostKeys"},
		{"bindinterface", "BindInterface"},
		{"proxyusefdpass", "ProxyUseFdpass"},
	} {
		if set(k[0]) != "" {
			r.needs = append(r.needs, k[1])
		}
	}
	if v := set("verifyhostkeydns"); v == "yes" || v == "true" {
		r.needs = append(r.needs, "VerifyHostKeyDNS")
	}
	if v := set("securitykeyprovider"); v != "" && v != "internal" && v != "$SSH_SK_PROVIDER" {
		r.needs = append(r.needs, "SecurityKeyProvider")
	}
	if !s.dumped && set("canonicalizehostname") != "" {
		r.Warnings = append(r.Warnings, "CanonicalizeHostname is set, and without an ssh program names stay as they are")
	}
	if set("revokedhostkeys") != "" { // to leave this out would let in what the user has shut out
		r.refused = "RevokedHostKeys"
	}
	if set("proxyusefdpass") != "" {
		r.refused = "ProxyUseFdpass"
	}
}

func number(name, s string, byDefault int) (int, error) {
	if s == "" {
		return byDefault, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a number", name, s)
	}
	return int(n), nil
}

// network is AddressFamily in the words of package net.
func network(family string) (string, error) {
	names := map[string]string{"": "tcp", "any": "tcp", "inet": "tcp4", "inet6": "tcp6"}
	n, ok := names[strings.ToLower(family)]
	if !ok {
		return "", fmt.Errorf("AddressFamily %q is none of any, inet, inet6", family)
	}
	return n, nil
}

// A Jump is a host that the connection goes through.
type Jump struct {
	User string // "": the configuration's
	Host string // looked up in the configuration in its own right
	Port int    // 0: the configuration's
}

// String is the form of ProxyJump.
func (j Jump) String() string {
	host := j.Host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if j.Port != 0 {
		host += ":" + strconv.Itoa(j.Port)
	}
	if j.User != "" {
		host = j.User + "@" + host
	}
	return host
}

const maxJumps = 32

// parseJumps reads ProxyJump: [user@]host[:port] or ssh://[user@]host[:port], with commas between them.
func parseJumps(setting string) ([]Jump, error) {
	if setting == "" || strings.EqualFold(setting, "none") {
		return nil, nil
	}
	var out []Jump
	for _, text := range strings.Split(setting, ",") {
		j, err := parseJump(text)
		if err != nil {
			return nil, fmt.Errorf("ProxyJump %q: %w", text, err)
		}
		if out = append(out, j); len(out) > maxJumps {
			return nil, fmt.Errorf("ProxyJump names more than %d hosts", maxJumps)
		}
	}
	return out, nil
}

func parseJump(text string) (Jump, error) {
	var j Jump
	text = strings.TrimSuffix(strings.TrimPrefix(text, "ssh://"), "/")
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		j.User, text = text[:i], text[i+1:]
		if err := ValidUser(j.User); err != nil {
			return Jump{}, err
		}
	}
	digits := ""
	if rest, ok := strings.CutPrefix(text, "["); ok {
		host, after, closed := strings.Cut(rest, "]")
		if !closed || after != "" && after[0] != ':' {
			return Jump{}, fmt.Errorf("brackets are not closed")
		}
		j.Host, digits = host, strings.TrimPrefix(after, ":")
	} else if i := strings.IndexByte(text, ':'); i >= 0 && i == strings.LastIndexByte(text, ':') {
		j.Host, digits = text[:i], text[i+1:]
	} else {
		j.Host = text
	}
	if digits != "" {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			return Jump{}, fmt.Errorf("port %q is not a number from 1 to 65535", digits)
		}
		j.Port = int(n)
	}
	return j, ValidHost(j.Host)
}

// joinJumps writes jumps as ProxyJump does; "" for none.
func joinJumps(jumps []Jump) string {
	var out []string
	for _, j := range jumps {
		out = append(out, j.String())
	}
	return strings.Join(out, ",")
}
