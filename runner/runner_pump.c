#include "base/clock.h"
#include "base/frame.h"
#include "base/fs.h"
#include "base/log.h"
#include "runner/job_proto.h"
#include "runner/runner_priv.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The one place where the runner waits. Bytes of the box are counted here, against our own ceilings, whatever job-init may say. */

enum {
	STDERR_KEPT = 256 * 1024, /* of a step, for its error sentence */
	BOX_SAYS_KEPT = 4096,
	READ_SIZE = 256 * 1024,
};

/* ---- log ---- */

void runner_log(struct runner *r, const void *bytes, size_t len)
{
	if (r->log_fd < 0) /* no job's */
		return;
	static const char cut[] = "\n[sluice: the log is cut here, its limit is reached]\n";
	struct err err;
	size_t n = (int64_t)len <= r->log_left ? len : (size_t)r->log_left;
	if (fs_write_all(r->log_fd, bytes, n, &err) != 0) { /* a full disk must not end an apply */
		r->log_left = 0;
		r->log_cut = true;
		log_err("runner.log", "job=%lld error=%s", (long long)r->spec.job_id, log_value(err.msg));
		return;
	}
	r->log_left -= (int64_t)n;
	if (n < len && !r->log_cut) {
		r->log_cut = true;
		if (fs_write_all(r->log_fd, cut, sizeof(cut) - 1, &err) != 0)
			log_err("runner.log", "job=%lld error=%s", (long long)r->spec.job_id, log_value(err.msg));
	}
}

static void keep(struct buf *b, size_t max, const char *bytes, size_t len)
{
	size_t room = b->len < max ? max - b->len : 0;
	buf_add(b, bytes, len < room ? len : room);
}

/* ---- to the box ---- */

static void ask(struct runner *r, enum job_ask type, unsigned id, const void *payload, size_t len)
{
	CLEANUP_BUF struct buf frame = {0};
	struct err err;
	if (r->box.control < 0)
		return;
	buf_addc(&frame, (char)type);
	buf_addc(&frame, (char)id);
	buf_add(&frame, payload, len);
	ASSERT(frame.len <= JOB_CONTROL_FRAME_MAX);
	if (frame_write(r->box.control, frame.data, frame.len, &err) != 0) /* its end is seen on the result pipe */
		log_debug("runner.box", "job=%lld error=%s", (long long)r->spec.job_id, log_value(err.msg));
}

static void add_u64(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> (8 * i)));
}

static void kill_box(struct runner *r)
{
	r->killed = true;
	box_kill(&r->box);
	if (r->group != NULL)
		cgroup_kill(r->group);
}

void runner_stop(struct runner *r, enum stop why)
{
	if (r->stop != STOP_NONE)
		return;
	r->stop = why;
	if (r->spec.phase != PHASE_APPLY) { /* nothing in there is worth waiting for */
		r->kill_ms = clock_mono_ms();
		kill_box(r);
		return;
	}
	r->kill_ms = clock_mono_ms() + runner_tuning.grace_ms + runner_tuning.take_out_ms;
	CLEANUP_BUF struct buf grace = {0};
	add_u64(&grace, (uint64_t)runner_tuning.grace_ms, 4);
	ask(r, JOB_ASK_CANCEL, 0, grace.data, grace.len);
}

void runner_step_start(struct runner *r, enum step_id id, const struct strlist *argv, bool capture)
{
	CLEANUP_BUF struct buf args = {0};
	CLEANUP_BUF struct buf line = {0};
	for (size_t i = 0; i < argv->n; i++) {
		buf_add(&args, argv->v[i], strlen(argv->v[i]) + 1);
		const char *slash = i == 0 ? strrchr(argv->v[i], '/') : NULL;
		buf_printf(&line, "%s%s", i == 0 ? "$ " : " ", slash != NULL ? slash + 1 : argv->v[i]);
	}
	buf_addc(&line, '\n');
	runner_log(r, line.data, line.len);
	buf_free(&r->step.out);
	buf_reset(&r->step.err);
	r->step.out.max = runner_tuning.plan_json_max;
	r->step.id = id;
	r->step.capture = capture;
	r->step.printed = false;
	r->step.status = -1;
	r->log_disarm = r->err_disarm = (struct disarm){.log = true};
	r->step.running = true;
	r->output_ms = clock_mono_ms();
	r->look_ms = r->output_ms + LIMITS_LOOK_MS / 4;
	ask(r, JOB_ASK_RUN, (unsigned)id, args.data, args.len);
}

