/* The key agent, as the real child process. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"
#include "secrets/agent.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

/* In a child of its own, since it cannot be undone. */
static bool unshare_net_works(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWNET) == 0 ? 0 : 1);
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void signatures_have_their_purpose(void **state)
{
	(void)state;
	struct err err = {0};
	struct agent *a = start();
	uint8_t pub[AGENT_PUBLIC_SIZE], from_file[AGENT_PUBLIC_SIZE], sig[AGENT_PURPOSES][AGENT_SIG_SIZE], again[AGENT_SIG_SIZE];
	CLEANUP_FREE char *pub_path = fs_join(dir, "signing.pub"), *big = xmalloc(AGENT_SIGN_MAX + 1);
	memset(big, 'b', AGENT_SIGN_MAX + 1);
	agent_verify_key(a, pub);
	assert_int_equal(agent_public_read(pub_path, from_file, &err), 0);
	assert_memory_equal(pub, from_file, sizeof(pub));
	for (int p = 0; p < AGENT_PURPOSES; p++)
		assert_int_equal(agent_sign(a, (enum agent_purpose)p, "text", 4, sig[p], &err), 0);
	for (int p = 0; p < AGENT_PURPOSES; p++)
		for (int q = 0; q < AGENT_PURPOSES; q++)
			assert_int_equal(agent_check(pub, (enum agent_purpose)q, "text", 4, sig[p]), p == q);
	assert_false(agent_check(pub, AGENT_PLAN_RECORD, "tex", 3, sig[0]));
	assert_int_equal(agent_sign(a, AGENT_PLAN_RECORD, big, AGENT_SIGN_MAX, again, &err), 0);
	assert_true(agent_check(pub, AGENT_PLAN_RECORD, big, AGENT_SIGN_MAX, again));
	assert_int_equal(agent_sign(a, AGENT_PLAN_RECORD, big, AGENT_SIGN_MAX + 1, again, &err), ERR_LIMIT);
	assert_int_equal(agent_sign(a, AGENT_PLAN_RECORD, big, 0, again, &err), ERR_LIMIT);
	agent_stop(a);
	assert_int_equal(unlink(pub_path), 0); /* made again, the same */
	a = start();
	assert_int_equal(agent_public_read(pub_path, from_file, &err), 0);
	assert_memory_equal(pub, from_file, sizeof(pub));
	assert_int_equal(agent_sign(a, AGENT_PLAN_RECORD, "text", 4, again, &err), 0);
	assert_memory_equal(again, sig[AGENT_PLAN_RECORD], sizeof(again));
	agent_stop(a);
	struct stat st;
	assert_int_equal(stat(sign_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 60); /* sealed */
	assert_int_equal(fs_write_fast(pub_path, "not hex\n", 8, 0600, &err), 0);
	assert_int_equal(agent_public_read(pub_path, from_file, &err), ERR_PARSE);
	(void)unlink(pub_path);
	assert_int_equal(agent_public_read(pub_path, from_file, &err), ERR_NOT_FOUND);
}

static void digests_are_blinded(void **state)
{
	(void)state;
	struct err err = {0};
	struct agent *a = start();
	char one[AGENT_DIGEST_HEX + 1], again[AGENT_DIGEST_HEX + 1], other[AGENT_DIGEST_HEX + 1], sha[2 * SHA256_SIZE + 1];
	crypto_sha256_hex("pin=1234", 8, sha);
	assert_int_equal(agent_blind(a, sha, one, &err), 0);
	assert_int_equal(agent_blind(a, sha, again, &err), 0);
	assert_string_equal(one, again);
	assert_string_not_equal(one, sha);
	assert_int_equal(strlen(one), AGENT_DIGEST_HEX);
	assert_int_equal(strspn(one, "0123456789abcdef"), AGENT_DIGEST_HEX);
	sha[63] = sha[63] == '0' ? '1' : '0';
	assert_int_equal(agent_blind(a, sha, other, &err), 0);
	assert_string_not_equal(one, other);
	sha[63] = '\0'; /* a shorter one is another one */
	assert_int_equal(agent_blind(a, sha, again, &err), 0);
	assert_string_not_equal(again, other);
	assert_int_equal(agent_blind(a, "", again, &err), ERR_LIMIT);
	CLEANUP_FREE char *longer = xasprintf("%s00", one);
	assert_int_equal(agent_blind(a, longer, again, &err), ERR_LIMIT);
	agent_stop(a);
	a = start(); /* the same after a restart */
	assert_int_equal(agent_blind(a, "ab", one, &err), 0);
	assert_int_equal(agent_blind(a, "ab", again, &err), 0);
	assert_string_equal(one, again);
	agent_stop(a);
}

/* A key of a GitHub App in a file, its public half. */
static char *app_file;
static struct crypto_rsa *app_public;

static void make_app_key(unsigned bits, mode_t mode)
{
	struct err err = {0};
	CLEANUP_BUF struct buf secret = {0}, public = {0};
	assert_int_equal(crypto_rsa_new(bits, &secret, &public, &err), 0);
	assert_int_equal(fs_write_fast(app_file, secret.data, secret.len, 0600, &err), 0);
	assert_int_equal(chmod(app_file, mode), 0);
	crypto_rsa_free(app_public);
	app_public = NULL;
	if (bits >= RSA_BITS_MIN)
		assert_int_equal(crypto_rsa_read(public.data, public.len, &app_public, &err), 0);
}

static void app_tokens(void **state)
{
	(void)state;
	struct err err = {0};
	struct agent *a = NULL;
	char *jwt = NULL;
	make_app_key(2048, 0400);
	struct agent_options o = {.data_dir = dir, .app_id = "12345", .app_key_file = app_file};
	assert_int_equal(agent_start(&o, &a, &err), 0);
	int64_t now = (int64_t)time(NULL) - 100;
	assert_int_equal(agent_app_jwt(a, now, &jwt, &err), 0);
	const char *claims = strchr(jwt, '.') + 1, *sig = strchr(claims, '.') + 1;
	CLEANUP_BUF struct buf head_text = {0}, claims_text = {0}, sig_bytes = {0};
	assert_true(text_base64url_read(&head_text, jwt, (size_t)(claims - jwt - 1)));
	assert_true(text_base64url_read(&claims_text, claims, (size_t)(sig - claims - 1)));
	assert_true(text_base64url_read(&sig_bytes, sig, strlen(sig)));
	CLEANUP_FREE char *want = xasprintf("{\"iat\":%lld,\"exp\":%lld,\"iss\":\"12345\"}", (long long)now - 60, (long long)now + 540);
	assert_string_equal(buf_str(&head_text), "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
	assert_string_equal(buf_str(&claims_text), want);
	assert_true(crypto_rsa_verify(app_public, jwt, (size_t)(sig - jwt - 1), (const uint8_t *)sig_bytes.data, sig_bytes.len));
	free(jwt);
	jwt = NULL;
	const int64_t far[] = {now + 3800, now - 3800, 0, -1, INT64_MAX, INT64_MIN};
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		assert_int_equal(agent_app_jwt(a, far[i], &jwt, &err), ERR_REFUSED);
		assert_null(jwt);
	}
	assert_non_null(strstr(err.msg, "an hour or more away"));
	agent_stop(a);
	a = start(); /* without an App */
	assert_int_equal(agent_app_jwt(a, now, &jwt, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "github.app"));
	agent_stop(a);
}

static void app_keys_that_are_refused(void **state)
{
	(void)state;
	static const struct {
		unsigned bits;
		mode_t mode;
		const char *text, *id; /* text: instead of a key */
		int code;
		const char *says;
	} cases[] = {
		{2048, 0640, NULL, "1", ERR_REFUSED, "others may read the private key of the GitHub App (mode 0640): chmod 600 it"},
		{2048, 0604, NULL, "1", ERR_REFUSED, "chmod 600 it"},
		{1024, 0600, NULL, "1", ERR_REFUSED, "its RSA key has 1024 bits"},
		{2048, 0600, "ghp_token", "1", ERR_PARSE, "is not the private key of a GitHub App"},
		{2048, 0600, "", "1", ERR_PARSE, "is not the private key of a GitHub App"},
		{2048, 0600, NULL, "12a", ERR_USAGE, "the id of the GitHub App is a number"},
		{2048, 0600, NULL, "", ERR_USAGE, "the id of the GitHub App is a number"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		struct agent *a = NULL;
		if (cases[i].text == NULL)
			make_app_key(cases[i].bits, cases[i].mode);
		else
			assert_int_equal(fs_write_fast(app_file, cases[i].text, strlen(cases[i].text), 0600, &err), 0);
		struct agent_options o = {.data_dir = dir, .app_id = cases[i].id, .app_key_file = app_file};
		assert_int_equal(agent_start(&o, &a, &err), cases[i].code);
		assert_true(text_starts(err.msg, "start the key agent: "));
		if (strstr(err.msg, cases[i].says) == NULL)
			fail_msg("%s", err.msg);
	}
	struct err err = {0};
	struct agent *a = NULL;
	(void)unlink(app_file);
	struct agent_options o = {.data_dir = dir, .app_id = "1", .app_key_file = app_file};
	assert_int_equal(agent_start(&o, &a, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, app_file));
	CLEANUP_FREE char *other = fs_join(dir, "mounted.pem");
	make_app_key(2048, 0600);
	assert_int_equal(rename(app_file, other), 0);
	assert_int_equal(symlink(other, app_file), 0); /* as mounted secrets look */
	assert_int_equal(agent_start(&o, &a, &err), 0);
	agent_stop(a);
	assert_int_equal(unlink(app_file), 0);
	assert_int_equal(unlink(other), 0);
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

/* A line of /proc/PID/status. */
static char *status_of(pid_t pid, const char *name)
{
	struct err err = {0};
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *path = xasprintf("/proc/%d/status", (int)pid), *start = xasprintf("\n%s:\t", name);
	assert_int_equal(fs_read(path, 65536, &b, &err), 0);
	const char *at = strstr(buf_str(&b), start);
	assert_non_null(at);
	at += strlen(start);
	return xstrndup(at, strcspn(at, "\n"));
}

static void child_is_filtered(void **state)
{
	(void)state;
	struct agent *a = start();
	pid_t pid = child();
	CLEANUP_FREE char *mode = status_of(pid, "Seccomp"), *privileges = status_of(pid, "NoNewPrivs"), *threads = status_of(pid, "Threads");
	assert_string_equal(mode, "2");
	assert_string_equal(privileges, "1");
#ifndef __SANITIZE_THREAD__ /* which has one of its own */
	assert_string_equal(threads, "1");
#endif
	CLEANUP_FREE char *mine = xasprintf("/proc/self/ns/net"), *its = xasprintf("/proc/%d/ns/net", (int)pid),
			  *limits = xasprintf("/proc/%d/limits", (int)pid);
	char here[64] = "", there[64] = "";
	CLEANUP_BUF struct buf b = {0};
	struct err err = {0};
	if (geteuid() == 0 && unshare_net_works() && readlink(mine, here, sizeof(here) - 1) > 0 && readlink(its, there, sizeof(there) - 1) > 0)
		assert_string_not_equal(here, there);
	assert_int_equal(fs_read(limits, 65536, &b, &err), 0);
	assert_non_null(strstr(buf_str(&b), "Max open files            0                    0"));
	agent_stop(a);
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
	app_file = fs_join(dir, "app.pem");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_differ_and_open_again), cmocka_unit_test(contexts_have_a_size),
		cmocka_unit_test(master_key_is_private),      cmocka_unit_test(bad_master_keys_are_kept_and_refused),
		cmocka_unit_test(child_is_hardened),          cmocka_unit_test(a_dead_or_silent_agent_is_told),
		cmocka_unit_test(dies_with_the_daemon),       cmocka_unit_test(signatures_have_their_purpose),
		cmocka_unit_test(app_tokens),                 cmocka_unit_test(app_keys_that_are_refused),
		cmocka_unit_test(child_is_filtered),          cmocka_unit_test(digests_are_blinded),
	};
	int rc = cmocka_run_group_tests_name("agent", tests, NULL, NULL);
	free(key_path);
	free(sign_path);
	free(app_file);
	crypto_rsa_free(app_public);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
