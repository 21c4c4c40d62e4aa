#include "runner/exec.h"

#include "base/crypto.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* One runner process per job on this machine. What decides is always on disk: exit.json, then the lock. Frames, process ends and the timer
 * are only reasons to look (settle). Jobs started before a restart of the daemon differ in having no process handle, nothing else.
 *
 *   start, adopt -> job in the list -> [hello, step ...] -> a reason to look -> settle: record | lost | not yet
 *
 * Events are fired from loop callbacks only; an event's handler may call start, cancel and close. */

enum { LOOK_AGAIN_MS = 1000, STEP_MAX = 31 };

struct peer;

struct job {
	struct job *next;
	struct exec_local *x;
	int64_t id;
	char *dir;
	struct loop_process *process; /* NULL: adopted, or ended */
	struct peer *peer;
	struct err start_err;
	bool look;      /* on the next turn */
	bool cancelled; /* told again to a runner that says hello later */
	bool step_owed; /* its step arrived before adopt did */
	bool told;      /* on_exit was fired; only the process is still awaited */
};

/* A connection; its runner is unknown until the hello, its job perhaps until adopt. */
struct peer {
	struct peer *next;
	struct exec_local *x;
	struct loop_conn *conn;
	int64_t job_id; /* 0: no hello yet */
	struct job *job;
	char step[STEP_MAX + 1];
};

struct exec_local {
	struct loop *l;
	char *program;
	struct loop_listener *listener;
	struct loop_timer *timer;
	struct exec_events events;
	struct job *jobs;
	struct peer *peers;
	unsigned in_event; /* handlers on the stack */
	bool closed;
};

/* ---- lists ---- */

static struct job *job_find(const struct exec_local *x, int64_t id)
{
	for (struct job *j = x->jobs; j != NULL; j = j->next)
		if (j->id == id && !j->told)
			return j;
	return NULL;
}

static struct job *job_add(struct exec_local *x, int64_t id, const char *dir)
{
	struct job *j = xcalloc(1, sizeof(*j));
	*j = (struct job){.next = x->jobs, .x = x, .id = id, .dir = xstrdup(dir)};
	x->jobs = j;
	return j;
}

static void job_free(struct job *job)
{
	for (struct job **p = &job->x->jobs; *p != NULL; p = &(*p)->next) {
		if (*p == job) {
			*p = job->next;
			break;
		}
	}
	if (job->peer != NULL)
		job->peer->job = NULL;
	free(job->dir);
	free(job);
}

static void peer_free(struct peer *peer)
{
	for (struct peer **p = &peer->x->peers; *p != NULL; p = &(*p)->next) {
		if (*p == peer) {
			*p = peer->next;
			break;
		}
	}
	if (peer->job != NULL)
		peer->job->peer = NULL;
	loop_conn_close(peer->conn);
	free(peer);
}

static void free_if_closed(struct exec_local *x)
{
	if (!x->closed || x->in_event > 0)
		return;
	free(x->program);
	free(x);
}

/* ---- events ---- */

static void look_soon(struct job *j)
{
	j->look = true;
	loop_timer_start(j->x->timer, 0, 0);
}

/* The job leaves; its struct stays while its process is still to be reaped. */
static void tell_exit(struct job *j, enum exec_end end, const struct job_exit *record, bool passed, const struct err *err)
{
	struct exec_local *x = j->x;
	int64_t id = j->id;
	j->told = true;
	if (j->peer != NULL)
		j->peer->job = NULL;
	j->peer = NULL;
	if (j->process == NULL)
		job_free(j);
	x->in_event++;
	x->events.on_exit(id, end, record, passed, err, x->events.arg);
	x->in_event--;
}

static void tell_step(struct job *j, const char *step)
{
	struct exec_local *x = j->x;
	x->in_event++;
	x->events.on_step(j->id, step, x->events.arg);
	x->in_event--;
}

/* ---- what the disk says ---- */

/* Takes the runner's lock where it is free; -1 and true where a runner holds it. */
static int lock_try(const struct job *j, bool *ret_held)
{
	CLEANUP_FREE char *path = fs_join(j->dir, "lock");
	*ret_held = false;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1; /* no directory, so there was no runner */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	*ret_held = errno == EWOULDBLOCK;
	(void)close(fd);
	return -1;
}

/* Reads the record; false when there is none. One that cannot be read is as good as none, and said. */
static bool record_read(const struct job *j, struct job_exit *ret)
{
	CLEANUP_FREE char *path = fs_join(j->dir, "exit.json");
	struct err err;
	int rc = job_exit_read(path, ret, &err);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		log_err("exec.record", "job=%lld error=%s", (long long)j->id, log_value(err.msg));
	return rc == 0;
}

/* Was an engine that changes the world about to start? */
static bool past_point(const struct job *j)
{
	CLEANUP_FREE char *path = fs_join(j->dir, "point");
	return fs_exists(path);
}

