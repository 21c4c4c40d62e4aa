#include "tests/support/runner_support.h"

#include "base/clock.h"
#include "base/frame.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "runner/runner.h"
#include "runner/runner_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char double_dir[] = "/tmp/sluice-double-XXXXXX";
static bool double_ready;

/* Names and actions of the changes, so that tests see that the plan JSON arrived whole. */
static int understand(const char *json, size_t len, struct runner_understood *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	CLEANUP_BUF struct buf out = {0};
	struct json root;
	int rc = json_parse(json, len, NULL, &doc, &root, err);
	if (rc != 0)
		return err_wrap(err, "plan JSON");
	struct json list = json_member(&root, "resource_changes");
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e)) {
		struct json address = json_member(&e, "address"), change = json_member(&e, "change"),
			    actions = json_member(&change, "actions");
		buf_printf(&out, "%s ", json_text(&address));
		json_print(&actions, &out);
		buf_adds(&out, "; ");
	}
	struct json huge = json_member(&root, "huge");
	for (size_t i = 0; json_is_true(&huge) && i <= LIMIT_SUMMARY_BYTES / 16; i++)
		buf_adds(&out, "sixteen bytes...");
	ret->summary = buf_take(&out);
	ret->diff = xstrdup("diff");
	ret->changes = xstrdup("c0ffee");
	return 0;
}

static char *job_init_path(void) { return xasprintf("%s/../../sluice-job-init", fs_self_dir()); }

void runner_support_role(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "job-runner") != 0)
		return;
	CLEANUP_FREE char *usual = job_init_path(), *other = fs_join(argv[2], "job-init");
	const char *job_init = fs_exists(other) ? other : usual;
	runner_tuning = (struct runner_tuning){
		.job_init = job_init,
		.launcher = usual,
		.grace_ms = RUNNER_SUPPORT_GRACE_MS,
		.take_out_ms = RUNNER_SUPPORT_TAKE_OUT_MS,
		.plan_json_max = RUNNER_SUPPORT_PLAN_JSON_MAX,
	};
	int rc = runner_main(argv[2], understand);
	free(TAKE(usual)); /* exit does not leave this scope */
	free(TAKE(other));
	exit(rc);
}

static int system_of(const char *const *argv)
{
	pid_t pid = fork();
	if (pid == 0) {
		char *copy[16] = {0};
		for (size_t i = 0; argv[i] != NULL && i < 15; i++)
			copy[i] = xstrdup(argv[i]);
		(void)execvp(copy[0], copy);
		_exit(127);
	}
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
}

static void remove_double(void)
{
	struct err err;
	if (fs_remove_tree(double_dir, &err) != 0)
		(void)fprintf(stderr, "%s\n", err.msg);
}

const char *runner_support_double(void)
{
	static char path[sizeof(double_dir) + 16];
	if (double_ready)
		return path;
	assert_non_null(mkdtemp(double_dir));
	(void)snprintf(path, sizeof(path), "%s/terraform", double_dir);
	const char *argv[] = {"cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-static", "-o", path, "tests/support/runner_double/double.c",
			      NULL};
	if (system_of(argv) != 0)
		fail_msg("the engine double does not compile; run the tests from the root of the repository");
	(void)atexit(remove_double);
	double_ready = true;
	return path;
}

/* ---- scenes ---- */

void scene_open(struct scene *s, const char *engine_path)
{
	struct err err = {0};
	CLEANUP_FREE char *job_init = job_init_path();
	if (!fs_exists(job_init))
		fail_msg("%s is missing: make it first", job_init);
	*s = (struct scene){.root = "/tmp/sluice-test-XXXXXX"};
	assert_non_null(mkdtemp(s->root));
	s->tree = fs_join(s->root, "tree");
	s->jobs = fs_join(s->root, "jobs");
	assert_int_equal(fs_mkdir_p(s->tree, 0755, &err), 0);
	struct engine_binary b = {0};
	if (engine_path == NULL && engine_find(ENGINE_TERRAFORM, NULL, s->root, &b, &err) != 0)
		fail_msg("%s", err.msg);
	crypto_random(s->key, sizeof(s->key));
	s->spec = (struct job_spec){
		.run_id = 1,
		.phase = PHASE_PLAN,
		.project = xstrdup("app"),
		.dir = xstrdup("."),
		.workspace = xstrdup("default"),
		.engine = ENGINE_TERRAFORM,
		.engine_path = engine_path != NULL ? xstrdup(engine_path) : TAKE(b.path),
		.engine_version = engine_path != NULL ? xstrdup("9.8.7") : TAKE(b.version),
		.tree_dir = xstrdup(s->tree),
		.managed_state = true,
		.timeout_ms = 60000,
		.output_max = 1 << 20,
		.memory_max = 1 << 30,
		.cpu_ms_max = 600000,
		.processes_max = 1024,
		.files_max = 100000,
		.workspace_max = 1 << 28,
	};
	engine_binary_free(&b);
	scene_next_job(s);
}

void scene_close(struct scene *s)
{
	struct err err = {0};
	job_exit_free(&s->exit);
	job_spec_free(&s->spec);
	assert_int_equal(fs_remove_tree(s->root, &err), 0);
	free(s->tree);
	free(s->jobs);
}

void scene_file(struct scene *s, const char *path, const char *text)
{
	struct err err = {0};
	CLEANUP_FREE char *full = fs_join(s->tree, path);
	CLEANUP_FREE char *dir = xstrndup(full, (size_t)(strrchr(full, '/') - full));
	assert_int_equal(fs_mkdir_p(dir, 0755, &err), 0);
	assert_int_equal(fs_write_fast(full, text, strlen(text), 0644, &err), 0);
}

