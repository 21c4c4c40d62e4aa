# scripts/check-structure: a small clean tree has no findings; each rule broken once gives exactly its finding.
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

fresh() {
	rm -rf "$tmp/tree"
	mkdir -p "$tmp/tree"
	cd "$tmp/tree" || exit 1
	mkdir -p base plan github secrets webhooks cmd docs deploy/completion scripts tests/unit/base tests/unit/plan
	cp "$root"/scripts/check-* scripts/
	echo '# none' >scripts/untested.txt
	printf '/* A thing. */\nint a(void);\n' >base/a.h
	printf '#include "base/a.h"\n\n#include <stdio.h>\n\n/* strcpy(x) in a comment, "sprintf(" in a string */\nint a(void)\n{\n\treturn puts("sprintf(x)");\n}\n' >base/a.c
	printf '/* Decides. Step 4. */\nint p(void);\n' >plan/p.h
	printf '#include "plan/p.h"\n\n#include "base/a.h"\n\nint p(void)\n{\n\treturn a();\n}\n' >plan/p.c
	printf 'int main(void)\n{\n\treturn 0;\n}\n' | tee tests/unit/base/test_a.c >tests/unit/plan/test_p.c
	printf '# Title\n\n[file](docs/b.md) [heading](docs/b.md#second-part) [here](#title) [web](https://example.com/x)\n' >README.md
	printf '# B\n\n## Second part\n' >docs/b.md
	printf 'static const struct row rows[] = {\n\t{"serve", cmd_serve, "serve   runs"},\n\t{"--version", print_version, "--version"},\n\t{"job-runner", job_runner, NULL},\n};\n' >cmd/main.c
	printf '/* Commands. */\n#define SLUICE_VERSION "1.2.3"\n' >cmd/commands.h
	printf '.TH SLUICE 1 2026 "sluice 1.2.3"\n.SS "sluice serve"\nRuns.\n.SS "sluice \\-\\-version"\nTells.\n' >docs/sluice.1
	echo 'complete -W "serve --version" sluice' >deploy/completion/sluice.bash
}
# breaks NAME EXPECTED: the tree as it is now has exactly this one finding
breaks() {
	scripts/check-structure . >"$tmp/out" 2>&1
	rc=$?
	if [ $rc = 1 ] && [ "$(grep -vc '^check: ' "$tmp/out")" = 1 ] && grep -qF -- "$2" "$tmp/out"; then ok "$1"; else
		echo "# expected exit 1 and only: $2"
		sed "s/^/# got ($rc): /" "$tmp/out"
		not_ok "$1"
	fi
	fresh
}

fresh
scripts/check-structure . >"$tmp/out" 2>&1
same "a clean tree" "0 no findings" "$? $(sed "s/^check: [0-9]* files, //" "$tmp/out")"
fresh

printf '#include <sqlite3.h>\n' >>plan/p.c
breaks "a second door" "plan/p.c:9: <sqlite3.h> has one door, base/db_sqlite.c"
printf '#include <cjson/cJSON.h>\n' >>base/a.c
breaks "a second door inside base" "<cjson/cJSON.h> has one door, base/json.c"
printf '#include "plan/p.h"\n' >>base/a.c
breaks "an include upwards" "base/a.c:10: base/ includes plan/p.h, which is a layer above it"
printf '/* Step 9. */\n' >github/g.h
printf '#include "github/g.h"\n' >secrets/s.h
sed -i '1i /* Step 7. */' secrets/s.h
breaks "an include sideways" "secrets/s.h:2: secrets/ includes github/g.h; the two stand beside each other"
printf '#include "a.h"\n' >>base/a.c
breaks "an include without its folder" 'include "a.h" by its path from the root'
printf '#include <uv.h>\n' >>plan/p.c
breaks "libuv outside base" "<uv.h> stays under base/"
printf 'int q(void) { return uv_now(0); }\n' >>plan/p.c
breaks "a libuv name outside base" "uv_ names stay under base/"

for call in strcpy strcat sprintf vsprintf strtok atoi atol atoll strtol gmtime localtime access tmpnam mktemp alloca; do
	printf 'int q(void) { return %s(0); }\n' $call >>base/a.c
	breaks "banned: $call" "base/a.c:10: $call() is banned"
