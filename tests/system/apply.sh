# What is applied and what is not: a part of the projects, a base that moved, a plan that is stale, an approval that is old, a dependency
# that failed, a directory that is gone; and that secrets and pages stay where they belong.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
yaml='version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b, depends_on: [a] }\n  - { name: c, dir: c }\n'
# fresh NAME: a repository with the projects a, b and c
fresh() {
	repo=acme/$1
	printf '{"README.md": "# infra\\n", "sluice.yaml": "%s", "a/main.tf": "%s", "b/main.tf": "%s", "c/main.tf": "%s"}' "$yaml" "$(tf 1)" "$(tf 1)" "$(tf 1)" >"$tmp/files"
	new_repo "$repo" <"$tmp/files"
}
# change BRANCH VALUE DIR...
change() {
	change_branch=$1 change_value=$2 change_files=
	shift 2
	for change_dir; do change_files="$change_files${change_files:+, }\"$change_dir/main.tf\": \"$(tf "$change_value")\""; done
	printf '{%s}' "$change_files" | commit "$change_branch" alice
}
planned() { wait_for 'comment=To apply' context=sluice state=success && settle; }
versions() { states show "$1" --format json --repo "$(state | jq --arg r "$repo" '.repositories[] | select(.full_name == $r) | .id')" 2>/dev/null | jq -s '.[0] // [] | length'; }

