# scripts/deps with a dpkg-query and an apt-get of our own: what it asks for, what it says, that it asks for nothing twice.
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

mkdir "$tmp/bin"
for tool in sh env awk sed tr cat mktemp rm tail grep; do ln -s "$(command -v $tool)" "$tmp/bin/$tool"; done
tool() {
	{
		echo '#!/bin/sh'
		cat
	} >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}
# Installed is what stands in $tmp/installed.
tool dpkg-query <<END
shift 3
for name in "\$@"; do if grep -qx "\$name" "$tmp/installed"; then echo "\$name installed"; else echo "\$name not-installed"; fi; done
exit 1
END
tool apt-get <<END
echo "apt-get \$*" >>"$tmp/log"
if [ "\$1" = install ] && [ -e "$tmp/refuse" ]; then rm "$tmp/refuse"; echo "E: Unable to locate package"; exit 100; fi
if [ -e "$tmp/refuse_always" ]; then echo "E: no network"; exit 100; fi
for word in "\$@"; do case \$word in -* | install | update | Dpkg*) ;; *) echo "\$word" >>"$tmp/installed" ;; esac; done
END
tool id <<'END'
echo 0
END
: >"$tmp/installed"
deps() { PATH=$tmp/bin sh "$root/scripts/deps" "$@" >"$tmp/out" 2>&1; }

deps build
same "a fresh system: exit code" 0 $?
says "says what for" "libuv1-dev             event loop and child processes" "$tmp/out"
same "one apt-get without recommended packages" 1 "$(grep -c 'apt-get install -y -q --no-install-recommends' "$tmp/log")"
check "libgit2-dev is there" grep -qx libgit2-dev "$tmp/installed"
same "nothing of the tests came along" "" "$(grep cmocka "$tmp/installed")"

: >"$tmp/log"
deps build
same "nothing missing: silence" "0  " "$? $(cat "$tmp/out") $(cat "$tmp/log")"
deps --list test
same "--list only tells" "1 " "$? $(cat "$tmp/log")"
says "--list names what is missing" libcmocka-dev "$tmp/out"

: >"$tmp/refuse"
deps test
same "old package lists are brought up to date" "0 1" "$? $(grep -c 'apt-get update' "$tmp/log")"
: >"$tmp/refuse_always"
: >"$tmp/installed"
deps build
same "no network: exit code" 1 $?
says "no network: the reason" "E: no network" "$tmp/out"
says "no network: the way out" "By hand: apt-get install" "$tmp/out"
rm "$tmp/refuse_always"

tool id <<'END'
echo 1000
END
deps build
same "neither root nor sudo: exit code" 1 $?
says "neither root nor sudo: the way out" "as root run: apt-get install" "$tmp/out"
tool sudo <<END
echo sudo >>"$tmp/log"
exec "\$@"
END
deps build
same "with sudo" "0 1" "$? $(grep -c sudo "$tmp/log")"

rm "$tmp/bin/dpkg-query"
deps build
same "not Debian: goes on" 0 $?
says "not Debian: says so" "this is not a Debian system" "$tmp/out"
deps nonsense
same "an unknown purpose" 2 $?
finish
