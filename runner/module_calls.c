#include "runner/module_calls.h"

#include "base/crypto.h"
#include "base/limits.h"
#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_local(const char *source) { return text_starts(source, "./") || text_starts(source, "../"); }

static bool is_version(const char *s)
{
	s += *s == 'v';
	bool digit = isdigit((unsigned char)*s) != 0;
	return digit && strspn(s, "0123456789.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-") == strlen(s);
}

bool module_source_is_fixed(const char *source, const char *version)
{
	const char *ref = strstr(source, "?ref=");
	if (ref == NULL)
		ref = strstr(source, "&ref=");
	if (ref != NULL) {
		CLEANUP_FREE char *name = xstrndup(ref + 5, strcspn(ref + 5, "&"));
		size_t hex = strspn(name, "0123456789abcdefABCDEF");
		return (name[hex] == '\0' && (hex == 40 || hex == 64)) || (is_version(name) && strchr(name, '.') != NULL);
	}
	if (version == NULL || strstr(source, "://") != NULL || strstr(source, "::") != NULL)
		return false;
	version += strspn(version, " ");
	version += *version == '=';
	version += strspn(version, " ");
	return is_version(version);
}

/* ---- one file ---- */

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static const char *next_line(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	return nl != NULL ? nl + 1 : end;
}

/* Behind the word, or NULL when it does not stand at p. */
static const char *word_at(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);
	bool there = (size_t)(end - p) > n && strncmp(p, word, n) == 0;
	return there && !isalnum((unsigned char)p[n]) && p[n] != '_' && p[n] != '-' ? p + n : NULL;
}

/* A plain quoted text at p; false for templates, escapes and everything else. */
static bool text_at(const char *p, const char *end, char **ret)
{
	if (p >= end || *p != '"')
		return false;
	const char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
	size_t len = close != NULL ? (size_t)(close - p - 1) : 0;
	if (close == NULL || len == 0 || len > LIMIT_PATH_BYTES)
		return false;
	for (size_t i = 1; i <= len; i++)
		if ((uint8_t)p[i] < 0x20 || p[i] == '\\' || p[i] == '$' || p[i] == '%')
			return false;
	free(*ret);
	*ret = xstrndup(p + 1, len);
	return true;
}

/* `NAME = "TEXT"` where a line or the block begins. Absent: *ret stays NULL and the answer is true. */
static bool attribute(const char *p, const char *end, const char *name, char **ret)
{
	for (; p < end; p = next_line(p, end)) {
		const char *q = word_at(skip_blank(p, end), end, name);
		if (q == NULL)
			continue;
		q = skip_blank(q, end);
		if (q < end && *q == '=')
			return text_at(skip_blank(q + 1, end), end, ret);
	}
	return true;
}

static void note(struct module_calls *calls, const char *dir, const char *name, const char *source, const char *version)
{
	strlist_take(&calls->all, xasprintf("%s\t%s\t%s\t%s", dir, name, source, version != NULL ? version : ""));
	if (is_local(source))
		return;
	calls->remote++;
	calls->floating |= !module_source_is_fixed(source, version);
}

static void note_unknown(struct module_calls *calls, const char *dir, const char *bytes, size_t len)
{
	char hex[2 * SHA256_SIZE + 1];
	crypto_sha256_hex(bytes, len, hex);
	note(calls, dir, "?", hex, NULL);
}

/* The path from the top of the tree that a local source means; NULL: it leaves the tree. */
static char *resolve(const char *dir, const char *source)
{
	CLEANUP_FREE char *joined = xasprintf("%s/%s", dir, source);
	struct buf out = {0};
	for (const char *p = joined; *p != '\0'; p += strcspn(p, "/"), p += *p == '/') {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.'))
			continue;
		if (n != 2 || p[0] != '.' || p[1] != '.') {
			buf_printf(&out, "%s%.*s", out.len > 0 ? "/" : "", (int)n, p);
			continue;
		}
		if (out.len == 0) {
			buf_free(&out);
			return NULL;
		}
		const char *slash = memrchr(out.data, '/', out.len);
		buf_truncate(&out, slash != NULL ? (size_t)(slash - out.data) : 0);
	}
	if (out.len == 0)
		buf_addc(&out, '.');
	return buf_take(&out);
}

