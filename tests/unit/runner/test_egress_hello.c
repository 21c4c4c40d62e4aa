/* The ClientHello: those of real programs, every shape that is refused, and every way to cut the bytes. */
#include "base/fs.h"
#include "tests/support/egress_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Feeds so many bytes at a time, from exact copies on the heap. */
static enum egress_hello_is feed(const struct buf *bytes, size_t step, size_t *ret_used, char name[HOST_MAX + 1])
{
	struct egress_hello h = {0};
	enum egress_hello_is is = HELLO_MORE;
	*ret_used = 0;
	for (size_t at = 0; at < bytes->len && is == HELLO_MORE; at += step) {
		size_t n = bytes->len - at < step ? bytes->len - at : step, used = 0;
		CLEANUP_FREE uint8_t *copy = xmalloc(n);
		memcpy(copy, bytes->data + at, n);
		is = egress_hello_read(&h, copy, n, &used);
		*ret_used += used;
	}
	(void)snprintf(name, HOST_MAX + 1, "%s", h.name);
	egress_hello_free(&h);
	return is;
}

static void of_real_programs(void **state)
{
	static const struct {
		const char *file;
		enum egress_hello_is is;
	} rows[] = {
		{"openssl", HELLO_OK}, {"openssl-tls12", HELLO_OK}, {"openssl-no-name", HELLO_NO_NAME},
		{"curl", HELLO_OK},    {"curl-h11", HELLO_OK},      {"terraform", HELLO_OK},
		{"go", HELLO_OK},      {"python", HELLO_OK},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *path = xasprintf("tests/fuzz/corpus/egress_hello/%s", rows[i].file);
		CLEANUP_BUF struct buf bytes = {0};
		struct err err = {0};
		if (fs_read(path, 1 << 16, &bytes, &err) != 0)
			fail_msg("%s", err.msg);
		const size_t steps[] = {1, 2, 3, 5, 7, 64, bytes.len};
		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			char name[HOST_MAX + 1];
			size_t used;
			enum egress_hello_is is = feed(&bytes, steps[k], &used, name);
			if (is != rows[i].is)
				fail_msg("%s by %zu: %d", rows[i].file, steps[k], (int)is);
			assert_int_equal(used, bytes.len);
			if (is == HELLO_OK)
				assert_string_equal(name, "allowed.example.com");
		}
	}
}

static void shapes(void **state)
{
	static const char name[] = "allowed.example.com";
	static const struct {
		const char *what;
		struct hello_shape shape;
		enum egress_hello_is is;
	} rows[] = {
		{"plain", {.name = name}, HELLO_OK},
		{"either case", {.name = "ALLOWED.Example.com"}, HELLO_OK},
		{"grease", {.name = name, .grease = true}, HELLO_OK},
		{"padded", {.name = name, .padding = 8000}, HELLO_OK},
		{"many records", {.name = name, .record = 1}, HELLO_OK},
		{"records of 7", {.name = name, .record = 7}, HELLO_OK},
		{"an unknown extension", {.name = name, .extension = 0x1234}, HELLO_OK},
		{"no extensions", {.bare = true}, HELLO_NO_NAME},
		{"no name", {0}, HELLO_NO_NAME},
		{"an empty name", {.name = ""}, HELLO_NO_NAME},
		{"an address", {.name = "127.0.0.1"}, HELLO_NO_NAME},
		{"a dot at the end", {.name = "allowed.example.com."}, HELLO_NO_NAME},
		{"a star", {.name = "*.example.com"}, HELLO_NO_NAME},
		{"two names", {.name = name, .second = "evil.example.com"}, HELLO_NO_NAME},
		{"the same name twice", {.name = name, .second = name}, HELLO_NO_NAME},
		{"the extension twice", {.name = name, .twice = true}, HELLO_NOT_TLS},
		{"encrypted client hello", {.name = name, .extension = 0xfe0d}, HELLO_HIDDEN},
		{"its outer extensions", {.name = name, .extension = 0xfd00}, HELLO_HIDDEN},
		{"encrypted name", {.name = name, .extension = 0xffce}, HELLO_HIDDEN},
		{"a draft of it", {.name = name, .extension = 0xfe0a}, HELLO_HIDDEN},
		{"something behind it", {.name = name, .behind = 4}, HELLO_NOT_TLS},
		{"too large", {.name = name, .padding = 16384, .record = 8000}, HELLO_TOO_LARGE},
		{"too many records", {.name = name, .padding = 3000, .record = 1}, HELLO_TOO_LARGE},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_BUF struct buf bytes = {0};
		hello_make(&bytes, &rows[i].shape);
		for (size_t step = 1; step <= bytes.len; step = step < 9 ? step + 1 : step * 5 + bytes.len / 2) {
			char got[HOST_MAX + 1];
			size_t used;
			enum egress_hello_is is = feed(&bytes, step, &used, got);
			if (is != rows[i].is)
				fail_msg("%s by %zu: %d", rows[i].what, step, (int)is);
			if (is == HELLO_OK)
				assert_string_equal(got, name);
		}
	}
}

/* Each prefix waits for more, and nothing but the whole thing is taken; what follows it belongs to the tunnel. */
static void prefixes_and_what_follows(void **state)
{
	char name[HOST_MAX + 1];
	size_t used;
	CLEANUP_BUF struct buf bytes = {0};
	(void)state;
	hello_make(&bytes, &(struct hello_shape){.name = "allowed.example.com", .record = 50});
	size_t whole = bytes.len;
	for (size_t n = 1; n < whole; n++) {
		struct buf prefix = {.data = bytes.data, .len = n};
		assert_int_equal(feed(&prefix, n, &used, name), HELLO_MORE);
	}
	buf_adds(&bytes, "and more");
	assert_int_equal(feed(&bytes, bytes.len, &used, name), HELLO_OK);
	assert_int_equal(used, whole);
}

/* Any single byte changed: never a crash, never another name than the one that is there, and never more bytes than there are. */
static void each_byte_changed(void **state)
{
	char name[HOST_MAX + 1];
	size_t used, ok = 0;
	CLEANUP_BUF struct buf bytes = {0};
	(void)state;
	hello_make(&bytes, &(struct hello_shape){.name = "allowed.example.com", .grease = true});
	for (size_t i = 0; i < bytes.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
			enum egress_hello_is is = feed(&bytes, bytes.len, &used, name);
			assert_true(used <= bytes.len);
			ok += is == HELLO_OK;
			bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
		}
	}
	assert_true(ok > 300); /* random, session, suites, letters of the name */
}

static void what_is_not_tls(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n",        "\x80\x2e\x01\x03\x01", "\x15\x03\x01",
		"\x16\x02\x00",       "\x16\x03\x01\xff\xff", "\x17\x03\x03",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct egress_hello h = {0};
		size_t used = 0, len = i < 3 || rows[i][1] == 3 ? strlen(rows[i]) : 2;
		assert_int_equal(egress_hello_read(&h, (const uint8_t *)rows[i], len, &used), HELLO_NOT_TLS);
		egress_hello_free(&h);
	}
	struct egress_hello h = {0};
	size_t used;
	assert_int_equal(egress_hello_read(&h, (const uint8_t *)"\x16\x03\x01\x00\x00", 5, &used), HELLO_NOT_TLS); /* an empty record */
	egress_hello_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_real_programs),  cmocka_unit_test(shapes),          cmocka_unit_test(prefixes_and_what_follows),
		cmocka_unit_test(each_byte_changed), cmocka_unit_test(what_is_not_tls),
	};
	return cmocka_run_group_tests_name("egress_hello", tests, NULL, NULL);
}
