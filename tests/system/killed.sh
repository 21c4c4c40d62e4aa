# What is slow, what is killed: runners during a plan and during an apply, the daemon during a long apply, a push and `cancel` while a plan
# runs, and the daemon at any moment while webhooks arrive.
. "$(dirname "$0")/lib.sh"

base='{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n", "a/main.tf": "# a\n", "README.md": "# infra\n"}'
slow() { printf '{"a/main.tf": "# a %s", "a/mode": "%s"}' "$pull_n" "$1"; }

# fresh MODE: a fresh repository and a pull request whose engine works as MODE says
repo_n=0 pull_n=0
fresh() {
	repo_n=$((repo_n + 1)) pull_n=$((pull_n + 1))
	repo=acme/r$repo_n
	printf '%s' "$base" | new_repo "$repo"
	slow "$1" | commit change alice
	open_pull change alice
}
# until_runner: waits for a runner at work; prints its id
until_runner() {
	runner_n=0
	until runner=$(runners) && [ -n "$runner" ]; do
		runner_n=$((runner_n + 1))
		[ $runner_n -lt 100 ] || return 1
		sleep 0.1
	done
	echo "$runner" | head -n 1
}
# until_file GLOB: until a file below the data directory is there
until_file() {
	file_n=0
	until ls $tmp/data/$1 >/dev/null 2>&1; do
		file_n=$((file_n + 1))
		[ $file_n -lt 100 ] || return 1
		sleep 0.1
	done
}
versions() { states show a --format json --repo "$(state | jq --arg r "$repo" '.repositories[] | select(.full_name == $r) | .id')" 2>/dev/null | jq -r '[.[].serial] | join(" ")'; }
apply_run() { sqlite3 "$tmp/data/sluice.db" "SELECT max(id) FROM run WHERE kind='apply' AND pull=$pr AND repo='$repo'"; }
to_apply() {
	wait_for 'comment=To apply' context=sluice state=success || return 1
	approve bob && comment alice apply
}

runner_of_plan() {
	fresh 'plan 2'
	runner=$(until_runner)
	until_file 'jobs/*/log'
	end "$runner" KILL
	check 'a plan whose runner was killed is done again' wait_for 'comment=To apply' context=sluice state=success
	settle
	same 'in one comment' 1 "$(main_comments | jq length)"
	pull_act alice closed
}
runner_of_apply() {
	fresh 'apply 20'
	to_apply
	check 'an apply reaches its point of no return' until_file 'jobs/*/point'
	sleep 0.5
	end "$(until_runner)" KILL
	check 'a killed apply is interrupted, outcome unknown' wait_for 'comment=outcome unknown' merged=1
	settle
	body=$(body)
	says 'the comment tells what to do' "resolve $(apply_run) --as applied" "$body"
	says 'and what was seen' 'exit record: none' "$body"
	same 'the roll-up is red' failure "$(status sluice | cut -d ' ' -f 1)"
	same 'and the status of the project' failure "$(status sluice/a | cut -d ' ' -f 1)"
	same 'the state that was written is kept' 1 "$(versions)"
	first=$pr
	pull_n=$((pull_n + 1))
	slow 'apply 0' | commit again alice
	open_pull again alice
	check 'the project is locked: the next plan waits' wait_for "comment=queued behind #$first, whose outcome is unknown"
	second=$pr pr=$first
	comment bob unlock
	check 'unlock does not release it' wait_for 'comment=Still held by this pull request'
	comment bob "resolve $(apply_run) --as applied"
	check 'nor does somebody who is no admin' wait_for 'comment=it needs the role `admin`'
	comment olivia "resolve $(apply_run) --as applied"
	check 'an admin resolves it' wait_for 'comment=resolved as applied'
	settle
	says 'the comment says who' 'resolved as applied by olivia' "$(body)"
	same 'the apply is not run again' 1 "$(sqlite3 "$tmp/data/sluice.db" "SELECT sum(attempts) FROM job WHERE pull=$pr AND phase='apply' AND repo_id=(SELECT max(repo_id) FROM job)")"
	pr=$second
	to_apply
	check 'then it is applied' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'on top of what was kept' '3 1' "$(versions)"
}
# The engine's own process, killed as the kernel does when memory runs out. From outside the box it is a child of a child of the runner.
engine_of() {
	for engine_file in /proc/[0-9]*/stat; do
		engine_line=$(cat "$engine_file" 2>/dev/null) || continue
		case $engine_line in *'(terraform)'*) ;; *) continue ;; esac
		engine_id=${engine_line%% *}
		engine_up=$engine_id
		while [ "$engine_up" -gt 1 ]; do
			[ "$engine_up" = "$1" ] && echo "$engine_id" && return
			engine_up=$(sed 's/.*) [A-Za-z] \([0-9]*\) .*/\1/' "/proc/$engine_up/stat" 2>/dev/null) || break
			[ -n "$engine_up" ] || break
		done
	done
}
engine_of_apply() {
	fresh 'apply 20'
	to_apply
	until_file 'jobs/*/point'
	sleep 0.5
	engine_pid=$(engine_of "$(until_runner)")
	check 'the engine of an apply is found' [ -n "$engine_pid" ]
	kill -KILL "$engine_pid"
	check 'an engine that was killed leaves an unknown outcome' wait_for 'comment=outcome unknown' merged=1
	settle
	same 'its project stays locked' 1 "$(sqlite3 "$tmp/data/sluice.db" "SELECT count(*) FROM held WHERE pull=$pr AND unknown=1 AND repo_id=(SELECT max(repo_id) FROM run)")"
	says 'the exit record is told' 'exit record: the engine ended with' "$(body)"
	comment olivia "resolve -p a --as failed"
	check 'until an admin says how it ended' wait_for 'comment=resolved as failed'
	settle
}
daemon_of_apply() {
	fresh 'apply 4'
	to_apply
	check 'a long apply reaches its point' until_file 'jobs/*/point'
	runner=$(until_runner)
	stop_daemon KILL
	check 'its runner goes on without the daemon' alive "$runner"
	start_daemon
	check 'it is adopted and its result told' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'applied once' 2 "$(versions)"
	same 'the status is final' success "$(status sluice/a | cut -d ' ' -f 1)"

	fresh 'apply 2'
	to_apply
	until_file 'jobs/*/point'
	stop_daemon KILL
	sleep 3
	start_daemon
	check 'one that ended while the daemon was down is told as well' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'applied once, too' 2 "$(versions)"

	fresh 'apply 2'
	to_apply
	until_file 'jobs/*/point'
	stop_daemon TERM
	check 'a clean stop leaves the runner alone' [ -n "$(runners)" ]
	start_daemon
	check 'and the next start finds it' wait_for 'comment=applied 1 of 1' merged=1
	settle
}
while_planning() {
	fresh 'plan 30'
	runner=$(until_runner)
	old=$(of_pull .head)
	pull_n=$((pull_n + 1))
	slow 'plan 0' | commit change alice
	check 'a push while planning is planned' wait_for 'comment=To apply' context=sluice state=success
	settle
	says 'the comment is about the new head' "$(of_pull '.head[0:7]')" "$(body)"
	check 'the old plan is stopped' until_gone "$runner"
	same 'and says nothing any more' 0 "$(status sluice "$old" | grep -c success)"
	same 'one comment' 1 "$(main_comments | jq length)"

	fresh 'plan 30'
	runner=$(until_runner)
	comment alice cancel
	check 'cancel is told' wait_for 'comment=cancelled'
	check 'and stops the plan' until_gone "$runner"
	settle
	same 'the roll-up is not left pending' failure "$(status sluice | cut -d ' ' -f 1)"
	same 'nor is a project' failure "$(status sluice/a | cut -d ' ' -f 1)"
	comment alice unlock
	settle

	fresh 'apply 30'
	to_apply
	until_file 'jobs/*/point'
	sleep 0.3
	runner=$(until_runner)
	comment alice apply
	check 'a second apply is told that one is under way' wait_for 'comment=under way'
	comment alice cancel
	check 'cancel interrupts an apply' until_gone "$runner"
	check 'and its end is told' wait_for 'comment=failed' merged=1
	settle
	same 'what it had written is kept' 1 "$(versions)"
	same 'no lock is left of it' '' "$(locks)"
}
locks() { command -v sqlite3 >/dev/null 2>&1 && sqlite3 "$tmp/data/sluice.db" 'SELECT * FROM held'; }
until_gone() {
	gone_n=0
	while alive "$1"; do
		gone_n=$((gone_n + 1))
		[ $gone_n -lt 150 ] || return 1
		sleep 0.1
	done
}

