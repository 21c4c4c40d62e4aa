# time limit: 900
# kill -9 at every crash point (base/crash.h), at each passing of it, during one pull request from push to apply: after the restart every
# acknowledged delivery is decided, one comment says the end, the statuses are final, merged once, applied once, nothing is left running.
# RESTART_ONLY=name[:n] runs one of them. The rest go side by side in four, since most of a scene is waiting.
. "$(dirname "$0")/lib.sh"

daemon_program=${SLUICE_BIN_CRASH:-$sluice}
if ! grep -q SLUICE_CRASH_AT "$daemon_program"; then
	echo "skip restart: $daemon_program has no crash points; build it with VARIANT=debug"
	exit 0
fi
files='{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b, depends_on: [a] }\n",
"a/main.tf": "# a\n", "b/main.tf": "# b\n", "README.md": "# infra\n"}'

# The daemon with a crash point armed; when it is killed, once more without.
supervise() {
	(
		trap - EXIT
		env -i PATH="$tmp/path" ASAN_OPTIONS="${ASAN_OPTIONS:-}" SLUICE_CRASH_AT="$1" "$daemon_program" serve --config "$tmp/sluice-server.yaml" >>"$tmp/daemon.log" 2>&1 &
		echo $! >"$tmp/pid"
		wait $!
		[ $? = 137 ] || exit 0
		echo crashed >"$tmp/crashed"
		env -i PATH="$tmp/path" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$daemon_program" serve --config "$tmp/sluice-server.yaml" >>"$tmp/daemon.log" 2>&1 &
		echo $! >"$tmp/pid"
		wait $!
	) 2>"$tmp/killed" & # where the shell says "Killed"
	supervisor=$!
	up_n=0
	until answers; do
		up_n=$((up_n + 1))
		[ $up_n -lt 400 ] || return 1
		sleep 0.02
	done
}
# What was sent while nobody listened is sent again, as GitHub's log of deliveries lets one do. What was acknowledged is not.
redeliver() {
	state >"$tmp/state.json"
	for index in $(jq '.deliveries as $d | [$d[] | select(.done and .status >= 200 and .status < 300) | .guid] as $good |
		[range(0; $d | length) | select($d[.].done and ($d[.].guid as $g | $good | index($g) | not))] | unique_by($d[.].guid) | .[]' "$tmp/state.json"); do
		act redeliver "{\"index\": $index}"
	done
}
# until_true KEY=VALUE...: as wait_for, and what was lost on the way is sent again
until_true() {
	true_n=0
	wait_ms=700
	until wait_for "$@"; do
		true_n=$((true_n + 1))
		[ $true_n -lt 25 ] || return 1
		redeliver
	done
}
# Every delivery that was acknowledged is decided, told by the database itself where there is a program to ask it.
undecided() {
	if command -v sqlite3 >/dev/null 2>&1; then
		sqlite3 "$tmp/data/sluice.db" 'SELECT count(*) FROM delivery WHERE disposition IS NULL'
	else
		echo 0
	fi
}
open_jobs() {
	if command -v sqlite3 >/dev/null 2>&1; then
		sqlite3 "$tmp/data/sluice.db" "SELECT count(*) FROM job WHERE state IN('waiting','ready','running')"
	else
		echo 0
	fi
}
# One scene: a fresh server and a fresh GitHub. Leaves the facts in $tmp/facts and "crashed" when the point was reached.
scene() {
	rm -rf "$tmp/data" "$tmp/github" "$tmp/crashed" "$tmp/daemon.log"
	mkdir "$tmp/github"
	port=$scene_port
	start_github
	write_server_file 'engines: { dir: path }'
	supervise "$1" || return 1
	act webhook "$(jq -nc --arg u "http://127.0.0.1:$port/webhooks/github" --arg s "$SECRET" '{url: $u, secret: $s}')"
	printf '%s' "$files" | new_repo acme/infra
	printf '{"a/main.tf": "# a changed", "b/main.tf": "# b changed"}' | commit change alice
	open_pull change alice
	until_true 'comment=To apply' context=sluice state=success && approve bob && comment alice apply &&
		until_true 'comment=applied 2 of 2' merged=1 && redeliver && settle && told=yes || told=no
	wait_ms=20000
	state >"$tmp/state.json"
	{
		echo "told $told"
		jq -r --arg u "$WRITER" '.repositories[0] as $r | $r.pulls[0] as $p | [$p.comments[] | select(.user == $u and (.deleted | not))] as $c |
			([.writes[] | select(.class == "merge")] | length) as $merges |
			"comments \($c | length)", "the end is told \($c[0].body | contains("applied 2 of 2"))", "merged \($p.merged), by us \($merges)",
			(["sluice", "sluice/a", "sluice/b"][] as $x | [$r.statuses[] | select(.sha == $p.head and .context == $x)] | max_by(.at_ms) | "\($x) \(.state)")' "$tmp/state.json"
		for project in a b; do echo "state $project $(states show $project --format json | jq -r '[.[].serial] | join(" ")')"; done
		echo "undecided $(undecided)"
		echo "jobs $(open_jobs) $(ls "$tmp/data/jobs" | wc -l | tr -d ' ')"
		echo "runners $(runners | wc -l | tr -d ' ')"
	} >"$tmp/facts"
	kill "$(cat "$tmp/pid")"
	wait "$supervisor" 2>/dev/null
	end "$github_pid"
	github_pid=''
}
at_exit_of_restart() {
	[ ! -f "$tmp/pid" ] || end "$(cat "$tmp/pid")" KILL
	at_exit
}

shards=4
if [ -z "${RESTART_ONLY:-}${RESTART_SHARD:-}" ]; then
	begin
	shard=0
	while [ $shard -lt $shards ]; do
		RESTART_SHARD=$shard sh "$0" >"$tmp/shard.$shard" 2>&1 &
		echo $! >"$tmp/shard.$shard.pid"
		shard=$((shard + 1))
	done
	result=0
	for pid_file in "$tmp"/shard.*.pid; do wait "$(cat "$pid_file")" || result=1; done
	shard=0
	while [ $shard -lt $shards ]; do
		cat "$tmp/shard.$shard"
		shard=$((shard + 1))
	done
	exit $result
fi

begin
trap at_exit_of_restart EXIT
need cc
engine_double || {
	not_ok 'the stand-in for an engine compiles'
	exit 1
}
# A first start finds a free port that all scenes then use.
start_github
start_daemon
scene_port=$port
stop_daemon
end "$github_pid"

scene none:1
cp "$tmp/facts" "$tmp/wanted"
same 'without a crash the path holds' 'told yes' "$(head -n 1 "$tmp/wanted")"
same 'and nothing is left' 'undecided 0 jobs 0 0 runners 0' "$(echo $(tail -n 3 "$tmp/wanted"))"

names=$(sed -n 's/.*CRASH_POINT("\([a-z._]*\)").*/\1/p' "$root"/*/*.c "$root"/cmd/sim/*.c | sort -u)
[ -n "${RESTART_ONLY:-}" ] && names=${RESTART_ONLY%%:*}
turn=0
for name in $names; do
	turn=$((turn + 1))
	[ -z "${RESTART_SHARD:-}" ] || [ $((turn % shards)) = "$RESTART_SHARD" ] || continue
	n=1
	while [ $n -le 40 ]; do
		case ${RESTART_ONLY:-} in *:*) n=${RESTART_ONLY##*:} ;; esac
		scene "$name:$n"
		if [ ! -f "$tmp/crashed" ]; then
			check "$name is reached" [ $n -gt 1 ]
			break
		fi
		if cmp -s "$tmp/wanted" "$tmp/facts"; then ok "killed at $name, passing $n"; else
			diff "$tmp/wanted" "$tmp/facts" | sed 's/^/# /'
			show_log
			body | sed 's/^/# comment: /'
			not_ok "killed at $name, passing $n"
		fi
		case ${RESTART_ONLY:-} in *:*) break ;; esac
		n=$((n + 1))
	done
done
[ "$failures" = 0 ]
exit $?
