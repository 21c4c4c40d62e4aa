# Sourced by the system tests: a simulated GitHub and a daemon on loopback in a scratch directory, driven with curl and jq.
#
#   begin; use_engine terraform; start_github; start_daemon; new_repo acme/infra <<'JSON' ... JSON
#   ok / not_ok / check / same / says    print TAP lines; finish ends with the right exit code
#
# Every wait has a limit; every process that is started is remembered by its id and ended; the scratch directory goes.
set -u
root=${SLUICE_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
sluice=${SLUICE_BIN:-$root/build/release/sluice}
parts=${SLUICE_PARTS:-$root/parts}
failures=0 daemon_pid='' github_pid='' port=0 jobs=2 repo=acme/infra wait_ms=20000
WRITER=sluice-app[bot] SECRET="it's a secret" TOKEN=token-of-the-tests
signs_in='token_file: token'
unset TF_CLI_CONFIG_FILE

# ---- verdicts ----

ok() { echo "ok $1"; }
not_ok() {
	failures=$((failures + 1))
	echo "not ok $1"
}
# check NAME COMMAND...: the command succeeds
check() {
	check_name=$1
	shift
	if "$@" >"$tmp/check.out" 2>&1; then ok "$check_name"; else
		sed 's/^/# /' "$tmp/check.out" | head -n 40
		not_ok "$check_name"
	fi
}
# same NAME EXPECTED GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else
		echo "# expected: $2"
		printf '%s\n' "$3" | sed 's/^/# got:      /' | head -n 40
		not_ok "$1"
	fi
}
# says NAME WANTED TEXT: the text contains what is wanted
says() {
	case $3 in *"$2"*) ok "$1" ;; *)
		echo "# wanted: $2"
		printf '%s\n' "$3" | sed 's/^/# got: /' | head -n 60
		not_ok "$1"
		;;
	esac
}
# says_not NAME UNWANTED TEXT
says_not() {
	case $3 in *"$2"*)
		echo "# unwanted: $2"
		printf '%s\n' "$3" | sed 's/^/# got: /' | head -n 60
		not_ok "$1"
		;;
	*) ok "$1" ;; esac
}
# at_most NAME LIMIT NUMBER
at_most() {
	if [ "$3" -le "$2" ]; then ok "$1"; else
		echo "# at most $2, got $3"
		not_ok "$1"
	fi
}
finish() {
	stop_daemon # leaks are told at its end
	if grep -q 'Sanitizer\|runtime error' "$tmp/daemon.log" 2>/dev/null; then
		grep -A 30 'Sanitizer\|runtime error' "$tmp/daemon.log" | head -n 60 | sed 's/^/# /'
		not_ok 'the sanitizers have nothing to say about the daemon'
	fi
	[ "$failures" = 0 ] || show_log
	[ "$failures" = 0 ]
	exit $?
}
# What the daemon said last, for whoever reads a failure.
show_log() {
	[ -f "$tmp/daemon.log" ] || return 0
	echo "# the last lines of the daemon's log:"
	tail -n 25 "$tmp/daemon.log" | sed 's/^/#   /'
}
# need COMMAND: ends the test with a skip when a program is missing
need() {
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "skip $(basename "$0" .sh): $1 is not installed"
	exit 0
}

# ---- processes ----