# Fifty webhooks while the daemon is killed again and again: each that was answered with 202 starts its run.
under_fire() {
	if ! command -v sqlite3 >/dev/null 2>&1; then
		echo 'skip webhooks while the daemon is killed: sqlite3 is not installed'
		return
	fi
	command -v openssl >/dev/null 2>&1 || { echo 'skip webhooks while the daemon is killed: openssl is not installed'; return; }
	: >"$tmp/answers"
	(
		trap - EXIT
		i=0
		while [ $i -lt 50 ]; do
			i=$((i + 1))
			payload='{"ref":"refs/heads/x'$i'","before":"0000000000000000000000000000000000000000","after":"0000000000000000000000000000000000000000","deleted":false,"repository":{"id":1,"full_name":"acme/r1","default_branch":"main"},"sender":{"id":1,"login":"alice","type":"User"}}'
			sum=$(printf '%s' "$payload" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d ' ' -f 1)
			code=$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 -H 'Content-Type: application/json' -H 'X-GitHub-Event: push' \
				-H "X-GitHub-Delivery: fire-$i" -H "X-Hub-Signature-256: sha256=$sum" -d "$payload" "http://127.0.0.1:$port/webhooks/github")
			echo "fire-$i $code" >>"$tmp/answers"
			sleep 0.05 # where nobody listens, a refusal comes at once
		done
	) &
	sender=$!
	kills=0
	while alive $sender && [ $kills -lt 30 ]; do
		sleep 0.$((1 + kills % 4))
		stop_daemon KILL
		start_daemon
		kills=$((kills + 1))
	done
	wait $sender
	settle
	check 'some webhooks were acknowledged' grep -q ' 202$' "$tmp/answers"
	check 'the daemon was killed several times meanwhile' [ $kills -ge 3 ]
	lost=
	for guid in $(sed -n 's/ 202$//p' "$tmp/answers"); do
		[ "$(sqlite3 "$tmp/data/sluice.db" "SELECT count(*) FROM delivery WHERE guid='$guid' AND disposition IS NOT NULL")" = 1 ] || lost="$lost $guid"
	done
	same 'and none of those is lost' '' "$lost"
}

begin
need cc
need sqlite3
engine_double || {
	not_ok 'the stand-in for an engine compiles'
	exit 1
}
start_github
write_server_file 'engines: { dir: path }'
start_daemon
for part in ${KILLED_ONLY:-runner_of_plan runner_of_apply engine_of_apply daemon_of_apply while_planning under_fire}; do $part; done
same 'no runner is left' '' "$(runners)"
finish
