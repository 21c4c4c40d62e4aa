/* Child processes of the loop. A child is over after two events in any order: its exit and the end of its stdout.
 *
 *   start -> running -> (exit, EOF) -> callback -> handles closing -> freed in the last close callback
 *
 * Every child leads its own session, so that kill(-pid) reaches all that it started and nothing of ours. */
#include "base/loop_priv.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <unistd.h>

/* How long loop_close waits for children that got SIGKILL; one stuck in the kernel longer is left to init. */
enum { REAP_WAIT_MS = 5000 };

struct loop_process {
	struct loop *l;
	struct loop_process *prev, *next;
	loop_exit_cb cb; /* NULL: forgotten */
	void *arg;
	uv_process_t child;
	uv_pipe_t in, out;
	uv_timer_t deadline;
	uv_write_t write;
	unsigned handles; /* open ones among the four above */
	char *input;
	size_t input_len;
	struct buf output;
	size_t max_output;
	bool detached, exited, eof, ended;
	struct loop_exit result;
};

static void list_add(struct loop_process *p)
{
	p->next = p->l->processes;
	if (p->next != NULL)
		p->next->prev = p;
	p->l->processes = p;
}

static void list_remove(struct loop_process *p)
{
	if (p->prev != NULL)
		p->prev->next = p->next;
	else
		p->l->processes = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
}

static void wipe_input(struct loop_process *p)
{
	if (p->input == NULL)
		return;
	explicit_bzero(p->input, p->input_len);
	free(p->input);
	p->input = NULL;
}

static void free_if_closed(struct loop_process *p)
{
	if (p->handles > 0 || !p->ended)
		return;
	wipe_input(p);
	buf_free(&p->output);
	free(p);
}

static void on_closed(uv_handle_t *h)
{
	struct loop_process *p = h->data;
	ASSERT(p->handles > 0);
	p->handles--;
	free_if_closed(p);
}

static void close_handle(void *uv_handle)
{
	uv_handle_t *h = uv_handle;
	if (h->type != UV_UNKNOWN_HANDLE && !uv_is_closing(h))
		uv_close(h, on_closed);
}

/* The last step of every life: out of the list, all handles closing; memory goes with the last of them (free_if_closed). */
static void end(struct loop_process *p)
{
	p->ended = true;
	list_remove(p);
	close_handle(&p->in);
	close_handle(&p->out);
	close_handle(&p->deadline);
	close_handle(&p->child);
}

static void finish_if_over(struct loop_process *p)
{
	if (!p->exited || !p->eof || p->ended)
		return;
	loop_exit_cb cb = p->cb;
	void *arg = p->arg;
	p->cb = NULL;
	p->result.out = buf_str(&p->output);
	p->result.out_len = p->output.len;
	end(p);
	if (cb != NULL)
		cb(&p->result, arg);
	free_if_closed(p); /* a start that failed early has no handle that would do it */
}

/* After the leader was reaped its number may belong to somebody else, unless someone of the group still holds our pipe. */
static void kill_group(struct loop_process *p, int signum)
{
	pid_t pid = p->child.pid;
	if (pid > 0 && (!p->exited || !p->eof))
		(void)kill(-pid, signum); /* ESRCH: already gone, which is what we want */
}

/* Ends a child that broke a rule. Whoever outlives SIGKILL of the group (own session) does not keep us waiting for its EOF. */
static void break_off(struct loop_process *p)
{
	kill_group(p, SIGKILL);
	p->eof = true;
	close_handle(&p->out);
	finish_if_over(p);
}

static void on_exit_status(uv_process_t *h, int64_t status, int signum)
{
	struct loop_process *p = h->data;
	loop_worked(p->l);
	p->exited = true;
	p->result.code = signum != 0 ? -1 : (int)status;
	p->result.signum = signum;
	close_handle(&p->in); /* nobody is left to read it */
	if (p->cb == NULL)
		p->eof = true;
	finish_if_over(p);
}

