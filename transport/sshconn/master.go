package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// masterTimeout is how long a running ssh may take to answer on its socket.
const masterTimeout = 5 * time.Second

// Master connects through a running ssh master on the socket of ControlPath: no login then, and nothing is asked. It
// returns nil where there is none, or none that answers; the reason for that is in the log. The rules of Dial hold.
func Master(ctx context.Context, c Config, r *Resolved) *Client {
	if r.ControlPath == "" {
		return nil
	}
	log := logger(&c)
	client, err := master(ctx, &c, r)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		log.Debug("no ssh master is running", "socket", r.ControlPath)
	case err != nil:
		log.Info("the ssh master is not used", "socket", r.ControlPath, "error", err)
	default:
		log.Info("using a running ssh master", "host", r.Host, "socket", r.ControlPath)
	}
	return client
}

func master(ctx context.Context, cfg *Config, r *Resolved) (*Client, error) {
	info, err := os.Stat(r.ControlPath)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != fs.ModeSocket || ownedByOther(info) {
		return nil, errors.New("it is no socket of this user")
	}
	d := net.Dialer{Timeout: masterTimeout}
	c, err := d.DialContext(ctx, "unix", r.ControlPath)
	if err != nil {
		return nil, err
	}
	tcp := newTCPConn(c, false)
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	conn, chans, reqs, err := func() (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
		if err := tcp.SetDeadline(time.Now().Add(masterTimeout)); err != nil {
			return nil, nil, nil, err
		}
		return ssh.NewControlClientConn(tcp)
	}()
	if err == nil {
		err = tcp.SetDeadline(time.Time{})
	}
	if err != nil {
		stop()
		tcp.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Client{
		conn: ssh.NewClient(conn, chans, reqs), tcp: tcp, stop: stop, info: *r, master: true, limit: cfg.AnswerTimeout,
		closed: make(chan struct{}),
	}, nil
}
