#!/bin/bash
# `sluice state`: an existing state is brought in, read back, refused where it may not follow, and put back to an older version.
. "$(dirname "$0")/lib.sh"

begin
data=$tmp/data
mkdir -m 700 "$tmp/s" "$data"
printf token >"$tmp/s/token"
printf secret-of-the-test >"$tmp/s/secret"
chmod 600 "$tmp/s/token" "$tmp/s/secret"
cat >"$tmp/s/server.yaml" <<YAML
listen: 127.0.0.1:0
data_dir: $data
github: { token_file: token, webhook_secret_file: secret, api_url: "http://127.0.0.1:1" }
repositories: ["acme/infra"]
YAML
state() { "$sluice" state "$@" --config "$tmp/s/server.yaml" 2>&1; }
of() { printf '{\n  "version": 4,\n  "terraform_version": "1.11.4",\n  "serial": %s,\n  "lineage": "%s",\n  "outputs": {"n": {"value": "%s", "type": "string"}},\n  "resources": []\n}\n' "$1" "$2" "$3"; }
# code WANTED NAME COMMAND...
code() {
	wanted=$1 name=$2
	shift 2
	out=$("$@" </dev/null) && rc=0 || rc=$?
	same "$name" "$wanted" "$rc"
}

code 1 "before the server ever ran there is nothing to look at" state list
"$sluice" serve --config "$tmp/s/server.yaml" 2>"$tmp/s/log" &
daemon_pid=$!
for _ in $(seq 100); do
	grep -q serve.listening "$tmp/s/log" && break
	sleep 0.05
done
same "beside a running server it is refused to change anything" "sluice state: $data is in use by another sluice: stop it first" \
	"$(of 3 one a | state push net --repo 7)"
same "reading beside it is fine" "" "$(state list)"
end "$daemon_pid"
daemon_pid=

same "a state comes in" "net: serial 3 is in force" "$(of 3 one a | state push net --repo 7)"
same "and out as it was" "$(of 3 one a)" "$(state pull net)"
same "the next serial follows" "net: serial 4 is in force" "$(of 4 one b | state push net --repo 7)"
says "an older serial does not" "serial 2 does not follow serial 4 in force" "$(of 2 one c | state push net --repo 7)"
says "another lineage does not" "lineage two is not the lineage one in force" "$(of 9 two c | state push net --repo 7)"
same "nothing is left of what was refused" 2 "$(ls "$data/states" | wc -l)"
says "what is no state is refused" "sluice state: state" "$(echo '{"a":1}' | state push net --repo 7)"
code 2 "standard input may not be empty" state push net --repo 7
same "a workspace has a state of its own" "net: serial 1 is in force" "$(of 1 three p | state push net --repo 7 --workspace prod)"
says "then the name alone is not enough" "name one with --repo ID and --workspace NAME" "$(state pull net)"
same "with its workspace it is" "$(of 1 three p)" "$(state pull net --workspace prod)"
same "an older version comes back under a new serial" "net: serial 5 is in force" "$(state rollback net --to 3 --workspace default)"
same "with the values it had" "$(of 5 one a)" "$(state pull net --workspace default)"
same "all versions are listed, newest first" "5 4 3 1" "$(state show net --format json | jq -r '[.[].serial] | join(" ")')"
same "what is in force is listed" "default 5 prod 1" "$(state list --format json | jq -r '[.[] | .workspace, .serial] | join(" ")')"
code 1 "a serial that never was cannot come back" state rollback net --to 77 --workspace default
code 1 "an unknown project has no state" state pull web
code 2 "push names its repository" state push net
same "no value is on disk in clear" "" "$(grep -lraF '"value"' "$data")"
finish
