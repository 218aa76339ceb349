package localfs

import (
	"os"
	"strconv"
	"strings"
)

// knownIDs are the users and groups in /etc/passwd and /etc/group, read once. What
// other sources of names a machine may have is not asked: that would need
// libraries, sockets and files that a restricted process must not reach.
type knownIDs struct {
	IDs
	names map[owned]string
	ids   map[named]uint32
}

// readIDs reads the two files. What cannot be read has no names.
func readIDs() *knownIDs {
	k := &knownIDs{names: map[owned]string{}, ids: map[named]uint32{}}
	for group, file := range map[bool]string{false: "/etc/passwd", true: "/etc/group"} {
		text, _ := os.ReadFile(file)
		k.parse(string(text), group)
	}
	return k
}

// parse takes the lines name:password:number:... Of several for one name or number
// the first counts.
func (k *knownIDs) parse(text string, group bool) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 || fields[0] == "" || strings.HasPrefix(line, "#") {
			continue
		}
		number, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			continue
		}
		by, of := named{fields[0], group}, owned{uint32(number), group}
		if _, ok := k.ids[by]; !ok {
			k.ids[by] = of.id
		}
		if _, ok := k.names[of]; !ok {
			k.names[of] = by.name
		}
	}
}

// UserName implements [manifest.Names].
func (k *knownIDs) UserName(uid uint32) string { return k.names[owned{uid, false}] }

// GroupName implements [manifest.Names].
func (k *knownIDs) GroupName(gid uint32) string { return k.names[owned{gid, true}] }

// User implements [engine.IDs].
func (k *knownIDs) User(name string) (uint32, bool) {
	id, ok := k.ids[named{name, false}]
	return id, ok
}

// Group implements [engine.IDs].
func (k *knownIDs) Group(name string) (uint32, bool) {
	id, ok := k.ids[named{name, true}]
	return id, ok
}
