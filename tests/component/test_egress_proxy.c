/* The proxy of a job, with real sockets: what is refused and with which words, and where a connection goes. The cases of the design's table have
 * their numbers; those that need a network namespace (1, 2, 3, 17) are in test_egress_clients.c. */
#include "base/fs.h"
#include "base/json.h"
#include "tests/support/egress_support.h"
#include "tests/support/fds.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static uint16_t port; /* of the echo server */
static pid_t server;

/* The resolver of these tests: what a hostile or broken DNS could say. */
static size_t resolve(const char *host, struct address ret[EGRESS_ADDRESSES_MAX])
{
	static const struct {
		const char *host, *address[3];
	} rows[] = {
		{"inside.test", {"127.0.0.1"}},
		{"imds.test", {"169.254.169.254"}},
		{"private.test", {"10.0.0.5"}},
		{"mapped.test", {"::ffff:127.0.0.1"}},
		{"mixed.test", {"10.0.0.5", "::1", "127.0.0.1"}},
		{"second.test", {"127.0.0.2", "127.0.0.1"}},
		{"other.pin.test", {"127.0.0.1"}},
	};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < 3 && strcmp(rows[i].host, host) == 0 && rows[i].address[k] != NULL; k++) {
			struct address_range r;
			if (address_range_parse(rows[i].address[k], &r, NULL) != 0)
				r.base = (struct address){.v6 = true, .bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
			ret[n++] = r.base;
		}
	return n;
}

static char *rules_for(const char *more)
{
	return xasprintf("allowed.test:443=127.0.0.1:%u\nother.test:8443=127.0.0.1:%u\n*.githubusercontent.test:443=127.0.0.1:%u\n"
			 "imds.test:443\nprivate.test:443\nmapped.test:443\nnowhere.test:443\nimds.pinned.test:443=169.254.0.0/16\n%s",
			 port, port, port, more);
}

static void open_rig(struct egress_rig *rig, const char *more)
{
	CLEANUP_FREE char *rules = rules_for(more);
	tun_open(rig, rules, NULL, 0);
}

/* A tunnel that works: what goes in comes back. */
static void echoes(const struct egress_rig *rig, const char *target, const char *name)
{
	CLEANUP_BUF struct buf back = {0}, hello = {0};
	int fd = tun_tunnel(rig, target);
	hello_make(&hello, &(struct hello_shape){.name = name});
	tun_hello(fd, name);
	assert_int_equal(fs_write_all(fd, "0123456789", 10, NULL), 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(tun_read(fd, 1 << 16, &back));
	if (back.len != hello.len + 10 || memcmp(back.data, hello.data, hello.len) != 0 ||
	    memcmp(back.data + hello.len, "0123456789", 10) != 0)
		fail_msg("%s: %zu bytes came back instead of %zu", target, back.len, hello.len + 10);
	(void)close(fd);
}

/* 4, 16 */
static void allowed_hosts(void **state)
{
	struct egress_rig rig;
	(void)state;
	open_rig(&rig, "");
	echoes(&rig, "allowed.test:443", "allowed.test");
	echoes(&rig, "ALLOWED.TEST:443", "allowed.test");
	echoes(&rig, "allowed.test.:443", "Allowed.Test");
	echoes(&rig, "other.test:8443", "other.test");
	echoes(&rig, "raw.githubusercontent.test:443", "raw.githubusercontent.test");
	tun_close(&rig);
	assert_int_equal(rig.totals.connections, 5);
	assert_int_equal(rig.totals.refused, 0);
	assert_string_equal(rig.totals.refusals, "");
	assert_false(rig.totals.broke);
	assert_true(rig.totals.bytes_out > 5 * 60 && rig.totals.bytes_in == rig.totals.bytes_out);
	assert_true(tun_logged(&rig, "allowed.test", "ok"));
	tun_free(&rig);
}

struct refusal {
	const char *target;
	int status;
	const char *verdict, *host, *said;
};

/* Each answer says why in its first line and its body, and the log says the same. */
static void refused(struct egress_rig *rig, const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP_BUF struct buf answer = {0};
		int fd = tun_connect(rig), status = tun_ask(fd, rows[i].target, &answer);
		if (status != rows[i].status)
			fail_msg("%s: %s", rows[i].target, buf_str(&answer));
		assert_true(tun_read(fd, 1 << 16, &answer)); /* the whole answer, then the end: no reset */
		const char *first = strstr(answer.data, rows[i].said), *second = first != NULL ? strstr(first + 1, rows[i].said) : NULL;
		if (second == NULL || first > strstr(answer.data, "\r\n"))
			fail_msg("%s: %s", rows[i].target, buf_str(&answer));
		(void)close(fd);
	}
	tun_close(rig);
	for (size_t i = 0; i < n; i++) {
		if (!tun_logged(rig, rows[i].host, rows[i].verdict) || strstr(rig->log.data, rows[i].said) == NULL)
			fail_msg("%s %s: %s", rows[i].host, rows[i].verdict, buf_str(&rig->log));
	}
	assert_int_equal(rig->totals.connections, n);
	assert_int_equal(rig->totals.bytes_out + rig->totals.bytes_in, 0);
	tun_free(rig);
}

