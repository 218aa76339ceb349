package main

import (
	"slices"
	"time"

	"gosync/transport"
)

// expandFlag is the option that --direct gives to gosync on the source's machine.
const expandFlag = "expand-sources"

// remoteFlags are the options about how the far side is reached.
func remoteFlags() []flag {
	return append([]flag{
		{
			name: "rsh", short: "e", arg: "COMMAND", category: catRemote, doc: "reach the host by COMMAND, such as 'ssh -p 2222'",
			long: "The command is split at spaces; ' and \" quote, a doubled quote stands for itself. GOSYNC_RSH and RSYNC_RSH in the environment do the same. Without it gosync speaks SSH itself.",
			set:  text(func(s *settings) *string { return &s.rsh }),
		},
		{
			name: "gosync-path", alias: []string{"rsync-path"}, arg: "PROGRAM", category: catRemote, doc: "the gosync to run on the far side",
			long: "The far side's shell reads it, so it may be a command such as 'sudo gosync'.",
			set:  text(func(s *settings) *string { return &s.remotePath }),
		},
		{
			name: "via", arg: "WAY", values: viaWords, category: catRemote, doc: "auto (default), agent, sftp or scp",
			long: "How the far side is worked with. auto takes the best that is there: gosync; gosync sent there first; the server's SFTP, with whole files that are compared by size and time; scp, which can only be sent everything. Each step down is told. --via=sftp and --via=scp are also the baselines to compare with.",
			set: func(s *settings, _ bool, text string) error {
				if !slices.Contains(transport.Vias(), transport.Via(text)) {
					return usageErrorf("--via=%s is none of auto, agent, sftp, scp", text)
				}
				s.via = transport.Via(text)
				return nil
			},
		},
		{
			name: "no-deploy", category: catRemote, doc: "do not send gosync to a far side that has none",
			long: "Else it is put into ~/.cache/gosync there, checked, and used again the next time.",
			set:  on(func(s *settings) *bool { return &s.noDeploy }),
		},
		{
			name: "agent-dir", arg: "DIR", kind: valueDir, category: catRemote, doc: "where gosync for other systems is, as gosync-OS-ARCH",
			set: text(func(s *settings) *string { return &s.agentDir }),
		},
		{
			name: "direct", category: catRemote, doc: "both sides remote: the source's machine sends by itself",
			long: "Else everything passes this machine, which needs no trust between the two. With --direct the source's machine connects to the other one, with the keys and the ssh configuration that it has itself.",
			set:  on(func(s *settings) *bool { return &s.direct }),
		},
		{
			name: "ssh", arg: "HOW", values: fixed(transport.SSHAuto, transport.SSHNative, transport.SSHCommand), category: catRemote, doc: "auto, native (gosync itself) or command (the ssh program)",
			long: "auto uses a running ssh master (ControlPath), else the client inside gosync, and the ssh program for what only that can do: PKCS#11, Kerberos, host-based logins, KnownHostsCommand, security keys without an agent. -v says which.",
			set: func(s *settings, _ bool, text string) error {
				switch text {
				case transport.SSHAuto, transport.SSHNative, transport.SSHCommand:
					s.ssh = text
					return nil
				}
				return usageErrorf("%q is none of auto, native, command", text)
			},
		},
		{
			name: "identity", arg: "FILE", kind: valueFile, many: true, category: catRemote, doc: "log in with the private key in FILE (may be repeated)",
			set: appends(func(s *settings) *[]string { return &s.identities }),
		},
		{
			name: "ssh-option", arg: "KEYWORD=VALUE", many: true, category: catRemote, doc: "a line of ssh_config that wins over the file (may be repeated)",
			set: appends(func(s *settings) *[]string { return &s.sshOptions }),
		},
		{
			name: "ssh-config", arg: "FILE", kind: valueFile, category: catRemote, doc: "read FILE instead of ~/.ssh/config; none for no file",
			set: text(func(s *settings) *string { return &s.sshConfig }),
		},
		{
			name: "port", arg: "PORT", category: catRemote, doc: "the port of the SSH server",
			set: func(s *settings, _ bool, text string) (err error) {
				s.port, err = parsePort(text)
				return err
			},
		},
		{name: expandFlag, hidden: true, category: catRemote, doc: "expand ~ and wildcards in sources", set: on(func(s *settings) *bool { return &s.expand })},
		{name: "sftp-server", hidden: true, category: catRemote, doc: "be an SFTP server", set: on(func(s *settings) *bool { return &s.sftpServer })},
		{
			name: "heartbeat", arg: "TIME", hidden: true, category: catRemote, doc: "print signs of life",
			set: func(s *settings, _ bool, text string) (err error) {
				s.heartbeat, err = time.ParseDuration(text)
				return err
			},
		},
		{name: "server", hidden: true, category: catRemote, doc: "be the far side", set: on(func(s *settings) *bool { return &s.server })},
	}, restrictFlags()...)
}
