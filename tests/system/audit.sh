# `sluice audit`: a real server plans and applies; its log is verified beside it, exported, and every way to change a copy of it is found.
. "$(dirname "$0")/lib.sh"
need sqlite3

audit() { "$sluice" audit "$@" 2>&1; }
ours() { audit "$@" --config "$tmp/sluice-server.yaml"; }
# code WANTED NAME COMMAND...
code() {
	wanted=$1 name=$2
	shift 2
	out=$("$@" </dev/null 2>&1) && rc=0 || rc=$?
	same "$name" "$wanted" "$rc"
}
# tampered NAME SENTENCE SQL: of a fresh copy
tampered() {
	rm -f "$tmp/copy.db"*
	cp "$tmp/kept.db" "$tmp/copy.db"
	sqlite3 "$tmp/copy.db" "DROP TRIGGER audit_not_changed; DROP TRIGGER audit_not_removed; $3" >"$tmp/sqlite.out" 2>&1 || sed 's/^/# /' "$tmp/sqlite.out"
	code 1 "$1: exit code" audit verify --database "$tmp/copy.db" --public-key "$tmp/kept.pub"
	same "$1" "sluice audit: $2" "$out"
}

begin
for engine_name in $(engines); do break; done
[ -n "${engine_name:-}" ] && use_engine "$engine_name" || {
	echo 'skip audit: no engine on this machine'
	exit 0
}
code 2 'without a server file nothing can be looked at' audit verify --config "$tmp/nothing.yaml"
start_github
start_daemon
code 0 'a log of nothing is fine' ours verify
printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {\\n  input = 1\\n}\\n", "sluice.yaml": "version: 1\\nprojects:\\n  - { name: a, dir: a }\\n"}' |
	new_repo acme/infra
printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {\\n  input = 2\\n}\\n"}' | commit change alice
open_pull change alice
check 'the change is planned' wait_for 'comment=To apply' context=sluice state=success
approve bob
comment alice apply
check 'and applied' wait_for 'comment=applied 1 of 1' merged=1
settle
sleep 2.5 # the head is signed every two seconds
same 'beside the running server the log holds' 'true' "$(ours verify --format json | jq .ok)"
same 'all of it is signed' '0' "$(ours verify --format json | jq '.rows - .signed_seq')"
says 'a person is told the head' "head " "$(ours verify)"
head=$(ours verify | sed -n 's/^head //p')

ours export >"$tmp/all.jsonl"
same 'every line of the export is JSON' "$(wc -l <"$tmp/all.jsonl")" "$(jq -c . "$tmp/all.jsonl" | wc -l)"
same 'rows are numbered' true "$(jq -s '[.[].seq] == [range(1; length + 1)]' "$tmp/all.jsonl")"
same 'and chained' true "$(jq -s '. as $r | all(range(1; length); $r[.].prev == $r[. - 1].hash)' "$tmp/all.jsonl")"
same 'the states of the plan run are there' 'queued reading preparing working done' \
	"$(jq -rs '[.[] | select(.kind == "run.state" and .detail.kind == "plan" and .run_id == 1) | .detail.to] | join(" ")' "$tmp/all.jsonl")"
same 'who asked for the apply' alice "$(jq -rs '[.[] | select(.kind == "run.state" and .detail.kind == "apply" and .detail.to == "queued")][0].actor' "$tmp/all.jsonl")"
same 'the jobs ran once each' 'plan running done apply running done' \
	"$(jq -rs '[.[] | select(.kind == "job.state")] | group_by(.job_id) | map([.[0].detail.phase] + [.[].detail.to]) | flatten | join(" ")' "$tmp/all.jsonl")"
# The hash of a row can be computed by anybody, from the line and nothing else.
jq -j '.prev, "|", .seq, "|", .at_ms, "|", (.kind | utf8bytelength), ":", .kind, "|", (.actor | utf8bytelength), ":", .actor, "|", .repo_id, "|", .pull, "|", .run_id, "|",
	.job_id, "|", (.detail | tojson | utf8bytelength), ":", (.detail | tojson)' <<JSON >"$tmp/row"
