# Bytes that are not GitHub's, not whole, not JSON, too many, too slow, or sent twice.
. "$(dirname "$0")/lib.sh"

need openssl
need cc
begin
cc -std=gnu11 -D_GNU_SOURCE -O1 -o "$tmp/raw_client" "$root/tests/system/raw_client.c" || {
	not_ok 'the raw client compiles'
	exit 1
}
use_engine "$(engines | head -n 1)" || { echo "skip webhooks_bad: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
url=http://127.0.0.1:$port/webhooks/github
sign() { printf 'sha256=%s' "$(openssl dgst -sha256 -hmac "${2:-$SECRET}" -r <"$1" | cut -d ' ' -f 1)"; }
# send EVENT GUID FILE SIGNATURE [CURL OPTION...]: prints the status
send() {
	send_event=$1 send_guid=$2 send_file=$3 send_sum=$4
	shift 4
	curl -s -o "$tmp/answer" -w '%{http_code}' --max-time 20 -H 'Content-Type: application/json' -H "X-GitHub-Event: $send_event" \
		-H "X-GitHub-Delivery: $send_guid" ${send_sum:+-H "X-Hub-Signature-256: $send_sum"} --data-binary "@$send_file" "$@" "$url"
}
told() { metric "sluice_webhooks_total{disposition=\"$1\"}"; }

printf '{"zen":"x"}' >"$tmp/ping"
same 'ping is answered' 200 "$(send ping p1 "$tmp/ping" "$(sign "$tmp/ping")")"
same 'a wrong signature' 401 "$(send ping p2 "$tmp/ping" "$(sign "$tmp/ping" other)")"
same 'a missing signature' 401 "$(send ping p3 "$tmp/ping" '')"
same 'a signature of the older kind' 401 "$(send ping p4 "$tmp/ping" 'sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709')"
same 'an unknown event is ignored' 200 "$(send star p5 "$tmp/ping" "$(sign "$tmp/ping")")"
printf '{"action":' >"$tmp/broken"
same 'broken JSON' 400 "$(send pull_request p6 "$tmp/broken" "$(sign "$tmp/broken")")"
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "["; }' >"$tmp/deep"
same 'JSON that is too deep' 400 "$(send pull_request p7 "$tmp/deep" "$(sign "$tmp/deep")")"
same 'nothing of it is stored' 0 "$(told stored)"
says 'and the reason is logged' 'intake.refused status=400' "$(cat "$tmp/daemon.log")"
same 'form encoding' 415 "$(curl -s -o "$tmp/answer" -w '%{http_code}' --max-time 5 -H 'X-GitHub-Event: push' -H 'X-GitHub-Delivery: p8' \
	-H "X-Hub-Signature-256: $(sign "$tmp/ping")" -d payload=x "$url")"
same 'GET' 405 "$(curl -s -o "$tmp/answer" -w '%{http_code}' "$url")"
says_not 'the secret is not in the log' "$SECRET" "$(cat "$tmp/daemon.log")"

raw() { "$tmp/raw_client" "$port" "$tmp/raw" "$1"; }
head -c 27262976 /dev/zero >"$tmp/large"
same 'a body of 26 MB' 413 "$(send push p9 "$tmp/large" sha256=00 -H 'Expect:')"
printf 'POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: p9\r\nX-Hub-Signature-256: sha256=00\r\nExpect: 100-continue\r\nContent-Length: 27262976\r\n\r\n' >"$tmp/raw"
says 'one that is announced is refused before it is sent' ' 413 ' "$(raw 5)"

printf '{"ref":"refs/heads/x","deleted":false,"repository":{"id":1,"full_name":"acme/infra"},"before":"0000000000000000000000000000000000000000","after":"0000000000000000000000000000000000000000","sender":{"id":1,"login":"alice","type":"User"}}' >"$tmp/push"
same 'a delivery' 202 "$(send push twice "$tmp/push" "$(sign "$tmp/push")")"
same 'the same again' 200 "$(send push twice "$tmp/push" "$(sign "$tmp/push")")"
same 'is stored once' 1 "$(told stored)"
same 'and counted' 1 "$(told repeated)"
printf '{"action":"opened","number":"not a number","repository":{}}' >"$tmp/odd"
same 'JSON that lacks what its event needs is kept and ignored' 202 "$(send pull_request odd "$tmp/odd" "$(sign "$tmp/odd")")"

# A sender that says nothing, and one that stops in its head, are cut at the header deadline.
printf 'POST /webhooks/github HTTP/1.1\r\nHost: x\r\n' >"$tmp/raw"
raw 20 >"$tmp/cut" &
slow_one=$!
: >"$tmp/nothing"
"$tmp/raw_client" "$port" "$tmp/nothing" 20 >"$tmp/cut_silent" &
slow_two=$!
same 'others are served meanwhile' 200 "$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 "http://127.0.0.1:$port/healthz")"
wait $slow_one $slow_two
says 'a sender that stops in its head is cut' closed "$(cat "$tmp/cut")"
says 'and one that says nothing' closed "$(cat "$tmp/cut_silent")"
at_most 'within the deadline' 15 "$(sed 's/.* after \([0-9]*\) s/\1/' "$tmp/cut" "$tmp/cut_silent" | sort -n | tail -n 1)"

# One run for a delivery that comes twice.
printf '{"sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a }\\n", "a/main.tf": "# nothing\\n"}' >"$tmp/files"
new_repo acme/infra <"$tmp/files"
faults 'hook=duplicate'
printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {}\\n"}' | commit change alice
open_pull change alice
check 'a doubled delivery is planned' wait_for 'comment=To apply' context=sluice state=success
settle
same 'in one run' 1 "$(sed -n 's/.*run.enter run=\([0-9]*\) .*/\1/p' "$tmp/daemon.log" | sort -u | wc -l | tr -d ' ')"
same 'with one comment' 1 "$(main_comments | jq length)"
finish
