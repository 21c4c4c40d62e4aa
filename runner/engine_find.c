#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "runner/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Which engine is installed, and which version. An engine start costs 50 ms, so its answer is kept in data_dir/engines.json:
 * {"binaries":[{"path":"/usr/local/bin/terraform","size":1,"mtime_ns":"1","version":"1.11.4",
 * "sha256":"..."}]}. A file that cannot be read is made anew. */

enum { CACHE_BYTES_MAX = 64 * 1024, CACHE_ENTRIES_MAX = 32, VERSION_OUTPUT_MAX = 4096, VERSION_WAIT_MS = 20000, VERSION_MAX = 63 };

struct entry {
	const char *path, *mtime_ns, *version, *sha256;
	int64_t size;
};

static bool entry_read(const struct json *j, struct entry *ret)
{
	struct err err;
	return json_str(j, "path", PATH_MAX, &ret->path, &err) == 0 && json_str(j, "mtime_ns", 32, &ret->mtime_ns, &err) == 0 &&
	       json_str(j, "version", VERSION_MAX, &ret->version, &err) == 0 &&
	       json_str(j, "sha256", 2 * SHA256_SIZE, &ret->sha256, &err) == 0 && json_int(j, "size", 0, INT64_C(1) << 50, &ret->size, &err) == 0;
}

static bool same_binary(const struct entry *a, const struct entry *b)
{
	return strcmp(a->path, b->path) == 0 && a->size == b->size && strcmp(a->mtime_ns, b->mtime_ns) == 0;
}

/* The remembered version and digest. */
static bool cache_find(const char *file, const struct entry *want, char **ret_version, char **ret_sha256)
{
	CLEANUP_BUF struct buf in = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct err err;
	if (fs_read(file, CACHE_BYTES_MAX, &in, &err) != 0 || json_parse(buf_str(&in), in.len, NULL, &doc, &root, &err) != 0)
		return false;
	struct json list = json_member(&root, "binaries");
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e)) {
		struct entry have;
		if (!entry_read(&e, &have) || !same_binary(&have, want))
			continue;
		*ret_version = xstrdup(have.version);
		*ret_sha256 = xstrdup(have.sha256);
		return true;
	}
	return false;
}

static void entry_write(struct json_writer *w, const struct entry *e)
{
	jw_open(w, NULL);
	jw_str(w, "path", e->path);
	jw_int(w, "size", e->size);
	jw_str(w, "mtime_ns", e->mtime_ns);
	jw_str(w, "version", e->version);
	jw_str(w, "sha256", e->sha256);
	jw_close(w);
}

/* Adds an entry in front; older ones of the same path and what is beyond the ceiling fall away. */
static void cache_add(const char *file, const struct entry *add)
{
	CLEANUP_BUF struct buf in = {0};
	CLEANUP_BUF struct buf out = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct err err;
	struct json_writer w = json_writer(&out);
	jw_open(&w, NULL);
	jw_open_arr(&w, "binaries");
	entry_write(&w, add);
	if (fs_read(file, CACHE_BYTES_MAX, &in, &err) == 0 && json_parse(buf_str(&in), in.len, NULL, &doc, &root, &err) == 0) {
		size_t n = 1;
		struct json list = json_member(&root, "binaries");
		for (struct json e = json_first(&list); json_ok(&e) && n < CACHE_ENTRIES_MAX; e = json_next(&e)) {
			struct entry old;
			if (!entry_read(&e, &old) || strcmp(old.path, add->path) == 0)
				continue;
			entry_write(&w, &old);
			n++;
		}
	}
	jw_close_arr(&w);
	jw_close(&w);
	if (fs_write_fast(file, out.data, out.len, 0600, &err) != 0) /* only a cache: the binary is asked again next time */
		log_warn("engine.cache", "error=%s", log_value(err.msg));
}

/* Runs `path version` with nothing but what it needs; the first bytes of its stdout go to out. Child side: never returns. */
static void exec_version(const char *path, int out)
{
	int null = open("/dev/null", O_RDWR);
	static char home[] = "HOME=/nonexistent", check[] = "CHECKPOINT_DISABLE=1", rc[] = "TF_CLI_CONFIG_FILE=/dev/null",
		    word[] = "version";
	char *argv[] = {xstrdup(path), word, NULL};
	char *envp[] = {home, check, rc, NULL};
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 || chdir("/") != 0)
		_exit(127);
	fs_close_from(3);
	(void)execve(path, argv, envp);
	_exit(127);
}

