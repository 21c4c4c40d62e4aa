# Ways around the gate: a part of the plans instead of all, another base branch, a project that asks for less than its neighbour.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }

# GitHub itself asks for no review: what b requires is ours to keep.
repository() {
	new_repo "$1" '{"reviews": 0}' <<JSON
{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a, requires: [] }\n  - { name: b, dir: b, requires: [approved] }\n",
"a/main.tf": "$(tf 1)", "b/main.tf": "$(tf 1)"}
JSON
	printf '{"a/main.tf": "%s", "b/main.tf": "%s"}' "$(tf 2)" "$(tf 2)" | commit both alice
}
refused() {
	settle
	same "$1" false "$(of_pull .merged)"
	says "$1: told" "$2" "$(body)"
}

part_of_the_plans() {
	repository acme/part
	faults 'git=status:503,times=1'
	open_pull both alice
	sleep 0.4 # the plan of everything waits for git
	comment alice 'plan -p a'
	check 'the one that was named is planned' wait_for context=sluice/a state=success
	settle
	same 'and the roll-up waits for the others' 'pending some projects are not planned: comment plan' "$(status sluice)"
	comment alice apply
	refused 'a project that nobody looked for is not merged' 'Not every project has a plan'
	comment alice plan
	settle
	comment alice 'apply -p a'
	refused 'apply -p a does not merge b without its approval' '0 of 1 approvals'
	approve bob
	comment alice 'apply -p a'
	check 'with it, it does' wait_for merged=1 'comment=applied 1 of 1'
	settle
}

another_base() {
	repository acme/base
	printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: b, dir: b, requires: [] }\\n"}' | commit dev alice
	printf '{"b/main.tf": "%s"}' "$(tf 3)" | commit retargeted alice
	open_pull retargeted alice '{"base": "dev"}'
	check 'planned for dev, where nothing is required' wait_for context=sluice state=success
	settle
	faults 'hook.pull_request=drop,times=1'
	act edit "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "alice", base: "main"}')"
	comment alice apply
	refused 'plans for another base branch are not applied' 'The plans were made for'
	comment alice plan
	settle
	comment alice apply
	refused 'main asks for what it requires' '0 of 1 approvals'
}

# A merge that a later one took back is not applied late: main says otherwise by now.
left_behind() {
	repository acme/late
	printf '{"a/main.tf": "%s"}' "$(tf 4)" | commit early alice
	open_pull early alice
	check 'the early one is planned' planned
	settle
	merge bob
	early=$pr
	printf '{"a/main.tf": "%s"}' "$(tf 1)" | commit back alice
	open_pull back alice
	settle
	merge bob
	settle
	pr=$early
	comment alice apply
	settle
	says 'what was taken back is not applied' 'the files of this project on the base branch are not the files that were planned' "$(body)"
	same 'and no job began' 0 "$(jobs_of_phase apply)"
}
jobs_of_phase() { grep -c "job.start .*phase=$1" "$tmp/daemon.log"; }

begin
use_engine "$(engines | head -n 1)" || { echo "skip gate: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
left_behind
part_of_the_plans
another_base
finish
