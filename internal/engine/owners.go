package engine

import (
	"sync"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// ownerMap translates the source's numeric owners.
type ownerMap struct {
	ids          IDs
	owner, group bool // whether they are preserved and can be
	numeric      bool
	root         bool

	users, groups []idTarget // --usermap, --groupmap

	mu         sync.RWMutex
	uids, gids map[uint32]uint32
}

func newOwnerMap(ids IDs, job *Job) *ownerMap {
	root := job.isSuper(ids)
	return &ownerMap{
		ids: ids, owner: job.Owner && root, group: job.Group, numeric: job.NumericIDs, root: root,
		uids: map[uint32]uint32{}, gids: map[uint32]uint32{},
	}
}

// learn takes the name of an owner from the source.
func (m *ownerMap) learn(o *wire.Owner) {
	if m.numeric || o.Name == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rules, find, to := m.users, m.ids.User, m.uids
	if o.Group {
		rules, find, to = m.groups, m.ids.Group, m.gids
	}
	id, ok := mapped(rules, o.ID, o.Name)
	if !ok {
		id, ok = find(o.Name)
	}
	if ok {
		to[o.ID] = id
	}
}

// learnMaps takes the maps of the job, and tells of owners in them that nobody is here.
func (m *ownerMap) learnMaps(job *Job, tell func(text string)) error {
	take := func(option, text string, find func(string) (uint32, bool)) ([]idTarget, error) {
		if text == "" {
			return nil, nil
		}
		rules, err := ParseIDMap(text)
		if err != nil {
			return nil, wire.Errorf(wire.CodeUsage, "%s: %w", option, err)
		}
		return rules.resolve(find, func(name string) { tell("unknown " + option + " name on receiver: " + name) }), nil
	}
	var err error
	if m.users, err = take("--usermap", job.UserMap, m.ids.User); err == nil {
		m.groups, err = take("--groupmap", job.GroupMap, m.ids.Group)
	}
	return err
}

// translate returns the owner that an entry of the source has here.
func (m *ownerMap) translate(e *manifest.Entry) (uid, gid uint32) {
	return m.user(e.UID), m.groupOf(e.GID)
}

func (m *ownerMap) user(id uint32) uint32 { return m.one(m.users, m.uids, id, m.ids.UserName) }

func (m *ownerMap) groupOf(id uint32) uint32 { return m.one(m.groups, m.gids, id, m.ids.GroupName) }

// one translates one number. Those that the source has a name for were learned; 0 has
// the name that it has here.
func (m *ownerMap) one(rules []idTarget, learned map[uint32]uint32, id uint32, name func(uint32) string) uint32 {
	m.mu.RLock()
	to, ok := learned[id]
	m.mu.RUnlock()
	if ok {
		return to
	}
	if len(rules) == 0 {
		return id
	}
	own := ""
	if id == 0 && !m.numeric {
		own = name(0)
	}
	if to, ok := mapped(rules, id, own); ok {
		return to
	}
	return id
}

// canGroup reports whether this process may set the group.
func (m *ownerMap) canGroup(gid uint32) bool { return m.group && (m.root || m.ids.Member(gid)) }
