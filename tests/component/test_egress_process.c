/* The process of the proxy: what it takes over its channel, what it holds, how it ends, and what is known of it afterwards. */
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/egress_support.h"
#include "tests/support/fds.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what comes over the channel ---- */

static struct egress *start_on(int type, int *ret_channel)
{
	int pair[2], log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct egress *e = NULL;
	struct err err = {0};
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	egress_tuning.keep_stderr = true;
	const struct egress_order o = {.rules = "allowed.test:443=127.0.0.1:1", .channel = pair[1], .log_fd = log_fd};
	if (egress_start(&o, &e, &err) != 0)
		fail_msg("%s", err.msg);
	(void)close(pair[1]);
	(void)close(log_fd);
	*ret_channel = pair[0];
	return e;
}

static bool ends_by_itself(const struct egress *e, int64_t within_ms)
{
	siginfo_t info;
	for (int64_t end = clock_mono_ms() + within_ms; clock_mono_ms() < end; (void)usleep(5000)) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)e->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == e->pid)
			return true;
	}
	return false;
}

static void end_quietly(struct egress *e, bool broke)
{
	struct egress_totals t;
	egress_end(e, &t);
	assert_int_equal(t.connections + t.refused + t.bytes_in + t.bytes_out + t.unlogged, 0);
	assert_string_equal(t.refusals, "");
	assert_int_equal(t.broke, broke);
}

static int any_tcp_socket(uint32_t address, bool listens)
{
	const struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && (!listens || listen(fd, 1) == 0));
	return fd;
}

static int unix_listener(void)
{
	const struct sockaddr_un at = {.sun_family = AF_UNIX}; /* autobind: an abstract name */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof(sa_family_t)) == 0 && listen(fd, 1) == 0);
	return fd;
}

static void descriptors_that_are_no_listener(void **state)
{
	int pipe_fds[2];
	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	const int fds[] = {
		open("/etc/passwd", O_RDONLY | O_CLOEXEC),
		socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
		any_tcp_socket(INADDR_LOOPBACK, false),
		any_tcp_socket(INADDR_ANY, true),
		unix_listener(),
		pipe_fds[0],
		any_tcp_socket(INADDR_LOOPBACK + 1, true),
		pipe_fds[1],
	};
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		int channel;
		struct egress *e = start_on(SOCK_STREAM, &channel);
		assert_int_equal(tun_send_fd(channel, &fds[i], 1), 0);
		if (!ends_by_itself(e, 3000))
			fail_msg("descriptor %zu was taken", i);
		(void)close(channel);
		end_quietly(e, true);
		(void)close(fds[i]);
	}
}

/* 18: what is too many is closed on the other side, too. */
static void more_or_less_than_one_descriptor(void **state)
{
	static const size_t counts[] = {0, 2, 3, 200, 253};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		int channel, fds[253], pipe_fds[2];
		char byte;
		uint16_t port = 0;
		struct egress *e = start_on(i % 2 == 0 ? SOCK_STREAM : SOCK_SEQPACKET, &channel);
		int listener = tcp_listen(&port);
		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
		for (size_t k = 0; k < ARRAY_LEN(fds); k++)
			fds[k] = k == 0 ? listener : pipe_fds[1];
		assert_int_equal(tun_send_fd(channel, fds, counts[i]), 0);
		(void)close(pipe_fds[1]);
		assert_int_equal(read(pipe_fds[0], &byte, 1), 0); /* nobody holds the other end any more */
		assert_true(ends_by_itself(e, 3000));
		(void)close(pipe_fds[0]);
		(void)close(listener);
		(void)close(channel);
		end_quietly(e, true);
	}
}

static void nothing_comes(void **state)
{
	int channel;
	struct egress *e;
	(void)state;
	e = start_on(SOCK_STREAM, &channel); /* the box never stood */
	assert_false(ends_by_itself(e, 50));
	(void)close(channel);
	assert_true(ends_by_itself(e, 3000));
	end_quietly(e, false);
	e = start_on(SOCK_STREAM, &channel); /* the job ends first */
	end_quietly(e, false);
	(void)close(channel);
	e = start_on(SOCK_SEQPACKET, &channel); /* more than a word */
	uint16_t port = 0;
	int listener = tcp_listen(&port);
	assert_int_equal(send(channel, "0123456789abcdefg", 17, 0), 17);
	assert_true(ends_by_itself(e, 3000));
	end_quietly(e, true);
	(void)close(listener);
	(void)close(channel);
	struct egress_totals t = {.connections = 1};
	egress_end(NULL, &t); /* a job without a network */
	assert_int_equal(t.connections, 0);
}

