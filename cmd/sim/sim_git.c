/* git as a child that is waited for, with an environment of its own: no configuration of the machine's or the user's, no prompts. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cmd/sim/sim_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GIT_OUT_MAX = 64 * 1024 * 1024, GIT_WAIT_MS = 60000, ARGS_MAX = 32 };

char **sim_git_env(const char *protocol)
{
	static const char *const fixed[] = {
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "HOME=/nonexistent",
		"GIT_AUTHOR_NAME=GitHub", "GIT_AUTHOR_EMAIL=noreply@github.com", "GIT_COMMITTER_NAME=GitHub", "GIT_COMMITTER_EMAIL=noreply@github.com",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	};
	struct strlist env = {0};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		strlist_add(&env, fixed[i]);
	const char *path = getenv("PATH");
	strlist_take(&env, xasprintf("PATH=%s", path != NULL ? path : "/usr/bin:/bin"));
	if (protocol != NULL)
		strlist_take(&env, xasprintf("GIT_PROTOCOL=%s", protocol));
	env.v = xreallocarray(env.v, env.n + 1, sizeof(char *));
	env.v[env.n] = NULL;
	return env.v;
}

void sim_git_env_free(char **env)
{
	for (char **e = env; *e != NULL; e++)
		free(*e);
	free(env);
}

/* ---- one child ---- */

static int spawn(const struct sim *s, char *const *argv, int in, int out, pid_t *ret_pid, struct err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, pipes;
	(void)sigemptyset(&none);
	(void)sigemptyset(&pipes);
	(void)sigaddset(&pipes, SIGPIPE);
	int rc = posix_spawn_file_actions_init(&actions);
	ASSERT(rc == 0 && posix_spawnattr_init(&attr) == 0);
	char **env = sim_git_env(NULL);
	rc = posix_spawn_file_actions_adddup2(&actions, in, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, out, 1);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &pipes);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (rc == 0)
		rc = posix_spawn(ret_pid, s->git, &actions, &attr, argv, env);
	sim_git_env_free(env);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	errno = rc;
	return rc == 0 ? 0 : err_sys(err, "start %s", s->git);
}

/* Writes what is left of input, or closes the pipe when that is all. */
static void feed(const struct buf *input, size_t *at, int *fd)
{
	ssize_t n = input != NULL && *at < input->len ? write(*fd, input->data + *at, input->len - *at) : 0;
	if (n > 0)
		*at += (size_t)n;
	bool stop = input == NULL || *at >= input->len || (n < 0 && errno != EAGAIN && errno != EINTR);
	if (stop) {
		(void)close(*fd); /* the child sees the end; if it went away, its exit status says why */
		*fd = -1;
	}
}

static int talk(int *to, int from, const struct buf *input, struct buf *out, struct err *err)
{
	int64_t deadline = clock_mono_ms() + GIT_WAIT_MS;
	size_t at = 0;
	(void)fcntl(*to, F_SETFL, O_NONBLOCK);
	for (;;) {
		struct pollfd p[2] = {{.fd = from, .events = POLLIN}, {.fd = *to, .events = POLLOUT}};
		int n = poll(p, 2, 1000);
		if (n < 0 && errno != EINTR)
			return err_sys(err, "wait for git");
		if (clock_mono_ms() > deadline)
			return err_set(err, ERR_TIMEOUT, "git took longer than %d s", GIT_WAIT_MS / 1000);
		if (n <= 0)
			continue;
		if (*to >= 0 && p[1].revents != 0)
			feed(input, &at, to);
		if (p[0].revents == 0)
			continue;
		char chunk[65536];
		ssize_t got = read(from, chunk, sizeof(chunk));
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return err_sys(err, "read from git");
		if (got > 0)
			buf_add(out, chunk, (size_t)got);
	}
}

static int run(const struct sim *s, char *const *argv, const struct buf *input, struct buf *out, int *ret_status, struct err *err)
{
	int in[2], back[2];
	if (pipe2(in, O_CLOEXEC) != 0)
		return err_sys(err, "pipe to git");
	if (pipe2(back, O_CLOEXEC) != 0) {
		(void)close(in[0]);
		(void)close(in[1]);
		return err_sys(err, "pipe from git");
	}
	pid_t pid = -1;
	int rc = spawn(s, argv, in[0], back[1], &pid, err);
	(void)close(in[0]);
	(void)close(back[1]);
	if (rc == 0)
		rc = talk(&in[1], back[0], input, out, err);
	if (in[1] >= 0)
		(void)close(in[1]);
	(void)close(back[0]);
	if (pid < 0)
		return rc;
	if (rc != 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "wait for git");
	return rc;
}

int sim_git_code(const struct sim *s, const char *git_dir, const char *const *args, const struct buf *input, struct buf *out, int *ret_code,
		 struct err *err)
{
	char *argv[ARGS_MAX + 4];
	struct strlist words = {0};
	strlist_add(&words, "git");
	strlist_add(&words, "-C");
	strlist_add(&words, git_dir);
	for (size_t i = 0; args[i] != NULL; i++) {
		ASSERT(i < ARGS_MAX);
		strlist_add(&words, args[i]);
	}
	for (size_t i = 0; i < words.n; i++)
		argv[i] = words.v[i];
	argv[words.n] = NULL;
	struct buf ignored = {0};
	int status = 0;
	if (out != NULL)
		out->max = GIT_OUT_MAX;
	int rc = run(s, argv, input, out != NULL ? out : &ignored, &status, err);
	if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) > 1))
		rc = err_set(err, ERR_IO, "git %s in %s failed (status %d); its own words are on stderr", args[0], git_dir, status);
	if (rc == 0)
		*ret_code = WEXITSTATUS(status);
	buf_free(&ignored);
	strlist_free(&words);
	return rc;
}

