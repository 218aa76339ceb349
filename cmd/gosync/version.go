package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"gosync/transport/wire"
)

// versionText is the line that --version begins with.
func versionText() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return fmt.Sprintf("gosync %s (%s/%s, %s)  protocol version %d\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version(), wire.Version)
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
