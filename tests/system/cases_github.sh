# What GitHub holds that is odd (very many files, submodules, links, LFS pointers, branch names), and what it answers late, limited or not at all.
# Numbers as in the list of cases.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
two='{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: z, dir: z }\n", "a/main.tf": "'$(tf 1)'", "z/main.tf": "'$(tf 1)'"}'
one='{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n", "a/main.tf": "'$(tf 1)'"}'
planned() { wait_for 'comment=To apply' context=sluice state=success; }
of_repo() { state | jq -r --arg r "$repo" ".repositories[] | select(.full_name == \$r) | $1"; }
bare() { git --git-dir="$(of_repo .git_dir)" "$@"; }
# entry MODE PATH TEXT: into the next commit, as git itself would have it; for a submodule TEXT is a commit
entry() {
	entry_id=$3
	[ "$1" = 160000 ] || entry_id=$(printf '%s' "$3" | bare hash-object -w --stdin)
	GIT_INDEX_FILE=$tmp/index bare update-index --add --cacheinfo "$1,$entry_id,$2"
}
based_on() { GIT_INDEX_FILE=$tmp/index bare read-tree "$1"; }
# pushed BRANCH: what was entered is a commit on top of main
pushed() {
	pushed_tree=$(GIT_INDEX_FILE=$tmp/index bare write-tree)
	pushed_sha=$(echo odd | bare -c user.name=alice -c user.email=1001+alice@users.noreply.github.com commit-tree -p main "$pushed_tree")
	bare update-ref "refs/heads/$1" "$pushed_sha"
	act sync "$(jq -nc --arg r "$repo" '{repo: $r, user: "alice"}')"
}
# fresh NAME FILES
fresh() {
	repo=$1
	printf '%s' "$2" | new_repo "$1"
}
# change_of [FAULTS]: a fresh repository with a pull request that is opened under them
n=0
change_of() {
	n=$((n + 1))
	faults ''
	fresh "acme/c$n" "$one"
	printf '{"a/main.tf": "%s"}' "$(tf 2)" | commit change alice
	faults "${1:-}"
	open_pull change alice
}
applied() {
	check "$1" wait_for 'comment=applied 1 of 1' merged=1
	settle
}

many_files() {
	fresh acme/many "$two"
	jq -nc --arg t "$(printf '%b' "$(tf 2)" | sed 's/\\"/"/g')" '[range(3100) | {"docs/\(.).md": "x"}] | add + {"z/main.tf": $t}' | commit many alice
	open_pull many alice
	check 'case 15: a pull request of 3,101 files is planned' planned
	settle
	same 'case 15: the project behind the 3,000th file is' success "$(status sluice/z | cut -d ' ' -f 1)"
	same 'case 15: and no other one' '' "$(status sluice/a)"
}

odd_entries() {
	fresh acme/odd "$two"
	based_on main
	entry 160000 z/sub 0123456789012345678901234567890123456789
	pushed submodule
	open_pull submodule alice
	check 'case 16: a submodule is refused by name, in the project around it' wait_for 'comment=z/sub is a git submodule' context=sluice state=failure
	settle
	same 'case 16: and only that' '' "$(status sluice/a)"

	based_on main
	entry 120000 a/main.tf ../../../../../../../etc/passwd
	pushed link
	open_pull link alice
	check 'case 16: a link out of the repository is refused' wait_for 'comment=a/main.tf is a symbolic link that' context=sluice state=failure
	settle
	says_not 'case 16: and never followed' root: "$(body)"
	same 'case 16: no engine ran for it' 0 "$(grep -c "job.start .*pull=$pr " "$tmp/daemon.log")"

	based_on main
	entry 100644 a/data.json "$(printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 5\n' 1)"
	pushed pointer
	open_pull pointer alice
	check 'case 16: a pointer to a file in LFS is not taken for the file' wait_for 'comment=Git LFS' context=sluice state=failure
	settle
}

hostile_names() {
	fresh acme/names "$one"
	base_name='-rel/$(touch${IFS}pwned)"`touch${IFS}pwned`'\'';%2F#é🚀&|<x>'
	bare update-ref "refs/heads/$base_name" main
	act sync "$(jq -nc --arg r "$repo" '{repo: $r, user: "alice"}')"
	act protect "$(jq -nc --arg r "$repo" --arg b "$base_name" '{repo: $r, branch: $b, protect: "classic", reviews: 1, user: "olivia"}')"
	head_name='--upload-pack=touch${IFS}pwned/'$(printf '%0200d' 7)'/"'\''$(id)'
	based_on main
	entry 100644 a/main.tf "$(printf 'resource "terraform_data" "x" {\n  input = 2\n}\n')"
	pushed "$head_name"
	open_pull "$head_name" alice "$(jq -nc --arg b "$base_name" '{base: $b}')"
	check 'case 17: hostile branch names are planned' planned
	settle
	approve bob
	comment alice apply
	applied 'case 17: and applied'
	same 'case 17: on that very base' 1 "$(bare rev-list --merges --count "refs/heads/$base_name")"
	same 'case 17: main is where it was' 0 "$(bare rev-list --merges --count refs/heads/main)"
	same 'case 17: no shell saw them' '' "$(find "$tmp" "$PWD" "$root" -maxdepth 3 -name pwned 2>/dev/null)"
}