/* 5, 7, 8, 12, 14, 15 */
static void names_that_no_rule_opens(void **state)
{
	static const struct refusal rows[] = {
		{"evil.test:443", 403, "not-listed", "evil.test", "egress.plan has no rule for evil.test:443"},
		{"allowed.test:22", 403, "not-listed", "allowed.test", "egress.plan has no rule for allowed.test:22"},
		{"allowed.test:8443", 403, "not-listed", "allowed.test", "egress.plan has no rule for allowed.test:8443"},
		{"evilgithubusercontent.test:443", 403, "not-listed", "evilgithubusercontent.test",
		 "has no rule for evilgithubusercontent.test:443"},
		{"a.b.githubusercontent.test:443", 403, "not-listed", "a.b.githubusercontent.test",
		 "has no rule for a.b.githubusercontent.test:443"},
		{"allowed.test.evil.test:443", 403, "not-listed", "allowed.test.evil.test", "has no rule for allowed.test.evil.test:443"},
		{"169.254.169.254:443", 403, "bad-request", "", "addresses are not connected to"},
		{"2852039166:443", 403, "bad-request", "", "addresses are not connected to"},
		{"0xa9fea9fe:443", 403, "bad-request", "", "addresses are not connected to"},
		{"[::1]:443", 403, "bad-request", "", "addresses are not connected to"},
		{"127.1:443", 403, "bad-request", "", "addresses are not connected to"},
	};
	struct egress_rig rig;
	(void)state;
	open_rig(&rig, "");
	refused(&rig, rows, ARRAY_LEN(rows));
	assert_int_equal(rig.totals.refused, ARRAY_LEN(rows));
	/* each sentence once */
	const char *first = strstr(rig.totals.refusals, "addresses are not connected to");
	assert_non_null(first);
	assert_null(strstr(first + 1, "addresses are not connected to"));
	assert_non_null(strstr(rig.totals.refusals, "egress.plan has no rule for evil.test:443\n"));
}

/* 9, 10 */
static void names_at_places_that_are_not_public(void **state)
{
	static const struct refusal rows[] = {
		{"imds.test:443", 403, "metadata", "imds.test", "imds.test:443 is at 169.254.169.254, the metadata service of a cloud"},
		{"private.test:443", 403, "not-public", "private.test",
		 "at 10.0.0.5, which is not public: it is for private use (RFC 1918); if this is meant, pin it: private.test:443=10.0.0.5"},
		{"mapped.test:443", 403, "not-public", "mapped.test",
		 "::ffff:127.0.0.1, which is not public: it is an IPv4 address in disguise"},
		{"nowhere.test:443", 502, "no-address", "nowhere.test", "nowhere.test has no address"},
		{"mixed.test:444", 403, "outside-pin", "mixed.test",
		 "mixed.test:444 is at 10.0.0.5, which is outside of the pin of its rule"},
	};
	struct egress_rig rig;
	(void)state;
	open_rig(&rig, "mixed.test:444=192.168.0.0/16\n");
	refused(&rig, rows, ARRAY_LEN(rows));
	assert_int_equal(rig.totals.refused, ARRAY_LEN(rows) - 1); /* no address is not our no */
}

static void pins(void **state)
{
	struct egress_rig rig;
	(void)state;
	CLEANUP_FREE char *more = xasprintf("inside.test:%u=127.0.0.0/8\nmixed.test:%u=127.0.0.0/8\nsecond.test:%u=127.0.0.0/8\n"
					    "*.pin.test:%u=10.0.0.0/8\n*.pin.test:%u=127.0.0.0/8\n",
					    port, port, port, port, port);
	open_rig(&rig, more);
	static const char *const names[] = {"inside.test", "mixed.test", "second.test", "other.pin.test"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_FREE char *target = xasprintf("%s:%u", names[i], port);
		echoes(&rig, target, names[i]);
	}
	tun_close(&rig);
	CLEANUP_FREE char *to = xasprintf("\"address\":\"127.0.0.1:%u\"", port);
	size_t n = 0;
	for (const char *p = buf_str(&rig.log); (p = strstr(p, to)) != NULL; p++)
		n++;
	assert_int_equal(n, ARRAY_LEN(names)); /* for second.test: after 127.0.0.2 did not answer */
	tun_free(&rig);
}

