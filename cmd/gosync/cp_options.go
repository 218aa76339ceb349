package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gosync/transport"
)

// cpLine is scp's command line as far as it was read.
type cpLine struct {
	s         *settings
	recursive bool     // -r
	intoDir   bool     // -d
	help      bool     // --help
	notes     []string // what is to be said of options that change nothing
}

// cpOption is one of scp's options.
type cpOption struct {
	letter byte
	arg    string // what the value is called; "" for a switch
	doc    string // one line; "" for one that the help does not name
	set    func(c *cpLine, text string) error
}

// cpOptions returns scp's options in the order in which the help shows them.
func cpOptions() []cpOption {
	return append([]cpOption{
		{letter: 'r', doc: "copy directories with all that is in them", set: func(c *cpLine, _ string) error {
			c.recursive, c.s.recursive = true, yes
			return nil
		}},
		{letter: 'p', doc: "keep times and permissions (not owners)", set: func(c *cpLine, _ string) error {
			c.s.Perms, c.s.Times = true, true
			return nil
		}},
		{letter: 'q', doc: "print errors only, and show no progress", set: func(c *cpLine, _ string) error {
			c.s.quiet = true
			return nil
		}},
		{letter: 'v', doc: "name what is copied, and say how the host is reached; again for more", set: func(c *cpLine, _ string) error {
			c.s.verbose = max(2, c.s.verbose+1)
			return nil
		}},
		{letter: 'l', arg: "KBIT", doc: "limit content to so many Kbit per second", set: (*cpLine).setLimit},
		{letter: 'C', doc: "compress on the line (zstd)", set: func(c *cpLine, _ string) error {
			c.s.Compress = true
			return nil
		}},
		{letter: 'd', set: func(c *cpLine, _ string) error { // scp's manual does not name it either
			c.intoDir = true
			return nil
		}},
	}, append(cpReachOptions(), cpOtherOptions()...)...)
}

