/* The log: one line an event, whatever is in it. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct buf heard;

static void hear(const char *line, void *arg)
{
	assert_ptr_equal(arg, &heard);
	buf_printf(&heard, "%s\n", line);
}

static int setup(void **state)
{
	(void)state;
	buf_reset(&heard);
	clock_fake_set(1764079387045);
	log_set_sink(hear, &heard);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(LOG_INFO);
	clock_fake_off();
	buf_free(&heard);
	return 0;
}

static void line(void **state)
{
	(void)state;
	log_info("run.start", "run=%d repo=%s", 12, "acme/infra");
	log_err("db.fatal", "error=%s", log_value("disk \"full\"\nnow"));
	assert_string_equal(buf_str(&heard), "2025-11-25T14:03:07.045Z info run.start run=12 repo=acme/infra\n"
					     "2025-11-25T14:03:07.045Z err db.fatal error=\"disk \\\"full\\\"?now\"\n");
}

static void levels(void **state)
{
	static const char *const words[] = {"err", "warn", "info", "debug"};
	enum log_level level;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		assert_int_equal(log_level_parse(words[i], &level), 0);
		assert_int_equal(level, i);
		log_set_level(level);
		buf_reset(&heard);
		log_err("a", "x=1");
		log_warn("b", "x=1");
		log_info("c", "x=1");
		log_debug("d", "x=1");
		size_t lines = 0;
		for (const char *p = buf_str(&heard); *p != '\0'; p++)
			lines += *p == '\n';
		assert_int_equal(lines, i + 1);
	}
	level = LOG_WARN;
	assert_true(log_level_parse("loud", &level) < 0);
	assert_true(log_level_parse("", &level) < 0);
	assert_int_equal(level, LOG_WARN);
}

/* Whatever a format lets through, one event is one line. */
static void stays_a_line(void **state)
{
	(void)state;
	log_info("x", "a=%s", "one\ntwo\r\x1b[31m\x7fthree");
	assert_string_equal(strchr(buf_str(&heard), 'a'), "a=one two  [31m three\n");
}

static void long_lines(void **state)
{
	static char text[20000];
	(void)state;
	memset(text, 'y', sizeof(text) - 1);
	log_info("big", "v=%s", text);
	assert_true(heard.len < 9000);
	assert_non_null(strstr(buf_str(&heard), " info big v=yyyyyyy")); /* cut, not lost */
	const char *value = log_value(text);
	assert_int_equal(strlen(value), LOG_VALUE_MAX + 2);
	memset(text, '"', sizeof(text) - 1);
	assert_int_equal(strlen(log_value(text)), 2 * LOG_VALUE_MAX + 2);
	assert_string_equal(log_value(NULL), "\"\"");
	assert_string_equal(log_value("a\\b\tc\x7f"), "\"a\\\\b?c?\"");
	assert_string_equal(log_value("a\x1b[1mb\xc2\x9b" "31mc\xe2\x80\xae\xff"), "\"a?[1mbc<U+202E>\xef\xbf\xbd\"");
}

static void eight_values_in_one_line(void **state)
{
	const char *v[8];
	char want[8][4];
	(void)state;
	for (int i = 0; i < 8; i++) {
		char text[2] = {(char)('a' + i), '\0'};
		v[i] = log_value(text);
		memcpy(want[i], (char[]){'"', text[0], '"', '\0'}, 4);
	}
	for (int i = 0; i < 8; i++)
		assert_string_equal(v[i], want[i]);
}

static void to_standard_error(void **state)
{
	int pipefd[2], saved = dup(STDERR_FILENO);
	char got[256] = {0};
	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	log_set_sink(NULL, NULL);
	assert_true(dup2(pipefd[1], STDERR_FILENO) >= 0);
	log_warn("w", "x=%d", 1);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	ssize_t n = read(pipefd[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	assert_string_equal(got, "2025-11-25T14:03:07.045Z warn w x=1\n");
	assert_int_equal(close(pipefd[0]) | close(pipefd[1]) | close(saved), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(line, setup, teardown),
		cmocka_unit_test_setup_teardown(levels, setup, teardown),
		cmocka_unit_test_setup_teardown(stays_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(eight_values_in_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(to_standard_error, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
