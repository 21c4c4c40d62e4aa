/* Frames over pipes and sockets: whole, cut, too long, in pieces. */
#include "base/frame.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void round_trip(void **state)
{
	(void)state;
	int fds[2];
	struct err err = {0};
	CLEANUP_BUF struct buf got = {0};
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	static const size_t sizes[] = {0, 1, 2047, 2048, 2049, 30000};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP_FREE char *bytes = xmalloc(sizes[i] + 1);
		memset(bytes, (int)('a' + i), sizes[i]);
		assert_int_equal(frame_write(fds[1], bytes, sizes[i], &err), 0);
		assert_int_equal(frame_read(fds[0], 30000, &got, &err), 0);
		assert_int_equal(got.len, sizes[i]);
		if (sizes[i] > 0)
			assert_memory_equal(got.data, bytes, sizes[i]);
	}
	(void)close(fds[1]);
	assert_int_equal(frame_read(fds[0], 10, &got, &err), ERR_NOT_FOUND);
	(void)close(fds[0]);
}

/* Larger than any pipe buffer, so both sides have to wait for each other. */
static void large_frame_through_a_child(void **state)
{
	(void)state;
	int fds[2];
	struct err err = {0};
	CLEANUP_BUF struct buf got = {0};
	size_t n = 3u * 1024u * 1024u;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *bytes = xmalloc(n);
		memset(bytes, 'z', n);
		_exit(frame_write(fds[1], bytes, n, &err) == 0 ? 0 : 1);
	}
	(void)close(fds[1]);
	assert_int_equal(frame_read(fds[0], n, &got, &err), 0);
	assert_int_equal(got.len, n);
	assert_int_equal(got.data[n - 1], 'z');
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(fds[0]);
}

static void bad_streams(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		int want;
	} cases[] = {
		{"", 0, ERR_NOT_FOUND},
		{"\x01", 1, ERR_PARSE},
		{"\x01\0\0", 3, ERR_PARSE},
		{"\x02\0\0\0a", 5, ERR_PARSE},
		{"\x01\0\0\0", 4, ERR_PARSE},
		{"\x65\0\0\0aaa", 7, ERR_LIMIT},
		{"\xff\xff\xff\xff", 4, ERR_LIMIT},
		{"\x64\0\0\0aa", 6, ERR_PARSE},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fds[2];
		struct err err = {0};
		CLEANUP_BUF struct buf got = {0};
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		if (cases[i].len > 0)
			assert_int_equal(write(fds[1], cases[i].bytes, cases[i].len), (int)cases[i].len);
		(void)close(fds[1]);
		assert_int_equal(frame_read(fds[0], 100, &got, &err), cases[i].want);
		assert_true(err.msg[0] != '\0');
		(void)close(fds[0]);
	}
}

static void closed_socket_is_no_signal(void **state)
{
	(void)state;
	int fds[2];
	struct err err = {0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	(void)close(fds[1]);
	assert_int_equal(frame_write(fds[0], "x", 1, &err), ERR_UNAVAILABLE);
	(void)close(fds[0]);
	assert_int_equal(frame_write(fds[0], "x", 1, &err), ERR_IO);
	CLEANUP_BUF struct buf got = {0};
	assert_int_equal(frame_read(fds[0], 1, &got, &err), ERR_IO);
}

static void take_byte_by_byte(void **state)
{
	(void)state;
	static const char stream[] = "\x03\0\0\0abc\0\0\0\0\x01\0\0\0z";
	struct err err = {0};
	CLEANUP_BUF struct buf in = {0};
	CLEANUP_BUF struct buf got = {0};
	CLEANUP_BUF struct buf seen = {0};
	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		buf_addc(&in, stream[i]);
		int rc = frame_take(&in, 3, &got, &err);
		assert_int_equal(rc, i == 6 || i == 10 || i == 15);
		if (rc == 1)
			buf_printf(&seen, "[%s]", buf_str(&got));
	}
	assert_string_equal(buf_str(&seen), "[abc][][z]");
	assert_int_equal(in.len, 0);
	buf_add(&in, "\x04\0\0\0", 4);
	assert_int_equal(frame_take(&in, 3, &got, &err), ERR_LIMIT);
}

static void take_many_at_once(void **state)
{
	(void)state;
	struct err err = {0};
	CLEANUP_BUF struct buf in = {0};
	CLEANUP_BUF struct buf got = {0};
	buf_add(&in, "\x01\0\0\0a\x02\0\0\0bc\x05\0\0\0d", 16);
	assert_int_equal(frame_take(&in, 100, &got, &err), 1);
	assert_string_equal(buf_str(&got), "a");
	assert_int_equal(frame_take(&in, 100, &got, &err), 1);
	assert_string_equal(buf_str(&got), "bc");
	assert_int_equal(frame_take(&in, 100, &got, &err), 0);
	assert_int_equal(in.len, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),        cmocka_unit_test(large_frame_through_a_child),
		cmocka_unit_test(bad_streams),       cmocka_unit_test(closed_socket_is_no_signal),
		cmocka_unit_test(take_byte_by_byte), cmocka_unit_test(take_many_at_once),
	};
	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