parts_of_it() {
	fresh parts
	change all 2 a b c
	open_pull all alice
	check 'three projects are planned' planned
	approve bob
	comment alice 'apply -p c'
	check 'one of them is applied' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'and only that' '0 0 1' "$(echo $(versions a) $(versions b) $(versions c))"
	comment alice apply
	check 'the rest is applied after the merge' wait_for 'comment=applied 2 of 2'
	settle
	same 'each once' '1 1 1' "$(echo $(versions a) $(versions b) $(versions c))"
	same 'with one merge' 1 "$(git --git-dir="$tmp/github/$repo.git" rev-list --merges --count main)"
	comment alice apply
	check 'then there is nothing left' wait_for 'comment=nothing to apply'

	change one 3 a c
	open_pull one alice
	planned
	comment alice 'plan -p a'
	settle
	says 'a plan of one keeps the other in the comment' '`c`' "$(body)"
	comment alice 'plan -p nothere'
	check 'a project that is not there is told' wait_for 'comment=no project is called nothere'
	pull_act alice closed
}
moved_base() {
	fresh moved
	change first 2 a
	open_pull first alice
	planned
	first=$pr
	change elsewhere 2 c
	open_pull elsewhere alice
	planned
	approve bob
	comment alice apply
	check 'a change elsewhere is applied' wait_for 'comment=applied 1 of 1' merged=1
	pr=$first
	approve bob
	comment alice apply
	check 'a base that moved elsewhere does not matter' wait_for 'comment=applied 1 of 1' merged=1
	settle

	printf '{"b/other.tf": "output \\"y\\" { value = 1 }\\n"}' | commit second alice
	open_pull second alice
	planned
	second=$pr
	printf '{"b/third.tf": "output \\"z\\" { value = 1 }\\n"}' | commit third alice
	open_pull third alice
	planned
	approve bob
	comment alice apply
	check 'another change of the project is applied' wait_for 'comment=applied 1 of 1' merged=1
	pr=$second
	approve bob
	comment alice apply
	check 'another plan than the reviewed one is not applied' wait_for 'comment=is not the one that was reviewed'
	settle
	same 'and the roll-up is red' failure "$(status sluice | cut -d ' ' -f 1)"
	same 'the project has one state version' 1 "$(versions b)"
	same 'and no lock is left' '' "$(command -v sqlite3 >/dev/null 2>&1 && sqlite3 "$tmp/data/sluice.db" 'SELECT * FROM held')"
}
old_approval() {
	fresh old
	change pushed 2 a
	open_pull pushed alice
	planned
	approve bob
	change pushed 3 a
	wait_for "comment=$(of_pull '.head[0:7]')" context=sluice state=success
	settle
	comment alice apply
	check 'an approval of an older commit is none' wait_for comment=refused
	settle
	same 'so nothing is merged' false "$(of_pull .merged)"
	act review "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "bob", event: "REQUEST_CHANGES", body: "no"}')"
	comment alice apply
	settle
	same 'nor while changes are requested' false "$(of_pull .merged)"
	approve bob
	comment eve apply
	settle
	same 'nor when a stranger asks' false "$(of_pull .merged)"
	comment alice apply
	check 'but with a new approval' wait_for 'comment=applied 1 of 1' merged=1
}
failing() {
	fresh failing
	printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {\\n  input = 1\\n  provisioner \\"local-exec\\" {\\n    command = \\"exit 1\\"\\n  }\\n}\\n", "b/main.tf": "%s", "c/main.tf": "%s"}' "$(tf 2)" "$(tf 2)" | commit failing alice
	open_pull failing alice
	planned
	approve bob
	comment alice apply
	check 'an apply that fails is told' wait_for 'comment=apply failed' merged=1 context=sluice state=failure
	settle
	text=$(body)
	says 'with the address of what failed' terraform_data.x "$text"
	says 'its dependent is not applied' '`a`, which it depends on, did not succeed' "$text"
	same 'and has no state' 0 "$(versions b)"
	same 'the third one is applied' 1 "$(versions c)"
	same 'statuses: of the failed one' failure "$(status sluice/a | cut -d ' ' -f 1)"
	same 'and of the applied one' success "$(status sluice/c | cut -d ' ' -f 1)"
	check 'the state of the failed one is kept' [ "$(versions a)" -ge 1 ]
}
gone() {
	fresh gone
	printf '{"c/main.tf": null}' | commit gone alice
	open_pull gone alice
	check 'a directory that is gone is told' wait_for 'comment=its directory is gone'
	pull_act alice closed
}
secrets() {
	fresh secrets
	printf '{"a/main.tf": "variable \\"p\\" {\\n  type = string\\n  sensitive = true\\n  default = \\"hunter2hunter2\\"\\n}\\nresource \\"terraform_data\\" \\"x\\" {\\n  input = var.p\\n}\\n"}' | commit secret alice
	open_pull secret alice
	planned
	says_not 'a sensitive value is not in the comment' hunter2 "$(body)"
	link=$(body | sed -n 's|.*\[run [0-9]*\](\([^)]*\)).*|\1|p')
	path=/runs/${link#*/runs/}
	says 'the page of the run opens by its link' 'terraform_data.x' "$(curl -s "http://127.0.0.1:$port$path")"
	says_not 'and does not show the value' hunter2 "$(curl -s "http://127.0.0.1:$port$path")"
	same 'without the token it is not there' 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port${path%%\?*}")"
	same 'with another token neither' 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port${path%?}x")"
	same 'the value is in no file of the server in the clear' '' "$(grep -rl hunter2hunter2 "$tmp/data" 2>/dev/null | grep -v '/mirrors/\|/trees/')"
	same 'nor in its log' 0 "$(grep -c hunter2 "$tmp/daemon.log")"
	same 'nor is the token of GitHub anywhere there' '' "$(grep -rl "$TOKEN" "$tmp/data" "$tmp/daemon.log" 2>/dev/null)"
}
not_served() {
	repo=other/infra
	new_repo other/infra <"$tmp/files"
	change x 2 a
	open_pull x alice
	settle
	same 'a repository that is not served hears nothing' 0 "$(of_pull '.comments | length')"
	same 'and has no status' '' "$(status sluice)"
}

begin
need git
use_engine "$(engines | head -n 1)" || { echo "skip apply: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
for part in ${APPLY_ONLY:-parts_of_it moved_base old_approval failing gone secrets not_served}; do $part; done
finish
