package sshconn

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// A HostKeyProblem says what is wrong with a host key.
type HostKeyProblem string

// The problems of host keys.
const (
	KeyUnknown     HostKeyProblem = "unknown"
	KeyChanged     HostKeyProblem = "changed"
	KeyRevoked     HostKeyProblem = "revoked"
	KeyCertificate HostKeyProblem = "certificate" // expired, for another host, or otherwise not valid
)

// HostKeyError describes a host key that was refused.
type HostKeyError struct {
	Problem     HostKeyProblem
	Name        string // the name the key was looked up under, as known_hosts writes it
	KeyType     string // of the key the server showed
	Fingerprint string // SHA256:..., of the key the server showed
	File        string // where the key that decides stands, "" where there is none
	Line        int
	Err         error // more about it, or nil
}

func (e *HostKeyError) Error() string {
	shown := fmt.Sprintf("the server shows %s %s", safeText(e.KeyType), e.Fingerprint)
	switch e.Problem {
	case KeyUnknown:
		if e.Err != nil {
			return fmt.Sprintf("no key is known for %s; %s; %v", e.Name, shown, e.Err)
		}
		return fmt.Sprintf("no key is known for %s; %s", e.Name, shown)
	case KeyChanged:
		return fmt.Sprintf("the key of %s has changed, or someone is between you and the server: %s:%d holds another key; %s",
			e.Name, e.File, e.Line, shown)
	case KeyRevoked:
		return fmt.Sprintf("the key of %s is revoked by %s:%d; %s", e.Name, e.File, e.Line, shown)
	}
	return fmt.Sprintf("the host certificate of %s is not valid: %s; %s", e.Name, safeText(fmt.Sprint(e.Err)), shown)
}

func (e *HostKeyError) Unwrap() error { return e.Err }

// hint says what the user can do.
func (e *HostKeyError) hint(host string) string {
	switch e.Problem {
	case KeyUnknown:
		return fmt.Sprintf("compare the fingerprint, then connect once with: ssh %s (or set StrictHostKeyChecking accept-new)", host)
	case KeyChanged:
		return fmt.Sprintf("if the server was set up anew, remove the line with: ssh-keygen -f %s -R '%s'", e.File, e.Name)
	}
	return "ask whoever runs the server"
}

// A hostKeyChecker decides about the key a server shows. It is used by the goroutine of one key exchange at a time.
type hostKeyChecker struct {
	r        *Resolved
	keys     *keyDB
	lookup   string // host:port that known_hosts is asked for
	bare     string // the host with the usual port, where that is another name; else ""
	log      *slog.Logger
	ask      func(text string, echo bool) (string, error)
	err      error         // the refusal, for Dial: the library wraps it in text
	accepted ssh.PublicKey // what was accepted in the first key exchange
	plain    bool          // ask for no certificates
}

// errOtherAuthority is a certificate of an authority that is not known, for a key that is not known, from a host of which
// other keys are. Asked for no certificate, the server may show one of them.
var errOtherAuthority = errors.New("the certificate of the host is by an authority that is not known")

func newHostKeyChecker(r *Resolved, log *slog.Logger, ask func(string, bool) (string, error)) (*hostKeyChecker, error) {
	keys, err := loadKnownHosts(slices.Concat(r.UserKnownHosts, r.GlobalKnownHosts), log)
	if err != nil {
		return nil, err
	}
	c := &hostKeyChecker{r: r, keys: keys, log: log, ask: ask}
	// With an alias the port does not take part in the name, as in ssh(1).
	c.lookup = r.Address()
	if r.HostKeyAlias != "" {
		c.lookup = net.JoinHostPort(r.HostKeyAlias, "22")
	} else if r.Port != 22 {
		c.bare = joinHostPort(r.HostName, 22)
	}
	return c, nil
}

