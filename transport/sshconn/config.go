package sshconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Policy says what happens to a server whose host key is not known. A key that differs from the known one is always
// refused.
type Policy string

// The values of StrictHostKeyChecking.
const (
	Yes       Policy = "yes"        // refuse
	Ask       Policy = "ask"        // ask on the terminal; refuse where there is none
	AcceptNew Policy = "accept-new" // store the key and go on
	No        Policy = "no"         // as AcceptNew: a changed key is refused here too
)

// DefaultTimeout bounds connecting where neither Config nor ssh_config says how long.
const DefaultTimeout = 30 * time.Second

// Config says what to connect to. Only Host is needed; whatever is set here wins over the configuration file.
type Config struct {
	Host string // name, address or alias
	User string
	Port int // 1 to 65535; 0: not set

	ConfigFile string // "": ~/.ssh/config, then /etc/ssh/ssh_config; "none": no file; else this file alone

	IdentityFiles         []string // private keys tried before those of the configuration
	IdentitiesOnly        bool     // of the agent's keys use only those that are also identity files
	KnownHosts            []string // in place of UserKnownHostsFile and GlobalKnownHostsFile; new keys go into the first
	StrictHostKeyChecking Policy   // "": from the configuration, else Ask
	HostKeyAlias          string   // name under which the host key is looked up
	ConnectTimeout        time.Duration

	// Prompt asks the user and returns the answer; echo tells whether it may be shown. nil: the terminal, or the
	// program in SSH_ASKPASS. It must return ErrNoTerminal where it cannot ask, and is never called concurrently.
	Prompt func(ctx context.Context, text string, echo bool) (string, error)

	Log *slog.Logger // nil: no log
}

// Resolved is a Config after ssh_config and the defaults: every path absolute or as the user wrote it, every token
// expanded.
type Resolved struct {
	Host     string // as in Config
	HostName string // what is connected to
	Port     int
	User     string

	IdentityFiles    []string
	defaultIdentity  bool // IdentityFiles are the defaults: one that is missing is nothing to tell
	IdentitiesOnly   bool
	IdentityAgent    string   // path of the agent's socket, "" for none
	UserKnownHosts   []string // the first one takes new keys
	GlobalKnownHosts []string
	HashKnownHosts   bool

	StrictHostKeyChecking Policy
	HostKeyAlias          string
	ConnectTimeout        time.Duration // above zero
	BatchMode             bool          // never ask

	Warnings []string // what in the configuration could not be honoured
}

// Address is what is connected to and shown to the user, host:port.
func (r *Resolved) Address() string { return joinHostPort(r.HostName, r.Port) }

// Resolve reads the configuration files for c.Host. It blocks on files only. Errors are ErrConfig.
func Resolve(_ context.Context, c Config) (Resolved, error) {
	r, err := resolve(c)
	if err != nil {
		return Resolved{}, &Error{Kind: ErrConfig, Host: c.Host, Err: err}
	}
	return r, nil
}

func resolve(c Config) (Resolved, error) {
	if err := ValidHost(c.Host); err != nil {
		return Resolved{}, err
	}
	n := names{original: c.Host, user: c.User, localUser: localUser()}
	n.home, _ = os.UserHomeDir() // without a home only the paths that name it fail
	sources, err := c.sources(n.home)
	if err != nil {
		return Resolved{}, err
	}
	s, err := evaluate(n, sources)
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{
		Host: c.Host, Warnings: s.warnings,
		User:         cmp.Or(c.User, s.first("user"), n.localUser),
		HostKeyAlias: cmp.Or(c.HostKeyAlias, s.first("hostkeyalias")),
	}
	if r.HostName, err = hostName(c.Host, s.first("hostname")); err != nil {
		return Resolved{}, err
	}
	if err := ValidUser(r.User); err != nil {
		return Resolved{}, err
	}
	if err := r.fill(c, &s); err != nil {
		return Resolved{}, err
	}
	return r, r.paths(c, &s, &n)
}

