# Pull requests on one project: who waits for whom and at which place, what is planned again after an apply, an outcome that a person resolves,
# a push beside an `apply`, and a cancel that the engine hears once.
. "$(dirname "$0")/lib.sh"

base='{"sluice.yaml": "version: 1\nprojects:\n  - { name: db, dir: db }\n  - { name: net, dir: net }\n", "db/main.tf": "# db\n", "net/main.tf": "# net\n"}'
# change BRANCH USER FILES: a branch with them, and its pull request
change() {
	printf '%s' "$3" | commit "$1" "$2"
	open_pull "$1" "$2"
}
planned() { wait_for 'comment=To apply' context=sluice state=success; }
until_point() {
	point_n=0
	until ls $tmp/data/jobs/*/point >/dev/null 2>&1; do
		point_n=$((point_n + 1))
		[ $point_n -lt 100 ] || return 1
		sleep 0.1
	done
}
until_gone() {
	gone_n=0
	while alive "$1"; do
		gone_n=$((gone_n + 1))
		[ $gone_n -lt 150 ] || return 1
		sleep 0.1
	done
}

behind_an_apply() {
	repo=acme/queue
	printf '%s' "$base" | new_repo "$repo"
	change first alice '{"db/main.tf": "# db 1", "db/mode": "apply 6"}'
	first=$pr
	check 'the first is planned' planned
	change stale bob '{"db/stale.tf": "# db 2"}'
	stale=$pr
	check 'so is one beside it' planned
	settle
	says_not 'which nobody has to plan again' 'planned again' "$(body)"
	pr=$first
	approve bob && comment alice apply
	check 'the first is being applied' until_point
	change third alice '{"db/third.tf": "# db 3", "net/third.tf": "# net"}'
	third=$pr
	check 'a plan of its project waits behind it' wait_for "comment=queued behind #$first"
	check 'one of another project does not' wait_for context=sluice/net state=success
	change fourth bob '{"db/fourth.tf": "# db 4"}'
	fourth=$pr
	check 'the next has its place' wait_for "comment=queued behind #$first, 2nd of 2"
	pr=$third
	check 'and the one before it, too' wait_for "comment=queued behind #$first, 1st of 2"
	pr=$stale
	comment bob apply
	check 'an apply is refused meanwhile' wait_for "comment=#$first"
	same 'and nothing is merged' false "$(of_pull .merged)"
	pr=$first
	check 'the first ends' wait_for 'comment=applied 1 of 1' merged=1
	pr=$third
	check 'what waited is planned' planned
	pr=$fourth
	check 'all of it' planned
	pr=$stale
	check 'what was stale is planned again' wait_for "comment=: planned again." context=sluice state=success
	settle
	same 'once' 2 "$(runs_of "$stale" plan)"
	same 'the others were planned once' '1 1' "$(runs_of "$third" plan) $(runs_of "$fourth" plan)"
	same 'in one comment each' 1 "$(main_comments | jq length)"
}
runs_of() { sqlite3 "$tmp/data/sluice.db" "SELECT count(*) FROM run WHERE pull=$1 AND kind='$2' AND repo='$repo'"; }

unknown_outcome() {
	repo=acme/unknown
	printf '%s' "$base" | new_repo "$repo"
	change first alice '{"db/main.tf": "# db 1", "db/mode": "apply 8"}'
	first=$pr
	planned
	approve bob && comment alice apply
	until_point
	sleep 0.5
	end "$(runners | head -n 1)" KILL
	check 'an interrupted apply is told' wait_for 'comment=outcome unknown' merged=1
	settle
	body=$(body)
	run=$(sqlite3 "$tmp/data/sluice.db" "SELECT max(id) FROM run WHERE kind='apply'")
	says 'with the way out' "resolve $run --as applied" "$body"
	says 'and what was seen: no exit record' 'exit record: none' "$body"
	says 'the state before and now' 'state: none before, serial 1 now' "$body"
	says 'the end of its log' 'sleeping 8 s' "$body"
	change second bob '{"db/second.tf": "# db 2"}'
	second=$pr
	check 'others wait for a person' wait_for "comment=queued behind #$first, whose outcome is unknown"
	pr=$first
	comment alice unlock
	check 'unlock does not forget it' wait_for 'comment=Still held by this pull request'
	comment alice "resolve $run --as applied"
	check 'resolving is for admins' wait_for 'comment=it needs the role `admin`'
	pr=$second
	comment olivia "resolve $run --as applied"
	check 'and said where it happened' wait_for 'comment=no unknown outcome of this pull request'
	pr=$first
	comment olivia "resolve $run --as replan"
	check 'an admin resolves it' wait_for 'comment=resolved as replan'
	pr=$second
	check 'then who waited is planned' planned
	pr=$first
	settle
	check 'and what is left to do is planned from the merge commit' wait_for 'comment=1 to add'
	same 'nothing is applied by itself' 1 "$(runs_of "$first" apply)"
	comment alice apply
	check 'before somebody asks for it' wait_for 'comment=applied 1 of 1'
	settle
	comment olivia "resolve $run --as failed"
	check 'an answer is given once' wait_for 'comment=Nothing was changed'
}

push_beside_apply() {
	repo=acme/beside
	printf '%s' "$base" | new_repo "$repo"
	change change alice '{"db/main.tf": "# db 1"}'
	planned
	approve bob
	settle
	while [ "$(date +%N | cut -c 1)" != 0 ]; do sleep 0.05; done # the beginning of a second
	printf '{"db/more.tf": "# db 2"}' | commit change alice
	comment_now alice apply
	check 'a push of the same second is not applied' wait_for 'comment=refused'
	settle
	same 'nor merged' false "$(of_pull .merged)"
	old=$(of_pull '.head[0:7]')
	approve bob
	comment alice 'apply 1234567'
	check 'another commit than the head is not applied' wait_for "comment=and not '1234567'"
	comment alice "apply $old"
	check 'the head by its name is' wait_for 'comment=applied 1 of 1' merged=1
	settle
}

heard_once() {
	repo=acme/once
	printf '%s' "$base" | new_repo "$repo"
	change change alice '{"db/main.tf": "# db 1", "db/mode": "patient 40"}'
	planned
	approve bob && comment alice apply
	until_point
	sleep 0.5
	runner=$(runners | head -n 1)
	comment bob cancel
	check 'cancel ends the apply' until_gone "$runner"
	check 'and is told' wait_for 'comment=failed' merged=1
	settle
	log=$(ls -t "$tmp"/data/logs/*.log | head -n 1)
	same 'the engine was asked to stop once' 1 "$(grep -c 'SIGINT received' "$log")"
	same 'and had the time to give its lock back' 1 "$(grep -c 'state lock released after 1 SIGINT' "$log")"
	same 'no lock of ours is left' 0 "$(sqlite3 "$tmp/data/sluice.db" 'SELECT count(*) FROM held')"
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
for part in ${QUEUE_ONLY:-behind_an_apply unknown_outcome push_beside_apply heard_once}; do $part; done
same 'no runner is left' '' "$(runners)"
finish
