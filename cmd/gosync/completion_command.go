package main

import (
	"context"
	"embed"
	"path"
)

const completionUsage = `Usage: gosync completion bash|zsh|fish|powershell

Prints completions for a shell. They know commands, options and their values, jobs, files
here, the hosts of ~/.ssh/config and known_hosts, and what is on a host: host:dir/ and the
tab key list it, with the options for reaching it that stand on the line. For that they
connect, over a running master where there is one, and wait four seconds at most; they
never ask for a password or about a host key.

  gosync completion bash >~/.local/share/bash-completion/completions/gosync
  gosync completion zsh >"${fpath[1]}/_gosync"
  gosync completion fish >~/.config/fish/completions/gosync.fish
  gosync completion powershell >>$PROFILE

`

// completionScripts are the scripts for the shells. What they offer comes from gosync.
//
//go:embed completion
var completionScripts embed.FS

// shellScript is a shell that there are completions for.
type shellScript struct{ name, doc, file string }

func shells() []shellScript {
	return []shellScript{
		{"bash", "bash 4.2 or later", "gosync.bash"},
		{"zsh", "zsh", "gosync.zsh"},
		{"fish", "fish 3.1 or later", "gosync.fish"},
		{"powershell", "PowerShell 5.1 or later", "gosync.ps1"},
	}
}

// runCompletion is gosync completion.
func runCompletion(_ context.Context, args []string, e *env) error {
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		return e.text(completionUsage)
	}
	if len(args) != 1 {
		return usageErrorf("gosync completion takes one shell: bash, zsh, fish or powershell")
	}
	var names []string
	for _, s := range shells() {
		names = append(names, s.name)
		if s.name != args[0] {
			continue
		}
		data, err := completionScripts.ReadFile(path.Join("completion", s.file))
		if err != nil {
			return err
		}
		return e.text(string(data))
	}
	if guess := nearest(args[0], names); guess != "" {
		return usageErrorf("there are no completions for %s; did you mean %s?", args[0], guess)
	}
	return usageErrorf("there are no completions for %s, only for bash, zsh, fish and powershell", args[0])
}
