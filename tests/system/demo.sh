# The two forms of the demo: told to its end, and served for a person.
. "$(dirname "$0")/lib.sh"

begin
use_engine "$(engines | head -n 1)" || { echo "skip demo: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
PATH="$tmp/path:$PATH" timeout 100 "$sluice" demo >"$tmp/demo.out" 2>&1
same 'sluice demo ends well' 0 $?
for words in 'has planned the two projects' refused 'bob approves' 'applied 2 of 2' 'www.example.com' 'Each step held'; do
	says "it shows: $words" "$words" "$(cat "$tmp/demo.out")"
done
dir=$(sed -n 's|.* from \(/.*\)/data; .*|\1|p' "$tmp/demo.out")
check 'and leaves nothing behind' [ -n "$dir" -a ! -e "$dir" ]

PATH="$tmp/path:$PATH" "$sluice" demo --serve >"$tmp/serve.out" 2>&1 &
github_pid=$!
serve_n=0
until github=$(sed -n 's|^Open \(http[^ ]*\)/ in a browser.*|\1|p' "$tmp/serve.out") && [ -n "$github" ]; do
	serve_n=$((serve_n + 1))
	[ $serve_n -lt 200 ] && alive "$github_pid" || break
	sleep 0.1
done
page() { curl -s --max-time 10 "$github$1"; }
says 'the page names the repository' acme/infra "$(page /)"
printf '{"live/dns/main.tf": "resource \\"terraform_data\\" \\"zone\\" {\\n  input = \\"example.net\\"\\n}\\n"}' | commit change alice
open_pull change alice
check 'a pull request is planned' wait_for 'comment=To apply'
says 'and its page shows the plan' 'To apply' "$(page "/$repo/pull/$pr/live")"
comment alice apply
check 'a comment is answered' wait_for comment=refused
approve bob
comment alice apply
check 'and after an approval applied' wait_for 'comment=applied 1 of 1' merged=1
dir=$(sed -n 's|.* from \(/.*\)/data; .*|\1|p' "$tmp/serve.out")
kill -INT "$github_pid"
wait "$github_pid"
same 'Ctrl-C ends it well' 0 $?
github_pid=''
check 'and clears up' [ ! -e "$dir" ]
finish
