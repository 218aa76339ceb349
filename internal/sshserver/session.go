package sshserver

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// session serves one channel: the first exec or subsystem request decides what it is.
func (s *Server) session(ctx context.Context, nc ssh.NewChannel) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ch.Close()
	started := false
	for r := range reqs {
		run := s.runner(r)
		if run == nil || started {
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
			continue
		}
		started = true
		if r.WantReply {
			_ = r.Reply(true, nil)
		}
		wg.Go(func() {
			status := run(ctx, ch)
			// A client that has gone away does not read this; there is nothing else to do about it.
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
			_ = ch.Close()
		})
	}
}

// runner picks what a request asks for; nil refuses it.
func (s *Server) runner(r *ssh.Request) func(context.Context, ssh.Channel) int {
	var m struct{ Name string }
	if r.Type != "exec" && r.Type != "subsystem" || ssh.Unmarshal(r.Payload, &m) != nil {
		return nil
	}
	switch {
	case r.Type == "exec" && !s.opts.RefuseExec:
		return func(ctx context.Context, ch ssh.Channel) int { return s.exec(ctx, m.Name, ch) }
	case r.Type == "subsystem" && m.Name == "sftp" && !s.opts.RefuseSFTP:
		return s.sftp
	}
	return nil
}

func (s *Server) exec(ctx context.Context, command string, ch ssh.Channel) int {
	if len(s.opts.Banner) > 0 {
		if _, err := ch.Write(s.opts.Banner); err != nil {
			return 255
		}
	}
	run := s.opts.Handler
	if run == nil {
		run = s.shell
	}
	status := run(ctx, command, ch, ch, ch.Stderr())
	_ = ch.CloseWrite() // end of output before the exit status, as sshd does it
	return status & 0xff
}

func (s *Server) sftp(_ context.Context, ch ssh.Channel) int {
	var opts []sftp.ServerOption
	if s.opts.Home != "" {
		opts = append(opts, sftp.WithServerWorkingDirectory(s.opts.Home))
	}
	srv, err := sftp.NewServer(halfCloser{ch}, opts...)
	if err != nil {
		s.log.Warn("sftp", "error", err)
		return 1
	}
	err = srv.Serve()
	_ = srv.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		s.log.Debug("sftp", "error", err)
		return 1
	}
	return 0
}

// A halfCloser keeps the SFTP server, which closes what it serves, from closing the channel before the exit status is
// sent.
type halfCloser struct{ ssh.Channel }

func (h halfCloser) Close() error { return h.CloseWrite() }
