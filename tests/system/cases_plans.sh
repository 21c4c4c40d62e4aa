# What a plan belongs to: pushes over it, reverts, an apply that comes too early, a comment that comes too late, other bases, forks, accounts that are
# gone, hostile content, moved files. Numbers as in the list of cases.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
change() { printf '{"%s/main.tf": "%s"}' "$1" "$(tf "$2")"; }
slow='sum([for k in range(6) : sum([for i in range(1000) : sum([for j in range(1000) : i * j])])])' # the engine is busy for long
planned() { wait_for "comment=${1:-To apply}" context=sluice state=success; }
sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1" | paste -sd' ' -; }
# jobs_of SHA [PHASE]: "PROJECT:STATE ..." of what was made for that commit of $repo
jobs_of() { sql "SELECT j.project||':'||j.state FROM job j JOIN run r ON r.id=j.run_id WHERE r.repo='$repo' AND r.head_sha='$1' AND j.phase='${2:-plan}' ORDER BY j.id"; }
applies() { sql "SELECT j.project||':'||j.state||':'||substr(r.head_sha,1,7) FROM job j JOIN run r ON r.id=j.run_id WHERE r.repo='$repo' AND j.phase='apply' ORDER BY j.id"; }
head_of() { of_pull .head; }
short() { printf '%.7s' "$1"; }
# green SHA CONTEXT: how often that context was ever green there
green() {
	state | jq --arg r "$repo" --arg s "$1" --arg c "$2" \
		'[.repositories[] | select(.full_name == $r) | .statuses[] | select(.sha == $s and .context == $c and .state == "success")] | length'
}
# Every event is heard and every run is over; what is owed to GitHub is not waited for.
decided() {
	decided_n=0 decided_times=0
	while [ $decided_times -lt 3 ]; do
		decided_n=$((decided_n + 1))
		[ $decided_n -le 300 ] || return 1
		decided_times=$((decided_times + 1))
		curl -s -f -o "$tmp/wait.out" "$github/_sim/wait?delivered=1&timeout_ms=50" || decided_times=0
		curl -s --max-time 5 "http://127.0.0.1:$port/metrics" | grep -q '^sluice_active 0$' || decided_times=0
		[ "$(sql 'SELECT count(*) FROM run WHERE finished_ms=0')" = 0 ] || decided_times=0
		sleep 0.05
	done
}
until_is() { # WANTED COMMAND...: the command prints it, within ten seconds
	until_wanted=$1 until_n=0
	shift
	until [ "$("$@")" = "$until_wanted" ]; do
		until_n=$((until_n + 1))
		[ $until_n -lt 100 ] || return 1
		sleep 0.1
	done
}
one='"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n"'
two='"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b }\n"'

pushed_over() { # 03, 05
	repo=acme/over
	printf '{%s, "a/main.tf": "%s"}' "$one" "$(tf 1)" | new_repo "$repo"
	change a "$slow" | commit over alice
	open_pull over alice
	old=$(head_of)
	check 'case 05: a plan is under way' until_is a:running jobs_of "$old"
	approve bob
	comment alice apply
	check 'case 05: an apply meanwhile is refused' wait_for "by=$WRITER" 'comment=Plans are still running'
	same 'case 05: it is not merged, and nothing is applied' 'false ' "$(of_pull .merged) $(applies)"
	same 'case 05: nor is the commit green' 0 "$(green "$old" sluice)"
	same 'case 03: the plan is still under way' a:running "$(jobs_of "$old")"
	change a '\"other\"' | jq -c --arg r "$repo" '{repo: $r, branch: "over", user: "alice", from: "main", force: true, files: .}' >"$tmp/in.json"
	act commit "$(cat "$tmp/in.json")"
	pushed_at=$(date +%s)
	new=$(head_of)
	check 'case 03: what was pushed over it is planned' planned
	decided
	check 'case 03: the old plan is no plan' until_is a:cancelled jobs_of "$old"
	same 'case 03: the new one is' 'a:done' "$(jobs_of "$new")"
	says 'case 03: the old commit says so' 'superseded' "$(status sluice "$old")"
	same 'case 03: and was never green' '0 0' "$(green "$old" sluice) $(green "$old" sluice/a)"
	says_not 'case 03: the comment is of the new commit' "$(short "$old")" "$(body)"
	comment alice apply
	check 'case 03: the approval of the old commit opens nothing' wait_for 'comment=`@bob` approved'
	same 'case 03: so it is not merged' false "$(of_pull .merged)"
	approve bob
	comment alice "apply $(short "$old")"
	check 'case 03: the old commit is not applied by its name' wait_for "comment=and not '$(short "$old")'"
	comment alice apply
	check 'case 05: with a plan there is something to apply' wait_for 'comment=applied 1 of 1' merged=1
	decided
	same 'case 03: it was the plan of the new commit, once' "a:done:$(short "$new")" "$(applies)"
}

