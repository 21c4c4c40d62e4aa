# What people do with pull requests, and what sluice answers: commands, silence, drafts, forks, pushes, merges by a person, order, new bases.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
base=$(
	cat <<JSON
{"README.md": "# infra\n",
"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b, depends_on: [a] }\n  - { name: m, dir: m, apply: on_merge }\n",
"a/main.tf": "$(tf 1)", "b/main.tf": "$(tf 1)", "m/main.tf": "$(tf 1)"}
JSON
)
change() { printf '{"%s/main.tf": "%s"}' "$1" "$(tf "$2")"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }

commands() {
	change a 2 | commit one alice
	open_pull one alice
	check 'a plan to talk about' planned
	settle
	before=$(of_pull '.comments | length')
	comment alice 'looks good to me, we should apply this tomorrow'
	comment alice '> apply'
	comment alice "$(printf '\140\140\140\napply\n\140\140\140')"
	comment 'renovate[bot]' 'sluice plan'
	settle
	same 'prose, quotes, code and bots are met with silence' 4 $(($(of_pull '.comments | length') - before))
	same 'and start nothing' 1 "$(runs)"
	comment alice 'sluice help'
	check 'help is answered' wait_for "by=$WRITER" comment=unlock
	comment alice 'sluice aply'
	check 'an unknown word is answered with a suggestion' wait_for "by=$WRITER" 'comment=aply'
	comment alice 'sluice version'
	check 'version is answered' wait_for "by=$WRITER" 'comment=sluice 0'
	comment alice unlock
	check 'unlock without a lock says so' wait_for 'comment=holds no lock'
	comment alice 'unlock -d a'
	check 'unlock of a directory gives nothing back and says how' wait_for 'comment=Nothing was given back'
	comment alice 'cancel -p a'
	check 'cancel of one project stops nothing and says so' wait_for 'comment=Nothing was stopped'
	settle
	same 'one answer each' 6 "$(of_pull "[.comments[] | select(.user == \"$WRITER\" and (.body | contains(\"slot=reply/\")))] | length")"
	comment eve 'sluice plan'
	check 'a stranger is told which role is missing' wait_for "by=$WRITER" 'comment=needs the role'
	settle
	same 'and starts nothing' 1 "$(runs)"
	comment alice plan
	settle
	same 'plan by a person starts a run' 2 "$(runs)"
	same 'in the same comment' 1 "$(main_comments | jq length)"
	pull_act alice closed
	settle
}
runs() { sed -n 's/.*run.enter run=\([0-9]*\) .*/\1/p' "$tmp/daemon.log" | sort -u | wc -l | tr -d ' '; }

# b depends on a: it is planned behind it, and its line says so meanwhile.
order() {
	printf '{"a/main.tf": "%s", "b/main.tf": "%s"}' "$(tf 3)" "$(tf 3)" | commit order alice
	open_pull order alice
	check 'both are planned' planned
	settle
	same 'the dependency goes first' 'a b' "$(started plan)"
	approve bob
	comment alice apply
	check 'both are applied' wait_for 'comment=applied 2 of 2' merged=1
	settle
	same 'in the same order' 'a b' "$(started apply)"
}
# Projects of the newest run in the order in which jobs started.
started() { echo $(sed -n "s/.*job.start .* project=\"\(.*\)\" phase=$1\$/\1/p" "$tmp/daemon.log" | tail -n 2); }

silence() {
	printf '{"README.md": "# changed\\n"}' | commit docs alice
	open_pull docs alice
	check 'a change of no project is green' wait_for context=sluice state=success
	settle
	same 'and has no comment' 0 "$(main_comments | jq length)"
	says 'its status says why' 'no project' "$(status sluice)"

	change a 4 | commit draft alice
	open_pull draft alice '{"draft": true}'
	settle
	same 'a draft has no comment' 0 "$(main_comments | jq length)"
	same 'and no status' '' "$(status sluice)"
	pull_act alice ready_for_review
	check 'ready for review: it is planned' planned
	pull_act alice closed
	settle
	says_not 'closing starts no run' "pull=$pr kind=apply" "$(cat "$tmp/daemon.log")"
	before=$(runs)
	change a 5 | commit draft alice
	settle
	same 'a push to a closed pull request starts nothing' "$before" "$(runs)"
	pull_act alice reopened
	check 'reopened: it is planned' planned
	pull_act alice closed
}

fork() {
	change a 6 | commit mallory:evil mallory
	open_pull mallory:evil mallory
	check 'a fork is not planned, and told how it can be' wait_for "comment=ok-to-plan $(of_pull .head)"
	settle
	same 'no job ran' 0 "$(grep -c "job.start.*" "$tmp/daemon.log" | awk -v n="$jobs_before" '{ print $1 - n }')"
	comment mallory plan
	settle
	same 'its author cannot start one' 0 "$(grep -c "job.start.*" "$tmp/daemon.log" | awk -v n="$jobs_before" '{ print $1 - n }')"
	comment bob "ok-to-plan $(of_pull .head)"
	check 'a person with write permission who read it can' planned
	pull_act mallory closed
	settle
}

on_merge() {
	change m 7 | commit onmerge alice
	open_pull onmerge alice
	check 'the on_merge project is planned' planned
	approve bob
	merge olivia
	check 'and applied when a person merges' wait_for 'comment=applied 1 of 1'
	settle
	same 'we merged nothing' "$merges" "$(writes merge)"
	change a 8 | commit byhand alice
	open_pull byhand alice
	planned
	approve bob
	merge olivia
	settle
	says_not 'an on_comment project is not applied by a merge' 'applied 1' "$(body)"
	comment alice apply
	check 'but by a comment after it' wait_for 'comment=applied 1 of 1'
	settle
	same 'from the merge commit, without another merge' "$merges" "$(writes merge)"
}

new_base() {
	act protect "$(jq -nc --arg r "$repo" '{repo: $r, user: "olivia", branch: "release", protect: "classic", reviews: 1}')"
	change b 9 | commit release olivia
	change a 10 | commit retarget alice
	open_pull retarget alice
	check 'planned against main' planned
	act edit "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "alice", base: "release"}')"
	check 'a new base is planned again' wait_for 'comment=into `release`' context=sluice state=success
	settle
	same 'in the same comment' 1 "$(main_comments | jq length)"
	pull_act alice closed
}

begin
use_engine "$(engines | head -n 1)" || { echo "skip events: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
printf '%s' "$base" | new_repo acme/infra
commands
order
silence
settle # the last plan of what was reopened may still begin
jobs_before=$(grep -c 'job.start' "$tmp/daemon.log")
fork
merges=$(writes merge)
on_merge
new_base
same 'nothing is under way at the end' 0 "$(settle && metric sluice_active)"
finish
