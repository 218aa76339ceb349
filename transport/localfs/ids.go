package localfs

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gosync/internal/engine"
)

// maxOwners bounds what is remembered of owners, whose names may come from a peer.
const maxOwners = 1 << 16

// IDs knows the users and groups of this machine. It asks the system once for
// each. The zero value is ready; its methods may be called from several goroutines.
type IDs struct {
	mu     sync.Mutex
	names  map[owned]string
	ids    map[named]numbered
	groups []int
	umask  uint16
	asked  bool // groups and umask are known
}

var _ engine.IDs = (*IDs)(nil)

type owned struct {
	id    uint32
	group bool
}

type named struct {
	name  string
	group bool
}

type numbered struct {
	id uint32
	ok bool
}

// UserName implements [manifest.Names].
func (s *IDs) UserName(uid uint32) string { return s.name(owned{uid, false}) }

// GroupName implements [manifest.Names].
func (s *IDs) GroupName(gid uint32) string { return s.name(owned{gid, true}) }

func (s *IDs) name(o owned) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := s.names[o]; ok {
		return name
	}
	if s.names == nil || len(s.names) >= maxOwners {
		s.names = make(map[owned]string)
	}
	name := ""
	id := strconv.FormatUint(uint64(o.id), 10)
	if o.group {
		if g, err := user.LookupGroupId(id); err == nil {
			name = g.Name
		}
	} else if u, err := user.LookupId(id); err == nil {
		name = u.Username
	}
	s.names[o] = name
	return name
}

// User implements [engine.IDs].
func (s *IDs) User(name string) (uint32, bool) { return s.id(named{name, false}) }

// Group implements [engine.IDs].
func (s *IDs) Group(name string) (uint32, bool) { return s.id(named{name, true}) }

func (s *IDs) id(n named) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.ids[n]; ok {
		return r.id, r.ok
	}
	if s.ids == nil || len(s.ids) >= maxOwners {
		s.ids = make(map[named]numbered)
	}
	r := lookup(n)
	n.name = strings.Clone(n.name) // it may be part of something large
	s.ids[n] = r
	return r.id, r.ok
}

func lookup(n named) numbered {
	id := ""
	if n.group {
		if g, err := user.LookupGroup(n.name); err == nil {
			id = g.Gid
		}
	} else if u, err := user.Lookup(n.name); err == nil {
		id = u.Uid
	}
	number, err := strconv.ParseUint(id, 10, 32)
	return numbered{uint32(number), err == nil}
}

// Root implements [engine.IDs].
func (s *IDs) Root() bool { return os.Geteuid() == 0 }

// Member implements [engine.IDs].
func (s *IDs) Member(gid uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask()
	return int(gid) == os.Getegid() || slices.Contains(s.groups, int(gid))
}

// Umask implements [engine.IDs].
func (s *IDs) Umask() uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask()
	return s.umask
}

func (s *IDs) ask() {
	if s.asked {
		return
	}
	s.asked = true
	s.groups, _ = os.Getgroups() // without them only the process's own group counts
	s.umask = readUmask()
}

// readUmask reads the umask without changing it, which would show in other
// threads: from the process's status, where the system has one.
func readUmask() uint16 {
	const usual = 0o022
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return usual
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "Umask:"); ok {
			if mask, err := strconv.ParseUint(strings.TrimSpace(value), 8, 12); err == nil {
				return uint16(mask)
			}
		}
	}
	return usual
}