done
printf 'int q(struct s *s) { return s->access(0) + my_strcpy(0) + snprintf(0, 0, "") + f.atoi(1); }\n' >>base/a.c
check "names that only look like banned ones" scripts/check-structure .
fresh
printf 'int q(void) { return memcmp("a", "b", 1); }\n' >>base/a.c
check "memcmp where there is no MAC" scripts/check-structure .
fresh
printf 'int q(void) { return memcmp("a", "b", 1); }\n' >webhooks/w.c
echo 'webhooks/w.c tested by hand' >scripts/untested.txt
breaks "memcmp where a MAC could be" "webhooks/w.c:1: memcmp() here could compare a MAC"

awk 'BEGIN { for (i = 0; i < 501; i++) print "int x" i ";" }' >base/a.c
breaks "a long file" "a file of 501 lines"
awk 'BEGIN { print "int q(void)"; print "{"; for (i = 0; i < 61; i++) print "\ta();"; print "}" }' >>base/a.c
breaks "a long function" "base/a.c:11: a function of 61 lines"
awk 'BEGIN { print "/* dispatch table: one row per state */"; print "int q(void)"; print "{"; for (i = 0; i < 61; i++) print "\ta();"; print "}" }' >>base/a.c
check "a long dispatch table" scripts/check-structure .
fresh

rm tests/unit/base/test_a.c
breaks "a file without a test" "base/a.c:1: no test tests/unit/base/test_a.c"
rm tests/unit/base/test_a.c
echo 'base/a.c' >scripts/untested.txt
breaks "an exception without a reason" "base/a.c is listed without a reason"
echo 'base/gone.c covered elsewhere' >scripts/untested.txt
breaks "an exception for a file that is gone" "scripts/untested.txt:1: base/gone.c fits no file"
echo 'base/a.c covered elsewhere' >scripts/untested.txt
breaks "an exception that is not needed" "base/a.c has a test now"

rm tests/unit/base/test_a.c
echo 'base/*.c covered by tests/unit/plan/test_p.c' >scripts/untested.txt
check "an exception by a pattern" scripts/check-structure .
echo 'base/*.c covered by tests/unit/plan/test_gone.c' >scripts/untested.txt
breaks "an exception that names a test which is gone" "scripts/untested.txt:1: tests/unit/plan/test_gone.c does not exist"
mkdir tests/component
mv tests/unit/plan/test_p.c tests/component/test_p.c
check "a component test of the same name" scripts/check-structure .
fresh

for word in TOD=O FIX=ME X=XX HA=CK st=ub place=holder; do
	echo "/* $(echo $word | tr -d =) */" >>base/a.c
	breaks "unfinished: $word" "base/a.c:10: word of unfinished work"
done
printf 'see /wo%s/shared/notes\n' rk >>docs/b.md
breaks "a path of one machine" "docs/b.md:4: a path of one particular machine"

printf '#include "base/a.h"\n/* Late. Step 1. */\n' >plan/late.h
breaks "a header that opens without a comment" "plan/late.h:1: a header opens with a comment"
printf '/* Decides. */\nint p(void);\n' >plan/p.h
breaks "a header that does not say its step" 'plan/p.h:1: a header says its step of the flow'
echo '[x](docs/none.md)' >>README.md
breaks "a link to nothing" "README.md:4: link to docs/none.md, which does not exist"
echo '[x](docs/b.md#third-part)' >>README.md
breaks "a link to no heading" "README.md:4: link to docs/b.md#third-part, and there is no such heading"
sed -i 's/serve/demo/' docs/sluice.1
breaks "a command that the man page lacks" "docs/sluice.1:1: the command serve is not described"
sed -i 's/serve/demo/' deploy/completion/sluice.bash
breaks "a command that the completion lacks" "the command serve is not completed"
sed -i 's/1.2.3/1.2.4/' cmd/commands.h
breaks "a man page of another version" "docs/sluice.1:1: not of version 1.2.4"
sed -i 's/{"/{ "/' cmd/main.c
breaks "a command table that is written in another way" "cmd/main.c:1: no command table that this check understands"
finish
