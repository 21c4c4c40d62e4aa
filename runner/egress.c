#include "base/clock.h"
#include "base/fs.h"
#include "runner/egress_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS = 3000, FD_CHANNEL = 3, FD_LOG, FD_CONTROL, FD_FREE, FDS_SENT_MAX = 253, WORD_MAX = 16 };

/* ---- the child ---- */

static void reset_signals(void)
{
	sigset_t none;
	(void)sigemptyset(&none);
	for (int n = 1; n < NSIG; n++)
		(void)signal(n, SIG_DFL); /* some cannot be set, and are as they were born */
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN); /* it ends with the job, or with its parent */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Leaves the channel at 3, the log at 4, the control socket at 5, nothing at 0 to 2, and closes the rest. */
static int arrange_fds(int channel, int log_fd, int control)
{
	const int from[] = {channel, log_fd, control};
	int high[ARRAY_LEN(from)];
	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		if ((high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_FREE)) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		if (dup2(high[i], FD_CHANNEL + (int)i) < 0)
			return -1;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -1;
	for (int fd = 0; fd < (egress_tuning.keep_stderr ? 2 : 3); fd++)
		if (dup2(null, fd) < 0)
			return -1;
	fs_close_from(FD_FREE);
	return 0;
}

static int lower_privileges(pid_t parent)
{
	const struct rlimit no_core = {0, 0};
	(void)prctl(PR_SET_NAME, "sluice-egress"); /* for people */
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    setrlimit(RLIMIT_CORE, &no_core) != 0 || egress_filter_enter() != 0)
		return -1;
	return getppid() == parent ? 0 : -1;
}

/* Two descriptors for each connection, and some for look-ups. poll() takes no longer list than that, either. */
static size_t connections_max(void)
{
	enum { SPARE = 16, FEW = 256 };
	struct rlimit fds = {.rlim_cur = FEW, .rlim_max = FEW};
	(void)getrlimit(RLIMIT_NOFILE, &fds); /* cannot fail */
	fds.rlim_cur = egress_tuning.fds_max > 0 ? egress_tuning.fds_max : fds.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &fds); /* nor can this: not above the hard limit */
	rlim_t n = fds.rlim_cur > SPARE + 2 ? (fds.rlim_cur - SPARE) / 2 : 1;
	return n < LIMIT_EGRESS_CONNECTIONS ? (size_t)n : LIMIT_EGRESS_CONNECTIONS;
}

/* A listening TCP socket on a loopback address, and nothing else. */
static bool is_our_listener(int fd)
{
	int yes = 0, protocol = 0;
	struct sockaddr_storage at = {0};
	struct address a;
	static const struct address loopback = {.bytes = {127, 0, 0, 1}};
	socklen_t yes_len = sizeof(yes), protocol_len = sizeof(protocol), at_len = sizeof(at);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &yes_len) == 0 && yes == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) == 0 && protocol == IPPROTO_TCP &&
	       getsockname(fd, (struct sockaddr *)&at, &at_len) == 0 && address_from_socket((const struct sockaddr *)&at, &a) &&
	       address_same_host(&a, &loopback) && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

