# Sourced by the tests of the scripts: check NAME COMMAND... prints "ok NAME" or "not ok NAME"; finish ends with the right exit code.
set -u
failures=0
root=${SLUICE_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/scripts.XXXXXX") || exit 1
at_exit() { rm -rf "$tmp"; }
trap at_exit EXIT

ok() { echo "ok $1"; }
not_ok() {
	failures=$((failures + 1))
	echo "not ok $1"
}
# check NAME COMMAND...: the command succeeds
check() {
	name=$1
	shift
	if "$@" >"$tmp/check.out" 2>&1; then ok "$name"; else
		sed 's/^/# /' "$tmp/check.out"
		not_ok "$name"
	fi
}
# says NAME TEXT FILE: the file contains the text
says() {
	if grep -qF -- "$2" "$3"; then ok "$1"; else
		echo "# expected: $2"
		sed 's/^/# got: /' "$3"
		not_ok "$1"
	fi
}
# same NAME EXPECTED GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else
		echo "# expected: $2"
		echo "# got:      $3"
		not_ok "$1"
	fi
}
finish() {
	[ "$failures" = 0 ]
	exit $?
}
