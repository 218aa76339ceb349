package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The tools.
const (
	toolAgent  = "gosync"
	toolNoSync = "gosync-nosync"
	toolSFTP   = "gosync-sftp"
	toolSCP    = "gosync-scp"
	scp        = "scp"
	scpLegacy  = "scp-O"
	sftp       = "sftp"
	rsync      = "rsync"
	rsyncZ     = "rsync-z"
)

// tool is one way to copy.
type tool struct {
	name, title string
	here, there []string // programs that must be found on this machine, and on the far side
	deletes     bool     // it can remove what the source does not have
	delta       bool     // it sends only what changed within a file
	skips       bool     // it leaves out files that are there already
	resumes     bool     // it goes on where it was interrupted
	renames     bool     // it recognises files under another name
	trips       int      // round trips that a small file costs, about: for the estimate
	extra       bool     // only where it is named

	argv func(*job) ([]string, error)
}

// job is one copy: of the directory src, into the directory parent of the far side.
type job struct {
	*end
	set         *Case
	src, parent string
	scratch     string // a private directory for what a tool needs
	cut         bool   // the line will be cut: the tool must not connect again
}

// ToolNames lists the tools in the order of the report.
func ToolNames() []string {
	var names []string
	for _, t := range toolTable() {
		names = append(names, t.name)
	}
	return names
}

func toolTable() []tool {
	ssh := []string{"ssh"}
	return []tool{
		{name: toolAgent, title: "gosync -a", delta: true, skips: true, resumes: true, renames: true, deletes: true, argv: gosyncArgv("agent")},
		{
			name: toolNoSync, title: "gosync -a --fsync=none", delta: true, skips: true, resumes: true, renames: true, deletes: true, extra: true,
			argv: gosyncArgv("agent", "--fsync=none"),
		},
		{name: toolSFTP, title: "gosync -a --via=sftp", skips: true, resumes: true, deletes: true, argv: gosyncArgv("sftp")},
		{name: toolSCP, title: "gosync -a --via=scp", there: []string{scp}, argv: gosyncArgv("scp")},
		{name: scp, title: "scp -r", here: append(ssh, scp), trips: 3, argv: scpArgv()},
		{name: scpLegacy, title: "scp -O -r", here: append(ssh, scp), there: []string{scp}, trips: 2, argv: scpArgv("-O")},
		{name: sftp, title: "sftp put -r", here: append(ssh, sftp), resumes: true, trips: 4, argv: sftpArgv},
		{
			name: rsync, title: "rsync -a", here: append(ssh, rsync), there: []string{rsync}, delta: true, skips: true, resumes: true, deletes: true,
			argv: rsyncArgv(),
		},
		{
			name: rsyncZ, title: "rsync -az", here: append(ssh, rsync), there: []string{rsync}, delta: true, skips: true, resumes: true, deletes: true,
			argv: rsyncArgv("-z"),
		},
	}
}

// resumes reports whether a tool goes on where it was interrupted.
func resumes(name string) bool {
	return slices.ContainsFunc(toolTable(), func(t tool) bool { return t.name == name && t.resumes })
}

// picked returns the tools that a configuration asks for.
func (c *Config) picked() []tool {
	return slices.DeleteFunc(toolTable(), func(t tool) bool {
		return len(c.Tools) == 0 && t.extra || len(c.Tools) > 0 && !slices.Contains(c.Tools, t.name)
	})
}

// getting says how a program comes onto a Debian machine.
func getting(program string) string {
	pkg := map[string]string{"ssh": "openssh-client", scp: "openssh-client", sftp: "openssh-client", rsync: "rsync"}[program]
	return "apt-get install -y --no-install-recommends " + pkg
}

func gosyncArgv(via string, more ...string) func(*job) ([]string, error) {
	return func(j *job) ([]string, error) {
		argv := append([]string{j.gosync, "-a", "--no-config", "--via=" + via}, more...)
		argv = append(argv, j.gosyncArgs...)
		if j.set != nil && via != "scp" {
			switch j.set.Name {
			case caseRenamed:
				// All of the old names go: what the guard would ask about.
				argv = append(argv, "--delete", "--force-delete")
				if via == "agent" {
					argv = append(argv, "--detect-renames")
				}
			case caseResume:
				argv = append(argv, "--partial")
			}
		}
		if j.cut {
			argv = append(argv, "--retries=0")
		}
		return append(argv, j.src, j.name+":"+j.parent+"/"), nil
	}
}

func scpArgv(more ...string) func(*job) ([]string, error) {
	return func(j *job) ([]string, error) {
		argv := append([]string{scp, "-r"}, more...)
		return append(append(argv, j.sshArgs...), j.src, j.name+":"+j.parent+"/"), nil
	}
}

// sftpArgv puts all of a tree, or goes on with its one file.
func sftpArgv(j *job) ([]string, error) {
	commands := fmt.Sprintf("put -r \"%s\" \"%s\"\n", j.src, j.parent)
	if j.set != nil && j.set.state == interrupted && !j.cut {
		commands = fmt.Sprintf("reput \"%s\" \"%s\"\n", filepath.Join(j.src, largeName), j.parent+"/"+treeName+"/"+largeName)
	}
	batch := filepath.Join(j.scratch, "batch")
	if err := os.WriteFile(batch, []byte(commands), 0o600); err != nil {
		return nil, err
	}
	return append(append([]string{sftp, "-b", batch}, j.sshArgs...), j.name), nil
}

func rsyncArgv(more ...string) func(*job) ([]string, error) {
	return func(j *job) ([]string, error) {
		argv := append([]string{rsync, "-a"}, more...)
		if j.set != nil {
			switch j.set.Name {
			case caseRenamed:
				argv = append(argv, "--delete")
			case caseResume:
				argv = append(argv, "--partial")
			}
		}
		shell := "ssh"
		for _, a := range j.sshArgs {
			shell += " '" + strings.ReplaceAll(a, "'", "''") + "'" // rsync's own quoting
		}
		return append(argv, "-e", shell, j.src, j.name+":"+j.parent+"/"), nil
	}
}