/* Under the lock: from now on no runner of this job can begin. */
static void give_up(struct job *j)
{
	CLEANUP_FREE char *mark = fs_join(j->dir, "lost");
	struct err err = {0};
	if (fs_is_dir(j->dir) && fs_write_atomic(mark, "", 0, 0600, &err) != 0)
		log_err("exec.lost", "job=%lld error=%s", (long long)j->id, log_value(err.msg));
	(void)err_set(&err, ERR_NOT_FOUND, "job %lld: its runner is gone and left no record", (long long)j->id); /* told by the event */
	tell_exit(j, EXEC_LOST, NULL, past_point(j), &err);
}

/* Looks whether a job is over. The lock is asked before the record: a runner writes its record while it holds the lock. */
static void settle(struct job *j)
{
	j->look = false;
	if (j->start_err.code != 0) {
		struct err err = j->start_err;
		tell_exit(j, EXEC_NOT_STARTED, NULL, false, &err);
		return;
	}
	bool held = true;
	CLEANUP_FD int lock = -1;
	if (j->process == NULL)
		lock = lock_try(j, &held);
	struct job_exit record = {0};
	if (record_read(j, &record)) {
		tell_exit(j, EXEC_RECORD, &record, past_point(j), NULL);
		job_exit_free(&record);
	} else if (j->process == NULL && !held) {
		give_up(j);
	} else if (j->step_owed && j->peer != NULL) {
		j->step_owed = false;
		tell_step(j, j->peer->step);
	}
}

static struct job *next_to_look_at(const struct exec_local *x)
{
	for (struct job *j = x->jobs; j != NULL; j = j->next)
		if (j->look && !j->told)
			return j;
	return NULL;
}

/* Jobs without a process of ours can end without anybody telling us. */
static bool any_adopted(const struct exec_local *x)
{
	for (const struct job *j = x->jobs; j != NULL; j = j->next)
		if (j->process == NULL && !j->told)
			return true;
	return false;
}

static void on_turn(void *arg)
{
	struct exec_local *x = arg;
	bool any = false;
	x->in_event++; /* keeps x alive until the end of this function */
	for (struct job *j; !x->closed && (j = next_to_look_at(x)) != NULL; any = true)
		settle(j);
	for (struct job *j = x->jobs; !any && j != NULL; j = j->next)
		j->look = j->process == NULL && !j->told;
	for (struct job *j; !any && !x->closed && (j = next_to_look_at(x)) != NULL;)
		settle(j);
	x->in_event--;
	if (!x->closed && any_adopted(x))
		loop_timer_start(x->timer, LOOK_AGAIN_MS, 0);
	free_if_closed(x);
}

/* ---- connections ---- */

static void send_cancel(const struct peer *p)
{
	static const char text[] = "{\"type\":\"cancel\"}";
	loop_conn_send(p->conn, text, sizeof(text) - 1);
}

static void attach(struct job *j, struct peer *p)
{
	if (j->peer != NULL)
		j->peer->job = NULL;
	j->peer = p;
	p->job = j;
	if (j->cancelled)
		send_cancel(p);
}

static void on_message(struct peer *p, const char *type, int64_t job_id, const char *step)
{
	struct exec_local *x = p->x;
	if (strcmp(type, "hello") == 0) {
		p->job_id = job_id;
		struct job *j = job_find(x, job_id);
		if (j != NULL)
			attach(j, p);
	} else if (job_id != p->job_id) {
		log_warn("exec.message", "job=%lld error=\"a frame of another job\"", (long long)p->job_id);
	} else if (strcmp(type, "step") == 0) {
		(void)snprintf(p->step, sizeof(p->step), "%s", step);
		if (p->job != NULL)
			tell_step(p->job, step);
	} else if (strcmp(type, "exit") == 0 && p->job != NULL) {
		x->in_event++;
		settle(p->job);
		x->in_event--;
	}
	free_if_closed(x);
}

static void on_frame(struct loop_conn *c, const char *bytes, size_t len, void *arg)
{
	struct peer *p = arg;
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct err err;
	const char *type = NULL, *step = NULL;
	int64_t job_id = 0;
	(void)c;
	int rc = json_parse(bytes, len, NULL, &doc, &root, &err);
	if (rc == 0)
		rc = json_str(&root, "type", 16, &type, &err);
	if (rc == 0)
		rc = json_int(&root, "job", 1, INT64_C(1) << 53, &job_id, &err);
	if (rc == 0)
		rc = json_str_opt(&root, "step", STEP_MAX, "", &step, &err);
	if (rc == 0)
		on_message(p, type, job_id, step);
	else
		log_warn("exec.message", "error=%s", log_value(err.msg));
}

static void on_closed(struct loop_conn *c, void *arg)
{
	struct peer *p = arg;
	struct job *j = p->job;
	(void)c;
	peer_free(p);
	if (j != NULL)
		look_soon(j);
}