static void orders_that_are_wrong(void **state)
{
	static const struct {
		const char *rules, *deny, *error;
	} rows[] = {
		{"allowed.test:443\nhttps://x", NULL, "\"https://x\" is a URL: write HOST:PORT alone, as in \"x:443\""},
		{"allowed.test:443", "8080", "\"8080\" is not ADDRESS:PORT"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int pair[2];
		struct egress *e = NULL;
		struct err err = {0};
		char byte;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		const struct egress_order o = {.rules = rows[i].rules, .deny = rows[i].deny, .channel = pair[1], .log_fd = 1};
		assert_int_equal(egress_start(&o, &e, &err), ERR_PARSE);
		assert_string_equal(err.msg, rows[i].error);
		(void)close(pair[1]);
		assert_int_equal(read(pair[0], &byte, 1), 0); /* nobody else holds it */
		(void)close(pair[0]);
	}
}

/* ---- what it is ---- */

static void wait_for(const struct egress_rig *rig, int64_t connections)
{
	for (int64_t end = clock_mono_ms() + 2000; rig->e->totals->connections < connections && clock_mono_ms() < end; (void)usleep(1000))
		continue;
}

static void open_rig(struct egress_rig *rig) { tun_open(rig, "allowed.test:443=127.0.0.1:1\nclosed.test:443=127.0.0.1:1", NULL, 0); }

static int refuse_one(const struct egress_rig *rig, const char *target)
{
	CLEANUP_BUF struct buf answer = {0};
	int fd = tun_connect(rig), status = tun_ask(fd, target, &answer);
	(void)close(fd);
	return status;
}

static void holds_nothing_of_its_parent(void **state)
{
	struct egress_rig rig;
	int secret = open("/etc/passwd", O_RDONLY), n = 0;
	(void)state;
	open_rig(&rig);
	assert_int_equal(refuse_one(&rig, "evil.test:443"), 403); /* it is up */
	wait_for(&rig, 1);
	CLEANUP_FREE char *path = xasprintf("/proc/%d/fd", (int)rig.e->pid), *status = xasprintf("/proc/%d/status", (int)rig.e->pid);
	DIR *dir = opendir(path);
	if (dir == NULL) { /* it is not dumpable, so its files are root's */
		assert_int_equal(errno, EACCES);
	} else {
		for (const struct dirent *d; (d = readdir(dir)) != NULL;)
			n += d->d_name[0] != '.';
		(void)closedir(dir);
		assert_int_equal(n, 7); /* 0 to 2, log, control, listener, eventfd */
	}
	CLEANUP_BUF struct buf text = {0};
	int fd = open(status, O_RDONLY | O_CLOEXEC);
	char bytes[4096];
	for (ssize_t got; (got = read(fd, bytes, sizeof(bytes))) > 0;)
		buf_add(&text, bytes, (size_t)got);
	(void)close(fd);
	assert_non_null(strstr(buf_str(&text), "Name:\tsluice-egress\n"));
	assert_non_null(strstr(buf_str(&text), "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(buf_str(&text), "Seccomp:\t2\n"));
	(void)close(secret);
	tun_close(&rig);
	tun_free(&rig);
}

/* What a proxy that was taken over could not do. */
static void starts_no_program(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *const argv[] = {(char[]){"true"}, NULL};
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || egress_filter_enter() != 0)
			_exit(1);
		if (execv("/bin/true", argv) != -1 || errno != EPERM)
			_exit(2);
		if (unshare(CLONE_NEWUSER) != -1 || errno != EPERM)
			_exit(3);
		if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) != -1 || errno != EPERM)
			_exit(4);
		_exit(getpid() > 0 ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void signals_for_others(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	struct egress_rig rig;
	(void)state;
	open_rig(&rig);
	assert_int_equal(refuse_one(&rig, "evil.test:443"), 403);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		assert_int_equal(kill(rig.e->pid, signals[i]), 0);
	assert_int_equal(refuse_one(&rig, "evil.test:443"), 403);
	tun_close(&rig);
	assert_int_equal(rig.totals.connections, 2);
	tun_free(&rig);
}

/* Processor time so far, in clock ticks. */
static long ticks_of(pid_t pid)
{
	CLEANUP_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	long user = 0, kernel = 0;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &kernel), 2);
	(void)fclose(f);
	return user + kernel;
}

static void few_descriptors(void **state)
{
	enum { FDS = 24, CLIENTS = 40 };
	static const char head[] = "CONNECT allowed.test:443 HTTP/1.1\r\n\r\n";
	struct egress_rig rig;
	int fds[CLIENTS];
	uint16_t port = 0;
	pid_t server = tcp_server_start(SERVER_ECHO, &port);
	(void)state;
	CLEANUP_FREE char *rules = xasprintf("allowed.test:443=127.0.0.1:%u", port);
	egress_tuning.fds_max = FDS;
	tun_open(&rig, rules, NULL, 0);
	egress_tuning.fds_max = 0;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = tun_connect(&rig);
		assert_int_equal(fs_write_all(fds[i], head, sizeof(head) - 1, NULL), 0);
	}
	(void)usleep(200000);
	long before = ticks_of(rig.e->pid);
	(void)usleep(1000000);
	assert_true(ticks_of(rig.e->pid) - before < sysconf(_SC_CLK_TCK) / 4); /* it waits, and does not spin */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	CLEANUP_BUF struct buf back = {0};
	int fd = tun_tunnel(&rig, "allowed.test:443"); /* the ones that are gone make room */
	tun_hello(fd, "allowed.test");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(tun_read(fd, 1 << 16, &back));
	assert_true(back.len > 50);
	(void)close(fd);
	tun_close(&rig);
	assert_false(rig.totals.broke);
	tun_free(&rig);
	tcp_server_stop(server);
}

