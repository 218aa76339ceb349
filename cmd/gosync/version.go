package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"gosync/transport/wire"
)

// These are set by the linker where a release is built: -X main.linkedVersion=1.2.3. Nothing else
// sets them.
var (
	linkedVersion string // "" where the build information tells
	linkedCommit  string
	linkedTime    string // of the commit
)

// build is what is known of how the program was made. What is not known is "".
type build struct {
	version  string // never ""
	revision string
	time     string // of the commit
	modified bool   // there were changes that were not committed
}

// devel is the version of a program of which nobody has said which one it is.
const devel = "devel"

// thisBuild describes this program.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo() // nil where there is none
	return buildOf(build{version: linkedVersion, revision: linkedCommit, time: linkedTime}, info)
}

// buildOf puts together what the linker was told, which counts first, and what the build
// information says: go install knows the version, and a build in a clone the commit, unless
// it was told not to look.
func buildOf(b build, info *debug.BuildInfo) build {
	if info != nil {
		if v := info.Main.Version; b.version == "" && v != "(devel)" {
			b.version = v
		}
		if b.revision == "" {
			b = b.withSettings(info.Settings)
		}
	}
	if b.version == "" {
		b.version = devel
	}
	return b
}

func (b build) withSettings(settings []debug.BuildSetting) build {
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.time":
			b.time = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}

// commit returns what gosync version says of the commit.
func (b build) commit() string {
	if b.revision == "" {
		return "unknown"
	}
	text := b.revision
	if b.time != "" {
		text += " of " + b.time
	}
	if b.modified {
		text += ", with changes that are not committed"
	}
	return text
}

const versionUsage = `Usage: gosync version

Prints the version, the commit that it was built from, the version of Go and the
versions of gosync's protocol that it speaks. gosync --version tells it in rsync's way.
`

// runVersion is gosync version.
func runVersion(args []string, e *env) error {
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		return e.text(versionUsage)
	case len(args) > 0:
		return usageErrorf("gosync version takes no arguments")
	}
	return e.text(thisBuild().report())
}

// report is what gosync version prints.
func (b build) report() string {
	protocol := strconv.Itoa(wire.Version)
	if wire.MinVersion != wire.Version {
		protocol = fmt.Sprintf("%d to %d", wire.MinVersion, wire.Version)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "version   %s\n", b.version)
	fmt.Fprintf(&s, "commit    %s\n", b.commit())
	fmt.Fprintf(&s, "go        %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&s, "protocol  %s\n", protocol)
	return s.String()
}

// versionText is the line that --version begins with.
func versionText() string {
	return fmt.Sprintf("gosync %s (%s/%s, %s)  protocol version %d\n", thisBuild().version, runtime.GOOS, runtime.GOARCH, runtime.Version(), wire.Version)
}

// capability is something that scripts ask -VV for, in rsync's words.
type capability struct {
	key  string
	able bool
}

// capabilities returns what this program can do. The order is that of the output.
func capabilities() []capability {
	linux := runtime.GOOS == "linux"
	unix := runtime.GOOS != "windows"
	return []capability{
		{"symlinks", true},
		{"symtimes", unix},
		{"hardlinks", true},
		{"hardlink_specials", linux},
		{"hardlink_symlinks", linux},
		{"IPv6", true},
		{"atimes", linux},
		{"batchfiles", false},
		{"inplace", true},
		{"append", true},
		{"ACLs", linux},
		{"xattrs", linux},
		{"secluded_args", true},
		{"iconv", false},
		{"prealloc", false},
		{"stop_at", true},
		{"crtimes", false},
	}
}

// checksumNames and compressNames are the names that --checksum-choice and --compress-choice take, beside auto.
func checksumNames() []string {
	return []string{"blake3", "xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "none"}
}

func compressNames() []string { return []string{"zstd", "lz4", "zlibx", "zlib", "none"} }

// capabilityText is what --version prints below its first line.
func capabilityText() string {
	var words []string
	for _, c := range capabilities() {
		word := strings.ReplaceAll(c.key, "_", "-")
		if !c.able {
			word = "no " + word
		}
		words = append(words, word)
	}
	var b strings.Builder
	b.WriteString("Capabilities:\n")
	wrap(&b, "    ", strings.Join(words, ", "))
	b.WriteString("Content is checked with BLAKE3 and compressed with zstd.\n")
	return b.String()
}

// versionJSON is what -VV prints. Scripts look for its keys with one space behind the colon.
func versionJSON() string {
	version := strings.Fields(versionText())[1]
	var b strings.Builder
	fmt.Fprintf(&b, "{\n  \"program\": \"gosync\",\n  \"version\": %q,\n  \"protocol\": \"%d\",\n", version, wire.Version)
	fmt.Fprintf(&b, "  \"platform\": \"%s/%s\",\n  \"capabilities\": {\n    \"file_bits\": 64, \"inum_bits\": 64, \"timestamp_bits\": 64", runtime.GOOS, runtime.GOARCH)
	for _, c := range capabilities() {
		fmt.Fprintf(&b, ",\n    %q: %t", c.key, c.able)
	}
	quote := func(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
	fmt.Fprintf(&b, "\n  },\n  \"checksum_list\": [\n    %s\n  ],\n  \"compress_list\": [\n    %s\n  ]\n}\n",
		quote(checksumNames()), quote(compressNames()))
	return b.String()
}
