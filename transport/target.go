package transport

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"gosync/transport/sshconn"
)

// ErrTarget means that an operand of the command line names no place that can be synchronised.
var ErrTarget = errors.New("invalid source or destination")

// Target is one operand of the command line: a path here, or a path on a host that is reached over SSH.
type Target struct {
	Remote   bool
	SameHost bool   // ":path": User, Host and Port of the operand before it count; the caller fills them in
	User     string // "": not given
	Host     string // name, alias or address without brackets
	Port     int    // 0: not given
	Path     string // bytes as given; remote and without a leading slash: below the home directory; "" is that itself
}

// ParseTarget reads an operand as rsync and scp do:
//
//	path                         a slash before the first colon, or no colon: local
//	[user@]host:path             host: is the home directory
//	[user@][v6address]:path      brackets around addresses with colons
//	:path                        the host of the operand before
//	ssh://[user@]host[:port]/p   p is absolute; /~/p and /./p are below the home directory, /~user/p below that user's
//	scp://[user@]host[:port]/p   p is below the home directory; an absolute path begins with a second slash
//	sftp://...                   the same
//
// In the forms with a scheme user, host and path are percent-decoded; everywhere else bytes stand for themselves. A local name
// with a colon is written ./a:b. On Windows backslashes separate as well, a single letter before the first colon is a
// drive, and the path of a local target has slashes only. Daemon forms (host::module, rsync://) and other schemes are refused. Errors wrap
// ErrTarget.
func ParseTarget(arg string) (Target, error) {
	t, err := parseTarget(arg)
	if err != nil {
		return Target{}, fmt.Errorf("%w %q: %w", ErrTarget, arg, err)
	}
	return t, nil
}

// ParseScpTarget is ParseTarget as scp has it: a name that begins with a colon is a local one, and of several colons
// the first ends the host.
func ParseScpTarget(arg string) (Target, error) {
	if strings.HasPrefix(arg, ":") && strings.IndexByte(arg, 0) < 0 {
		return Target{Path: arg}, nil
	}
	if path, ok := localHere(arg); ok {
		return ParseTarget(path)
	}
	host, path, ok := cutHost(arg)
	if !ok || !strings.HasPrefix(path, ":") || strings.IndexByte(arg, 0) >= 0 {
		return ParseTarget(arg)
	}
	t := Target{Remote: true, Path: path}
	if err := t.setHost(host); err != nil {
		return Target{}, fmt.Errorf("%w %q: %w", ErrTarget, arg, err)
	}
	return t, nil
}

func parseTarget(arg string) (Target, error) {
	if arg == "" {
		return Target{}, errors.New("it is empty")
	}
	if strings.IndexByte(arg, 0) >= 0 {
		return Target{}, errors.New("it holds a NUL byte")
	}
	if rest, ok := strings.CutPrefix(arg, "ssh://"); ok {
		return parseURL(rest, urlPath)
	}
	for _, scheme := range []string{"scp://", "sftp://"} {
		if rest, ok := strings.CutPrefix(arg, scheme); ok {
			return parseURL(rest, scpPath)
		}
	}
	if scheme, _, ok := strings.Cut(arg, "://"); ok {
		switch strings.ToLower(scheme) {
		case "rsync":
			return Target{}, errors.New("the rsync daemon is not supported: use host:path or ssh://host/path")
		case "ssh", "scp", "sftp", "http", "https", "ftp", "file":
			return Target{}, fmt.Errorf("%s:// is not supported: use host:path, ssh://host/path or scp://host/path", scheme)
		}
	}
	if path, ok := localHere(arg); ok {
		return Target{Path: path}, nil
	}
	host, path, ok := cutHost(arg)
	if !ok {
		return Target{Path: arg}, nil
	}
	if strings.HasPrefix(path, ":") {
		return Target{}, errors.New("the rsync daemon (two colons) is not supported: use host:path")
	}
	if host == "" {
		return Target{Remote: true, SameHost: true, Path: path}, nil
	}
	t := Target{Remote: true, Path: path}
	if err := t.setHost(host); err != nil {
		return Target{}, err
	}
	return t, nil
}

// localHere reports whether an operand is a local path by the rules of this system alone.
func localHere(arg string) (path string, ok bool) {
	if runtime.GOOS != "windows" {
		return "", false
	}
	path, ok = windowsPath(arg)
	if ok && filepath.VolumeName(path) != "" && !filepath.IsAbs(path) {
		// Drives have a directory of their own each, which only the system knows.
		if full, err := filepath.Abs(path); err == nil {
			path = filepath.ToSlash(full)
		}
	}
	return path, ok
}

