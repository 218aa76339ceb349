package transport

import "strings"

// The far side's part of a deployment: scripts for any sh of the last thirty
// years. Each travels as sh -c '...', and the quotes are undone by the login
// shell, which may be fish, csh or restricted: so there is no single quote, no
// backslash, no ! (csh looks for history everywhere) and no newline in them, see
// oneLine. Names and digests are put in by this end and hold letters, digits and
// ._+- only; no path is ever put in.
//
// An answer is lines of a key, a space and a value between two marks. The marks
// are put together there, so that a shell that echoes its commands prints none.

// scriptCommon begins each script. The stages of it are functions:
//   - at finds type and mode, owner and group of a path, links not followed
//   - folder makes sure that nobody else can put anything into the agents'
//     directory, or put another directory in its place. It may lie behind a link
//     in ~/.cache, since people move that to other disks; then all directories above count.
//     A group that only holds the user is as good as the user
//   - tools finds a program for SHA-256, proved by the digest of nothing
const scriptCommon = `
LC_ALL=C; export LC_ALL; umask 077; set -f; m=gosync-answer;
say() { printf "%s %s" "$1" "$2"; echo; };
end() { echo "$m-end"; exit 0; };
fail() { say fail "$1 $2"; end; };
at() { set -- "$1" $(ls -ldn "$1" 2>/dev/null); kind=$2; uid=$4; gid=$5; };
alone() { [ "$gid" = 0 ] || { [ "$gid" = "$(id -g)" ] && [ "$(id -gn)" = "$(id -un)" ]; }; };
folder() {
	at "$d";
	case $kind in d????-??-*) ;; d*) fail writable "$d";; *) fail notdir "$d";; esac;
	[ "$uid" = "$own" ] || fail owner "$d";
	h=$(cd "$HOME" && pwd -P); p=$(cd "$HOME/.cache" && pwd -P);
	while :; do
		at "${p:-/}";
		case $uid in 0|"$own") ;; *) fail owner "${p:-/}";; esac;
		case $kind in
		?????-??-*|?????????[tT]*) ;;
		????????-*) alone || fail writable "${p:-/}";;
		*) fail writable "${p:-/}";;
		esac;
		case $p in ""|/|"$h") break;; esac;
		p=${p%/*};
	done; };
tools() {
	sums=;
	for t in sha256sum "shasum -a 256" "openssl dgst -sha256" "sha256 -q"; do
		case $($t </dev/null 2>/dev/null) in
		*e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855*) sums=$t; break;;
		esac;
	done; };
sum() { if [ "$sums" ]; then $sums <"$1"; else echo none; fi; };
echo; echo "$m-begin";
case $HOME in /*) ;; *) fail home "$HOME";; esac;
own=$(id -u); d=$HOME/.cache/gosync; f=$d/@NAME@; n=$d/.new-@NAME@-@NONCE@;
`

// scriptProbe says what the far side is and has. An agent that is there is used
// only with the right digest, and is marked as used.
const scriptProbe = scriptCommon + `
say os "$(uname -s 2>/dev/null)"; say arch "$(uname -m 2>/dev/null)"; say home "$HOME";
tools; say sum "${sums:-none}";
if command -v gzip >/dev/null 2>&1; then say gzip yes; else say gzip no; fi;
have=none;
if [ -L "$d" ] || [ -e "$d" ]; then
	folder; at "$f";
	case $kind in
	"") ;;
	-??x?-??-*)
		[ "$uid" = "$own" ] || fail planted "$f";
		if [ -s "$f" ]; then
			case $(sum "$f") in
			*@DIGEST@*) have=good; touch -c "$f" 2>/dev/null;;
			none) have=unknown;;
			*) fail planted "$f";;
			esac;
		fi;;
	*) fail planted "$f";;
	esac;
fi;
say have "$have"; end`

// scriptFinish gives a file whose digest is right its name, once it has run. It
// runs where it can do no harm, should it be no program of this machine after
// all: some shells take any file for a script of theirs. Agents that were not used
// for 30 days and uploads that were cut off go.
const scriptFinish = `
chmod 700 "$n" || fail write "$n";
exec 4>&1;
r=$({ {
	(ulimit -f 0 2>/dev/null; cd /proc 2>/dev/null || cd /; PATH=/nowhere; exec "$n" --version) 2>&1 </dev/null 3>&- 4>&-;
	echo $? >&3;
} | head -n 5 | while read -r l; do say out "$l" >&4; done; } 3>&1);
say ran "$r";
[ "$r" = 0 ] || end;
mv -f "$n" "$f" || fail write "$f";
set +f;
find "$d"/agent-*-@HEX@ -prune -type f -mtime +30 -exec rm -f {} ";" 2>/dev/null;
find "$d"/.new-agent-*-@HEX@-@HEX@ -prune -type f -mtime +1 -exec rm -f {} ";" 2>/dev/null;
say done yes; end`

// scriptInstall takes an agent from standard input. Before it asks for it, it
// makes sure that what lies there could be run: an empty file is a program that
// does nothing, unless the file system is mounted noexec.
const scriptInstall = scriptCommon + `
drop() { rm -f "$n"; };
[ -d "$HOME/.cache" ] || mkdir -p "$HOME/.cache" || fail mkdir "$HOME/.cache";
[ -L "$d" ] || [ -d "$d" ] || mkdir "$d" || [ -d "$d" ] || fail mkdir "$d";
folder;
set -C;
true >"$n" || fail write "$d";
trap "exit 1" 1 2 13 15; trap drop 0;
chmod 700 "$n"; "$n" </dev/null >/dev/null;
[ $? = 126 ] && fail noexec "$d";
drop; say ready yes;
@UNPACK@ >"$n" || fail write "$n";
tools;
case $(sum "$n") in
*@DIGEST@*) ;;
none) trap - 0; say check yes; end;;
*) fail damaged "$n";;
esac;
` + scriptFinish

// scriptBack prints a file from behind the mark to the end.
const scriptBack = scriptCommon + `
exec cat "@FILE@"`

// scriptChecked goes on where scriptInstall could not check the digest.
const scriptChecked = scriptCommon + `
drop() { rm -f "$n"; };
trap drop 0;
folder; at "$n";
case $kind in -????-??-*) ;; *) fail planted "$n";; esac;
[ "$uid" = "$own" ] || fail owner "$n";
` + scriptFinish

// scriptDrop removes what scriptInstall has left for a check.
const scriptDrop = scriptCommon + `
rm -f "$n"; say done yes; end`

// shCommand makes a script a command for any login shell.
func (p *program) shCommand(script, nonce string, more ...string) string {
	r := strings.NewReplacer(append(more, "@NAME@", p.name, "@DIGEST@", p.digest, "@NONCE@", nonce, "@HEX@", strings.Repeat("[0-9a-f]", 16))...)
	return "sh -c '" + oneLine(r.Replace(script)) + "'"
}

// oneLine joins the lines of a script.
func oneLine(script string) string { return strings.Join(strings.Fields(script), " ") }
