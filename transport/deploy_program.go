package transport

import (
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// system names what a program runs on, in Go's words; zero where unknown.
type system struct{ os, arch string }

func (s system) String() string { return s.os + "/" + s.arch }

// systemOf translates what uname says.
func systemOf(kernel, machine string) (system, bool) {
	s := system{
		os: map[string]string{
			"Linux": "linux", "Darwin": "darwin", "FreeBSD": "freebsd", "OpenBSD": "openbsd", "NetBSD": "netbsd",
			"DragonFly": "dragonfly", "SunOS": "illumos",
		}[kernel],
		arch: map[string]string{
			"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "i86pc": "amd64",
			"i386": "386", "i486": "386", "i586": "386", "i686": "386", "riscv64": "riscv64", "s390x": "s390x",
			"armv5tel": "arm", "armv6l": "arm", "armv7l": "arm", "armv8l": "arm", "ppc64": "ppc64", "ppc64le": "ppc64le",
			"loongarch64": "loong64",
		}[machine],
	}
	return s, s.os != "" && s.arch != ""
}

// A program is a file that is to run on the far side.
type program struct {
	file   *os.File
	size   int64
	digest string // SHA-256, in hex: the one digest for which far sides have a tool
	name   string // on the far side
	libc   bool   // it wants a C library there
}

func (p *program) close() { _ = p.file.Close() } // it was only read

// content returns the file from its begin.
func (p *program) content() io.Reader { return io.NewSectionReader(p.file, 0, p.size) }

// newProgram measures f, which it takes over.
func newProgram(f *os.File, version string) (*program, error) {
	p := &program{file: f}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() == 0) {
		err = errors.New("no file with content")
	}
	h := sha256.New()
	if err == nil {
		p.size = info.Size()
		_, err = io.Copy(h, p.content())
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	p.digest = hex.EncodeToString(h.Sum(nil))
	p.name = "agent-" + nameVersion(version) + "-" + p.digest[:16]
	p.libc = interpreted(f)
	return p, nil
}

// interpreted reports whether an ELF program is linked dynamically. Others are
// taken as they are: running them once tells.
func interpreted(r io.ReaderAt) bool {
	f, err := elf.NewFile(r)
	if err != nil {
		return false
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}

// nameVersion makes a version a part of a file's name.
func nameVersion(v string) string {
	v = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune(".+_-", r):
			return r
		}
		return '_'
	}, v), ".-_")
	if v == "" {
		return "devel"
	}
	return v[:min(len(v), 60)]
}

// openSelf opens the program that runs. Where Linux tells it is that one, even
// if its file has been replaced meanwhile.
func openSelf() (*os.File, error) {
	if f, err := os.Open("/proc/self/exe"); err == nil {
		return f, nil
	}
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// find returns the agent for a system. For this one that is the running program,
// unless that needs a C library and one that might not is at hand.
func (o *DeployOptions) find(s system) (*program, error) {
	own := s == system{runtime.GOOS, runtime.GOARCH}
	var self *program
	if own {
		f, err := o.self()
		if err == nil {
			self, err = newProgram(f, o.Version)
		}
		if err == nil && !self.libc {
			return self, nil
		}
		if err != nil && o.Log != nil {
			o.Log.Warn("the running program cannot be read", "error", err)
		}
	}
	f, err := o.search("gosync-" + s.os + "-" + s.arch)
	switch {
	case err == nil:
		if self != nil {
			self.close()
		}
		return newProgram(f, o.Version)
	case self != nil && errors.Is(err, fs.ErrNotExist):
		return self, nil
	case self != nil:
		self.close()
	}
	return nil, err
}

func (o *DeployOptions) self() (*os.File, error) {
	if o.Self != nil {
		return o.Self()
	}
	return openSelf()
}

// search opens an agent by its name, wherever it is first found.
func (o *DeployOptions) search(name string) (*os.File, error) {
	for _, dir := range o.dirs() {
		f, err := os.Open(filepath.Join(dir, name))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// dirs lists where agents are looked for.
func (o *DeployOptions) dirs() []string {
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	var dirs []string
	if o.AgentDir != "" {
		dirs = append(dirs, o.AgentDir)
	}
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		dirs = append(dirs, filepath.Join(data, "gosync", "agents"))
	} else if home := cmp.Or(getenv("HOME"), getenv("USERPROFILE")); filepath.IsAbs(home) {
		dirs = append(dirs, filepath.Join(home, ".local", "share", "gosync", "agents"))
	}
	if path, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	return append(dirs, "/usr/libexec/gosync/agents")
}
