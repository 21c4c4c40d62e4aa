# What opens the gate and what shuts it: labels, code owners, conversations, protection that cannot be read, approvals that follow their plans, and a
# merge past all of it.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }
pr_act() { act "$1" "$(jq -nc --arg r "$repo" --argjson n "$pr" --argjson more "$2" '{repo: $r, pr: $n, user: "bob"} + $more')"; }
protect() { act protect "$(jq -nc --arg r "$repo" --argjson more "$1" '{repo: $r, branch: "main", protect: "classic", reviews: 1, user: "olivia"} + $more')"; }
refused() {
	settle
	same "$1" false "$(of_pull .merged)"
	says "$1: told" "$2" "$(body)"
}

owners_and_rules() {
	new_repo acme/owned <<JSON
{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a, approvals: { codeowners: true } }\n", "CODEOWNERS": "/a/ @carol @acme/net\n",
"a/main.tf": "$(tf 1)"}
JSON
	for person in carol nora; do
		act permission "$(jq -nc --arg r "$repo" --arg u "$person" '{repo: $r, user: $u, permission: "write"}')"
	done
	act team '{"org": "acme", "team": "net", "user": "nora", "state": "active"}'
	printf '{"a/main.tf": "%s"}' "$(tf 2)" | commit owned alice
	open_pull owned alice
	check 'a change with an owner is planned' planned
	settle
	approve bob
	pr_act label '{"add": "do not apply"}'
	comment alice apply
	refused 'a label blocks' 'has the label `do not apply`, which blocks an apply'
	pr_act label '{"remove": "do not apply"}'
	comment alice apply
	refused 'without an owner it stays shut' 'Nobody who owns it has approved'
	approve nora
	protect '{"conversations": true}'
	pr_act threads '{"unresolved": 1}'
	comment alice apply
	refused 'an open conversation shuts it' 'want every conversation resolved'
	pr_act threads '{"unresolved": 0, "resolved": 1}'
	faults 'protection=status:403'
	comment alice apply
	refused 'rules that cannot be read shut it' 'Administration: read'
	faults ''
	comment alice apply
	check 'with all of it, it opens' wait_for merged=1 'comment=applied 1 of 1'
	settle
}

approvals_follow_plans() {
	new_repo acme/moves <<JSON
{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n", "a/main.tf": "$(tf 1)", "README.md": "one\n"}
JSON
	printf '{"a/main.tf": "%s"}' "$(tf 2)" | commit moves alice
	open_pull moves alice
	check 'the first plan is there' planned
	settle
	approve bob
	printf '{"a/main.tf": "%s"}' "$(tf 3)" | commit moves alice
	settle
	comment alice apply
	refused 'another plan drops the approval' '`@bob` approved an older commit whose plan of `a` differs'
	approve bob
	printf '{"README.md": "two\\n"}' | commit moves alice
	settle
	comment alice apply
	check 'a push beside the project keeps it' wait_for merged=1 'comment=applied 1 of 1'
	settle
}

merged_past() {
	new_repo acme/past <<JSON
{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a, apply: on_merge }\n", "a/main.tf": "$(tf 1)"}
JSON
	printf '{"a/main.tf": "%s"}' "$(tf 2)" | commit past alice
	open_pull past alice
	check 'planned before the merge' planned
	settle
	act merge "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "olivia", bypass: true}')"
	settle
	says 'a merge past the gate is held' 'past the gate' "$(body)"
	says 'and says what is missing' '1 approval is missing' "$(body)"
	approve bob
	comment alice apply
	check 'the approval that was missing lets it go on' wait_for 'comment=applied 1 of 1'
	settle
}

begin
use_engine "$(engines | head -n 1)" || { echo "skip gate_rules: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
owners_and_rules
approvals_follow_plans
merged_past
finish
