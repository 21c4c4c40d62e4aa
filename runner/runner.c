#include "runner/runner.h"

#include "base/clock.h"
#include "base/frame.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "runner/runner_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { FILES_WANTED = 2 * LIMIT_PROJECT_ENTRIES };

struct runner_tuning runner_tuning = {.grace_ms = LIMIT_GRACE_MS, .take_out_ms = 30000, .plan_json_max = LIMIT_PLAN_JSON_BYTES};

/* Before we are not dumpable any more: then our own files in /proc belong to root. */
static void oom_open(struct runner *r)
{
	r->oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	ssize_t n = r->oom_fd >= 0 ? pread(r->oom_fd, r->oom_was, sizeof(r->oom_was) - 1, 0) : -1;
	if (n <= 0)
		mem_close_fd(&r->oom_fd);
}

/* As many as there may be: with fewer, files are bound into the box that would have been copied, which takes longer. */
void runner_files_raise(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &files); /* cannot fail: not above the hard limit */
}

/* Keys must not be read by others of our user, nor end in a core file. */
static int harden(struct err *err)
{
	struct rlimit none = {0, 0};
	(void)prctl(PR_SET_NAME, "sluice-job");
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
		return err_sys(err, "harden the job runner");
	runner_files_raise();
	return 0;
}

/* Signals become readable: a cancel is handled where everything else is. A broken pipe is an error of its write. */
int runner_signals_open(struct runner *r, struct err *err)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0 || (r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_sys(err, "watch signals");
	return 0;
}

/* Held until this process ends, however it ends. */
static int lock_take(struct runner *r, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(r->job_dir, "lock");
	r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->lock_fd < 0)
		return err_sys(err, "open %s", path);
	if (flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(err, ERR_CONFLICT, "%s: another runner has this job", path);
	return 0;
}

/* Asked under the lock. "lost" is left by a daemon that gave this job up before we came so far. */
static int check_fresh(const struct runner *r, struct err *err)
{
	static const char *const marks[] = {"point", "exit.json", "lost"};
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		CLEANUP_FREE char *path = fs_join(r->job_dir, marks[i]);
		if (fs_exists(path))
			return err_set(err, ERR_CONFLICT, "%s exists: this job has already run or was given up, it is never run again",
				       path);
	}
	return 0;
}

static int log_open(struct runner *r, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(r->job_dir, "log");
	r->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	r->log_left = r->spec.output_max;
	return r->log_fd >= 0 ? 0 : err_sys(err, "open %s", path);
}

struct keys {
	struct buf job, state, plan;
};

static int keys_read(struct keys *k, struct err *err)
{
	struct buf *each[] = {&k->job, &k->state, &k->plan};
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		int rc = frame_read(STDIN_FILENO, AEAD_KEY_SIZE, each[i], err);
		if (rc != 0)
			return err_wrap(err, "key %zu of the job", i + 1);
	}
	return k->job.len == AEAD_KEY_SIZE ? 0
					   : err_set(err, ERR_PARSE, "the job key has %zu bytes, %d are needed", k->job.len, AEAD_KEY_SIZE);
}

static void keys_wipe(struct keys *k)
{
	struct buf *each[] = {&k->job, &k->state, &k->plan};
	for (size_t i = 0; i < ARRAY_LEN(each); i++) {
		crypto_wipe(each[i]->data, each[i]->cap);
		buf_free(each[i]);
	}
}

/* Until here nothing can be written down for the daemon; what fails is told on stderr, and the daemon finds neither record nor lock. */
static int open_job(struct runner *r, struct err *err)
{
	CLEANUP_FREE char *spec = fs_join(r->job_dir, "spec.json");
	oom_open(r);
	int rc = harden(err);
	if (rc == 0)
		rc = runner_signals_open(r, err);
	if (rc == 0)
		rc = lock_take(r, err);
	if (rc == 0)
		rc = check_fresh(r, err);
	if (rc == 0)
		rc = job_spec_read(spec, &r->spec, err);
	if (rc == 0)
		rc = log_open(r, err);
	return rc;
}

static int prepare(struct runner *r, struct err *err)
{
	CLEANUP(keys_wipe) struct keys keys = {0};
	const struct engine *row = engine_row(r->spec.engine);
	int rc = keys_read(&keys, err);
	if (rc != 0)
		return rc;
	memcpy(r->job_key, keys.job.data, sizeof(r->job_key));
	if (!row->runs)
		return err_set(err, ERR_REFUSED, "%s projects cannot be run yet", row->label);
	return runner_open_inputs(r, &keys.state, &keys.plan, err);
}

static void work(struct runner *r)
{
	struct err err = {0};
	r->deadline_ms = clock_mono_ms() + r->spec.timeout_ms;
	link_open(r);
	int rc = limits_open(r, &err);
	if (rc == 0)
		rc = prepare(r, &err);
	if (rc == 0)
		rc = runner_fetch(r, &err);
	if (rc == 0)
		rc = runner_box_open(r, &err);
	if (rc == 0)
		runner_run_phase(r);
	else
		runner_broken(r, &err);
	limits_last_look(r);
	box_end(&r->box);
	limits_close(r);
	if (r->exit.outcome == JOB_OK) /* reached when the work was done already: it ended nothing */
		free(TAKE(r->exit.breach));
}

static int write_record(struct runner *r, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(r->job_dir, "exit.json");
	r->exit.finished_ms = clock_wall_ms();
	return job_exit_write(&r->exit, path, err);
}

static void close_job(struct runner *r)
{
	link_close(r);
	runner_wipe(r);
	mem_close_fd(&r->log_fd);
	mem_close_fd(&r->signal_fd);
	mem_close_fd(&r->oom_fd);
	job_exit_free(&r->exit);
	job_spec_free(&r->spec);
	mem_close_fd(&r->lock_fd); /* last: only now does the daemon look for what we left */
}

int runner_main(const char *job_dir, runner_understand understand)
{
	struct runner r = {
		.job_dir = job_dir,
		.understand = understand,
		.lock_fd = -1,
		.log_fd = -1,
		.signal_fd = -1,
		.oom_fd = -1,
		.net = -1,
		.link = {.fd = -1},
		.box = {.control = -1, .result = -1, .errors = -1},
		.exit = {.outcome = JOB_BROKEN, .exit_code = -1, .started_ms = clock_wall_ms()},
	};
	struct err err = {0};
	int rc = open_job(&r, &err);
	if (rc == 0) {
		r.exit.job_id = r.spec.job_id;
		work(&r);
		rc = write_record(&r, &err);
	}
	if (rc == 0)
		link_tell_exit(&r);
	else
		log_err("runner.failed", "dir=%s error=%s", log_value(job_dir), log_value(err.msg));
	close_job(&r);
	return rc == 0 ? 0 : 3;
}
