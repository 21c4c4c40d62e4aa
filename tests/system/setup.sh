# `sluice setup`: the page, the button, the way back, and what is written.
. "$(dirname "$0")/lib.sh"

begin
start_github
mkdir "$tmp/etc"
run_setup() { # OPTION...
	: >"$tmp/setup.out"
	"$sluice" setup --config "$tmp/etc/sluice-server.yaml" --listen 127.0.0.1:0 --url https://sluice.example.com --github "$github" --api "$github" "$@" \
		>"$tmp/setup.out" 2>"$tmp/setup.err" &
	setup_pid=$!
	setup_n=0
	until page=$(sed -n 's|^Open \(http://[^ ]*\)/ .*|\1|p' "$tmp/setup.out") && [ -n "$page" ]; do
		setup_n=$((setup_n + 1))
		[ $setup_n -lt 100 ] || return 1
		sleep 0.05
	done
}
get() { curl -s --max-time 10 -o "$tmp/page" -w '%{http_code}' "$@"; }

check 'setup says where its page is' run_setup --org acme
same 'the page is there' 200 "$(get "$page/")"
action=$(sed -n 's|.* action="\([^"]*\)".*|\1|p' "$tmp/page")
says 'its form goes to the organisation' "$github/organizations/acme/settings/apps/new?state=" "$action"
sed -n 's|.* value="\([^"]*\)".*|\1|p' "$tmp/page" | sed 's/&quot;/"/g; s/&amp;/\&/g' >"$tmp/manifest.json"
same 'webhooks come to this server' https://sluice.example.com/webhooks/github "$(jq -r .hook_attributes.url "$tmp/manifest.json")"
same 'the App is not for everybody' false "$(jq -r .public "$tmp/manifest.json")"
state=${action#*state=}
same 'a state of another setup is refused' 403 "$(get "$page/done?code=abc&state=00000000000000000000000000000000")"
same 'no state as well' 403 "$(get "$page/done?code=abc")"
same 'and a code that cannot be one' 400 "$(get "$page/done?code=..%2Fx&state=$state")"
same 'GitHub takes the manifest' 200 "$(get --data-urlencode "manifest@$tmp/manifest.json" "$action")"
press=$(sed -n 's|.* action="\([^"]*\)".*|\1|p' "$tmp/page" | head -n 1)
back=$(curl -s --max-time 10 -o "$tmp/page" -w '%{redirect_url}' -X POST "$github$press")
says 'the button leads back to us' "$page/done?" "$back"
same 'where all is well' 200 "$(get "$back")"
setup_n=0
while alive "$setup_pid" && [ $setup_n -lt 60 ]; do
	setup_n=$((setup_n + 1))
	sleep 0.05
done
wait "$setup_pid"
same 'it ends' 0 $?
same 'the key is for the owner alone' 600 "$(stat -c %a "$tmp/etc/app.pem")"
same 'and the secret' 600 "$(stat -c %a "$tmp/etc/webhook.secret")"
check 'the key is one' openssl rsa -in "$tmp/etc/app.pem" -noout -check
check 'the server file is a good one' "$sluice" check "$tmp/etc/sluice-server.yaml"
says 'it says what comes next' 'install the App on them' "$(cat "$tmp/setup.out")"
cp "$tmp/etc/app.pem" "$tmp/before.pem"
"$sluice" setup --config "$tmp/etc/sluice-server.yaml" --url https://sluice.example.com >"$tmp/again" 2>&1
same 'a second time is refused' 2 $?
says 'and names the file' 'app.pem exists already' "$(cat "$tmp/again")"
check 'the key is what it was' cmp "$tmp/before.pem" "$tmp/etc/app.pem"
"$sluice" setup --listen 0.0.0.0:8099 --url https://sluice.example.com >"$tmp/again" 2>&1
same 'no page for the whole network' 2 $?
! alive "$setup_pid" || end "$setup_pid"
finish
