# Pull requests from forks: nothing of a stranger runs until somebody who may apply has read a commit and says so, of that commit and that base
# branch. Who may say it, when it is believed, what ends it, and what is on record.
# time limit: 300
. "$(dirname "$0")/lib.sh"
need sqlite3

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
change() { printf '{"a/main.tf": "%s"}' "$(tf "$1")"; }
sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1" | paste -sd' ' -; }
jobs_of() { sql "SELECT j.project||':'||j.state FROM job j JOIN run r ON r.id=j.run_id WHERE r.repo='$repo' AND r.pull=$pr AND r.head_sha='$1' ORDER BY j.id"; }
head_of() { of_pull .head; }
oks() { sql "SELECT count(*) FROM plan_ok"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }
# The second in which a plan was refused has to be over before a comment with a short name of its commit.
second() { sleep 1.1; }

waits() {
	change 2 | commit mallory:change mallory
	open_pull mallory:change mallory
	first=$(head_of)
	check 'a fork is told what somebody has to comment' wait_for "comment=ok-to-plan $first"
	settle
	says 'and why' 'this pull request comes from a fork: nothing of it runs here until' "$(body)"
	same 'nothing ran' '' "$(jobs_of "$first")"
	same 'nothing was fetched' 0 "$(find "$tmp/data/mirrors" -mindepth 1 | wc -l | tr -d ' ')"
	says 'its check waits' 'waits for an ok-to-plan' "$(status sluice)"
	says_not 'and is not green' 'success' "$(status sluice)"
}

others_cannot() {
	for who in mallory eve; do
		comment $who plan
		comment $who "ok-to-plan $first"
		settle
		same "a stranger ($who) cannot start it" '' "$(jobs_of "$first")"
	done
	says 'and is told which role is missing' '`ok-to-plan` was not done: it needs the role `apply`' "$(replies)"
	comment bob plan
	settle
	same 'plan alone does not, whoever says it' '' "$(jobs_of "$first")"
	check 'but is answered with what to comment' wait_for "comment=ok-to-plan $first"
	comment bob "ok-to-plan"
	check 'a command without a commit is not one' wait_for "by=$WRITER" 'comment=`ok-to-plan` is written `ok-to-plan SHA`'
	comment bob "ok-to-plan 0123456789abcdef0123456789abcdef01234567"
	check 'another commit is refused, with the head' wait_for "comment=and not \`0123456789ab\`"
	says 'which is named whole' "ok-to-plan $first" "$(body)"
	settle
	same 'and nothing ran' ' 0' "$(jobs_of "$first") $(oks)"
}

read_once() {
	second
	comment bob "ok-to-plan $(printf '%.10s' "$first")"
	check 'a commit that was read is planned' planned
	settle
	same 'once' a:done "$(jobs_of "$first")"
	same 'on record: who, which commit, which base' "bob $first main" \
		"$(sql "SELECT actor||' '||json_extract(detail, '$.head')||' '||json_extract(detail, '$.base') FROM audit WHERE kind='ok-to-plan'")"
	comment bob plan
	settle
	same 'planned again without another ok' 'a:done a:done' "$(jobs_of "$first")"
	same 'its tier is on record' 1 "$(sql "SELECT json_extract(record, '$.tier') FROM job WHERE record IS NOT NULL ORDER BY id DESC LIMIT 1")"
}

pushed() {
	change 3 | commit mallory:change mallory
	second_head=$(head_of)
	comment bob "ok-to-plan $first"
	check 'after a push the old commit is refused by name' wait_for "comment=read its changes, then comment \`ok-to-plan $second_head"
	settle
	same 'and nothing of the new one ran' ' 1' "$(jobs_of "$second_head") $(oks)"
	approve bob
	comment bob apply
	settle
	same 'nor is the old plan applied' 'false 0' "$(of_pull .merged) $(sql "SELECT count(*) FROM job WHERE phase='apply'")"
	change 4 | commit mallory:change mallory
	third=$(head_of)
	comment_now bob "ok-to-plan $(printf '%.7s' "$third")"
	settle
	same 'a short name in the second of the push is not believed' ' 1' "$(jobs_of "$third") $(oks)"
	comment_now bob "ok-to-plan $third"
	check 'the whole name is' planned
	settle
	same 'of that commit alone' ' a:done' "$(jobs_of "$second_head") $(jobs_of "$third")"
}

retargeted() {
	printf '{"README.md": "a release\\n"}' | commit release olivia
	act edit "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "mallory", base: "release"}')"
	check 'another base branch asks anew' wait_for 'comment=into `release`'
	says 'of the same commit' "ok-to-plan $third" "$(body)"
	settle
	same 'and nothing ran for it' 'a:done' "$(jobs_of "$third")"
	act edit "$(jq -nc --arg r "$repo" --argjson n "$pr" '{repo: $r, pr: $n, user: "mallory", base: "main"}')"
	check 'back again, the ok of then holds' planned
	settle
}

applied() {
	approve bob
	comment bob apply
	check 'what was read, planned and approved is applied' wait_for 'comment=applied 1 of 1' merged=1
	settle
}

# A branch of the repository is of people with write permission.
branch() {
	change 5 | commit own alice
	open_pull own alice
	check 'a branch of the repository needs no ok' planned
	settle
	comment bob "ok-to-plan $(head_of)"
	check 'and says so' wait_for 'comment=it needs no `ok-to-plan`'
	settle
}

flags() {
	comment alice 'plan -- -target=terraform_data.x -refresh=false'
	check 'flags of the engine: what they leave out is said' wait_for 'comment=Planned with `-target=terraform_data.x`, `-refresh=false`: what that leaves out'
	settle
	same 'they are of the job' '-target=terraform_data.x -refresh=false' "$(sql "SELECT args FROM job ORDER BY id DESC LIMIT 1")"
	same 'they are kept with the run' '-target=terraform_data.x -refresh=false' "$(sql "SELECT args FROM run WHERE args IS NOT NULL ORDER BY id DESC LIMIT 1")"
	before=$(sql 'SELECT count(*) FROM run')
	for bad in '-var-file=/etc/passwd' '-destroy' '-chdir=../b' '-state=../b/terraform.tfstate' '-generate-config-out=x.tf'; do
		comment alice "plan -- $bad"
		check "$bad is refused" wait_for "by=$WRITER" "comment=\`$bad\` is not handed to the engine"
	done
	settle
	same 'and starts nothing' "$before" "$(sql 'SELECT count(*) FROM run')"
}

begin
for engine_name in $(engines); do
	use_engine "$engine_name" && break
done
[ -n "${engine:-}" ] || {
	echo 'skip forks: no engine'
	exit 0
}
start_github
start_daemon
printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a }\\n", "a/main.tf": "%s"}' "$(tf 1)" | new_repo acme/infra
for who in mallory eve; do
	act permission "$(jq -nc --arg r "$repo" --arg u "$who" '{repo: $r, user: $u, permission: "read"}')"
done
waits
others_cannot
read_once
pushed
retargeted
applied
branch
flags
finish
