# make install: what lands where, with which modes; the unit names the place of the program.
. "${SLUICE_ROOT:-.}/tests/scripts/_lib.sh"

if [ ! -x "$SLUICE_BIN" ]; then
	not_ok "there is a program to install"
	finish
fi
check "make install" make -s -C "$root" install DEPS=no B="$SLUICE_BUILD" DESTDIR="$tmp/root" PREFIX=/usr
same "what is installed" "755 bin/sluice
755 bin/sluice-job-init
644 lib/systemd/system/sluice.service
644 lib/sysusers.d/sluice.conf
644 lib/tmpfiles.d/sluice.conf
644 share/bash-completion/completions/sluice
644 share/doc/sluice/README.md
644 share/doc/sluice/sluice-server.yaml
644 share/man/man1/sluice.1" "$(cd "$tmp/root/usr" && find . -type f -printf '%m %P\n' | sort -k2)"
check "the unit starts the installed program" grep -q '^ExecStart=/usr/bin/sluice serve ' "$tmp/root/usr/lib/systemd/system/sluice.service"
check "the installed program runs" "$tmp/root/usr/bin/sluice" --version
check "job-init needs no library" sh -c '! ldd "$1" >/dev/null 2>&1' - "$tmp/root/usr/bin/sluice-job-init"
check "make help names the two commands" sh -c 'make -s -C "$1" help | grep -q "make demo" && make -s -C "$1" help | grep -q "make test"' - "$root"
finish
