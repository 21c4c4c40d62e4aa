/* The local executor on a real loop, with this test binary as the runner: the file "behave" in the job's directory says what it does. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/frame.h"
#include "base/fs.h"
#include "base/log.h"
#include "runner/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/test-exec-XXXXXX";
static char *socket_path, *self;

/* ---- the runner's side ---- */

static void must(bool ok)
{
	if (!ok)
		_exit(9);
}

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static bool try_say(int fd, int64_t job, const char *type, const char *step)
{
	struct err err;
	CLEANUP_FREE char *text = step != NULL ? xasprintf("{\"type\":\"%s\",\"job\":%lld,\"step\":\"%s\"}", type, (long long)job, step)
					       : xasprintf("{\"type\":\"%s\",\"job\":%lld}", type, (long long)job);
	return frame_write(fd, text, strlen(text), &err) == 0;
}

static void say(int fd, int64_t job, const char *type, const char *step) { must(try_say(fd, job, type, step)); }

static void touch(const char *dir, const char *name, const char *text)
{
	struct err err;
	CLEANUP_FREE char *path = fs_join(dir, name);
	must(fs_write_fast(path, text, strlen(text), 0600, &err) == 0);
}

static void leave_record(const char *dir, int64_t job, enum job_outcome outcome)
{
	struct err err;
	CLEANUP_FREE char *path = fs_join(dir, "exit.json");
	struct job_exit e = {.job_id = job, .outcome = outcome};
	must(job_exit_write(&e, path, &err) == 0);
}

/* Which keys arrived, as a text of their first bytes. */
static void note_keys(const char *dir)
{
	struct err err;
	CLEANUP_BUF struct buf all = {0};
	for (int i = 0; i < 3; i++) {
		CLEANUP_BUF struct buf k = {0};
		must(frame_read(0, 32, &k, &err) == 0);
		buf_printf(&all, "%zu:%c ", k.len, k.len > 0 ? k.data[0] : '-');
	}
	CLEANUP_BUF struct buf end = {0};
	must(frame_read(0, 32, &end, &err) == ERR_NOT_FOUND);
	touch(dir, "keys", buf_str(&all));
}

static int wait_for_cancel(int fd)
{
	struct err err;
	CLEANUP_BUF struct buf f = {0};
	must(frame_read(fd, 4096, &f, &err) == 0);
	return strcmp(buf_str(&f), "{\"type\":\"cancel\"}") == 0 ? 0 : 8;
}

/* Connects again and again until the test says go, as a runner does whose daemon is away; returns the connection. */
static int dial_until_go(const char *dir, const struct job_spec *s)
{
	int fd = -1;
	CLEANUP_FREE char *go = fs_join(dir, "go");
	while (!fs_exists(go)) {
		char peek;
		bool open = fd >= 0 && recv(fd, &peek, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
		if (!open) { /* the first one may still reach the daemon that is going */
			mem_close_fd(&fd);
			fd = dial(s->socket_path);
			open = fd >= 0 && try_say(fd, s->job_id, "hello", NULL) && try_say(fd, s->job_id, "step", "show");
		}
		if (!open)
			mem_close_fd(&fd);
		(void)usleep(10000);
	}
	return fd;
}

static int fake_runner(const char *dir)
{
	struct err err;
	struct job_spec s = {0};
	CLEANUP_BUF struct buf how = {0};
	CLEANUP_FREE char *spec = fs_join(dir, "spec.json"), *behave = fs_join(dir, "behave"), *lock = fs_join(dir, "lock");
	must(fs_read(behave, 64, &how, &err) == 0 && job_spec_read(spec, &s, &err) == 0);
	int lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) == 0);
	note_keys(dir);
	const char *b = buf_str(&how);
	if (strcmp(b, "die") == 0)
		_exit(1);
	if (strcmp(b, "die past point") == 0) {
		touch(dir, "point", "");
		(void)raise(SIGKILL);
	}
	if (strcmp(b, "silent") == 0) {
		leave_record(dir, s.job_id, JOB_FAILED);
		_exit(0);
	}
	int fd = dial(s.socket_path);
	must(fd >= 0);
	say(fd, s.job_id, "hello", NULL);
	say(fd, s.job_id, "step", "plan");
	if (strcmp(b, "cancel") == 0) {
		must(wait_for_cancel(fd) == 0);
		leave_record(dir, s.job_id, JOB_CANCELLED);
		say(fd, s.job_id, "exit", NULL);
		_exit(0);
	}
	if (strcmp(b, "stranger") == 0) { /* frames that are not its own to send */
		say(fd, s.job_id + 1, "step", "apply");
		must(frame_write(fd, "{}", 2, &err) == 0 && frame_write(fd, "x", 1, &err) == 0);
	}
	if (strcmp(b, "linger") == 0) { /* over by its record, gone later */
		leave_record(dir, s.job_id, JOB_OK);
		say(fd, s.job_id, "exit", NULL);
		(void)usleep(300000);
		_exit(0);
	}
	if (strcmp(b, "survive") == 0) { /* the daemon goes away and comes back */
		char c;
		must(read(fd, &c, 1) == 0);
		(void)close(fd);
		fd = dial_until_go(dir, &s);
		touch(dir, "point", "");
	}
	leave_record(dir, s.job_id, JOB_OK);
	say(fd, s.job_id, "exit", NULL);
	_exit(0);
}