late_answers() {
	change_of 'pull=status:404,times=2'
	check 'case 18: a pull request that is not there yet is planned all the same' planned
	settle
	approve bob
	act mergeable_unknown "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "bob", reads: 2}')"
	comment alice apply
	applied 'case 18: mergeable that comes late is waited for'

	change_of
	check 'case 18: another one is planned' planned
	settle
	approve bob
	act mergeable_unknown "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "bob", reads: 1000}')"
	comment alice apply
	check 'case 18: mergeable that never comes is neither yes nor no' wait_for 'comment=still computing'
	settle
	same 'case 18: nothing is merged' false "$(of_pull .merged)"
	act mergeable_unknown "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "bob", reads: 0}')"
	comment alice apply
	applied 'case 18: once it is known, it is applied'
}

refused_tokens() {
	change_of 'pull=status:401,times=1'
	check 'case 23: a token that is refused is told' wait_for 'comment=401'
	says 'case 23: with the way out' 'give sluice a valid one' "$(body)"
	faults ''
	comment alice plan
	check 'case 23: and planned afterwards' planned
	settle
	approve bob
	faults 'status_create=status:401'
	comment alice apply
	check 'case 23: an apply whose statuses are refused is applied' wait_for 'comment=applied 1 of 1' merged=1
	faults ''
	change_of
	check 'case 23: planned before GitHub fails' planned
	settle
	approve bob
	over_before=$(grep -c 'run.over .*state=done' "$tmp/daemon.log")
	faults 'status_create=status:500;comment_edit=status:500'
	comment alice apply
	check 'case 23: an apply of which nothing can be told goes on to its end' until_over
	faults ''
	check 'case 23: and is told later' wait_for 'comment=applied 1 of 1' context=sluice/a state=success merged=1
	settle
}
until_over() {
	over_n=0
	until [ "$(grep -c 'run.over .*state=done' "$tmp/daemon.log")" -gt "$over_before" ]; do
		over_n=$((over_n + 1))
		[ $over_n -lt 100 ] || return 1
		sleep 0.1
	done
}

# As an App: all tokens end between the merge and the engine.
ended_tokens() {
	stop_daemon
	end "$github_pid"
	rm -rf "$tmp/data" "$tmp/github" "$tmp/sluice-server.yaml"
	mkdir "$tmp/github"
	start_github_app
	start_daemon
	change_of
	check 'case 23: an App plans' wait_for 'comment=To apply'
	settle
	approve bob
	faults 'merge=delay:1000'
	comment alice apply
	check 'case 23: it merges' wait_for merged=1
	act tokens '{"revoke_all": true}'
	minted=$(state | jq '.tokens | length')
	check 'case 23: when its tokens end meanwhile, it applies with others' wait_for 'comment=applied 1 of 1'
	settle
	check 'case 23: which are new' [ "$(state | jq '.tokens | length')" -gt "$minted" ]
}

# when our newest comment was taken
comment_ms() { state | jq --arg u "$WRITER" '[.writes[] | select(.user == $u and .class == "comment_create") | .at_ms] | max'; }
limits() {
	change_of 'comment_create=limit:3,times=1'
	opened=$(date +%s%3N)
	check 'case 24: a comment over the limit comes' planned
	settle
	check 'case 24: not before GitHub said' [ "$(comment_ms)" -ge $((opened + 3000)) ]
	change_of 'git=limit:1,times=1'
	check 'case 24: a 429 is waited out' planned
	change_of 'pull=status:502,times=2;status_create=status:502,times=1;comment_create=status:502,times=1'
	check 'case 24: a 502 is tried again' planned
	settle
	same 'case 24: one comment' 1 "$(main_comments | jq length)"
	act protect "$(jq -nc --arg r "$repo" '{repo: $r, branch: "main", protect: "classic", reviews: 1, conversations: true, user: "olivia"}')"
	approve bob
	faults 'graphql=rate_limited,times=1'
	comment alice apply
	check 'case 24: a limit in an answer that says 200 is a limit' wait_for 'comment=conversations are resolved is not known'
	settle
	says 'case 24: and told as one' '(POST /graphql' "$(body)"
	same 'case 24: and opens nothing' false "$(of_pull .merged)"
	faults ''
	act protect "$(jq -nc --arg r "$repo" '{repo: $r, branch: "main", protect: "classic", reviews: 1, user: "olivia"}')"
	comment alice apply
	applied 'case 24: other requests do not wait for it'
}

begin
need git
need openssl
use_engine "$(engines | head -n 1)" || { echo "skip cases_github: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
for part in ${CASES_ONLY:-many_files odd_entries hostile_names late_answers refused_tokens limits ended_tokens}; do $part; done
finish
