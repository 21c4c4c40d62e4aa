# Attacks on the service itself: words in comments that want more than their writers may, and bytes that are not GitHub's.
# time limit: 150
. "$(dirname "$0")/lib.sh"

sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1" | paste -sd' ' -; }
jobs_so_far() { sql 'SELECT count(*) FROM job'; }
ran() { find "$tmp" "$PWD" "$root" -maxdepth 3 -name 'ran-*' 2>/dev/null; }
# refused_comment NUMBER USER TEXT: no job comes of it
refused_comment() {
	comment_now "$2" "$3"
	settle
	no_job "$1" "$3"
}
no_job() { verdict_of stopped "$1" "no job comes of: $(printf '%s' "$2" | head -n 1)" same "$jobs_before" "$(jobs_so_far)"; }

plan_something() {
	repo=acme/infra
	jq -nc '{"sluice.yaml": "version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: p, dir: p, engine: pulumi }\n",
		"a/main.tf": "resource \"terraform_data\" \"x\" {\n  input = 1\n}\n", "p/Pulumi.yaml": "name: p\nruntime: nodejs\n"}' | new_repo "$repo"
	act permission "$(jq -nc --arg r "$repo" '{repo: $r, user: "mallory", permission: "read"}')"
	jq -nc '{"a/main.tf": "resource \"terraform_data\" \"x\" {\n  input = 2\n}\n",
		"p/Pulumi.yaml": "name: p\nruntime: nodejs\nmain: run.js\n", "p/run.js": "require(\"fs\").writeFileSync(\"/tmp/ran-10\", \"\")\n",
		"p/package.json": "{\"scripts\": {\"preinstall\": \"touch /tmp/ran-10\"}}"}' | commit change alice
	open_pull change alice
	check 'there is a plan to attack' wait_for context=sluice/a state=success
	check 'and all is told' wait_for "by=$WRITER" context=sluice
	settle
	jobs_before=$(jobs_so_far)
}
programs() {
	stopped 10 'a Pulumi program is refused' same 'refused' "$(sql "SELECT state FROM job WHERE project='p'")"
	stopped 10 'and nothing of it ran' same '' "$(ran)"
	for word in test console 'apply -auto-approve' init; do refused_comment 9 alice "$word"; done
}
flags() {
	later_than_push
	for flags in '-plugin-dir=./x' '-chdir=../../other' '-from-module=http://127.0.0.1/' '-backend-config=address=http://127.0.0.1/'; do
		refused_comment 6 alice "plan -- $flags"
	done
	for flags in -destroy '-var-file=/etc/passwd' '-state=/etc/passwd' '-out=../x' '-generate-config-out=../x.tf' '-lock=false' '-var=a=b' '-target=a.b -destroy' \
		'-parallelism=1000' '-target=$(touch${IFS}ran-79)' '-input=true' '@/etc/passwd' '-help' '--' "-target='a.b;id'"; do
		refused_comment 79 alice "plan -- $flags"
	done
	stopped 79 'it is said which flags there are' says '-target' "$(replies)$(body)"
}
words() {
	for word in 'plan -p "$(touch${IFS}ran-78)"' 'plan -d `touch${IFS}ran-78`' 'plan -w "x;touch ran-78"' 'plan -d ../../etc' 'plan -d /etc' 'plan -w ../../x' \
		'plan -p a;touch ran-78' 'apply -p --upload-pack=x' 'plan -p a --config x'; do
		refused_comment 78 alice "$word"
	done
	stopped 78 'no shell saw any of it' same '' "$(ran)"
}
strangers() {
	for word in plan apply unlock cancel 'ok-to-plan 0123456789' 'resolve 1 --as applied'; do refused_comment 77 mallory "$word"; done
	for word in '> plan' '    plan' '`plan`' "$(printf 'thanks\nplan')" "$(printf '```\nplan\n```')" 'please plan' 'plan, please'; do refused_comment 77 alice "$word"; done
	comment_now alice 'nothing to see'
	act comment_act "$(jq -nc --arg r "$repo" --argjson id "$(said id)" '{repo: $r, user: "alice", id: $id, body: "plan"}')"
	settle
	no_job 77 'an edit'
	for word in unlock cancel 'apply -p a --destroy'; do refused_comment 82 mallory "$word"; done
	stopped 82 'its plan stands' same 'success 1 to add' "$(status sluice/a)"
}
sign() { printf 'sha256=%s' "$(openssl dgst -sha256 -hmac "${2:-$SECRET}" -r <"$1" | cut -d ' ' -f 1)"; }
# send GUID FILE SIGNATURE: prints the status
send() {
	curl -s -o "$tmp/answer" -w '%{http_code}' --max-time 20 -H 'Content-Type: application/json' -H 'X-GitHub-Event: issue_comment' \
		-H "X-GitHub-Delivery: $1" ${3:+-H "X-Hub-Signature-256: $3"} --data-binary "@$2" "http://127.0.0.1:$port/webhooks/github"
}
forged() {
	id=$(state | jq --arg r "$repo" '.repositories[] | select(.full_name == $r) | .id')
	jq -nc --argjson n "$pr" --argjson id "$id" --arg r "$repo" '{action: "created", issue: {number: $n, pull_request: {url: "x"}, state: "open"},
		comment: {id: 99, body: "apply", user: {id: 1, login: "olivia", type: "User"}, created_at: "2030-01-01T00:00:00Z", updated_at: "2030-01-01T00:00:00Z"},
		repository: {id: $id, full_name: $r, owner: {login: "acme", id: 1}, name: "infra"}, sender: {id: 1, login: "olivia", type: "User"}}' >"$tmp/forged"
	stopped 83 'a comment that GitHub did not sign' same '401 401 401' \
		"$(send f1 "$tmp/forged" '') $(send f2 "$tmp/forged" "$(sign "$tmp/forged" guess)") $(send f3 "$tmp/forged" "sha256=$(printf '%064d' 0)")"
	printf ' ' | cat "$tmp/forged" - >"$tmp/forged2"
	stopped 83 'a signature of other bytes' same 401 "$(send f4 "$tmp/forged2" "$(sign "$tmp/forged")")"
	settle
	no_job 83 'a forged comment'
	index=$(state | jq '[.deliveries[] | .event] | rindex("pull_request")')
	act redeliver "{\"index\": $index}"
	settle
	stopped 84 'a delivery that comes again makes no job' same "$jobs_before" "$(jobs_so_far)"
	stopped 84 'nor merges' same false "$(of_pull .merged)"
}
# raw TEXT: what the server answers to these bytes, as printf writes them
raw() { printf "$1" | "$probe" send "$port" 2>/dev/null | tr -d '\r'; }
# smuggled NAME TEXT: the request that is hidden in it is not answered
smuggled() {
	got=$(raw "$2")
	stopped 87 "$1: the hidden request has no answer" same 0 "$(printf '%s\n' "$got" | grep -c '^sluice_\|^HTTP/1.1 200')"
	stopped 87 "$1: what is answered is refused" same '' "$(printf '%s\n' "$got" | grep '^HTTP/1.1' | grep -v '^HTTP/1.1 4')"
}
smuggling() {
	says '87: a request that is not hidden is answered' '^HTTP/1.1 200' "^$(raw 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' | head -n 1)"
	post='POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: r1\r\nX-Hub-Signature-256: sha256=00\r\n'
	hidden='GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' # 34 bytes, which the other reading takes for a body
	smuggled 'length and chunks' "${post}Content-Length: 39\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$hidden"
	smuggled 'chunks and length' "${post}Transfer-Encoding: chunked\r\nContent-Length: 39\r\n\r\n0\r\n\r\n$hidden"
	smuggled 'two lengths' "${post}Content-Length: 0\r\nContent-Length: 34\r\n\r\n$hidden"
	smuggled 'two lengths the other way' "${post}Content-Length: 34\r\nContent-Length: 0\r\n\r\n$hidden"
	smuggled 'a space before the colon' "${post}Content-Length : 34\r\n\r\n$hidden"
	smuggled 'a length with a sign' "${post}Content-Length: +34\r\n\r\n$hidden"
	smuggled 'chunks by another name' "${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n$hidden"
	smuggled 'chunks with a bad size' "${post}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n$hidden"
	smuggled 'chunks with a sign' "${post}Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n$hidden"
}

