/* The tar reader on streams made here, block by block: names, kinds, ceilings, and every way to be broken. What real programs write is in
 * tests/unit/runner/test_unpack.c. */
#include "base/limits.h"
#include "base/mem.h"
#include "runner/untar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct buf told;

static int on_entry(const struct untar_entry *e, void *arg, struct err *err)
{
	(void)arg, (void)err;
	buf_printf(&told, "%s %s%s%s%s;", e->kind == UNTAR_FILE ? "file" : e->kind == UNTAR_DIR ? "dir" : "link", e->path, e->kind == UNTAR_FILE && e->executable ? "*" : "",
		   e->target[0] != '\0' ? "->" : "", e->target);
	return 0;
}

static int on_data(const char *bytes, size_t len, void *arg, struct err *err)
{
	(void)arg, (void)err;
	buf_add(&told, bytes, len);
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	(void)arg, (void)err;
	buf_addc(&told, '|');
	return 0;
}

static void sum(char *b)
{
	unsigned v = 0;
	memset(b + 148, ' ', 8);
	for (int i = 0; i < UNTAR_BLOCK; i++)
		v += (unsigned char)b[i];
	(void)snprintf(b + 148, 8, "%06o", v);
	b[155] = ' ';
}

static void add(struct buf *out, const char *name, char type, const char *target, const char *body, unsigned mode)
{
	char b[UNTAR_BLOCK] = {0};
	size_t len = strlen(body);
	memcpy(b, name, strnlen(name, 100));
	(void)snprintf(b + 100, 8, "%07o", mode);
	(void)snprintf(b + 124, 12, "%011o", (unsigned)len & 0xffffffu);
	b[156] = type;
	memcpy(b + 157, target, strnlen(target, 100));
	memcpy(b + 257, "ustar\0" "00", 8);
	sum(b);
	buf_add(out, b, sizeof(b));
	buf_adds(out, body);
	while (out->len % UNTAR_BLOCK != 0)
		buf_addc(out, '\0');
}

static void end(struct buf *out)
{
	static const char zero[2 * UNTAR_BLOCK];
	buf_add(out, zero, sizeof(zero));
}

static int read_all(const struct buf *b, size_t piece, const struct untar_limits *limits, struct err *err)
{
	struct untar u;
	const struct untar_sink sink = {on_entry, on_data, on_end, NULL};
	int rc = 0;
	buf_reset(&told);
	*err = (struct err){0};
	untar_init(&u, limits, &sink);
	for (size_t i = 0; rc == 0 && i < b->len; i += piece)
		rc = untar_feed(&u, b->data + i, b->len - i < piece ? b->len - i : piece, err);
	if (rc == 0)
		rc = untar_end(&u, err);
	untar_free(&u);
	return rc;
}

static const struct untar_limits wide = {.bytes = 1 << 20, .entries = 100, .links = true};
static const struct untar_limits no_links = {.bytes = 1 << 20, .entries = 100};

static void pieces_of_any_size(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = {0};
	struct err err;
	char body[601];
	memset(body, 'x', 600);
	body[600] = '\0';
	add(&b, "./", '5', "", "", 0755);
	add(&b, "./a", '0', "", "hello", 0644);
	add(&b, "./d/", '5', "", "", 0755);
	add(&b, "d/run", '0', "", "", 0755);
	add(&b, "d/e/l", '2', "../run", "", 0666);
	add(&b, "d/long", '\0', "", body, 0600);
	end(&b);
	end(&b); /* a whole record of zeros follows what GNU tar writes */
	static const size_t sizes[] = {1, 3, 511, 512, 513, 100000};
	CLEANUP_FREE char *wanted = xasprintf("file a;hello|dir d;file d/run*;|link d/e/l->../run;file d/long;%s|", body);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		if (read_all(&b, sizes[i], &wide, &err) != 0)
			fail_msg("%zu: %s", sizes[i], err.msg);
		assert_string_equal(buf_str(&told), wanted);
	}
}

static void names_that_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = {"/etc/passwd", "../x", "a/../x", "a/..", "..", "a//b", "a/./b", "x\ny", "x\x7f", "\xff", "/", ".", "a\x01"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP_BUF struct buf b = {0};
		struct err err;
		add(&b, names[i], '0', "", "", 0644);
		end(&b);
		if (read_all(&b, 512, &wide, &err) != ERR_REFUSED)
			fail_msg("%s: %s", names[i], err.msg);
		assert_non_null(strstr(err.msg, "in the archive is refused"));
		assert_null(strpbrk(err.msg, "\n\x01\x7f"));
		assert_string_equal(buf_str(&told), "");
	}
}

static void kinds_that_are_refused(void **state)
{
	(void)state;
	static const char kinds[] = "1346789gxSVM";
	for (const char *k = kinds; *k != '\0'; k++) {
		CLEANUP_BUF struct buf b = {0};
		struct err err;
		add(&b, "a/b", *k, "a/c", "", 0644);
		end(&b);
		assert_int_equal(read_all(&b, 512, &wide, &err), ERR_REFUSED);
		assert_string_equal(err.msg, "\"a/b\" in the archive is refused: neither a file nor a directory");
	}
}

