# A hundred jobs in boxes, well-behaved and not: no process, mount, control group, namespace or file of theirs is there afterwards.
#
# Other boxes may be at work on this machine. What is ours is told by a name: that of the program, of a file in the tree, of our processes' ids.
. "$(dirname "$0")/lib.sh"
begin
need cc
mark=left$$
place=$(mktemp -d /tmp/sluice-box.XXXXXX) || exit 1
leaves_at_exit() {
	rm -rf "$place"
	at_exit
}
trap leaves_at_exit EXIT
chmod 755 "$place"
printf 'int main(void) { return 0; }\n' | cc -O1 -static -x c -o "$place/$mark" - || exit 1
printf '#include <unistd.h>\nint main(void) { for (int i = 0; i < 5; i++) if (fork() == 0) { setsid(); if (fork() == 0) { for (;;) pause(); } _exit(0); } return 0; }\n' |
	cc -O1 -static -x c -o "$place/daemons.$mark" - || exit 1
printf '#include <unistd.h>\nint main(void) { (void)!write(1, "at work\\n", 8); for (;;) pause(); }\n' | cc -O1 -static -x c -o "$place/waits.$mark" - || exit 1
mkdir "$place/tree" && echo x >"$place/tree/$mark"
chmod -R a+rX "$place"

"$sluice" sandbox -- "$place/$mark" >"$tmp/first" 2>&1
case $? in
3)
	echo "skip box_leaves_nothing: there is no box here: $(tail -n 1 "$tmp/first")"
	exit 0
	;;
esac

# processes whose arguments have our mark, this shell and its tools aside
ours() {
	for cmdline in /proc/[0-9]*/cmdline; do
		case $({ tr '\0' ' ' <"$cmdline"; } 2>/dev/null) in
		*"/bin/$mark"* | *"daemons.$mark"* | *"waits.$mark"*) echo "$cmdline" ;;
		esac
	done
}
no_process() {
	n=0
	while [ -n "$(ours)" ] && [ $n -lt 40 ]; do
		sleep 0.1
		n=$((n + 1))
	done
	ours
}
# control groups that one of our `sluice sandbox` made: their names end in its id
groups() {
	find /sys/fs/cgroup -type d -name 'sluice-*' 2>/dev/null | while read -r dir; do
		case " $pids " in *" ${dir##*.} "*) echo "$dir" ;; esac
	done
}
# what a box mounts, seen from outside of it
mounts() { awk '$5 ~ "^/(newroot|oldroot)" || $5 ~ "/tmp/(work|home|init|engine|tree)$"' /proc/self/mountinfo; }
files() {
	find /tmp "${TMPDIR:-/tmp}" -maxdepth 3 -path '*sluice-sandbox-*' -name "$mark" 2>/dev/null
	find /dev/shm /run -maxdepth 2 -name "*$mark*" 2>/dev/null
}

mounts >"$tmp/mounts.before"
pids='' bad=''
box() { # EXPECTED OPTIONS...: one job, whose exit is compared
	want=$1
	shift
	"$sluice" sandbox "$@" >"$tmp/out" 2>&1 &
	pid=$!
	pids="$pids $pid"
	wait $pid
	got=$?
	[ "$got" = "$want" ] || bad="$bad $*: exit $got, not $want: $(tail -n 1 "$tmp/out");"
}
i=0
while [ $i -lt 20 ]; do
	box 0 -- "$place/$mark"
	box 0 --root "$place/tree" -- "$place/$mark"
	box 0 --profile apply -- "$place/daemons.$mark" # five daemons outlive their parents, and the box ends with the command
	box 0 --profile compat --root "$place/tree" -- "$place/daemons.$mark"
	i=$((i + 1))
done
i=0
while [ $i -lt 10 ]; do
	box 1 --limit plan_timeout=1s --root "$place/tree" -- "$place/waits.$mark"
	i=$((i + 1))
done
same 'ninety jobs end as they should' '' "$bad"
same 'no process is left' '' "$(no_process)"
same 'no control group is left' '' "$(groups)"

bad=''
# who runs the box dies: the box dies with it, whatever is in it
i=0
while [ $i -lt 10 ]; do
	"$sluice" sandbox -- "$place/waits.$mark" >"$tmp/killed.out" 2>/dev/null &
	pid=$!
	n=0
	until [ -s "$tmp/killed.out" ] || [ $n -ge 200 ]; do
		sleep 0.05
		n=$((n + 1))
	done
	[ -s "$tmp/killed.out" ] && [ -n "$(ours)" ] || bad="$bad $i: is not seen at work;"
	kill -KILL $pid
	wait $pid 2>/dev/null
	: >"$tmp/killed.out"
	i=$((i + 1))
done
same 'ten more are at work when their runner is killed' '' "$bad"
same 'no process of theirs is left' '' "$(no_process)"

mounts >"$tmp/mounts.after"
same 'no mount is left' '' "$(diff "$tmp/mounts.before" "$tmp/mounts.after" | grep '^>')"
same 'no file is left' '' "$(files)"

# The kernel counts namespaces by who made them. In a user namespace of our own there may be forty of each kind: a hundred jobs that left one each
# would run into that.
cat >"$place/many.sh" <<'SH'
for kind in cgroup ipc mnt net pid user uts; do echo 40 >/proc/sys/user/max_${kind}_namespaces || exit 77; done
box() { setpriv --inh-caps=-all --ambient-caps=-all -- "$1" sandbox -- "$2" >/dev/null 2>"$3"; }
tries=0
until box "$@"; do # other tests may have the machine's
	[ $tries -lt 20 ] || exit 78
	sleep 0.5
	tries=$((tries + 1))
done
i=0
while [ $i -lt 100 ]; do
	tries=0
	until box "$@"; code=$?; [ $code != 3 ] || [ $tries = 20 ]; do # the kernel gives them back a moment after their last process
		sleep 0.5
		tries=$((tries + 1))
	done
	[ $code = 0 ] || { echo "job $i: exit $code: $(tail -n 1 "$3")"; exit 1; }
	i=$((i + 1))
done
SH
as_user=''
if [ "$(id -u)" = 0 ]; then
	as_user='setpriv --reuid=65534 --regid=65534 --clear-groups --'
	mkdir "$place/bin" && cp "$sluice" "$place/bin/sluice" && cp "${SLUICE_JOB_INIT:-$(dirname "$sluice")/sluice-job-init}" "$place/bin/sluice-job-init"
	chmod 755 "$place/bin" "$place/bin/"*
	sluice=$place/bin/sluice
fi
chmod 755 "$place/many.sh"
touch "$place/said"
chmod 666 "$place/said"
# shellcheck disable=SC2086
$as_user unshare --user --map-current-user --keep-caps sh "$place/many.sh" "$sluice" "$place/$mark" "$place/said" >"$tmp/many" 2>&1
case $? in
0) ok 'no namespace is left' ;;
1) same 'no namespace is left' '' "$(cat "$tmp/many")" ;;
*) echo "skip no namespace is left: no box within a user namespace of our own here: $(tail -n 1 "$tmp/many" "$place/said" | tr '\n' ' ')" ;;
esac
finish
