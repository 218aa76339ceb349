package sshconn

import "log/slog"

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
