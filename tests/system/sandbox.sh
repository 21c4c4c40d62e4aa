# `sluice sandbox` as people use it: what it shows, what it refuses, its verdict and its exit codes; as root and as an ordinary user.
. "$(dirname "$0")/lib.sh"

# as NAME COMMAND...: as root, or as nobody when we are root
as() {
	as_who=$1
	shift
	if [ "$as_who" = nobody ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi
}
# run WHO [OPTION...] -- COMMAND...: sets out, verdict (the last line of stderr) and status
run() {
	run_who=$1
	shift
	as "$run_who" "$box" sandbox "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	out=$(cat "$tmp/out")
	verdict=$(tail -n 1 "$tmp/err")
}
looks() {
	w=$1
	run "$w" --profile compat -- id -u
	same "$w: the user inside is nobody's" 65534 "$out"
	same "$w: exit code" 0 "$status"
	says "$w: the verdict says how it ended" 'sandbox: exit 0 · isolation ' "$verdict"
	run "$w" --profile compat -- sh -c 'exit 7'
	same "$w: the command's own exit code" 7 "$status"
	run "$w" --json --profile compat -- sh -c 'kill -9 $$'
	same "$w: JSON, and a signal" '137 signal' "$(printf '%s' "$verdict" | jq -r '"\(.exit) \(.reason)"')"
	run "$w" --root "$place/tree" --profile compat -- sh -c 'ls -A; cat main.tf; echo more >>main.tf && wc -l <main.tf'
	says "$w: a copy of the directory is there" 'main.tf' "$out"
	says_not "$w: without git's own" .git "$out"
	says "$w: and what leads out is told" 'left out: evil' "$(cat "$tmp/err")"
	same "$w: the original is as it was" 1 "$(wc -l <"$place/tree/main.tf" | tr -d ' ')"
	run "$w" -- /bin/sh -c true
	same "$w: a plan sees no shell's libraries" 127 "$status"
	run "$w" --profile compat -- sh -c 'cat /etc/shadow; cat /etc/hostname; ls /root; ls /home/*; ls /sys; echo $SECRET_OF_MINE'
	same "$w: nothing of the host" '' "$out"
	run "$w" --profile compat --limit files=100 -- sh -c 'i=0; while :; do : >$i || exit; i=$((i+1)); done'
	same "$w: a ceiling has the exit code 1" 1 "$status"
	says "$w: and is named" 'exceeded 100 files (`limits.files`)' "$verdict"
	run "$w" --profile compat --env GREETING=hello -- sh -c 'echo $GREETING'
	same "$w: a variable" hello "$out"
}

begin
need bwrap
export SECRET_OF_MINE=secret
touch "$tmp/began"
place=$(mktemp -d /tmp/sluice-looks.XXXXXX) || exit 1 # where everybody can come
trap 'rm -rf "$place"; at_exit' EXIT
mkdir "$place/bin" "$place/tree" "$place/tree/.git"
cp "$sluice" "$(dirname "$sluice")/sluice-job-init" "$place/bin/"
box=$place/bin/sluice
echo 'resource "terraform_data" "a" {}' >"$place/tree/main.tf"
echo x >"$place/tree/.git/config"
ln -s /etc/passwd "$place/tree/evil"
chmod -R a+rX "$place/bin" "$place/tree"
chmod 711 "$place"
looks me
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then looks nobody; fi

run me
same 'no command: usage' 2 "$status"
says 'with what it takes' '--profile plan|apply|compat' "$(cat "$tmp/err")"
run me --profile strange -- true
same 'an unknown profile is refused' 2 "$status"
says 'and those that there are are listed' 'plan, apply, compat' "$(cat "$tmp/err")"
run me --allow 'https://example.com/' -- true
same 'a rule that does not parse' 2 "$status"
says 'is told' 'example.com' "$(cat "$tmp/err")"
run me --limit memory=much -- true
same 'a ceiling that does not parse' 2 "$status"
run me -- no-such-program-anywhere
same 'a program that is not there' 2 "$status"
says 'is named' 'no-such-program-anywhere' "$(cat "$tmp/err")"
mv "$place/bin/sluice-job-init" "$place/bin/elsewhere"
run me --profile compat -- true
same 'without its helper there is no box' 3 "$status"
says 'and it is said which' 'sluice-job-init is missing' "$(cat "$tmp/err")"
same 'no scratch directory is left behind' '' "$(find /tmp -maxdepth 1 -name 'sluice-sandbox-*' -newer "$tmp/began" 2>/dev/null)"
finish
