package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

const (
	clientVersion = "SSH-2.0-gosync"
	// authTimeout bounds each answer of the server while keys are tried: sshd gives two minutes for all of it.
	authTimeout = 2 * time.Minute
	// agentTimeout bounds the answer of an agent that is asked for its keys.
	agentTimeout = 20 * time.Second
	fastCipher   = ssh.CipherAES128GCM // measured: aes256-gcm costs a fifth more, chacha20 twice as much
)

// Client is an authenticated connection. Its methods may be called by several goroutines at once.
type Client struct {
	conn   *ssh.Client
	tcp    *tcpConn
	keeper *keeper     // nil: none
	stop   func() bool // ends the watch on the context
	info   Resolved
	master bool          // through a running ssh
	limit  time.Duration // as AnswerTimeout

	served atomic.Bool // there has been a session
	rtt    atomic.Int64
	probed atomic.Bool // or begun to be

	once   sync.Once
	failed error         // of Close
	closed chan struct{} // closed by Close

	mu   sync.Mutex
	over bool           // nothing is started any more
	wg   sync.WaitGroup // goroutines of sessions
}

// Dial connects to the host that c describes and logs in: Resolve, then Master, then Connect. Cancelling ctx ends it, and
// later closes the connection: ctx must live as long as the connection is wanted. Time spent on questions to the user
// does not count against ConnectTimeout. Errors are ErrConfig, ErrConnect, ErrHostKey, ErrAuth or the context's.
func Dial(ctx context.Context, c Config) (*Client, error) {
	r, err := Resolve(ctx, c)
	if err != nil {
		return nil, err
	}
	if client := Master(ctx, c, &r); client != nil {
		return client, nil
	}
	return Connect(ctx, c, &r)
}

// Connect is Dial for a configuration that is resolved, without a look for a running master. What this client cannot do
// of what NeedsCommand says is left out, or refused where that would not be safe.
func Connect(ctx context.Context, c Config, r *Resolved) (*Client, error) {
	log := logger(&c)
	for _, w := range r.Warnings {
		log.Warn(w)
	}
	if c.Prompt == nil {
		c.Prompt = terminalPrompt
	}
	if c.Unlocked == nil {
		c.Unlocked = new(Unlocked)
	}
	d := &dialer{c: &c, r: r, log: log, prompt: c.Prompt}
	if r.refused != "" {
		return nil, d.fail(ErrConfig, fmt.Errorf("%w: %s is set for this host", ErrCommandOnly, r.refused), "use --ssh=command")
	}
	client, err := d.dial(ctx)
	if err == nil {
		return client, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("connecting to %s: %w", r.Host, context.Cause(ctx))
	}
	return nil, err
}

func logger(c *Config) *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// A dialer is one attempt to connect.
type dialer struct {
	c      *Config
	r      *Resolved
	log    *slog.Logger
	prompt func(ctx context.Context, text string, echo bool) (string, error)

	tcp   *tcpConn
	agent net.Conn // nil: none
	limit time.Duration
}

func (d *dialer) dial(ctx context.Context) (*Client, error) {
	ask := func(text string, echo bool) (string, error) { return d.ask(ctx, text, echo) }
	checker, err := newHostKeyChecker(d.r, d.log, ask)
	if err != nil {
		return nil, d.fail(ErrHostKey, err, "")
	}
	c, err := d.attempt(ctx, checker, ask)
	if errors.Is(err, errOtherAuthority) {
		checker.plain, checker.err = true, nil
		c, err = d.attempt(ctx, checker, ask)
	}
	return c, err
}

func (d *dialer) attempt(ctx context.Context, checker *hostKeyChecker, ask func(string, bool) (string, error)) (*Client, error) {
	tcp, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	d.tcp = tcp
	auth := d.authenticator(ctx, ask)
	if d.agent != nil {
		defer d.agent.Close()
	}
	stop := context.AfterFunc(ctx, d.abort)
	conn, chans, reqs, err := d.handshake(checker, auth)
	if err != nil {
		stop()
		d.tcp.Close()
		return nil, d.explain(err, checker, auth)
	}
	c := &Client{conn: ssh.NewClient(conn, chans, reqs), tcp: d.tcp, stop: stop, info: *d.r, limit: d.c.AnswerTimeout, closed: make(chan struct{})}
	if d.r.ServerAliveInterval > 0 {
		c.keeper = startKeeper(c, d.log)
	}
	return c, nil
}

// authenticator connects to the agent. One that is not there is told only if nothing else serves.
func (d *dialer) authenticator(ctx context.Context, ask func(string, bool) (string, error)) *authenticator {
	auth := &authenticator{r: d.r, log: d.log, ask: ask, unlocked: d.c.Unlocked, gone: d.tcp.ended.Load, extend: func(time.Duration) {}}
	var err error
	if d.agent, err = dialAgent(ctx, d.r.IdentityAgent); err != nil {
		auth.note("agent "+d.r.IdentityAgent, err)
	} else if d.agent != nil {
		auth.agent = agent.NewClient(d.agent)
		// An agent that never answers must not hold the run; one that fails now fails when it is asked.
		auth.extend = func(limit time.Duration) { _ = d.agent.SetDeadline(time.Now().Add(limit)) }
	}
	return auth
}

// abort ends every wait of the attempt; after it has succeeded it closes the connection.
func (d *dialer) abort() {
	d.tcp.Close()
	if d.agent != nil {
		d.agent.Close()
	}
}

