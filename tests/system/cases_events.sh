# Odd deliveries: repeated, late, edited, from robots, from strangers, retargeted, with nothing to do. Numbers as in the list of cases.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
change() { printf '{"%s/main.tf": "%s"}' "$1" "$(tf "$2")"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }
runs() { sed -n 's/.*run.enter run=\([0-9]*\) .*/\1/p' "$tmp/daemon.log" | sort -u | wc -l | tr -d ' '; }
# plans SHA: how often that commit was planned
plans() { sqlite3 "$tmp/data/sluice.db" "SELECT count(*) FROM job JOIN run ON run.id=run_id WHERE phase='plan' AND head_sha='$1'"; }
# deliver EVENT GUID FILE: a signed webhook of our own making
deliver() {
	deliver_mac=$(openssl dgst -sha256 -hmac "$SECRET" -r <"$3" | cut -d' ' -f1)
	curl -s -o "$tmp/deliver.out" -w '%{http_code}' --max-time 10 -H "X-GitHub-Event: $1" -H "X-GitHub-Delivery: $2" \
		-H "X-Hub-Signature-256: sha256=$deliver_mac" -H 'Content-Type: application/json' --data-binary "@$3" "http://127.0.0.1:$port/webhooks/github"
}
repo_json() { state | jq -c --arg r "$repo" '.repositories[] | select(.full_name == $r) | {id, full_name, default_branch: "main"}'; }
alice='{"id": 1001, "login": "alice", "type": "User"}'
comment_event() { # ACTION ID BODY [MORE]
	jq -nc --arg a "$1" --argjson id "$2" --arg b "$3" --argjson r "$(repo_json)" --argjson u "$alice" --argjson n "$pr" --argjson more "${4:-"{}"}" \
		'{action: $a, issue: {number: $n, pull_request: {}}, comment: {id: $id, body: $b, created_at: "2099-01-01T00:00:00Z"}, repository: $r, sender: $u} * $more'
}

begin
need sqlite3
for engine in $(engines); do break; done
use_engine "${engine:-terraform}" || { echo "skip cases_events: no engine"; exit 0; }
start_github
start_daemon
printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a }\\n", "a/main.tf": "%s"}' "$(tf 1)" | new_repo acme/infra
change a 2 | commit one alice
open_pull one alice
check 'a plan to begin with' planned
old=$(of_pull .head)
change a 2.5 | commit one alice
head=$(of_pull .head)
settle
n=$(runs)

comment_event created 7000000001 plan >"$tmp/e.json"
same 'case 01: a delivery is taken' 202 "$(deliver issue_comment 11111111-0000-0000-0000-000000000001 "$tmp/e.json")"
same 'case 01: the same one again is nothing new' 200 "$(deliver issue_comment 11111111-0000-0000-0000-000000000001 "$tmp/e.json")"
settle
same 'case 01: and starts one run' $((n + 1)) "$(runs)"
n=$(runs)
jq -nc --argjson r "$(repo_json)" --argjson u "$alice" --argjson n "$pr" '{action: "synchronize", before: ("b" * 40), after: ("a" * 40),
	pull_request: {number: $n, head: {sha: ("a" * 40), repo: {id: $r.id}}, base: {ref: "main"}}, repository: $r, sender: $u}' >"$tmp/e.json"
deliver pull_request 11111111-0000-0000-0000-000000000002 "$tmp/e.json" >"$tmp/out"
settle
says_not 'case 02: the commit that it names is nowhere' aaaaaaaaaaaa "$(body)"
of_old=$(plans "$old")
jq --arg s "$old" '.after = $s | .pull_request.head.sha = $s' "$tmp/e.json" >"$tmp/late.json"
same 'case 02: an older push that is heard late is taken' 202 "$(deliver pull_request 11111111-0000-0000-0000-00000000000a "$tmp/late.json")"
settle
same 'case 02: it does not plan that commit again' "1 $of_old" "$(plans "$old") $(plans "$old")"
same 'case 02: the newest plan is of the head' "$head" "$(sqlite3 "$tmp/data/sluice.db" "SELECT head_sha FROM run WHERE kind='plan' ORDER BY id DESC LIMIT 1")"
says 'case 02: so is the comment' "$(printf '`%.7s`' "$head")" "$(body)"
n=$(runs)
comment_event edited 7000000003 apply >"$tmp/e.json"
deliver issue_comment 11111111-0000-0000-0000-000000000003 "$tmp/e.json" >"$tmp/out"
comment_event deleted 7000000003 apply >"$tmp/e.json"
deliver issue_comment 11111111-0000-0000-0000-000000000004 "$tmp/e.json" >"$tmp/out"
settle
same 'case 07: an edited and a deleted comment start nothing' "$n" "$(runs)"
same 'case 07: both are on record with their hash' 2 \
	"$("$sluice" audit export --config "$tmp/sluice-server.yaml" | grep '"kind":"comment"' | grep -c "$(printf apply | sha256sum | cut -d' ' -f1)")"
comment_event created 7000000005 plan '{"sender": {"type": "Bot"}}' >"$tmp/e.json"
deliver issue_comment 11111111-0000-0000-0000-000000000005 "$tmp/e.json" >"$tmp/out"
comment_event created 7000000006 plan '{"comment": {"performed_via_github_app": {"id": 5}}}' >"$tmp/e.json"
deliver issue_comment 11111111-0000-0000-0000-000000000006 "$tmp/e.json" >"$tmp/out"
settle
same 'case 08: robots start nothing' "$n" "$(runs)"
comment eve apply
check 'case 09: a stranger is told which role is missing' wait_for "by=$WRITER" 'comment=needs the role'
same 'case 09: and starts nothing' "$n" "$(runs)"
comment_event created 7000000007 plan '{"issue": {"pull_request": null}}' >"$tmp/e.json"
deliver issue_comment 11111111-0000-0000-0000-000000000007 "$tmp/e.json" >"$tmp/out"
settle
same 'extra: a comment on an issue starts nothing' "$n" "$(runs)"
jq -nc --argjson r "$(repo_json)" --argjson u "$alice" --arg h "$(of_pull .head)" --argjson n "$pr" '{action: "checks_requested", merge_group: {head_sha: ("c" * 40),
	base_sha: ("d" * 40), head_ref: "refs/heads/gh-readonly-queue/main/pr-\($n)-x"}, repository: $r, sender: $u}' >"$tmp/e.json"
same 'extra: a merge group is taken' 202 "$(deliver merge_group 11111111-0000-0000-0000-000000000008 "$tmp/e.json")"
jq -nc --argjson r "$(repo_json)" --argjson u "$alice" '{action: "removed", repositories_removed: [$r | {id, full_name}], sender: $u}' >"$tmp/e.json"
deliver installation_repositories 11111111-0000-0000-0000-000000000009 "$tmp/e.json" >"$tmp/out"
settle
change a 3 | commit one alice
settle
same 'case 25: a push to a repository that was taken away plans nothing' "$n" "$(runs)"
finish
