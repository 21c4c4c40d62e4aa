/* Framed UNIX sockets: whole frames in order, however the bytes arrive, and an end to whoever breaks the rules. */
#include "base/loop.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tests/support/fds.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct loop *l;
	struct loop_listener *s;
	struct loop_conn *c; /* the last one accepted */
	char dir[64], path[108];
	struct buf log; /* "[frame]" each, "(closed)" at the end */
	int fds_before, fd;
	bool got, closed, stop_at_frame, keep_at_close;
};

static void on_frame(struct loop_conn *c, const char *bytes, size_t len, void *arg)
{
	struct fixture *f = arg;
	assert_ptr_equal(c, f->c);
	buf_addc(&f->log, '[');
	if (len < 100)
		buf_add(&f->log, bytes, len);
	else
		buf_printf(&f->log, "%zu*%c", len, bytes[len - 1]);
	buf_addc(&f->log, ']');
	f->got = true;
	if (f->stop_at_frame) {
		loop_conn_close(c);
		loop_conn_send(c, "no", 2); /* closed: nothing happens */
		f->c = NULL;
	}
}

static void on_close(struct loop_conn *c, void *arg)
{
	struct fixture *f = arg;
	buf_adds(&f->log, "(closed)");
	f->closed = true;
	if (f->keep_at_close)
		return;
	loop_conn_close(c);
	loop_conn_close(c); /* twice is once */
	f->c = NULL;
}

static void on_conn(struct loop_conn *c, void *arg)
{
	static const struct loop_conn_events events = {on_frame, on_close};
	struct fixture *f = arg;
	f->c = c;
	loop_conn_start(c, &events, f);
	f->got = true;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sluice-unix-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	f->fds_before = support_open_fds();
	f->l = loop_new();
	struct err err = {0};
	f->s = loop_listen_unix(f->l, f->path, 0600, on_conn, f, &err);
	if (f->s == NULL)
		fail_msg("%s", err.msg);
	f->fd = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	loop_listener_close(f->s);
	loop_conn_close(f->c);
	mem_close_fd(&f->fd);
	loop_close(f->l);
	assert_int_equal(support_open_fds(), f->fds_before);
	assert_false(fs_exists(f->path));
	buf_free(&f->log);
	int rc = fs_remove_tree(f->dir, NULL);
	free(f);
	return rc;
}

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void run_until(struct fixture *f, bool *flag)
{
	assert_true(loop_run_until(f->l, flag, 5000));
	*flag = false;
}

static void connect_peer(struct fixture *f)
{
	f->fd = dial(f->path);
	run_until(f, &f->got);
	assert_non_null(f->c);
}

static void put(int fd, const void *bytes, size_t len) { assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len); }

static void rest(struct fixture *f)
{
	bool never = false;
	(void)loop_run_until(f->l, &never, 20);
}

static void test_frames_in_order(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	put(f->fd, "\3\0\0\0one\0\0\0\0\3\0\0\0two\5\0\0", 7 + 4 + 7 + 3);
	run_until(f, &f->got);
	assert_string_equal(buf_str(&f->log), "[one][][two]");
	put(f->fd, "\0thr", 4);
	rest(f);
	assert_string_equal(buf_str(&f->log), "[one][][two]");
	put(f->fd, "ee", 2);
	run_until(f, &f->got);
	assert_string_equal(buf_str(&f->log), "[one][][two][three]");
}

static void test_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	static const char bytes[] = "\2\0\0\0ab\1\0\0\0c";
	connect_peer(f);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		put(f->fd, &bytes[i], 1);
		rest(f);
	}
	assert_string_equal(buf_str(&f->log), "[ab][c]");
}

/* Sends all while the loop runs in between, since a socket holds less than a large frame. */
static void put_large(struct fixture *f, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(f->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else {
			assert_int_equal(errno, EAGAIN);
			rest(f);
		}
	}
}

static void test_the_largest_frame(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	size_t len = LIMIT_FRAME_BYTES;
	char *bytes = xmalloc(4 + len);
	memset(bytes, 'z', 4 + len);
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (char)(len >> (8 * i) & 0xff);
	put_large(f, bytes, 4 + len);
	f->got = false;
	for (int i = 0; i < 100 && f->log.len == 0; i++)
		rest(f);
	assert_string_equal(buf_str(&f->log), "[1048576*z]");
	free(bytes);
}