static void on_output(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct loop_process *p = s->data;
	loop_worked(p->l);
	if (n == 0)
		return;
	if (n < 0) { /* EOF, or an error that will not get better */
		p->eof = true;
		close_handle(&p->out);
		finish_if_over(p);
		return;
	}
	if ((size_t)n > p->max_output - p->output.len) {
		(void)err_set(&p->result.err, ERR_LIMIT, "its output is larger than %zu bytes", p->max_output); /* told by the callback */
		break_off(p);
		return;
	}
	buf_add(&p->output, b->base, (size_t)n);
}

static void on_written(uv_write_t *w, int status)
{
	struct loop_process *p = w->data;
	(void)status; /* a child that does not read its input tells why by its exit */
	wipe_input(p);
	close_handle(&p->in);
}

static void on_deadline(uv_timer_t *t)
{
	struct loop_process *p = t->data;
	(void)err_set(&p->result.err, ERR_TIMEOUT, "not finished in time, killed"); /* told by the callback */
	break_off(p);
}

/* ---- start ---- */

struct ends {
	int ours_in, child_in, ours_out, child_out, child_err;
};

static void close_ends(struct ends *e)
{
	mem_close_fd(&e->ours_in);
	mem_close_fd(&e->child_in);
	mem_close_fd(&e->ours_out);
	mem_close_fd(&e->child_out);
	mem_close_fd(&e->child_err);
}

