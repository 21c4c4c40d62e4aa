/* The CONNECT request: what is taken, which status answers what is not, and every way to cut the bytes. */
#include "runner/egress_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int read_by(const char *bytes, size_t len, size_t step, struct egress_head *h)
{
	const char *why = NULL;
	int rc = 0;
	*h = (struct egress_head){0};
	for (size_t n = step; rc == 0; n += step) {
		rc = egress_head_read(h, bytes, n < len ? n : len, &why);
		if (n >= len)
			break;
	}
	assert_true(rc >= 0 || why != NULL);
	return rc;
}

static const struct {
	const char *head;
	int status; /* 200: taken; 0: waits for more */
} rows[] = {
	{"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n", 200},
	{"CONNECT a.example.com:443 HTTP/1.0\r\n\r\n", 200},
	{"CONNECT A.Example.Com.:443 HTTP/1.1\r\nHost: b.example.com\r\nX:\r\nY: \t\xc3\xa4 \r\n\r\n", 200},
	{"CONNECT a.example.com:443 HTTP/1.1\r\nHost: a", 0},
	{"CONNECT a.example.com:443 HTTP/1.1\r\n", 0},
	{"", 0},
	{"\r\nCONNECT a.example.com:443 HTTP/1.1\r\n\r\n", -400},
	{"\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\rX", -400},
	{"\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\nA: b\r\n c\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\n A: b\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\nA : b\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\nnonsense\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\n: b\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/1.1\r\nA: \x01\r\n\r\n", -400},
	{"CONNECT  a.example.com:443 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:443  HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:443\r\n\r\n", -400},
	{"CONNECT\r\n\r\n", -400},
	{" CONNECT a.example.com:443 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT\ta.example.com:443 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:443 HTTP/2.0\r\n\r\n", -505},
	{"CONNECT a.example.com:443 HTTP/1.2\r\n\r\n", -505},
	{"CONNECT a.example.com:443 http/1.1\r\n\r\n", -505},
	{"CONNECT a.example.com:443 HTTP/1.1 \r\n\r\n", -400},
	{"connect a.example.com:443 HTTP/1.1\r\n\r\n", -405},
	{"GET http://a.example.com/ HTTP/1.1\r\n\r\n", -405},
	{"GET / HTTP/1.1\r\n\r\n", -405},
	{"POST http://169.254.169.254/latest HTTP/1.1\r\n\r\n", -405},
	{"CONNECT a.example.com HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com: HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:0 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:+443 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:0443 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:65536 HTTP/1.1\r\n\r\n", -400},
	{"CONNECT a.example.com:443/ HTTP/1.1\r\n\r\n", -400},
	{"CONNECT :443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT 169.254.169.254:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT 2852039166:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT 0xa9fea9fe:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT 0251.0376.0251.0376:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT [::ffff:169.254.169.254]:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT https://a.example.com:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT me@a.example.com:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT *.example.com:443 HTTP/1.1\r\n\r\n", -403},
	{"CONNECT a.example.com%00:443 HTTP/1.1\r\n\r\n", -403},
	{"\x16\x03\x01\x02", 0}, /* no line yet */
	{"\x16\x03\x01\r\n\r\n", -400},
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].head);
		for (size_t step = 1; step <= len + 1; step = step < 4 ? step + 1 : len + 2 - step % 2) {
			struct egress_head h;
			int rc = read_by(rows[i].head, len, step, &h);
			if (rows[i].status == 200 ? rc != (int)len : rc != rows[i].status)
				fail_msg("%s by %zu: %d", rows[i].head, step, rc);
			if (rc > 0) {
				assert_string_equal(h.host, "a.example.com");
				assert_int_equal(h.port, 443);
			}
		}
	}
}

static void nul_and_size(void **state)
{
	static const char nul[] = "CONNECT a.example.com\0.evil.com:443 HTTP/1.1\r\n\r\n";
	CLEANUP_BUF struct buf b = {0};
	struct egress_head h;
	(void)state;
	assert_int_equal(read_by(nul, sizeof(nul) - 1, sizeof(nul), &h), -400);
	buf_adds(&b, "CONNECT a.example.com:443 HTTP/1.1\r\nA: ");
	while (b.len < LIMIT_EGRESS_HEAD_BYTES - 4)
		buf_addc(&b, 'x');
	buf_adds(&b, "\r\n\r\n");
	assert_int_equal(read_by(b.data, b.len, b.len, &h), LIMIT_EGRESS_HEAD_BYTES);
	buf_truncate(&b, b.len - 4);
	buf_adds(&b, "x\r\n\r\n");
	assert_int_equal(read_by(b.data, b.len, b.len, &h), -431);
	assert_int_equal(read_by(b.data, b.len, 1, &h), -431);
}

static void what_follows_is_not_part_of_it(void **state)
{
	static const char bytes[] = "CONNECT a.example.com:443 HTTP/1.1\r\n\r\n\x16\x03\x01\n\0";
	struct egress_head h = {0};
	const char *why = NULL;
	(void)state;
	assert_int_equal(egress_head_read(&h, bytes, sizeof(bytes) - 1, &why), (int)strlen("CONNECT a.example.com:443 HTTP/1.1\r\n\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(nul_and_size),
		cmocka_unit_test(what_follows_is_not_part_of_it),
	};
	return cmocka_run_group_tests_name("egress_head", tests, NULL, NULL);
}