alive() { kill -0 "$1" 2>/dev/null; }
# end PID [SIGNAL]: ends a process of ours and waits for it
end() {
	kill "-${2:-TERM}" "$1" 2>/dev/null
	end_n=0
	while alive "$1" && [ $end_n -lt 100 ]; do
		sleep 0.05
		end_n=$((end_n + 1))
	done
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}
# Job runners of this scratch directory outlive the daemon, so they are found by the path they were given.
runners() {
	for runner_file in /proc/[0-9]*/cmdline; do
		case $({ tr '\0' ' ' <"$runner_file"; } 2>/dev/null) in
		*" job-runner $tmp/"* | *"job-runner $tmp/"*)
			runner_file=${runner_file%/cmdline}
			echo "${runner_file#/proc/}"
			;;
		esac
	done
}
at_exit() {
	[ -z "$daemon_pid" ] || end "$daemon_pid"
	for runner in $(runners); do end "$runner" KILL; done
	[ -z "$github_pid" ] || end "$github_pid"
	chmod -R u+rwX "$tmp" 2>/dev/null
	rm -rf "$tmp"
}
begin() {
	need curl
	need jq
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/sys.XXXXXX") || exit 1
	umask 077
	trap at_exit EXIT
	trap 'exit 1' HUP INT TERM
	printf '%s' "$SECRET" >"$tmp/secret"
	printf '%s' "$TOKEN" >"$tmp/token"
	mkdir "$tmp/github" "$tmp/path"
}
# use_engine terraform|tofu: the daemon will see this engine and no other. Fails when there is none.
use_engine() {
	engine=$(PATH="$PATH:$parts/bin:$root/build/engine" command -v "$1") || return 1
	rm -f "$tmp/path/terraform" "$tmp/path/tofu"
	ln -s "$engine" "$tmp/path/$1"
}
# engines: those of terraform and tofu that there are
engines() {
	for engine_name in terraform tofu; do
		PATH="$PATH:$parts/bin:$root/build/engine" command -v $engine_name >/dev/null 2>&1 && echo $engine_name
	done
}
# The stand-in for an engine. Jobs of a server that runs as root have a user of their own, who has to be able to start it.
engine_double() {
	cc -std=gnu11 -D_GNU_SOURCE -O1 -static -o "$tmp/path/terraform" "$root/tests/system/engine_double.c" &&
		chmod 755 "$tmp/path/terraform"
}
# start_github [OPTION...] of `sluice sim`
start_github() { launch_github --token "$TOKEN=$WRITER" "$@"; }
# start_github_app [OPTION...]: the daemon will be a GitHub App with a key that is made here; nobody has a token
start_github_app() {
	need openssl
	openssl genrsa -out "$tmp/app.pem" 2048 2>"$tmp/openssl.out" && chmod 600 "$tmp/app.pem" &&
		openssl rsa -in "$tmp/app.pem" -pubout -out "$tmp/app.pub" 2>>"$tmp/openssl.out" || return 1
	signs_in='app: { id: 4711, private_key_file: app.pem }'
	launch_github --app "4711=${WRITER%\[bot\]}=$tmp/app.pub" "$@"
}
launch_github() {
	: >"$tmp/github.out"
	"$sluice" sim --port 0 --dir "$tmp/github" "$@" >"$tmp/github.out" 2>"$tmp/github.log" &
	github_pid=$!
	start_n=0
	until github=$(sed -n 's|^listening on |http://|p' "$tmp/github.out") && [ -n "$github" ]; do
		start_n=$((start_n + 1))
		if [ $start_n -gt 200 ] || ! alive "$github_pid"; then
			sed 's/^/# /' "$tmp/github.log"
			not_ok "the simulated GitHub starts"
			exit 1
		fi
		sleep 0.05
	done
}
# write_server_file [MORE]: what the daemon reads; MORE is YAML of further keys
write_server_file() {
	cat >"$tmp/sluice-server.yaml" <<YAML
listen: 127.0.0.1:$port
data_dir: data
github: { api_url: "$github", $signs_in, webhook_secret_file: secret }
repositories: ["acme/*"]
limits: { jobs: $jobs, jobs_per_repository: $jobs }
${1:-}
YAML
}
# launch [NAME=VALUE...]: starts the daemon without waiting
launch() {
	env -i PATH="$tmp/path" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$@" "${daemon_program:-$sluice}" serve \
		--config "$tmp/sluice-server.yaml" >>"$tmp/daemon.log" 2>&1 &
	daemon_pid=$!
}
# The port of the newest start. It stays the same over restarts.
listening_port() { sed -n 's/.*serve.listening.* port=\([0-9]*\).*/\1/p' "$tmp/daemon.log" | tail -n 1; }
answers() { curl -s -o "$tmp/healthz" --max-time 2 "http://127.0.0.1:$port/healthz" 2>/dev/null; }
# start_daemon [NAME=VALUE...]: starts it, waits until it listens, and tells the simulated GitHub where
start_daemon() {
	[ -f "$tmp/sluice-server.yaml" ] || write_server_file
	launch "$@"
	start_n=0
	if [ "$port" = 0 ]; then
		until port=$(listening_port) && [ -n "$port" ]; do
			start_n=$((start_n + 1))
			if [ $start_n -gt 200 ] || ! alive "$daemon_pid"; then
				show_log
				not_ok "the daemon starts"
				exit 1
			fi
			sleep 0.05
		done
		sed -i "s/^listen: .*/listen: 127.0.0.1:$port/" "$tmp/sluice-server.yaml"
	else
		until answers; do
			start_n=$((start_n + 1))
			if [ $start_n -gt 200 ] || ! alive "$daemon_pid"; then
				show_log
				not_ok "the daemon starts"
				exit 1
			fi
			sleep 0.05
		done
	fi
	act webhook "$(jq -nc --arg u "http://127.0.0.1:$port/webhooks/github" --arg s "$SECRET" '{url: $u, secret: $s}')"
}
stop_daemon() {
	[ -z "$daemon_pid" ] || end "$daemon_pid" "${1:-TERM}"
	daemon_pid=''
}

