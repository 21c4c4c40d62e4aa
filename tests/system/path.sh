# The whole path with each engine: plan, refusal, approval, apply, state; then an update, a replacement and a destroy.
. "$(dirname "$0")/lib.sh"

base='{
"README.md": "# infra\n",
"sluice.yaml": "version: 1\nprojects:\n  - { name: network, dir: live/network }\n  - { name: dns, dir: live/dns }\n  - { name: web, dir: live/web }\n",
"modules/labels/main.tf": "variable \"name\" { type = string }\nresource \"terraform_data\" \"labels\" {\n  input = var.name\n}\n",
"live/network/main.tf": "module \"labels\" {\n  source = \"../../modules/labels\"\n  name   = \"network\"\n}\nresource \"terraform_data\" \"vpc\" {\n  input = \"10.0.0.0/16\"\n}\n",
"live/dns/main.tf": "resource \"terraform_data\" \"zone\" {\n  input = \"example.com\"\n}\n",
"live/web/main.tf": "resource \"terraform_data\" \"server\" {\n  input = 1\n}\n"
}'
first='{
"modules/labels/main.tf": "variable \"name\" { type = string }\nresource \"terraform_data\" \"labels\" {\n  input = { name = var.name, team = \"platform\" }\n}\n",
"live/dns/main.tf": "resource \"terraform_data\" \"zone\" {\n  input = \"example.com\"\n}\nresource \"terraform_data\" \"record\" {\n  for_each = toset([\"www\", \"api\"])\n  input    = each.key\n}\nresource \"terraform_data\" \"serial\" {\n  triggers_replace = 1\n}\n"
}'
second='{
"live/dns/main.tf": "resource \"terraform_data\" \"zone\" {\n  input = \"example.org\"\n}\nresource \"terraform_data\" \"record\" {\n  for_each = toset([\"www\"])\n  input    = each.key\n}\nresource \"terraform_data\" \"serial\" {\n  triggers_replace = 2\n}\n"
}'

plans() {
	printf '%s' "$first" | commit labels alice
	open_pull labels alice
	check "$e: the plan comment comes" wait_for 'comment=To apply' context=sluice state=success
	body=$(body)
	says "$e: dns with its counts" '| `dns` | 4 to add |' "$body"
	says "$e: network through the shared module" '| `network` | 2 to add |' "$body"
	says_not "$e: web is not planned" '`web`' "$body"
	says "$e: what is not touched is counted" '1 other | not touched by this change' "$body"
	says "$e: the roll-up adds up" '**6 +**' "$body"
	says "$e: the engine and its version are named" "$words " "$body"
	says "$e: the head commit is named" "$(of_pull '.head[0:7]')" "$body"
	settle
	same "$e: roll-up status" success "$(status sluice | cut -d ' ' -f 1)"
	same "$e: status of dns" 'success 4 to add' "$(status sluice/dns)"
	same "$e: status of network" 'success 2 to add' "$(status sluice/network)"
	same "$e: no status of web" '' "$(status sluice/web)"
	same "$e: one comment" 1 "$(main_comments | jq length)"
}
refuses() {
	comment alice apply
	check "$e: the refusal comes" wait_for comment=refused
	body=$(body)
	says "$e: it names the missing approval" approv "$body"
	settle
	same "$e: a refused apply does not merge" false "$(of_pull .merged)"
	same "$e: and keeps no state" '' "$(states list | grep dns)"
}
applies() {
	approve bob
	comment alice apply
	check "$e: applied and merged" wait_for 'comment=applied 2 of 2' merged=1
	settle
	same "$e: the merge is ours" 1 "$(writes merge)"
	same "$e: the roll-up status tells it" 'success applied 2 of 2' "$(status sluice)"
	same "$e: and the status of a project" 'success 4 added' "$(status sluice/dns)"
	says "$e: the comment names the merge commit" "merged as \`$(of_pull '.merge_commit[0:7]')\`" "$(body)"
	says "$e: and what was done" '4 added' "$(body)"
	same "$e: still one comment, edited in place" 1 "$(main_comments | jq length)"
	check "$e: it was edited" [ "$(main_comments | jq '.[0].edits')" -ge 2 ]
	same "$e: one state version of dns" 1 "$(states show dns --format json | jq 'length')"
	same "$e: the state holds the resources" 4 "$(states pull dns | jq '[.resources[].instances[]] | length')"
	says "$e: and is listed" dns "$(states list)"
	same "$e: no job is left" '' "$(ls "$tmp/data/jobs" | grep -v sock)"
	same "$e: no runner is left" '' "$(runners)"
}
changes() {
	printf '%s' "$second" | commit change alice
	open_pull change alice
	check "$e: the second plan comes" wait_for 'comment=To apply' context=sluice state=success
	body=$(body)
	says "$e: update, replacement, destroy" '| `dns` | 1 to change, **1 to replace**, **1 to destroy** |' "$body"
	says "$e: the forcing attribute is named" 'triggers_replace' "$(printf '%s' "$body" | grep 'replaces' | head -n 1)"
	says "$e: the destroy is on top" 'terraform_data.record' "$(printf '%s' "$body" | grep 'destroys' | head -n 1)"
	check "$e: above the table" [ "$(printf '%s\n' "$body" | grep -n 'CAUTION' | cut -d : -f 1)" -lt "$(printf '%s\n' "$body" | grep -n '^| project' | cut -d : -f 1)" ]
	says "$e: the diff is folded" '<details' "$body"
	approve bob
	comment alice 'sluice apply'
	check "$e: applied" wait_for 'comment=applied 1 of 1' merged=1
	settle
	same "$e: a second state version" 2 "$(states show dns --format json | jq 'length')"
	same "$e: the record is gone" 3 "$(states pull dns | jq '[.resources[].instances[]] | length')"
	same "$e: the same lineage" 1 "$(states show dns --format json | jq '[.[].lineage] | unique | length')"
}

found=$(engines)
[ -n "$found" ] || { echo "skip path: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
for e in terraform tofu; do
	case " $(echo $found) " in *" $e "*) ;; *)
		echo "skip path with $e: it is not installed"
		continue
		;;
	esac
	words=terraform
	[ $e = terraform ] || words=opentofu
	begin
	use_engine $e
	start_github
	port=0
	start_daemon
	printf '%s' "$base" | new_repo acme/infra
	plans
	refuses
	applies
	changes
	[ "$failures" = 0 ] || show_log
	at_exit
	daemon_pid='' github_pid=''
done
trap - EXIT
finish
