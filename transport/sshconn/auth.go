package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	maxAgentKeys    = 256 // keys of an agent that are looked at
	maxTypedAnswers = 3   // passwords, and rounds of keyboard-interactive
)

// A candidate is one key that will be offered.
type candidate struct {
	name string // for messages: where the key comes from
	open func() (ssh.Signer, error)
}

// An authenticator offers keys one by one. The library tries a method only once, and one key that fails to sign ends the
// method; so each key is a method of its own, chosen by next. It is used by one goroutine.
type authenticator struct {
	r     *Resolved
	log   *slog.Logger
	ask   func(text string, echo bool) (string, error)
	agent agent.ExtendedAgent // nil: none

	started    bool // the server has shown its key and wants a login
	ready      bool // queue is built
	queue      []candidate
	notes      []string // what became of each key, for the error
	typed      int      // passwords asked for
	interacted int      // rounds of keyboard-interactive
	noPrompt   bool     // asking has failed: do not try again
	offered    string   // the key that is being tried
	partial    int      // steps the server has accepted
	stop       error    // the user wants no further attempt
	allowed    []string // what the server last said it takes
}

// dialAgent connects to the agent; nil where there is none. A socket that does not answer is a note, not an error.
func dialAgent(ctx context.Context, path string) (net.Conn, error) {
	if path == "" {
		return nil, nil
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// next is the ssh.ClientAuthCallback: it picks what to try after the previous attempt has failed, or has been one of
// several that the server wants.
func (a *authenticator) next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	a.settle(len(c.PartialSuccessMethods))
	a.allowed = c.AllowedMethods
	if a.stop != nil {
		return nil, a.stop
	}
	if slices.Contains(c.AllowedMethods, "publickey") {
		if !a.ready {
			a.build()
		}
		for len(a.queue) > 0 {
			cand := a.queue[0]
			a.queue = a.queue[1:]
			signer, err := cand.open()
			if errors.Is(err, errInterrupted) {
				return nil, err
			}
			if err != nil {
				a.note(cand.name, err)
				continue
			}
			a.log.Debug("offering key", "key", cand.name, "type", signer.PublicKey().Type())
			a.offered = cand.name
			return ssh.PublicKeys(a.watch(cand.name, signer)), nil
		}
	}
	if a.noPrompt || a.r.BatchMode {
		return nil, errExhausted
	}
	if slices.Contains(c.AllowedMethods, "keyboard-interactive") && a.interacted < maxTypedAnswers {
		a.interacted++
		return ssh.KeyboardInteractive(a.challenge), nil
	}
	if slices.Contains(c.AllowedMethods, "password") && a.typed < maxTypedAnswers {
		a.typed++
		return ssh.PasswordCallback(a.password), nil
	}
	return nil, errExhausted
}

// settle notes that the key offered last was refused, unless the server counts it as one step of several.
func (a *authenticator) settle(partial int) {
	if a.offered != "" && partial == a.partial {
		a.note(a.offered, errors.New("the server does not accept it"))
	}
	a.offered, a.partial = "", partial
}

var errExhausted = errors.New("nothing left to try")

// build orders the keys as ssh(1) does: identity files that the agent holds, the agent's other keys, the rest of the
// files.
func (a *authenticator) build() {
	a.ready = true
	files := a.loadFiles()
	held := a.agentSigners()
	used := map[string]bool{}
	add := func(name string, s ssh.Signer) {
		blob := string(s.PublicKey().Marshal())
		if !used[blob] {
			used[blob] = true
			a.queue = append(a.queue, candidate{name, func() (ssh.Signer, error) { return s, nil }})
		}
	}
	for _, id := range files {
		if id.pub == nil {
			continue
		}
		for _, s := range held {
			if string(s.PublicKey().Marshal()) == string(id.pub.Marshal()) {
				add("agent key of "+id.path, s)
			}
		}
	}
	if !a.r.IdentitiesOnly {
		for _, s := range held {
			add("agent key "+ssh.FingerprintSHA256(s.PublicKey()), s)
		}
	}
	for _, id := range files {
		a.addFile(id, used, add)
	}
}

func (a *authenticator) addFile(id *identity, used map[string]bool, add func(string, ssh.Signer)) {
	if id.cert != nil {
		add(id.path+"-cert.pub", id.cert)
	}
	switch {
	case id.sign != nil:
		add(id.path, id.sign)
	case id.open != nil:
		a.queue = append(a.queue, candidate{id.path, func() (ssh.Signer, error) {
			if err := id.open(); err != nil {
				return nil, err
			}
			return id.sign, nil
		}})
	case !used[string(id.pub.Marshal())]:
		a.note(id.path, errPublicOnly)
	}
}

func (a *authenticator) loadFiles() []*identity {
	var out []*identity
	seen := map[string]bool{}
	for _, path := range a.r.IdentityFiles {
		if seen[path] {
			continue
		}
		seen[path] = true
		id, err := loadIdentity(path, a.passphrase)
		if err != nil {
			if !(a.r.defaultIdentity && errors.Is(err, fs.ErrNotExist)) {
				a.note(path, err)
			}
			continue
		}
		out = append(out, id)
	}
	return out
}

func (a *authenticator) agentSigners() []ssh.Signer {
	if a.agent == nil {
		return nil
	}
	signers, err := a.agent.Signers()
	if err != nil {
		a.note("agent", err)
		return nil
	}
	if len(signers) > maxAgentKeys {
		signers = signers[:maxAgentKeys]
	}
	return signers
}

// note remembers why a key did not serve.
func (a *authenticator) note(name string, err error) {
	a.log.Debug("key not used", "key", name, "error", err)
	a.notes = append(a.notes, fmt.Sprintf("%s: %v", name, err))
}

// summary tells what was tried.
func (a *authenticator) summary() string {
	s := "there was no key to offer"
	if len(a.notes) > 0 {
		s = strings.Join(a.notes, "; ")
	}
	return fmt.Sprintf("%s; the server takes %s", s, safeText(strings.Join(a.allowed, ", ")))
}

func (a *authenticator) passphrase(path string, attempt int) (string, error) {
	if a.r.BatchMode {
		return "", fmt.Errorf("%w: the key is encrypted and BatchMode is on", ErrNoTerminal)
	}
	text := fmt.Sprintf("Enter passphrase for key '%s': ", path)
	if attempt > 0 {
		text = "Wrong passphrase. " + text
	}
	answer, err := a.ask(text, false)
	if errors.Is(err, ErrNoTerminal) {
		return "", fmt.Errorf("the key is encrypted and its passphrase cannot be asked for (ssh-add loads it into the agent): %w", err)
	}
	return answer, err
}

func (a *authenticator) password() (string, error) {
	return a.typedAnswer(fmt.Sprintf("%s@%s's password: ", a.r.User, a.r.HostName), false)
}

// challenge answers the questions of the server. Their text is the server's and is made harmless by the prompt.
func (a *authenticator) challenge(name, instruction string, questions []string, echos []bool) ([]string, error) {
	if len(questions) > 16 {
		return nil, fmt.Errorf("the server asks %d questions at once", len(questions))
	}
	answers := make([]string, len(questions))
	for i, q := range questions {
		text := fmt.Sprintf("(%s@%s) %s", a.r.User, a.r.HostName, q)
		if head := strings.TrimSpace(name + "\n" + instruction); i == 0 && head != "" {
			text = head + "\n" + text
		}
		answer, err := a.typedAnswer(text, echos[i])
		if err != nil {
			return nil, err
		}
		answers[i] = answer
	}
	return answers, nil
}

func (a *authenticator) typedAnswer(text string, echo bool) (string, error) {
	if len(text) > 4096 {
		text = text[:4096]
	}
	answer, err := a.ask(text, echo)
	if err != nil {
		a.noPrompt = true
		a.note("typed answer", err)
	}
	return answer, err
}

// watch wraps a signer so that the reason is remembered when it fails to sign: the library goes on without a word. The
// wrapper keeps what the signer can say about its algorithms, which decides what is negotiated.
func (a *authenticator) watch(name string, s ssh.Signer) ssh.Signer {
	as, ok := s.(ssh.AlgorithmSigner)
	if !ok {
		return s
	}
	w := watchedSigner{AlgorithmSigner: as, failed: func(err error) {
		a.offered = ""
		a.note(name, err)
		if errors.Is(err, errInterrupted) {
			a.stop = err
		}
	}}
	if ms, ok := s.(ssh.MultiAlgorithmSigner); ok {
		return &watchedMultiSigner{watchedSigner: w, algorithms: ms.Algorithms()}
	}
	return &w
}

type watchedSigner struct {
	ssh.AlgorithmSigner
	failed func(error)
}

func (w *watchedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	sig, err := w.AlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
	if err != nil {
		w.failed(err)
	}
	return sig, err
}

type watchedMultiSigner struct {
	watchedSigner
	algorithms []string
}

func (w *watchedMultiSigner) Algorithms() []string { return w.algorithms }
