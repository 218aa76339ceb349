package sshconn

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/ssh"
)

const maxKeyFile = 1 << 20 // bytes

// An identity is one key file: its public half, where that can be told, and a way to the private one.
type identity struct {
	path string
	pub  ssh.PublicKey   // nil: an old format that shows it only with the passphrase
	cert ssh.Signer      // with the certificate beside the file, nil if there is none
	sign ssh.Signer      // nil: only the agent can sign
	open func() error    // for a key without pub: asks for the passphrase and sets pub and sign
	ask  passphraseAsker // asks for the file's passphrase
}

// A passphraseAsker returns the passphrase of a key file; attempt counts from 0.
type passphraseAsker func(path string, attempt int) (string, error)

var errPublicOnly = errors.New("holds a public key only, and the agent does not have its private key")

// loadIdentity reads a key file. A file with a public key, as the owners of hardware keys use it, is an identity that
// the agent must hold. An encrypted key is decrypted only when the server wants it.
func loadIdentity(path string, ask passphraseAsker) (*identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := readLimited(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	id := &identity{path: path, ask: ask}
	if pub, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil && !bytes.Contains(data, []byte("PRIVATE KEY")) {
		id.pub = pub
		return id, nil
	}
	if readableByOthers(info) {
		return nil, fmt.Errorf("others can read this private key (mode %04o); run: chmod 600 %s", info.Mode().Perm(), path)
	}
	if err := id.parse(data); err != nil {
		return nil, err
	}
	id.loadCertificate()
	return id, nil
}

func (id *identity) parse(data []byte) error {
	signer, err := ssh.ParsePrivateKey(data)
	if err == nil {
		id.pub, id.sign = signer.PublicKey(), signer
		return nil
	}
	missing, ok := errors.AsType[*ssh.PassphraseMissingError](err)
	if !ok {
		return fmt.Errorf("%w (PEM, PKCS #8 and OpenSSH keys without hardware can be read)", err)
	}
	id.pub = missing.PublicKey
	if id.pub == nil {
		id.pub = publicHalf(id.path)
	}
	if id.pub != nil {
		id.sign = &lazySigner{pub: id.pub, load: func() (ssh.Signer, error) { return id.decrypt(data) }}
		return nil
	}
	id.open = func() error {
		s, err := id.decrypt(data)
		if err == nil {
			id.pub, id.sign = s.PublicKey(), s
		}
		return err
	}
	return nil
}

// publicHalf reads path.pub, which old encrypted formats need: they do not tell the public key.
func publicHalf(path string) ssh.PublicKey {
	data, err := readLimited(path+".pub", maxKeyFile)
	if err != nil {
		return nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil
	}
	return pub
}

// decrypt asks for the passphrase, up to three times.
func (id *identity) decrypt(data []byte) (ssh.Signer, error) {
	for attempt := range 3 {
		pass, err := id.ask(id.path, attempt)
		if err != nil {
			return nil, err
		}
		if pass == "" {
			return nil, errors.New("no passphrase given")
		}
		s, err := ssh.ParsePrivateKeyWithPassphrase(data, []byte(pass))
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, x509.IncorrectPasswordError) {
			return nil, fmt.Errorf("%w; ssh-keygen -p -f %s writes the key in a format that can be read", err, id.path)
		}
	}
	return nil, errors.New("wrong passphrase")
}

// loadCertificate takes path-cert.pub into use if it certifies this key.
func (id *identity) loadCertificate() {
	if id.sign == nil {
		return
	}
	data, err := readLimited(id.path+"-cert.pub", maxKeyFile)
	if err != nil {
		return
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return
	}
	if cert, ok := pub.(*ssh.Certificate); ok {
		if s, err := ssh.NewCertSigner(cert, id.sign); err == nil {
			id.cert = s
		}
	}
}

// A lazySigner decrypts its key when it must sign: a passphrase is asked for only if the server accepts the key.
type lazySigner struct {
	pub    ssh.PublicKey
	load   func() (ssh.Signer, error)
	loaded ssh.Signer
}

func (s *lazySigner) PublicKey() ssh.PublicKey { return s.pub }

func (s *lazySigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return s.SignWithAlgorithm(rand, data, "")
}

func (s *lazySigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if s.loaded == nil {
		signer, err := s.load()
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(signer.PublicKey().Marshal(), s.pub.Marshal()) {
			return nil, errors.New("the private key does not belong to its public half")
		}
		s.loaded = signer
	}
	if as, ok := s.loaded.(ssh.AlgorithmSigner); ok && algorithm != "" {
		return as.SignWithAlgorithm(rand, data, algorithm)
	}
	return s.loaded.Sign(rand, data)
}
