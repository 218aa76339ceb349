package main

// topic is something that gosync help explains and that is no command or option. It
// is a section of the manual page, too.
type topic struct {
	name string
	doc  string // one line
	body string // paragraphs; lines that begin with two spaces stand as they are
	make func() string
}

// text returns what gosync help prints.
func (t *topic) text() string {
	if t.make != nil {
		return t.make()
	}
	return t.body
}

func findTopic(name string) *topic {
	all := topics()
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

// topics returns the topics in the order in which they stand in the help.
func topics() []topic {
	return []topic{
		{name: "options", doc: "all options of a copy, as gosync --help", make: longHelp},
		{name: "operands", doc: "how sources, hosts and destinations are written", body: operandsText},
		{name: "filters", doc: "which names take part: patterns and rules", body: filtersText},
		{name: "config", doc: "the configuration file: defaults and jobs", body: configText},
		{name: "environment", doc: "variables that gosync reads", body: environmentText},
		{name: "files", doc: "files that gosync reads and writes beside those it copies", body: filesText},
		{name: "exit-status", doc: "what the exit status says", body: exitText},
	}
}

const operandsText = `The last operand is the destination, all others are sources. A single one is listed.

  path                       here
  [USER@]HOST:PATH           on a host; PATH is below the home directory there
  [USER@][ADDRESS]:PATH      the same, for an IPv6 address
  :PATH                      on the host of the source before it
  ssh://[USER@]HOST[:PORT]/PATH      PATH is absolute; /~/PATH is below the home directory
  scp://[USER@]HOST[:PORT]/PATH      PATH is below the home directory; //PATH is absolute
  sftp://...                         the same

A colon before the first slash makes it a path on a host: write ./a:b for a local file
of that name. A port stands in an address with a scheme, or in --port: HOST:2222:PATH
is a path that begins with 2222:, and -p keeps permissions.

A source with a slash at its end means what is in the directory, one without it the
directory itself: from src/ come the files, from src comes src with them.

Hosts are looked up as ssh does it, in ~/.ssh/config first. Wildcards in the path of a
source on a host are expanded there. One directory of the destination is made; --mkpath
makes those above it.

A file with the name of a command, such as run or help, is written ./run where it
stands first.
`

const filtersText = `Options that name files are asked in their order, and the first whose pattern fits
decides; a name that none fits takes part. What is left out is neither copied nor, with
--delete, removed.

  --exclude=PATTERN          leave out what fits
  --include=PATTERN          take what fits, whatever stands behind
  --exclude-from=FILE        patterns from a file, one on each line
  --filter='- PATTERN'       the same as --exclude; '+ PATTERN' as --include
  --filter='merge FILE'      rules from a file; 'dir-merge .name' from one in each directory
  -F                         rules in .rsync-filter of each directory
  -C                         what CVS ignores
  --gitignore                what git ignores

In a pattern * is any text without a slash, ** any text, ? one character, [a-z] one of
these. One that begins with a slash fits only from the source's top on; one that ends
with a slash fits directories only; one with a slash inside fits whole ends of paths.
Names below a directory that is left out are not looked at, so to take dir/file alone:

  gosync -a --include=/dir/ --include=/dir/file --exclude='*' src/ dst/

Rules of a job stand in front of those of the defaults, and rules of the command line in
front of both. -n -v says what would be copied.
`

const environmentText = `The command line wins over these, and they win over the configuration file.

  GOSYNC_RSH, RSYNC_RSH      the command of --rsh (-e)
  RSYNC_PARTIAL_DIR          the directory of --partial-dir, where --partial is given
  RSYNC_OLD_ARGS             1: as --old-args
  RSYNC_ICONV                the character sets of --iconv
  CVSIGNORE                  patterns of -C
  POSIXLY_CORRECT            options end at the first operand
  XDG_CONFIG_HOME            gosync/config.toml is looked for there (~/.config)
  XDG_STATE_HOME             gosync/shell_history is kept there (~/.local/state)
  XDG_DATA_HOME              gosync/agents holds gosync for other systems (~/.local/share)
  SSH_AUTH_SOCK, SSH_ASKPASS as for ssh
  TERM                       dumb: no progress line
`

const filesText = `  ~/.config/gosync/config.toml    defaults and jobs; gosync help config
  ~/.ssh/config, /etc/ssh/ssh_config, ~/.ssh/known_hosts    read as ssh reads them
  ~/.cache/gosync                 on a far side: the gosync that was sent there
  .gosync.*.part, .gosync.*.ckpt  beside a destination: what is kept of unfinished files
  .NAME.gosync.*.part             the same while they are received, with --partial
  .gosync-snapshots               in the directory of snapshots: their digests
`

const configText = `gosync reads $XDG_CONFIG_HOME/gosync/config.toml, or ~/.config/gosync/config.toml, a file
in TOML. Without it nothing is different. --config=FILE names another one, and
--no-config reads none.

  [defaults]                 # for gosync SRC... DEST, and for jobs
  timeout = 120
  exclude = [".DS_Store", "*.tmp"]

  [job.photos]               # gosync run photos
  about = "photographs to the NAS"
  sources = ["~/photos/"]
  dest = "nas:photos/"
  archive = true
  delete = true

  [job.backup]
  command = "snapshot"       # or verify, or copy, which is what jobs do without it
  sources = ["~/"]
  dest = "nas:backup"
  keep-daily = 7

The keys are the long names of options, without dashes, or the letter of one that has no
long name. A switch takes true or false, which is its negation; verbose and others that
can be given twice take a number as well; an option with a value takes a string or a
number, and where it may be repeated an array. Options take effect in the order of the
file. A job has sources and dest, and may have command, about, and options of that
command. ~/ is the home directory; local paths are absolute or begin with it.

What wins: the defaults are weakest, then come the job, the environment, and the
command line. Filter rules are asked in the opposite order, since there the first one
decides. Defaults hold for copies and jobs; cp, ls, shell, snapshot and verify have none
of their own, and a gosync that another one has started, such as gosync --server, reads
no configuration.

An unknown key, a value of the wrong type and whatever the command line would refuse is
an error, with its line. The file can name commands that are run, so it must belong to
you or root, and neither it nor its directory may be writable by others.
`