/* ---- the daemon's side ---- */
struct seen {
	struct loop *l;
	struct executor x;
	bool done, in_call;
	int exits;
	int64_t job_id;
	enum exec_end end;
	enum job_outcome outcome;
	bool past_point, close_in_exit, cancel_in_step;
	char steps[128], err[ERR_MSG_MAX];
};

static void on_step(int64_t job_id, const char *step, void *arg)
{
	struct seen *s = arg;
	size_t n = strlen(s->steps);
	assert_false(s->in_call);
	(void)snprintf(s->steps + n, sizeof(s->steps) - n, "%lld:%s ", (long long)job_id, step);
	if (s->cancel_in_step)
		s->x.cancel(s->x.self, job_id);
}

static void on_exit_event(int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err,
			  void *arg)
{
	struct seen *s = arg;
	assert_false(s->in_call);
	assert_int_equal(record != NULL, end == EXEC_RECORD);
	assert_int_equal(err != NULL, end != EXEC_RECORD);
	s->exits++;
	s->job_id = job_id;
	s->end = end;
	s->past_point = past_point;
	if (record != NULL) {
		assert_int_equal(record->job_id, job_id);
		s->outcome = record->outcome;
	}
	(void)snprintf(s->err, sizeof(s->err), "%s", err != NULL ? err->msg : "");
	if (s->close_in_exit) {
		s->x.close(s->x.self);
		s->x.self = NULL;
	}
	s->done = true;
}

static void open_exec(struct seen *s, const char *program)
{
	struct err err = {0};
	*s = (struct seen){.l = loop_new()};
	struct exec_events e = {.on_step = on_step, .on_exit = on_exit_event, .arg = s};
	if (exec_local_new(s->l, program, socket_path, &e, &s->x, &err) != 0)
		fail_msg("%s", err.msg);
}

static void close_exec(struct seen *s)
{
	if (s->x.self != NULL)
		s->x.close(s->x.self);
	loop_close(s->l); /* asserts that no handle is left */
}

static char *job_dir(int64_t id, const char *how)
{
	struct err err = {0};
	char *dir = xasprintf("%s/jobs/%lld", root, (long long)id);
	assert_int_equal(fs_mkdir_p(dir, 0700, &err), 0);
	if (how != NULL)
		touch(dir, "behave", how);
	return dir;
}

static void start_job(struct seen *s, int64_t id, char *dir)
{
	static char text[] = "x", path[] = "/x", dot[] = ".";
	struct job_spec spec = {.job_id = id,
				.run_id = 1,
				.project = text,
				.dir = dot,
				.workspace = text,
				.engine_path = path,
				.tree_dir = path,
				.job_dir = dir,
				.socket_path = socket_path,
				.timeout_ms = 1,
				.output_max = 1,
				.memory_max = 1, .cpu_ms_max = 1, .processes_max = 1, .files_max = 1, .workspace_max = 1};
	uint8_t job[32], state[32];
	memset(job, 'J', sizeof(job));
	memset(state, 'S', sizeof(state));
	struct exec_keys keys = {.job = job, .state_in = id % 2 == 0 ? state : NULL};
	s->in_call = true;
	s->x.start(s->x.self, &spec, &keys);
	s->in_call = false;
}

static void adopt(struct seen *s, int64_t id, const char *dir)
{
	s->in_call = true;
	s->x.adopt(s->x.self, id, dir);
	s->in_call = false;
}

static void ends(struct seen *s, enum exec_end end, bool past_point, const char *steps)
{
	if (!loop_run_until(s->l, &s->done, 10000))
		fail_msg("no end");
	assert_int_equal(s->end, end);
	assert_int_equal(s->past_point, past_point);
	assert_string_equal(s->steps, steps);
	assert_int_equal(s->exits, 1);
}