func (d *dialer) handshake(checker *hostKeyChecker, auth *authenticator) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	d.limit = d.r.ConnectTimeout
	config := &ssh.ClientConfig{
		Config:            ssh.Config{Ciphers: d.r.Ciphers, KeyExchanges: d.r.KexAlgorithms, MACs: d.r.MACs},
		User:              d.r.User,
		ClientVersion:     clientVersion,
		HostKeyCallback:   checker.callback,
		HostKeyAlgorithms: checker.algorithms(),
		BannerCallback: func(message string) error {
			d.log.Info("message of the server", "text", safeText(message[:min(len(message), 4096)]))
			return nil
		},
		AuthCallback: func(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			auth.started = true
			d.limit = max(authTimeout, d.r.ConnectTimeout)
			m, err := auth.next(c)
			return m, errors.Join(err, d.tcp.SetDeadline(time.Now().Add(d.limit)))
		},
	}
	if config.Ciphers == nil {
		config.Ciphers = ciphers()
	}
	if len(config.HostKeyAlgorithms) == 0 {
		return nil, nil, nil, errors.New("HostKeyAlgorithms leaves nothing that the library has")
	}
	if err := d.tcp.SetDeadline(time.Now().Add(d.limit)); err != nil {
		return nil, nil, nil, err
	}
	conn, chans, reqs, err := ssh.NewClientConn(d.tcp, d.r.Address(), config)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := d.tcp.SetDeadline(time.Time{}); err != nil {
		conn.Close()
		return nil, nil, nil, err
	}
	return conn, chans, reqs, nil
}

// ask stops the clock of the connection while the user thinks.
func (d *dialer) ask(ctx context.Context, text string, echo bool) (string, error) {
	if d.r.BatchMode {
		return "", fmt.Errorf("%w: BatchMode is on", ErrNoTerminal)
	}
	_ = d.tcp.SetDeadline(time.Time{}) // fails only on a closed connection, and then so does what follows
	defer func() { _ = d.tcp.SetDeadline(time.Now().Add(d.limit)) }()
	return d.prompt(ctx, text, echo)
}

func (d *dialer) fail(kind, err error, hint string) error {
	host := d.r.Host
	if a := d.r.Address(); a != host {
		host += " (" + a + ")"
	}
	return &Error{Kind: kind, Host: host, Hint: hint, Err: err}
}

// explain turns the end of a handshake into one of the errors callers know.
func (d *dialer) explain(err error, checker *hostKeyChecker, auth *authenticator) error {
	if checker.err != nil {
		hint := ""
		if e, ok := errors.AsType[*HostKeyError](checker.err); ok {
			hint = e.hint(d.r.typed())
		}
		return d.fail(ErrHostKey, checker.err, hint)
	}
	if !auth.started {
		return d.fail(ErrConnect, handshakeCause(err), handshakeHint(err))
	}
	if isTimeout(err) {
		return d.fail(ErrConnect, err, "the server stopped answering while logging in")
	}
	if !errors.Is(err, errHungUp) {
		auth.settle(auth.partial)
	}
	return d.explainAuth(err, auth)
}

// explainAuth tells why the login failed.
func (d *dialer) explainAuth(err error, auth *authenticator) error {
	if !errors.Is(err, errExhausted) {
		return d.fail(ErrAuth, fmt.Errorf("%w (%s)", err, auth.summary()), "fewer keys are offered with IdentitiesOnly yes and IdentityFile")
	}
	if d.r.gssapi && auth.kerberosOnly() {
		return d.fail(ErrAuth, fmt.Errorf("%w: the server takes %s", ErrCommandOnly, safeText(strings.Join(auth.allowed, ", "))), "use --ssh=command")
	}
	return d.fail(ErrAuth, fmt.Errorf("no way to log in as %s: %s", d.r.User, auth.summary()),
		fmt.Sprintf("put a public key into ~/.ssh/authorized_keys of that user (ssh-copy-id %s), or name a key with IdentityFile", d.r.typed()))
}

// handshakeCause shortens what the library says of a server that hung up.
func handshakeCause(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("the proxy command ended: %w", exit)
	}
	if errors.Is(err, io.EOF) && !isTimeout(err) {
		return fmt.Errorf("the server closed the connection before it showed its key: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func handshakeHint(err error) string {
	if _, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok {
		return "client and server share no algorithm; an old server may work with -e ssh"
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return "its messages are above; try it by hand"
	}
	if isTimeout(err) {
		return "something listens there, but it does not answer as an SSH server"
	}
	return "check that an SSH server listens on that port; one that does may have too many others logging in (MaxStartups)"
}

func connectHint(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "check the host name, or give it a HostName in ~/.ssh/config"
	}
	if isTimeout(err) {
		return "no answer: check the network, the firewall and the port"
	}
	return "check that the SSH server is running and that the port is right"
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
}

// Info tells what the connection was made with.
func (c *Client) Info() Resolved { return c.info }

// own runs functions in goroutines that Close waits for. It reports false, and runs none, when Close was called.
func (c *Client) own(functions ...func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	for _, f := range functions {
		c.wg.Go(f)
	}
	return true
}

// Close ends the connection and everything that runs on it.
func (c *Client) Close() error {
	c.once.Do(func() { c.failed = c.end() })
	return c.failed
}

func (c *Client) end() error {
	c.stop()
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	close(c.closed)
	err := c.conn.Close()
	_ = c.conn.Wait() // the reason of the end is ours
	if c.keeper != nil {
		c.keeper.end()
	}
	c.wg.Wait()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
