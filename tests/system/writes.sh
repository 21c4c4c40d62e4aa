# GitHub allows 80 content writes a minute, so a run must not need many: at most 6 for one project, 40 for thirty or a hundred. And the first
# word comes soon.
. "$(dirname "$0")/lib.sh"

# repository NAME PROJECTS: p1..pN
repository() {
	jq -n --argjson n "$2" '[range(1; $n + 1)] | map({key: "p\(.)/main.tf", value: "# one\n"}) | from_entries | . + {"README.md": "# infra\n"}' >"$tmp/files"
	new_repo "$1" <"$tmp/files"
	repo=$1
}
# change_all N MODE
change_all() {
	jq -n --argjson n "$1" --arg m "$2" '[range(1; $n + 1)] | map({key: "p\(.)/main.tf", value: "# two\n"}, {key: "p\(.)/mode", value: $m}) | from_entries' >"$tmp/files"
	commit change alice <"$tmp/files"
}
# run NAME PROJECTS MODE LIMIT
run() {
	repository "acme/w$2" "$2"
	change_all "$2" "$3"
	before=$(writes)
	open_pull change alice
	check "$1: planned" wait_for 'comment=To apply' context=sluice state=success
	settle
	plan_writes=$(($(writes) - before))
	echo "# $1: $plan_writes writes: $(state | jq -c --argjson b "$before" '.writes[$b:] | group_by(.class) | map({(.[0].class): length}) | add')"
	at_most "$1: writes of the plan" "$4" "$plan_writes"
	same "$1: one comment" 1 "$(main_comments | jq length)"
	before=$(writes)
	approve bob
	comment alice apply
	check "$1: applied" wait_for "comment=applied $2 of $2" merged=1
	settle
	apply_writes=$(($(writes) - before))
	echo "# $1: $apply_writes writes: $(state | jq -c --argjson b "$before" '.writes[$b:] | group_by(.class) | map({(.[0].class): length}) | add')"
	at_most "$1: writes of the apply" "$4" "$apply_writes"
}

slow_run() {
	repository acme/slow 1
	change_all 1 'plan 3'
	before=$(writes)
	open_pull change alice
	check 'a slow project: planned' wait_for 'comment=To apply' context=sluice state=success
	settle
	opened=$(of_pull '.comments[0].created_ms')
	delivered=$(state | jq '[.deliveries[] | select(.action == "opened")] | last | .at_ms')
	echo "# the first word after $((opened - delivered)) ms"
	at_most 'a slow project: the first word comes while it plans' 1500 $((opened - delivered))
	at_most 'a slow project: writes' 6 $(($(writes) - before))
}

begin
need cc
engine_double || {
	not_ok 'the stand-in for an engine compiles'
	exit 1
}
start_github --enforce-write-limit
jobs=4
write_server_file 'engines: { dir: path }'
start_daemon
wait_ms=90000
run 'one project' 1 'plan 0' 6
slow_run
run 'thirty projects' 30 'plan 0' 40
run 'twenty projects, each with a status' 20 'plan 1' 40
finish