void runner_ask_export(struct runner *r, enum export_id id, const char *path, size_t max, bool watch)
{
	CLEANUP_BUF struct buf payload = {0};
	add_u64(&payload, max, 8);
	buf_adds(&payload, path);
	r->exports[id].max = max;
	r->exports[id].busy = !watch;
	ask(r, watch ? JOB_ASK_WATCH : JOB_ASK_EXPORT, (unsigned)id, payload.data, payload.len);
}

/* ---- from the box ---- */

static void nonsense(struct runner *r)
{
	r->nonsense = true;
	box_kill(&r->box);
}

static void on_output(struct runner *r, bool is_err, const char *bytes, size_t len)
{
	r->step.printed = r->step.printed || !is_err;
	r->output_ms = clock_mono_ms();
	r->output_bytes += r->step.capture && !is_err ? 0 : (int64_t)len; /* what is collected has a ceiling of its own */
	if (r->output_bytes > r->spec.output_max * OUTPUT_END_FACTOR)
		limits_breach(r, BREACH_OUTPUT);
	if (r->on_output != NULL) {
		if (r->stop != STOP_NONE)
			return;
		r->on_output(is_err, bytes, len, r->on_output_arg);
		return;
	}
	if (!is_err && r->step.capture) {
		buf_add(&r->step.out, bytes, len);
		return;
	}
	CLEANUP_BUF struct buf text = {0};
	disarm_feed(&r->log_disarm, bytes, len, &text);
	runner_log(r, text.data, text.len);
	if (!is_err)
		return;
	buf_reset(&text);
	disarm_feed(&r->err_disarm, bytes, len, &text);
	keep(&r->step.err, STDERR_KEPT, text.data, text.len);
}

/* Half a character, or half an escape sequence, does not reach into the next step. */
static void end_output(struct runner *r)
{
	CLEANUP_BUF struct buf text = {0};
	disarm_end(&r->log_disarm, &text);
	runner_log(r, text.data, text.len);
}

static void on_step_ended(struct runner *r, const uint8_t *p, size_t len)
{
	if (len != 12) {
		nonsense(r);
		return;
	}
	uint64_t peak = 0;
	for (unsigned i = 0; i < 8; i++)
		peak |= (uint64_t)p[4 + i] << (8 * i);
	r->step.status = (int)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
	r->step.running = false;
	end_output(r);
	limits_look(r);
	limits_step_ended(r, peak > INT64_MAX ? INT64_MAX : (int64_t)peak);
}

/* job-init sees it where it happens; a full file system is told even when the step ended by it before we looked. */
static void on_full(struct runner *r, const uint8_t *p, size_t len)
{
	static const enum breach of[] = {BREACH_NONE, BREACH_FILES, BREACH_WORKSPACE, BREACH_PROCESSES};
	if (len == 1 && p[0] > 0 && p[0] < ARRAY_LEN(of))
		limits_breach(r, of[p[0]]);
	else
		nonsense(r);
}

static void on_export(struct runner *r, uint8_t type, unsigned id, const char *bytes, size_t len)
{
	struct export_seen *e = &r->exports[id];
	if (type == JOB_TELL_BEGIN) {
		buf_reset(&e->bytes);
		e->over_limit = false;
	} else if (type == JOB_TELL_DATA) {
		e->over_limit = e->over_limit || len > e->max - e->bytes.len;
		if (!e->over_limit)
			buf_add(&e->bytes, bytes, len);
	} else {
		int end = len == 1 ? bytes[0] : JOB_EXPORT_UNREADABLE;
		runner_take(r, (enum export_id)id, e->over_limit ? JOB_EXPORT_TOO_LARGE : end);
		e->busy = false;
	}
}

static void on_ready(struct runner *r, uint8_t walls)
{
	r->ready = true;
	r->walls = walls;
}

