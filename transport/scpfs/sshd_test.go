package scpfs_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/scpfs"
	"gosync/transport/sshtest"
)

// overSSH reaches a real sshd that offers no SFTP.
func overSSH(t testing.TB, extra ...string) (*sshtest.Server, *scpfs.Remote) {
	t.Helper()
	sshtest.Require(t, "scp", "scp")
	// The shell must not read what the user has it read when it starts.
	srv := sshtest.Start(t, sshtest.Options{Extra: extra, Env: []string{"HOME=" + t.TempDir()}})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	return srv, &scpfs.Remote{MaxSessions: 5, Start: func(ctx context.Context, cmd string) (io.ReadWriteCloser, error) { return link.Exec(ctx, cmd) }}
}

// TestOverSSH goes both ways through a real sshd.
func TestOverSSH(t *testing.T) {
	_, far := overSSH(t, "ForceCommand case $SSH_ORIGINAL_COMMAND in scp*) eval \"$SSH_ORIGINAL_COMMAND\";; *) exit 1;; esac")
	dir := t.TempDir()
	for i := range 80 {
		write(t, filepath.Join(dir, "src", strconv.Itoa(i%7), strconv.Itoa(i)), fmt.Sprint(i), 0o640)
	}
	write(t, filepath.Join(dir, "src/big"), string(make([]byte, 3<<20)), 0o644)
	there, back := filepath.Join(dir, "the re"), filepath.Join(dir, "back")
	if _, rec, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src") + "/"}, Dest: there}); err != nil {
		t.Fatal(err, rec.errs)
	}
	sameTree(t, filepath.Join(dir, "src"), there)
	if _, rec, err := pull(t, far, engine.Job{Options: recursive(), Sources: []string{there + "/"}, Dest: back}); err != nil {
		t.Fatal(err, rec.errs)
	}
	sameTree(t, there, back)
}

// TestFewSessions pushes to a server that permits one session only.
func TestFewSessions(t *testing.T) {
	_, far := overSSH(t, "MaxSessions 1")
	dir := t.TempDir()
	for i := range 60 {
		write(t, filepath.Join(dir, "src", strconv.Itoa(i)), fmt.Sprint(i), 0o640)
	}
	dest := filepath.Join(dir, "dest")
	if err := os.Mkdir(dest, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, rec, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src") + "/"}, Dest: dest}); err != nil {
		t.Fatal(err, rec.errs)
	}
	sameTree(t, filepath.Join(dir, "src"), dest)
	// Here one session follows another.
	write(t, filepath.Join(dir, "file"), "", 0o600)
	_, _, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src") + "/"}, Dest: filepath.Join(dir, "file")})
	if engine.ExitCode(err) != 11 {
		t.Errorf("a file as the destination: %v", err)
	}
}

// TestMeasure compares with scp: 5,000 small files and one large one, both ways.
// GOSYNC_SCP_MEASURE is the number of rounds.
func TestMeasure(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("GOSYNC_SCP_MEASURE"))
	if rounds == 0 {
		t.Skip("GOSYNC_SCP_MEASURE is not set")
	}
	srv, far := overSSH(t)
	dir := t.TempDir()
	small, bulk := filepath.Join(dir, "small"), filepath.Join(dir, "bulk")
	files, _ := strconv.Atoi(os.Getenv("GOSYNC_SCP_FILES"))
	if files == 0 {
		files = 5000
	}
	for i := range files {
		write(t, filepath.Join(small, fmt.Sprintf("d%02d/f%04d", i%50, i)), string(make([]byte, 200+i%3000)), 0o644)
	}
	write(t, filepath.Join(bulk, "file"), string(make([]byte, 256<<20)), 0o644)
	n := 0
	fresh := func() string {
		n++
		d := filepath.Join(dir, fmt.Sprint("out", n))
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		return d
	}
	opts := engine.Options{Recursive: true, MaxDelete: -1, Durability: engine.SyncNone}
	if os.Getenv("GOSYNC_SCP_SYNC") != "" {
		opts.Durability = engine.SyncRun
	}
	tools := []string{"scp", "scp -O", "gosync"}
	for _, src := range []string{small, bulk} {
		for _, way := range []string{"push", "pull"} {
			times := map[string][]time.Duration{}
			for range rounds {
				for _, tool := range tools {
					out := fresh()
					begin := time.Now()
					switch {
					case tool != "gosync":
						args := []string{"-q", "-r", "-F", srv.Config}
						if tool == "scp -O" {
							args = append(args, "-O")
						}
						from, to := src, srv.Alias+":"+out
						if way == "pull" {
							from, to = srv.Alias+":"+src, out
						}
						if b, err := exec.Command("scp", append(args, from, to)...).CombinedOutput(); err != nil {
							t.Fatalf("%v %s", err, b)
						}
					case way == "push":
						if _, _, err := push(t, far, engine.Job{Options: opts, Sources: []string{src}, Dest: out}); err != nil {
							t.Fatal(err)
						}
					default:
						if _, _, err := pull(t, far, engine.Job{Options: opts, Sources: []string{src}, Dest: out}); err != nil {
							t.Fatal(err)
						}
					}
					times[tool] = append(times[tool], time.Since(begin))
					os.RemoveAll(out)
				}
			}
			med := func(tool string) time.Duration { slices.Sort(times[tool]); return times[tool][len(times[tool])/2] }
			t.Logf("%s %s: scp %v, scp -O %v, gosync %v: %.2f of scp, %.2f of scp -O (min %v %v %v)", filepath.Base(src), way,
				med("scp"), med("scp -O"), med("gosync"), med("gosync").Seconds()/med("scp").Seconds(), med("gosync").Seconds()/med("scp -O").Seconds(),
				times["scp"][0], times["scp -O"][0], times["gosync"][0])
		}
	}
}
