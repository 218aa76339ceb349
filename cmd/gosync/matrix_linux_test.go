package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A farKind is what a far side offers, and what gosync is to make of it.
type farKind struct {
	name    string
	options []string
	says    string // on standard error; "" for nothing
	status  int
	farFar  int // status of a copy from far to far
}

// Names of the kinds of far sides.
const (
	kindInstalled = "agent installed"
	kindDeployed  = "agent deployed"
	kindSFTP      = "SFTP only"
	kindSCP       = "SCP only"
	kindNeither   = "neither"
)

func farKinds(gosync string) []farKind {
	return []farKind{
		{name: kindInstalled, options: []string{"--gosync-path=" + gosync}},
		{name: kindDeployed, says: "sent agent to ~/.cache/gosync/"},
		{name: kindSFTP, says: saysSFTP},
		{name: kindSCP, says: saysSCP, farFar: exitUnsupported}, // scp can neither list nor be told what is there
		{name: kindNeither, says: "no usable transport", status: exitTransport, farFar: exitTransport},
	}
}

// matrixWays are the directions of a copy.
func matrixWays() []string { return []string{"push", "pull", "remote to remote"} }

// TestMatrix reaches far sides of all kinds, on all servers, by all clients and in all directions, and prints a line for
// each: go test ./cmd/gosync -run TestMatrix -v. Without GOSYNC_LONG it takes a fifth of the cells, in which each kind is
// met on each server, and each client and way several times. No combination is left out; dropbear needs root, package
// sshtest says why.
func TestMatrix(t *testing.T) {
	t.Parallel()
	m := &matrix{gosync: program(t)}
	t.Cleanup(func() { m.report(t.Output()) })
	for i, s := range matrixServers() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for j, kind := range farKinds(m.gosync) {
				t.Run(kind.name, func(t *testing.T) {
					at := s.start(t, kind.name)
					for k, client := range matrixClients() {
						for l, way := range matrixWays() {
							if longRun() || (i+j+k+l)%5 == 0 {
								m.cell(t, &matrixCell{server: s.name, kind: kind, at: at, client: client, way: way})
							}
						}
					}
				})
			}
		})
	}
}

// A matrix is what has come of all cells.
type matrix struct {
	gosync string

	mu    sync.Mutex
	cells int
	bad   int
}

// report writes the last line.
func (m *matrix) report(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(w, "matrix: %d of %d cells\n", m.cells-m.bad, m.cells)
}

// A matrixCell is a copy.
type matrixCell struct {
	server string
	kind   farKind
	at     *matrixPlace
	client matrixClient
	way    string
}

func (c *matrixCell) String() string {
	return fmt.Sprintf("%-10s %-15s %-13s %-16s", c.server, c.kind.name, c.client.name, c.way)
}

// want is the exit status.
func (c *matrixCell) want() int {
	if c.way == "remote to remote" {
		return c.kind.farFar
	}
	return c.kind.status
}

// cell makes a copy, and prints its line.
func (m *matrix) cell(t *testing.T, c *matrixCell) {
	t.Helper()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	matrixSource(t, src)
	from, to := src+"/", dst
	if c.way != "push" {
		from = c.at.alias + ":" + from
	}
	if c.way != "pull" {
		to = c.at.alias + ":" + to
	}
	args := append([]string{"-rt"}, c.client.options(t, c.at)...)
	cmd := exec.Command(m.gosync, append(append(args, c.kind.options...), from, to)...)
	cmd.Env = append(os.Environ(), "HOME="+c.at.home, "SSH_AUTH_SOCK=")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	_ = cmd.Run() // its status is looked at
	status := cmd.ProcessState.ExitCode()
	result := "ok"
	if complaint := c.complaint(status, errs.String(), src, dst); complaint != "" {
		result = "WRONG"
		t.Errorf("%v: %s\n%s", c, complaint, &errs)
	}
	m.mu.Lock()
	m.cells++
	if result != "ok" {
		m.bad++
	}
	m.mu.Unlock()
	said := strings.ReplaceAll(strings.TrimSpace(errs.String()), "\n", " | ")
	fmt.Fprintf(t.Output(), "%v %-5s exit %2d  %s\n", c, result, status, said)
}

// complaint says what is wrong with the end of a copy; nothing where all is well.
func (c *matrixCell) complaint(status int, said, src, dst string) string {
	if status != c.want() {
		return fmt.Sprintf("exit %d, want %d", status, c.want())
	}
	if bad := badEnd(said, status); bad != "" {
		return "it " + bad
	}
	times := strings.Count(said, c.kind.says)
	switch first := c.at.first(); {
	case c.kind.name == kindDeployed && first && times != 1:
		return fmt.Sprintf("%q is said %d times", c.kind.says, times)
	case c.kind.name == kindDeployed && !first && times != 0:
		return "the agent is sent again"
	case c.kind.name == kindInstalled && said != "":
		return "it says something"
	case c.kind.says != "" && c.kind.name != kindDeployed && (times == 0 || times > 1 && c.way != "remote to remote"):
		return fmt.Sprintf("%q is said %d times", c.kind.says, times)
	case status == exitOK:
		return matrixDiff(src, dst)
	}
	if _, err := os.Lstat(dst); err == nil {
		return "a destination was made"
	}
	return ""
}

func matrixSource(t *testing.T, src string) {
	t.Helper()
	for name, content := range map[string]string{"a": "a", "d/b": strings.Repeat("b", 300_000), "d/e/c": ""} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// matrixDiff compares two trees by content.
func matrixDiff(a, b string) string {
	out, err := exec.Command("diff", "-r", a, b).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return ""
}
