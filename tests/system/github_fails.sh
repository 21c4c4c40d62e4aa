# GitHub answers late, wrongly, or not at all: what can be tried again is tried again, what cannot is told, nothing is done twice.
. "$(dirname "$0")/lib.sh"

base='{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n", "a/main.tf": "# a\n", "README.md": "# infra\n"}'
n=0
# with RULES: a fresh repository and pull request while GitHub follows these rules
with() {
	n=$((n + 1))
	repo=acme/f$n
	faults ''
	printf '%s' "$base" | new_repo "$repo"
	printf '{"a/main.tf": "# a changed"}' | commit change alice
	faults "$1"
	open_pull change alice
}
# planned NAME: the plan comes all the same, in one comment, with its status
planned() {
	check "$1: it is planned all the same" wait_for 'comment=To apply' context=sluice state=success
	settle
	same "$1: one comment" 1 "$(main_comments | jq length)"
	same "$1: the status of the project" success "$(status sluice/a | cut -d ' ' -f 1)"
}
to_apply() {
	wait_for 'comment=To apply' context=sluice state=success && settle && approve bob
	faults "$1"
	comment alice apply
}
applied() {
	check "$1: it is applied" wait_for 'comment=applied 1 of 1' merged=1
	settle
	same "$1: one merge commit" 1 "$(git --git-dir="$(state | jq -r --arg r "$repo" '.repositories[] | select(.full_name == $r) | .git_dir')" rev-list --merges --count main)"
	same "$1: applied once" 2 "$(serial)"
	same "$1: one comment" 1 "$(main_comments | jq length)"
}
serial() { states show a --format json --repo "$(state | jq --arg r "$repo" '.repositories[] | select(.full_name == $r) | .id')" 2>/dev/null | jq -r '[.[].serial] | join(" ")'; }

reads() {
	with 'pull=status:502,times=2'
	planned 'a read that fails twice'
	with 'pull=reset,times=1'
	planned 'a read without an answer'
	with 'pull=cut,times=1'
	planned 'a read with half an answer'
	with 'pull=limit:1,times=1'
	planned 'a read over the limit'
	with 'git=status:503,times=1'
	planned 'a fetch that fails'
	with 'git=reset,times=1'
	planned 'a fetch without an answer'
	with 'pull=status:404,times=9'
	check 'a pull request that is not found is told' wait_for 'comment=404'
	faults ''
	comment alice plan
	check 'and planned when it is asked for again' wait_for 'comment=To apply' context=sluice state=success
	with 'git=status:404'
	check 'a repository that cannot be fetched is told' wait_for 'comment=the run failed'
	settle
	same 'and its status is not left pending' failure "$(status sluice | cut -d ' ' -f 1)"
}
writes_fail() {
	with 'comment_create=lost,times=1'
	planned 'a comment whose answer was lost'
	with 'comment_create=reset,times=1'
	planned 'a comment that was not taken'
	with 'comment_create=status:502,times=2'
	planned 'a comment that fails twice'
	with 'comment_create=limit:2,times=1'
	planned 'a comment over the limit'
	with 'status_create=status:500,times=2'
	planned 'a status that fails twice'
	with 'status_create=lost,times=1'
	planned 'a status whose answer was lost'
	to_apply 'comment_edit=status:502,times=2;comment_edit=lost,times=1'
	applied 'an edit that fails'
	with 'comment_create=status:422,times=1'
	settle
	says 'a comment that GitHub refuses for good is in the log' outbox.dead "$(cat "$tmp/daemon.log")"
	faults ''
	comment alice plan
	check 'and the next plan is told again' wait_for 'comment=To apply' context=sluice state=success
}
merges_fail() {
	with ''
	to_apply 'merge=lost,times=1'
	applied 'a merge whose answer was lost'
	with ''
	to_apply 'merge=status:502,times=1'
	applied 'a merge that fails once'
	with ''
	to_apply 'merge=reset,times=1'
	applied 'a merge without an answer'
	with ''
	to_apply 'merge=status:405,times=1'
	check 'a merge that GitHub refuses is told' wait_for 'comment=not merged, nothing was applied'
	settle
	same 'nothing was applied' '' "$(serial)"
	comment alice apply
	applied 'asked for again after a refused merge'
	with ''
	to_apply 'reviews=status:500,times=9'
	check 'approvals that cannot be read are not approvals' wait_for 'comment=refused'
	settle
	same 'so nothing is merged' false "$(of_pull .merged)"
	says 'and the comment says which fact is missing' reviews "$(body)"
	faults ''
	comment alice apply
	applied 'once they can be read'
	with ''
	to_apply 'protection=status:500,times=9;branch=status:500,times=9;rules=status:500,times=9'
	check 'protection that cannot be read is none' wait_for 'comment=refused'
	with 'permission=status:500,times=9'
	comment alice plan
	check 'a role that cannot be read is told' wait_for 'comment=GitHub did not say'
}
hooks() {
	with 'hook=reorder'
	planned 'webhooks in another order'
	with 'hook.push=drop'
	planned 'a push whose webhook was lost'
}

begin
need cc
engine_double || {
	not_ok 'the stand-in for an engine compiles'
	exit 1
}
start_github
write_server_file 'engines: { dir: path }'
start_daemon
wait_ms=40000
for part in ${FAILS_ONLY:-reads writes_fail merges_fail hooks}; do $part; done
faults ''
settle
same 'nothing is under way at the end' 0 "$(metric sluice_active)"
finish