left_the_diff() { # 04
	repo=acme/left
	printf '{%s, "a/main.tf": "%s", "b/main.tf": "%s"}' "$two" "$(tf 1)" "$(tf 1)" | new_repo "$repo"
	printf '{"a/main.tf": "%s", "b/main.tf": "%s"}' "$(tf 2)" "$(tf 2)" | commit left alice
	open_pull left alice
	check 'case 04: two projects are planned' planned
	first=$(head_of)
	same 'case 04: both' 'a:done b:done' "$(jobs_of "$first" | tr ' ' '\n' | sort | paste -sd' ' -)"
	change b 1 | commit left alice
	second=$(head_of)
	decided
	same 'case 04: the one that was reverted has no plan' a:done "$(jobs_of "$second")"
	same 'case 04: and no status' '' "$(status sluice/b)"
	check 'case 04: the comment is of the new commit' wait_for "comment=\`$(short "$second")\`" 'comment=To apply' context=sluice state=success
	approve bob
	comment alice 'apply -p b'
	check 'case 04: there is nothing to apply of it' wait_for 'comment=nothing to apply'
	same 'case 04: its old plan cannot be applied by name' 'false ' "$(of_pull .merged) $(applies)"
	comment alice apply
	check 'case 04: what is left is applied' wait_for 'comment=applied 1 of 1' merged=1
	decided
	same 'case 04: and nothing else' "a:done:$(short "$second")" "$(applies)"
}