/* p: behind the word `module`. */
static void scan_block(const char *dir, const char *p, const char *end, struct module_calls *calls)
{
	CLEANUP_FREE char *name = NULL, *source = NULL, *version = NULL;
	if (!text_at(skip_blank(p, end), end, &name))
		return;
	p = skip_blank(p, end) + strlen(name) + 2;
	p = skip_blank(p, end);
	if (p >= end || *p != '{')
		return;
	const char *close = memmem(p, (size_t)(end - p), "\n}", 2);
	const char *over = close != NULL ? close : end;
	if (!attribute(p + 1, over, "source", &source) || !attribute(p + 1, over, "version", &version) || source == NULL) {
		note_unknown(calls, dir, p, (size_t)(over - p));
		return;
	}
	note(calls, dir, name, source, version);
	CLEANUP_FREE char *to = is_local(source) ? resolve(dir, source) : NULL;
	if (to != NULL && !strlist_has(&calls->dirs, to))
		strlist_add(&calls->dirs, to);
}

void module_calls_scan(const char *dir, const char *bytes, size_t len, bool is_json, struct module_calls *calls)
{
	const char *end = bytes + len;
	if (is_json) {
		if (memmem(bytes, len, "\"module\"", 8) != NULL)
			note_unknown(calls, dir, bytes, len);
		return;
	}
	for (const char *p = bytes; p < end; p = next_line(p, end)) {
		const char *behind = word_at(skip_blank(p, end), end, "module");
		if (behind != NULL)
			scan_block(dir, behind, end, calls);
	}
}

/* ---- directories ---- */

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static int scan_file(int dir_fd, const char *dir, const char *name, bool is_json, struct module_calls *calls, struct err *err)
{
	struct stat st;
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FD int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > LIMIT_HCL_FILE_BYTES)
		return 0; /* the engine will say what is wrong with it */
	buf_reserve(&text, (size_t)st.st_size);
	ssize_t n = pread(fd, text.data, (size_t)st.st_size, 0);
	if (n < 0)
		return err_sys(err, "read %s/%s", dir, name);
	module_calls_scan(dir, text.data, (size_t)n, is_json, calls);
	return 0;
}

static int scan_dir(int tree, const char *dir, struct module_calls *calls, struct err *err)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, tree, dir, &how, sizeof(how));
	CLEANUP(close_dir) DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL)
		return 0; /* likewise */
	int rc = 0;
	for (const struct dirent *e; rc == 0 && (e = readdir(d)) != NULL;) {
		bool is_json = text_ends(e->d_name, ".tf.json") || text_ends(e->d_name, ".tofu.json");
		if (is_json || text_ends(e->d_name, ".tf") || text_ends(e->d_name, ".tofu"))
			rc = scan_file(dirfd(d), dir, e->d_name, is_json, calls, err);
		if (rc == 0 && calls->all.n > LIMIT_DIR_REFERENCES)
			rc = err_set(err, ERR_LIMIT, "%s and its local modules call more than %u modules", calls->dirs.v[0], LIMIT_DIR_REFERENCES);
	}
	return rc;
}

int module_calls_of(int tree_fd, const char *dir, struct module_calls *ret, struct err *err)
{
	struct module_calls calls = {0};
	strlist_add(&calls.dirs, dir);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < calls.dirs.n; i++)
		rc = scan_dir(tree_fd, calls.dirs.v[i], &calls, err);
	if (rc != 0) {
		module_calls_free(&calls);
		return rc;
	}
	strlist_sort(&calls.all);
	*ret = calls;
	return 0;
}

void module_calls_free(struct module_calls *c)
{
	strlist_free(&c->all);
	strlist_free(&c->dirs);
	*c = (struct module_calls){0};
}
