package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

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
	r        *Resolved
	log      *slog.Logger
	ask      func(text string, echo bool) (string, error)
	agent    agent.ExtendedAgent // nil: none
	gone     func() bool         // the connection has ended
	extend   func(time.Duration) // gives the agent so much time for its next answer
	unlocked *Unlocked

	started    bool // the server has shown its key and wants a login
	ready      bool // queue is built
	queue      []candidate
	notes      []string        // what became of each key, for the error
	typed      int             // passwords asked for
	interacted int             // rounds of keyboard-interactive
	questioned bool            // the server has asked something in one of them
	failed     map[string]bool // public keys that could not sign
	noPrompt   bool            // asking has failed: do not try again
	offered    string          // the key that is being tried
	partial    int             // steps the server has accepted
	stop       error           // the user wants no further attempt
	allowed    []string        // what the server last said it takes
}

// dialAgent connects to the agent; nil where there is none. A socket that does not answer is a note, not an error.
func dialAgent(ctx context.Context, path string) (net.Conn, error) {
	if path == "" {
		return nil, nil
	}
	return openAgent(ctx, path)
}

// next is the ssh.ClientAuthCallback: it picks what to try after the previous attempt has failed, or has been one of
// several that the server wants.
func (a *authenticator) next(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
	if a.gone() {
		// The library takes it for a refusal, and would go on.
		return nil, errHungUp
	}
	a.settle(len(c.PartialSuccessMethods))
	a.allowed = c.AllowedMethods
	if a.stop != nil {
		return nil, a.stop
	}
	for _, method := range a.r.Methods {
		if !slices.Contains(c.AllowedMethods, method) {
			continue
		}
		m, err := a.try(method)
		if m != nil || err != nil {
			return m, err
		}
	}
	return nil, errExhausted
}

// try returns the next attempt by one method, nil if there is none left.
func (a *authenticator) try(method string) (ssh.AuthMethod, error) {
	if method == "publickey" {
		return a.nextKey()
	}
	if a.noPrompt || a.r.BatchMode {
		return nil, nil
	}
	switch {
	case method == "keyboard-interactive" && a.interacted < a.r.PasswordPrompts && (a.interacted == 0 || a.questioned):
		a.interacted++ // a server that asks nothing will not do so the next time
		return ssh.KeyboardInteractive(a.challenge), nil
	case method == "password" && a.typed < a.r.PasswordPrompts:
		a.typed++
		return ssh.PasswordCallback(a.password), nil
	}
	return nil, nil
}

func (a *authenticator) nextKey() (ssh.AuthMethod, error) {
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
		if errors.Is(err, errServed) {
			continue
		}
		if err == nil {
			signer, err = a.permitted(signer)
		}
		if err != nil {
			a.note(cand.name, err)
			continue
		}
		a.log.Debug("offering key", "key", cand.name, "type", signer.PublicKey().Type())
		a.offered = cand.name
		a.extend(authTimeout) // its owner may have to touch a key
		return ssh.PublicKeys(a.watch(cand.name, signer)), nil
	}
	return nil, nil
}

// permitted holds a key to PubkeyAcceptedAlgorithms.
func (a *authenticator) permitted(s ssh.Signer) (ssh.Signer, error) {
	if a.r.PubkeyAlgorithms == nil {
		return s, nil
	}
	keyType := s.PublicKey().Type()
	algorithms := []string{keyType}
	switch keyType {
	case ssh.KeyAlgoRSA:
		algorithms = []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSA}
	case ssh.CertAlgoRSAv01:
		algorithms = []string{ssh.CertAlgoRSASHA256v01, ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSAv01}
	}
	algorithms = slices.DeleteFunc(algorithms, func(n string) bool { return !slices.Contains(a.r.PubkeyAlgorithms, n) })
	if len(algorithms) == 0 {
		return nil, fmt.Errorf("PubkeyAcceptedAlgorithms leaves out %s", keyType)
	}
	as, ok := s.(ssh.AlgorithmSigner)
	if !ok || keyType != ssh.KeyAlgoRSA && keyType != ssh.CertAlgoRSAv01 {
		return s, nil
	}
	for i, n := range algorithms { // what signs a certificate is named after the key
		algorithms[i] = strings.ReplaceAll(n, "-cert-v01@openssh.com", "")
	}
	return ssh.NewSignerWithAlgorithms(as, algorithms)
}

// settle notes that the key offered last was refused, unless the server counts it as one step of several.
func (a *authenticator) settle(partial int) {
	if a.offered != "" && partial == a.partial {
		a.note(a.offered, errors.New("the server does not accept it"))
	}
	a.offered, a.partial = "", partial
}

var (
	errExhausted = errors.New("nothing left to try")
	errHungUp    = fmt.Errorf("the server closed the connection during the login: %w", io.ErrUnexpectedEOF)
	errServed    = errors.New("the agent has signed with this key")
)

// note remembers why a key did not serve.
func (a *authenticator) note(name string, err error) {
	a.log.Debug("key not used", "key", name, "error", err)
	a.notes = append(a.notes, fmt.Sprintf("%s: %v", name, err))
}

// kerberosOnly reports whether the server takes nothing but what only the ssh program can do.
func (a *authenticator) kerberosOnly() bool {
	return slices.Contains(a.allowed, "gssapi-with-mic") && !slices.ContainsFunc(a.r.Methods, func(m string) bool { return slices.Contains(a.allowed, m) })
}

// summary tells what was tried.
func (a *authenticator) summary() string {
	s := "there was no key to offer"
	if len(a.notes) > 0 {
		s = strings.Join(a.notes, "; ")
	}
	return fmt.Sprintf("%s; the server takes %s", s, safeText(strings.Join(a.allowed, ", ")))
}

func (a *authenticator) passphrase(path string, attempt int) (secret, error) {
	if a.r.BatchMode {
		return secret{}, fmt.Errorf("%w: the key is encrypted and BatchMode is on", ErrNoTerminal)
	}
	text := fmt.Sprintf("Enter passphrase for key '%s': ", path)
	if attempt > 0 {
		text = "Wrong passphrase. " + text
	}
	answer, err := a.ask(text, false)
	if errors.Is(err, ErrNoTerminal) {
		return secret{}, fmt.Errorf("the key is encrypted and its passphrase cannot be asked for (ssh-add loads it into the agent): %w", err)
	}
	return secret{answer}, err
}

func (a *authenticator) password() (string, error) {
	return a.typedAnswer(fmt.Sprintf("%s@%s's password: ", a.r.User, a.r.HostName), false)
}

// challenge answers the questions of the server. Their text is the server's and is made harmless by the prompt.
func (a *authenticator) challenge(name, instruction string, questions []string, echos []bool) ([]string, error) {
	if len(questions) > 16 {
		return nil, fmt.Errorf("the server asks %d questions at once", len(questions))
	}
	a.questioned = a.questioned || len(questions) > 0
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
		a.failed[string(s.PublicKey().Marshal())] = true
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
