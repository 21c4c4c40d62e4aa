/* The listening socket: addresses it takes and refuses, and the room for clients. */
#include "base/http_listen.h"

#include "base/limits.h"
#include "base/mem.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void test_any_port(void **state)
{
	(void)state;
	int port = 0;
	struct err err = {0};
	CLEANUP_FD int fd = http_listen("127.0.0.1", 0, &port, &err);
	assert_true(fd >= 0);
	assert_in_range(port, 1, 65535);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CLEANUP_FD int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(peer, (struct sockaddr *)&a, sizeof(a)), 0);
	int other = 0;
	assert_int_equal(http_listen("127.0.0.1", port, &other, &err), ERR_IO);
	assert_non_null(strstr(err.msg, "Address already in use"));
	assert_int_equal(other, 0); /* written only on success */
}

static void test_refused_addresses(void **state)
{
	(void)state;
	static const char *const hosts[] = {"localhost", "example.com", "", "127.0.0.1.5", "::1::2", "300.1.1.1"};
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		int port = 0;
		struct err err = {0};
		assert_int_equal(http_listen(hosts[i], 0, &port, &err), ERR_USAGE);
		assert_non_null(strstr(err.msg, "give an IP address"));
	}
	int port = 0;
	struct err err = {0};
	assert_int_equal(http_listen("192.0.2.1", 0, &port, &err), ERR_IO); /* not an address of this machine */
	assert_non_null(strstr(err.msg, "listen on 192.0.2.1 port 0: "));
}

static void set_soft(rlim_t soft)
{
	struct rlimit r;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* Lowers the hard limit at last: this test comes last. */
static void test_room_for_clients(void **state)
{
	(void)state;
	struct rlimit r;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	if (r.rlim_max < LIMIT_INTAKE_CONNECTIONS + 512)
		skip();
	set_soft(100);
	assert_int_equal(http_connection_limit(), LIMIT_INTAKE_CONNECTIONS);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	assert_int_equal(r.rlim_cur, LIMIT_INTAKE_CONNECTIONS + 512);
	static const struct {
		rlim_t hard;
		unsigned room;
	} cases[] = {{2000, 1488}, {1024, 512}, {200, 100}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		r = (struct rlimit){cases[i].hard, cases[i].hard};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
		assert_int_equal(http_connection_limit(), cases[i].room);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_port),
		cmocka_unit_test(test_refused_addresses),
		cmocka_unit_test(test_room_for_clients),
	};
	return cmocka_run_group_tests_name("http_listen", tests, NULL, NULL);
}
