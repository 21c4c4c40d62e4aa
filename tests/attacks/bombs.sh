# What takes all there is: memory, processors, processes, descriptors, room, files, log, time. Each ends at its ceiling, by its name, soon, and leaves
# nothing that runs.
# time limit: 150
. "$(dirname "$0")/lib.sh"

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# ends NUMBER WHAT CEILING USER [OPTION...] -- COMMAND...: it is ended by that ceiling. How soon is told by the box itself: a machine that is busy with
# other tests takes its time to start one.
ends() {
	ends_number=$1 ends_what=$2 ends_ceiling=$3
	shift 3
	boxed "$@"
	# Without a control group each process has a ceiling of its own, and an engine that meets it says so itself.
	if [ "$ends_ceiling $reason $(of_verdict isolation)" = 'memory exit 2 bounded' ]; then
		says "$ends_number bounded: $1: $ends_what has no more memory" 'out of memory' "$(head -c 2000 "$tmp/boxed.err")"
		return
	fi
	same "$ends_number bounded: $1: $ends_what ends as $ends_ceiling" "$ends_ceiling" "$reason"
	says "$ends_number bounded: $1: $ends_what: the sentence names the ceiling" "${ends_says:-limits.}" "$(of_verdict error)"
}
running() {
	for running_file in /proc/[0-9]*/cmdline; do
		case $({ tr '\0' ' ' <"$running_file"; } 2>/dev/null) in "$place/"* | */bin/probe\ *) echo "$running_file" ;; esac
	done
}
# bomb NAME: its fixture is the tree
bomb() {
	rm -rf "$place/tree"
	mkdir -m 755 "$place/tree"
	cp -r "$fixtures/../bombs/$1/." "$place/tree/"
	chmod -R a+rX "$place/tree"
}

memory() {
	ends 60 'a program that eats memory' memory "$1" --limit memory=64MiB --limit plan_timeout=6s -- probe memory
	# Each kind once; how an ordinary user is held in does not depend on the kind.
	if [ "$1" = "$(id -un)" ]; then kinds='alias braces elements joins padding spaces'; else kinds='joins spaces'; fi
	for bomb in $kinds; do
		bomb "60-$bomb"
		ends 60 "a plan that eats memory ($bomb)" memory "$1" --limit memory=128MiB --limit plan_timeout=20s --root "$place/tree" -- "$engine_name" plan -no-color
	done
	# What the engine itself refuses needs no ceiling.
	bomb 60-product
	boxed "$1" --limit memory=256MiB --limit plan_timeout=6s --root "$place/tree" -- "$engine_name" plan -no-color
	bounded 60 "$1: a product that cannot be is an error or a ceiling" check test "$reason" = 'exit 1' -o "$reason" = memory -o "$reason" = 'exit 2'
}
generated() {
	rm -rf "$place/tree"
	mkdir -m 755 "$place/tree"
	{
		printf 'output "deep" {\n  value = '
		head -c 400000 /dev/zero | tr '\0' '('
		printf '1'
		head -c 400000 /dev/zero | tr '\0' ')'
		printf '\n}\n'
	} >"$place/tree/main.tf"
	chmod 644 "$place/tree/main.tf"
	ends 60 'a plan that eats memory (parentheses)' memory "$1" --limit memory=128MiB --limit plan_timeout=20s --root "$place/tree" -- "$engine_name" plan -no-color
}
processor() {
	ends 61 'a program that computes' cpu "$1" --limit cpu_time=1s -- probe spin 4
	bounded 61 "$1: within the second that follows" at_most 3500 "$(of_verdict cpu_ms)"
	bomb 61-loops
	ends 61 'a plan that computes' cpu "$1" --limit cpu_time=2s --limit memory=1GiB --root "$place/tree" -- "$engine_name" plan -no-color
	ends_says='stopped after' ends 61 'one that computes for long' time "$1" --limit plan_timeout=1s -- probe spin
	bounded 61 "$1: and soon" at_most 4000 "$(of_verdict wall_ms)"
}
processes() {
	ends 62 'a program that only forks' processes "$1" --limit processes=64 -- probe forks
	boxed "$1" -- probe descriptors
	bounded 62 "$1: descriptors end" check test "$(printf '%s\n' "$out" | sed -n 's/^descriptors end at \([0-9]*\) EMFILE$/\1/p')" -le 65536
	(cd "$place" && ulimit -S -n 1024 && as "$1" env -i "$place/sluice" sandbox -- "$place/probe" fly) >"$tmp/fly.out" 2>&1 &
	fly_pid=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do grep -q 'on their way' "$tmp/fly.out" || sleep 0.2; done
	(ulimit -S -n 1024 && boxed "$1" --allow a.example.com:443 -- probe read /etc/passwd && echo "$reason") >"$tmp/beside.out"
	bounded 62 "$1: descriptors on their way keep no other job from starting" check grep -qx 'exit 0' "$tmp/beside.out"
	says "62 bounded: $1: they were on their way" 'ETOOMANYREFS' "$(cat "$tmp/fly.out")"
	wait "$fly_pid"
}
room() {
	ends 63 'a program that fills the workspace' workspace "$1" --limit workspace=32MiB -- probe fill /work
	ends 63 'a program that fills /tmp' workspace "$1" --limit workspace=32MiB -- probe fill /tmp
	ends 63 'a program that makes files' files "$1" --limit files=1000 -- probe inodes /work
	boxed "$1" -- probe fill /home
	bounded 63 "$1: home has an end, too" says 'ends at' "$out"
	boxed "$1" -- probe fill /dev/shm
	bounded 63 "$1: and shared memory" says 'ends at' "$out"
}
log() {
	ends 64 'a flood of output' output "$1" --limit output=64KiB -- probe flood
	bounded 64 "$1: no more of it comes out than is allowed" at_most $((64 * 1024 * 17 + 65536)) "$(wc -c <"$tmp/boxed.out")"
	ends 64 'a flood of empty lines' output "$1" --limit output=64KiB -- probe flood lines
}
silence() {
	ends 65 'a program that waits for ever' silence "$1" --limit silence=1s -- probe hang
	bounded 65 "$1: and soon" at_most 4000 "$(of_verdict wall_ms)"
	ends_says='stopped after' ends 65 'and one that nobody may wait for' time "$1" --limit plan_timeout=1s -- probe hang
	bomb 65-asks
	boxed "$1" --root "$place/tree" -- "$engine_name" plan -no-color
	bounded 65 "$1: a plan that asks a question has no answer to wait for" same 'exit 1' "$reason"
	rm -rf "$place/tree"
	mkdir -m 755 "$place/tree"
	mkfifo -m 644 "$place/tree/terraform.tfvars"
	ends_began=$(now_ms)
	boxed "$1" --limit plan_timeout=30s --root "$place/tree" -- "$engine_name" plan -no-color
	stopped 65 "$1: a pipe in the tree is not copied" at_most 15000 $(($(now_ms) - ends_began))
	rm -f "$place/tree/terraform.tfvars"
}

begin_attacks
make_place
engine_name=$(engines | head -n 1)
[ -n "$engine_name" ] && engine_in_place "$engine_name" || { echo "skip bombs: no engine on PATH, in parts/bin or in build/engine"; exit 0; }
for user in $(users); do
	memory "$user"
	generated "$user"
	processor "$user"
	processes "$user"
	room "$user"
	log "$user"
	silence "$user"
done
stopped 66 'nothing is left running of all that' same '' "$(running)"
finish
