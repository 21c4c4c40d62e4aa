# How well this host holds a job in: found at the start, said in comments, statuses and metrics, kept with each job; and without a sandbox nothing runs.
. "$(dirname "$0")/lib.sh"
need sqlite3

tf() { printf 'resource \\"terraform_data\\" \\"x\\" {\\n  input = %s\\n}\\n' "$1"; }
change() { printf '{"a/main.tf": "%s"}' "$(tf "$1")"; }
sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1" | paste -sd' ' -; }
tier() { curl -s --max-time 5 "http://127.0.0.1:$port/metrics" | sed -n 's/^sluice_sandbox_tier{tier="\([a-z]*\)"} 1$/\1/p'; }
known() {
	known_n=0
	until [ -n "$(tier)" ]; do
		known_n=$((known_n + 1))
		[ $known_n -lt 200 ] || return 1
		sleep 0.1
	done
}

begin
for engine_name in $(engines); do
	use_engine "$engine_name" && break
done
[ -n "${engine:-}" ] || {
	echo 'skip floor: no engine'
	exit 0
}
start_github
start_daemon
printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a }\\n", "a/main.tf": "%s"}' "$(tf 1)" | new_repo acme/infra
check 'the start finds out how well this host holds jobs in' known
found=$(tier)
says 'and logs it' "sandbox.tier tier=$found" "$(cat "$tmp/daemon.log")"
if [ "$found" = none ] || [ "$found" = reduced ]; then
	echo "skip floor: this host is $found"
else
	change 2 | commit one alice
	open_pull one alice
	check 'a plan' wait_for 'comment=To apply' context=sluice state=success
	settle
	same 'the job was held as the start had found' "$found" "$(sql 'SELECT isolation FROM job')"
	says 'the comment says so' "sandbox: $found" "$(body)"
	pull_act alice closed
	settle
fi

# The same program, where it cannot find what goes into the box.
stop_daemon
mkdir "$tmp/alone"
cp "$sluice" "$tmp/alone/sluice"
daemon_program=$tmp/alone/sluice
write_server_file 'sandbox: { floor: reduced, below_floor: ["acme/*"] }'
start_daemon
check 'a start without a sandbox' known
same 'is none' none "$(tier)"
same 'and serves' 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/readyz")"
change 3 | commit two alice
open_pull two alice
check 'nothing runs without one, whatever the server file says' wait_for 'comment=no sandbox stands on this server, and nothing runs without one'
settle
same 'no job ran' 'refused' "$(sql "SELECT state FROM job WHERE pull=$pr")"
says_not 'and its commit is not green' success "$(status sluice)"
says 'the log says what to do' 'sandbox.tier tier=none' "$(cat "$tmp/daemon.log")"

# It is asked anew at each start.
stop_daemon
daemon_program=
start_daemon
check 'with one again' known
same 'it is found again' "$found" "$(tier)"
if [ "$found" != none ]; then
	comment alice plan
	check 'and what was refused is planned' wait_for 'comment=To apply' context=sluice state=success
	settle
fi
finish