// windowsPath reports whether an operand is a local path on Windows, and returns it with slashes.
func windowsPath(arg string) (path string, ok bool) {
	i := strings.IndexByte(arg, ':')
	drive := i == 1 && (arg[0]|0x20) >= 'a' && (arg[0]|0x20) <= 'z'
	if i >= 0 && !drive && !strings.ContainsAny(arg[:i], `\/`) {
		return "", false
	}
	return strings.ReplaceAll(arg, `\`, "/"), true
}

// cutHost splits [user@]host from path at the colon that ends the host; ok is false for a local path. A colon within
// brackets belongs to an address, provided that the bracket opens the host and a colon follows the closing one.
func cutHost(arg string) (host, path string, ok bool) {
	end := len(arg)
	if i := strings.IndexByte(arg, '/'); i >= 0 {
		end = i
	}
	head := arg[:end]
	if i := strings.Index(head, "]:"); i >= 0 {
		open := strings.IndexByte(head, '[')
		if open == 0 || open > 0 && head[open-1] == '@' && strings.IndexByte(head[:open], ':') < 0 {
			return arg[:i+1], arg[i+2:], true
		}
	}
	if strings.HasPrefix(head, "[") {
		return "", "", false
	}
	i := strings.IndexByte(head, ':')
	if i < 0 {
		return "", "", false
	}
	return arg[:i], arg[i+1:], true
}

// setHost reads [user@]host, with or without brackets. The last at sign decides: user names may hold one.
func (t *Target) setHost(s string) error {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if err := t.setUser(s[:i]); err != nil {
			return err
		}
		s = s[i+1:]
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
		if strings.IndexByte(s, ':') >= 0 {
			if _, err := netip.ParseAddr(s); err != nil {
				return fmt.Errorf("%q is not an IPv6 address", s)
			}
		}
	}
	if strings.ContainsAny(s, "[]@/") {
		return fmt.Errorf("host name %q has a stray bracket, slash or at sign", s)
	}
	t.Host = s
	return sshconn.ValidHost(s)
}

func (t *Target) setUser(name string) error {
	if strings.IndexByte(name, ':') >= 0 {
		return errors.New("a password in an address is not supported: it would show in process lists")
	}
	t.User = name
	return sshconn.ValidUser(name)
}

// parseURL reads what follows the scheme. short turns the path, with its slash, into the form that follows a host and a
// colon.
func parseURL(rest string, short func(path string) string) (Target, error) {
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	t := Target{Remote: true}
	hostport := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, err := url.PathUnescape(authority[:i])
		if err != nil {
			return Target{}, err
		}
		if err := t.setUser(user); err != nil {
			return Target{}, err
		}
		hostport = authority[i+1:]
	}
	host, port, err := cutPort(hostport)
	if err != nil {
		return Target{}, err
	}
	if host, err = url.PathUnescape(host); err != nil {
		return Target{}, err
	}
	t.Port = port
	if strings.IndexByte(host, '@') >= 0 {
		return Target{}, fmt.Errorf("host name %q has a stray at sign", host)
	}
	if err := t.setHost(host); err != nil {
		return Target{}, err
	}
	if strings.IndexByte(t.Host, ':') >= 0 && !strings.HasPrefix(host, "[") {
		return Target{}, fmt.Errorf("IPv6 address %s needs brackets", t.Host)
	}
	if path, err = url.PathUnescape(path); err != nil {
		return Target{}, err
	}
	if strings.IndexByte(path, 0) >= 0 {
		return Target{}, errors.New("it holds a NUL byte")
	}
	t.Path = short(path)
	return t, nil
}

// cutPort splits host:port; brackets protect colons of the host. Port 0 means none.
func cutPort(s string) (host string, port int, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i < strings.LastIndexByte(s, ']') {
		return s, 0, nil
	}
	host, digits := s[:i], s[i+1:]
	if digits == "" {
		return host, 0, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("port %q is not a number from 1 to 65535", digits)
	}
	return host, int(n), nil
}

// urlPath turns the path of an ssh:// address into the form that follows a host and a colon.
func urlPath(p string) string {
	switch {
	case p == "" || p == "/~" || p == "/." || p == "/~/" || p == "/./":
		return ""
	case strings.HasPrefix(p, "/~/"):
		return relative(p[3:])
	case strings.HasPrefix(p, "/./"):
		return relative(p[3:])
	case strings.HasPrefix(p, "/~"):
		return p[1:] // the home directory of another user: the far side expands it
	}
	return p
}

// scpPath is urlPath for scp:// and sftp://: the first slash only ends the host.
func scpPath(p string) string {
	p = strings.TrimPrefix(p, "/")
	if p == "~" || strings.HasPrefix(p, "~/") {
		return relative(p[1:])
	}
	return p
}

// relative keeps a path below the home directory: what looks absolute or like another home after the marker is meant
// literally.
func relative(p string) string {
	p = strings.TrimLeft(p, "/")
	if strings.HasPrefix(p, "~") {
		return "./" + p
	}
	return p
}

// String returns a form that ParseTarget reads back as the same target.
func (t Target) String() string {
	if !t.Remote {
		if path, ok := localHere(t.Path); ok {
			return path
		}
		if _, _, colon := cutHost(t.Path); colon {
			return "./" + t.Path
		}
		return t.Path
	}
	if t.SameHost {
		return ":" + t.Path
	}
	host := t.Host
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	if t.Port == 0 && !strings.HasPrefix(t.Path, ":") && !strings.HasPrefix(t.Path, "//") && !strings.ContainsAny(t.User, "/:[") {
		if t.User != "" {
			host = t.User + "@" + host
		}
		return host + ":" + t.Path
	}
	u := ""
	if t.User != "" {
		u = url.PathEscape(t.User) + "@"
	}
	u += strings.ReplaceAll(host, "%", "%25")
	if t.Port != 0 {
		u += ":" + strconv.Itoa(t.Port)
	}
	scheme, path := urlForm(t.Path)
	return scheme + u + path
}

// urlForm is the reverse of urlPath, or where an absolute path looks like one of the home directory (/., /~x) of scpPath.
func urlForm(p string) (scheme, path string) {
	scheme = "ssh://"
	switch {
	case strings.HasPrefix(p, "/") && urlPath(p) != p:
		scheme, p = "scp://", "/"+p
	case strings.HasPrefix(p, "/"):
	case strings.HasPrefix(p, "./~"):
		p = "/./" + p[2:]
	case strings.HasPrefix(p, "~"):
		p = "/" + p
	default:
		p = "/./" + p
	}
	return scheme, (&url.URL{Path: p}).EscapedPath()
}
