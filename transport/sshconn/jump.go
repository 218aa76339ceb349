package sshconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// connect opens the line to the server: through jump hosts, through a proxy command, or directly.
func (d *dialer) connect(ctx context.Context) (*tcpConn, error) {
	switch {
	case len(d.r.ProxyJump) > 0:
		return d.jump(ctx)
	case d.r.ProxyCommand != "":
		p, err := startProxy(ctx, d.r.ProxyCommand, d.log)
		if err != nil {
			return nil, d.fail(ErrConnect, fmt.Errorf("proxy command: %w", err), "")
		}
		return newTCPConn(p, false), nil
	}
	nd := net.Dialer{Timeout: d.r.ConnectTimeout}
	if d.r.BindAddress != "" {
		ip, err := net.DefaultResolver.LookupIPAddr(ctx, d.r.BindAddress)
		if err != nil {
			return nil, d.fail(ErrConnect, fmt.Errorf("BindAddress: %w", err), "")
		}
		nd.LocalAddr = &net.TCPAddr{IP: ip[0].IP, Zone: ip[0].Zone}
	}
	c, err := nd.DialContext(ctx, d.r.AddressFamily, d.r.Address())
	if err != nil {
		return nil, d.fail(ErrConnect, err, connectHint(err))
	}
	return newTCPConn(c, false), nil
}

// jump connects to the last jump host, by way of those before it, and has that one open the line.
func (d *dialer) jump(ctx context.Context) (*tcpConn, error) {
	hop, r, err := d.hop(ctx)
	if err != nil {
		return nil, d.byWay(err)
	}
	client := Master(ctx, hop, r)
	if client == nil {
		if reason := NeedsCommand(ctx, r); reason != "" {
			return nil, d.fail(ErrConfig, fmt.Errorf("%w: jump host %s is set up with %s", ErrCommandOnly, r.Host, reason), "use --ssh=command")
		}
		if client, err = Connect(ctx, hop, r); err != nil {
			return nil, d.byWay(err)
		}
	}
	limited, cancel := context.WithTimeout(ctx, d.r.ConnectTimeout)
	defer cancel()
	c, err := client.conn.DialContext(limited, "tcp", d.r.Address())
	if err != nil {
		client.Close()
		hint := fmt.Sprintf("the jump host %s cannot reach it", r.Host)
		if oe, ok := errors.AsType[*ssh.OpenChannelError](err); ok && oe.Reason == ssh.Prohibited {
			hint = fmt.Sprintf("the jump host %s does not forward (AllowTcpForwarding)", r.Host)
		}
		return nil, d.fail(ErrConnect, fmt.Errorf("by way of %s: %w", r.Host, err), hint)
	}
	return newTCPConn(&hopConn{c, client}, true), nil
}

// A hopConn is a line through a jump host, to which it has the connection for itself. Closing the line alone would leave
// a read blocked until the jump host has answered, and might not even be possible.
type hopConn struct {
	net.Conn
	hop *Client
}

// Close implements net.Conn.
func (c *hopConn) Close() error { return c.hop.Close() }

// hop is the configuration of the last jump host. It has its own; what is set for the target counts there as little as
// it does with ssh(1), but the hosts before it are those of the target.
func (d *dialer) hop(ctx context.Context) (Config, *Resolved, error) {
	last := len(d.r.ProxyJump) - 1
	j := d.r.ProxyJump[last]
	c := Config{
		Host: j.Host, User: j.User, Port: j.Port, ConfigFile: d.c.ConfigFile, SSH: d.c.SSH,
		ConnectTimeout: d.c.ConnectTimeout, Prompt: d.c.Prompt, Unlocked: d.c.Unlocked, Log: d.c.Log,
		wanted: append(slices.Clone(d.c.wanted), d.r.name()),
	}
	r, err := Resolve(ctx, c)
	if err != nil {
		return c, nil, err
	}
	if last > 0 {
		r.ProxyJump, r.ProxyCommand = d.r.ProxyJump[:last], ""
	}
	if len(c.wanted) > maxJumps {
		return c, nil, &Error{Kind: ErrConfig, Host: d.r.Host, Err: fmt.Errorf("more than %d jump hosts on one way", maxJumps)}
	}
	if slices.Contains(c.wanted, r.name()) {
		return c, nil, &Error{
			Kind: ErrConfig, Host: d.r.Host, Err: fmt.Errorf("the jump hosts lead in a circle: %s", strings.Join(append(c.wanted, r.name()), ", then ")),
			Hint: "give the jump host a Host block with ProxyJump none",
		}
	}
	return c, &r, nil
}

// name tells ways to connect apart: a host may be on a way twice, but not for the sake of itself.
func (r *Resolved) name() string {
	name := r.User + "@" + r.Address()
	if len(r.ProxyJump) > 0 {
		name += " (by " + joinJumps(r.ProxyJump) + ")"
	}
	return name
}

// byWay names the host that was wanted in an error about one on the way.
func (d *dialer) byWay(err error) error {
	if _, ok := errors.AsType[*Error](err); !ok {
		return err
	}
	return fmt.Errorf("on the way to %s: %w", d.r.Host, err)
}
