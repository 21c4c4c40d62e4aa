/* The key agent, as the real child process. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"
#include "secrets/agent.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test-agent-XXXXXX";
static char *key_path, *sign_path;

static struct agent *start(void)
{
	struct err err = {0};
	struct agent *a = NULL;
	if (agent_start(&(struct agent_options){.data_dir = dir}, &a, &err) != 0)
		fail_msg("%s", err.msg);
	return a;
}

/* The one child of this process. */
static pid_t child(void)
{
	struct err err = {0};
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = xasprintf("/proc/self/task/%d/children", (int)getpid());
	assert_int_equal(fs_read(path, 4096, &b, &err), 0);
	int64_t pid = 0;
	buf_truncate(&b, strcspn(buf_str(&b), " \n"));
	assert_int_equal(text_int(buf_str(&b), 1, INT32_MAX, &pid, &err), 0);
	return (pid_t)pid;
}

static void keys_differ_and_open_again(void **state)
{
	(void)state;
	struct err err = {0};
	struct agent *a = start();
	uint8_t k1[AGENT_KEY_SIZE], k2[AGENT_KEY_SIZE], back[AGENT_KEY_SIZE], w1[AGENT_WRAPPED_SIZE], w2[AGENT_WRAPPED_SIZE];
	assert_int_equal(agent_new_key(a, "job 1", k1, w1, &err), 0);
	assert_int_equal(agent_new_key(a, "job 1", k2, w2, &err), 0);
	assert_memory_not_equal(k1, k2, sizeof(k1));
	assert_int_equal(agent_unwrap(a, "job 1", w1, back, &err), 0);
	assert_memory_equal(back, k1, sizeof(k1));
	assert_null(memmem(w1, sizeof(w1), k1, 16));
	assert_int_equal(agent_unwrap(a, "job 2", w1, back, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "job 2"));
	w1[20] ^= 1;
	assert_int_equal(agent_unwrap(a, "job 1", w1, back, &err), ERR_REFUSED);
	agent_stop(a);
	a = start(); /* the same master key after a restart */
	assert_int_equal(agent_unwrap(a, "job 1", w2, back, &err), 0);
	assert_memory_equal(back, k2, sizeof(k2));
	agent_stop(a);
	assert_int_equal(unlink(key_path), 0);
	a = NULL; /* the signing key belongs to the lost one */
	assert_int_equal(agent_start(&(struct agent_options){.data_dir = dir}, &a, &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "signing.key was sealed under another master key"));
	assert_int_equal(unlink(sign_path), 0);
	a = start(); /* another master key */
	assert_int_equal(agent_unwrap(a, "job 1", w2, back, &err), ERR_REFUSED);
	agent_stop(a);
}

static void contexts_have_a_size(void **state)
{
	(void)state;
	struct err err = {0};
	struct agent *a = start();
	uint8_t k[AGENT_KEY_SIZE], w[AGENT_WRAPPED_SIZE];
	char text[130];
	memset(text, 'c', sizeof(text));
	text[128] = '\0';
	assert_int_equal(agent_new_key(a, text, k, w, &err), 0);
	text[128] = 'c';
	text[129] = '\0';
	assert_int_equal(agent_new_key(a, text, k, w, &err), ERR_USAGE);
	assert_int_equal(agent_new_key(a, "", k, w, &err), ERR_USAGE);
	agent_stop(a);
}

