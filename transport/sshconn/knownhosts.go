package sshconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

const maxKnownHosts = 64 << 20 // bytes of one known_hosts file

// A keyDB answers what the known_hosts files say about one host.
type keyDB struct {
	db    *knownhosts.HostKeyDB
	check ssh.HostKeyCallback
	alias map[string]string // path of a cleaned copy -> path of the file
}

// loadKnownHosts reads those of the files that exist. The parser refuses a whole file for one line it does not
// understand, where ssh(1) skips the line. So a file with such lines is read again from a copy in which they are
// blank; line numbers stay the same.
func loadKnownHosts(files []string, log *slog.Logger) (*keyDB, error) {
	var exist []string
	for _, f := range files {
		info, err := os.Stat(f)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("known hosts: %w", err)
		case info.IsDir():
			return nil, fmt.Errorf("known hosts: %s is a directory", f)
		case info.Size() > maxKnownHosts:
			return nil, fmt.Errorf("known hosts: %s is larger than %d bytes", f, maxKnownHosts)
		}
		exist = append(exist, f)
	}
	db, err := knownhosts.NewDB(exist...)
	if err == nil {
		return &keyDB{db: db, check: db.HostKeyCallback()}, nil
	}
	return loadCleaned(exist, log)
}

func loadCleaned(files []string, log *slog.Logger) (*keyDB, error) {
	dir, err := os.MkdirTemp("", "gosync-known-hosts-")
	if err != nil {
		return nil, fmt.Errorf("known hosts: %w", err)
	}
	defer os.RemoveAll(dir)
	k := &keyDB{alias: map[string]string{}}
	var copies []string
	for i, f := range files {
		data, err := readLimited(f, maxKnownHosts)
		if err != nil {
			return nil, fmt.Errorf("known hosts: %w", err)
		}
		c := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(c, blankBadLines(f, data, log), 0o600); err != nil {
			return nil, fmt.Errorf("known hosts: %w", err)
		}
		copies, k.alias[c] = append(copies, c), f
	}
	if k.db, err = knownhosts.NewDB(copies...); err != nil {
		return nil, fmt.Errorf("known hosts: %w", err)
	}
	k.check = k.db.HostKeyCallback()
	return k, nil
}

// blankBadLines empties the lines that do not parse and warns about each. White space is what it is for the parser.
func blankBadLines(name string, data []byte, log *slog.Logger) []byte {
	lines := bytes.Split(data, []byte("\n"))
	for i, line := range lines {
		line = bytes.Trim(line, " \t\r")
		if len(line) == 0 || line[0] == '#' || goodLine(line) {
			lines[i] = line
			continue
		}
		log.Warn("known hosts: line is not understood and left out", "file", name, "line", i+1)
		lines[i] = nil
	}
	return bytes.Join(lines, []byte("\n"))
}

// goodLine reports whether the parser takes the line. Where in doubt it says no: a line too few means a question, a line
// too many means no connection at all.
func goodLine(line []byte) bool {
	if len(line) > 60_000 { // the parser's scanner stops at 64 KiB
		return false
	}
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts(append(bytes.Clone(line), '\n'))
	if err != nil || len(hosts) == 0 || (marker != "" && marker != "cert-authority" && marker != "revoked") {
		return false
	}
	fields := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }) // as the parser has it
	if marker != "" {
		fields = fields[1:]
	}
	if len(fields) < 3 || string(fields[1]) != key.Type() {
		return false
	}
	for _, h := range strings.Split(string(fields[0]), ",") {
		if !goodHost(strings.TrimPrefix(h, "!")) {
			return false
		}
	}
	return true
}

func goodHost(h string) bool {
	switch {
	case h == "" || h[0] == '@':
		return false
	case h[0] == '|':
		return goodHash(h)
	case h[0] == '[':
		_, _, err := net.SplitHostPort(h)
		return err == nil
	}
	return true
}

// goodHash reports whether h has the form |1|salt|hash.
func goodHash(h string) bool {
	parts := bytes.Split([]byte(h), []byte("|"))
	if len(parts) != 4 || string(parts[1]) != "1" {
		return false
	}
	for _, p := range parts[2:] {
		if b, err := decodeBase64(p); err != nil || len(b) != 20 {
			return false
		}
	}
	return true
}

// algorithms lists the host key algorithms to offer: first those of the keys that are known for the addresses, so
// that the server shows one of them and not another that would look like a change. Certificates are asked for only where
// an authority is known.
func (k *keyDB) algorithms(addresses ...string) []string {
	var certs, known, rest []string
	for _, a := range addresses {
		for _, key := range k.db.HostKeys(a) {
			if key.Cert {
				certs = certAlgorithms()
			} else {
				known = append(known, algorithmsOf(key.Type())...)
			}
		}
	}
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if !isCertAlgorithm(a) {
			rest = append(rest, a)
		}
	}
	return dedupe(certs, known, rest)
}

// algorithmsOf maps a key type to signature algorithms. The SHA-1 signatures of RSA keys are left out.
func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

func certAlgorithms() []string {
	var out []string
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if isCertAlgorithm(a) {
			out = append(out, a)
		}
	}
	return out
}

// dedupe joins the lists, each name once, keeping only what the library supports: an unknown name would be refused.
func dedupe(lists ...[]string) []string {
	supported := map[string]bool{}
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		supported[a] = true
	}
	var out []string
	for _, l := range lists {
		for _, a := range l {
			if supported[a] {
				supported[a] = false
				out = append(out, a)
			}
		}
	}
	return out
}

// place names the file and line of a known key, as the user knows the file.
func (k *keyDB) place(key xknownhosts.KnownKey) (file string, line int) {
	if f, ok := k.alias[key.Filename]; ok {
		return f, key.Line
	}
	return key.Filename, key.Line
}

// isAuthority reports whether the known_hosts files name ca as an authority for the address.
func (k *keyDB) isAuthority(address string, ca ssh.PublicKey) bool {
	for _, key := range k.db.HostKeys(address) {
		if key.Cert && bytes.Equal(key.Marshal(), ca.Marshal()) {
			return true
		}
	}
	return false
}

// plainKeys removes the authorities from a list of known keys: a server that shows a plain key is measured by the
// plain keys alone.
func (k *keyDB) plainKeys(address string, want []xknownhosts.KnownKey) []xknownhosts.KnownKey {
	var out []xknownhosts.KnownKey
	keys := k.db.HostKeys(address)
	for _, w := range want {
		cert := false
		for _, key := range keys {
			cert = cert || key.Cert && bytes.Equal(key.Marshal(), w.Key.Marshal())
		}
		if !cert {
			out = append(out, w)
		}
	}
	return out
}

// appendKnownHost adds a line for the key, creating the file and its directory where they are missing.
func appendKnownHost(file, address string, key ssh.PublicKey, hashed bool) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	name := knownhosts.Normalize(address)
	if hashed {
		name = xknownhosts.HashHostname(name)
	}
	line := name + " " + string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))) + "\n"
	if !endsWithNewline(f) {
		line = "\n" + line
	}
	if _, err := f.WriteString(line); err != nil { // one write: two processes that append do not mix
		return err
	}
	return f.Close()
}

func endsWithNewline(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return true
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err != nil || last[0] == '\n'
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return data, nil
}
