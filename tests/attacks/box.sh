# What a program sees and can do in the box of a plan, and in the wider one of `compat`, as the user of the test and as an ordinary one. The same
# program outside of a box shows that it would notice.
# time limit: 150
. "$(dirname "$0")/lib.sh"

host_things() {
	host=$place/host
	mkdir -m 755 "$host"
	echo host-secret >"$host/secret"
	chmod 644 "$host/secret"
	printf 'x' >"$place/tree/file"
	chmod 644 "$place/tree/file"
	ln -s "$host/secret" "$place/tree/link"
}
# yes_of WORDS: those of what was printed that succeeded
yes_of() { printf '%s\n' "$out" | sed -n 's/ yes$//p' | paste -sd' ' -; }
first() { printf '%s\n' "$out" | sed -n "s/^$1 //p" | head -n 1; }
left_behind() {
	for left_file in /proc/[0-9]*/cmdline; do
		case $({ tr '\0' ' ' <"$left_file"; } 2>/dev/null) in *" hang $1 "*) echo "$left_file" ;; esac
	done
}

outside() {
	out=$(cd "$place/out" && as "$1" "$place/probe" look </dev/null)
	says "$1: outside, the probe sees what there is" 'userns yes' "$out"
	says "$1: outside, other processes are seen" yes "$([ "$(first processes)" -gt 5 ] && echo yes)"
	out=$(as "$1" "$place/probe" read "$host/secret" && as "$1" "$place/probe" unix "@$collector_name" && as "$1" "$place/probe" tcp 127.0.0.1 "$collector")
	same "$1: outside, files and sockets of the host are reached" "read $host/secret unix @$collector_name tcp 127.0.0.1" "$(yes_of)"
}

