package sshconn

import (
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/crypto/ssh"
)

// build orders the keys as ssh(1) does, so that those that most likely fit come before the server has had enough:
// certificates, identity files that the agent holds, the agent's other keys, the rest of the files.
func (a *authenticator) build() {
	a.ready, a.failed = true, map[string]bool{}
	b := queueBuilder{a: a, files: a.loadFiles(), held: a.agentSigners(), used: map[string]bool{}}
	b.certificates()
	for _, id := range b.files {
		if id.pub != nil {
			if s := b.agentKey(id.pub); s != nil {
				b.add("agent key of "+id.path, s)
			}
		}
	}
	if !a.r.IdentitiesOnly {
		b.heldCertificates()
		for _, s := range b.held {
			b.add("agent key "+ssh.FingerprintSHA256(s.PublicKey()), s)
		}
	}
	for _, id := range b.files {
		b.file(id)
	}
}

// A queueBuilder fills the queue of an authenticator.
type queueBuilder struct {
	a     *authenticator
	files []*identity
	held  []ssh.Signer    // by the agent
	used  map[string]bool // public keys in the queue
}

func (b *queueBuilder) add(name string, s ssh.Signer) {
	blob := string(s.PublicKey().Marshal())
	if !b.used[blob] {
		b.used[blob] = true
		b.a.queue = append(b.a.queue, candidate{name, func() (ssh.Signer, error) { return s, nil }})
	}
}

// agentKey returns the agent's signer for a key, nil if it has none.
func (b *queueBuilder) agentKey(pub ssh.PublicKey) ssh.Signer {
	for _, s := range b.held {
		if sameKey(s.PublicKey(), pub) {
			return s
		}
	}
	return nil
}

// certificates queues those of CertificateFile, those beside the key files, and those of the agent whose key is that of
// a file.
func (b *queueBuilder) certificates() {
	for _, path := range b.a.r.CertificateFiles {
		cert, err := loadCertificate(path)
		if err == nil {
			err = b.certificate(path, cert)
		}
		if err != nil {
			b.a.note(path, err)
		}
	}
	for _, id := range b.files {
		if id.cert != nil {
			_ = b.certificate(id.path+"-cert.pub", id.cert) // without its private key: nobody has asked for it
		}
	}
	for _, s := range b.held {
		cert := asCertificate(s.PublicKey())
		if cert != nil && slices.ContainsFunc(b.files, func(id *identity) bool { return id.pub != nil && sameKey(id.pub, cert.Key) }) {
			b.add("agent certificate "+ssh.FingerprintSHA256(cert), s)
		}
	}
}

// heldCertificates queues the agent's other certificates: who has one needs it, and the key alone would not do.
func (b *queueBuilder) heldCertificates() {
	for _, s := range b.held {
		if asCertificate(s.PublicKey()) != nil {
			b.add("agent certificate "+ssh.FingerprintSHA256(s.PublicKey()), s)
		}
	}
}

// certificate queues a certificate with the private key that belongs to it.
func (b *queueBuilder) certificate(path string, cert *ssh.Certificate) error {
	if s := b.agentKey(cert); s != nil {
		b.add(path, s)
		return nil
	}
	key := b.agentKey(cert.Key)
	for _, id := range b.files {
		if key == nil && id.sign != nil && sameKey(id.pub, cert.Key) {
			key = id.sign
		}
	}
	if key == nil {
		return errors.New("neither the agent nor an identity file has the private key of this certificate")
	}
	s, err := ssh.NewCertSigner(cert, key)
	if err == nil {
		b.add(path, s)
	}
	return err
}

// asCertificate returns the certificate that a key of the agent is, or nil.
func asCertificate(key ssh.PublicKey) *ssh.Certificate {
	if !isCertAlgorithm(key.Type()) {
		return nil
	}
	parsed, err := ssh.ParsePublicKey(key.Marshal())
	if err != nil {
		return nil
	}
	cert, _ := parsed.(*ssh.Certificate)
	return cert
}

func (b *queueBuilder) file(id *identity) {
	switch {
	case id.sign != nil && b.used[string(id.pub.Marshal())]:
		// The agent has it. Should it fail to sign, being locked or gone, the file is still there.
		b.a.queue = append(b.a.queue, candidate{id.path, func() (ssh.Signer, error) {
			if !b.a.failed[string(id.pub.Marshal())] {
				return nil, errServed
			}
			return id.sign, nil
		}})
	case id.sign != nil:
		b.add(id.path, id.sign)
	case id.open != nil:
		b.a.queue = append(b.a.queue, candidate{id.path, func() (ssh.Signer, error) {
			if err := id.open(); err != nil {
				return nil, err
			}
			return id.sign, nil
		}})
	case !b.used[string(id.pub.Marshal())]:
		b.a.note(id.path, id.none)
	}
}

func (a *authenticator) loadFiles() []*identity {
	var out []*identity
	seen := map[string]bool{}
	keys := &keyRing{ask: a.passphrase, unlocked: a.unlocked}
	for _, path := range a.r.IdentityFiles {
		if seen[path] {
			continue
		}
		seen[path] = true
		id, err := loadIdentity(path, keys)
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
	a.extend(agentTimeout)
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
