# Sourced by tests of what jobs and the fetch step reach: servers with TLS on loopback that pretend to be other hosts.
#
#   tls_world HOST...     a CA ($tmp/ca.pem) and one server for all of them, which gives out $www/HOST/PATH (tests/system/tls_files.c); sets rules, one
#                         pinned egress rule per host a line, and tls_port. Requests are lines of $tmp/requests. Ends with the test.
tls_server=''
at_exit_tls() {
	[ -z "$tls_server" ] || end "$tls_server"
	at_exit
}
tls_quietly() { openssl "$@" 2>>"$tmp/openssl.out"; }
tls_world() {
	need openssl
	need cc
	trap at_exit_tls EXIT
	www=$tmp/www rules=
	mkdir -p "$www"
	tls_names=$(for tls_host; do printf 'DNS:%s\n' "$tls_host"; done | paste -sd,)
	echo "subjectAltName=$tls_names" >"$tmp/ext"
	tls_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$tmp/ca.key" -out "$tmp/ca.pem" -subj /CN=test-ca -days 2
	tls_quietly req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$tmp/srv.key" -out "$tmp/srv.csr" -subj /CN=servers
	tls_quietly x509 -req -in "$tmp/srv.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -out "$tmp/srv.pem" -days 2 -extfile "$tmp/ext"
	chmod 644 "$tmp/ca.pem"
	cc -std=gnu11 -D_GNU_SOURCE -O1 -o "$tmp/tls_files" "$root/tests/system/tls_files.c" -lssl -lcrypto || not_ok 'the server with TLS compiles'
	: >"$tmp/requests"
	"$tmp/tls_files" "$www" "$tmp/srv.pem" "$tmp/srv.key" "$tmp/tls_port" "$tmp/requests" 2>"$tmp/tls.err" &
	tls_server=$!
	tls_n=0
	until [ -s "$tmp/tls_port" ] || [ $tls_n -gt 100 ]; do
		sleep 0.05
		tls_n=$((tls_n + 1))
	done
	tls_port=$(cat "$tmp/tls_port")
	for tls_host; do
		rules="$rules$tls_host:443=127.0.0.1:$tls_port
"
	done
}
# git_world HOST NAME: what is in $tmp/NAME becomes https://HOST/NAME.git
git_world() {
	rm -rf "$www/$1/$2.git"
	mkdir -p "$www/$1"
	git clone -q --bare "$tmp/$2" "$www/$1/$2.git"
	git -C "$www/$1/$2.git" update-server-info
}
