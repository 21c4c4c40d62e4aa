# What changes while an apply is on its way: a merge or a close by a person, an approval, a label; whose approval counts; a merge past the gate.
# Numbers as in the list of cases.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }
pr_act() { act "$1" "$(jq -nc --arg r "$repo" --argjson n "$pr" --argjson more "$2" '{repo: $r, pr: $n, user: "bob"} + $more')"; }
applies() { grep -c "job.start .*phase=apply" "$tmp/daemon.log"; }
# change_of NAME MAIN_TF [KEYS]: a fresh repository, and a planned and settled pull request in it
change_of() {
	repo=$1
	printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a%s }\\n", "CODEOWNERS": "/a/ @carol\\n", "a/main.tf": "%s"}' "${3:-}" "$(tf 1)" |
		new_repo "$repo"
	act permission "$(jq -nc --arg r "$repo" '{repo: $r, user: "carol", permission: "write"}')"
	printf '{"a/main.tf": "%s"}' "$2" | commit change alice
	open_pull change alice
	check "$1: planned to begin with" planned
	settle
	before=$(applies)
}
refused() {
	check "$1" wait_for "comment=$2"
	settle
	same "$1: no engine runs" "$before" "$(applies)"
}
until_applying() {
	applying_n=0
	until [ "$(applies)" -gt "$before" ] && ls "$tmp"/data/jobs/*/point >/dev/null 2>&1; do
		applying_n=$((applying_n + 1))
		[ $applying_n -lt 100 ] || return 1
		sleep 0.1
	done
}

closed_meanwhile() {
	change_of acme/closed "$(tf 2)"
	approve bob
	faults 'reviews=delay:1500'
	comment alice apply
	sleep 0.7
	pull_act alice closed
	refused 'case 19: closed while the gate is read' 'not merged, nothing was applied: the pull request was closed between'
	same 'case 19: and not merged' false "$(of_pull .merged)"
	faults ''

	change_of acme/merged "$(tf 2)"
	approve bob
	faults 'reviews=delay:1500,times=1'
	comment alice apply
	sleep 0.7
	merge olivia
	check 'case 19: merged by a person meanwhile: the merge is told' wait_for merged=1
	settle
	faults ''
	[ "$(applies)" -gt "$before" ] || comment alice apply
	check 'case 19: what a person merged is applied' wait_for 'comment=applied 1 of 1'
	settle
	same 'case 19: once' $((before + 1)) "$(applies)"
}
# With a stand-in for an engine that takes its time.
gone_during() {
	stop_daemon
	rm -f "$tmp/path/"*
	engine_double || not_ok 'the stand-in for an engine compiles'
	write_server_file 'engines: { dir: path }'
	start_daemon
	repo=acme/during
	printf '%s' '{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n", "a/main.tf": "# 1"}' | new_repo "$repo"
	printf '{"a/main.tf": "# 2", "a/mode": "apply 3"}' | commit change alice
	open_pull change alice
	check 'case 19: a slow one is planned' planned
	settle
	before=$(applies)
	approve bob
	comment alice apply
	check 'case 19: its apply is under way' until_applying
	act branch "$(jq -nc --arg r "$repo" '{repo: $r, user: "alice", branch: "change", delete: true}')"
	printf '{"a/main.tf": "# 9"}' | commit main olivia
	check 'case 19: its branch goes, main moves, and it ends' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'case 19: it ran once' $((before + 1)) "$(applies)"
}

changed_meanwhile() {
	change_of acme/dismissed "$(tf 2)"
	approve bob
	faults 'merge=delay:1500'
	comment alice apply
	check 'case 20: merged' wait_for merged=1
	pr_act review_act '{"reviewer": "bob"}'
	refused 'case 20: an approval dismissed after the merge' 'the gate closed before anything was applied'
	says 'case 20: and what is missing now' '1 approval is missing' "$(body)"
	faults ''
	approve bob
	comment alice apply
	check 'case 20: with the approval it goes on' wait_for 'comment=applied 1 of 1'
	settle

	change_of acme/changes "$(tf 2)"
	approve bob
	faults 'merge=delay:1500'
	comment alice apply
	check 'case 20: merged, too' wait_for merged=1
	act review "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "carol", event: "REQUEST_CHANGES", body: "no"}')"
	refused 'case 20: changes requested after the merge' 'the gate closed before anything was applied'
	faults ''

	change_of acme/label "$(tf 2)"
	approve bob
	faults 'merge=delay:1500'
	comment alice apply
	check 'case 20: merged as well' wait_for merged=1
	pr_act label '{"add": "do not apply"}'
	refused 'case 20: a label after the merge' 'the gate closed before anything was applied'
	says 'case 20: and which' 'do not apply' "$(body)"
	faults ''
}

whose_approval() {
	change_of acme/who "$(tf 2)" ', approvals: { codeowners: true }'
	approve carol
	printf '{"a/main.tf": "%s"}' "$(tf 3)" | commit change alice
	settle
	comment alice apply
	refused 'case 21: an approval of older plans' '`@carol` approved an older commit'
	printf '{"a/main.tf": "%s", "CODEOWNERS": "/a/ @bob\\n"}' "$(tf 4)" | commit change alice
	check 'case 21: planned with other owners' planned
	settle
	approve bob
	comment alice apply
	refused 'case 21: owners are those of the base' 'Nobody who owns it has approved'
	printf '{"a/main.tf": "%s"}' "$(tf 5)" | commit change carol
	check 'case 21: planned after a push of the owner' planned
	settle
	approve carol
	comment alice apply
	refused 'case 21: who pushed does not approve' '`@carol` pushed the head'
	jq -nc --arg r "$repo" --arg t "$(printf '%b' "$(tf 6)" | sed 's/\\"/"/g')" \
		'{repo: $r, branch: "change", user: "alice", author: "alice", committer: "carol", files: {"a/main.tf": $t}}' >"$tmp/in.json"
	act commit "$(cat "$tmp/in.json")"
	pushed_at=$(date +%s)
	check 'case 21: planned with a commit by the owner' planned
	settle
	approve carol
	comment alice apply
	refused 'case 21: nor who committed' '`@carol` is a committer'
	same 'case 21: nothing was merged by all that' false "$(of_pull .merged)"
}

past_the_gate() {
	change_of acme/past "$(tf 2)"
	pr_act merge '{"user": "olivia", "bypass": true}'
	settle
	same 'case 22: a merge past the gate applies nothing' "$before" "$(applies)"
	comment alice apply
	refused 'case 22: nor does a comment after it' '1 approval is missing'
	approve bob
	comment alice apply
	check 'case 22: the approval that was missing opens it' wait_for 'comment=applied 1 of 1'
	settle

	change_of acme/onmerge "$(tf 2)" ', apply: on_merge'
	pr_act merge '{"user": "olivia", "bypass": true}'
	refused 'case 22: held when merges apply by themselves' 'past the gate'
	says 'case 22: and told what is missing' '1 approval is missing' "$(body)"
	check 'case 22: and on record' [ "$("$sluice" audit export --config "$tmp/sluice-server.yaml" | grep -c 'past the gate')" -ge 1 ]
}

begin
need cc
use_engine "$(engines | head -n 1)" || { echo "skip cases_gate: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
for part in ${CASES_ONLY:-closed_meanwhile changed_meanwhile whose_approval past_the_gate gone_during}; do $part; done
finish
