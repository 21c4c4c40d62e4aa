# What GitHub did not tell: pull requests opened, pushed, closed and merged while the daemon was away.
. "$(dirname "$0")/lib.sh"

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
base=$(
	cat <<JSON
{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b }\n  - { name: m, dir: m, apply: on_merge }\n",
"a/main.tf": "$(tf 1)", "b/main.tf": "$(tf 1)", "m/main.tf": "$(tf 1)"}
JSON
)
change() { printf '{"%s/main.tf": "%s"}' "$1" "$(tf "$2")"; }
planned() { wait_for 'comment=To apply' context=sluice state=success; }
logged() { # PATTERN: within wait_ms
	logged_n=0
	until grep -q "$1" "$tmp/daemon.log"; do
		logged_n=$((logged_n + 1))
		[ $logged_n -lt $((wait_ms / 100)) ] || return 1
		sleep 0.1
	done
}

begin
for engine in $(engines); do break; done
use_engine "${engine:-terraform}" || { echo "skip reconcile: no engine"; exit 0; }
start_github
write_server_file
sed -i 's|^github: {|github: { reconcile: 10s,|' "$tmp/sluice-server.yaml"
start_daemon
stop_daemon # the port is in the file now, and a plan is bound to the file
start_daemon
printf '%s' "$base" | new_repo acme/infra

change a 2 | commit one alice
open_pull one alice
first=$pr
check 'a plan as usual' planned
change m 2 | commit two alice
open_pull two alice
second=$pr
check 'and another one' planned
change b 5 | commit three alice
open_pull three alice
third=$pr
check 'and a third' planned
settle
act webhook "$(jq -nc '{url: "http://127.0.0.1:9/nobody", secret: "x"}')" # from here on nothing arrives
stop_daemon

pr=$first
change a 3 | commit one alice
pr=$second
approve bob
merge alice
pr=$third
pull_act alice closed
change b 2 | commit four alice
open_pull four alice
fourth=$pr
launch
check 'the daemon starts again' logged 'reconcile.plan'
pr=$fourth
check 'a pull request that was opened meanwhile is planned' planned
pr=$first
check 'a head that was pushed meanwhile is planned' wait_for 'comment=To apply' context=sluice state=success
check 'a merge that nobody told is looked at' logged "reconcile.closed .*pull=$second merged=1"
check 'and so is a pull request that was closed' logged "reconcile.closed .*pull=$third merged=0"
pr=$second
check 'what applies on merge is applied' wait_for 'comment=applied 1 of 1'
settle
same 'four plans and closings, each once' 4 "$(grep -c 'reconcile.plan\|reconcile.closed' "$tmp/daemon.log")"
runs_then=$(grep -c 'run.enter' "$tmp/daemon.log")
sleep 11
same 'a round that finds nothing starts nothing' "$runs_then" "$(grep -c 'run.enter' "$tmp/daemon.log")"
check 'and is counted' test "$(metric sluice_reconcile_rounds_total)" -ge 2
same 'plans that were found' 2 "$(metric sluice_reconcile_plans_total)"
finish
