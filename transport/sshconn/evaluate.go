package sshconn

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxConfigSize   = 4 << 20 // bytes of one configuration file
	maxIncludeDepth = 16      // as ssh(1)
	maxIncludes     = 1000    // files in all; a chain of globs may multiply
)

// names is what a configuration is evaluated for.
type names struct {
	original  string // the host as the user wrote it
	localUser string
	home      string
	user      string // the user the caller demands, or ""
}

// settings collects what the configuration says: for each keyword the arguments of the first line that applies, and all
// IdentityFile and CertificateFile lines.
type settings struct {
	values       map[string][]string
	identities   []string
	certificates []string
	warnings     []string
	dumped       bool // by ssh -G: HostName and most paths are expanded, and defaults stand there too
}

func (s *settings) first(key string) string {
	if v := s.values[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// An evaluator reads configuration files for one host. Where a Match final is met, the files are read a second time
// with the resolved host name, as ssh(1) does.
type evaluator struct {
	names
	settings
	final    bool // this is the second pass
	sawFinal bool
	includes int
	warned   map[string]bool
}

// A source is a configuration file to read.
type source struct {
	path       string
	baseDir    string // where relative Include patterns start
	mustExist  bool
	checkPerms bool // refuse a file that others may write
}

// evaluate reads the options and then the sources in order, and returns what applies to the host.
func evaluate(n names, options []string, sources []source) (settings, error) {
	e := &evaluator{names: n, settings: settings{values: map[string][]string{}}, warned: map[string]bool{}}
	for pass := range 2 {
		e.final = pass == 1
		if err := e.options(options); err != nil {
			return settings{}, err
		}
		for _, src := range sources {
			if err := e.file(src, true, 0); err != nil {
				return settings{}, err
			}
		}
		if !e.sawFinal {
			break
		}
		// The name is settled before the second pass.
		e.values["hostname"] = []string{strings.ReplaceAll(e.resolvedHost(), "%", "%%")}
	}
	return e.settings, nil
}

// options applies settings of the command line, which hold for every host.
func (e *evaluator) options(options []string) error {
	for _, o := range options {
		for _, d := range parseLines([]byte(o)) {
			if d.key == "host" || d.key == "match" || d.key == "include" {
				return fmt.Errorf("option %q: %s belongs into a file", o, d.key)
			}
			if err := e.set(d); err != nil {
				return fmt.Errorf("option %q: %w", o, err)
			}
		}
	}
	return nil
}

// file applies one file; active says whether the block that includes it applies.
func (e *evaluator) file(src source, active bool, depth int) error {
	if depth > maxIncludeDepth {
		return fmt.Errorf("%s: includes are nested more than %d deep", src.path, maxIncludeDepth)
	}
	if e.includes++; e.includes > maxIncludes {
		return fmt.Errorf("%s: more than %d files are included", src.path, maxIncludes)
	}
	data, err := readConfig(src)
	if errors.Is(err, fs.ErrNotExist) && !src.mustExist {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range parseLines(data) {
		d.key = modernKeyword(d.key)
		if err := e.apply(src, d, &active, depth); err != nil {
			return fmt.Errorf("%s:%d: %w", src.path, d.line, err)
		}
	}
	return nil
}

func readConfig(src source) ([]byte, error) {
	f, err := os.Open(src.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory", src.path)
	}
	if src.checkPerms && writableByOthers(info) {
		return nil, fmt.Errorf("%s: others may write this file or own it; run: chmod go-w %s", src.path, src.path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConfigSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", src.path, err)
	}
	if len(data) > maxConfigSize {
		return nil, fmt.Errorf("%s: larger than %d bytes", src.path, maxConfigSize)
	}
	return data, nil
}

// apply carries out one directive. Host and Match change *active for the lines that follow in the same file.
func (e *evaluator) apply(src source, d directive, active *bool, depth int) error {
	switch d.key {
	case "host", "match", "include":
	default:
		if !*active {
			return nil
		}
		return e.set(d)
	}
	args, err := splitArgs(d.rest)
	if err != nil {
		return fmt.Errorf("%s: %w", d.key, err)
	}
	if len(args) == 0 {
		return fmt.Errorf("%s: argument missing", d.key)
	}
	switch d.key {
	case "host":
		*active = matchList(e.hostForPatterns(), args)
	case "match":
		*active = e.match(src, d, args)
	case "include":
		if *active {
			return e.include(src, args, depth)
		}
	}
	return nil
}

// hostForPatterns is what Host patterns see: the name as written, or in the second pass the resolved one.
func (e *evaluator) hostForPatterns() string {
	if e.final {
		return e.resolvedHost()
	}
	return e.original
}

// resolvedHost is the HostName found so far, %h expanded.
func (e *evaluator) resolvedHost() string {
	h := e.first("hostname")
	if h == "" {
		return strings.ToLower(e.original)
	}
	return strings.ToLower(strings.NewReplacer("%%", "%", "%h", e.original).Replace(h))
}

// included returns the files that an Include in src names.
func (src source) included(pattern, home string) ([]string, error) {
	switch {
	case strings.HasPrefix(pattern, "~/"):
		pattern = filepath.Join(home, pattern[2:])
	case !filepath.IsAbs(pattern):
		pattern = filepath.Join(src.baseDir, pattern)
	}
	return filepath.Glob(pattern)
}

func (e *evaluator) include(src source, patterns []string, depth int) error {
	for _, p := range patterns {
		files, err := src.included(p, e.home)
		if err != nil {
			return fmt.Errorf("include %s: %w", p, err)
		}
		for _, f := range files {
			sub := source{path: f, baseDir: src.baseDir, checkPerms: src.checkPerms}
			if err := e.file(sub, true, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// match evaluates the criteria of a Match line; all must hold. A criterion that is not known makes the block not apply.
func (e *evaluator) match(src source, d directive, args []string) bool {
	holds := true
	for len(args) > 0 {
		name := strings.ToLower(args[0])
		neg := strings.HasPrefix(name, "!")
		name = strings.TrimPrefix(name, "!")
		args = args[1:]
		var ok bool
		switch name {
		case "all":
			ok = true
		case "canonical": // names are never made canonical here
		case "final":
			e.sawFinal = true
			ok = e.final
		default:
			if len(args) == 0 {
				e.warnMatch(src, d, name)
				return false
			}
			subject, known := e.subject(name)
			if !known {
				e.warnMatch(src, d, name)
				return false
			}
			ok = matchList(subject, strings.Split(args[0], ","))
			args = args[1:]
		}
		holds = holds && ok != neg
	}
	return holds
}

// subject is the text that the patterns of a Match criterion are held against.
func (e *evaluator) subject(criterion string) (text string, known bool) {
	switch criterion {
	case "host":
		return e.resolvedHost(), true
	case "originalhost":
		return e.original, true
	case "localuser":
		return e.localUser, true
	case "user":
		if e.user != "" {
			return e.user, true
		}
		if u := e.first("user"); u != "" {
			return u, true
		}
		return e.localUser, true
	}
	return "", false
}

func (e *evaluator) warnMatch(src source, d directive, criterion string) {
	w := fmt.Sprintf("%s:%d: Match %s is not understood: the block is left out", src.path, d.line, safeText(criterion))
	if !e.warned[w] { // the second pass comes by again
		e.warned[w] = true
		e.warnings = append(e.warnings, w)
	}
}

// set stores the value of a keyword unless an earlier line did.
func (e *evaluator) set(d directive) error {
	if !knownKeyword(d.key) {
		return nil
	}
	if d.key == "proxycommand" || d.key == "knownhostscommand" {
		// The rest of the line is a shell command: it is looked at, never split.
		e.keep(d.key, []string{d.rest})
		return nil
	}
	args, err := splitArgs(d.rest)
	if err != nil {
		return fmt.Errorf("%s: %w", d.key, err)
	}
	if len(args) == 0 || args[0] == "" {
		return fmt.Errorf("%s: argument missing", d.key)
	}
	switch d.key {
	case "identityfile", "certificatefile":
		list := &e.identities
		if d.key == "certificatefile" {
			list = &e.certificates
		}
		if !slices.Contains(*list, args[0]) { // the second pass comes by again
			*list = append(*list, args[0])
		}
	case "proxyjump":
		// Whichever of the two ways stands first counts.
		if _, ok := e.values["proxycommand"]; !ok {
			e.keep(d.key, args)
		}
	default:
		e.keep(d.key, args)
	}
	return nil
}

// keep stores the first value of a keyword.
func (e *evaluator) keep(key string, args []string) {
	if jump := e.first("proxyjump"); key == "proxycommand" && jump != "" && jump != "none" {
		return
	}
	if _, ok := e.values[key]; !ok {
		e.values[key] = args
	}
}

// knownKeyword reports whether the keyword means something to this client.
func knownKeyword(key string) bool {
	switch key {
	case "hostname", "port", "user", "identityfile", "certificatefile", "identitiesonly", "identityagent", "userknownhostsfile",
		"globalknownhostsfile", "hashknownhosts", "stricthostkeychecking", "hostkeyalias", "connecttimeout", "batchmode",
		"proxyjump", "proxycommand", "controlpath", "addressfamily", "bindaddress", "serveraliveinterval", "serveralivecountmax",
		"ciphers", "kexalgorithms", "macs", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "preferredauthentications",
		"pubkeyauthentication", "passwordauthentication", "kbdinteractiveauthentication", "numberofpasswordprompts",
		"pkcs11provider", "knownhostscommand", "hostbasedauthentication", "verifyhostkeydns", "gssapiauthentication",
		"securitykeyprovider", "revokedhostkeys", "bindinterface", "proxyusefdpass", "canonicalizehostname":
		return true
	}
	return false
}

// modernKeyword translates the older names of keywords.
func modernKeyword(key string) string {
	switch key {
	case "challengeresponseauthentication", "skeyauthentication", "tisauthentication":
		return "kbdinteractiveauthentication"
	case "pubkeyacceptedkeytypes":
		return "pubkeyacceptedalgorithms"
	case "dsaauthentication":
		return "pubkeyauthentication"
	case "smartcarddevice":
		return "pkcs11provider"
	}
	return key
}