late_comment() { # 06
	repo=acme/late
	printf '{%s, "a/main.tf": "%s"}' "$one" "$(tf 1)" | new_repo "$repo"
	change a 2 | commit late alice
	open_pull late alice
	check 'case 06: what bob reads is planned' planned
	read=$(head_of)
	faults 'hook.issue_comment=drop,times=1'
	comment bob apply
	index=$(state | jq '[.deliveries[] | .event] | rindex("issue_comment")')
	faults ''
	sleep 1.1 # the push is of a later second
	# What nobody has read, with dates of long ago, which anybody can write
	bare=$tmp/github/$repo.git
	blob=$(printf 'resource "terraform_data" "x" {\n  input = "unread"\n}\n' | git -C "$bare" hash-object -w --stdin)
	tree=$(git -C "$bare" ls-tree "$read:a" | sed "s/[0-9a-f]\{40\}\(.main.tf\)/$blob\1/" | git -C "$bare" mktree)
	tree=$(git -C "$bare" ls-tree "$read" | sed "s/[0-9a-f]\{40\}\(.a\)\$/$tree\1/" | git -C "$bare" mktree)
	unread=$(GIT_AUTHOR_NAME=alice GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=alice GIT_COMMITTER_EMAIL=a@example.com \
		GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z' git -C "$bare" commit-tree -p "$read" -m late "$tree")
	git -C "$bare" update-ref refs/heads/late "$unread"
	act sync "$(jq -nc --arg r "$repo" '{repo: $r, user: "alice"}')"
	pushed_at=$(date +%s)
	same 'case 06: there is another head' "$unread" "$(head_of)"
	check 'case 06: which is planned' planned
	same 'case 06: that commit' a:done "$(jobs_of "$unread")"
	approve bob
	act redeliver "{\"index\": $index}"
	decided
	same 'case 06: the comment of before is not about it' 'false ' "$(of_pull .merged) $(applies)"
	check 'case 06: and says why' wait_for 'comment=a push came at the same time as this comment'
	comment bob "apply $(short "$unread")"
	check 'case 06: the new head by its name is applied' wait_for 'comment=applied 1 of 1' merged=1
}

other_base() { # 10
	repo=acme/base
	printf '{%s, "a/main.tf": "%s"}' "$one" "$(tf 1)" | new_repo "$repo"
	printf '{"README.md": "for release"}' | commit release olivia
	change a 2 | commit move alice
	open_pull move alice
	check 'case 10: planned for main' planned
	approve bob
	sleep 1.1 # GitHub's times are whole seconds: an approval in the second of a plan is one of that plan
	n=$(sql "SELECT count(*) FROM run WHERE repo='$repo' AND kind='plan'")
	act edit "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "alice", base: "release"}')"
	decided
	same 'case 10: another base is another plan' $((n + 1)) "$(sql "SELECT count(*) FROM run WHERE repo='$repo' AND kind='plan'")"
	same 'case 10: of that base' release "$(sql "SELECT base_ref FROM run WHERE repo='$repo' AND kind='plan' ORDER BY id DESC LIMIT 1")"
	act protect "$(jq -nc --arg r "$repo" '{repo: $r, branch: "release", protect: "classic", reviews: 1, user: "olivia"}')"
	check 'case 10: the comment has it' wait_for 'comment=into `release`'
	comment alice apply
	check 'case 10: the approval was for the old base' wait_for 'comment=`@bob` approved'
	same 'case 10: so it is not merged' 'false ' "$(of_pull .merged) $(applies)"
	act branch "$(jq -nc --arg r "$repo" '{repo: $r, user: "olivia", branch: "release", rename: "release-2"}')"
	decided
	same 'case 10: a renamed base is planned again' release-2 "$(sql "SELECT base_ref FROM run WHERE repo='$repo' AND kind='plan' ORDER BY id DESC LIMIT 1")"
}

forks() { # 11, 12
	repo=acme/forked
	printf '{%s, "a/main.tf": "%s"}' "$one" "$(tf 1)" | new_repo "$repo"
	act permission "$(jq -nc --arg r "$repo" '{repo: $r, user: "mallory", permission: "read"}')"
	printf '{"a/main.tf": "%s", "sluice.yaml": "version: 1\\nprojects:\\n  - { name: mine, dir: a }\\n"}' "$(tf 2)" | commit mallory:change mallory
	open_pull mallory:change mallory
	first=$(head_of)
	decided
	same 'case 11: a pull request from a fork is not planned' '' "$(jobs_of "$first")"
	comment mallory plan
	decided
	same 'case 11: nor for its author' '' "$(jobs_of "$first")"
	comment bob "ok-to-plan $first"
	check 'case 11: it is when somebody who may write has read it' planned
	decided
	same 'case 11: with the configuration of the base' a:done "$(jobs_of "$first")"
	printf '{"a/main.tf": "%s", %s}' "$(tf 3)" "$one" | commit mallory:change mallory
	second=$(head_of)
	decided
	same 'case 11: that was for this commit and not for the next' '' "$(jobs_of "$second")"
	approve bob
	comment bob apply
	decided
	same 'case 11: which cannot be applied either' 'false ' "$(of_pull .merged) $(applies)"
	act delete_fork "$(jq -nc --arg r "$repo" '{repo: $r, user: "mallory"}')"
	act ghost '{"user": "mallory"}'
	decided
	same 'case 12: the author and the fork are gone' 'null' "$(of_pull .head_repo)"
	comment bob "ok-to-plan $second"
	check 'case 12: it is planned from the base' planned
	same 'case 12: that commit' a:done "$(jobs_of "$second")"
	approve bob
	comment bob apply
	check 'case 12: and applied' wait_for 'comment=applied 1 of 1' merged=1
	decided
	same 'case 12: the commit that was read' "a:done:$(short "$second")" "$(applies)"
}

hostile() { # 13
	repo=acme/hostile
	printf '{%s, "a/main.tf": "%s"}' "$one" "$(tf 1)" | new_repo "$repo"
	printf '{"a/main.tf": "%s", "sluice.yaml": "%s"}' \
		"$(tf "[fileexists(\\\"$tmp/token\\\") ? \\\"token is seen\\\" : \\\"no token there\\\", sensitive(\\\"hunter2-hidden\\\")]")" \
		'version: 1\nprojects:\n  - { name: mine, dir: a, approvals: { count: 0 } }\n' | commit hostile alice
	open_pull hostile alice
	check 'case 13: it is planned' planned
	same 'case 13: with the projects of the base' a:done "$(jobs_of "$(head_of)")"
	says 'case 13: files of the server are not there for the engine' 'no token there' "$(body)"
	says_not 'case 13: the name it gave itself is nowhere' mine "$(body)"
	says_not 'case 13: a secret is not shown' hunter2 "$(state)"
	comment alice apply
	check 'case 13: the approvals of the base are wanted' wait_for 'comment=0 of 1 approvals'
	same 'case 13: so it is not merged' 'false ' "$(of_pull .merged) $(applies)"
}

moved() { # 14
	repo=acme/moved
	printf '{"a/main.tf": "%s", "a/more.tf": "resource \\"terraform_data\\" \\"more\\" {}\\n", "b/main.tf": "%s"}' "$(tf 1)" "$(tf 1)" | new_repo "$repo"
	printf '{"a/more.tf": null, "b/more.tf": "resource \\"terraform_data\\" \\"more\\" {}\\n"}' | commit file alice
	open_pull file alice
	check 'case 14: a moved file is planned' planned
	decided
	same 'case 14: where it was and where it is' 'a:done b:done' "$(jobs_of "$(head_of)" | tr ' ' '\n' | sort | paste -sd' ' -)"
	approve bob
	comment alice apply
	check 'case 14: and applied' wait_for 'comment=applied 2 of 2' merged=1
	decided
	printf '{"a/main.tf": null, "c/main.tf": "%s"}' "$(tf 1)" | commit dir alice
	open_pull dir alice
	check 'case 14: a moved directory is planned' planned
	same 'case 14: a moved directory is two projects' 'a:done c:done' "$(jobs_of "$(head_of)" | tr ' ' '\n' | sort | paste -sd' ' -)"
	says 'case 14: what it was is destroyed by name only' 'only with apply -p a --destroy' "$(body)"
	approve bob
	comment alice apply
	check 'case 14: an apply makes the new one' wait_for 'comment=applied 1 of 1'
	decided
	same 'case 14: and keeps the old state' 1 "$(states pull a --repo "$(state | jq --arg r "$repo" '.repositories[] | select(.full_name == $r) | .id')" | jq '.resources | length')"
}

begin
need git
need sqlite3
use_engine "$(engines | head -n 1)" || { echo "skip cases_plans: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
beside='' # half of the cases, with a daemon of their own at the same time
if [ -z "${CASES_ONLY:-}" ]; then
	CASES_ONLY='other_base forks hostile moved' sh "$0" >"$tmp/beside.out" 2>&1 &
	beside=$!
fi
start_github
start_daemon
for part in ${CASES_ONLY:-pushed_over left_the_diff late_comment}; do $part; done
if [ -n "$beside" ]; then
	wait "$beside" || failures=$((failures + 1))
	cat "$tmp/beside.out"
fi
finish
