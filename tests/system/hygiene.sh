# What a pull request may not do to its own surroundings, and what its reviewers are told: the lock file in force, providers by allow-list, the place of
# the state, plans that leave something out.
# time limit: 300
. "$(dirname "$0")/lib.sh"
need sqlite3

sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1" | paste -sd' ' -; }
lock() { printf 'provider \\"registry.terraform.io/hashicorp/aws\\" {\\n  version = \\"%s\\"\\n  hashes = [\\n    \\"h1:%s\\",\\n  ]\\n}\\n' "$1" "$2"; }
data='resource \"terraform_data\" \"x\" {\n  input = 1\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n'
http='terraform {\n  backend \"http\" {\n    address = \"https://state.invalid/one\"\n  }\n}\n'
newest() { sql "SELECT $2 FROM job WHERE project='$1' AND phase='plan' ORDER BY id DESC LIMIT 1"; }
planned() { wait_for context=sluice state=success; }
refused() { wait_for context=sluice state=failure; }

lock_file() {
	printf '{"c/.terraform.lock.hcl": "%s"}' "$(lock 5.100.0 bbbbbbbbbbbb=)" | commit lock alice
	open_pull lock alice
	check 'a lock file that changes is refused' refused
	settle
	says 'by provider and versions' 'updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0, and `providers.allow`' "$(body)"
	says 'with the way out' 'keep the lock file of the base branch, or its operator adds `hashicorp/aws = 5.100.0`' "$(body)"
	same 'nothing ran' 'refused 0' "$(newest c "state||' '||attempts")"
	stop_daemon
	write_server_file 'providers: { allow: ["hashicorp/aws >= 5.99, < 6", "hashicorp/random = 3.6.0 h1:cccccccccccc="] }'
	start_daemon
	comment alice plan
	check 'with a rule that names it, it counts' planned
	settle
	says 'and is told' '**`c`**: `c/.terraform.lock.hcl:1` updates the provider `hashicorp/aws` 5' "$(body)"
	id=$(newest c lock_id)
	same 'its bytes lie for the job, read-only' '444' "$(stat -c %a "$tmp"/data/trees/*/locks/"$id")"
	same 'as they are in the commit' "$(lock 5.100.0 bbbbbbbbbbbb= | sed 's/\\"/"/g; s/\\n/\n/g')" "$(cat "$tmp"/data/trees/*/locks/"$id")"
	same 'and the plan is bound to it' "$id" "$(newest c "json_extract(record, '$.lock_id')")"
	approve bob
	comment bob apply
	check 'it is applied with that lock file' wait_for 'comment=applied 1 of 1' merged=1
	settle
	same 'which the base branch has by then' "$id" "$(sql "SELECT lock_id FROM job WHERE phase='apply'")"
}

providers() {
	printf '{"a/x.tf": "data \\"external\\" \\"e\\" {\\n  program = [\\"sh\\"]\\n}\\n"}' | commit external alice
	open_pull external alice
	check 'a provider that is not allowed is refused before anything runs' refused
	settle
	says 'by name and place' 'a/x.tf:1: the provider `registry.terraform.io/hashicorp/external`, which `data external` implies, is not allowed' "$(body)"
	same 'nothing ran' 'refused 0' "$(newest a "state||' '||attempts")"
	printf '{"a/x.tf": "resource \\"random_id\\" \\"e\\" {}\\n"}' | commit external alice
	check 'one that is allowed by hash alone has to be locked' wait_for "comment=is allowed by the hash of its package alone"
	settle
}

state_elsewhere() {
	printf '{"b/backend_override.tf": "terraform {\\n  backend \\"http\\" {\\n    address = \\"https://evil.invalid/\\"\\n  }\\n}\\n"}' | commit override mallory
	open_pull override mallory
	check 'a state that would be read from elsewhere is refused' refused
	settle
	says 'by what differs' 'b/backend_override.tf:2: with this change the state would be read from another place than on `main` (`address`)' "$(body)"
	says_not 'without the address' 'evil.invalid' "$(body)"
	says 'the file is told' '`b/backend_override.tf` is an override file: it replaces what other files say, where the state is' "$(body)"
	comment alice plan
	settle
	same 'whoever may plan cannot allow it' 'refused 0' "$(newest b "state||' '||attempts")"
	printf '{"b/main.tf": "%s"}' "$data" | commit moved alice
	open_pull moved alice
	check 'a move is refused as well' wait_for 'comment=`http` -'
	settle
	comment olivia plan
	check 'until an admin comments plan' planned
	settle
	says 'which the comment says' '**`b`**: `b/main.tf` reads the state from another place than the base branch (`http`' "$(body)"
	printf '{"b/more.tf": "# more\\n"}' | commit moved alice
	check 'a further push needs the same again' refused
	settle
}

told() {
	printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {\\n  input = 1\\n  provisioner \\"local-exec\\" {\\n    command = \\"id\\"\\n  }\\n}\\n"}' | commit told alice
	open_pull told alice
	check 'what is easily overlooked does not stop a plan' planned
	settle
	says 'it is told: a protection that goes' '**`a`**: `a/main.tf` `terraform_data.x` loses `prevent_destroy`' "$(body)"
	says 'and a program that is started' '`a/main.tf:3` `terraform_data.x` starts a program when it is applied (`local-exec` provisioner)' "$(body)"
}

part() {
	printf '{"a/more.tf": "resource \\"terraform_data\\" \\"y\\" {}\\n"}' | commit part alice
	open_pull part alice
	check 'a change of two resources is planned' wait_for 'comment=To apply'
	comment alice 'plan -- -target=terraform_data.x'
	check 'a plan of a part says so' wait_for 'comment=not a whole plan, and not applied: `-target=terraform_data.x`'
	settle
	approve bob
	comment bob apply
	check 'and is not applied' wait_for 'comment=The plan leaves a part of the project out'
	settle
	same 'nothing was' 0 "$(sql "SELECT count(*) FROM job WHERE phase='apply' AND project='a'")"
	comment alice plan
	check 'a whole one is' wait_for 'comment=To apply'
	settle
	approve bob # what was approved before was another change
	comment bob apply
	check 'applied' wait_for 'comment=applied 1 of 1' merged=1
	settle
}

begin
engine_double || exit 1 # a plan with a lock file needs the provider's program: this engine asks for none
start_github
start_daemon
printf '{"a/main.tf": "%s", "b/main.tf": "%s", "c/main.tf": "%s", "c/.terraform.lock.hcl": "%s"}' "$data" "$http$data" "$data" \
	"$(lock 5.99.0 aaaaaaaaaaaa=)" | new_repo acme/infra
act permission "$(jq -nc --arg r "$repo" '{repo: $r, user: "olivia", permission: "admin"}')"
act permission "$(jq -nc --arg r "$repo" '{repo: $r, user: "mallory", permission: "write"}')"
lock_file
providers
rm -f "$tmp/path/terraform"
for engine_name in $(engines); do
	use_engine "$engine_name" && break
done
[ -n "${engine:-}" ] || {
	echo 'skip the rest of hygiene: no engine'
	finish
}
stop_daemon
start_daemon
state_elsewhere
told
part
finish