static void master_key_is_private(void **state)
{
	(void)state;
	struct stat st;
	struct agent *a = start();
	assert_int_equal(stat(key_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, AEAD_KEY_SIZE);
	agent_stop(a);
}

static void refuses_key(const char *bytes, size_t len, mode_t mode, int code)
{
	struct err err = {0};
	struct agent *a = NULL;
	(void)unlink(key_path);
	assert_int_equal(fs_write_fast(key_path, bytes, len, 0600, &err), 0);
	assert_int_equal(chmod(key_path, mode), 0);
	assert_int_equal(agent_start(&(struct agent_options){.data_dir = dir}, &a, &err), code);
	assert_non_null(strstr(err.msg, key_path));
	assert_null(a);
	assert_int_equal(fs_size(key_path), (int64_t)len); /* never replaced */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void bad_master_keys_are_kept_and_refused(void **state)
{
	(void)state;
	static const char bytes[33] = "0123456789abcdef0123456789abcdef";
	refuses_key(bytes, 31, 0600, ERR_PARSE);
	refuses_key(bytes, 33, 0600, ERR_PARSE);
	refuses_key(bytes, 0, 0600, ERR_PARSE);
	refuses_key(bytes, 32, 0640, ERR_REFUSED);
	assert_int_equal(unlink(key_path), 0);
	assert_int_equal(symlink("/etc/passwd", key_path), 0);
	struct err err = {0};
	struct agent *a = NULL;
	assert_int_equal(agent_start(&(struct agent_options){.data_dir = dir}, &a, &err), ERR_IO);
	assert_int_equal(unlink(key_path), 0);
	(void)unlink(sign_path);
}

static void child_is_hardened(void **state)
{
	(void)state;
	int leak = dup(0); /* without O_CLOEXEC */
	struct agent *a = start();
	struct err err = {0};
	CLEANUP_BUF struct buf b = {0};
	pid_t pid = child();
	assert_int_equal(getsid(pid), pid);
	CLEANUP_FREE char *limits = xasprintf("/proc/%d/limits", (int)pid), *fds = xasprintf("/proc/%d/fd", (int)pid),
			  *mem = xasprintf("/proc/%d/mem", (int)pid);
	struct stat st;
	assert_int_equal(stat(mem, &st), 0);
	assert_int_equal(st.st_uid, 0); /* not dumpable: its files in /proc are root's */
	assert_int_equal(fs_read(limits, 65536, &b, &err), 0);
	assert_non_null(strstr(buf_str(&b), "Max core file size        0                    0"));
	size_t n = 0;
	DIR *d = opendir(fds);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	if (d != NULL) {
		(void)closedir(d);
		assert_int_equal(n, 4); /* the standard three and its socket */
	}
	assert_int_equal(kill(pid, SIGTERM), 0); /* ends with its socket, not by a signal to the group */
	uint8_t k[AGENT_KEY_SIZE], w[AGENT_WRAPPED_SIZE];
	assert_int_equal(agent_new_key(a, "x", k, w, &err), 0);
	agent_stop(a);
	(void)close(leak);
}

static void a_dead_or_silent_agent_is_told(void **state)
{
	(void)state;
	struct err err = {0};
	uint8_t k[AGENT_KEY_SIZE], w[AGENT_WRAPPED_SIZE], again[AGENT_KEY_SIZE];
	struct agent *a = start();
	pid_t pid = child();
	assert_int_equal(kill(pid, SIGSTOP), 0);
	int64_t t = clock_mono_ms();
	assert_int_equal(agent_new_key(a, "late", k, w, &err), ERR_TIMEOUT);
	t = clock_mono_ms() - t;
	assert_true(t >= 2000 && t < 3000);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(agent_new_key(a, "now", k, w, &err), 0); /* the late answer is not taken for this one */
	assert_int_equal(agent_unwrap(a, "now", w, again, &err), 0);
	assert_memory_equal(k, again, sizeof(k));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(agent_new_key(a, "x", k, w, &err), ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "the key agent is gone: restart sluice");
	agent_stop(a);
}

static void dies_with_the_daemon(void **state)
{
	(void)state;
	int fds[2];
	pid_t agent = 0;
	assert_int_equal(pipe(fds), 0);
	pid_t daemon_pid = fork();
	if (daemon_pid == 0) {
		struct err err;
		struct agent *a = NULL;
		if (agent_start(&(struct agent_options){.data_dir = dir}, &a, &err) != 0)
			_exit(1);
		agent = child();
		(void)!write(fds[1], &agent, sizeof(agent));
		_exit(0); /* without agent_stop */
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &agent, sizeof(agent)), sizeof(agent));
	(void)close(fds[0]);
	assert_int_equal(waitpid(daemon_pid, NULL, 0), daemon_pid);
	CLEANUP_FREE char *status = xasprintf("/proc/%d/stat", (int)agent);
	bool gone = false;
	for (int i = 0; i < 200 && !gone; i++) {
		struct err err;
		CLEANUP_BUF struct buf b = {0};
		gone = fs_read(status, 4096, &b, &err) != 0 || strstr(buf_str(&b), ") Z ") != NULL;
		(void)usleep(10000);
	}
	assert_true(gone);
}

int main(void)
{
	struct err err;
	if (mkdtemp(dir) == NULL)
		return 1;
	key_path = fs_join(dir, "master.key");
	sign_path = fs_join(dir, "signing.key");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_differ_and_open_again), cmocka_unit_test(contexts_have_a_size),
		cmocka_unit_test(master_key_is_private),      cmocka_unit_test(bad_master_keys_are_kept_and_refused),
		cmocka_unit_test(child_is_hardened),          cmocka_unit_test(a_dead_or_silent_agent_is_told),
		cmocka_unit_test(dies_with_the_daemon),
	};
	int rc = cmocka_run_group_tests_name("agent", tests, NULL, NULL);
	free(key_path);
	free(sign_path);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