// cpReachOptions are those that say how a host is reached.
func cpReachOptions() []cpOption {
	return []cpOption{
		{letter: 'P', arg: "PORT", doc: "the port of the SSH server; one in an address counts more", set: func(c *cpLine, text string) (err error) {
			c.s.port, err = parsePort(text)
			return err
		}},
		{letter: 'i', arg: "FILE", doc: "log in with the private key in FILE", set: func(c *cpLine, text string) error {
			c.s.identities = append(c.s.identities, text)
			return nil
		}},
		{letter: 'F', arg: "FILE", doc: "read FILE instead of ~/.ssh/config", set: func(c *cpLine, text string) error {
			c.s.sshConfig = text
			return nil
		}},
		{letter: 'o', arg: "OPTION", doc: "an option of ssh_config, such as -o ConnectTimeout=5", set: (*cpLine).setSSHOption},
		{letter: 'J', arg: "HOSTS", doc: "go through these hosts", set: sshOption("ProxyJump")},
		{letter: 'c', arg: "CIPHERS", doc: "what the connection is encrypted with", set: sshOption("Ciphers")},
		{letter: '4', doc: "use IPv4 addresses only", set: sshOption("AddressFamily", "inet")},
		{letter: '6', doc: "use IPv6 addresses only", set: sshOption("AddressFamily", "inet6")},
		{letter: 'B', doc: "ask for no password or passphrase", set: sshOption("BatchMode", "yes")},
		{letter: 'S', arg: "PROGRAM", doc: "reach the host by PROGRAM, which takes the options of ssh", set: func(c *cpLine, text string) error {
			c.s.rsh = `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			return nil
		}},
		{letter: 's', doc: "use SFTP, even where gosync is at the other end", set: via(transport.ViaSFTP)},
		{letter: 'O', doc: "use the old SCP protocol", set: via(transport.ViaSCP)},
		{letter: '3', doc: "from host to host through this machine (as without it)", set: func(c *cpLine, _ string) error {
			c.s.direct = false
			return nil
		}},
		{letter: 'R', doc: "from host to host directly: the first one does it", set: func(c *cpLine, _ string) error {
			c.s.direct = true
			return nil
		}},
	}
}

// cpOtherOptions are those that change nothing here, or that are refused.
func cpOtherOptions() []cpOption {
	return []cpOption{
		{letter: 'T', doc: "changes nothing: wildcards are checked by what they mean", set: func(*cpLine, string) error { return nil }},
		{letter: 'A', doc: "is ignored: the agent is not forwarded", set: func(c *cpLine, _ string) error {
			c.note("-A is ignored: no command on the far side needs the agent")
			return nil
		}},
		{letter: 'X', arg: "OPTION", doc: "is ignored: nrequests=N and buffer=N, which gosync chooses itself", set: (*cpLine).setTuning},
		{letter: '2', set: func(*cpLine, string) error { return nil }},
		{letter: '1', set: refusedOption("-1", "version 1 of the SSH protocol is no longer supported")},
		{letter: 'D', arg: "SERVER", set: refusedOption("-D", "gosync starts no SFTP server on this machine; for a copy on this machine give two paths")},
		{letter: 'f', set: refusedOption("-f", "gosync is no server of the SCP protocol; only gosync --server is one")},
		{letter: 't', set: refusedOption("-t", "gosync is no server of the SCP protocol; only gosync --server is one")},
	}
}

// sshOption makes the set function of an option that is one of ssh_config's; a
// switch has a constant value.
func sshOption(keyword string, value ...string) func(*cpLine, string) error {
	return func(c *cpLine, text string) error {
		text += strings.Join(value, "")
		if text == "" {
			return usageErrorf("the value is empty")
		}
		c.s.sshOptions = append(c.s.sshOptions, keyword+"="+text)
		return nil
	}
}

func via(rung transport.Via) func(*cpLine, string) error {
	return func(c *cpLine, _ string) error {
		c.s.via = rung
		return nil
	}
}

func refusedOption(name, why string) func(*cpLine, string) error {
	return func(*cpLine, string) error {
		return withCode(exitUnsupported, fmt.Errorf("scp's option %s: %s", name, why))
	}
}

func (c *cpLine) note(text string) { c.notes = append(c.notes, text) }

// setLimit is -l. As for scp a Kbit is 1024 bits.
func (c *cpLine) setLimit(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > 100<<20 {
		return usageErrorf("%q is not a number of Kbit per second from 1 to %d", text, 100<<20)
	}
	c.s.BandwidthLimit = n * 1024 / 8
	return nil
}

// setSSHOption is -o: Keyword=value, or with a space.
func (c *cpLine) setSSHOption(text string) error {
	text = strings.TrimSpace(text)
	i := strings.IndexAny(text, "= \t")
	if i <= 0 {
		return usageErrorf("%q is not of the form KEYWORD=VALUE", text)
	}
	value := strings.TrimSpace(text[i:])
	value = strings.TrimSpace(strings.TrimPrefix(value, "="))
	if value == "" {
		return usageErrorf("%q has no value", text)
	}
	c.s.sshOptions = append(c.s.sshOptions, text[:i]+"="+value)
	return nil
}

// setTuning is -X.
func (c *cpLine) setTuning(text string) error {
	name, value, _ := strings.Cut(text, "=")
	if n, err := strconv.ParseUint(value, 10, 31); err != nil || n == 0 || name != "nrequests" && name != "buffer" {
		return usageErrorf("%q is neither nrequests=N nor buffer=N", text)
	}
	c.note("-X " + text + " is ignored: gosync chooses that itself")
	return nil
}

// parseCp reads scp's options as its getopt does: letters may stand together, a
// value may follow at once or as the next word, and the first operand ends them.
func parseCp(args []string) (*cpLine, []string, error) {
	c := &cpLine{s: newSettings()}
	c.s.LikeCp, c.s.CopyLinks, c.s.IgnoreTimes, c.s.recursive = true, true, true, no
	table := cpOptions()
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "--help":
			c.help = true
			return c, nil, nil
		case arg == "--"+expandFlag:
			c.s.expand = true
			args = args[1:]
			continue
		case strings.HasPrefix(arg, heartbeatPrefix):
			var err error
			if c.s.heartbeat, err = time.ParseDuration(arg[len(heartbeatPrefix):]); err != nil {
				return nil, nil, usageErrorf("%s: %v", display(arg), err)
			}
			args = args[1:]
			continue
		case arg == "--":
			return c, args[1:], nil
		case len(arg) < 2 || arg[0] != '-':
			return c, args, nil
		}
		used, err := c.cluster(table, arg[1:], args[1:])
		if err != nil {
			return nil, nil, err
		}
		args = args[1+used:]
	}
	return c, nil, nil
}

// cluster reads the options of one word, and returns how many of the words that
// follow it were values.
func (c *cpLine) cluster(table []cpOption, letters string, rest []string) (used int, err error) {
	for i := range len(letters) {
		o := findCpOption(table, letters[i])
		switch {
		case o == nil:
			return 0, usageErrorf("unknown option %s: scp has none of that name (gosync cp --help)", display("-"+letters[i:min(i+1, len(letters))]))
		case o.arg == "":
			if err := o.apply(c, ""); err != nil {
				return 0, err
			}
		case i+1 < len(letters):
			return 0, o.apply(c, letters[i+1:])
		case len(rest) == 0:
			return 0, usageErrorf("-%c needs a value", o.letter)
		default:
			return 1, o.apply(c, rest[0])
		}
	}
	return 0, nil
}

func findCpOption(table []cpOption, letter byte) *cpOption {
	for i := range table {
		if table[i].letter == letter {
			return &table[i]
		}
	}
	return nil
}

// apply sets the option and names it in an error.
func (o *cpOption) apply(c *cpLine, text string) error {
	err := o.set(c, text)
	if usage, ok := err.(*usageError); ok { //nolint:errorlint // the set functions wrap none
		return usageErrorf("-%c: %s", o.letter, usage.text)
	}
	return err
}
