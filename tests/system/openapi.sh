# Every request that we send and every answer and webhook of the simulated GitHub, held against what GitHub publishes: on a path with a
# refusal, an approval, an apply, failures, a fork and a squash merge.
. "$(dirname "$0")/lib.sh"

if [ ! -d "$parts/openapi/node_modules" ] || ! command -v node >/dev/null 2>&1; then
	echo "skip openapi: $parts/openapi (GitHub's API description) is not there; make parts brings it"
	exit 0
fi
export SLUICE_OPENAPI_PARTS="$parts/openapi"
base='{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a, requires: [approved, checks] }\n", "a/main.tf": "# a\n", "README.md": "# infra\n"}'
change() { printf '{"a/main.tf": "# a %s"}' "$1" | commit "change$1" "${2:-alice}"; }

begin
need cc
engine_double || {
	not_ok 'the stand-in for an engine compiles'
	exit 1
}
start_github --record "$tmp/record"
write_server_file 'engines: { dir: path }
roles: { "acme/*": { "team:platform": apply, "*": plan } }'
act team '{"org": "acme", "team": "platform", "user": "alice", "state": "active"}'
start_daemon

printf '%s' "$base" | new_repo acme/infra
change 1
open_pull change1 alice
check 'planned' wait_for 'comment=To apply' context=sluice state=success
comment alice apply
check 'refused' wait_for comment=refused
approve bob
act check "$(jq -nc --arg r "$repo" --arg s "$(of_pull .head)" '{repo: $r, sha: $s, name: "lint", conclusion: "success"}')"
faults 'comment_edit=lost,times=1;comment_create=lost,times=1;status_create=status:502,times=1'
comment alice apply
check 'applied' wait_for 'comment=applied 1 of 1' merged=1
faults 'comment_create=lost,times=1'
comment alice help
check 'helped' wait_for "by=$WRITER" comment=unlock
comment eve apply
settle
faults ''

repo=acme/rules
printf '%s' "$base" | new_repo "$repo" '{"protect": "ruleset", "no_merge_commits": true}'
act protect "$(jq -nc --arg r "$repo" '{repo: $r, branch: "main", protect: "ruleset", reviews: 1, conversations: true, deployments: ["staging"], methods: ["squash"]}')"
change 2
open_pull change2 alice
act deployment "$(jq -nc --arg r "$repo" --arg s "$(of_pull .head)" '{repo: $r, sha: $s, environment: "staging", state: "success"}')"
wait_for 'comment=To apply' context=sluice state=success
approve bob
comment alice apply
check 'applied under a ruleset, by a squash' wait_for 'comment=applied 1 of 1' merged=1
printf '{"a/main.tf": "# evil"}' | commit mallory:evil mallory
open_pull mallory:evil mallory
check 'a fork' wait_for comment=fork
pull_act mallory closed
settle
end "$github_pid"
github_pid=''

classes=$(jq -r 'select(.kind == "rest") | .class' "$tmp/record" | sort -u | tr '\n' ' ')
for class in pull reviews merge comments comment_create comment_edit permission branch rules status_create statuses check_runs repo team user pull_commits \
	protection graphql deployments; do
	says "the record has $class" "$class " "$classes"
done
check 'requests and answers are as GitHub describes them' node "$root/tests/openapi/check.mjs" "$tmp/record"
check 'GraphQL is as GitHub describes it' node "$root/tests/openapi/graphql.mjs" check "$tmp/record"
check 'webhooks are as GitHub describes them' node "$root/tests/openapi/webhooks.mjs" check "$tmp/record"
finish
