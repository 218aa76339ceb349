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

	ConfigFile string   // "": ~/.ssh/config, then /etc/ssh/ssh_config; "none": no file; else this file alone
	Options    []string // lines of ssh_config, Keyword=Value, that win over the files; the first of several wins
	SSH        string   // the ssh program that resolves the configuration; "": ssh, where there is one; "none": the own parser

	IdentityFiles         []string // private keys tried before those of the configuration
	IdentitiesOnly        bool     // of the agent's keys use only those that are also identity files
	KnownHosts            []string // in place of UserKnownHostsFile and GlobalKnownHostsFile; new keys go into the first
	StrictHostKeyChecking Policy   // "": from the configuration, else Ask
	HostKeyAlias          string   // name under which the host key is looked up
	ConnectTimeout        time.Duration
	AnswerTimeout         time.Duration // for each answer of the server while a session is started; 0: any time

	// Prompt asks the user and returns the answer; echo tells whether it may be shown. nil: the terminal, or the
	// program in SSH_ASKPASS. It must return ErrNoTerminal where it cannot ask, and is never called concurrently.
	Prompt func(ctx context.Context, text string, echo bool) (string, error)

	// Unlocked keeps decrypted keys, so that several connections ask once for a passphrase. nil: this one and its jump
	// hosts alone.
	Unlocked *Unlocked

	Log *slog.Logger // nil: no log

	wanted []string // what this connection is a jump host for, to find circles
}

// Resolved is a Config after ssh_config and the defaults: every path absolute or as the user wrote it, every token
// expanded.
type Resolved struct {
	Host     string // as in Config
	HostName string // what is connected to
	Port     int
	User     string

	ProxyJump     []Jump // the way there, first hop first
	ProxyCommand  string // for the shell; "": none. At most one of the two is set
	ControlPath   string // socket of a running ssh master, "" for none
	AddressFamily string // tcp, tcp4 or tcp6
	BindAddress   string

	IdentityFiles    []string
	defaultIdentity  bool // IdentityFiles are the defaults: one that is missing is nothing to tell
	CertificateFiles []string
	IdentitiesOnly   bool
	IdentityAgent    string // path of the agent's socket, "" for none
	Methods          []string
	PasswordPrompts  int

	UserKnownHosts   []string // the first one takes new keys
	GlobalKnownHosts []string
	HashKnownHosts   bool

	// Algorithms that the library has, in order; nil for its own choice. The last two only say what may be used.
	Ciphers, KexAlgorithms, MACs, HostKeyAlgorithms, PubkeyAlgorithms []string

	StrictHostKeyChecking Policy
	HostKeyAlias          string
	ConnectTimeout        time.Duration // above zero
	ServerAliveInterval   time.Duration // 0: never
	ServerAliveCountMax   int
	BatchMode             bool // never ask

	gssapi   bool     // ssh would try Kerberos
	needs    []string // what only the ssh program can do, see NeedsCommand
	refused  string   // what must not be left out: without the ssh program there is no connection
	Warnings []string // what in the configuration could not be honoured
}

// Address is what is connected to and shown to the user, host:port.
func (r *Resolved) Address() string { return joinHostPort(r.HostName, r.Port) }

// typed is how the host is named to ssh(1) and its like, options included: where the port or the user is not the usual
// one that is said, although it may stand in ssh_config.
func (r *Resolved) typed() string {
	name := r.Host
	if r.User != localUser() {
		name = r.User + "@" + name
	}
	if r.Port != 22 {
		name = fmt.Sprintf("-p %d %s", r.Port, name)
	}
	return safeText(name)
}

// Resolve reads the configuration for c.Host: it asks ssh -G where there is an ssh program, which also runs the commands
// of Match exec, and reads the files itself otherwise. Errors are ErrConfig, or the context's.
func Resolve(ctx context.Context, c Config) (Resolved, error) {
	r, err := resolve(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return Resolved{}, fmt.Errorf("resolving %s: %w", c.Host, context.Cause(ctx))
		}
		return Resolved{}, &Error{Kind: ErrConfig, Host: c.Host, Err: err}
	}
	return r, nil
}

func resolve(ctx context.Context, c Config) (Resolved, error) {
	if err := c.check(); err != nil {
		return Resolved{}, err
	}
	n := names{original: c.Host, user: c.User, localUser: localUser()}
	s, err := c.settings(ctx, &n)
	if err != nil {
		return Resolved{}, err
	}
	return c.conclude(&s, &n)
}