static void on_conn(struct loop_conn *c, void *arg)
{
	static const struct loop_conn_events events = {.on_frame = on_frame, .on_close = on_closed};
	struct exec_local *x = arg;
	struct peer *p = xcalloc(1, sizeof(*p));
	*p = (struct peer){.next = x->peers, .x = x, .conn = c};
	x->peers = p;
	loop_conn_start(c, &events, p);
}

/* ---- processes ---- */

static void on_process_exit(const struct loop_exit *exit, void *arg)
{
	struct job *j = arg;
	struct exec_local *x = j->x;
	j->process = NULL;
	if (j->told) {
		job_free(j);
		return;
	}
	if (exit->err.code != 0)
		j->start_err = exit->err;
	if (exit->signum != 0 || exit->code != 0)
		log_warn("exec.runner", "job=%lld status=%d signal=%d", (long long)j->id, exit->code, exit->signum);
	x->in_event++;
	settle(j);
	x->in_event--;
	free_if_closed(x);
}

static void add_frame(struct buf *out, const uint8_t *bytes)
{
	size_t len = bytes != NULL ? AEAD_KEY_SIZE : 0;
	char head[4] = {(char)len, 0, 0, 0};
	buf_reserve(out, sizeof(head) + len); /* in one piece, so that no copy of a key stays behind */
	buf_add(out, head, sizeof(head));
	if (bytes != NULL)
		buf_add(out, bytes, len);
}

static void spawn(struct job *j, const struct exec_keys *keys)
{
	static char word[] = "job-runner", path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	char *argv[] = {j->x->program, word, j->dir, NULL};
	char *envp[] = {path, NULL};
	struct buf input = {0};
	buf_reserve(&input, 3 * (4 + AEAD_KEY_SIZE));
	add_frame(&input, keys->job);
	add_frame(&input, keys->state_in);
	add_frame(&input, keys->plan_in);
	struct loop_spawn s = {
		.file = j->x->program,
		.argv = argv,
		.envp = envp,
		.input = input.data,
		.input_len = input.len,
		.detached = true,
	};
	j->process = loop_process_start(j->x->l, &s, on_process_exit, j);
	crypto_wipe(input.data, input.len);
	buf_free(&input);
}

/* ---- the four calls ---- */

static int write_spec(const struct job_spec *spec, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(spec->job_dir, "spec.json");
	int rc = fs_mkdir_p(spec->job_dir, 0700, err);
	if (rc == 0)
		rc = job_spec_write(spec, path, err);
	return rc == 0 ? 0 : err_wrap(err, "job %lld", (long long)spec->job_id);
}

static void local_adopt(void *self, int64_t job_id, const char *job_dir)
{
	struct exec_local *x = self;
	if (job_find(x, job_id) != NULL)
		return;
	struct job *j = job_add(x, job_id, job_dir);
	for (struct peer *p = x->peers; p != NULL && j->peer == NULL; p = p->next)
		if (p->job_id == job_id)
			attach(j, p);
	j->step_owed = j->peer != NULL && j->peer->step[0] != '\0';
	look_soon(j);
}

static void local_start(void *self, const struct job_spec *spec, const struct exec_keys *keys)
{
	struct exec_local *x = self;
	CLEANUP_FREE char *lock = fs_join(spec->job_dir, "lock");
	if (job_find(x, spec->job_id) != NULL)
		return;
	if (fs_exists(lock)) { /* a runner has been here: whatever became of it, there is no second one */
		local_adopt(self, spec->job_id, spec->job_dir);
		return;
	}
	struct job *j = job_add(x, spec->job_id, spec->job_dir);
	if (write_spec(spec, &j->start_err) != 0)
		look_soon(j);
	else
		spawn(j, keys);
}

static void local_cancel(void *self, int64_t job_id)
{
	struct job *j = job_find(self, job_id);
	if (j == NULL)
		return;
	j->cancelled = true;
	if (j->peer != NULL)
		send_cancel(j->peer); /* else with its hello, which comes within milliseconds of a start */
}

static void local_close(void *self)
{
	struct exec_local *x = self;
	while (x->peers != NULL)
		peer_free(x->peers);
	while (x->jobs != NULL) {
		struct job *j = x->jobs;
		if (j->process != NULL)
			loop_process_close(j->process); /* detached: it goes on */
		job_free(j);
	}
	loop_timer_close(x->timer);
	loop_listener_close(x->listener);
	x->closed = true;
	free_if_closed(x);
}

int exec_local_new(struct loop *l, const char *runner_program, const char *socket_path, const struct exec_events *events,
		   struct executor *ret, struct err *err)
{
	struct exec_local *x = xcalloc(1, sizeof(*x));
	x->l = l;
	x->events = *events;
	x->listener = loop_listen_unix(l, socket_path, 0600, on_conn, x, err);
	if (x->listener == NULL) {
		free(x);
		return err_wrap(err, "listen for job runners");
	}
	x->program = xstrdup(runner_program);
	x->timer = loop_timer_new(l, on_turn, x);
	*ret = (struct executor){.self = x, .start = local_start, .cancel = local_cancel, .adopt = local_adopt, .close = local_close};
	return 0;
}