/* Everything that came with a message, so that what is too much is closed. */
static size_t take_fds(struct msghdr *m, int *ret, size_t max)
{
	size_t n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && n < max; i++)
			memcpy(&ret[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

/* -1: nothing came and nothing will, which is how a job ends whose box never stood; -2: something else came. */
static int receive_listener(int channel, int control)
{
	union {
		char bytes[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))];
		struct cmsghdr align;
	} room;
	char word[WORD_MAX + 1];
	int fds[FDS_SENT_MAX];
	struct pollfd p[] = {{.fd = channel, .events = POLLIN}, {.fd = control, .events = POLLIN}};
	while (poll(p, ARRAY_LEN(p), -1) < 0)
		if (errno != EINTR)
			return -2;
	if (p[1].revents != 0)
		return -1;
	struct iovec part = {.iov_base = word, .iov_len = sizeof(word)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
	ssize_t len = recvmsg(channel, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (len == 0)
		return -1;
	size_t n = len >= 0 ? take_fds(&m, fds, ARRAY_LEN(fds)) : 0;
	if (len >= 1 && len <= WORD_MAX && n == 1 && (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0 && is_our_listener(fds[0]))
		return fds[0];
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	return -2;
}

static void child_run(struct egress_server *s, const struct egress_order *o, int control, pid_t parent)
{
	if (lower_privileges(parent) != 0 || arrange_fds(o->channel, o->log_fd, control) != 0)
		_exit(3);
	reset_signals();
	s->control = FD_CONTROL;
	s->log.fd = FD_LOG;
	s->conns_max = connections_max();
	s->listener = receive_listener(FD_CHANNEL, FD_CONTROL);
	(void)close(FD_CHANNEL);
	if (s->listener == -1)
		_exit(0);
	if (s->listener < 0 || egress_resolver_open(&s->resolver, &s->wake, NULL) != 0)
		_exit(4);
	egress_serve(s);
	_exit(0);
}

/* ---- the parent ---- */

static void server_free(struct egress_server *s)
{
	egress_rules_free(&s->rules);
	egress_deny_free(&s->deny);
	free(s);
}

static int server_new(const struct egress_order *o, struct egress_totals *totals, struct egress_server **ret, struct err *err)
{
	struct egress_server *s = xcalloc(1, sizeof(*s));
	s->key = o->key != NULL ? o->key : "egress";
	s->bytes_max = s->bytes_left = o->bytes_max > 0 ? o->bytes_max : EGRESS_BYTES_MAX;
	s->log = (struct egress_log){.left = egress_tuning.log_max, .totals = totals};
	int rc = egress_rules_parse(o->rules, &s->rules, err);
	if (rc == 0)
		rc = egress_deny_parse(o->deny, &s->deny, err);
	if (rc == 0)
		*ret = s;
	else
		server_free(s);
	return rc;
}

static struct egress_totals *page_open(void)
{
	void *page = mmap(NULL, sizeof(struct egress_totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED ? NULL : page;
}

static void page_close(struct egress_totals *page)
{
	if (page != NULL)
		(void)munmap(page, sizeof(*page));
}

static int start(const struct egress_order *o, struct egress *e, struct err *err)
{
	struct egress_server *s = NULL;
	int pair[2];
	if ((e->totals = page_open()) == NULL)
		return err_sys(err, "start the egress proxy: mmap");
	int rc = server_new(o, e->totals, &s, err);
	if (rc != 0)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		server_free(s);
		return err_sys(err, "start the egress proxy: socketpair");
	}
	pid_t parent = getpid();
	e->pid = fork();
	if (e->pid == 0)
		child_run(s, o, pair[1], parent);
	if (e->pid < 0)
		rc = err_sys(err, "start the egress proxy: fork");
	(void)close(pair[1]);
	server_free(s);
	e->control = pair[0];
	return rc;
}

int egress_start(const struct egress_order *o, struct egress **ret, struct err *err)
{
	struct egress *e = xcalloc(1, sizeof(*e));
	e->control = -1;
	int rc = start(o, e, err);
	if (rc == 0) {
		*ret = e;
		return 0;
	}
	mem_close_fd(&e->control);
	page_close(e->totals);
	free(e);
	return rc;
}

static void wait_closed(int fd)
{
	int64_t deadline_ms = clock_mono_ms() + END_MS;
	char byte;
	for (;;) {
		int64_t left_ms = deadline_ms - clock_mono_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
		if (n == 0 || (n > 0 && read(fd, &byte, 1) <= 0) || (n < 0 && errno != EINTR))
			return;
	}
}

void egress_end(struct egress *e, struct egress_totals *ret)
{
	if (e == NULL) {
		*ret = (struct egress_totals){0};
		return;
	}
	(void)shutdown(e->control, SHUT_WR); /* fails when it has ended by itself */
	wait_closed(e->control);
	(void)kill(e->pid, SIGKILL); /* has ended, or did not listen */
	int status = -1;
	while (waitpid(e->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	(void)close(e->control);
	memcpy(ret, e->totals, sizeof(*ret));
	ret->broke = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	ret->refusals[REFUSALS_SIZE - 1] = '\0';
	page_close(e->totals);
	free(e);
}
