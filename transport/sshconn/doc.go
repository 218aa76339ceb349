// Package sshconn is an SSH client inside the process that connects as users of ssh(1) expect.
//
// Its job is to turn a host name or alias into an authenticated connection on which commands run: [Resolve] asks ssh -G
// what ssh_config says, or reads the files itself where there is no ssh program; [Master] finds a running ssh master;
// [Connect] goes there, over jump hosts or a proxy command where these are set, checks the host key against known_hosts
// and logs in with certificates, the agent's keys, key files, or what the user types on the terminal; [Dial] is all of
// them; [Client.Start] runs one command and hands out its three streams. [NeedsCommand] says when only the ssh program
// can do what the configuration asks for.
//
// Flow: Config -> Resolve (ssh -G, or files; tokens, defaults) -> Connect (TCP, jump hosts or proxy command; key exchange,
// host key, authentication) -> Client -> Start -> Session. Each jump host is a Client of its own, with its own
// configuration and its own host key.
//
// The own parser knows Host, Match (all, host, originalhost, user, localuser, final, canonical), Include and the keywords
// that knownKeyword lists; a Match block with another criterion does not apply, and a warning says so. Other keywords are
// ignored: they are about terminals and forwarding, or tuning that has another place here.
//
// It differs from ssh(1) in two points on purpose: a host that is known under another type of key counts as changed, and
// a changed key always ends the connection, whatever StrictHostKeyChecking says; and of ssh's own default lists of
// algorithms it uses the library's instead, unless the user has set one.
//
// It does not forward agents, ports or displays, asks for no terminal, and does not compress. It reads no private key
// from a PKCS#11 token and no FIDO key file; both work through an agent.
package sshconn
