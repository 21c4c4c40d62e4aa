# A sluice.yaml with mistakes, a directory that cannot be one, state in git, an engine that fails, a provider that is not there: each is
# told with its place, nothing runs that should not, and what is not concerned goes on.
. "$(dirname "$0")/lib.sh"

good='"a/main.tf": "resource \"terraform_data\" \"x\" {}\n", "b/main.tf": "resource \"terraform_data\" \"x\" {}\n"'
changed='"a/main.tf": "resource \"terraform_data\" \"x\" {\n  input = 1\n}\n"'
n=0
# refused_config NAME YAML PLACE SENTENCE: the comment and `sluice check` say PLACE and SENTENCE, and no job runs
refused_config() {
	n=$((n + 1))
	repo=acme/bad$n
	printf '%b' "$2" >"$tmp/tree/sluice.yaml"
	jq -n --rawfile y "$tmp/tree/sluice.yaml" "{\"sluice.yaml\": \$y, $good}" >"$tmp/files"
	new_repo "$repo" <"$tmp/files"
	printf '{%s}' "$changed" | commit change alice
	open_pull change alice
	check "$1: the comment comes" wait_for "comment=$3" context=sluice state=failure
	text=$(body)
	says "$1: with its place" "sluice.yaml:$3" "$text"
	says "$1: and a sentence" "$4" "$text"
	(cd "$tmp/tree" && "$sluice" check sluice.yaml) >"$tmp/checked" 2>&1
	same "$1: sluice check says no" 1 $?
	says "$1: with the same place" "sluice.yaml:$3" "$(cat "$tmp/checked")"
	says "$1: and the same sentence" "$4" "$(cat "$tmp/checked")"
}
project() { printf 'version: 1\\nprojects:\\n  - %s\\n' "$1"; }

config() {
	mkdir "$tmp/tree" "$tmp/tree/a" "$tmp/tree/b"
	ln -s a "$tmp/tree/linked"
	refused_config 'unknown key' "$(project '{ name: a, dir: a, when_modfied: [\"*.tf\"] }')" 3:24 'did you mean "when_modified"'
	refused_config 'wrong type' 'version: 1\nprojects: a\n' 2:11 'projects'
	refused_config 'bad glob' "$(project "{ name: a, dir: a, when_modified: ['[a'] }")" 3: 'glob'
	refused_config '..' "$(project '{ name: a, dir: ../a }')" 3:21 'must not have ..'
	refused_config 'absolute' "$(project '{ name: a, dir: /etc }')" 3:21 'absolute'
	refused_config 'twice the same name' "$(project '{ name: a, dir: a }\n  - { name: a, dir: b }')" 4: 'must differ'
	refused_config 'broken YAML' 'version: 1\nprojects: [a\nx: 1\n' 4:1 'closing bracket'
	same 'no job ran for any of them' 0 "$(grep -c job.start "$tmp/daemon.log")"

	repo=acme/linked
	printf 'version: 1\nprojects:\n  - { name: l, dir: linked }\n  - { name: a, dir: a }\n' >"$tmp/tree/sluice.yaml"
	git_repo
	printf '{%s}' "$changed" | commit change alice
	open_pull change alice
	check 'a symbolic link as a directory is told' wait_for 'comment=symbolic link' context=sluice
	says 'with its place in the comment' 'sluice.yaml:3:' "$(body)"
	(cd "$tmp/tree" && "$sluice" check sluice.yaml) >"$tmp/checked" 2>&1
	same 'and sluice check says no' 1 $?
	says 'with its place' 'sluice.yaml:3:' "$(cat "$tmp/checked")"
}
# A repository made from the tree, links and all.
git_repo() {
	printf 'resource "terraform_data" "x" {}\n' >"$tmp/tree/a/main.tf"
	act repos "$(jq -nc --arg r "$repo" --arg d "$tmp/tree" '{repo: $r, user: "olivia", protect: "classic", reviews: 1, dir: $d}')"
	act permission "$(jq -nc --arg r "$repo" --arg u "$WRITER" '{repo: $r, user: $u, permission: "admin"}')"
	for person in alice bob; do act permission "$(jq -nc --arg r "$repo" --arg u "$person" '{repo: $r, user: $u, permission: "write"}')"; done
}

engine_fails() {
	jq -n "{\"sluice.yaml\": \"version: 1\\nprojects:\\n  - { name: a, dir: a }\\n  - { name: b, dir: b }\\n\", $good}" >"$tmp/files"
	new_repo acme/fails <"$tmp/files"
	printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {\\n  inputt = 1\\n}\\n", "b/main.tf": "resource \\"terraform_data\\" \\"x\\" {\\n  input = 1\\n}\\n"}' | commit change alice
	open_pull change alice
	check 'an engine that fails is told' wait_for context=sluice state=failure 'comment=Unsupported argument'
	text=$(body)
	says 'with file and line' 'a/main.tf:2' "$text"
	says 'beside the plan that is good' '| `b` | 1 to add |' "$text"
	settle
	same 'the status of the one' failure "$(status sluice/a | cut -d ' ' -f 1)"
	same 'and of the other' 'success 1 to add' "$(status sluice/b)"
	comment alice apply
	check 'it cannot be applied' wait_for comment=refused
	settle
	same 'and is not merged' false "$(of_pull .merged)"

	printf '{"a/main.tf": "resource \\"terraform_data\\" \\"x\\" {}\\n", "a/terraform.tfstate": "{\\"version\\":4}"}' | commit state alice
	open_pull state alice
	check 'a state file in git is refused by name' wait_for 'comment=a/terraform.tfstate' context=sluice state=failure
	says 'with the way out' 'remove it' "$(body)"

	printf '{"b/main.tf": "terraform {\\n  required_providers {\\n    nothere = { source = \\"acme/nothere\\", version = \\"1.0.0\\" }\\n  }\\n}\\nresource \\"nothere_x\\" \\"x\\" {}\\n"}' | commit provider alice
	open_pull provider alice
	check 'a provider that is not in the mirror is told' wait_for context=sluice state=failure comment=nothere
	says 'with the mirror as the place to put it' mirror "$(body)"
}

begin
use_engine "$(engines | head -n 1)" || { echo "skip config_bad: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_github
start_daemon
config
engine_fails
finish
