# scripts/fetch-engine against a file server on loopback: right and wrong digests, missing files, a broken archive, a second run.
# time limit: 60
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

port_file=$tmp/port
mkdir "$tmp/www" "$tmp/in"
if ! command -v curl >/dev/null 2>&1; then
	echo "skip fetch_engine: curl is not here"
	exit 0
fi
if ! "${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -o "$tmp/serve" "$root/tests/scripts/serve.c"; then
	not_ok "the file server compiles"
	finish
fi
(cd "$tmp/www" && exec "$tmp/serve") >"$port_file" &
server=$!
at_exit() {
	kill "$server" 2>/dev/null
	rm -rf "$tmp"
}
tries=0
until [ -s "$port_file" ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { echo "not ok the file server starts"; exit 1; }
	sleep 0.1
done
export SLUICE_ENGINE_URL="http://127.0.0.1:$(cat "$port_file")" SLUICE_ENGINE_TABLE="$tmp/table"
unset http_proxy HTTP_PROXY ALL_PROXY all_proxy 2>/dev/null
case $(uname -m) in aarch64) system=linux_arm64 ;; *) system=linux_amd64 ;; esac
digest() { sha256sum "$1" | cut -d' ' -f1; }
row() { echo "9.9.9 $system $1 $2" >"$SLUICE_ENGINE_TABLE"; }
fetch() { "$root/scripts/fetch-engine" --always "$tmp/dir" >"$tmp/out" 2>&1; }

printf '#!/bin/sh\necho small tofu\n' >"$tmp/in/tofu"
echo text >"$tmp/in/LICENSE"
tar -czf "$tmp/www/good.tar.gz" -C "$tmp/in" tofu LICENSE
good=$(digest "$tmp/www/good.tar.gz")

row good.tar.gz "$good"
fetch
same "a right digest: exit code" 0 $?
same "the program runs" "small tofu" "$("$tmp/dir/tofu")"
same "only tofu is unpacked, and nothing is left over" "tofu tofu.from" "$(ls "$tmp/dir" | tr '\n' ' ' | sed 's/ $//')"

: >"$tmp/www/good.tar.gz"
fetch
same "a second run fetches nothing" 0 $?
same "and says nothing" "" "$(cat "$tmp/out")"
echo 'echo changed' >>"$tmp/dir/tofu"
fetch
same "a changed program is not taken for the verified one" 1 $?
tar -czf "$tmp/www/good.tar.gz" -C "$tmp/in" tofu LICENSE

rm -rf "$tmp/dir"
row good.tar.gz "$(echo wrong | sha256sum | cut -d' ' -f1)"
fetch
same "a wrong digest: exit code" 1 $?
says "a wrong digest: the sentence" "it is not what was pinned, and nothing of it was unpacked" "$tmp/out"
same "a wrong digest: nothing is left" "" "$(ls "$tmp/dir")"

row missing.tar.gz "$good"
fetch
same "a missing archive: exit code" 1 $?
says "a missing archive: the sentence" "missing.tar.gz answered 404" "$tmp/out"

tar -czf "$tmp/www/empty.tar.gz" -C "$tmp/in" LICENSE
row empty.tar.gz "$(digest "$tmp/www/empty.tar.gz")"
fetch
same "an archive without tofu: exit code" 1 $?
says "an archive without tofu: the sentence" "holds no file tofu" "$tmp/out"

mkdir "$tmp/link"
ln -s /etc/passwd "$tmp/link/tofu"
tar -czf "$tmp/www/link.tar.gz" -C "$tmp/link" tofu
row link.tar.gz "$(digest "$tmp/www/link.tar.gz")"
fetch
same "a link in place of the program: exit code" 1 $?
same "a link in place of the program: nothing is left" "" "$(ls "$tmp/dir")"

echo "# nothing" >"$SLUICE_ENGINE_TABLE"
fetch
same "no row for this system: exit code" 1 $?
says "no row for this system: the sentence" "has no archive for $system" "$tmp/out"

row good.tar.gz "$good"
SLUICE_ENGINE_URL=http://127.0.0.1:1 fetch
same "nobody listens: exit code" 1 $?
says "nobody listens: the way out" "set SLUICE_ENGINE_URL to a mirror" "$tmp/out"

# A machine without curl and wget, and one with an engine: PATHs that hold only what they are to have.
mkdir "$tmp/bin"
for tool in sh dirname uname tar gzip sha256sum cut cat mkdir mktemp rm mv chmod wc tail ls; do
	ln -s "$(command -v $tool)" "$tmp/bin/$tool"
done
PATH=$tmp/bin sh "$root/scripts/fetch-engine" "$tmp/dir" >"$tmp/out" 2>&1
same "no tool to fetch with: exit code" 1 $?
says "no tool to fetch with: the sentence" "apt-get install curl" "$tmp/out"
printf '#!/bin/sh\n' >"$tmp/bin/terraform"
chmod +x "$tmp/bin/terraform"
PATH=$tmp/bin sh "$root/scripts/fetch-engine" "$tmp/dir" >"$tmp/out" 2>&1
same "an engine on PATH: nothing is brought" "0 no" "$? $([ -e "$tmp/dir/tofu" ] && echo yes || echo no)"

# The table in the repository: every row is complete and each digest stands once.
same "the pinned table is well formed" "" \
	"$(awk '/^#/ || !NF { next } NF != 4 || $4 !~ /^[0-9a-f]+$/ || length($4) != 64 || seen[$4]++ { print }' "$root/scripts/engines.txt")"
finish
