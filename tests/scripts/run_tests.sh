# scripts/run-tests itself: what it counts, and that silence, crashes, time and early exits are failures.
# time limit: 60
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

fake=$tmp/tests build=$tmp/build
# program LEVEL/FOLDER/NAME: reads the body of a "cmocka program" from stdin
program() {
	mkdir -p "$fake/$(dirname "$1")" "$build/tests/$(dirname "$1")"
	: >"$fake/$1.c"
	{
		echo '#!/bin/sh'
		cat
	} >"$build/tests/$1"
	chmod +x "$build/tests/$1"
}
fresh() {
	rm -rf "$fake" "$build"
	mkdir -p "$fake" "$build"
}
run() {
	TEST_ROOT=$fake TEST_UNIT_SECONDS=1 "$root/scripts/run-tests" "$@" >"$tmp/out" 2>&1
	echo $? >"$tmp/rc"
	tail -n 1 "$tmp/out" >"$tmp/last"
}
verdict() { echo "$(cat "$tmp/rc") $(cat "$tmp/last")"; }

fresh
program unit/base/test_good <<'END'
echo '1..2'; echo 'ok 1 - a'; echo 'ok 2 - b'
END
program component/test_skip <<'END'
echo '1..2'; echo 'ok 1 - a'; echo 'not ok 2 # SKIP needs_a_network'
END
run "$build"
same "passed and skipped are counted" "0 3 passed, 0 failed, 1 skipped" "$(verdict)"
says "what was skipped is named" "component/test_skip: needs_a_network" "$tmp/out"

program unit/base/test_bad <<'END'
echo '1..2'; echo 'ok 1 - a'; echo 'not ok 2 - b'; echo '# b.c:7: error: 1 != 2'; exit 1
END
run "$build"
same "a failed test" "1 4 passed, 1 failed, 1 skipped" "$(verdict)"
says "its output stands at the end" "# b.c:7: error: 1 != 2" "$tmp/out"
run "$build" test_good
same "a pattern runs some" "0 2 passed, 0 failed, 0 skipped" "$(verdict)"
run "$build" no_such_test
same "a pattern that matches nothing fails" "1 0 passed, 0 failed, 0 skipped" "$(verdict)"

# alone EXPECTED NAME: the program on stdin is the only one
alone() {
	fresh
	program unit/base/test_it
	run "$build"
	same "$2" "$1" "$(verdict)"
}
alone "1 1 passed, 1 failed, 0 skipped" "a crash after a test" <<'END'
echo '1..2'; echo 'ok 1 - a'; kill -SEGV $$
END
says "a crash is named" "unit/base/test_it: killed by signal 11" "$tmp/out"
alone "1 0 passed, 1 failed, 0 skipped" "no end in time" <<'END'
echo '1..1'; sleep 20
END
says "the time limit is named" "no end within 1 s" "$tmp/out"
alone "1 1 passed, 1 failed, 0 skipped" "leaving early with exit code 0" <<'END'
echo '1..3'; echo 'ok 1 - a'; exit 0
END
alone "1 0 passed, 1 failed, 0 skipped" "no test in it" <<'END'
exit 0
END
alone "1 1 passed, 1 failed, 0 skipped" "all passed, and still an exit code" <<'END'
echo '1..1'; echo 'ok 1 - a'; exit 23
END

fresh
program unit/base/test_missing </dev/null
rm "$build/tests/unit/base/test_missing"
run "$build"
same "a program that was not built" "1 0 passed, 1 failed, 0 skipped" "$(verdict)"

fresh
program fuzz/fuzz_good <<'END'
exit 0
END
program fuzz/fuzz_bad <<'END'
kill -ABRT $$
END
mkdir -p "$fake/system"
cat >"$fake/system/one.sh" <<'END'
echo "ok first"; echo "skip second: no engine"; echo "# a remark"
END
echo 'echo "ok never run"' >"$fake/system/_lib.sh"
echo 'echo "$SLUICE_BIN" | grep -q "/sluice$" && [ ! -t 0 ] && [ -d "$TMPDIR" ] && [ -z "${TF_LOG:-}" ] && echo "ok environment"' >"$fake/system/two.sh"
TF_LOG=trace run "$build"
same "corpus and system tests" "1 3 passed, 1 failed, 1 skipped" "$(verdict)"
run --no-system "$build"
same "without the system tests" "1 1 passed, 1 failed, 0 skipped" "$(verdict)"
finish