static void own_listeners(void **state)
{
	struct egress_rig rig;
	(void)state;
	CLEANUP_FREE char *rules = rules_for(""), *deny = xasprintf("10.0.0.1:1\n127.0.0.1:%u", port), *any = xasprintf("0.0.0.0:%u", port);
	CLEANUP_FREE char *any6 = xasprintf("[::]:%u", port), *far = xasprintf("127.0.0.2:%u\n127.0.0.1:1", port);
	const char *const denied[] = {deny, any, any6};
	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		static const struct refusal row = {"allowed.test:443", 403, "own-listener", "allowed.test",
						   "leads to sluice's own listener at 127.0.0.1"};
		tun_open(&rig, rules, denied[i], 0);
		refused(&rig, &row, 1);
	}
	tun_open(&rig, rules, far, 0);
	echoes(&rig, "allowed.test:443", "allowed.test");
	tun_close(&rig);
	tun_free(&rig);
}

/* 11, 14 and what is no request at all */
static void requests_that_are_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *answer;
	} rows[] = {
		{"GET http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n", 0, "HTTP/1.1 405 "},
		{"POST http://169.254.169.254/latest/meta-data HTTP/1.1\r\n\r\n", 0, "HTTP/1.1 405 "},
		{"GET / HTTP/1.1\r\n\r\n", 0, "HTTP/1.1 405 "},
		{"CONNECT allowed.test\0.evil.test:443 HTTP/1.1\r\n\r\n", 48, "HTTP/1.1 400 "},
		{"CONNECT allowed.test:443 HTTP/1.1\n\n", 0, "HTTP/1.1 400 "},
		{"CONNECT allowed.test:443 HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 0, "HTTP/1.1 400 "},
		{"CONNECT allowed.test:443 HTTP/3\r\n\r\n", 0, "HTTP/1.1 505 "},
	};
	struct egress_rig rig;
	(void)state;
	open_rig(&rig, "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf answer = {0};
		int fd = tun_connect(&rig);
		assert_int_equal(fs_write_all(fd, rows[i].bytes, rows[i].len > 0 ? rows[i].len : strlen(rows[i].bytes), NULL), 0);
		assert_true(tun_read(fd, 1 << 16, &answer));
		if (strncmp(buf_str(&answer), rows[i].answer, 13) != 0)
			fail_msg("%s: %s", rows[i].bytes, buf_str(&answer));
		(void)close(fd);
	}
	tun_close(&rig);
	assert_int_equal(rig.totals.refused, ARRAY_LEN(rows));
	tun_free(&rig);
}

/* 6, 13: after the 200 a hello that is not for the host is cut; nothing of it reaches the server. */
static void hellos_that_are_cut(void **state)
{
	static const struct {
		struct hello_shape shape;
		const char *verdict;
	} rows[] = {
		{{.name = "evil.test"}, "other-server-name"},
		{{.name = "allowed.test.evil.test"}, "other-server-name"},
		{{0}, "no-server-name"},
		{{.name = "allowed.test", .second = "evil.test"}, "no-server-name"},
		{{.name = "allowed.test", .second = "allowed.test"}, "no-server-name"},
		{{.name = "allowed.test", .extension = 0xfe0d}, "hidden-server-name"},
		{{.name = "allowed.test", .extension = 0xffce}, "hidden-server-name"},
		{{.name = "allowed.test", .twice = true}, "not-tls"},
		{{.name = "allowed.test", .behind = 1}, "not-tls"},
		{{.name = "allowed.test", .padding = 16384, .record = 4000}, "not-tls"},
	};
	static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 49};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_rig rig;
		CLEANUP_BUF struct buf hello = {0}, back = {0};
		(void)state;
		open_rig(&rig, "");
		int fd = tun_tunnel(&rig, "allowed.test:443");
		hello_make(&hello, &rows[i].shape);
		assert_int_equal(fs_write_all(fd, hello.data, hello.len, NULL), 0);
		assert_true(tun_read(fd, 1 << 16, &back));
		bool silent = strcmp(rows[i].verdict, "not-tls") == 0;
		assert_int_equal(back.len, silent ? 0 : sizeof(alert));
		assert_true(silent || memcmp(back.data, alert, sizeof(alert)) == 0);
		(void)close(fd);
		tun_close(&rig);
		if (!tun_logged(&rig, "allowed.test", rows[i].verdict))
			fail_msg("%zu, %s: %s", i, rows[i].verdict, buf_str(&rig.log));
		assert_int_equal(rig.totals.bytes_out, 0);
		assert_int_equal(rig.totals.refused, 1);
		tun_free(&rig);
	}
}