// sources lists the configuration files of c.
func (c *Config) sources(home string) ([]source, error) {
	switch c.ConfigFile {
	case "none":
		return nil, nil
	case "":
		return []source{
			{path: filepath.Join(home, ".ssh", "config"), baseDir: filepath.Join(home, ".ssh"), checkPerms: true},
			{path: "/etc/ssh/ssh_config", baseDir: "/etc/ssh"},
		}, nil
	}
	if strings.ContainsRune(c.ConfigFile, 0) {
		return nil, errors.New("the configuration file's name holds a NUL")
	}
	return []source{{path: c.ConfigFile, baseDir: filepath.Join(home, ".ssh"), mustExist: true}}, nil
}

// fill sets what is neither name nor path.
func (r *Resolved) fill(c Config, s *settings) error {
	if p := s.first("proxyjump"); p != "" && p != "none" {
		return fmt.Errorf("ProxyJump %s is set for this host, and the built-in client connects directly only; use -e ssh", safeText(p))
	}
	if p := s.first("proxycommand"); p != "" && p != "none" {
		return errors.New("ProxyCommand is set for this host, and the built-in client connects directly only; use -e ssh")
	}
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
	if r.IdentitiesOnly, err = flag("IdentitiesOnly", s.first("identitiesonly")); err != nil {
		return err
	}
	r.IdentitiesOnly = r.IdentitiesOnly || c.IdentitiesOnly
	if r.HashKnownHosts, err = flag("HashKnownHosts", s.first("hashknownhosts")); err != nil {
		return err
	}
	r.BatchMode, err = flag("BatchMode", s.first("batchmode"))
	return err
}

func localUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		// Windows says DOMAIN\name.
		return u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	}
	return cmp.Or(os.Getenv("USER"), os.Getenv("LOGNAME"))
}

// hostName expands %h and %% in a HostName, the only tokens allowed there.
func hostName(host, setting string) (string, error) {
	if setting == "" {
		return strings.ToLower(host), nil
	}
	h, err := expandTokens(setting, map[byte]string{'h': host})
	if err != nil {
		return "", fmt.Errorf("HostName: %w", err)
	}
	h = strings.ToLower(h)
	if err := ValidHost(h); err != nil {
		return "", fmt.Errorf("HostName: %w", err)
	}
	return h, nil
}

func port(demanded int, setting string) (int, error) {
	p := demanded
	if p == 0 && setting != "" {
		var err error
		if p, err = strconv.Atoi(setting); err != nil || p == 0 {
			return 0, fmt.Errorf("port setting %q is not a number from 1 to 65535", setting)
		}
	}
	if p == 0 {
		return 22, nil
	}
	if p < 1 || p > 65535 {
		return 0, fmt.Errorf("port %d is not in 1 to 65535", p)
	}
	return p, nil
}

func policy(s string) (Policy, error) {
	switch strings.ToLower(s) {
	case "", "ask":
		return Ask, nil
	case "yes", "true":
		return Yes, nil
	case "no", "false", "off":
		return No, nil
	case "accept-new":
		return AcceptNew, nil
	}
	return "", fmt.Errorf("StrictHostKeyChecking %q is none of yes, ask, accept-new, no", s)
}

func flag(name, s string) (bool, error) {
	switch strings.ToLower(s) {
	case "", "no", "false":
		return false, nil
	case "yes", "true":
		return true, nil
	}
	return false, fmt.Errorf("%s %q is neither yes nor no", name, s)
}

// timeout reads ConnectTimeout: seconds, or a number with a unit (s, m, h), or none.
func timeout(demanded time.Duration, s string) (time.Duration, error) {
	if demanded > 0 {
		return demanded, nil
	}
	if s == "" || s == "none" {
		return DefaultTimeout, nil
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil && n > 0 {
		return time.Duration(n) * time.Second, nil
	}
	if d, err := time.ParseDuration(strings.ToLower(s)); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("ConnectTimeout %q is not a time", s)
}
