# As a GitHub App: a plan and an apply where every request is made with a token that opens one repository and no more than it needs. The private
# key stays with the key agent, tokens stay in memory, and those of clones and merges are given back.
. "$(dirname "$0")/lib.sh"

base='{
"sluice.yaml": "version: 1\nprojects:\n  - { name: dns, dir: live/dns }\n",
"live/dns/main.tf": "resource \"terraform_data\" \"zone\" {\n  input = \"example.com\"\n}\n"
}'
change='{
"live/dns/main.tf": "resource \"terraform_data\" \"zone\" {\n  input = \"example.com\"\n}\nresource \"terraform_data\" \"record\" {\n  input = \"www\"\n}\n"
}'

begin
set -- $(engines)
use_engine "${1:-tofu}" || {
	echo "skip app: there is no engine"
	exit 0
}
start_github_app
# refuses EXIT WORD APP: the simulated GitHub does not start with such an App
refuses() {
	"$sluice" sim --port 0 --dir "$tmp/refused" --app "$3" >"$tmp/refused.out" 2>&1
	same "--app $(basename "$3"): exit" "$1" $?
	says 'and says why' "$2" "$(cat "$tmp/refused.out")"
}
printf 'no key\n' >"$tmp/no.pub"
refuses 2 'write ID=SLUG=PUBLIC_KEY_FILE' 4711
refuses 2 'write ID=SLUG=PUBLIC_KEY_FILE' 4711=a
refuses 2 'write ID=SLUG=PUBLIC_KEY_FILE' "one=a=$tmp/app.pub"
refuses 3 'absent.pub' "4711=a=$tmp/absent.pub"
refuses 3 'public key of App 4711' "4711=a=$tmp/no.pub"
start_daemon
# More than one repository: a token that opens them all would show.
printf '%s' "$base" | new_repo acme/other
printf '%s' "$base" | new_repo acme/infra

tokens() { state | jq -c "[.tokens[] | $1]"; }

printf '%s' "$change" | commit change alice
open_pull change alice
check 'the plan comment comes' wait_for 'comment=To apply'
settle
says 'it counts what is added' '| `dns` | 2 to add |' "$(body)"
same 'the comment is by the bot of the App' "$WRITER" "$(main_comments | jq -r '.[0].user')"

approve bob
comment alice apply
check 'applied and merged' wait_for 'comment=applied 1 of 1' merged=1
settle
same 'the merge is ours' 1 "$(writes merge)"

# ---- tokens ----

all=$(tokens .)
check 'tokens were minted' [ "$(printf '%s' "$all" | jq length)" -ge 4 ]
same 'each opens one repository' '[["acme/infra"]]' "$(printf '%s' "$all" | jq -c '[.[].repositories] | unique')"
same 'none opens a whole account' '[false]' "$(printf '%s' "$all" | jq -c '[.[].all] | unique')"
same 'four kinds of permissions, each the least' "$(jq -nc '[
	{contents: "read", metadata: "read"},
	{contents: "write", merge_queues: "write", metadata: "read", pull_requests: "write"},
	{administration: "read", checks: "read", contents: "read", deployments: "read", members: "read", merge_queues: "read", metadata: "read",
	 pull_requests: "read", statuses: "read"},
	{checks: "write", issues: "write", metadata: "read", pull_requests: "write", statuses: "write"}] | unique' | jq -Sc .)" \
	"$(printf '%s' "$all" | jq -Sc '[.[].permissions] | unique')"
# Kept: those for reading and saying, which are shared. Given back: whatever clones and merges had.
same 'tokens of clones and merges were given back' '[true]' \
	"$(printf '%s' "$all" | jq -c '[.[] | select(.permissions.contents == "write" or (.permissions | length) <= 2) | .revoked] | unique')"

# ---- secrets stay where they are ----

key_line=$(sed -n 2p "$tmp/app.pem")
environs=''
for pid in $daemon_pid $(cat "/proc/$daemon_pid/task/"*/children); do
	environs="$environs$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null)"
done
says_not 'the private key is in no environment' "$key_line" "$environs"
same 'nor in a file of the data directory' '' "$(grep -rlF -- "$key_line" "$tmp/data" 2>/dev/null)"
same 'no installation token is in the data directory' '' "$(grep -rlaE 'ghs_[0-9]+_' "$tmp/data" 2>/dev/null)"
same 'nor in the log' '' "$(grep -aE 'ghs_[0-9]+_|BEGIN .*PRIVATE KEY' "$tmp/daemon.log")"

# ---- tokens that end early, and less than was asked for ----

second='{
"live/dns/main.tf": "resource \"terraform_data\" \"zone\" {\n  input = \"example.net\"\n}\nresource \"terraform_data\" \"record\" {\n  input = 1\n}\n"
}'
act tokens '{"revoke_all": true}'
before=$(tokens . | jq length)
printf '%s' "$second" | commit second alice
open_pull second alice
check 'after GitHub took all tokens back, others are minted and the plan comes' wait_for 'comment=To apply'
settle
check 'they are new ones' [ "$(tokens . | jq length)" -gt "$before" ]

act installation "$(jq -nc --arg r "$repo" '{act: "permissions", repo: $r, permissions: {contents: "write", pull_requests: "write", issues: "write",
	checks: "write", statuses: "write"}}')"
act tokens '{"revoke_all": true}'
before=$(tokens . | jq length)
comment alice plan
settle
check 'without the optional permissions it reads, plans and speaks' [ "$(tokens . | jq -c "[.[$before:][].permissions] | unique | length")" -ge 3 ]
says 'the plan stands' 'To apply' "$(body)"
same 'and asks for none of them' '[]' \
	"$(tokens . | jq -c ".[$before:] | [.[].permissions | select(.administration or .members or .deployments or .merge_queues)]")"

stop_daemon
same 'a stopped server gives the others back' '[true]' "$(tokens .revoked | jq -c unique)"
finish