static int read_until(int fd, int64_t deadline_ms, struct buf *ret)
{
	while (ret->len < VERSION_OUTPUT_MAX) {
		int64_t left = deadline_ms - clock_mono_ms();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -1;
		char chunk[512];
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		buf_add(ret, chunk, (size_t)n);
	}
	return 0;
}

static int ask_output(const char *path, struct buf *ret, struct err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_sys(err, "%s version: pipe", path);
	CLEANUP_FD int ours = fds[0];
	pid_t pid = fork();
	if (pid == 0)
		exec_version(path, fds[1]);
	(void)close(fds[1]);
	if (pid < 0)
		return err_sys(err, "%s version: fork", path);
	int late = read_until(ours, clock_mono_ms() + VERSION_WAIT_MS, ret);
	if (late != 0 || ret->len >= VERSION_OUTPUT_MAX)
		(void)kill(pid, SIGKILL);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (late != 0)
		return err_set(err, ERR_TIMEOUT, "%s version: no answer within %d s", path, VERSION_WAIT_MS / 1000);
	return 0;
}

static int ask_version(const struct engine *row, const char *path, char **ret, struct err *err)
{
	CLEANUP_BUF struct buf out = {0};
	int rc = ask_output(path, &out, err);
	if (rc != 0)
		return rc;
	const char *line = buf_str(&out);
	size_t prefix = strlen(row->version_prefix);
	size_t len = strncmp(line, row->version_prefix, prefix) == 0 ? strcspn(line + prefix, " \r\n\t") : 0;
	if (len == 0 || len > VERSION_MAX)
		return err_set(err, ERR_PARSE, "%s version: its first line should start with \"%sX.Y.Z\"; is it really %s?", path,
			       row->version_prefix, row->label);
	*ret = xstrndup(line + prefix, len);
	return 0;
}

/* Programs are as large as 100 MiB: mapped, and only once for each. */
static int digest_file(const char *path, char ret[2 * SHA256_SIZE + 1], struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
		return err_sys(err, "read %s", path);
	void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return err_sys(err, "map %s", path);
	crypto_sha256_hex(bytes, (size_t)st.st_size, ret);
	(void)munmap(bytes, (size_t)st.st_size); /* of our own mapping */
	return 0;
}

static char *locate(const struct engine *row, const char *extra_dir)
{
	CLEANUP_FREE char *found = NULL;
	if (extra_dir != NULL) {
		found = fs_join(extra_dir, row->program);
		struct stat st;
		if (stat(found, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
			free(found);
			found = NULL;
		}
	}
	if (found == NULL)
		found = fs_which(row->program);
	return found != NULL ? realpath(found, NULL) : NULL;
}

int engine_find(enum engine_kind kind, const char *extra_dir, const char *data_dir, struct engine_binary *ret, struct err *err)
{
	const struct engine *row = engine_row(kind);
	CLEANUP_FREE char *path = locate(row, extra_dir);
	if (path == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s: no program \"%s\" in PATH%s%s: install it or put it in PATH", row->label,
			       row->program, extra_dir != NULL ? " or " : "", extra_dir != NULL ? extra_dir : "");
	struct stat st;
	if (stat(path, &st) != 0)
		return err_sys(err, "stat %s", path);
	CLEANUP_FREE char *mtime = xasprintf("%lld%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	CLEANUP_FREE char *cache = fs_join(data_dir, "engines.json");
	struct entry want = {.path = path, .mtime_ns = mtime, .size = st.st_size};
	CLEANUP_FREE char *version = NULL, *sha256 = NULL;
	if (!cache_find(cache, &want, &version, &sha256)) {
		char digest[2 * SHA256_SIZE + 1];
		int rc = ask_version(row, path, &version, err);
		if (rc == 0)
			rc = digest_file(path, digest, err);
		if (rc != 0)
			return rc;
		sha256 = xstrdup(digest);
		want.version = version;
		want.sha256 = sha256;
		cache_add(cache, &want);
	}
	*ret = (struct engine_binary){.kind = kind, .path = TAKE(path), .version = TAKE(version), .sha256 = TAKE(sha256)};
	return 0;
}

void engine_binary_free(struct engine_binary *b)
{
	free(b->path);
	free(b->version);
	free(b->sha256);
	*b = (struct engine_binary){.kind = ENGINE_NONE};
}
