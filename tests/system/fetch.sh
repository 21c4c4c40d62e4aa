#!/bin/sh
# The step that fetches providers and modules, in its real boxes, from a registry, a release page and a git server with TLS on loopback, which it
# reaches through pinned rules of egress.fetch. `sluice fetch` is asked as a job's runner asks it: an order on stdin, the answer on stdout.
# time limit: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
begin
for program in gpg git bsdtar bwrap; do need $program; done
engine=$(PATH="$PATH:$parts/bin:$root/build/engine" command -v terraform || PATH="$PATH:$parts/bin:$root/build/engine" command -v tofu) || {
	echo 'skip fetch: neither terraform nor tofu'
	exit 0
}
chmod 755 "$tmp"
machine=$(uname -m)
case $machine in x86_64) platform=linux_amd64 ;; aarch64) platform=linux_arm64 ;; *)
	echo "skip fetch: no engine knows what $machine is called"
	exit 0
	;;
esac
os=${platform%_*} arch=${platform#*_}

# ---- the world outside ----

tls_world registry.terraform.io registry.opentofu.org releases.hashicorp.com git.example.com
mkdir "$tmp/gpg" "$tmp/gpg2" "$tmp/data"
at_exit_fetch() { # gpg starts an agent for each home
	for home in gpg gpg2; do gpgconf --homedir "$tmp/$home" --kill gpg-agent 2>>"$tmp/gpg.out"; done
	at_exit_tls
}
trap at_exit_fetch EXIT
releases=$www/releases.hashicorp.com
mkdir "$releases"
sign() { # HOME FILE
	GNUPGHOME=$1 gpg --batch --quiet --yes --detach-sign -o "$2.sig" "$2" 2>>"$tmp/gpg.out"
}
for home in gpg gpg2; do
	chmod 700 "$tmp/$home"
	GNUPGHOME=$tmp/$home gpg --batch --quiet --passphrase '' --quick-gen-key "$home <r@example.com>" rsa2048 sign never 2>>"$tmp/gpg.out"
done
GNUPGHOME=$tmp/gpg gpg --armor --export >"$tmp/public.asc" 2>>"$tmp/gpg.out"
key=$(GNUPGHOME=$tmp/gpg gpg --list-keys --with-colons 2>>"$tmp/gpg.out" | awk -F: '/^pub/ { print $5; exit }')

# publish TYPE VERSION: what stands in $tmp/zip becomes acme/TYPE of both registries. Sets sum.
publish() {
	name=terraform-provider-$1_$2_$platform.zip
	[ -f "$tmp/package.zip" ] || (cd "$tmp/zip" && bsdtar --format zip -cf "$tmp/package.zip" -- *)
	mv "$tmp/package.zip" "$releases/$name"
	sum=$(sha256sum "$releases/$name" | cut -d' ' -f1)
	printf '%s  %s\n' "$sum" "$name" >"$releases/$1_$2_SUMS"
	sign "${signer:-$tmp/gpg}" "$releases/$1_$2_SUMS"
	for host in registry.terraform.io registry.opentofu.org; do
		at=$www/$host/v1/providers/acme/$1
		mkdir -p "$at/$2/download/$os" "$www/$host/.well-known"
		echo '{"providers.v1":"/v1/providers/","modules.v1":"/v1/modules/"}' >"$www/$host/.well-known/terraform.json"
		jq -nc --arg v "$2" --arg o "$os" --arg a "$arch" '{versions: [{version: $v, protocols: ["5.0"], platforms: [{os: $o, arch: $a}]}]}' >"$at/versions"
		jq -nc --arg f "$name" --arg s "$sum" --arg k "$key" --arg o "$os" --arg a "$arch" --arg b "https://releases.hashicorp.com/$1_$2_SUMS" \
			--rawfile armor "$tmp/public.asc" '{protocols: ["5.0"], os: $o, arch: $a, filename: $f, download_url: "https://releases.hashicorp.com/\($f)",
			shasums_url: $b, shasums_signature_url: "\($b).sig", shasum: $s, signing_keys: {gpg_public_keys: [{key_id: $k, ascii_armor: $armor}]}}' \
			>"$at/$2/download/$os/$arch"
	done
}
# package TYPE VERSION: an ordinary one
package() {
	rm -rf "$tmp/zip" && mkdir "$tmp/zip"
	printf '#!/bin/sh\necho %s\n' "$1" >"$tmp/zip/terraform-provider-$1_v$2"
	chmod 755 "$tmp/zip/terraform-provider-$1_v$2"
	echo licence >"$tmp/zip/LICENSE"
}
package tiny 1.2.0
publish tiny 1.2.0
tiny=$sum