/* ---- how it ends ---- */

static bool is_served(uint16_t port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
	(void)close(fd);
	return yes;
}

static void ends_with_its_parent(void **state)
{
	struct egress_rig rig;
	int report[2];
	pid_t proxy = 0;
	(void)state;
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid_t parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		open_rig(&rig);
		(void)refuse_one(&rig, "evil.test:443");
		(void)unlink(rig.log_path);
		if (write(report[1], &rig.port, sizeof(rig.port)) < 0 || write(report[1], &rig.e->pid, sizeof(rig.e->pid)) < 0)
			_exit(1);
		(void)pause();
		_exit(1);
	}
	(void)close(report[1]);
	assert_int_equal(read(report[0], &rig.port, sizeof(rig.port)), sizeof(rig.port));
	assert_int_equal(read(report[0], &proxy, sizeof(proxy)), sizeof(proxy));
	(void)close(report[0]);
	assert_true(is_served(rig.port));
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	int64_t end = clock_mono_ms() + 2000;
	while (is_served(rig.port) && clock_mono_ms() < end)
		(void)usleep(1000);
	assert_false(is_served(rig.port));
}

/* What it had counted is there, whoever killed it. */
static void totals_of_a_killed_one(void **state)
{
	struct egress_rig rig;
	(void)state;
	open_rig(&rig);
	for (int i = 0; i < 3; i++)
		assert_int_equal(refuse_one(&rig, "evil.test:443"), 403);
	assert_int_equal(refuse_one(&rig, "closed.test:443"), 502);
	wait_for(&rig, 4);
	assert_int_equal(kill(rig.e->pid, SIGKILL), 0);
	tun_close(&rig);
	assert_int_equal(rig.totals.connections, 4);
	assert_int_equal(rig.totals.refused, 3);
	assert_true(rig.totals.broke);
	assert_string_equal(rig.totals.refusals, "egress.plan has no rule for evil.test:443\n");
	assert_true(tun_logged(&rig, "closed.test", "unreachable"));
	tun_free(&rig);
}

static void one_that_does_not_listen(void **state)
{
	struct egress_rig rig;
	(void)state;
	open_rig(&rig);
	assert_int_equal(refuse_one(&rig, "evil.test:443"), 403);
	assert_int_equal(kill(rig.e->pid, SIGSTOP), 0);
	int64_t began_ms = clock_mono_ms();
	tun_close(&rig);
	assert_in_range(clock_mono_ms() - began_ms, 2000, 5000);
	assert_true(rig.totals.broke);
	tun_free(&rig);
}

static void log_has_a_ceiling(void **state)
{
	enum { CEILING = 1000, ASKED = 20 };
	const size_t product = egress_tuning.log_max;
	struct egress_rig rig;
	(void)state;
	egress_tuning.log_max = CEILING;
	open_rig(&rig);
	for (int i = 0; i < ASKED; i++)
		assert_int_equal(refuse_one(&rig, "evil.test:443"), 403);
	tun_close(&rig);
	egress_tuning.log_max = product;
	assert_in_range(rig.log.len, CEILING / 2, CEILING);
	assert_int_equal(rig.log.data[rig.log.len - 1], '\n');
	size_t lines = 0;
	for (size_t i = 0; i < rig.log.len; i++)
		lines += rig.log.data[i] == '\n';
	assert_int_equal(rig.totals.connections, ASKED);
	assert_int_equal(rig.totals.unlogged, ASKED - lines);
	tun_free(&rig);
}

/* Twenty kinds of refusal do not grow the list beyond its place, and none of them stands there half. */
static void refusals_have_a_ceiling(void **state)
{
	struct egress_rig rig;
	(void)state;
	open_rig(&rig);
	for (int i = 0; i < 120; i++) {
		CLEANUP_FREE char *target = xasprintf("evil-%d.test:443", i);
		assert_int_equal(refuse_one(&rig, target), 403);
	}
	tun_close(&rig);
	size_t len = strlen(rig.totals.refusals);
	assert_in_range(len, REFUSALS_SIZE - 100, REFUSALS_SIZE - 1);
	assert_int_equal(rig.totals.refusals[len - 1], '\n');
	assert_int_equal(rig.totals.refused, 120);
	tun_free(&rig);
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
		CASE(descriptors_that_are_no_listener),
		CASE(more_or_less_than_one_descriptor),
		CASE(nothing_comes),
		CASE(orders_that_are_wrong),
		CASE(holds_nothing_of_its_parent),
		CASE(starts_no_program),
		CASE(few_descriptors),
		CASE(signals_for_others),
		CASE(ends_with_its_parent),
		CASE(totals_of_a_killed_one),
		CASE(one_that_does_not_listen),
		CASE(log_has_a_ceiling),
		CASE(refusals_have_a_ceiling),
	};
	return cmocka_run_group_tests_name("egress_process", tests, NULL, NULL);
}