void scene_next_job(struct scene *s)
{
	struct err err = {0};
	s->spec.job_id++;
	free(s->spec.job_dir);
	s->spec.job_dir = xasprintf("%s/%lld", s->jobs, (long long)s->spec.job_id);
	assert_int_equal(fs_mkdir_p(s->spec.job_dir, 0700, &err), 0);
}

char *scene_job_file(const struct scene *s, const char *name) { return fs_join(s->spec.job_dir, name); }

static void send_keys(const struct scene *s, int fd)
{
	struct err err = {0};
	assert_int_equal(frame_write(fd, s->key, AEAD_KEY_SIZE, &err), 0);
	assert_int_equal(frame_write(fd, s->state_key, s->spec.state_in != NULL ? AEAD_KEY_SIZE : 0, &err), 0);
	assert_int_equal(frame_write(fd, s->plan_key, s->spec.plan_in != NULL ? AEAD_KEY_SIZE : 0, &err), 0);
	(void)close(fd);
}

pid_t scene_start(struct scene *s)
{
	struct err err = {0};
	int fds[2];
	CLEANUP_FREE char *path = scene_job_file(s, "spec.json");
	assert_int_equal(job_spec_write(&s->spec, path, &err), 0);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[0], 0);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)setsid();
		(void)execl("/proc/self/exe", "test", "job-runner", s->spec.job_dir, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[0]);
	send_keys(s, fds[1]);
	return pid;
}

int scene_wait(struct scene *s, pid_t pid)
{
	struct err err = {0};
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	CLEANUP_FREE char *path = scene_job_file(s, "exit.json");
	job_exit_free(&s->exit);
	s->exit = (struct job_exit){.exit_code = -2};
	if (fs_exists(path) && job_exit_read(path, &s->exit, &err) != 0)
		fail_msg("%s", err.msg);
	(void)snprintf(s->error, sizeof(s->error), "%s", s->exit.error != NULL ? s->exit.error : "");
	return status;
}

int scene_run(struct scene *s) { return scene_wait(s, scene_start(s)); }

char *scene_read(const struct scene *s, const char *name)
{
	struct err err = {0};
	struct buf b = {0};
	CLEANUP_FREE char *path = scene_job_file(s, name);
	if (fs_read(path, 64u << 20, &b, &err) != 0)
		fail_msg("%s", err.msg);
	return buf_take(&b);
}

static void open_sealed(const char *path, const uint8_t *key, int64_t job, const char *what, struct buf *ret)
{
	struct err err = {0};
	CLEANUP_BUF struct buf sealed = {0};
	CLEANUP_FREE char *aad = xasprintf("sluice job %lld %s", (long long)job, what);
	assert_int_equal(fs_read(path, 64u << 20, &sealed, &err), 0);
	assert_true(sealed.len >= AEAD_OVERHEAD);
	CLEANUP_FREE uint8_t *clear = xmalloc(sealed.len);
	if (crypto_open(key, aad, strlen(aad), sealed.data, sealed.len, clear, &err) != 0)
		fail_msg("%s: %s", path, err.msg);
	buf_reset(ret);
	buf_add(ret, clear, sealed.len - AEAD_OVERHEAD);
}

void scene_unseal(const struct scene *s, const char *name, const char *what, struct buf *ret)
{
	CLEANUP_FREE char *path = scene_job_file(s, name);
	open_sealed(path, s->key, s->spec.job_id, what, ret);
}

void scene_keep_state(struct scene *s)
{
	free(s->spec.state_in);
	free(s->spec.state_in_aad);
	s->spec.state_in = scene_job_file(s, "state.enc");
	s->spec.state_in_aad = xasprintf("sluice job %lld state", (long long)s->spec.job_id);
	memcpy(s->state_key, s->key, sizeof(s->key));
}

void scene_then_apply(struct scene *s)
{
	free(s->spec.plan_in);
	free(s->spec.plan_in_aad);
	free(s->spec.plan_in_sha256);
	s->spec.phase = PHASE_APPLY;
	s->spec.plan_in = scene_job_file(s, "plan.enc");
	s->spec.plan_in_aad = xasprintf("sluice job %lld plan", (long long)s->spec.job_id);
	s->spec.plan_in_sha256 = xstrdup(s->exit.plan_sha256);
	memcpy(s->plan_key, s->key, sizeof(s->key));
	crypto_random(s->key, sizeof(s->key)); /* each job has its own */
	scene_next_job(s);
}

bool scene_log_has(const struct scene *s, const char *text)
{
	CLEANUP_FREE char *path = scene_job_file(s, "log");
	for (int64_t end = clock_mono_ms() + 10000; clock_mono_ms() < end; (void)usleep(5000)) {
		struct err err;
		CLEANUP_BUF struct buf b = {0};
		if (fs_read(path, 64u << 20, &b, &err) == 0 && strstr(buf_str(&b), text) != NULL)
			return true;
	}
	return false;
}

void runner_support_adopt_orphans(void) { assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

int runner_support_no_orphans(void)
{
	int n = 0;
	for (int64_t end = clock_mono_ms() + 5000; clock_mono_ms() < end;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return n;
		n += pid > 0;
		if (pid == 0)
			(void)usleep(5000);
	}
	fail_msg("a process of a job is still there");
	return n;
}
