package sshconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	maxDump     = 1 << 20          // bytes of ssh -G that are looked at
	dumpTimeout = 20 * time.Second // for ssh -G: commands of Match exec, and names that are made canonical, take their time
)

// errNoDump means that there is no ssh program that resolves configurations.
var errNoDump = errors.New("no ssh -G")

// program is the ssh program that resolves the configuration, or "" for the own parser. Without files and options there
// is nothing to resolve.
func (c *Config) program() string {
	if c.SSH == "none" || c.ConfigFile == "none" && len(c.Options) == 0 {
		return ""
	}
	name := c.SSH
	if name == "" {
		name = "ssh"
	}
	path, err := exec.LookPath(name)
	if err != nil || strings.ContainsAny(c.Host, "@/") { // which ssh would take apart
		return ""
	}
	return path
}

// dump has ssh itself say what holds for the host. The error is errNoDump where the program cannot, being older than
// OpenSSH 6.8.
func (c *Config) dump(ctx context.Context, program string) (settings, error) {
	ctx, cancel := context.WithTimeout(ctx, dumpTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, c.dumpArgs()...)
	cmd.WaitDelay = time.Second // what Match exec leaves behind must not hold us
	out, errs := &limitedBuffer{limit: maxDump}, &limitedBuffer{limit: 4096}
	cmd.Stdout, cmd.Stderr = out, errs
	err := cmd.Run()
	said := lines(errs.String())
	_, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return settings{}, fmt.Errorf("ssh -G has not answered for %v: %w", dumpTimeout, ctx.Err())
	case err != nil && (!ended || strings.Contains(errs.String(), "option -- ")):
		return settings{}, fmt.Errorf("%w: %w", errNoDump, err)
	case err != nil:
		return settings{}, fmt.Errorf("ssh -G: %s", strings.Join(said, "; "))
	case out.full:
		return settings{}, fmt.Errorf("ssh -G says more than %d bytes", maxDump)
	}
	s, err := parseDump(out.Bytes())
	s.warnings = said
	return s, err
}

// dumpArgs are the arguments of ssh -G; -T keeps it from complaining that it has no terminal.
func (c *Config) dumpArgs() []string {
	args := []string{"-G", "-T"}
	if c.ConfigFile != "" {
		args = append(args, "-F", c.ConfigFile)
	}
	if c.Port != 0 {
		args = append(args, "-p", strconv.Itoa(c.Port))
	}
	if c.User != "" {
		args = append(args, "-l", c.User)
	}
	for _, o := range c.Options {
		args = append(args, "-o", o)
	}
	return append(args, "--", c.Host)
}

// parseDump reads the output of ssh -G: a keyword in lower case, a space, and the value without quotes.
func parseDump(out []byte) (settings, error) {
	s := settings{values: map[string][]string{}, dumped: true}
	for len(out) > 0 {
		var line []byte
		line, out, _ = bytes.Cut(out, []byte("\n"))
		key, value, _ := strings.Cut(strings.TrimRight(string(line), "\r"), " ")
		key = strings.ToLower(key)
		if !knownKeyword(key) || value == "" {
			continue
		}
		switch key {
		case "identityfile":
			s.identities = append(s.identities, value)
		case "certificatefile":
			s.certificates = append(s.certificates, value)
		case "userknownhostsfile", "globalknownhostsfile":
			s.values[key] = splitPaths(value)
		default:
			if _, ok := s.values[key]; !ok {
				s.values[key] = []string{value}
			}
		}
	}
	if s.first("hostname") == "" || s.first("user") == "" {
		return settings{}, errors.New("ssh -G names no host or no user")
	}
	if defaultIdentities(s.identities) {
		s.identities = nil
	}
	return s, nil
}

// splitPaths separates file names that ssh -G writes with a space between them, whether or not they hold spaces
// themselves. They are absolute as a rule, and then each slash behind a space opens one.
func splitPaths(s string) []string {
	if !strings.HasPrefix(s, "/") {
		return strings.Fields(s)
	}
	parts := strings.Split(s, " /")
	for i := range parts[1:] {
		parts[i+1] = "/" + parts[i+1]
	}
	return parts
}

// defaultIdentities reports whether a list is what ssh -G prints where no IdentityFile is set: several files of one kind,
// which differ between versions. Somebody who lists them all by hand wants the same.
func defaultIdentities(list []string) bool {
	for _, f := range list {
		name, ok := strings.CutPrefix(f, "~/.ssh/id_")
		if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return false
		}
	}
	return len(list) >= 4
}

// lines splits messages of a program, made safe for a terminal.
func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(safeText(strings.TrimRight(l, "\r\n"))); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// A limitedBuffer keeps the first bytes written to it.
type limitedBuffer struct {
	bytes.Buffer
	limit int
	full  bool // more came
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	room := b.limit - b.Len()
	if room < len(p) {
		b.full = true
		_, _ = b.Buffer.Write(p[:room]) // a bytes.Buffer takes everything
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