// conclude makes of the settings what holds for the host.
func (c *Config) conclude(s *settings, n *names) (Resolved, error) {
	r := Resolved{
		Host: c.Host, Warnings: s.warnings,
		User:         cmp.Or(c.User, s.first("user"), n.localUser),
		HostKeyAlias: cmp.Or(c.HostKeyAlias, s.first("hostkeyalias")),
	}
	var err error
	if r.HostName, err = hostName(c.Host, s); err != nil {
		return Resolved{}, err
	}
	if err := ValidUser(r.User); err != nil {
		return Resolved{}, err
	}
	if err := r.fill(*c, s); err != nil {
		return Resolved{}, err
	}
	return r, r.paths(*c, s, n)
}

// check refuses what no program may get to see.
func (c *Config) check() error {
	if err := ValidHost(c.Host); err != nil {
		return err
	}
	if c.User != "" {
		if err := ValidUser(c.User); err != nil {
			return err
		}
	}
	if strings.ContainsRune(c.ConfigFile, 0) {
		return errors.New("the configuration file's name holds a NUL")
	}
	for _, o := range c.Options {
		if strings.ContainsAny(o, "\x00\r\n") {
			return fmt.Errorf("option %q is more than one line", o)
		}
	}
	return nil
}

// settings collects what the configuration says, by ssh -G or by the own parser.
func (c *Config) settings(ctx context.Context, n *names) (settings, error) {
	if program := c.program(); program != "" {
		s, err := c.dump(ctx, program)
		if !errors.Is(err, errNoDump) {
			n.home = passwdHome()
			return s, err
		}
	}
	n.home, _ = os.UserHomeDir() // without a home only the paths that name it fail
	return evaluate(*n, c.Options, c.sources(n.home))
}

// sources lists the configuration files of c.
func (c *Config) sources(home string) []source {
	switch c.ConfigFile {
	case "none":
		return nil
	case "":
		return []source{
			{path: filepath.Join(home, ".ssh", "config"), baseDir: filepath.Join(home, ".ssh"), checkPerms: true},
			{path: filepath.Join(systemDir(), "ssh_config"), baseDir: systemDir()},
		}
	}
	return []source{{path: c.ConfigFile, baseDir: filepath.Join(home, ".ssh"), mustExist: true}}
}

func localUser() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		// Windows says DOMAIN\name.
		return u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	}
	return cmp.Or(os.Getenv("USER"), os.Getenv("LOGNAME"))
}

// passwdHome is the home directory that ssh(1) goes by: it does not look at HOME.
func passwdHome() string {
	if u, err := user.Current(); err == nil && u.HomeDir != "" {
		return u.HomeDir
	}
	home, _ := os.UserHomeDir() // without a home only the paths that name it fail
	return home
}

// hostName expands %h and %% in a HostName, the only tokens allowed there.
func hostName(host string, s *settings) (string, error) {
	h := s.first("hostname")
	switch {
	case h == "":
		return strings.ToLower(host), nil
	case !s.dumped:
		var err error
		if h, err = expandTokens(h, map[byte]string{'h': host}); err != nil {
			return "", fmt.Errorf("HostName: %w", err)
		}
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

func flag(name, s string, byDefault bool) (bool, error) {
	switch strings.ToLower(s) {
	case "":
		return byDefault, nil
	case "no", "false":
		return false, nil
	case "yes", "true":
		return true, nil
	}
	return false, fmt.Errorf("%s %q is neither yes nor no", name, s)
}

// timeout reads ConnectTimeout.
func timeout(demanded time.Duration, s string) (time.Duration, error) {
	if demanded > 0 {
		return demanded, nil
	}
	d, err := seconds("ConnectTimeout", s)
	return cmp.Or(d, DefaultTimeout), err
}

// seconds reads a time of ssh_config: seconds, or numbers with units (s, m, h, d, w), or none.
func seconds(name, s string) (time.Duration, error) {
	if s == "" || s == "none" {
		return 0, nil
	}
	bad := fmt.Errorf("%s %q is not a time", name, s)
	units := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
	total := int64(0)
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 31)
		if err != nil {
			return 0, bad
		}
		unit := int64(1)
		if rest = rest[digits:]; rest != "" {
			if unit = units[rest[0]|0x20]; unit == 0 {
				return 0, bad
			}
			rest = rest[1:]
		}
		if total += n * unit; total > 1<<31 {
			return 0, bad
		}
	}
	return time.Duration(total) * time.Second, nil
}