static void links(void **state)
{
	(void)state;
	static const struct {
		const char *path, *target;
		bool taken;
	} cases[] = {
		{"m/a", "b", true},       {"m/a", "./b/../c", true},  {"m/x/a", "../b", true},    {"m/a", "../b", false}, {"m/a", "b/../../c", false},
		{"m/a", "/etc", false},   {"m/x/a", "../../b", false}, {"m/a", "", false},         {"a", "b", false},      {"m/a", "..", false},
		{"m/x/y/a", "../..", true}, {"m/x/a", "..", true},      {"m/x/a", "../../m/b", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf b = {0};
		struct err err;
		add(&b, cases[i].path, '2', cases[i].target, "", 0777);
		end(&b);
		if (read_all(&b, 512, &wide, &err) != (cases[i].taken ? 0 : ERR_REFUSED))
			fail_msg("%s -> %s: %s", cases[i].path, cases[i].target, err.msg);
		assert_int_equal(read_all(&b, 512, &no_links, &err), ERR_REFUSED);
		assert_non_null(strstr(err.msg, "links are not taken"));
	}
}

static void long_names(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = {0}, name = {0}, deep = {0};
	struct err err;
	for (int i = 0; i < 30; i++)
		buf_adds(&name, i > 0 ? "/directory" : "d");
	add(&b, "././@LongLink", 'L', "", name.data, 0644);
	add(&b, "cut", '0', "", "x", 0644);
	add(&b, "short", '0', "", "y", 0644);
	end(&b);
	CLEANUP_FREE char *want = xasprintf("file %s;x|file short;y|", name.data);
	assert_int_equal(read_all(&b, 100, &wide, &err), 0);
	assert_string_equal(buf_str(&told), want);

	buf_reset(&b); /* ustar's prefix */
	add(&b, "file", '0', "", "", 0644);
	memcpy(b.data + 345, "some/where", 10);
	sum(b.data);
	end(&b);
	assert_int_equal(read_all(&b, 512, &wide, &err), 0);
	assert_string_equal(buf_str(&told), "file some/where/file;|");

	buf_reset(&b);
	for (unsigned i = 0; i < LIMIT_TREE_DEPTH; i++)
		buf_adds(&deep, "d/");
	buf_adds(&deep, "x");
	add(&b, "././@LongLink", 'L', "", deep.data, 0644);
	add(&b, "cut", '0', "", "", 0644);
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "more than 64 directories deep"));

	buf_reset(&b);
	buf_reset(&name);
	for (unsigned i = 0; i < LIMIT_PATH_BYTES + 2; i++)
		buf_addc(&name, 'a');
	add(&b, "././@LongLink", 'L', "", name.data, 0644);
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_LIMIT);
	buf_reset(&b);
	buf_truncate(&name, 256);
	add(&b, "././@LongLink", 'L', "", name.data, 0644);
	add(&b, "cut", '0', "", "", 0644);
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_REFUSED);
}

static void ceilings(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf b = {0};
	struct err err;
	const struct untar_limits few = {.bytes = 9, .entries = 3};
	add(&b, "a", '0', "", "12345", 0644);
	add(&b, "b", '0', "", "1234", 0644);
	add(&b, "c", '5', "", "", 0755);
	CLEANUP_BUF struct buf more = {0}, larger = {0};
	buf_add(&more, b.data, b.len);
	buf_add(&larger, b.data, 2 * UNTAR_BLOCK);
	end(&b);
	assert_int_equal(read_all(&b, 512, &few, &err), 0);
	add(&more, "d", '5', "", "", 0755);
	end(&more);
	assert_int_equal(read_all(&more, 512, &few, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "the archive has more than 3 files and directories");
	add(&larger, "b", '0', "", "12345", 0644);
	end(&larger);
	assert_int_equal(read_all(&larger, 512, &few, &err), ERR_LIMIT);
	assert_string_equal(err.msg, "the archive unpacks to more than 0 MiB");
}

static void broken_ones(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf good = {0}, b = {0};
	struct err err;
	add(&good, "a", '0', "", "hello", 0644);
	size_t body = good.len;
	end(&good);
	for (size_t cut = 0; cut + UNTAR_BLOCK <= good.len; cut += 37) { /* before its second block of zeros is whole */
		buf_reset(&b);
		buf_add(&b, good.data, cut);
		assert_int_equal(read_all(&b, 512, &wide, &err), ERR_PARSE);
		assert_string_equal(err.msg, "the archive is broken: it ends in the middle");
	}
	static const struct {
		size_t at;
		char byte;
		bool sum;
		const char *says;
	} cases[] = {
		{0, 'b', false, "that is no tar header"}, {257, 'x', true, "that is no tar header"}, {124, (char)0x80, true, "a size that is no number"},
		{100, 'x', true, "a file without mode"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&b);
		buf_add(&b, good.data, good.len);
		b.data[cases[i].at] = cases[i].byte;
		if (cases[i].sum)
			sum(b.data);
		assert_int_equal(read_all(&b, 512, &wide, &err), ERR_PARSE);
		assert_non_null(strstr(err.msg, cases[i].says));
	}
	buf_reset(&b);
	buf_add(&b, good.data, good.len);
	buf_addc(&b, 'x');
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_PARSE);
	assert_non_null(strstr(err.msg, "goes on behind its end"));
	buf_reset(&b); /* one block of zeros, then another file */
	buf_add(&b, good.data, body + UNTAR_BLOCK);
	add(&b, "c", '0', "", "", 0644);
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_PARSE);
	assert_non_null(strstr(err.msg, "an end in the middle"));
	buf_reset(&b);
	add(&b, "d", '5', "", "bytes", 0755);
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_PARSE);
	buf_reset(&b);
	add(&b, "x", 'L', "", "", 0755);
	assert_int_equal(read_all(&b, 512, &wide, &err), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_any_size), cmocka_unit_test(names_that_are_refused), cmocka_unit_test(kinds_that_are_refused),
		cmocka_unit_test(links),	      cmocka_unit_test(long_names),		cmocka_unit_test(ceilings),
		cmocka_unit_test(broken_ones),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&told);
	return failed;
}
