#!/bin/sh
# Runs the tests of the simulated GitHub with a record and holds it against what GitHub publishes; prints TAP lines.
# usage: tests/openapi/verify.sh BUILD_DIR [RECORD...]     records of other runs (`sluice sim --record`, SLUICE_SIM_RECORD) are checked as well
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: tests/openapi/verify.sh BUILD_DIR [RECORD...]}
shift
parts=${SLUICE_OPENAPI_PARTS:-${SLUICE_PARTS:-$here/../../parts}/openapi}
export SLUICE_OPENAPI_PARTS="$parts"
if ! command -v node >/dev/null || [ ! -d "$parts/node_modules" ]; then
	echo "skip openapi: there is no node, or no packages in $parts (make parts brings them)"
	exit 0
fi
tmp=$(mktemp -d) || exit 3
trap 'rm -rf "$tmp"' EXIT
failures=0
verdict() { # NAME COMMAND...
	name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then echo "ok $name"; else
		failures=$((failures + 1))
		sed 's/^/# /' "$tmp/out" | head -n 40
		echo "not ok $name"
	fi
}

mkdir "$tmp/record"
for source in "$here"/../component/test_sim*.c; do
	program=$(basename "$source" .c)
	SLUICE_SIM_RECORD="$tmp/record" "$build/tests/component/$program" >"$tmp/$program.log" 2>&1 || {
		echo "not ok $program failed while it was recorded"
		exit 1
	}
done
cat "$tmp"/record/*.jsonl >"$tmp/all"
verdict 'requests and answers are as GitHub describes them' node "$here/check.mjs" "$tmp/all" "$@"
verdict 'GraphQL answers are as the schema has them' node "$here/graphql.mjs" check "$tmp/all" "$@"
verdict 'our GraphQL queries are valid' node "$here/graphql.mjs" queries "$here"/../../github/gh_graphql.c
verdict 'webhooks are as GitHub describes them' node "$here/webhooks.mjs" check "$tmp/all" "$@"
verdict 'the checkers find what is wrong' node "$here/selftest.mjs" "$tmp/all"
[ "$failures" = 0 ]