# What is looked at in every profile. exec 7</: an open directory would be a way out.
looks() {
	u=$1 profile=$2 n=$1/$2
	exec 7</
	DAEMON_SECRET=daemon-18 boxed "$u" --profile "$profile" --root "$place/tree" -- probe look
	exec 7<&-
	same "$n: the probe runs" 'exit 0' "$reason"
	stopped 20 "$n: no descriptor comes along" same 0 "$(first descriptors)"
	stopped 8 "$n: the environment is made from nothing" same '' "$(printf '%s\n' "$out" | sed -n 's/^environment //p' |
		grep -v -x 'PATH\|HOME\|TMPDIR\|LANG\|PWD\|SSL_CERT_FILE\|CHECKPOINT_DISABLE\|TF_[A-Z_]*\|HTTPS\?_PROXY\|https\?_proxy\|NO_PROXY\|no_proxy' | paste -sd' ' -)"
	stopped 69 "$n: no privilege" same 'none 1 2' "$(first capabilities) $(first no-new-privileges) $(first seccomp)"
	stopped 69 "$n: nobody becomes root" says_not yes "$(first become-root)"
	stopped 31 "$n: no memory is written to disk after a crash" same none "$(first core)"
	stopped 70 "$n: no terminal to type into" same '' "$(yes_of | tr ' ' '\n' | grep terminal)"
	stopped 69 "$n: seldom used parts of the kernel are shut" same '' \
		"$(yes_of | tr ' ' '\n' | grep -v -x "$(if [ "$profile" = compat ]; then echo 'memory-file\|environ-of-init'; else echo nothing; fi)" | paste -sd' ' -)"
	stopped 19 "$n: nor the environment of its first process" says_not yes "$(first environ-of-init)"
}
strict() {
	looks "$1" plan
	stopped 17 "$1: there is no /proc" same '-1 ENOENT' "$(first processes) $(first environ-of-init)"
	stopped 32 "$1: nor a list of mounts" same '' "$(first mount)"
	boxed "$1" --root "$place/tree" -- probe run /bin/sh /usr/bin/env /bin/job-init /bin/probe /usr/bin/bwrap /lib64/ld-linux-x86-64.so.2
	stopped 1 "$1: nothing to start but itself" same '' "$(yes_of | tr ' ' '\n' | grep -v -x 'run\|/bin/probe\|/bin/job-init' | paste -sd' ' -)"
	says "$1: which it can" 'run /bin/probe yes' "$out"
	stopped 2 "$1: a program that it wrote does not start" says_not yes "$(first run-written)"
	boxed "$1" --root "$place/tree" -- probe read "$host/secret" /etc/shadow /proc/1/environ /proc/self/environ /sys/kernel/notes /dev/kvm /dev/mem /dev/sda \
		/dev/vda /sys/fs/cgroup/cgroup.procs /run/docker.sock link file
	stopped 21 "$1: of all files, its own" same 'read file' "$(yes_of)"
	stopped 22 "$1: a link out of the tree leads nowhere" says_not yes "$(first 'read link')"
	boxed "$1" -- probe list / /home /tmp /dev /bin /etc
	stopped 21 "$1: nothing of the host is named" says_not sluice-attacks "$out"
}
network() {
	boxed "$1" -- probe tcp 127.0.0.1 "$collector"
	stopped 25 "$1: a server on the host's loopback" says_not yes "$out"
	boxed "$1" -- probe tcp 169.254.169.254 80
	stopped 25 "$1: the metadata of the machine" says_not yes "$out"
	boxed "$1" -- probe tcp 127.0.0.1 3128
	stopped 26 "$1: without rules there is no proxy either" says_not yes "$out"
	boxed "$1" -- probe udp 127.0.0.53 53
	stopped 27 "$1: no name is asked for" says_not yes "$out"
	boxed "$1" --profile compat -- probe udp 8.8.8.8 53
	stopped 27 "$1: nor in compat" says_not yes "$out"
	boxed "$1" -- probe unix "@$collector_name"
	stopped 25 "$1: an abstract socket of the host" says_not yes "$out"
	same "$1: and the collector heard nobody" "$heard" "$(collected | wc -l | tr -d ' ')"
}
# With a rule there is a proxy, and it leads nowhere else; a name of the rule that means this machine is no way to it either.
egress() {
	boxed "$1" --profile compat --allow "localhost:$collector" --allow allowed.example:443 -- sh -c '
		for url in https://localhost:'"$collector"'/ http://localhost:'"$collector"'/ https://127.0.0.1:'"$collector"'/ https://2130706433:'"$collector"'/ \
			"https://[::1]:'"$collector"'/" https://169.254.169.254/ https://metadata.google.internal/ https://other.example/ https://allowed.example:22/; do
			curl -s -o /dev/null --max-time 5 --proxytunnel -x http://127.0.0.1:3128 "$url" || echo "refused $url"
			curl -s -o /dev/null --max-time 5 --noproxy "*" "$url" || echo "shut $url"
		done'
	stopped 25 "$1: the proxy does not lead to the host or its metadata" same 9 "$(printf '%s\n' "$out" | grep -c '^refused')"
	stopped 26 "$1: and there is no way beside it" same 9 "$(printf '%s\n' "$out" | grep -c '^shut')"
	bounded 27 "$1: each attempt is counted" same '9 0' "$(of_verdict connections) $(of_verdict bytes_in)"
	same "$1: the collector heard none of it" "$heard" "$(collected | wc -l | tr -d ' ')"
}
# What is left when it is over.
traces() {
	find "$place/tree" "$place/host" -printf '%p %m %s %T@\n' | sort >"$tmp/before"
	boxed "$1" --root "$place/tree" -- probe plant .
	stopped 67 "$1: no file that runs as its owner" says_not yes "$(first 'plant suid')"
	stopped 47 "$1: what it made in the tree stays in the box" check test 'plant link yes' = "$(printf '%s\n' "$out" | grep '^plant link')"
	boxed "$1" --root "$place/tree" -- probe write file other "$host/secret" /bin/probe /etc/passwd /x ../x
	same "$1: it writes where it may" 'write other' "$(yes_of | sed 's/write file //')"
	find "$place/tree" "$place/host" -printf '%p %m %s %T@\n' | sort >"$tmp/after"
	stopped 47 "$1: the tree on the host is as it was" check cmp "$tmp/before" "$tmp/after"
	boxed "$1" --root "$place/tree" -- probe stay "left-$1-$$"
	stopped 66 "$1: a daemon is gone with the box" same 'exit 0 ' "$reason $(left_behind "left-$1-$$")"
	(cd "$place" && as_exec "$1" env -i PATH="$place:/usr/bin:/bin" "$place/sluice" sandbox -- probe hang "left-2-$1-$$") >"$tmp/killed" 2>&1 </dev/null &
	killed_pid=$! killed_n=0
	until [ -n "$(left_behind "left-2-$1-$$")" ] || [ $killed_n -gt 100 ]; do
		sleep 0.05
		killed_n=$((killed_n + 1))
	done
	check "$1: a box whose owner will be killed is at work" test -n "$(left_behind "left-2-$1-$$")"
	kill -KILL "$killed_pid"
	wait "$killed_pid" 2>/dev/null
	killed_n=0
	while [ -n "$(left_behind "left-2-$1-$$")" ] && [ $killed_n -lt 100 ]; do
		sleep 0.05
		killed_n=$((killed_n + 1))
	done
	stopped 66 "$1: nor does anything outlive an owner that is killed" same '' "$(left_behind "left-2-$1-$$")"
	boxed "$1" --root "$place/tree" -- probe crash
	stopped 31 "$1: a crash leaves no file" same 'signal ' "$reason $(find "$place" /tmp -maxdepth 1 -name 'core*' -newer "$tmp/after" 2>/dev/null)"
	stopped 63 "$1: nothing is left of it in /tmp" same '' "$(find /tmp -maxdepth 1 -user "$1" -name 'sluice-sandbox*' -newer "$tmp/before" 2>/dev/null)"
}
wide() {
	looks "$1" compat
	stopped 18 "$1: compat: other processes of the host are not seen" check test "$(first processes)" -ge 1 -a "$(first processes)" -le 4
	stopped 18 "$1: compat: nor is the environment of who started it" says_not daemon-18 "$out"
	bounded 32 "$1: compat: mounts name where sluice is installed and nothing else of the host" same '' \
		"$(printf '%s\n' "$out" | grep '^mount.*\(sluice-attacks\|sluice-sandbox\|/var/lib\)' | grep -v "$place/\(probe\|sluice-job-init\) /" | head -n 3)"
	boxed "$1" --profile compat --root "$place/tree" -- sh -c 'cat /etc/shadow /root/.ssh/* '"$host"'/secret 2>/dev/null; ls -A /home/* /var/* 2>/dev/null; echo end'
	stopped 21 "$1: compat: homes and secrets of the host are not there" same end "$out"
}
engine() {
	rm -rf "$place/tree"
	mkdir -m 755 "$place/tree"
	sed "s|@HOST@|/tmp|g" "$fixtures/09-local-exec/main.tf" >"$place/tree/main.tf"
	chmod 644 "$place/tree/main.tf"
	boxed "$1" --profile apply --root "$place/tree" -- "$engine_name" apply -auto-approve -no-color
	stopped 9 "$1: a provisioner has no shell to start" says 'no such file' "$(cat "$tmp/boxed.out" "$tmp/boxed.err")"
	stopped 9 "$1: and the apply fails" same 'exit 1' "$reason"
}
terminal() {
	command -v script >/dev/null 2>&1 || {
		echo 'skip 70 with a terminal: script is not installed'
		return
	}
	script -qec "$place/sluice sandbox --profile compat -- $place/probe look" "$tmp/typescript" >"$tmp/script.out" 2>&1 </dev/null
	out=$(tr -d '\r' <"$tmp/script.out")
	says 'the probe runs from a terminal' 'descriptors 0' "$out"
	stopped 70 'with a terminal outside there is none inside' same '' "$(yes_of | tr ' ' '\n' | grep terminal)"
}

begin_attacks
make_place
host_things
start_collector
heard=0
for user in $(users); do
	outside "$user"
	heard=$((heard + 2)) heard_n=0 # both of them, once the collector had its turn
	until [ "$(collected | wc -l)" -ge "$heard" ] || [ $heard_n -gt 100 ]; do
		sleep 0.05
		heard_n=$((heard_n + 1))
	done
	strict "$user"
	wide "$user"
	network "$user"
	egress "$user"
	traces "$user"
done
engine_name=$(engines | head -n 1)
if [ -n "$engine_name" ] && engine_in_place "$engine_name"; then
	for user in $(users); do engine "$user"; done
else
	echo 'skip 9 in an apply: no engine on PATH, in parts/bin or in build/engine'
fi
terminal
finish
