package main

// idleOptions are those of rsync's options that are taken and change nothing, and why.
func idleOptions() map[string]string {
	const digest, level = "content is always checked with BLAKE3", "what does not compress is noticed, whatever its name"
	return map[string]string{"--checksum-choice": digest, "--cc": digest, "--skip-compress": level}
}

// optionTests names for each of rsync's options, and for each spelling of it, the test that shows that it is not ignored.
func optionTests() map[string]string {
	tests := map[string]string{}
	for test, options := range map[string][]string{
		"options_keep.txtar": {
			"--archive", "--no-OPTION", "--recursive", "--perms", "--executability", "--chmod", "--specials", "-D", "--times",
			"--omit-dir-times",
		},
		"options_owner.txtar": {"--owner", "--group", "--chown", "--usermap", "--groupmap", "--super", "--no-super"},
		"options_links.txtar": {
			"--links", "--copy-links", "--copy-unsafe-links", "--safe-links", "--copy-dirlinks", "--keep-dirlinks", "--hard-links",
		},
		"options_select.txtar": {
			"--dirs", "--relative", "--no-implied-dirs", "--no-i-d", "--implied-dirs", "--i-d", "--dry-run", "--update",
			"--existing", "--ignore-non-existing", "--ignore-existing", "--max-size", "--min-size", "--prune-empty-dirs",
			"--mkpath", "--ignore-missing-args", "--delete-missing-args", "--checksum", "--size-only", "--ignore-times",
			"--modify-window", "--compare-dest", "--copy-dest", "--link-dest",
		},
		"options_write.txtar": {
			"--whole-file", "--no-whole-file", "--no-W", "--block-size", "--inplace", "--append", "--append-verify", "--sparse",
			"--delay-updates", "--temp-dir", "--compress", "--compress-choice", "--zc", "--compress-level", "--zl",
		},
		"options_delete.txtar": {
			"--delete", "--del", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--delete-excluded",
			"--force", "--ignore-errors", "--max-delete", "--remove-source-files", "--backup", "--backup-dir", "--suffix",
		},
		"options_names.txtar": {
			"--exclude", "--include", "--exclude-from", "--include-from", "--filter", "-F", "--cvs-exclude", "--files-from",
			"--from0", "--secluded-args", "--protect-args",
		},
		"options_output.txtar": {
			"--no-inc-recursive", "--no-i-r", "--list-only", "--verbose", "--quiet", "--itemize-changes", "--out-format",
			"--stats", "--human-readable", "--progress", "-P", "--info", "--8-bit-output", "--log-file", "--log-file-format",
			"--version", "--help", "--rsh", "--rsync-path", "--remote-option",
		},
		"partialdir.txtar":            {"--partial", "--partial-dir"},
		"TestOneFileSystem":           {"--one-file-system"},
		"TestFuzzy":                   {"--fuzzy"},
		"TestConformancePartial":      {"--bwlimit"},
		"TestOptionsReachTheEngine":   {"--timeout", "--numeric-ids"},
		"TestACLsConform":             {"--acls"},
		"TestXattrsConform":           {"--xattrs"},
		"TestDevicesLikeRsync":        {"--devices"},
		"TestAtimesAreKept":           {"--atimes"},
		"TestFakeSuperByAnybody":      {"--fake-super"},
		"TestIconv":                   {"--iconv", "--no-iconv"},
		"TestOutputIsHandedOnByLines": {"--outbuf"},
		"TestFamily":                  {"--ipv4", "--ipv6"},
	} {
		for _, o := range options {
			tests[o] = test
		}
	}
	return tests
}
