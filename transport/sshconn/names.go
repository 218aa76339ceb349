package sshconn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names returns the hosts that a user may mean, sorted: those that the configuration names without a pattern, and those
// of the user's known_hosts that are not hashed. configFile is as in Config. It is for suggestions: what cannot be read
// has no hosts, and blocks for Match are not looked at.
func Names(configFile string) []string {
	home, _ := os.UserHomeDir() // without one its files are not there
	c := Config{ConfigFile: configFile}
	found := map[string]bool{}
	for _, src := range c.sources(home) {
		left := maxIncludes
		configuredNames(found, src, home, &left, 0)
	}
	if home != "" {
		for _, name := range []string{"known_hosts", "known_hosts2"} {
			knownNames(found, filepath.Join(home, ".ssh", name))
		}
	}
	var names []string
	for n := range found {
		if ValidHost(n) == nil && !strings.ContainsAny(n, "[]/@") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// configuredNames adds the hosts of one configuration file, and of those that it includes.
func configuredNames(found map[string]bool, src source, home string, left *int, depth int) {
	data, err := readConfig(src)
	if *left--; err != nil || *left < 0 || depth > maxIncludeDepth {
		return
	}
	for _, d := range parseLines(data) {
		args, err := splitArgs(d.rest)
		if err != nil {
			continue
		}
		switch d.key {
		case "host":
			for _, a := range args {
				if !strings.ContainsAny(a, "*?!") {
					found[a] = true
				}
			}
		case "include":
			for _, p := range args {
				files, _ := src.included(p, home) // one that is no pattern stands for nothing
				for _, f := range files {
					configuredNames(found, source{path: f, baseDir: src.baseDir, checkPerms: src.checkPerms}, home, left, depth+1)
				}
			}
		}
	}
}

// knownNames adds the hosts of a known_hosts file that can be read from it.
func knownNames(found map[string]bool, file string) {
	data, err := readLimited(file, maxKnownHosts)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0][0] == '#' || fields[0][0] == '@' || fields[0][0] == '|' {
			continue
		}
		for name := range strings.SplitSeq(fields[0], ",") {
			if rest, ok := strings.CutPrefix(name, "["); ok {
				name, _, _ = strings.Cut(rest, "]")
			}
			if name != "" && !strings.ContainsAny(name, "*?!|") && !strings.Contains(name, ":") {
				found[name] = true
			}
		}
	}
}
