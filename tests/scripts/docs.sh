# The sample server file and the configuration reference are what this program prints; the man page formats; the unit file is one.
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

check "generated documents are up to date" "$root/scripts/generated-docs" "$SLUICE_BIN" compare
if command -v groff >/dev/null 2>&1; then
	same "the man page formats without a warning" "" "$(LC_ALL=C.UTF-8 groff -man -Tutf8 -ww -z "$root/docs/sluice.1" 2>&1)"
else
	echo "skip the man page formats without a warning: groff is not here"
fi
check "the completion is shell" bash -n "$root/deploy/completion/sluice.bash"
for script in "$root"/scripts/* "$root"/scripts/parts/* "$root"/tests/scripts/*.sh "$root"/tests/system/*.sh "$root"/tests/attacks/*.sh "$root"/.ci/run; do
	[ -f "$script" ] || continue
	case $(head -n 1 "$script") in
	'#!/bin/bash') bash -n "$script" 2>"$tmp/why" || { not_ok "$script is shell"; cat "$tmp/why"; } ;;
	'#!/bin/sh' | '# '*) case $script in *.awk | *.txt) ;; *) sh -n "$script" 2>"$tmp/why" || { not_ok "$script is shell"; cat "$tmp/why"; } ;; esac ;;
	esac
done
ok "all scripts are shell"
if command -v systemd-analyze >/dev/null 2>&1; then
	# The program and its user are not on this machine: what is checked are the words.
	sed 's|^ExecStart=.*|ExecStart=/bin/true|; /^User=/d; /^Group=/d; /^Documentation=/d' "$root/deploy/sluice.service" >"$tmp/sluice.service"
	same "the unit has no unknown words" "" "$(systemd-analyze verify "$tmp/sluice.service" 2>&1 | grep -i 'unknown\|failed to parse\|invalid')"
else
	echo "skip the unit has no unknown words: systemd-analyze is not here"
fi
finish
