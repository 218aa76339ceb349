package sshserver

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const handshakeTimeout = 30 * time.Second

// DefaultAlias is the host alias in the generated configuration.
const DefaultAlias = "box"

// A Handler runs one command and returns its exit status, 0 to 255. It must return soon after ctx is cancelled, which
// happens when the connection ends. stdin ends with io.EOF; writes fail when the client is gone.
type Handler func(ctx context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) int

// Options of a server. The zero value, apart from Dir, is a server that behaves.
type Options struct {
	Dir     string   // an existing directory of the caller for the client's files; they hold a private key
	Alias   string   // host alias in the configuration; "": DefaultAlias
	Handler Handler  // runs commands; nil: /bin/sh -c
	Env     []string // added to the environment of the shell, as NAME=value
	Home    string   // where the shell and SFTP start, an absolute path, and HOME of the shell; "": as this process
	Log     *slog.Logger

	HostKeys       []ssh.Signer    // in place of one generated ed25519 key; known_hosts gets them all
	AuthorizedKeys []ssh.PublicKey // beside the generated client key
	Password       string          // not empty: password and keyboard-interactive log in as well

	// What can go wrong.
	RefuseExec bool          // exec requests fail
	RefuseSFTP bool          // the subsystem request fails
	Banner     []byte        // printed on stdout before a command's own output, as a talkative shell does
	DropAfter  int64         // reset each connection after so many bytes, both directions together; 0: never
	Delay      time.Duration // each connection waits so long before the server says anything
}

// Server is a running server.
type Server struct {
	opts   Options
	config *ssh.ServerConfig
	ln     net.Listener
	files  Files
	log    *slog.Logger

	cancel context.CancelFunc
	wg     sync.WaitGroup
	active atomic.Int64 // connections that are being served
}

// Start listens on a free port of 127.0.0.1 and serves until Close is called or ctx is cancelled; Close must be called
// in either case.
func Start(ctx context.Context, opts Options) (*Server, error) {
	s := &Server{opts: opts, log: opts.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	client, err := newClientKey()
	if err != nil {
		return nil, err
	}
	if len(s.opts.HostKeys) == 0 {
		k, err := newHostKey()
		if err != nil {
			return nil, err
		}
		s.opts.HostKeys = []ssh.Signer{k}
	}
	s.config = serverConfig(&s.opts, client.public)
	var lc net.ListenConfig
	if s.ln, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("ssh server: %w", err)
	}
	if s.files, err = writeFiles(&s.opts, s.ln.Addr().(*net.TCPAddr), client); err != nil {
		s.ln.Close()
		return nil, fmt.Errorf("ssh server: %w", err)
	}
	ctx, s.cancel = context.WithCancel(ctx)
	s.wg.Go(func() { s.accept(ctx) })
	return s, nil
}

// Addr is the address the server listens on, host:port.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// Files names what Start has written for clients.
func (s *Server) Files() Files { return s.files }

// Connections is how many connections are served: of one that has ended, until all that it started has ended, too.
func (s *Server) Connections() int { return int(s.active.Load()) }

// Close stops listening, ends every connection and command, and returns when all goroutines have ended. Commands of the
// shell that do not end by themselves are killed. The client's files stay.
func (s *Server) Close() error {
	s.cancel()
	err := s.ln.Close()
	s.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) accept(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	for {
		c, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, say: others will close theirs
			s.log.Warn("accept", "error", err)
			if !sleep(ctx, 50*time.Millisecond) {
				return
			}
			continue
		}
		s.wg.Go(func() { s.serve(ctx, c) })
	}
}

// serve runs one connection to its end.
func (s *Server) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	s.active.Add(1)
	defer s.active.Add(-1)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if !sleep(ctx, s.opts.Delay) {
		return
	}
	if s.opts.DropAfter > 0 {
		c = newDropConn(c, s.opts.DropAfter)
	}
	if err := c.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return
	}
	conn, chans, reqs, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		s.log.Debug("handshake", "error", err)
		return
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { ssh.DiscardRequests(reqs) })
	for nc := range chans {
		if nc.ChannelType() != "session" {
			_ = nc.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		wg.Go(func() { s.session(ctx, nc) })
	}
	cancel() // the connection is over, and with it what runs on it
	conn.Close()
	wg.Wait()
}

// sleep waits for d and reports whether it was not interrupted.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func serverConfig(o *Options, client ssh.PublicKey) *ssh.ServerConfig {
	keys := map[string]bool{string(client.Marshal()): true}
	for _, k := range o.AuthorizedKeys {
		keys[string(k.Marshal())] = true
	}
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-gosync-loopback",
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if !keys[string(k.Marshal())] {
				return nil, errors.New("unknown key")
			}
			return nil, nil
		},
	}
	if o.Password != "" {
		check := func(given string) error {
			if subtle.ConstantTimeCompare([]byte(given), []byte(o.Password)) != 1 {
				return errors.New("wrong password")
			}
			return nil
		}
		config.PasswordCallback = func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			return nil, check(string(p))
		}
		config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil {
				return nil, err
			}
			if len(answers) != 1 {
				return nil, errors.New("one answer expected")
			}
			return nil, check(answers[0])
		}
	}
	for _, k := range o.HostKeys {
		config.AddHostKey(k)
	}
	return config
}