# A daemon of an ordinary user, looked at by that user: what a job would be, were it out of its box.
theft() {
	thief=$(users | tail -n 1)
	make_place
	mkdir "$place/daemon"
	engine_in_place "$(engines | head -n 1)"
	cp "$tmp/token" "$tmp/secret" "$place/daemon/"
	printf 'listen: 127.0.0.1:0\ndata_dir: data\ngithub: { api_url: "%s", token_file: token, webhook_secret_file: secret }\nrepositories: ["acme/none"]\n' "$github" \
		>"$place/daemon/sluice-server.yaml"
	chmod 600 "$place/daemon"/*
	[ "$(id -u)" != 0 ] || chown -R "$thief" "$place/daemon"
	(as_exec "$thief" env -i PATH="$place" SECRET=environ-18 "$place/sluice" serve --config "$place/daemon/sluice-server.yaml") >"$tmp/theft.log" 2>&1 </dev/null &
	theft_pid=$! theft_n=0
	until grep -q serve.listening "$tmp/theft.log" || [ $theft_n -gt 200 ]; do
		sleep 0.05
		theft_n=$((theft_n + 1))
	done
	check 'a daemon of an ordinary user listens' test -n "$(grep serve.listening "$tmp/theft.log")" || sed 's/^/# /' "$tmp/theft.log"
	(as_exec "$thief" sleep 30) &
	theft_control=$!
	sleep 0.2
	says 'a user reads the environment of other processes' PATH "$(as "$thief" cat "/proc/$theft_control/environ" | tr '\0' ' ')"
	kill "$theft_control"
	theft_seen=''
	for theft_of in "$theft_pid" $(pgrep -P "$theft_pid"); do
		for theft_file in environ maps mem auxv; do
			as "$thief" head -c 1 "/proc/$theft_of/$theft_file" >"$tmp/stolen" 2>/dev/null && theft_seen="$theft_seen $theft_file"
			[ ! -s "$tmp/stolen" ] || theft_seen="$theft_seen $theft_file"
		done
		[ -z "$(as "$thief" ls "/proc/$theft_of/fd" 2>/dev/null)" ] || theft_seen="$theft_seen fd"
	done
	stopped 18 'nothing of the daemon or its key agent is read by a process of its user' same '' "$theft_seen"
	end "$theft_pid"
}

begin_attacks
need openssl
need sqlite3
use_engine "$(engines | head -n 1)" || { echo "skip service: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
plan_something
programs
flags
words
strangers
forged
smuggling
[ "$(id -u)" != 0 ] || [ "$(users | tail -n 1)" != root ] && theft
[ -z "${ATTACKS_KEEP:-}" ] || { body; replies; }
finish
