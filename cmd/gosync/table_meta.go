package main

import (
	"strings"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// metaSettings is what the options about metadata leave until all are known.
type metaSettings struct {
	chmod                 []string // --chmod, in order
	chownUser, chownGroup string   // --chown
	usermap, groupmap     string
	mungeLinks            bool // --munge-links, at this end
	super, farSuper       privilege
}

// metaFlags are the options that say more exactly what is kept of metadata.
func metaFlags() []flag {
	return append([]flag{
		{
			name: "executability", short: "E", negate: true, category: catKeep, doc: "without -p: keep whether files can be executed",
			long: "A file that is there gets execute bits where it can be read, or loses all of them, when the source's says so.",
			set:  on(func(s *settings) *bool { return &s.Executability }),
		},
		{
			name: "chmod", arg: "CHMOD", many: true, negate: true, category: catKeep, doc: "change the modes of what is copied: D755,F644 or ug+w,o=g,+X",
			long: "The result counts as the source's mode, so without -p it matters for new files only. D is for directories, F for the rest. It may be repeated; --no-chmod forgets what came before.",
			set:  addChmod,
		},
		{
			name: "omit-dir-times", short: "O", negate: true, category: catKeep, doc: "-t is not for directories",
			set: on(func(s *settings) *bool { return &s.OmitDirTimes }),
		},
		{
			name: "omit-link-times", short: "J", negate: true, category: catKeep, doc: "-t is not for symlinks",
			set: on(func(s *settings) *bool { return &s.OmitLinkTimes }),
		},
	}, append(append(append(superFlags(), detailFlags()...), linkFlags()...), ownerFlags()...)...)
}

// detailFlags are those that keep what most systems do not show.
func detailFlags() []flag {
	return []flag{
		{
			name: "atimes", short: "U", negate: true, category: catKeep, doc: "keep access times (to the second)",
			set: on(func(s *settings) *bool { return &s.Atimes }),
		},
		{
			name: "open-noatime", negate: true, category: catKeep, doc: "do not change access times at the source by reading",
			long: "Only root, and the owner of a file, can have that.",
			set:  on(func(s *settings) *bool { return &s.OpenNoatime }),
		},
		{
			name: "xattrs", short: "X", negate: true, category: catKeep, doc: "keep extended attributes",
			long: "Where root runs the destination all but those of the system, else those named user.*. Given twice it keeps those named user.rsync.% as well, which are --fake-super's.",
			set: func(s *settings, on bool, _ string) error {
				s.Xattrs, s.AllXattrs = on, on && s.Xattrs
				return nil
			},
		},
		{
			name: "acls", short: "A", negate: true, category: catKeep, doc: "keep POSIX access control lists (implies -p)",
			long: "Users and groups in them are mapped as owners are.",
			set: func(s *settings, on bool, _ string) error {
				if s.ACLs = on; on {
					s.Perms = true
				}
				return nil
			},
		},
	}
}

// linkFlags are those that say what becomes of symlinks.
func linkFlags() []flag {
	return []flag{
		{
			name: "safe-links", negate: true, category: catKeep, doc: "leave out symlinks that lead out of what is copied",
			long: "Their names decide: absolute ones do, and so do those with too many .. at their begin, or with one further on.",
			set:  on(func(s *settings) *bool { return &s.SafeLinks }),
		},
		{
			name: "copy-unsafe-links", negate: true, category: catKeep, doc: "... copy what those lead to in their place",
			set: on(func(s *settings) *bool { return &s.CopyUnsafeLinks }),
		},
		{
			name: "copy-dirlinks", short: "k", negate: true, category: catKeep, doc: "copy the directory that a symlink leads to in its place",
			long: "Symlinks to anything else stay symlinks.",
			set:  on(func(s *settings) *bool { return &s.CopyDirLinks }),
		},
		{
			name: "keep-dirlinks", short: "K", negate: true, category: catKeep, doc: "keep a symlink to a directory where the source has a directory",
			long: "What the directory holds goes to where the symlink leads, which must be a place below the destination. Without it the symlink is replaced.",
			set:  on(func(s *settings) *bool { return &s.KeepDirLinks }),
		},
		{
			name: "munge-links", negate: true, category: catKeep, doc: "symlinks here have /rsyncd-munged/ in front of targets",
			long: "So they lead nowhere for whoever looks at the copy. What is received gets it; when the source is on this machine it is taken off.",
			set:  on(func(s *settings) *bool { return &s.mungeLinks }),
		},
	}
}

// metaRefused names the options that SFTP has nothing for.
func metaRefused(job *engine.Job) (names []string) {
	for _, c := range []struct {
		on   bool
		name string
	}{
		{job.Atimes, "--atimes"},
		{job.OpenNoatime, "--open-noatime"},
		{job.Xattrs, "--xattrs"},
		{job.ACLs, "--acls"},
		{job.CopyUnsafeLinks && !job.CopyLinks, "--copy-unsafe-links"},
		{job.CopyDirLinks && !job.CopyLinks, "--copy-dirlinks"},
	} {
		if c.on {
			names = append(names, c.name)
		}
	}
	return names
}

// ownerFlags are those that change owners on the way.
func ownerFlags() []flag {
	return []flag{
		{
			name: "chown", arg: "USER:GROUP", category: catKeep, doc: "give everything to USER and GROUP (root only)",
			long: "USER: and :GROUP change one of them. It implies -o and -g, as far as they are concerned.",
			set: func(s *settings, _ bool, text string) error {
				user, group, _ := strings.Cut(text, ":")
				if user != "" && s.usermap != "" || group != "" && s.groupmap != "" {
					return usageErrorf("it contradicts --usermap or --groupmap, which stand before it")
				}
				if user != "" {
					s.chownUser, s.Owner = user, true
				}
				if group != "" {
					s.chownGroup, s.Group = group, true
				}
				return nil
			},
		},
		{
			name: "usermap", arg: "FROM:TO,...", category: catKeep, doc: "change owners: 0-99:nobody,wayne:admin,*:normal",
			long: "FROM is a name or a pattern for names of the source, a number, LOW-HIGH, or nothing, for users without a name; TO is a name or a number at the destination. The first match counts. It implies -o.",
			set: func(s *settings, _ bool, text string) error {
				s.Owner = true
				return takeMap(&s.usermap, s.chownUser, text)
			},
		},
		{
			name: "groupmap", arg: "FROM:TO,...", category: catKeep, doc: "... the same for groups",
			set: func(s *settings, _ bool, text string) error {
				s.Group = true
				return takeMap(&s.groupmap, s.chownGroup, text)
			},
		},
	}
}

// takeMap takes the text of --usermap or --groupmap.
func takeMap(field *string, chown, text string) error {
	switch {
	case *field != "":
		return usageErrorf("it may be given once only: put all pairs into one")
	case chown != "":
		return usageErrorf("it contradicts --chown, which stands before it")
	}
	if _, err := engine.ParseIDMap(text); err != nil {
		return usageErrorf("%v", err)
	}
	*field = text
	return nil
}

// finishMeta settles what the options about metadata leave to each other.
func (s *settings) finishMeta() error {
	s.takeFarSuper()
	s.Chmod = strings.Join(s.chmod, ",")
	s.UserMap, s.GroupMap = s.usermap, s.groupmap
	for _, c := range []struct {
		to   *string
		name string
	}{{&s.UserMap, s.chownUser}, {&s.GroupMap, s.chownGroup}} {
		if c.name == "" {
			continue
		}
		*c.to = "*:" + c.name
		if _, err := engine.ParseIDMap(*c.to); err != nil || strings.Contains(c.name, ",") {
			return usageErrorf("--chown: %q is no name or number of an owner", c.name)
		}
	}
	return nil
}

// addChmod takes the value of --chmod.
func addChmod(s *settings, on bool, text string) error {
	if !on {
		s.chmod = nil
		return nil
	}
	if _, err := manifest.ParseModes(text, 0); err != nil {
		return usageErrorf("%q: %v", text, err)
	}
	s.chmod = append(s.chmod, text)
	return nil
}
