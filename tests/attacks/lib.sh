# Sourced by the attack suite. Every check here has the number of its row in docs/security.md and the verdict that the row promises:
#
#   stopped NUMBER NAME HOW...       nothing happened
#   bounded NUMBER NAME HOW...       it happened as far as a ceiling, which is named
#   told NUMBER NAME HOW...          it may happen, and the comment says so first
#   not_stopped NUMBER NAME HOW...   it happens; the row says what bounds the harm
#
# HOW is one of the verdicts of tests/system/lib.sh without its name: same, says, says_not, check, at_most. tests/scripts/security.sh compares these
# lines with the table.
. "$(dirname "$0")/../system/lib.sh"

fixtures=$(cd "$(dirname "$0")" && pwd)/fixtures
probe=${SLUICE_BUILD:-$root/build/release}/tests/attacks/probe
verdict() {
	verdict_name="$1 $2: $3" verdict_how=$4
	shift 4
	"$verdict_how" "$verdict_name" "$@"
}
stopped() { verdict_of stopped "$@"; }
bounded() { verdict_of bounded "$@"; }
told() { verdict_of told "$@"; }
not_stopped() { verdict_of 'not stopped' "$@"; }
verdict_of() {
	verdict_word=$1 verdict_number=$2
	shift 2
	verdict "$verdict_number" "$verdict_word" "$@"
}

# start_collector: who takes stolen things, on a port of 127.0.0.1 ($collector) and on an abstract socket ($collector_name)
collector_pid=''
start_collector() {
	collector_name=collector.$$
	"$probe" listen "$collector_name" >"$tmp/collected" 2>&1 &
	collector_pid=$!
	collector_n=0
	until collector=$(sed -n 's/^port //p' "$tmp/collected") && [ -n "$collector" ]; do
		collector_n=$((collector_n + 1))
		[ $collector_n -lt 100 ] || return 1
		sleep 0.05
	done
}
collected() { grep '^came' "$tmp/collected"; }
attacks_at_exit() {
	[ -z "$collector_pid" ] || end "$collector_pid"
	[ -z "${place:-}" ] || rm -rf "$place"
	at_exit
}
begin_attacks() {
	begin
	trap attacks_at_exit EXIT
	[ -x "$probe" ] || {
		not_ok "the probe is built (make test-attacks)"
		exit 1
	}
}

# ---- a box by hand ----

# A place that every user may read, with the programs in it: the scratch folder is its owner's alone.
make_place() {
	place=$(mktemp -d /tmp/sluice-attacks.XXXXXX) || exit 1
	chmod 755 "$place"
	cp "$sluice" "$probe" "${SLUICE_JOB_INIT:-$(dirname "$sluice")/sluice-job-init}" "$place/" || exit 1
	chmod 755 "$place"/*
	mkdir -m 755 "$place/tree"
	mkdir -m 1777 "$place/out"
}
# The users that this test runs as: itself, and when that is root an ordinary one too.
users() {
	echo "$(id -un)"
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then echo nobody; fi
}
# as USER COMMAND...
as() {
	as_user=$1
	shift
	if [ "$as_user" = "$(id -un)" ]; then "$@"; else setpriv --reuid="$as_user" --regid=nogroup --clear-groups --inh-caps=-all "$@"; fi
}
# as_exec USER COMMAND...: in place of this shell, so that the process is the command
as_exec() {
	as_user=$1
	shift
	if [ "$as_user" = "$(id -un)" ]; then exec "$@"; else exec setpriv --reuid="$as_user" --regid=nogroup --clear-groups --inh-caps=-all "$@"; fi
}
# boxed USER [OPTION...] -- COMMAND...: in a box; what it printed is in $tmp/boxed.out and the beginning of it $out, its exit status $status, and
# $reason says what ended it: "exit 0", "signal 6", or the ceiling
boxed() {
	boxed_user=$1
	shift
	(cd "$place" && as "$boxed_user" env -i PATH="$place:/usr/bin:/bin" "$place/sluice" sandbox --json "$@") >"$tmp/boxed.out" 2>"$tmp/boxed.err" </dev/null
	status=$?
	out=$(head -c 100000 "$tmp/boxed.out" | tr -d '\0')
	reason=$(tail -n 1 "$tmp/boxed.err" | jq -r 'if .reason == "exit" then "exit \(.exit)" else .reason end' 2>/dev/null)
	[ -n "$reason" ] && return 0
	reason="no verdict"
	sed 's/^/# /' "$tmp/boxed.err" | tail -n 5
	not_ok "the box stands: $*"
}
# of_verdict KEY: of the last one
of_verdict() { tail -n 1 "$tmp/boxed.err" | jq -r ".$1 // \"\"" 2>/dev/null; }
# engine_in_place NAME: an engine that every user may start; fails when there is none
engine_in_place() {
	place_engine=$(PATH="$PATH:$parts/bin:$root/build/engine" command -v "$1") && ln -sf "$(realpath "$place_engine")" "$place/$1"
}
