package sshconn

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
)

const maxKeyFile = 1 << 20 // bytes

// An identity is one key file: its public half, where that can be told, and a way to the private one.
type identity struct {
	path string
	pub  ssh.PublicKey    // nil: an old format that shows it only with the passphrase
	cert *ssh.Certificate // the certificate beside the file, nil if there is none
	sign ssh.Signer       // nil: only the agent can sign
	none error            // why sign is nil
	open func() error     // for a key without pub: asks for the passphrase and sets pub and sign
	keys *keyRing
}

// A keyRing opens encrypted keys.
type keyRing struct {
	ask      func(path string, attempt int) (secret, error) // for the passphrase; attempt counts from 0
	unlocked *Unlocked
}

var (
	errPublicOnly = errors.New("holds a public key only, and the agent does not have its private key")
	errHardware   = errors.New("belongs to a security key: an agent that holds it can sign (ssh-add), or the ssh program (--ssh=command)")
)

// loadIdentity reads a key file. A file with a public key, as the owners of hardware keys use it, is an identity that
// the agent must hold. An encrypted key is decrypted only when the server wants it.
func loadIdentity(path string, keys *keyRing) (*identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := readLimited(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	id := &identity{path: path, keys: keys, cert: readCertificate(path + "-cert.pub")}
	if pub, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil && !bytes.Contains(data, []byte("PRIVATE KEY")) {
		id.pub, id.none = pub, errPublicOnly
		if id.cert == nil {
			id.cert = readCertificate(strings.TrimSuffix(path, ".pub") + "-cert.pub")
		}
		return id, nil
	}
	if readableByOthers(info) {
		return nil, fmt.Errorf("others can read this private key (mode %04o); run: chmod 600 %s", info.Mode().Perm(), path)
	}
	if err := id.parse(data); err != nil {
		return nil, err
	}
	if id.cert != nil && id.pub != nil && !sameKey(id.cert.Key, id.pub) {
		id.cert = nil
	}
	return id, nil
}

func (id *identity) parse(data []byte) error {
	signer, err := ssh.ParsePrivateKey(data)
	if err == nil {
		id.pub, id.sign = signer.PublicKey(), signer
		return nil
	}
	if pub := statedPublic(data); pub != nil && isSecurityKey(pub) {
		id.pub, id.none = pub, errHardware
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

// statedPublic is the public key that a private key in OpenSSH's format states in the clear, or nil.
func statedPublic(data []byte) ssh.PublicKey {
	block, _ := pem.Decode(data)
	const magic = "openssh-key-v1\x00"
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" || !bytes.HasPrefix(block.Bytes, []byte(magic)) {
		return nil
	}
	var head struct {
		Cipher, KDF, Options string
		Count                uint32
		Public               []byte
		Rest                 []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(block.Bytes[len(magic):], &head) != nil {
		return nil
	}
	pub, err := ssh.ParsePublicKey(head.Public)
	if err != nil {
		return nil
	}
	return pub
}

// isSecurityKey reports whether only a device can sign for the key.
func isSecurityKey(pub ssh.PublicKey) bool { return strings.HasPrefix(pub.Type(), "sk-") }

func sameKey(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

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

// readCertificate reads a certificate, nil if there is none.
func readCertificate(path string) *ssh.Certificate {
	c, _ := loadCertificate(path)
	return c
}

func loadCertificate(path string) (*ssh.Certificate, error) {
	data, err := readLimited(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, err
	}
	cert, ok := pub.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("holds no certificate")
	}
	return cert, nil
}

// decrypt asks for the passphrase, up to three times.
func (id *identity) decrypt(data []byte) (ssh.Signer, error) {
	if s := id.keys.unlocked.get(id.path); s != nil {
		return s, nil
	}
	for attempt := range 3 {
		pass, err := id.keys.ask(id.path, attempt)
		if err != nil {
			return nil, err
		}
		if pass.text == "" {
			return nil, errors.New("no passphrase given")
		}
		s, err := ssh.ParsePrivateKeyWithPassphrase(data, []byte(pass.text))
		if err == nil {
			id.keys.unlocked.put(id.path, s)
			return s, nil
		}
		if !errors.Is(err, x509.IncorrectPasswordError) {
			return nil, fmt.Errorf("%w; ssh-keygen -p -f %s writes the key in a format that can be read", err, id.path)
		}
	}
	return nil, errors.New("wrong passphrase")
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
