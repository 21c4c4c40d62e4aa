/* The agent's table of requests, asked as nobody of ours would: unknown, too short, too long, out of order. The serving function runs in a
 * child of this test, on a socket of its own. */
#include "base/crypto.h"
#include "secrets/agent_priv.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct agent_keys keys;
static int fd;
static pid_t pid;

static int open_agent(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		agent_serve(fds[1], &keys);
		_exit(7);
	}
	(void)close(fds[1]);
	fd = fds[0];
	return 0;
}

static int close_agent(void **state)
{
	(void)state;
	int status = 0;
	(void)close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7); /* it ended with its socket, and lived until then */
	return 0;
}

/* Sends len bytes of body after a head that says say_len. */
static void send_raw(uint32_t op, uint64_t number, uint32_t say_len, const void *body, size_t len)
{
	struct agent_head head = {.op = op, .len = say_len, .number = number};
	CLEANUP_FREE char *packet = xmalloc(sizeof(head) + len);
	memcpy(packet, &head, sizeof(head));
	if (len > 0)
		memcpy(packet + sizeof(head), body, len);
	assert_int_equal(send(fd, packet, sizeof(head) + len, 0), sizeof(head) + len);
}

static bool answers(struct agent_answer *a)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	if (poll(&p, 1, 1000) != 1)
		return false;
	assert_int_equal(recv(fd, a, sizeof(*a), 0), sizeof(*a));
	return true;
}

/* Nothing comes of it: the next good request is answered, and it is the only one. */
static void is_silent_before(uint64_t number)
{
	struct agent_answer a;
	send_raw(AGENT_OP_SIGN_PLAN, number, 1, "x", 1);
	assert_true(answers(&a));
	assert_int_equal(a.number, number);
	assert_int_equal(a.code, 0);
	assert_int_equal(a.len, AGENT_SIG_SIZE);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 0), 0);
}

static void sizes_of_the_table(void **state)
{
	(void)state;
	static const struct {
		uint32_t op, min, max;
	} rows[] = {
		{AGENT_OP_NEW_KEY, sizeof(struct agent_key_request), sizeof(struct agent_key_request)},
		{AGENT_OP_UNWRAP, sizeof(struct agent_key_request), sizeof(struct agent_key_request)},
		{AGENT_OP_APP_JWT, 8, 8},
		{AGENT_OP_SIGN_PLAN, 1, AGENT_SIGN_MAX},
		{AGENT_OP_SIGN_AUDIT, 1, AGENT_SIGN_MAX},
		{AGENT_OP_BLIND, 64, 64},
	};
	uint64_t number = 0;
	CLEANUP_FREE char *body = xcalloc(1, AGENT_SIGN_MAX + 64);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct agent_answer a;
		const uint32_t good[] = {rows[i].min, rows[i].max}, bad[] = {0, rows[i].min - 1, rows[i].max + 1};
		for (size_t k = 0; k < ARRAY_LEN(good); k++) {
			send_raw(rows[i].op, ++number, good[k], body, good[k]);
			assert_true(answers(&a));
			assert_int_equal(a.number, number);
		}
		for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
			send_raw(rows[i].op, ++number, bad[k], body, bad[k]);
			is_silent_before(++number);
		}
		/* a head that lies about the body */
		send_raw(rows[i].op, ++number, good[0], body, good[0] + 1);
		send_raw(rows[i].op, ++number, good[0] + 1, body, good[0]);
		send_raw(rows[i].op, ++number, UINT32_MAX, body, good[0]);
		send_raw(rows[i].op, ++number, good[0], body, 0);
		is_silent_before(++number);
	}
	assert_int_equal(send(fd, body, 0, 0), 0); /* an empty packet looks like the end: it ends */
}

static void unknown_operations(void **state)
{
	(void)state;
	static const uint32_t ops[] = {0, 7, 8, 255, 0x01000000, UINT32_MAX};
	static const uint32_t sizes[] = {0, 1, 8, sizeof(struct agent_key_request)};
	CLEANUP_FREE char *body = xcalloc(1, 1024);
	uint64_t number = 0;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			send_raw(ops[i], ++number, sizes[k], body, sizes[k]);
			is_silent_before(++number);
		}
	for (size_t n = 1; n < sizeof(struct agent_head); n++) /* not even a head */
		assert_int_equal(send(fd, body, n, 0), n);
	is_silent_before(++number);
}

static void numbers_only_rise(void **state)
{
	(void)state;
	is_silent_before(5);
	static const uint64_t old[] = {5, 4, 1, 0};
	for (size_t i = 0; i < ARRAY_LEN(old); i++)
		send_raw(AGENT_OP_SIGN_PLAN, old[i], 1, "x", 1);
	is_silent_before(6);
	is_silent_before(UINT64_MAX - 1); /* gaps are fine: requests that were given up */
	is_silent_before(UINT64_MAX);
	send_raw(AGENT_OP_SIGN_PLAN, 7, 1, "x", 1);
	send_raw(AGENT_OP_SIGN_PLAN, UINT64_MAX, 1, "x", 1);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 50), 0);
}

static void what_is_answered_with_a_sentence(void **state)
{
	(void)state;
	struct agent_answer a;
	struct agent_key_request body = {0};
	int64_t now = 0;
	send_raw(AGENT_OP_NEW_KEY, 1, sizeof(body), &body, sizeof(body)); /* no context */
	assert_true(answers(&a));
	assert_int_equal(a.code, ERR_USAGE);
	assert_memory_equal(a.bytes, "key agent: a key needs a context", a.len);
	send_raw(AGENT_OP_UNWRAP, 2, sizeof(body), &body, sizeof(body));
	assert_true(answers(&a));
	assert_int_equal(a.code, ERR_USAGE);
	memset(body.context, 'c', sizeof(body.context)); /* without an end: all of it */
	send_raw(AGENT_OP_UNWRAP, 3, sizeof(body), &body, sizeof(body));
	assert_true(answers(&a));
	assert_int_equal(a.code, ERR_REFUSED);
	send_raw(AGENT_OP_APP_JWT, 4, sizeof(now), &now, sizeof(now));
	assert_true(answers(&a));
	assert_int_equal(a.code, ERR_NOT_FOUND);
	static const uint8_t nothing[64];
	assert_memory_equal(a.bytes + a.len, nothing, sizeof(nothing)); /* nothing of an earlier answer is left in it */
}

static void rehearsal(void **state)
{
	(void)state;
	struct err err = {0};
	assert_int_equal(agent_rehearse(&keys, &err), 0);
	struct agent_keys odd = keys;
	odd.pub[0] ^= 1; /* the two halves do not belong together */
	assert_int_equal(agent_rehearse(&odd, &err), ERR_INTERNAL);
	assert_string_equal(err.msg, "key agent: its own signature does not verify");
}

int main(void)
{
	crypto_random(keys.master, sizeof(keys.master));
	crypto_sign_new(keys.sign, keys.pub);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizes_of_the_table, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(unknown_operations, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(numbers_only_rise, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(what_is_answered_with_a_sentence, open_agent, close_agent),
		cmocka_unit_test(rehearsal),
	};
	return cmocka_run_group_tests_name("agent serve", tests, NULL, NULL);
}