// algorithms lists what to offer, see keyDB.algorithms, within what HostKeyAlgorithms permits. The order is that of the
// known keys: another one would have the server show a key that is not known.
func (c *hostKeyChecker) algorithms() []string {
	addresses := []string{c.lookup}
	if c.bare != "" {
		addresses = append(addresses, c.bare)
	}
	list, permitted := c.keys.algorithms(addresses...), c.r.HostKeyAlgorithms
	if c.plain {
		list = slices.DeleteFunc(list, isCertAlgorithm)
	}
	if permitted == nil {
		return list
	}
	list = slices.DeleteFunc(list, func(a string) bool { return !slices.Contains(permitted, a) })
	for _, a := range permitted {
		if !isCertAlgorithm(a) && !slices.Contains(list, a) { // old ones, which are offered on demand only
			list = append(list, a)
		}
	}
	return list
}

// callback is the ssh.HostKeyCallback. Key exchanges repeat during a long connection: then only the key of the first one
// is good, without another look into files and without another question.
func (c *hostKeyChecker) callback(_ string, remote net.Addr, key ssh.PublicKey) error {
	if c.accepted != nil {
		if !bytes.Equal(c.accepted.Marshal(), key.Marshal()) {
			return errors.New("the server changed its host key during the connection")
		}
		return nil
	}
	if err := c.verify(remote, key); err != nil {
		c.err = err
		return err
	}
	c.accepted = key
	return nil
}

func (c *hostKeyChecker) verify(remote net.Addr, key ssh.PublicKey) error {
	err := c.verifyAs(c.lookup, remote, key)
	e, ok := errors.AsType[*HostKeyError](err)
	if !ok || e.Problem != KeyUnknown {
		return err
	}
	// A host on a port of its own may be known by its bare name, as ssh(1) allows; only a key that fits counts then.
	if c.bare != "" && c.verifyAs(c.bare, remote, key) == nil {
		return nil
	}
	return c.unknown(plainKey(key), e)
}

// verifyAs checks the key against what is known for one name.
func (c *hostKeyChecker) verifyAs(lookup string, remote net.Addr, key ssh.PublicKey) error {
	if cert, ok := key.(*ssh.Certificate); ok {
		if err := c.revoked(lookup, remote, cert.SignatureKey, key); err != nil {
			return err
		}
		if c.keys.isAuthority(lookup, cert.SignatureKey) {
			return c.certificate(lookup, remote, cert)
		}
	}
	plain := plainKey(key) // an authority that is not known says nothing: the key inside counts
	err := c.keys.check(lookup, remote, plain)
	if err == nil {
		return nil
	}
	if revoked, ok := errors.AsType[*xknownhosts.RevokedError](err); ok {
		return c.problem(lookup, KeyRevoked, key, &revoked.Revoked, err)
	}
	keyErr, ok := errors.AsType[*xknownhosts.KeyError](err)
	if !ok {
		return fmt.Errorf("looking up the host key: %w", err)
	}
	if want := c.keys.plainKeys(lookup, keyErr.Want); len(want) > 0 {
		if _, certified := key.(*ssh.Certificate); certified && !c.plain {
			return errOtherAuthority
		}
		return c.problem(lookup, KeyChanged, key, closest(want, plain), nil)
	}
	return c.problem(lookup, KeyUnknown, key, nil, nil)
}

