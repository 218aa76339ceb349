package sshconn

import (
	"log/slog"
	"time"
)

// A keeper asks the server in the intervals of ServerAliveInterval whether it is there, when nothing else has come from
// it, and cuts the line when it has not answered ServerAliveCountMax times.
type keeper struct {
	c     *Client
	every time.Duration
	limit int
	log   *slog.Logger
	stop  chan struct{}
	done  chan struct{}
}

func startKeeper(c *Client, log *slog.Logger) *keeper {
	k := &keeper{
		c: c, every: c.info.ServerAliveInterval, limit: c.info.ServerAliveCountMax, log: log,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	go k.run()
	return k
}

func (k *keeper) run() {
	defer close(k.done)
	ticker := time.NewTicker(k.every)
	defer ticker.Stop()
	asked := make(chan struct{}, 1) // holds a token while a question is open
	defer func() {
		// The end of the connection ends an open question.
		asked <- struct{}{}
	}()
	seen, silent := k.c.tcp.got.Load(), 0
	for {
		select {
		case <-k.stop:
			return
		case <-ticker.C:
		}
		if got := k.c.tcp.got.Load(); got != seen {
			seen, silent = got, 0
			continue
		}
		if silent++; silent > k.limit {
			k.log.Warn("the server does not answer: the connection is given up", "host", k.c.info.Host, "after", k.every*time.Duration(silent))
			_ = k.c.tcp.Close() // which ends everything that waits
			return
		}
		select {
		case asked <- struct{}{}:
			go func() {
				_, _, _ = k.c.conn.SendRequest("keepalive@openssh.com", true, nil) // any answer is one, and a broken line shows elsewhere
				<-asked
			}()
		default: // the last question is still open: questions are answered one after the other
		}
	}
}

// end stops asking, once the connection is closed.
func (k *keeper) end() {
	close(k.stop)
	<-k.done
}