static void test_a_frame_too_large_ends_it(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	put(f->fd, "\1\0\0\0a\1\0\x10\0rest", 5 + 8); /* LIMIT_FRAME_BYTES + 1 */
	run_until(f, &f->closed);
	assert_string_equal(buf_str(&f->log), "[a](closed)");
	char c;
	rest(f);
	assert_true(recv(f->fd, &c, 1, MSG_DONTWAIT) <= 0);
	assert_string_equal(buf_str(&f->log), "[a](closed)"); /* told once */
}

static void test_a_cut_frame_ends_it(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	put(f->fd, "\5\0\0\0ab", 6);
	mem_close_fd(&f->fd);
	run_until(f, &f->closed);
	assert_string_equal(buf_str(&f->log), "(closed)");
}

static void test_close_inside_a_frame(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	f->stop_at_frame = true;
	put(f->fd, "\1\0\0\0a\1\0\0\0b", 10);
	run_until(f, &f->got);
	rest(f);
	assert_string_equal(buf_str(&f->log), "[a]"); /* nothing after close */
}

static void test_send(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	loop_conn_send(f->c, "hello", 5);
	loop_conn_send(f->c, "", 0);
	loop_conn_send(f->c, "you", 3);
	rest(f);
	char in[64];
	assert_int_equal(recv(f->fd, in, sizeof(in), 0), 9 + 4 + 7);
	assert_memory_equal(in, "\5\0\0\0hello\0\0\0\0\3\0\0\0you", 20);
}

static void test_send_to_one_that_left(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	f->keep_at_close = true; /* the owner still sends before it closes */
	mem_close_fd(&f->fd);
	loop_conn_send(f->c, "hello", 5);
	run_until(f, &f->closed);
	loop_conn_send(f->c, "hello", 5);
	rest(f);
	assert_string_equal(buf_str(&f->log), "(closed)");
}

static void test_one_that_does_not_read_is_cut(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	char *frame = xcalloc(1, LIMIT_FRAME_BYTES);
	for (int i = 0; i < 12; i++)
		loop_conn_send(f->c, frame, LIMIT_FRAME_BYTES);
	assert_false(f->closed); /* never inside the call */
	run_until(f, &f->closed);
	assert_string_equal(buf_str(&f->log), "(closed)");
	free(frame);
}

static void test_two_peers(void **state)
{
	struct fixture *f = *state;
	connect_peer(f);
	struct loop_conn *first = f->c;
	CLEANUP_FD int second = dial(f->path);
	run_until(f, &f->got);
	assert_ptr_not_equal(f->c, first);
	loop_conn_close(first);
	put(second, "\1\0\0\0s", 5);
	run_until(f, &f->got);
	assert_string_equal(buf_str(&f->log), "[s]");
}

static void test_path(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(S_ISSOCK(st.st_mode));
	struct err err = {0};
	char path[200];
	(void)snprintf(path, sizeof(path), "%s/%0120d", f->dir, 1);
	assert_null(loop_listen_unix(f->l, path, 0600, on_conn, f, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_non_null(strstr(err.msg, "at most 107 bytes"));
	assert_null(loop_listen_unix(f->l, "/nonexistent/dir/socket", 0600, on_conn, f, &err));
	assert_int_equal(err.code, ERR_IO);
}

static void test_a_leftover_is_replaced(void **state)
{
	struct fixture *f = *state;
	char path[108];
	(void)snprintf(path, sizeof(path), "%.60s/old", f->dir);
	assert_int_equal(fs_write_fast(path, "", 0, 0600, NULL), 0);
	struct err err = {0};
	struct loop_listener *s = loop_listen_unix(f->l, path, 0660, on_conn, f, &err);
	assert_non_null(s);
	f->fd = dial(path);
	run_until(f, &f->got);
	loop_listener_close(s);
	loop_listener_close(NULL);
}

int main(void)
{
	loop_close(loop_new()); /* libuv opens its signal pipe once a process: before descriptors are counted */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_byte_by_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_largest_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_frame_too_large_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_cut_frame_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_inside_a_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_to_one_that_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_does_not_read_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_peers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_leftover_is_replaced, setup, teardown),
	};
	return cmocka_run_group_tests_name("loop_unix", tests, NULL, NULL);
}
