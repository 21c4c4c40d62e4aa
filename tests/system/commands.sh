#!/bin/bash
# The commands that need no server: their words, their exit codes, and that what one prints another one takes.
. "$(dirname "$0")/lib.sh"

begin
# gives CODE NAME COMMAND...: its exit code; what it said stays in $tmp/out and $tmp/err
gives() {
	gives_code=$1 gives_name=$2
	shift 2
	(cd "$tmp/c" && "$sluice" "$@") >"$tmp/out" 2>"$tmp/err" </dev/null
	same "$gives_name: exit" "$gives_code" $?
}
out() { cat "$tmp/out"; }
err() { cat "$tmp/err"; }
mkdir -p "$tmp/c/a" "$tmp/c/b"

# ---- the command itself ----
gives 2 'no command'
says 'no command: the list' 'sluice serve' "$(err)"
same 'no command: nothing on standard output' '' "$(out)"
gives 0 'help' --help
says 'help: the exit codes' 'exit: 0 done' "$(out)"
gives 2 'an unknown command' nonsense
says 'an unknown command: its name' 'no command nonsense' "$(err)"
gives 0 'the version' --version
says 'the version: a number' 'sluice 0.' "$(out)"
for command in serve demo check state --print-config; do
	"$sluice" --help | grep -q -- "  sluice $command" && ok "help: names $command" || not_ok "help: names $command"
done
gives 2 'serve with an unknown option' serve --nonsense
says 'serve with an unknown option: usage' 'usage: sluice serve' "$(err)"
gives 2 'serve with an unknown level' serve --log-level loud
gives 2 'serve without its file' serve --config nowhere.yaml
says 'serve without its file: its name' nowhere.yaml "$(err)"

# ---- check ----
printf 'version: 1\nprojects:\n  - { name: a, dir: a }\n  - { name: b, dir: b }\n' >"$tmp/c/sluice.yaml"
printf 'version: 1\nprojects:\n  - { nam: a, dir: a }\n  - { name: c, dir: c }\n' >"$tmp/c/bad.yaml"
gives 0 'check of a good file' check sluice.yaml
same 'check of a good file: a sentence' 'sluice.yaml: fine, 2 projects' "$(out)"
gives 1 'check of a bad file' check bad.yaml
says 'check of a bad file: place and the near word' 'bad.yaml:3:7: unknown key "nam", did you mean "name"?' "$(out)"
gives 1 'check of both' check sluice.yaml bad.yaml
gives 2 'check of no file' check
gives 2 'check of a missing file' check sluice.yaml nowhere.yaml
says 'check of a missing file: its name' 'nowhere.yaml: no such file' "$(err)"
says 'check of a missing file: the other one all the same' 'sluice.yaml: fine' "$(out)"
gives 2 'check with an unknown format' check --format xml sluice.yaml
gives 1 'check as JSON' check --format json sluice.yaml bad.yaml
same 'check as JSON: both files' 'true false' "$(jq -r '[.files[].ok | tostring] | join(" ")' "$tmp/out")"
same 'check as JSON: line and column' '3 7' "$(jq -r '.files[1].errors[0] | "\(.line) \(.column)"' "$tmp/out")"
printf 'x' >"$tmp/c/-f"
gives 1 'check of a file with a dash' check -- -f

# ---- the server's file ----
printf 'listen: 127.0.0.1:8080\ndata_dir: data\ngithub: { token_file: t, webhook_secret_file: s }\nrepositories: ["acme/*"]\n' >"$tmp/c/server.yaml"
printf 'topsecret' >"$tmp/c/t"
gives 0 'check knows the server file by its keys' check server.yaml
same 'check knows the server file by its keys: a sentence' 'server.yaml: fine' "$(out)"
gives 0 'what is in force' --print-config server.yaml
says 'what is in force: a value of the file, absolute' "$tmp/c/data" "$(out)"
says 'what is in force: a default' 'https://api.github.com' "$(out)"
says_not 'what is in force: never the secret itself' topsecret "$(out)"
cp "$tmp/out" "$tmp/c/again.yaml"
gives 0 'what is printed is taken again' --print-config again.yaml
says 'what is printed is taken again: with the same values' "$tmp/c/data" "$(out)"
gives 0 'the sample' --print-config
cp "$tmp/out" "$tmp/c/sample.yaml"
gives 0 'the sample is a fine server file' check sample.yaml
gives 0 'the reference' --print-config --reference
says 'the reference: a table' '| key |' "$(out)"
gives 2 'two files' --print-config server.yaml again.yaml
gives 2 'no such file' --print-config nowhere.yaml
says 'no such file: its name' nowhere.yaml "$(err)"
printf 'listn: x\n' >"$tmp/c/wrong.yaml"
gives 2 'a wrong server file' --print-config wrong.yaml
says 'a wrong server file: its place' 'wrong.yaml:1:1:' "$(err)"
"$sluice" --print-config "$tmp/c/server.yaml" >/dev/full 2>"$tmp/err"
same 'nowhere to write: exit' 3 $?
says 'nowhere to write: a sentence' 'No space left' "$(err)"

# ---- state without a server (the rest is in state.sh) ----
for words in '' 'list net' 'show' 'pull' 'lift' 'list --format xml' 'pull net --repo x' 'pull net web'; do
	# shellcheck disable=SC2086 # words are words
	gives 2 "state $words" state $words
	says "state $words: usage" 'usage: sluice state list' "$(err)"
done
gives 2 'state with a wrong server file' state list --config wrong.yaml
gives 1 'state before the server ran' state list --config server.yaml
says 'state before the server ran: a sentence' 'no database yet' "$(err)"
same 'state before the server ran: nothing was made' '' "$(ls "$tmp/c/data" 2>/dev/null)"
finish