requests() { grep -c "^GET $1" "$tmp/requests"; }

# ---- asking ----

mkdir -p "$tmp/tree/p"
chmod -R go+rX "$tmp/tree"
lock() { # TYPE VERSION HASH...
	{
		printf 'provider "registry.terraform.io/acme/%s" {\n  version = "%s"\n  hashes = [\n' "$1" "$2"
		shift 2
		for hash; do printf '    "%s",\n' "$hash"; done
		printf '  ]\n}\n'
	} >"$tmp/lock"
}
# order [JQ]: what a runner writes
order() {
	jq -nc --arg data "$tmp/data" --arg egress "$rules" --arg ca "$tmp/ca.pem" --arg engine "$engine" --arg tree "$tmp/tree" --arg lock "$tmp/lock" '{
		data_dir: $data, mirror_dir: null, provider_allow: "registry.terraform.io/acme/*", egress: $egress, ca_file: $ca, engine: "terraform",
		engine_path: $engine, engine_version: "1", tree_dir: $tree, dir: "p", lock_file: $lock, modules: null, job_init: null, download: true,
		isolation_min: 0, timeout_ms: 60000}' | jq -c --arg e "$(basename "$engine")" "(if \$e == \"tofu\" then .engine = \"opentofu\" else . end) | ${1:-.}"
}
fetch() {
	order "${1:-.}" | "$sluice" fetch >"$tmp/answer" 2>"$tmp/words"
}
answer() { jq -r "$1" "$tmp/answer"; }
error() { answer '.error // ""'; }
store=$tmp/data/providers/registry.terraform.io/acme
nothing_left() { same "$1: nothing is left half done" '' "$(ls "$tmp/data/fetch/staging")"; }

# ---- providers ----

lock tiny 1.2.0 "zh:$tiny"
if fetch; then ok 'a provider is fetched'; else
	sed 's/^/# /' "$tmp/answer" "$tmp/words"
	not_ok 'a provider is fetched'
fi
same 'its package is unpacked' 'LICENSE
terraform-provider-tiny_v1.2.0' "$(ls "$store/tiny/1.2.0/$platform")"
same 'its program can be started' 555 "$(stat -c %a "$store/tiny/1.2.0/$platform/terraform-provider-tiny_v1.2.0")"
same 'other files cannot' 444 "$(stat -c %a "$store/tiny/1.2.0/$platform/LICENSE")"
same 'one download is told' 1 "$(answer .downloads)"
same 'the store is named' "$tmp/data/providers" "$(answer .store_dir)"
says 'the lock file gets the h1: hash that the package has' '"h1:' "$(answer .lock_text)"
says 'and keeps its own' "\"zh:$tiny\"" "$(answer .lock_text)"
nothing_left 'a fetched provider'

