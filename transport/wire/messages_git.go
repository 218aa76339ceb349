package wire

// GitRules gives the files of a directory of the source that tell what git ignores
// there, before the directory's listing.
type GitRules struct {
	Dir     int
	Repo    bool // a repository begins there
	Ignore  []byte
	Exclude []byte
}

// MaxGitRules is the greatest length of either text.
const MaxGitRules = 500 << 10

func (*GitRules) Type() Type { return TypeGitRules }

func (m *GitRules) append(b []byte) []byte {
	b = appendUint(b, uint64(m.Dir))
	b = appendBool(b, m.Repo)
	return appendBytes(appendBytes(b, m.Ignore), m.Exclude)
}

func (m *GitRules) decode(d *Dec) {
	m.Dir = d.index()
	m.Repo = d.bool()
	m.Ignore = d.bytes(MaxGitRules)
	m.Exclude = d.bytes(MaxGitRules)
}