int sim_git(const struct sim *s, const char *git_dir, const char *const *argv, const struct buf *input, struct buf *out, struct err *err)
{
	int code = 0;
	int rc = sim_git_code(s, git_dir, argv, input, out, &code, err);
	if (rc == 0 && code != 0)
		return err_set(err, ERR_IO, "git %s in %s failed; its own words are on stderr", argv[0], git_dir);
	return rc;
}

/* ---- what we ask of it ---- */

int sim_git_rev(const struct sim *s, const struct sim_repo *r, const char *rev, char ret[SIM_SHA_SIZE], struct err *err)
{
	CLEANUP_FREE char *commit = xasprintf("%s^{commit}", rev);
	struct buf out CLEANUP_BUF = {0};
	int code = 0;
	const char *const argv[] = {"rev-parse", "--verify", "--quiet", "--end-of-options", commit, NULL};
	int rc = sim_git_code(s, r->git_dir, argv, NULL, &out, &code, err);
	if (rc != 0)
		return rc;
	if (code != 0 || out.len < SIM_SHA_SIZE - 1)
		return err_set(err, ERR_NOT_FOUND, "%s has no commit %s", r->full_name, rev);
	/* --verify prints the end-of-options mark as well in some versions: the commit is the last line */
	(void)snprintf(ret, SIM_SHA_SIZE, "%.40s", out.data + out.len - SIM_SHA_SIZE);
	return 0;
}

int sim_git_init(const struct sim *s, const struct sim_repo *r, struct err *err)
{
	static const char *const settings[][2] = {
		{"uploadpack.allowAnySHA1InWant", "true"}, {"uploadpack.allowFilter", "true"}, {"uploadpack.hideRefs", "refs/forks"},
		{"core.quotePath", "false"}, {"gc.auto", "0"}, {"core.logAllRefUpdates", "false"},
	};
	int rc = fs_mkdir_p(r->git_dir, 0700, err);
	CLEANUP_FREE char *head = xasprintf("--initial-branch=%s", r->default_branch);
	if (rc == 0)
		rc = sim_git(s, r->git_dir, (const char *const[]){"init", "--quiet", "--bare", head, NULL}, NULL, NULL, err);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(settings); i++)
		rc = sim_git(s, r->git_dir, (const char *const[]){"config", settings[i][0], settings[i][1], NULL}, NULL, NULL, err);
	return rc;
}

int sim_git_update_ref(const struct sim *s, const struct sim_repo *r, const char *ref, const char *sha, struct err *err)
{
	return sim_git(s, r->git_dir, (const char *const[]){"update-ref", ref, sha, NULL}, NULL, NULL, err);
}

void sim_git_identity(char *out, size_t size, const struct sim_user *u)
{
	(void)snprintf(out, size, "%s <%lld+%s@users.noreply.github.com>", u->login, (long long)u->id, u->login);
}

static bool path_is_fine(const char *path)
{
	if (path[0] == '\0' || path[0] == '/' || path[0] == '"' || text_ends(path, "/"))
		return false;
	for (const char *p = path; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20)
			return false;
	CLEANUP_FREE char *padded = xasprintf("/%s/", path);
	return strstr(padded, "/../") == NULL && strstr(padded, "/./") == NULL && strstr(padded, "//") == NULL && strstr(padded, "/.git/") == NULL;
}

static int add_files(struct buf *in, const struct sim_file *files, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct sim_file *f = &files[i];
		if (!path_is_fine(f->path))
			return err_set(err, ERR_USAGE, "file \"%s\": give a path relative to the repository, without . and ..", f->path);
		if (f->content == NULL) {
			buf_printf(in, "D %s\n", f->path);
			continue;
		}
		size_t len = f->len > 0 ? f->len : strlen(f->content);
		buf_printf(in, "M %s inline %s\ndata %zu\n", f->mode != NULL ? f->mode : "100644", f->path, len);
		buf_add(in, f->content, len);
		buf_addc(in, '\n');
	}
	return 0;
}

int sim_git_commit_by(const struct sim *s, const struct sim_repo *r, const char *ref, const char *from, const struct sim_who *who,
		      const char *message, const struct sim_file *files, size_t files_n, char ret[SIM_SHA_SIZE], struct err *err)
{
	struct buf in CLEANUP_BUF = {.max = GIT_OUT_MAX};
	long long now = (long long)(clock_wall_ms() / 1000);
	buf_printf(&in, "feature done\ncommit %s\nauthor %s %lld +0000\ncommitter %s %lld +0000\n", ref, who->author, now, who->committer, now);
	buf_printf(&in, "data %zu\n%s\n", strlen(message), message);
	if (from != NULL)
		buf_printf(&in, "from %s\n", from);
	int rc = add_files(&in, files, files_n, err);
	buf_adds(&in, "done\n");
	if (rc == 0 && buf_failed(&in))
		rc = err_set(err, ERR_LIMIT, "commit to %s: more than %d bytes", r->full_name, GIT_OUT_MAX);
	if (rc == 0)
		rc = sim_git(s, r->git_dir, (const char *const[]){"fast-import", "--quiet", "--force", NULL}, &in, NULL, err);
	return rc == 0 ? sim_git_rev(s, r, ref, ret, err) : rc;
}

int sim_git_commit(const struct sim *s, const struct sim_repo *r, const char *ref, const char *from, const struct sim_user *u, const char *message,
		   const struct sim_file *files, size_t files_n, char ret[SIM_SHA_SIZE], struct err *err)
{
	char who[256];
	sim_git_identity(who, sizeof(who), u);
	return sim_git_commit_by(s, r, ref, from, &(struct sim_who){.author = who, .committer = who}, message, files, files_n, ret, err);
}
