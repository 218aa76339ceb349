// Package sshconn is an SSH client inside the process that connects as users of ssh(1) expect.
//
// Its job is to turn a host name or alias into an authenticated connection on which commands run: [Resolve] reads
// ssh_config, [Dial] connects, checks the host key against known_hosts and logs in with the agent's keys, key files,
// or what the user types on the terminal; [Client.Start] runs one command and hands out its three streams.
//
// Flow: Config -> Resolve (files, tokens, defaults) -> Dial (TCP, key exchange, host key, authentication) -> Client ->
// Start -> Session.
//
// Of ssh_config it knows Host, Match (all, host, originalhost, user, localuser, final, canonical), Include, HostName,
// Port, User, IdentityFile, IdentitiesOnly, IdentityAgent, UserKnownHostsFile, GlobalKnownHostsFile, HashKnownHosts,
// StrictHostKeyChecking, HostKeyAlias, ConnectTimeout and BatchMode. Other keywords are ignored, with one exception: a
// host that is reached through ProxyJump or ProxyCommand is refused, because a direct connection could reach another
// machine. A Match block with a criterion that is not in the list does not apply, and a warning says so.
//
// It differs from ssh(1) in one point on purpose: a host that is known under another type of key counts as changed, and
// a changed key always ends the connection, whatever StrictHostKeyChecking says.
//
// It does not forward agents, ports or displays, asks for no terminal, and does not compress. It reads no private key
// from a PKCS#11 token and no FIDO key file; both work through an agent.
package sshconn