$(sed -n 3p "$tmp/all.jsonl")
JSON
same 'the hash of a row is what docs/audit.md says' "$(sed -n 3p "$tmp/all.jsonl" | jq -r .hash)" "$(sha256sum "$tmp/row" | cut -d' ' -f1)"
same 'from a row on' "$(($(wc -l <"$tmp/all.jsonl") - 4))" "$(ours export --since 5 | wc -l)"
same 'from a day on' "$(wc -l <"$tmp/all.jsonl")" "$(ours export --since 2020-01-01 | wc -l)"
same 'from a time on' 0 "$(ours export --since 2200-01-01T00:00:00Z | wc -l)"
same 'of a repository' "$(jq -s '[.[] | select(.repo_id != 0)] | length' "$tmp/all.jsonl")" "$(ours export --repo Acme/Infra | wc -l)"
code 1 'of a repository that never was' ours export --repo acme/other
for bad in 'verify --since 3' 'export --expect 1:00' 'verify --expect 7' 'export --since yesterday' 'export --since 2026-1-1' 'verify extra' frobnicate ''; do
	code 2 "wrong words: $bad" ours $bad
done

code 0 'the head that was noted is found again' ours verify --expect "$head"
code 1 'another head is not' ours verify --expect "1:$(echo "${head#*:}" | tr 0-9a-f 1-9a-f0)"
stop_daemon
same 'the last rows are signed before it stops' '0' "$(ours verify --format json | jq '.rows - .signed_seq')"
# One file holds all of it: the journal goes in.
cp "$tmp/data/sluice.db" "$tmp/kept.db"
[ ! -f "$tmp/data/sluice.db-wal" ] || cp "$tmp/data/sluice.db-wal" "$tmp/kept.db-wal"
sqlite3 "$tmp/kept.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >"$tmp/sqlite.out"
rm -f "$tmp/kept.db-wal" "$tmp/kept.db-shm"
cp "$tmp/data/signing.pub" "$tmp/kept.pub"
code 0 'a copy verifies without the server' audit verify --database "$tmp/kept.db" --public-key "$tmp/kept.pub"
n=$(sqlite3 "$tmp/kept.db" 'SELECT max(seq) FROM audit')
tampered 'a changed actor' 'row 3 was changed after it was written' "UPDATE audit SET actor='eve' WHERE seq=3"
tampered 'a changed time' 'row 2 was changed after it was written' 'UPDATE audit SET at_ms=at_ms+1 WHERE seq=2'
tampered 'a row taken out of the middle' 'row 4 was removed' 'DELETE FROM audit WHERE seq=4'
tampered 'the end cut off' "rows $((n - 1)) to $n were removed: the signed head is row $n" "DELETE FROM audit WHERE seq>$n-2"
tampered 'the end cut off, and the head with it' "there are $((n - 2)) rows and no signed head: it was removed, or no server has run since" \
	"DELETE FROM audit WHERE seq>$n-2; DELETE FROM audit_head"
tampered 'the end cut off, and the head bent' "the signed head (row $((n - 2))) was not signed with this key, or was changed since" \
	"DELETE FROM audit WHERE seq>$n-2; UPDATE audit_head SET seq=$n-2, hash=(SELECT hash FROM audit WHERE seq=$n-2)"
tampered 'two rows changed places' 'row 3 was changed after it was written' 'UPDATE audit SET seq=0 WHERE seq=3; UPDATE audit SET seq=3 WHERE seq=4; UPDATE audit SET seq=4 WHERE seq=0'
printf '%064d\n' 0 >"$tmp/other.pub"
code 1 'under another key it does not' audit verify --database "$tmp/kept.db" --public-key "$tmp/other.pub"
echo nothing >"$tmp/other.pub"
code 3 'what is no key is told' audit verify --database "$tmp/kept.db" --public-key "$tmp/other.pub"
code 3 'a database that is not there is told' audit verify --database "$tmp/nothing.db" --public-key "$tmp/kept.pub"
code 3 'what is no database is told' audit verify --database "$tmp/all.jsonl" --public-key "$tmp/kept.pub"

# The end cut off while the server was down: it goes on working, signs nothing, and says why.
sqlite3 "$tmp/data/sluice.db" "DROP TRIGGER audit_not_removed; DELETE FROM audit WHERE seq>$n-2"
start_daemon
sleep 0.5
says 'a server that finds its log changed says so' 'audit.head error=' "$(cat "$tmp/daemon.log")"
code 1 'and leaves the evidence' ours verify
finish
