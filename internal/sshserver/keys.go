package sshserver

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Files is what a client needs, as paths.
type Files struct {
	Config     string // ssh_config with the alias
	KnownHosts string
	Key        string // the client's private key
	Alias      string // the host to name on a command line
}

type clientKey struct {
	public  ssh.PublicKey
	private []byte // OpenSSH format
}

func newClientKey() (clientKey, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return clientKey{}, fmt.Errorf("generating the client key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "gosync")
	if err != nil {
		return clientKey{}, fmt.Errorf("encoding the client key: %w", err)
	}
	public, err := ssh.NewPublicKey(pub)
	if err != nil {
		return clientKey{}, fmt.Errorf("encoding the client key: %w", err)
	}
	return clientKey{public, pem.EncodeToMemory(block)}, nil
}

func newHostKey() (ssh.Signer, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the host key: %w", err)
	}
	return ssh.NewSignerFromKey(priv)
}

// writeFiles writes the client's files. The alias goes with every user name: the server does not look at it.
func writeFiles(o *Options, addr *net.TCPAddr, client clientKey) (Files, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return Files{}, err
	}
	if o.Dir == "" || strings.ContainsAny(dir, "\"\n\r%$") {
		return Files{}, fmt.Errorf("directory %q cannot stand in an ssh configuration", o.Dir)
	}
	f := Files{
		Config: filepath.Join(dir, "ssh_config"), KnownHosts: filepath.Join(dir, "known_hosts"),
		Key: filepath.Join(dir, "id_ed25519"), Alias: o.Alias,
	}
	if f.Alias == "" {
		f.Alias = DefaultAlias
	}
	var known bytes.Buffer
	for _, k := range o.HostKeys {
		fmt.Fprintln(&known, knownhosts.Line([]string{addr.String()}, k.PublicKey()))
	}
	config := fmt.Sprintf("Host %s\n  HostName %s\n  Port %d\n  User gosync\n  IdentityFile \"%s\"\n  IdentitiesOnly yes\n"+
		"  IdentityAgent none\n  UserKnownHostsFile \"%s\"\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n",
		f.Alias, addr.IP, addr.Port, f.Key, f.KnownHosts)
	public := ssh.MarshalAuthorizedKey(client.public)
	for _, w := range []struct {
		path string
		data []byte
		mode os.FileMode
	}{
		{f.Key, client.private, 0o600},
		{f.Key + ".pub", public, 0o644},
		{f.KnownHosts, known.Bytes(), 0o644},
		{f.Config, []byte(config), 0o644},
	} {
		if err := os.WriteFile(w.path, w.data, w.mode); err != nil {
			return Files{}, err
		}
	}
	return f, nil
}
