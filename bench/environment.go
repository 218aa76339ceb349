package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Environment is what is known of a machine. What is not known is empty.
type Environment struct {
	OS         string   `json:"os,omitempty"`
	Machine    string   `json:"machine,omitempty"` // architecture
	CPU        string   `json:"cpu,omitempty"`
	Cores      int      `json:"cores,omitempty"`
	FileSystem string   `json:"file_system,omitempty"` // of the directory that is read, or written
	Rsync      string   `json:"rsync,omitempty"`
	OpenSSH    string   `json:"openssh,omitempty"`
	LoadBefore *float64 `json:"load_before,omitempty"` // of one minute
	LoadAfter  *float64 `json:"load_after,omitempty"`
	DiskWrite  *float64 `json:"disk_write_mib_per_second,omitempty"` // of one file, until it is durable; of the destination only
}

// Program is what is known of the gosync that is measured.
type Program struct {
	Gosync     string `json:"gosync"`
	Go         string `json:"go"`
	MaxProcs   int    `json:"gomaxprocs"`
	DroppedAll bool   `json:"caches_dropped"` // never: data is in the caches of both ends
}

// Line is what lies between the ends.
type Line struct {
	Kind  string  `json:"kind"`             // "loopback", "shaped loopback" or "host"
	Host  string  `json:"host,omitempty"`   // what the tools were given
	RTT   float64 `json:"rtt_ms"`           // set for a loopback, measured to a host
	Rate  float64 `json:"rate_mbit"`        // set for a loopback, 0 for no limit; 0 for a host: not known
	Queue int     `json:"queue_bytes"`      // in front of a loopback's rate
	Kex   string  `json:"kex,omitempty"`    // what ssh(1) and the server agree on
	Key   string  `json:"key,omitempty"`    // kind of the host key
	Crypt string  `json:"cipher,omitempty"` // to the far side
	MAC   string  `json:"mac,omitempty"`
}

// The kinds of a line.
const (
	lineLoopback = "loopback"
	lineShaped   = "shaped loopback"
	lineHost     = "host"
)

// asking is the script that tells of a machine, one fact on a line.
const asking = `one() { head -n 1 | tr -d '\r' | cut -c 1-200; }
echo "os $(uname -sr 2>/dev/null | one)"
echo "machine $(uname -m 2>/dev/null | one)"
echo "cpu $( { sed -n 's/^model name[^:]*: //p' /proc/cpuinfo || sysctl -n machdep.cpu.brand_string hw.model; } 2>/dev/null | one)"
echo "cores $( { nproc || getconf _NPROCESSORS_ONLN; } 2>/dev/null | one)"
echo "fs $(stat -f -c %%T %s 2>/dev/null | one)"
echo "load $( { cat /proc/loadavg || uptime | sed 's/.*load averages*: //; s/,/ /g'; } 2>/dev/null | cut -d ' ' -f 1 | one)"
echo "rsync $(rsync --version 2>/dev/null | one)"
echo "ssh $(ssh -V 2>&1 </dev/null | grep -i ssh_ | one)"
`

// environment asks a machine about itself. What it does not tell is left out.
func environment(ctx context.Context, far Far, dir string) Environment {
	out, err := far.Run(ctx, fmt.Sprintf(asking, quote(dir)))
	if err != nil && len(out) == 0 {
		return Environment{}
	}
	return readEnvironment(string(out))
}

func readEnvironment(out string) Environment {
	facts := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		facts[name] = firstLine(value)
	}
	e := Environment{
		OS: facts["os"], Machine: facts["machine"], CPU: facts["cpu"], FileSystem: facts["fs"], Rsync: facts["rsync"], OpenSSH: facts["ssh"],
	}
	e.Cores, _ = strconv.Atoi(facts["cores"]) // 0 is "not known"
	e.LoadBefore = readNumber(facts["load"])
	return e
}

// readNumber reads a number that may be missing.
func readNumber(text string) *float64 {
	if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 && v < 1e9 {
		return &v
	}
	return nil
}

// load is the load of one minute on this machine, nil where the system does not tell.
func load() *float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	first, _, _ := strings.Cut(string(data), " ")
	return readNumber(first)
}

// describe puts into the report what is known of both ends and the line.
func (b *run) describe(ctx context.Context) error {
	r := b.report
	r.Program = Program{Gosync: b.c.Version, Go: runtime.Version(), MaxProcs: runtime.GOMAXPROCS(0)}
	r.Here = environment(ctx, here{}, b.data)
	if r.Here.OS == "" {
		r.Here = Environment{OS: runtime.GOOS, Machine: runtime.GOARCH, Cores: runtime.NumCPU()}
	}
	if b.end.loopback() {
		r.There = r.Here
	} else {
		r.There = environment(ctx, b.end.far, b.end.dir)
		rtt, err := b.end.far.RTT(ctx)
		if err != nil {
			return fmt.Errorf("measuring the round trip: %w", err)
		}
		r.Line.RTT = float64(rtt) / float64(time.Millisecond)
	}
	r.There.DiskWrite = b.diskSpeed(ctx)
	b.ciphers(ctx)
	return ctx.Err()
}

// ciphers asks ssh(1) what it and the server agree on.
func (b *run) ciphers(ctx context.Context) {
	if _, err := exec.LookPath("ssh"); err != nil {
		return
	}
	argv := append(append([]string{"ssh", "-v"}, b.end.sshArgs...), b.end.name, "true")
	r, _ := executeKeeping(ctx, argv, b.environ, b.c.Limit, keptAll) // what it has said counts, however it ended
	b.report.Line.agreed(r.output)
}

// agreed reads what ssh -v says.
func (l *Line) agreed(said string) {
	find := func(pattern string) string {
		if m := regexp.MustCompile(`(?m)^debug1: kex: ` + pattern + `\s`).FindStringSubmatch(said); m != nil {
			return m[1]
		}
		return ""
	}
	l.Kex, l.Key = find(`algorithm: (\S+)`), find(`host key algorithm: (\S+)`)
	l.Crypt, l.MAC = find(`client->server cipher: (\S+)`), find(`client->server cipher: \S+ MAC: (\S+)`)
}
