# Remote modules from push to apply: fetched once, seen by plan and apply alike, whatever their branch does meanwhile.
# time limit: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
begin
need git
need bwrap
engine_name=$(engines | head -n 1)
[ -n "$engine_name" ] || {
	echo 'skip modules: neither terraform nor tofu'
	exit 0
}
use_engine "$engine_name"
tls_world git.example.com
chmod 755 "$tmp"

g() { git -C "$tmp/mods" -c user.email=a@example.com -c user.name=a "$@" >>"$tmp/git.out" 2>&1; }
# module VALUE: the branch main of https://git.example.com/mods.git
module() {
	printf 'resource "terraform_data" "x" {\n  input = "%s"\n}\noutput "value" {\n  value = terraform_data.x.output\n}\n' "$1" >"$tmp/mods/main.tf"
	g add . && g commit -m "$1"
	git_world git.example.com mods
}
mkdir "$tmp/mods"
g init -b main
module one
start_github
write_server_file "egress: { fetch: [\"git.example.com:443=127.0.0.1:$tls_port\"], ca_file: ca.pem }"
start_daemon
printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a }\\n", "a/main.tf": "resource \\"terraform_data\\" \\"y\\" {}\\n"}' >"$tmp/files"
new_repo acme/modules <"$tmp/files"
call() { printf '{"a/main.tf": "module \\"m\\" {\\n  source = \\"git::https://%s?ref=main\\"\\n}\\noutput \\"value\\" {\\n  value = module.m.value\\n}\\n"}' "$1"; }
call git.example.com/mods.git >"$tmp/files"
commit change alice <"$tmp/files"
open_pull change alice
check 'a plan sees the remote module' wait_for 'comment=module.m.terraform_data.x' context=sluice state=success
settle
says 'with its value' '"one"' "$(body)"
digest=$(ls "$tmp/data/modules")
says 'each connection that was made for it has its line' '"git.example.com"' "$(cat "$tmp"/data/logs/*.egress)"
same 'which is kept once' 64 "$(printf %s "$digest" | wc -c)"

module two
find "$tmp/data/fetch/modules" -type f -exec touch -d '10 minutes ago' {} +
approve bob
comment alice apply
check 'it is applied' wait_for 'comment=applied 1 of 1' merged=1
settle
value=$(states pull a --repo "$(state | jq '.repositories[0].id')" 2>/dev/null | jq -r .outputs.value.value)
same 'as it was planned, although its branch moved on' one "$value"
same 'and nothing else was fetched' "$digest" "$(ls "$tmp/data/modules")"

call elsewhere.example.com/mods.git >"$tmp/files"
commit other alice <"$tmp/files"
open_pull other alice
check 'a host that no rule names is told' wait_for 'comment=egress.fetch has no rule for elsewhere.example.com:443'
finish
