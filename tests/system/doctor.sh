#!/bin/bash
# `sluice doctor`: what it says about this machine and about a server file, as root and as an ordinary user; what is broken is named, with the way out.
. "$(dirname "$0")/lib.sh"

tmp=$(mktemp -d)
trap 'chmod -R u+rwx "$tmp"; rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir -m 700 "$tmp/data"
mkdir "$tmp/mirror"
printf 'token-that-nobody-sees' >"$tmp/token"
printf 'secret-that-nobody-sees' >"$tmp/secret"
printf -- '-----BEGIN RSA PRIVATE KEY-----\nkey-that-nobody-sees\n-----END RSA PRIVATE KEY-----\n' >"$tmp/app.pem"
chmod 600 "$tmp/token" "$tmp/secret" "$tmp/app.pem"
# config NAME KEYS...: a server file with these keys on top
config() {
	name=$tmp/$1.yaml
	shift
	{
		echo "data_dir: data"
		echo 'github: { app: { id: 7, private_key_file: app.pem }, webhook_secret_file: secret }'
		echo 'repositories: ["acme/infra"]'
		printf '%s\n' "$@"
	} >"$name"
	echo "$name"
}
# doctor WANTED NAME OPTIONS...: exit code, and the output in $out
doctor() {
	wanted=$1 name=$2
	shift 2
	out=$("$sluice" doctor "$@" 2>&1 </dev/null) && rc=0 || rc=$?
	same "$name" "$wanted" "$rc"
	[ "$rc" = "$wanted" ] || printf '%s\n' "$out" | sed 's/^/# /'
}

doctor 2 "an option that does not exist" --fix
doctor 2 "a file that does not exist" --config "$tmp/nowhere.yaml"
says "is named" nowhere.yaml "$out"
doctor 2 "a file with mistakes" --config "$(config mistakes 'limitz: {}')"
says "which are named with their place" 'mistakes.yaml:4:1:' "$out"

if ! command -v bwrap >/dev/null || ! unshare -U true 2>/dev/null; then
	echo "skip what it says of a box: there can be none here"
	finish
fi

doctor 0 "this machine" --config "$(config plain 'providers: { mirror: mirror }')"
says "has a box" 'stands, and the canary came to its end' "$out"
says "can read its secret" 'can be read, by its owner alone' "$out"
says "has an empty mirror, which is weak" 'it is empty' "$out"
says "tells what it may fetch from" 'rules of `egress.fetch`' "$out"
says_not "no secret is printed" nobody-sees "$out"
doctor 0 "a server that fetches nothing" --config "$(config nothing 'egress: { fetch: [] }')"
says "says so" 'nothing is fetched' "$out"
json=$("$sluice" doctor --config "$tmp/plain.yaml" --format json </dev/null)
same "JSON says the same" true "$(printf '%s' "$json" | jq .ok)"
tier=$(printf '%s' "$json" | jq -r .tier)
same "and its tier is that of the canary" "$tier" "$(printf '%s' "$json" | jq -r .canary.tier)"
same "every finding has a verdict" 0 "$(printf '%s' "$json" | jq '[.findings[] | select(.verdict | test("^(ok|weak|bad)$") | not)] | length')"
same "what is not ok has a way out" 0 "$(printf '%s' "$json" | jq '[.findings[] | select(.section == "isolation" and .verdict == "bad" and .fix == null)] | length')"
says_not "no secret is in it" nobody-sees "$json"

# The floor decides: what is not reached is bad.
floor=$(config floor 'sandbox: { floor: full }')
if [ "$tier" = full ]; then
	doctor 0 "the highest floor is reached here" --config "$floor"
else
	doctor 1 "the highest floor is not reached here" --config "$floor"
	says "and that is said" "$tier; the floor is full: jobs of pull requests are refused" "$out"
fi

# What is broken, one at a time.
chmod 644 "$tmp/secret"
doctor 1 "a secret that others can read" --config "$tmp/plain.yaml"
says "comes with its mending" 'chmod 0600' "$out"
chmod 600 "$tmp/secret"
: >"$tmp/empty"
chmod 600 "$tmp/empty"
sed 's/: secret /: empty /' "$tmp/plain.yaml" >"$tmp/other.yaml"
doctor 1 "an empty secret" --config "$tmp/other.yaml"
sed 's/app.pem/token/' "$tmp/plain.yaml" >"$tmp/other.yaml"
doctor 1 "an App key that is no key" --config "$tmp/other.yaml"
says "is told" 'is not in the PEM form' "$out"
says_not "and not shown" nobody-sees "$out"
chmod 755 "$tmp/data"
doctor 1 "a data directory that others can look into" --config "$tmp/plain.yaml"
says "is named with its mode" 'mode 0755 lets others look in' "$out"
chmod 700 "$tmp/data"
sed 's|^data_dir: data|data_dir: secret/data|' "$tmp/plain.yaml" >"$tmp/other.yaml"
doctor 1 "a data directory that cannot be" --config "$tmp/other.yaml"
sed 's|^data_dir: data|data_dir: new/data|' "$tmp/plain.yaml" >"$tmp/other.yaml"
doctor 0 "a data directory that will be made" --config "$tmp/other.yaml"
says "is said to be that" 'will be made' "$out"
doctor 1 "a mirror that is not there" --config "$(config mirror 'providers: { mirror: nowhere }')"
doctor 1 "a job that needs more memory than there is" --config "$(config memory 'limits: { memory: 2GiB, memory_total: 1GiB }')"
says "is told what to lower" 'not one job fits: lower `limits.memory`' "$out"
printf 'no certificate' >"$tmp/ca.pem"
doctor 1 "CA certificates that are none" --config "$(config ca 'egress: { ca_file: ca.pem }')"
says "are named by their key" 'egress.ca_file' "$out"
if PATH=/usr/bin:/bin command -v terraform tofu >/dev/null; then
	echo "skip a machine without an engine: there is one in /usr/bin"
else
	PATH=/usr/bin:/bin doctor 1 "a machine without an engine" --config "$(config engine 'engines: { dir: mirror }')"
	says "is told how to get one" 'install terraform or tofu' "$out"
fi

# The binary alone, without the helper beside it.
mkdir "$tmp/alone"
cp "$sluice" "$tmp/alone/sluice"
sluice=$tmp/alone/sluice doctor 1 "an installation without sluice-job-init" --config "$tmp/plain.yaml"
says "is told what belongs together" 'sluice-job-init belongs beside the sluice binary' "$out"
says "and that nothing is run" 'nothing is run at all' "$out"

# As an ordinary user, when we are root.
if [ "$(id -u)" = 0 ] && setpriv --reuid=nobody --regid=nogroup --clear-groups test -x "$sluice"; then
	out=$(cd / && env -u TMPDIR setpriv --reuid=nobody --regid=nogroup --clear-groups "$sluice" doctor --format json </dev/null)
	rc=$?
	same "an ordinary user's box is as tight" 0 "$(printf '%s' "$out" | jq '[.findings[] | select(.section == "isolation" and .verdict == "bad")] | length')"
	same "and fit" "0 true" "$rc $(printf '%s' "$out" | jq .ok)"
else
	echo "skip the box of an ordinary user: this is not root, or the program cannot be reached by others"
fi

[ -z "$(find "$tmp/data" -mindepth 1)" ] && ok "nothing was left in the data directory" || not_ok "nothing was left in the data directory"
finish
