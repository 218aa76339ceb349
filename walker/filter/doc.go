// Package filter decides which names of a tree take part in a sync: rsync's ordered
// include, exclude and filter rules.
//
// # Flow
//
// A [Set] is built from the command line, rule by rule ([Set.Exclude], [Set.Include],
// [Set.Rule], [Set.Lines]); "." merge files are read and flattened on the spot. The set travels
// to the far side as bytes ([Set.AppendBinary], [DecodeSet]). Each end then walks with a [Scope]
// per directory: [Set.Root] and [Scope.Open] for the root, [Scope.Enter] for every directory
// below, which reads that directory's own ":" merge files, and [Scope.Excluded] for every name.
// The first rule that matches decides; a name that no rule matches takes part.
//
// A rule has two sides. On the [Sender] an exclude hides a name from the transfer, on the
// [Receiver] it protects a name from deletion.
//
// # How a pattern is compiled
//
// A pattern without a slash and without "**" is a matcher for one name: equality, prefix,
// suffix or a small program. A pattern with slashes but without "**" is split into components;
// entering a directory checks its leading components once, and what is left is again a matcher
// for one name. Only the remaining patterns ("**", classes that span a slash, the "/" modifier)
// look at the whole path, which is put together only if such a rule is in force.
//
// # Bounds
//
// Merge files may come from people who do not own the run. A set and a scope hold at most
// [MaxRules] rules and [MaxBytes] bytes, a pattern at most [MaxPattern] bytes. Matching a name
// against one pattern costs at most O(len(pattern) * len(path)): a backtracking matcher with a
// budget of steps does the common work, and a simulation of the automaton takes over when the
// budget is used up. Nothing recurses on what a file says.
//
// # Differences from rsync, and what is not guaranteed
//
//   - A per-directory merge file is looked for in the directories that are entered, never in those
//     above the root or, for a dir-merge rule met on the way, in those already passed. A "." rule
//     in such a file can name only a file of the same directory.
//   - Text that rsync drops with a warning (an over-long line) or cuts (a zero byte) is an error,
//     and so is a merge file without a usable name such as ". .." or ": dir/".
//   - A directory whose name holds wildcard characters or backslashes anchors its own merge file's
//     rules like any other; rsync reads such a name as part of the pattern.
//   - Every -C rule brings in its patterns with its own modifiers; in rsync the first one a process
//     meets decides for all.
//   - The package reads nothing by itself. What the callbacks return is what counts: two ends
//     that see different merge files filter differently, see [Set.SideSpecific].
package filter
