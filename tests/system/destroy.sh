# A directory that is gone: planned as destroy from the files it had, shown apart, in nobody's way, and destroyed only when an admin names it. And a
# repository whose rules want a merge queue.
. "$(dirname "$0")/lib.sh"

planned() { wait_for "comment=${1:-To apply}" context=sluice state=success; }
resources() { states pull b --repo "$(state | jq '.repositories[0].id')" 2>/dev/null | jq '.resources | length'; }

gone() {
	new_repo acme/gone '{"reviews": 1}' <<'JSON'
{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b }\n",
"a/main.tf": "resource \"terraform_data\" \"a\" { input = 1 }\n", "b/main.tf": "# nothing yet\n"}
JSON
	act permission "$(jq -nc --arg r "$repo" '{repo: $r, user: "root", permission: "admin"}')"
	printf '%s' '{"b/main.tf": "resource \"terraform_data\" \"b\" { input = 1 }\n"}' | commit make alice
	open_pull make alice
	check 'what will be gone is planned' planned
	settle
	approve bob
	comment alice apply
	check 'and applied' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'its state has a resource' 1 "$(resources)"

	printf '%s' '{"b/main.tf": null, "sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n"}' | commit remove alice
	open_pull remove alice
	check 'without its directory it is planned as destroy' wait_for 'comment=only with apply -p b --destroy'
	settle
	says 'and says what would go' '1 to destroy' "$(body)"
	approve bob
	comment alice 'apply -p b --destroy'
	settle
	says 'who may apply may not destroy' 'needs the role `admin`' "$(replies)"
	same 'so nothing is merged' false "$(of_pull .merged)"
	comment root apply
	settle
	says 'an apply of everything is not about it' 'Nothing is planned but to destroy what is gone: `b`' "$(body)"
	same 'and still nothing is merged' false "$(of_pull .merged)"
	comment root 'apply -p b --destroy'
	check 'an admin who names it destroys it' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'its state is empty' 0 "$(resources)"
	says 'and the comment says what went' '1 destroyed' "$(body)"
}

queue() {
	new_repo acme/line '{"reviews": 1}' <<'JSON'
{"a/main.tf": "resource \"terraform_data\" \"a\" { input = 1 }\n"}
JSON
	act protect "$(jq -nc --arg r "$repo" '{repo: $r, branch: "main", protect: "ruleset", reviews: 1, queue: "MERGE", checks: [{context: "unit"}]}')"
	printf '%s' '{"a/main.tf": "resource \"terraform_data\" \"a\" { input = 2 }\n"}' | commit line alice
	open_pull line alice
	head=$(of_pull .head)
	act check "$(jq -nc --arg r "$repo" --arg s "$head" '{repo: $r, sha: $s, name: "unit", conclusion: "success"}')"
	check 'planned where a queue is required' planned
	settle
	approve bob
	comment alice apply
	n=0
	until [ "$(of_pull .queued)" = true ]; do
		n=$((n + 1))
		[ $n -lt 100 ] || break
		sleep 0.1
	done
	check 'the apply goes into the queue' [ $n -lt 100 ]
	same 'and is not merged before the group is green' false "$(of_pull .merged)"
	group=$(state | jq -r '.repositories[] | select(.full_name == "acme/line") | .refs | to_entries[] | select(.key | test("gh-readonly-queue")) | .value')
	act check "$(jq -nc --arg r "$repo" --arg s "$group" '{repo: $r, sha: $s, name: "unit", conclusion: "success"}')"
	check 'when it is, the queue merges and the apply goes on' wait_for 'comment=applied 1 of 1' merged=1
}

begin
use_engine "$(engines | head -n 1)" || { echo "skip destroy: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
gone
queue
finish