static void starts_and_ends(void **state)
{
	(void)state;
	static const struct {
		const char *how;
		bool steps, past_point;
		enum exec_end end;
		enum job_outcome outcome;
	} cases[] = {
		{"plain", true, false, EXEC_RECORD, JOB_OK},        {"plain", true, false, EXEC_RECORD, JOB_OK},
		{"silent", false, false, EXEC_RECORD, JOB_FAILED},  {"die", false, false, EXEC_LOST, JOB_OK},
		{"die past point", false, true, EXEC_LOST, JOB_OK}, {"linger", true, false, EXEC_RECORD, JOB_OK},
		{"stranger", true, false, EXEC_RECORD, JOB_OK},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct seen s;
		int64_t id = 1 + (int64_t)i % 2; /* even ones have a state key */
		CLEANUP_FREE char *dir = job_dir(id, cases[i].how);
		CLEANUP_FREE char *steps = cases[i].steps ? xasprintf("%lld:plan ", (long long)id) : xstrdup("");
		open_exec(&s, self);
		start_job(&s, id, dir);
		start_job(&s, id, dir); /* the same again is nothing */
		ends(&s, cases[i].end, cases[i].past_point, steps);
		assert_int_equal(s.outcome, cases[i].outcome);
		if (cases[i].end == EXEC_LOST)
			assert_non_null(strstr(s.err, "its runner is gone and left no record"));
		close_exec(&s);
		CLEANUP_BUF struct buf keys = {0};
		CLEANUP_FREE char *path = fs_join(dir, "keys");
		assert_int_equal(fs_read(path, 64, &keys, &err), 0);
		assert_string_equal(buf_str(&keys), id == 1 ? "32:J 0:- 0:- " : "32:J 32:S 0:- ");
		assert_int_equal(fs_remove_tree(dir, &err), 0);
	}
}

static void what_cannot_start(void **state)
{
	(void)state;
	struct err err = {0};
	struct seen s;
	CLEANUP_FREE char *dir = job_dir(1, "plain");
	open_exec(&s, "/nowhere/sluice");
	start_job(&s, 1, dir);
	ends(&s, EXEC_NOT_STARTED, false, "");
	assert_non_null(strstr(s.err, "/nowhere/sluice"));
	close_exec(&s);
	assert_int_equal(fs_remove_tree(dir, &err), 0);
	CLEANUP_FREE char *file = fs_join(root, "file"), *below = fs_join(root, "file/1");
	assert_int_equal(fs_write_fast(file, "", 0, 0600, &err), 0);
	open_exec(&s, self);
	start_job(&s, 1, below);
	ends(&s, EXEC_NOT_STARTED, false, "");
	assert_non_null(strstr(s.err, "job 1: create directory"));
	close_exec(&s);
}

static void cancels(void **state)
{
	(void)state;
	struct err err = {0};
	for (int round = 0; round < 2; round++) { /* before and after the hello */
		struct seen s;
		CLEANUP_FREE char *dir = job_dir(1, "cancel");
		open_exec(&s, self);
		s.cancel_in_step = round == 1;
		s.x.cancel(s.x.self, 77); /* unknown: nothing */
		start_job(&s, 1, dir);
		if (round == 0)
			s.x.cancel(s.x.self, 1);
		ends(&s, EXEC_RECORD, false, "1:plan ");
		assert_int_equal(s.outcome, JOB_CANCELLED);
		close_exec(&s);
		assert_int_equal(fs_remove_tree(dir, &err), 0);
	}
}

/* ---- after a restart ---- */

static void adopts_what_is_on_disk(void **state)
{
	(void)state;
	struct err err = {0};
	for (int i = 0; i < 4; i++) {
		struct seen s;
		CLEANUP_FREE char *dir = job_dir(3, NULL);
		CLEANUP_FREE char *lost = fs_join(dir, "lost");
		if (i == 0)
			leave_record(dir, 3, JOB_TIMEOUT);
		if (i == 2)
			touch(dir, "point", "");
		if (i == 3)
			assert_int_equal(fs_remove_tree(dir, &err), 0);
		open_exec(&s, self);
		adopt(&s, 3, dir);
		adopt(&s, 3, dir);
		ends(&s, i == 0 ? EXEC_RECORD : EXEC_LOST, i == 2, "");
		if (i == 0)
			assert_int_equal(s.outcome, JOB_TIMEOUT);
		assert_int_equal(fs_exists(lost), i == 1 || i == 2);
		close_exec(&s);
		assert_int_equal(fs_remove_tree(dir, &err), 0);
	}
}

