// Package gitignore decides which names git ignores: the rules of .gitignore files and of
// .git/info/exclude.
//
// # Flow
//
// [Parse] reads a file into [Patterns]. A walk holds a [Dir] per directory: [Dir.Enter] makes that
// of a directory from the one above it and from the directory's own [Files], and [Dir.Ignored] is
// asked for every name. What is ignored is not entered: git takes nothing back that lies in an
// ignored directory, and the caller need not ask for it.
//
// The pattern that counts is the last that matches in the deepest file that has one;
// .git/info/exclude comes after all .gitignore files. A directory with a .git of its own begins
// anew: to git it is another repository, of which the outer one's files say nothing.
//
// # Bounds
//
// Files may come from people who do not own the run. A file holds at most [MaxBytes] bytes, and
// what is in force in a directory at most [MaxInForce]. Matching a name against a pattern costs at
// most O(len(pattern) * len(path)): a backtracking matcher with a budget of steps does the common
// work, a simulation of the automaton the rest.
//
// # What is not looked at
//
//   - The index: a file that git tracks although a pattern matches it is ignored here, as with
//     "git check-ignore --no-index".
//   - core.excludesFile, which belongs to a user and not to a tree, and files above the root.
//   - core.ignoreCase: names are bytes.
package gitignore
