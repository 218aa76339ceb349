package sshconn

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// LoadKnownHosts reads a file as Dial does.
func LoadKnownHosts(file string) error {
	k, err := loadKnownHosts([]string{file}, slog.New(slog.DiscardHandler))
	if err == nil {
		k.algorithms("h:22", "h:2")
	}
	return err
}

// TerminalPrompt is what Dial asks with when Config has no Prompt.
var TerminalPrompt = terminalPrompt

// ResolveDump resolves a host by what ssh -G has printed.
func ResolveDump(c Config, out []byte) (Resolved, error) {
	s, err := parseDump(out)
	if err != nil {
		return Resolved{}, err
	}
	return c.conclude(&s, &names{original: c.Host, localUser: "me", home: "/home/me"})
}

// Algorithms reads a list in both ways: as it is written, and as ssh -G prints it.
func Algorithms(keyword, setting string) (written, dumped string) {
	for _, set := range algorithmSets() {
		if set.keyword != keyword {
			continue
		}
		w, ok1 := set.written(setting)
		d, ok2 := set.dumped(strings.Split(setting, ","))
		return fmt.Sprint(strings.Join(w, ","), ok1), fmt.Sprint(strings.Join(d, ","), ok2)
	}
	return "", ""
}

// Secret wraps a text as passphrases are.
func Secret(text string) any { return secret{text} }

// Probe measures the round trip after one that took so long.
func (c *Client) Probe(least time.Duration) {
	c.rtt.Store(int64(least))
	c.probe()
}