/* 13 */
static void what_is_not_tls(void **state)
{
	static const char *const rows[] = {"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "SSH-2.0-OpenSSH_9\r\n", "\x16\x02", "\n"};
	struct egress_rig rig;
	(void)state;
	open_rig(&rig, "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf back = {0};
		int fd = tun_tunnel(&rig, i % 2 == 0 ? "allowed.test:443" : "other.test:8443");
		assert_int_equal(fs_write_all(fd, rows[i], strlen(rows[i]), NULL), 0);
		assert_true(tun_read(fd, 1 << 16, &back));
		assert_int_equal(back.len, 0);
		(void)close(fd);
	}
	tun_close(&rig);
	assert_true(tun_logged(&rig, "other.test", "not-tls"));
	assert_int_equal(rig.totals.bytes_out, 0);
	assert_int_equal(rig.totals.refused, ARRAY_LEN(rows));
	assert_string_equal(rig.totals.refusals,
			    "allowed.test:443: the job did not speak TLS\nother.test:8443: the job did not speak TLS\n");
	tun_free(&rig);
}

/* Each line is JSON with every member, whatever the job wrote. */
static void lines_of_the_log(void **state)
{
	struct egress_rig rig;
	(void)state;
	open_rig(&rig, "");
	echoes(&rig, "allowed.test:443", "allowed.test");
	static const char *const bad[] = {"\x1b[31m\xff\"\\:443", "a\"b.test:443", "evil.test:443"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP_BUF struct buf answer = {0};
		int fd = tun_connect(&rig);
		assert_true(tun_ask(fd, bad[i], &answer) >= 400);
		(void)close(fd);
	}
	tun_close(&rig);
	size_t n = 0;
	for (const char *p = buf_str(&rig.log); *p != '\0'; n++) {
		size_t len = strcspn(p, "\n");
		struct json_doc *doc;
		struct json root;
		struct err err = {0};
		int64_t number, took;
		const char *text;
		for (size_t i = 0; i < len; i++)
			assert_in_range(p[i], 0x20, 0x7e);
		if (json_parse(p, len, NULL, &doc, &root, &err) != 0 ||
		    json_int(&root, "time_ms", 1, INT64_MAX / 2048, &number, &err) != 0 || json_str(&root, "host", 253, &text, &err) != 0 ||
		    json_int(&root, "port", 0, 65535, &number, &err) != 0 || json_str_opt(&root, "address", 64, "", &text, &err) != 0 ||
		    json_str(&root, "verdict", 20, &text, &err) != 0 || json_int(&root, "bytes_out", 0, 9999, &number, &err) != 0 ||
		    json_int(&root, "bytes_in", 0, 9999, &number, &err) != 0 || json_int(&root, "ms", 0, 60000, &took, &err) != 0)
			fail_msg("%.*s: %s", (int)len, p, err.msg);
		json_doc_free(doc);
		p += len + 1;
	}
	assert_int_equal(n, 4);
	tun_free(&rig);
}

static int setup(void **state)
{
	(void)state;
	egress_tuning.resolve = resolve;
	server = tcp_server_start(SERVER_ECHO, &port);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tcp_server_stop(server);
	return 0;
}

static int fds_before(void **state)
{
	static int n;
	n = support_open_fds();
	*state = &n;
	return 0;
}

static int fds_after(void **state) { return support_open_fds() == *(int *)*state ? 0 : -1; }

#define CASE(f) cmocka_unit_test_setup_teardown(f, fds_before, fds_after)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(allowed_hosts),
		CASE(names_that_no_rule_opens),
		CASE(names_at_places_that_are_not_public),
		CASE(pins),
		CASE(own_listeners),
		CASE(requests_that_are_none),
		CASE(hellos_that_are_cut),
		CASE(what_is_not_tls),
		CASE(lines_of_the_log),
	};
	return cmocka_run_group_tests_name("egress_proxy", tests, setup, teardown);
}