# ---- the simulated GitHub ----

# act PATH JSON: POST /_sim/PATH; its answer is printed. An error is a failed test: a step that was not done proves nothing.
act() {
	act_status=$(printf '%s' "$2" | curl -s -o "$tmp/act.out" -w '%{http_code}' --max-time 30 -H 'Content-Type: application/json' --data-binary @- "$github/_sim/$1")
	if [ "$act_status" != 200 ]; then
		echo "# $1 $2: $act_status $(cat "$tmp/act.out")"
		not_ok "the simulated GitHub does $1"
		return 1
	fi
}
# said KEY: of the last act's answer
said() { jq -r ".$1" "$tmp/act.out"; }
# wait_for KEY=VALUE...: until all hold for pull request $pr of $repo, at most $wait_ms
wait_for() {
	set -- "$@" "repo=$repo" "pr=$pr" "timeout_ms=$wait_ms"
	wait_args=
	for wait_arg; do wait_args="$wait_args --data-urlencode '$(printf '%s' "$wait_arg" | sed "s/'/'\\\\''/g")'"; done
	eval "curl -s -f -G -o '$tmp/wait.out' --max-time $((wait_ms / 1000 + 10)) $wait_args '$github/_sim/wait'"
}
state() { curl -s --max-time 20 "$github/_sim/state"; }
# of_pull JQ: from pull request $pr
of_pull() { state | jq -r --arg r "$repo" --argjson n "$pr" ".repositories[] | select(.full_name == \$r) | .pulls[] | select(.number == \$n) | $1"; }
# Our comments that stand: the one of the pull request, and answers to commands.
main_comments() { of_pull "[.comments[] | select(.user == \"$WRITER\" and (.deleted | not) and (.body | startswith(\"<!-- sluice slot=comment/\")))]"; }
body() { main_comments | jq -r '.[0].body // ""'; }
replies() { of_pull "[.comments[] | select(.user == \"$WRITER\" and (.body | startswith(\"<!-- sluice slot=reply/\"))) | .body] | join(\"\n\")"; }
# status CONTEXT [SHA]: "STATE DESCRIPTION" of the newest; SHA: the head of $pr when it is left out
status() {
	status_sha=${2:-$(of_pull .head)}
	state | jq -r --arg r "$repo" --arg s "$status_sha" --arg c "$1" \
		'[.repositories[] | select(.full_name == $r) | .statuses[] | select(.sha == $s and .context == $c)] | max_by(.at_ms) | select(. != null) | "\(.state) \(.description)"'
}
# writes [CLASS]: content writes of ours so far
writes() { state | jq --arg u "$WRITER" --arg c "${1:-}" '[.writes[] | select(.user == $u and ($c == "" or .class == $c))] | length'; }
metric() { curl -s --max-time 5 "http://127.0.0.1:$port/metrics" | sed -n "s/^$1 //p"; }
# Nothing under way and nothing owed, three times in a row.
settle() {
	settle_n=0 quiet=0
	while [ $quiet -lt 3 ]; do
		settle_n=$((settle_n + 1))
		[ $settle_n -le 300 ] || return 1
		curl -s --max-time 5 "http://127.0.0.1:$port/metrics" >"$tmp/metrics"
		if [ "$(awk '/^sluice_(active|outbox_pending|store_queue) / { sum += $2; n++ } END { print n, sum + 0 }' "$tmp/metrics")" = '3 0' ] &&
			curl -s -f -o "$tmp/wait.out" "$github/_sim/wait?delivered=1&timeout_ms=50"; then
			quiet=$((quiet + 1))
		else
			quiet=0
		fi
		sleep 0.1
	done
}
# new_repo NAME [JSON of more members]: files as JSON {"path": "content"} on standard input
new_repo() {
	repo=$1
	jq -c --arg r "$repo" --argjson more "${2:-"{}"}" '{repo: $r, user: "olivia", protect: "classic", reviews: 1, files: .} + $more' >"$tmp/in.json"
	act repos "$(cat "$tmp/in.json")"
	act permission "$(jq -nc --arg r "$repo" --arg u "$WRITER" '{repo: $r, user: $u, permission: "admin"}')" # reads branch protection
	for person in alice bob; do
		act permission "$(jq -nc --arg r "$repo" --arg u "$person" '{repo: $r, user: $u, permission: "write"}')"
	done
}
# commit BRANCH USER: files as JSON on standard input
commit() {
	jq -c --arg r "$repo" --arg b "$1" --arg u "$2" '{repo: $r, branch: $b, user: $u, files: .}' >"$tmp/in.json"
	act commit "$(cat "$tmp/in.json")"
	pushed_at=$(date +%s)
}
# open_pull BRANCH USER [JSON of more members]: sets pr
open_pull() {
	act pulls "$(jq -nc --arg r "$repo" --arg h "$1" --arg u "$2" --argjson more "${3:-"{}"}" '{repo: $r, head: $h, user: $u, title: $h} + $more')"
	pr=$(said pr)
	pushed_at=$(date +%s)
}
# A comment of the same second as a push is taken for one that was written before it: people are slower than that.
pushed_at=0
later_than_push() { while [ "$(date +%s)" -le "$pushed_at" ]; do sleep 0.1; done; }
comment() { later_than_push; comment_now "$@"; }
comment_now() { act comment "$(jq -nc --arg r "$repo" --argjson n "$pr" --arg u "$1" --arg b "$2" '{repo: $r, pr: $n, user: $u, body: $b}')"; }
approve() { act review "$(jq -nc --arg r "$repo" --argjson n "$pr" --arg u "$1" '{repo: $r, pr: $n, user: $u, event: "APPROVE", body: "fine"}')"; }
merge() { act merge "$(jq -nc --arg r "$repo" --argjson n "$pr" --arg u "$1" '{repo: $r, pr: $n, user: $u}')"; }
pull_act() { act act "$(jq -nc --arg r "$repo" --argjson n "$pr" --arg u "$1" --arg a "$2" '{repo: $r, pr: $n, user: $u, action: $a}')"; }
faults() { act faults "$(jq -nc --arg f "$1" '{faults: $f}')"; }
states() { "$sluice" state "$@" --config "$tmp/sluice-server.yaml"; }
