package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/transport/sshtest"
)

// A farKind is what a far side offers, and what gosync is to make of it.
type farKind struct {
	name    string
	extra   []string // lines of sshd_config
	options []string
	says    string // on standard error the first time; "" for nothing
	status  int
}

func farKinds(gosync string) []farKind {
	return []farKind{
		{name: "gosync installed", options: []string{"--gosync-path=" + gosync}},
		{name: "gosync is sent", says: "sent agent to"},
		{name: "SFTP only", extra: []string{"ForceCommand internal-sftp"}, says: "using SFTP"},
		{name: "scp only", options: []string{"--no-deploy"}, says: "using scp"},
		{name: "nothing", extra: []string{"ForceCommand /bin/false"}, options: []string{"--no-deploy"}, says: "no usable transport", status: exitTransport},
	}
}

// TestMatrix reaches far sides of all kinds in all directions, by the SSH client in
// gosync and by the ssh program, and prints a line for each.
func TestMatrix(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "sshd")
	sshtest.Require(t, "scp", "scp")
	gosync := program(t)
	for _, kind := range farKinds(gosync) {
		t.Run(kind.name, func(t *testing.T) {
			home := t.TempDir()
			server := sshtest.Start(t, sshtest.Options{Extra: kind.extra, NoSFTP: kind.name == "scp only", Env: []string{"HOME=" + home, "SHLVL=2"}})
			for _, through := range []string{"native", "command"} {
				for _, way := range []string{"push", "pull", "from far to far"} {
					testMatrix(t, gosync, server, kind, through, way)
				}
			}
		})
	}
}

func testMatrix(t *testing.T, gosync string, server *sshtest.Server, kind farKind, through, way string) {
	t.Helper()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	for name, content := range map[string]string{"a": "a", "d/b": strings.Repeat("b", 300_000), "d/e/c": ""} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	from, to := src+"/", dst
	if way != "push" {
		from = server.Alias + ":" + from
	}
	if way != "pull" {
		to = server.Alias + ":" + to
	}
	args := append([]string{"-rt", "--ssh-config", server.Config, "--ssh=" + through}, kind.options...)
	cmd := exec.Command(gosync, append(args, from, to)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	_ = cmd.Run() // its status is looked at
	status, want := cmd.ProcessState.ExitCode(), kind.status
	if kind.name == "scp only" && way == "from far to far" {
		want = exitUnsupported // scp can neither list nor be told what is there
	}
	said := strings.TrimSpace(strings.Split(errs.String(), "\n")[0])
	t.Logf("%-17s %-8s %-16s exit %2d  %s", kind.name, through, way, status, said)
	if status != want {
		t.Errorf("%s, %s, %s: exit %d, want %d\n%s", kind.name, through, way, status, want, &errs)
		return
	}
	if want == 0 {
		if diff := matrixDiff(src, dst); diff != "" {
			t.Errorf("%s, %s, %s: %s", kind.name, through, way, diff)
		}
	}
	if kind.says != "" && kind.name != "gosync is sent" && want == kind.status && !strings.Contains(errs.String(), kind.says) {
		t.Errorf("%s, %s, %s: it does not say %q:\n%s", kind.name, through, way, kind.says, &errs)
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