static void waits_while_the_lock_is_held(void **state)
{
	(void)state;
	struct err err = {0};
	struct seen s;
	CLEANUP_FREE char *dir = job_dir(3, NULL), *path = fs_join(dir, "lock");
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	open_exec(&s, self);
	adopt(&s, 3, dir);
	assert_false(loop_run_until(s.l, &s.done, 1300)); /* looked more than once */
	touch(dir, "point", "");
	(void)close(lock);
	ends(&s, EXEC_LOST, true, "");
	close_exec(&s);
	assert_int_equal(fs_remove_tree(dir, &err), 0);
}

static void starting_a_job_that_ran_is_adopting_it(void **state)
{
	(void)state;
	struct err err = {0};
	struct seen s;
	CLEANUP_FREE char *dir = job_dir(3, "plain");
	touch(dir, "lock", "");
	leave_record(dir, 3, JOB_FAILED);
	open_exec(&s, self);
	start_job(&s, 3, dir);
	ends(&s, EXEC_RECORD, false, "");
	assert_int_equal(s.outcome, JOB_FAILED);
	close_exec(&s);
	assert_int_equal(fs_remove_tree(dir, &err), 0);
}

static void a_runner_survives_its_daemon(void **state)
{
	(void)state;
	struct err err = {0};
	struct seen s, again;
	bool never = false;
	CLEANUP_FREE char *dir = job_dir(4, "survive");
	open_exec(&s, self);
	start_job(&s, 4, dir);
	for (int i = 0; i < 500 && s.steps[0] == '\0'; i++)
		(void)loop_run_until(s.l, &never, 10);
	assert_string_equal(s.steps, "4:plan ");
	close_exec(&s);
	assert_int_equal(s.exits, 0);
	open_exec(&again, self);
	(void)loop_run_until(again.l, &never, 60); /* the hello may well come before adopt */
	adopt(&again, 4, dir);
	for (int i = 0; i < 500 && again.steps[0] == '\0'; i++)
		(void)loop_run_until(again.l, &never, 10);
	touch(dir, "go", "");
	ends(&again, EXEC_RECORD, true, "4:show ");
	close_exec(&again);
	assert_int_equal(fs_remove_tree(dir, &err), 0);
}

static void handlers_may_close(void **state)
{
	(void)state;
	static const char *const hows[] = {"plain", "silent", "die", "linger"};
	struct err err = {0};
	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		struct seen s;
		CLEANUP_FREE char *dir = job_dir(1, hows[i]), *none = job_dir(9, NULL);
		open_exec(&s, self);
		s.close_in_exit = true;
		start_job(&s, 1, dir);
		assert_true(loop_run_until(s.l, &s.done, 10000));
		assert_int_equal(s.exits, 1);
		close_exec(&s);
		open_exec(&s, self); /* and from the timer, with more work waiting */
		s.close_in_exit = true;
		adopt(&s, 9, none);
		adopt(&s, 10, none);
		assert_true(loop_run_until(s.l, &s.done, 10000));
		assert_int_equal(s.exits, 1);
		close_exec(&s);
		(void)usleep(400000); /* the one that lingers writes no more */
		assert_int_equal(fs_remove_tree(dir, &err), 0);
		assert_int_equal(fs_remove_tree(none, &err), 0);
	}
}

static void quiet(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

int main(int argc, char **argv)
{
	struct err err;
	if (argc == 3 && strcmp(argv[1], "job-runner") == 0)
		return fake_runner(argv[2]);
	if (mkdtemp(root) == NULL)
		return 1;
	log_set_sink(quiet, NULL);
	socket_path = fs_join(root, "sock");
	self = realpath("/proc/self/exe", NULL);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_and_ends),
		cmocka_unit_test(what_cannot_start),
		cmocka_unit_test(cancels),
		cmocka_unit_test(adopts_what_is_on_disk),
		cmocka_unit_test(waits_while_the_lock_is_held),
		cmocka_unit_test(starting_a_job_that_ran_is_adopting_it),
		cmocka_unit_test(a_runner_survives_its_daemon),
		cmocka_unit_test(handlers_may_close),
	};
	int rc = cmocka_run_group_tests_name("exec_local", tests, NULL, NULL);
	free(socket_path);
	free(self);
	return fs_remove_tree(root, &err) != 0 ? 1 : rc;
}
