# The network of jobs, from the server's file to the audit log: what is not listed is refused and told, a project's own list only narrows, a project
# gets the host's programs only where the operator says so.
. "$(dirname "$0")/lib.sh"
need sqlite3

sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1" | paste -sd' ' -; }
# reads HOST: a project that reads a state from there while it is planned
reads() { printf 'data \\"terraform_remote_state\\" \\"x\\" {\\n  backend = \\"http\\"\\n  config = {\\n    address = \\"https://%s/state\\"\\n    retry_max = 0\\n  }\\n}\\n' "$1"; }
# project REPO HOST SLUICE_YAML: a repository with one, and a pull request that makes it read from there
project() {
	repo=$1
	printf '{"sluice.yaml": "%s", "a/main.tf": "# a\\n"}' "$3" | new_repo "$repo"
	printf '{"a/main.tf": "%s"}' "$(reads "$2")" | commit change alice
	open_pull change alice
}
yaml='version: 1\nprojects:\n  - { name: a, dir: a'
last_job() { sql "SELECT $1 FROM job ORDER BY id DESC LIMIT 1"; }

begin
for engine_name in $(engines); do
	use_engine "$engine_name" && break
done
[ -n "${engine:-}" ] || {
	echo 'skip egress: no engine'
	exit 0
}
start_github
write_server_file 'egress:
  plan: ["listed.example:443=127.0.0.1:9", "*.more.example:443"]
  repositories: { "acme/special": { plan: ["special.example:443=127.0.0.1:9"] } }
sandbox: { compat: ["acme/legacy"] }'
start_daemon

project acme/unlisted evil.example "$yaml }\n"
check 'a host that is not listed fails the plan' wait_for 'comment=failed' context=sluice state=failure
settle
same 'it was refused' '1 1' "$(last_job "(connections>0)||' '||(connections_refused=connections)")"
same 'which is on record' "a plan 1" "$(sql "SELECT json_extract(detail, '$.project')||' '||json_extract(detail, '$.phase')||' '||(json_extract(detail, '$.refused')>0) FROM audit WHERE kind='egress'")"
log=$tmp/data/logs/$(last_job id).egress
says 'with the line that names it' '"host":"evil.example"' "$(cat "$log")"
same 'whose hash is' "$(sha256sum "$log" | cut -d' ' -f1)" "$(sql "SELECT json_extract(detail, '$.log_sha256') FROM audit WHERE kind='egress'")"
same 'the numbers say so' "$(last_job "connections||' '||connections_refused")" "$(metric sluice_egress_connections_total) $(metric sluice_egress_refused_total)"
page=$(curl -s "$(body | sed -n 's/.*(\(http[^)#]*\/runs\/[0-9]*?k=[0-9a-f]*\).*/\1/p' | head -n 1 | sed "s|http://[^/]*|http://127.0.0.1:$port|")")
says 'and the page of the run' 'evil.example' "$(printf '%s' "$page" | sed -n 's/.*Connections: [0-9]*, refused: [1-9][0-9]*<\/h3><ul>\(.*\)<\/ul>.*/\1/p')"

project acme/listed listed.example "$yaml }\n"
check 'a host that is listed is let through, to where it is pinned' wait_for 'comment=failed' context=sluice state=failure
settle
same 'nobody listens there, but nothing was refused' '1 0' "$(last_job "(connections>0)||' '||connections_refused")"

project acme/special special.example "$yaml }\n"
check 'further rules of one repository' wait_for 'comment=failed' context=sluice state=failure
settle
same 'hold there' '1 0' "$(last_job "(connections>0)||' '||connections_refused")"
project acme/ordinary special.example "$yaml }\n"
check 'and not elsewhere' wait_for 'comment=failed' context=sluice state=failure
settle
same 'where it is refused' 1 "$(last_job connections_refused\>0)"

project acme/narrow listed.example "$yaml, egress: { plan: [\\\"x.more.example:443\\\"] } }\n"
check "a project's own list narrows" wait_for 'comment=failed' context=sluice state=failure
settle
same 'what it leaves out is refused' 1 "$(last_job connections_refused\>0)"
project acme/wide listed.example "$yaml, egress: { plan: [\\\"evil.example:443\\\"] } }\n"
check 'and opens nothing' wait_for 'comment=`a` wants to connect to `evil.example:443`'
settle
same 'no job ran' refused "$(last_job state)"

project acme/modern listed.example "$yaml, sandbox: compat }\n"
check 'the programs of the host are for whom the operator says' wait_for 'comment=`a` asks for `sandbox: compat`'
settle
same 'and no job ran' refused "$(last_job state)"
project acme/legacy listed.example "$yaml, sandbox: compat }\n"
check 'who gets them' wait_for 'comment=failed' context=sluice state=failure
settle
same 'with the same network' 'compat 1 0' "$(last_job "sandbox||' '||(connections>0)||' '||connections_refused")"
finish