static void on_frame(struct runner *r, const struct buf *f)
{
	uint8_t type = f->len >= 2 ? (uint8_t)f->data[0] : 0;
	unsigned id = f->len >= 2 ? (uint8_t)f->data[1] : 0;
	const char *payload = buf_str(f) + 2;
	size_t len = f->len - 2;
	bool of_step = r->step.running && id == (unsigned)r->step.id;
	if (type == JOB_TELL_READY && !r->ready && len == 1)
		on_ready(r, (uint8_t)payload[0]);
	else if (type == JOB_TELL_FULL && of_step)
		on_full(r, (const uint8_t *)payload, len);
	else if ((type == JOB_TELL_OUT || type == JOB_TELL_ERR) && of_step)
		on_output(r, type == JOB_TELL_ERR, payload, len);
	else if (type == JOB_TELL_ENDED && of_step)
		on_step_ended(r, (const uint8_t *)payload, len);
	else if ((type == JOB_TELL_BEGIN || type == JOB_TELL_DATA || type == JOB_TELL_FINISH) && id < EXPORTS)
		on_export(r, type, id, payload, len);
	else
		nonsense(r);
}

static void box_readable(struct runner *r)
{
	static char chunk[READ_SIZE];
	ssize_t n = read(r->box.result, chunk, sizeof(chunk));
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		r->box_gone = true;
		mem_close_fd(&r->box.result);
		return;
	}
	buf_add(&r->from_box, chunk, (size_t)n);
	CLEANUP_BUF struct buf frame = {0};
	struct err err;
	int rc = 0;
	while (!r->nonsense && (rc = frame_take(&r->from_box, JOB_CHUNK + 2, &frame, &err)) == 1)
		on_frame(r, &frame);
	if (rc < 0)
		nonsense(r);
}

void runner_box_last_words(struct runner *r)
{
	char chunk[1024];
	ssize_t n = read(r->box.errors, chunk, sizeof(chunk));
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0)
		mem_close_fd(&r->box.errors);
	else
		keep(&r->box_says, BOX_SAYS_KEPT, chunk, (size_t)n);
}

/* ---- waiting ---- */

static int64_t earlier(int64_t a, int64_t b) { return b != 0 && b < a ? b : a; }

static int wait_ms(const struct runner *r)
{
	int64_t until = r->stop == STOP_NONE ? r->deadline_ms : INT64_MAX;
	until = earlier(until, r->killed ? 0 : r->kill_ms);
	if (r->link.fd < 0 && r->spec.socket_path != NULL)
		until = earlier(until, r->link.retry_ms);
	if (r->step.running)
		until = earlier(until, r->look_ms);
	int64_t left = until - clock_mono_ms();
	return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void on_time(struct runner *r)
{
	int64_t now = clock_mono_ms();
	if (r->stop == STOP_NONE && now >= r->deadline_ms)
		limits_breach(r, BREACH_TIME);
	if (r->kill_ms != 0 && now >= r->kill_ms && !r->killed)
		kill_box(r);
	if (r->box.pid > 0 && !r->box_gone && now >= r->look_ms)
		limits_look(r);
	link_open(r);
}

void runner_pump(struct runner *r)
{
	struct pollfd p[] = {
		{.fd = r->box.result, .events = POLLIN},
		{.fd = r->box.errors, .events = POLLIN},
		{.fd = r->link.fd, .events = POLLIN},
		{.fd = r->signal_fd, .events = POLLIN},
	};
	int n = poll(p, ARRAY_LEN(p), wait_ms(r));
	if (n < 0 && errno != EINTR)
		log_err("runner.poll", "job=%lld errno=%d", (long long)r->spec.job_id, errno);
	if (n > 0 && p[1].revents != 0)
		runner_box_last_words(r);
	if (n > 0 && p[0].revents != 0)
		box_readable(r);
	if (n > 0 && p[2].revents != 0)
		link_readable(r);
	struct signalfd_siginfo info;
	if (n > 0 && p[3].revents != 0 && read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		runner_stop(r, STOP_CANCEL);
	on_time(r);
}

static int gone(struct runner *r, struct err *err)
{
	limits_look(r); /* the kernel may have ended it, and says so there */
	if (r->killed)
		return err_set(err, ERR_TIMEOUT, "the sandbox did not end in time and was killed");
	if (r->nonsense)
		return err_set(err, ERR_PARSE, "the sandbox answered what it was not asked and was killed");
	return err_set(err, ERR_INTERNAL, "the sandbox ended by itself, perhaps for lack of memory");
}

int runner_step_wait(struct runner *r, struct err *err)
{
	while (r->step.running && !r->box_gone)
		runner_pump(r);
	bool ended = !r->step.running;
	r->step.running = false;
	return ended ? 0 : gone(r, err);
}

int runner_export_wait(struct runner *r, enum export_id id, struct err *err)
{
	while (r->exports[id].busy && !r->box_gone)
		runner_pump(r);
	return !r->exports[id].busy ? 0 : gone(r, err);
}

