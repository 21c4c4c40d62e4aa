/* The caller's side: a look, and a child only when something is missing. Runs in a job's runner, which holds keys; the child gets none. */
#include "runner/fetch.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "runner/fetch_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 4 << 20, LATE_MS = 10000, GRACE_MS = 5000 };

struct child {
	pid_t pid;
	int in, out;       /* its stdin and stdout */
	struct buf answer;
};

/* Between fork and exec. Everything but its three descriptors is closed: an open directory or a key pipe of ours is none of its business. */
static void become(const char *program, int in, int out, int errors, pid_t parent)
{
	static char name[] = "sluice", word[] = "fetch";
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *argv[] = {name, word, NULL}, *envp[] = {path, NULL};
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
		_exit(127);
	int low[] = {fcntl(in, F_DUPFD, 16), fcntl(out, F_DUPFD, 16), fcntl(errors, F_DUPFD, 16)};
	for (int i = 0; i < 3; i++)
		if (low[i] < 0 || dup2(low[i], i) != i)
			_exit(127);
	fs_close_from(3);
	(void)execve(program, argv, envp);
	_exit(127);
}

static int start(const struct fetch_watch *w, struct child *c, struct err *err)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	char self[] = "/proc/self/exe";
	pid_t parent = getpid();
	if (pipe2(in, O_CLOEXEC) != 0)
		return err_sys(err, "start the fetch step");
	if (pipe2(out, O_CLOEXEC) != 0) {
		(void)close(in[0]);
		(void)close(in[1]);
		return err_sys(err, "start the fetch step");
	}
	c->pid = fork();
	if (c->pid == 0)
		become(w->program != NULL ? w->program : self, in[0], out[1], w->log_fd >= 0 ? w->log_fd : STDERR_FILENO, parent);
	int rc = c->pid < 0 ? err_sys(err, "start the fetch step") : 0;
	(void)close(in[0]);
	(void)close(out[1]);
	c->in = in[1];
	c->out = out[0];
	return rc;
}

/* SIGTERM ends its box and lets it put things in order; SIGKILL what does not hear. */
static void end(struct child *c, bool gently)
{
	mem_close_fd(&c->in);
	mem_close_fd(&c->out);
	int64_t until = clock_mono_ms() + GRACE_MS;
	if (c->pid > 0 && gently)
		(void)kill(c->pid, SIGTERM);
	while (c->pid > 0) {
		pid_t got = waitpid(c->pid, NULL, gently && clock_mono_ms() < until ? WNOHANG : 0);
		if (got == c->pid || (got < 0 && errno != EINTR))
			break;
		if (got == 0)
			(void)poll(NULL, 0, 20);
		if (gently && clock_mono_ms() >= until) {
			(void)kill(-c->pid, SIGKILL);
			gently = false;
		}
	}
	c->pid = 0;
}

static int read_some(struct child *c, bool *ret_end, struct err *err)
{
	char chunk[65536];
	ssize_t n = read(c->out, chunk, sizeof(chunk));
	if (n < 0)
		return errno == EINTR ? 0 : err_sys(err, "read from the fetch step");
	*ret_end = n == 0;
	if (c->answer.len + (size_t)n > ANSWER_MAX)
		return err_set(err, ERR_LIMIT, "the fetch step answers more than %d bytes", ANSWER_MAX);
	buf_add(&c->answer, chunk, (size_t)n);
	return 0;
}

static int listen_to(struct child *c, const struct fetch_watch *w, int64_t deadline_ms, struct err *err)
{
	for (bool ended = false; !ended;) {
		struct pollfd p = {.fd = c->out, .events = POLLIN};
		int rc = poll(&p, 1, FETCH_LOOK_MS) > 0 ? read_some(c, &ended, err) : 0;
		if (rc != 0)
			return rc;
		if (!ended && w->stopped != NULL && w->stopped(w->arg))
			return err_set(err, ERR_CANCELLED, "stopped while providers and modules were fetched");
		if (!ended && clock_mono_ms() > deadline_ms)
			return err_set(err, ERR_TIMEOUT, "fetching providers and modules took too long");
	}
	return 0;
}

static int run_child(const struct fetch_order *o, const struct fetch_watch *w, struct fetch_result *ret, struct err *err)
{
	struct child c = {.in = -1, .out = -1};
	CLEANUP_BUF struct buf order = {0};
	fetch_order_write(o, &order);
	int64_t deadline_ms = clock_mono_ms() + (o->timeout_ms > 0 ? o->timeout_ms : LIMIT_FETCH_MS) + LATE_MS;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	(void)sigaction(SIGPIPE, &ignore, &before); /* a child that dies early is told by its missing answer */
	int rc = start(w, &c, err);
	if (rc == 0 && fs_write_all(c.in, order.data, order.len, NULL) == 0)
		mem_close_fd(&c.in);
	if (rc == 0)
		rc = listen_to(&c, w, deadline_ms, err);
	end(&c, rc != 0);
	(void)sigaction(SIGPIPE, &before, NULL);
	if (rc == 0 && c.answer.len == 0)
		rc = err_set(err, ERR_INTERNAL, "the fetch step ended without an answer");
	if (rc == 0)
		rc = fetch_answer_read(buf_str(&c.answer), c.answer.len, ret, err);
	buf_free(&c.answer);
	return rc;
}

int fetch_for_job(const struct fetch_order *o, const struct fetch_watch *w, struct fetch_result *ret, struct err *err)
{
	struct fetch_need need;
	int rc = fetch_look(o, &need, err);
	if (rc != 0)
		return rc;
	if (need.missing.n > 0 || need.modules) {
		rc = run_child(o, w, ret, err);
	} else {
		*ret = need.result;
		need.result = (struct fetch_result){0};
	}
	fetch_need_free(&need);
	return rc;
}
