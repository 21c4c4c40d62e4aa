# make parts: what cannot be had is said with its reason and is no failure; what is there is not brought again; a failure is one.
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

# A machine with neither Go nor node.
mkdir "$tmp/bin"
for tool in sh dirname mkdir cat sha256sum cut sed grep rm cp chmod tail nice mv; do ln -s "$(command -v $tool)" "$tmp/bin/$tool"; done
bring() { PATH=$tmp/bin sh "$root/scripts/parts/all" "$tmp/parts" >"$tmp/out" 2>&1; }

bring
same "without Go and node: exit code" 0 $?
says "without Go: the reason" "skipped: it is built from Go modules and there is no go on PATH" "$tmp/out"
says "without node: the reason" "skipped: it is made of npm packages and there is no node and npm on PATH" "$tmp/out"

mkdir -p "$tmp/parts/bin" "$tmp/parts/work"
printf '#!/bin/sh\n' >"$tmp/parts/bin/tofu"
chmod +x "$tmp/parts/bin/tofu"
sed -n 's/^VERSION=//p' "$root/scripts/parts/opentofu" >"$tmp/parts/work/opentofu.version"
bring
says "what is there is not built again" "is there" "$tmp/out"

echo 0.0.1 >"$tmp/parts/work/opentofu.version"
printf '#!/bin/sh\necho "go: no network" >&2\nexit 1\n' >"$tmp/bin/go"
chmod +x "$tmp/bin/go"
bring
same "another version, and the build fails: exit code" 1 $?
says "the reason of the toolchain is shown" "go: no network" "$tmp/out"

# A go that "downloads" a module with replacements and "builds": the recipe's own steps.
mkdir -p "$tmp/module"
cat >"$tmp/module/go.mod" <<'END'
module github.com/opentofu/opentofu
replace github.com/x/kept => github.com/y/kept v1.0.0
replace (
	github.com/x/local => ./local
)
END
: >"$tmp/module/go.sum"
cat >"$tmp/bin/go" <<END
#!/bin/sh
echo "\$*" >>"$tmp/go.log"
case "\$1 \$2" in
"mod download") printf '{\n\t"Path": "p",\n\t"Dir": "$tmp/module",\n\t"Sum": "s"\n}\n' ;;
"build "*) while [ "\$1" != -o ]; do shift; done; printf '#!/bin/sh\necho built\n' >"\$2"; chmod +x "\$2" ;;
esac
END
bring
same "a build that works: exit code" 0 $?
same "the program is in place" built "$("$tmp/parts/bin/tofu")"
check "a replacement by a local folder is dropped" grep -q 'mod edit -dropreplace github.com/x/local' "$tmp/go.log"
same "other replacements stay" 1 "$(grep -c dropreplace "$tmp/go.log")"
finish