/* Real pipes rather than libuv's socket pairs: a child may open /dev/stdin, which a socket refuses. */
static int open_ends(const struct loop_spawn *s, struct ends *e, struct err *err)
{
	int fds[2];
	if (s->input_len > 0) {
		if (pipe2(fds, O_CLOEXEC) != 0)
			return err_sys(err, "%s: pipe", s->file);
		e->child_in = fds[0];
		e->ours_in = fds[1];
	}
	if (!s->detached) {
		if (pipe2(fds, O_CLOEXEC) != 0)
			return err_sys(err, "%s: pipe", s->file);
		e->ours_out = fds[0];
		e->child_out = fds[1];
	}
	if (s->stderr_path != NULL) {
		e->child_err = open(s->stderr_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
		if (e->child_err < 0)
			return err_sys(err, "%s: open %s for its messages", s->file, s->stderr_path);
	}
	return 0;
}

static uv_stdio_container_t stdio_fd(int fd)
{
	uv_stdio_container_t c = {.flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD}; /* UV_IGNORE gives /dev/null */
	c.data.fd = fd;
	return c;
}

static int spawn_child(struct loop_process *p, const struct loop_spawn *s, const struct ends *e)
{
	static char *empty_environment[] = {NULL};
	uv_stdio_container_t stdio[3] = {stdio_fd(e->child_in), stdio_fd(e->child_out), stdio_fd(s->stderr_path != NULL ? e->child_err : STDERR_FILENO)};
	uv_process_options_t o = {
		.exit_cb = on_exit_status,
		.file = s->file,
		.flags = UV_PROCESS_DETACHED, /* setsid */
		.stdio_count = 3,
		.stdio = stdio,
	};
	/* libuv's fields lack const; it does not write through them */
	memcpy(&o.args, &s->argv, sizeof(o.args));
	if (s->envp != NULL)
		memcpy(&o.env, &s->envp, sizeof(o.env));
	else
		o.env = empty_environment;
	/* Ours are all close-on-exec from birth; whoever started us may have left us others. Kernels before 5.11 do not know the flag. */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	int rc = uv_spawn(&p->l->uv, &p->child, &o);
	p->handles++; /* owed a uv_close even when it failed */
	p->child.data = p;
	return rc;
}

/* Hands an end of ours to libuv, which closes it with the handle. */
static int adopt(struct loop_process *p, uv_pipe_t *h, int *fd)
{
	int rc = uv_pipe_init(&p->l->uv, h, 0);
	ASSERT(rc == 0);
	h->data = p;
	p->handles++;
	rc = uv_pipe_open(h, *fd);
	if (rc == 0)
		*fd = -1;
	return rc;
}

static int connect_streams(struct loop_process *p, const struct loop_spawn *s, struct ends *e)
{
	int rc = 0;
	if (e->ours_out >= 0) {
		rc = adopt(p, &p->out, &e->ours_out);
		if (rc == 0)
			rc = uv_read_start((uv_stream_t *)&p->out, loop_chunk_alloc, on_output);
	}
	if (rc == 0 && e->ours_in >= 0) {
		rc = adopt(p, &p->in, &e->ours_in);
		p->input = xmalloc(s->input_len);
		memcpy(p->input, s->input, s->input_len);
		p->input_len = s->input_len;
		p->write.data = p;
		uv_buf_t b = {.base = p->input, .len = s->input_len};
		if (rc == 0)
			rc = uv_write(&p->write, (uv_stream_t *)&p->in, &b, 1, on_written);
	}
	return rc;
}

static void start_deadline(struct loop_process *p, int64_t timeout_ms)
{
	int rc = uv_timer_init(&p->l->uv, &p->deadline);
	ASSERT(rc == 0);
	p->deadline.data = p;
	p->handles++;
	uv_update_time(&p->l->uv);
	rc = uv_timer_start(&p->deadline, on_deadline, (uint64_t)timeout_ms, 0);
	ASSERT(rc == 0);
}

static void tell_failed_start(void *arg)
{
	struct loop_process *p = arg;
	p->exited = p->eof = true;
	p->result.code = -1;
	finish_if_over(p);
}

static int try_start(struct loop_process *p, const struct loop_spawn *s, struct ends *e, struct err *err)
{
	int rc = open_ends(s, e, err);
	if (rc != 0)
		return rc;
	int uv_rc = spawn_child(p, s, e);
	if (uv_rc != 0) {
		p->child.pid = 0; /* already reaped by libuv */
		return err_set(err, ERR_IO, "start %s: %s", s->file, uv_strerror(uv_rc));
	}
	uv_rc = connect_streams(p, s, e);
	if (uv_rc != 0) { /* it runs, so its exit will tell */
		(void)err_set(err, ERR_IO, "connect to %s: %s", s->file, uv_strerror(uv_rc));
		break_off(p);
	} else if (s->timeout_ms > 0) {
		start_deadline(p, s->timeout_ms);
	}
	return 0;
}

struct loop_process *loop_process_start(struct loop *l, const struct loop_spawn *spawn, loop_exit_cb cb, void *arg)
{
	ASSERT(spawn->file[0] == '/' && cb != NULL);
	struct loop_process *p = xcalloc(1, sizeof(*p));
	p->l = l;
	p->cb = cb;
	p->arg = arg;
	p->max_output = spawn->max_output;
	p->detached = spawn->detached;
	p->eof = spawn->detached; /* none is collected */
	list_add(p);
	struct ends e = {-1, -1, -1, -1, -1};
	if (try_start(p, spawn, &e, &p->result.err) != 0)
		loop_post(l, tell_failed_start, p);
	close_ends(&e);
	return p;
}

pid_t loop_process_pid(const struct loop_process *p) { return p->child.pid; }

void loop_process_kill(struct loop_process *p, int signum) { kill_group(p, signum); }

/* The child's handle stays until its exit is known, so that no zombie is left behind; see loop_processes_end. */
void loop_process_close(struct loop_process *p)
{
	if (p == NULL || p->ended)
		return;
	p->cb = NULL;
	if (!p->detached)
		kill_group(p, SIGKILL);
	else if (p->child.type != UV_UNKNOWN_HANDLE)
		uv_unref((uv_handle_t *)&p->child);
	p->eof = true;
	close_handle(&p->out);
	close_handle(&p->deadline);
	finish_if_over(p);
}

static bool any_dying(const struct loop *l)
{
	for (const struct loop_process *p = l->processes; p != NULL; p = p->next)
		if (p->cb == NULL && !p->detached)
			return true;
	return false;
}

void loop_processes_end(struct loop *l)
{
	bool never = false;
	for (int waited_ms = 0; any_dying(l) && waited_ms < REAP_WAIT_MS; waited_ms += 10)
		(void)loop_run_until(l, &never, 10);
	for (struct loop_process *p = l->processes, *next; p != NULL; p = next) {
		next = p->next;
		if (p->cb != NULL)
			continue; /* still owned by someone: loop_close says so */
		end(p);
		free_if_closed(p);
	}
}