# What an engine says to it: init from the store alone, with that lock file, and no network.
mkdir "$tmp/job"
printf 'terraform {\n  required_providers {\n    tiny = {\n      source = "registry.terraform.io/acme/tiny"\n    }\n  }\n}\n' >"$tmp/job/main.tf"
printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$tmp/data/providers" >"$tmp/rc"
offline() { (cd "$1" && env -i PATH=/nonexistent HOME="$tmp" TMPDIR="$tmp" CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE="$tmp/rc" TF_DATA_DIR="$tmp/tfdata" HTTPS_PROXY=http://127.0.0.1:1 "$engine" init -input=false -no-color -lockfile=readonly); }
lock tiny 1.2.0 "zh:$tiny" h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= # as made on another system
cp "$tmp/lock" "$tmp/job/.terraform.lock.hcl"
offline "$tmp/job" >"$tmp/init.out" 2>&1 && not_ok 'an unpacked package is checked by its h1: hash'
fetch
answer .lock_text >"$tmp/job/.terraform.lock.hcl"
rm -rf "$tmp/tfdata"
check 'init takes the fetched package with the lock file of the answer' offline "$tmp/job"

seen=$(wc -l <"$tmp/requests")
fetch
same 'what is there is not fetched again' '0 0' "$(answer .downloads) $(($(wc -l <"$tmp/requests") - seen))"
says 'its hash is still told' '"h1:' "$(answer .lock_text)"
h1=$(answer .lock_text | sed -n 's/.*"\(h1:[^"]*\)".*/\1/p')
lock tiny 1.2.0 "$h1"
fetch
same 'a lock file with the h1: hash stays as it is' null "$(answer .lock_text)"

package two 1.0.0
publish two 1.0.0
lock two 1.0.0 "zh:0000000000000000000000000000000000000000000000000000000000000000"
if fetch; then not_ok 'a package that the lock file does not know is refused'; else
	says 'a package that the lock file does not know is refused' 'has none of the 1 hashes in .terraform.lock.hcl' "$(error)"
fi
says 'the sentence names it' 'provider registry.terraform.io/acme/two 1.0.0 could not be fetched' "$(error)"
same 'and nothing of it is kept' '' "$(ls "$store/two" 2>/dev/null)"
lock two 1.0.0 "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
fetch
says 'so is one with another h1: hash' 'has none of the 1 hashes' "$(error)"
lock two 1.0.0
fetch
says 'without any hash nothing is fetched' 'has no hash of it' "$(error)"
nothing_left 'a refused provider'
lock two 1.0.0 "zh:$sum"
seen=$(wc -l <"$tmp/requests")
fetch '.provider_allow = "registry.terraform.io/hashicorp/*"'
same 'a provider that is not allowed is not asked for' '0 0' "$(answer .downloads) $(($(wc -l <"$tmp/requests") - seen))"
says 'and the note says so' '`providers.allow` does not name it' "$(answer '.notes[0]')"
fetch '.provider_allow = null'
says 'nothing named, nothing fetched' '`providers.allow` does not name it' "$(answer '.notes[0]')"
fetch '.download = false'
says 'nor when downloading is off' '`providers.download`' "$(answer '.notes[0]')"
fetch '.provider_allow = "registry.terraform.io/acme/two h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="'
says 'a hash that providers.allow asks for has to be there' '`providers.allow` asks for' "$(error)"
fetch '.egress = null'
says 'without rules nothing is tried' '`egress.fetch` lists nothing' "$(error)"
fetch '.egress |= (split("\n") | map(select(startswith("releases") | not)) | join("\n"))'
says 'a missing rule is named' 'egress.fetch has no rule for releases.hashicorp.com:443' "$(error)"
mkdir -p "$tmp/mirror/registry.terraform.io/acme/two/1.0.0/$platform"
seen=$(wc -l <"$tmp/requests")
fetch ".mirror_dir = \"$tmp/mirror\""
same 'what the mirror has is not fetched' 'null 0' "$(answer .store_dir) $(($(wc -l <"$tmp/requests") - seen))"

# Servers that lie or break off.
package three 1.0.0
signer=$tmp/gpg2 publish three 1.0.0
lock three 1.0.0 "zh:$sum"
fetch
says 'a package that another key signed is refused' 'signature' "$(error)"
package four 1.0.0
publish four 1.0.0
lock four 1.0.0 "zh:$sum"
head -c 100 "$releases/terraform-provider-four_1.0.0_$platform.zip" >"$releases/terraform-provider-four_1.0.0_$platform.zip.cut"
fetch && not_ok 'a download that breaks off is a failure'
says 'a download that breaks off is a failure' 'provider registry.terraform.io/acme/four 1.0.0 could not be fetched' "$(error)"
rm "$releases/terraform-provider-four_1.0.0_$platform.zip.cut"
fetch
same 'and remembered for nobody' 1 "$(answer .downloads)"

# Packages that reach for more, signed and named in the lock file as they are.
rm -rf "$tmp/zip" && mkdir "$tmp/zip"
ln -s /etc/passwd "$tmp/zip/terraform-provider-link_v1.0.0"
publish link 1.0.0
lock link 1.0.0 "zh:$sum"
fetch
says 'a package with a link is refused' 'links are not taken' "$(error)"
package up 1.0.0
(cd "$tmp/zip" && bsdtar -P -s ',^LICENSE,../../../outside,' --format zip -cf "$tmp/package.zip" -- *)
publish up 1.0.0
lock up 1.0.0 "zh:$sum"
fetch
says 'a package that climbs is refused' 'leads from the top of the archive downwards' "$(error)"
same 'and wrote nowhere' '' "$(find "$tmp/data" -name 'outside*')"
rm -rf "$tmp/zip" && mkdir "$tmp/zip" && echo x >"$tmp/zip/README"
publish empty 1.0.0
lock empty 1.0.0 "zh:$sum"
fetch
says 'a package without a provider is refused' 'there is no terraform-provider-empty in its package' "$(error)"
echo 'no archive' >"$tmp/package.zip"
publish words 1.0.0
lock words 1.0.0 "zh:$sum"
fetch && not_ok 'a package that is no archive is refused'
says 'a package that is no archive is refused' 'provider registry.terraform.io/acme/words 1.0.0 could not be fetched' "$(error)"
nothing_left 'a hostile package'

# Two jobs want the same; then one that is killed in the middle.
package slow 1.0.0
publish slow 1.0.0
echo 2 >"$releases/terraform-provider-slow_1.0.0_$platform.zip.slow"
lock slow 1.0.0 "zh:$sum"
order | "$sluice" fetch >"$tmp/first" 2>"$tmp/first.words" &
first=$!
order | "$sluice" fetch >"$tmp/second" 2>"$tmp/second.words" &
second=$!
wait $first $second
same 'two jobs want the same provider and one fetches it' '1 1' "$(jq -s 'map(.downloads) | add' "$tmp/first" "$tmp/second") $(requests "releases.hashicorp.com/terraform-provider-slow_1.0.0_$platform.zip")"
same 'both get it' "$tmp/data/providers $tmp/data/providers" "$(jq -r .store_dir "$tmp/first") $(jq -r .store_dir "$tmp/second")"
package slow 2.0.0
publish slow 2.0.0
echo 5 >"$releases/terraform-provider-slow_2.0.0_$platform.zip.slow"
lock slow 2.0.0 "zh:$sum"
order >"$tmp/order"
"$sluice" fetch <"$tmp/order" >"$tmp/first" 2>"$tmp/first.words" &
first=$!
start_n=0
until [ "$(requests "releases.hashicorp.com/terraform-provider-slow_2.0.0_$platform.zip")" != 0 ] || [ $start_n -gt 200 ]; do
	sleep 0.05
	start_n=$((start_n + 1))
done
kill -KILL $first
wait $first 2>/dev/null
[ -n "$(ls "$tmp/data/fetch/staging")" ] && ok 'a killed fetch leaves its staging directory' || not_ok 'a killed fetch leaves its staging directory'
same 'and nothing else' '' "$(ls "$store/slow/2.0.0" 2>/dev/null)"
rm "$releases/terraform-provider-slow_2.0.0_$platform.zip.slow"
fetch
same 'the next one fetches it' 1 "$(answer .downloads)"
nothing_left 'the one after a killed fetch'
same 'no process is left of the killed one' '' "$(pgrep -f "$tmp/" | grep -v -e "^$$\$" -e "^$tls_server\$" | while read -r pid; do [ "$(ps -o ppid= -p "$pid" | tr -d ' ')" = "$tls_server" ] || ps -o args= -p "$pid"; done | grep -e sluice -e bwrap | grep -v gpg-agent)"

# ---- modules ----

mkdir -p "$tmp/net/sub"
echo 'module "inner" { source = "./sub" }' >"$tmp/net/main.tf"
echo 'output "x" { value = 1 }' >"$tmp/net/sub/main.tf"
tar -czf "$releases/net.tar.gz" -C "$tmp/net" .
for host in registry.terraform.io registry.opentofu.org; do
	at=$www/$host/v1/modules/acme/net/null
	mkdir -p "$at/2.0.1"
	echo '{"modules":[{"versions":[{"version":"2.0.1"},{"version":"1.0.0"}]}]}' >"$at/versions"
	printf '{"location":"https://releases.hashicorp.com/net.tar.gz?archive=tar.gz"}' >"$at/2.0.1/download"
	printf 'X-Terraform-Get: https://releases.hashicorp.com/net.tar.gz?archive=tar.gz\r\n' >"$at/2.0.1/download.head"
done
g() { git -C "$tmp/r" -c user.email=a@example.com -c user.name=a "$@" >>"$tmp/git.out" 2>&1; }
push_repo() { git_world git.example.com r; }
mkdir -p "$tmp/r/mods"
g init -b main
echo 'output "y" { value = 2 }' >"$tmp/r/mods/o.tf"
ln -s o.tf "$tmp/r/mods/also.tf.txt"
g add . && g commit -m one && g tag v1.0.0
push_repo
mkdir -p "$tmp/tree/local" "$tmp/tree/p/.terraform/modules"
cat >"$tmp/tree/p/main.tf" <<'HCL'
module "net" {
  source  = "acme/net/null"
  version = "2.0.1"
}
module "g" {
  source = "git::https://git.example.com/r.git//mods?ref=v1.0.0"
}
module "l" {
  source = "../local"
}
output "o" { value = module.g.y }
HCL
printf 'module "deep" {\n  source = "git::ssh://git@git.example.com/r.git//mods?ref=v1.0.0"\n}\n' >"$tmp/tree/local/x.tf"
echo '{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"g","Source":"git::https://git.example.com/r.git//mods?ref=v1.0.0","Dir":"/etc"}]}' >"$tmp/tree/p/.terraform/modules/modules.json"
chmod -R go+rX "$tmp/tree"
no_lock='.lock_file = null'
if fetch "$no_lock"; then ok 'modules of a registry and of git are fetched'; else
	sed 's/^/# /' "$tmp/answer" "$tmp/words"
	not_ok 'modules of a registry and of git are fetched'
fi
set=$(answer .modules_dir)
same 'they are kept by their digest' "$tmp/data/modules/$(answer .modules)" "$set"
same 'the list names what was fetched and what the tree has, and not what was committed' 'g=/modules/g/mods l=../local l.deep=/modules/l.deep/mods net=/modules/net net.inner=/modules/net/sub' \
	"$(jq -r '[.Modules[] | select(.Key != "") | "\(.Key)=\(.Dir)"] | join(" ")' "$set/modules.json")"
same 'without git directories' '' "$(find "$set" -name .git)"
same 'a link inside of a module stays one' o.tf "$(readlink "$set/files/g/mods/also.tf.txt")"
mkdir -p "$tmp/tfdata2/modules"
cp -r "$tmp/tree" "$tmp/tree2" && rm -rf "$tmp/tree2/p/.terraform"
sed "s|\"/modules/|\"$set/files/|g" "$set/modules.json" >"$tmp/tfdata2/modules/modules.json"
check 'init takes them without network' sh -c "cd '$tmp/tree2/p' && env -i PATH=/nonexistent HOME='$tmp' TMPDIR='$tmp' CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE='$tmp/rc' TF_DATA_DIR='$tmp/tfdata2' HTTPS_PROXY=http://127.0.0.1:1 '$engine' init -input=false -no-color"
seen=$(wc -l <"$tmp/requests") digest=$(answer .modules)
fetch "$no_lock"
same 'fixed ones are not fetched again' "0 0 $digest" "$(answer .downloads) $(($(wc -l <"$tmp/requests") - seen)) $(answer .modules)"
echo '# a comment' >>"$tmp/tree/p/main.tf"
fetch "$no_lock"
same 'nor when something else of the files changed' "0 $digest" "$(answer .downloads) $(answer .modules)"
sed -i 's/ref=v1.0.0"/ref=main"/' "$tmp/tree/p/main.tf"
fetch "$no_lock"
same 'another reference is another set' 1 "$(answer .downloads)"
floating=$(answer .modules)
echo 'output "z" { value = 3 }' >>"$tmp/r/mods/o.tf"
g commit -am two
push_repo
fetch "$no_lock"
same 'a branch is not followed at once' "0 $floating" "$(answer .downloads) $(answer .modules)"
find "$tmp/data/fetch/modules" -type f -exec touch -d '10 minutes ago' {} +
fetch "$no_lock"
same 'but after a while' 1 "$(answer .downloads)"
[ "$(answer .modules)" != "$floating" ] && ok 'and its digest is another one' || not_ok 'and its digest is another one'
fetch "$no_lock | .modules = \"$floating\""
same 'an apply gets the modules that the plan was made with' "0 $floating" "$(answer .downloads) $(answer .modules)"
fetch "$no_lock | .modules = \"$(printf %064d 7)\""
says 'or is told to plan again' 'plan again' "$(error)"
ln -s /etc/passwd "$tmp/r/mods/passwd.txt"
g add . && g commit -m three && g tag v2.0.0
push_repo
sed -i 's/ref=main"/ref=v2.0.0"/' "$tmp/tree/p/main.tf"
fetch "$no_lock"
says 'a module that links outside is refused' 'leads out of its own directory' "$(error)"
sed -i 's/ref=v2.0.0"/ref=v9.9.9"/' "$tmp/tree/p/main.tf"
fetch "$no_lock"
says 'a reference that does not exist is told' 'the remote modules of p could not be fetched' "$(error)"
printf 'module "a" {\n  source = "git::https://elsewhere.example.com/r.git?ref=v1.0.0"\n}\n' >"$tmp/tree/p/main.tf"
fetch "$no_lock"
says 'a host without rule is named' 'egress.fetch has no rule for elsewhere.example.com:443' "$(error)"
# A registry that points at files, and a module that brings a repository of somebody else along.
redirect() { # X-Terraform-Get of the registry's module
	for host in registry.terraform.io registry.opentofu.org; do
		printf '{"location":"%s"}' "$1" >"$www/$host/v1/modules/acme/net/null/2.0.1/download"
		printf 'X-Terraform-Get: %s\r\n' "$1" >"$www/$host/v1/modules/acme/net/null/2.0.1/download.head"
	done
	printf 'module "net%s" {\n  source  = "acme/net/null"\n  version = "2.0.1"\n}\n' "$2" >"$tmp/tree/p/main.tf"
	fetch "$no_lock"
}
redirect "file://$tmp/net" 1
says 'a registry cannot point at files of this host' 'could not be fetched' "$(error)"
redirect file:///usr/share/doc 2
[ -n "$(error)" ] && ok 'nor bring files of the box in' || not_ok 'nor bring files of the box in'
redirect "git::file://$www/git.example.com/r.git" 3
says 'nor name a repository of this host' 'could not be fetched' "$(error)"
mkdir "$tmp/sub"
git -C "$tmp/sub" init -q -b main
printf '[submodule "x"]\n\tpath = x\n\turl = https://elsewhere.example.com/x.git\n' >"$tmp/sub/.gitmodules"
git -C "$tmp/sub" update-index --add --cacheinfo "160000,$(git -C "$tmp/r" rev-parse HEAD),x"
git -C "$tmp/sub" add .gitmodules
git -C "$tmp/sub" -c user.email=a@example.com -c user.name=a commit -qm sub
git_world git.example.com sub
printf 'module "s" {\n  source = "git::https://git.example.com/sub.git"\n}\n' >"$tmp/tree/p/main.tf"
fetch "$no_lock"
says 'a submodule goes nowhere else either' 'egress.fetch has no rule for elsewhere.example.com:443' "$(error)"

printf 'module "l" {\n  source = "../other"\n}\n' >"$tmp/tree/p/main.tf"
rm -rf "$tmp/tree/local"
seen=$(wc -l <"$tmp/requests")
fetch "$no_lock"
same 'local modules alone need nothing' '0 null 0' "$(answer .downloads) $(answer .modules) $(($(wc -l <"$tmp/requests") - seen))"
nothing_left 'modules'
echo 'not an order' | "$sluice" fetch >"$tmp/answer" 2>&1
says 'an order that is none is refused' 'order of a fetch' "$(error)"
finish