// plainKey is the key itself, or the one inside a certificate.
func plainKey(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

// closest picks the known key to name in a message: one of the same type if there is one.
func closest(want []xknownhosts.KnownKey, key ssh.PublicKey) *xknownhosts.KnownKey {
	for i := range want {
		if want[i].Key.Type() == key.Type() {
			return &want[i]
		}
	}
	return &want[0]
}

// revoked refuses a certificate whose authority is revoked, even where the authority is named nowhere else.
func (c *hostKeyChecker) revoked(lookup string, remote net.Addr, ca, shown ssh.PublicKey) error {
	err := c.keys.check(lookup, remote, ca)
	if revoked, ok := errors.AsType[*xknownhosts.RevokedError](err); ok {
		return c.problem(lookup, KeyRevoked, shown, &revoked.Revoked, err)
	}
	return nil
}

// certificate checks a certificate of a known authority: type, dates, principals, revocation.
func (c *hostKeyChecker) certificate(lookup string, remote net.Addr, cert *ssh.Certificate) error {
	err := c.keys.check(lookup, remote, cert)
	if err == nil {
		return nil
	}
	if revoked, ok := errors.AsType[*xknownhosts.RevokedError](err); ok {
		return c.problem(lookup, KeyRevoked, cert, &revoked.Revoked, err)
	}
	return c.problem(lookup, KeyCertificate, cert, nil, err)
}

func (c *hostKeyChecker) problem(lookup string, p HostKeyProblem, key ssh.PublicKey, at *xknownhosts.KnownKey, cause error) error {
	e := &HostKeyError{
		Problem: p, Name: knownhosts.Normalize(lookup), KeyType: key.Type(),
		Fingerprint: ssh.FingerprintSHA256(key), Err: cause,
	}
	if at != nil {
		e.File, e.Line = c.keys.place(*at)
	}
	return e
}

// unknown applies StrictHostKeyChecking to a host without a known key; refusal is the error for it.
func (c *hostKeyChecker) unknown(key ssh.PublicKey, refusal *HostKeyError) error {
	switch c.r.StrictHostKeyChecking {
	case AcceptNew, No:
	case Ask:
		if err := c.confirm(key); err != nil {
			refusal.Err = err
			return refusal
		}
	default:
		return refusal
	}
	c.store(key)
	return nil
}

// confirm asks the user whether the key is right: yes, or the fingerprint typed in full.
func (c *hostKeyChecker) confirm(key ssh.PublicKey) error {
	name, print := knownhosts.Normalize(c.lookup), ssh.FingerprintSHA256(key)
	question := fmt.Sprintf("The authenticity of host '%s' cannot be established.\n%s key fingerprint is %s.\n"+
		"Are you sure you want to continue connecting (yes/no/[fingerprint])? ", name, strings.ToUpper(shortType(key)), print)
	for range 3 {
		answer, err := c.ask(question, true)
		if err != nil {
			return err
		}
		switch answer = strings.TrimSpace(answer); {
		case strings.EqualFold(answer, "yes") || answer == print:
			return nil
		case strings.EqualFold(answer, "no"):
			return errors.New("refused by the user")
		}
		question = "Please type 'yes', 'no' or the fingerprint: "
	}
	return errors.New("not confirmed by the user")
}

// store writes a new key down. Failing to do so does not end the connection: the user has accepted the key.
func (c *hostKeyChecker) store(key ssh.PublicKey) {
	if len(c.r.UserKnownHosts) == 0 {
		return
	}
	file := c.r.UserKnownHosts[0]
	if err := appendKnownHost(file, c.lookup, key, c.r.HashKnownHosts); err != nil {
		c.log.Warn("the new host key could not be stored", "file", file, "error", err)
		return
	}
	c.log.Warn("host key stored", "host", knownhosts.Normalize(c.lookup), "type", key.Type(),
		"fingerprint", ssh.FingerprintSHA256(key), "file", file)
}

// shortType is the key type as users say it: ed25519, rsa, ecdsa.
func shortType(key ssh.PublicKey) string {
	t := strings.TrimPrefix(strings.TrimPrefix(key.Type(), "sk-"), "ssh-")
	name, _, _ := strings.Cut(t, "-")
	name, _, _ = strings.Cut(name, "@")
	return cmp.Or(name, "unknown")
}

func isCertAlgorithm(a string) bool { return strings.Contains(a, "-cert-v0") }

func decodeBase64(b []byte) ([]byte, error) { return base64.StdEncoding.DecodeString(string(b)) }
