#include "runner/untar.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

/* Fields of a header: place and length. */
enum {
	NAME_AT = 0,
	NAME_LEN = 100,
	MODE_AT = 100,
	SIZE_AT = 124,
	SUM_AT = 148,
	TYPE_AT = 156,
	LINK_AT = 157,
	LINK_LEN = 100,
	MAGIC_AT = 257,
	PREFIX_AT = 345,
	PREFIX_LEN = 155,
};

void untar_init(struct untar *u, const struct untar_limits *limits, const struct untar_sink *sink)
{
	*u = (struct untar){.limits = *limits, .sink = *sink, .at = UNTAR_HEAD};
}

void untar_free(struct untar *u)
{
	buf_free(&u->name);
	buf_free(&u->target);
	buf_free(&u->path);
}

static int broken(struct err *err, const char *why) { return err_set(err, ERR_PARSE, "the archive is broken: %s", why); }

/* Digits of base 8 with spaces or a NUL behind them. */
static bool octal(const char *field, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;
	while (i < len && field[i] == ' ')
		i++;
	size_t first = i;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		v = v * 8 + (uint64_t)(field[i] - '0');
	*ret = v;
	return i > first && (i == len || field[i] == ' ' || field[i] == '\0');
}

static bool checksum_fits(const char *block)
{
	uint64_t told, sum = 0;
	for (size_t i = 0; i < UNTAR_BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : (uint8_t)block[i];
	return octal(block + SUM_AT, 8, &told) && told == sum;
}

/* ---- names ---- */

/* What people may be shown of a name that is refused. */
static int refused(struct err *err, const struct buf *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refused(struct err *err, const struct buf *path, const char *fmt, ...)
{
	char why[200];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	CLEANUP_BUF struct buf shown = {0};
	text_clean(&shown, buf_str(path), path->len < 200 ? path->len : 200);
	for (size_t i = 0; i < shown.len; i++)
		if (shown.data[i] == '\n' || shown.data[i] == '\t')
			shown.data[i] = '?';
	return err_set(err, ERR_REFUSED, "\"%s\" in the archive is refused: %s", buf_str(&shown), why);
}

static bool is_plain(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return text_is_utf8(s, len);
}

static void read_path(struct untar *u)
{
	const char *b = u->block;
	buf_reset(&u->path);
	if (u->name.len != 0) {
		buf_add(&u->path, u->name.data, u->name.len);
	} else {
		if (memcmp(b + MAGIC_AT, "ustar\0", 6) == 0 && b[PREFIX_AT] != '\0') {
			buf_add(&u->path, b + PREFIX_AT, strnlen(b + PREFIX_AT, PREFIX_LEN));
			buf_addc(&u->path, '/');
		}
		buf_add(&u->path, b + NAME_AT, strnlen(b + NAME_AT, NAME_LEN));
	}
	while (u->path.len > 1 && u->path.data[u->path.len - 1] == '/')
		buf_truncate(&u->path, u->path.len - 1);
	while (u->path.len > 1 && u->path.data[0] == '.' && u->path.data[1] == '/')
		buf_consume(&u->path, 2);
}

static int check_path(const struct buf *path, struct err *err)
{
	const char *s = buf_str(path);
	unsigned depth = 1;
	if (path->len == 0 || path->len > LIMIT_PATH_BYTES || strlen(s) != path->len)
		return refused(err, path, "a name is between 1 and %u bytes long", LIMIT_PATH_BYTES);
	if (!is_plain(s, path->len))
		return refused(err, path, "a name is UTF-8 without control characters");
	for (const char *p = s;; depth++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return refused(err, path, "a name leads from the top of the archive downwards");
		if (n > 255)
			return refused(err, path, "a part of a name is at most 255 bytes long");
		p += n;
		if (*p++ == '\0')
			break;
	}
	return depth <= LIMIT_TREE_DEPTH ? 0 : refused(err, path, "more than %u directories deep", LIMIT_TREE_DEPTH);
}

/* Followed word by word from the link's own directory: it never leaves the directory that the link's path begins with. */
static bool target_stays(const char *path, const char *target)
{
	size_t depth = 0;
	for (const char *p = path; (p = strchr(p, '/')) != NULL; p++)
		depth++;
	if (target[0] == '\0' || target[0] == '/' || depth == 0)
		return false;
	for (const char *p = target;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (--depth == 0)
				return false;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			depth++;
		}
		p += n;
		if (*p == '\0')
			return true;
	}
}

static int read_target(struct untar *u, char *ret, size_t size, struct err *err)
{
	const char *from = u->target.len != 0 ? u->target.data : u->block + LINK_AT;
	size_t len = u->target.len != 0 ? u->target.len : strnlen(from, LINK_LEN);
	if (!u->limits.links)
		return refused(err, &u->path, "links are not taken");
	if (len >= size || strnlen(from, len) != len || !is_plain(from, len))
		return refused(err, &u->path, "where it leads is no plain name");
	memcpy(ret, from, len);
	ret[len] = '\0';
	return target_stays(buf_str(&u->path), ret) ? 0 : refused(err, &u->path, "a link that leads out of its own directory");
}

/* ---- headers ---- */

static int begin_name(struct untar *u, struct buf *into, uint64_t size, struct err *err)
{
	if (size == 0 || size > LIMIT_PATH_BYTES + 1)
		return err_set(err, ERR_LIMIT, "the archive has a name of more than %u bytes", LIMIT_PATH_BYTES);
	buf_reset(into);
	u->into = into;
	u->left = size;
	u->pad = (UNTAR_BLOCK - size % UNTAR_BLOCK) % UNTAR_BLOCK;
	u->at = UNTAR_NAME;
	return 0;
}

static int count(struct untar *u, uint64_t size, struct err *err)
{
	if (++u->entries > u->limits.entries)
		return err_set(err, ERR_LIMIT, "the archive has more than %llu files and directories", (unsigned long long)u->limits.entries);
	if (size > u->limits.bytes || u->bytes > u->limits.bytes - size)
		return err_set(err, ERR_LIMIT, "the archive unpacks to more than %llu MiB", (unsigned long long)(u->limits.bytes >> 20));
	u->bytes += size;
	return 0;
}

static int begin_entry(struct untar *u, enum untar_kind kind, uint64_t size, struct err *err)
{
	char target[LIMIT_PATH_BYTES + 1] = "";
	uint64_t mode = 0;
	read_path(u);
	if (kind == UNTAR_DIR && strcmp(buf_str(&u->path), ".") == 0) { /* the top itself */
		buf_reset(&u->name);
		return 0;
	}
	int rc = count(u, size, err);
	if (rc == 0)
		rc = check_path(&u->path, err);
	if (rc == 0 && kind == UNTAR_LINK)
		rc = read_target(u, target, sizeof(target), err);
	if (rc == 0 && !octal(u->block + MODE_AT, 8, &mode))
		rc = broken(err, "a file without mode");
	if (rc == 0 && kind != UNTAR_FILE && size != 0)
		rc = broken(err, "bytes of something that is no file");
	if (rc != 0)
		return rc;
	const struct untar_entry e = {kind, buf_str(&u->path), target, size, (mode & 0111) != 0};
	buf_reset(&u->name);
	buf_reset(&u->target);
	rc = u->sink.entry(&e, u->sink.arg, err);
	if (rc != 0 || kind != UNTAR_FILE)
		return rc;
	u->left = size;
	u->pad = (UNTAR_BLOCK - size % UNTAR_BLOCK) % UNTAR_BLOCK;
	u->at = UNTAR_BODY;
	return 0;
}

static int other_kind(struct untar *u, struct err *err)
{
	read_path(u);
	return refused(err, &u->path, "neither a file nor a directory");
}

static int read_head(struct untar *u, struct err *err)
{
	static const char zero[UNTAR_BLOCK];
	uint64_t size;
	if (memcmp(u->block, zero, UNTAR_BLOCK) == 0) {
		if (++u->zeros == 2)
			u->at = UNTAR_OVER;
		return 0;
	}
	if (u->zeros != 0)
		return broken(err, "an end in the middle");
	if (memcmp(u->block + MAGIC_AT, "ustar", 5) != 0 || !checksum_fits(u->block))
		return broken(err, "that is no tar header");
	if (!octal(u->block + SIZE_AT, 12, &size))
		return broken(err, "a size that is no number");
	switch (u->block[TYPE_AT]) {
	case 'L': return begin_name(u, &u->name, size, err);
	case 'K': return begin_name(u, &u->target, size, err);
	case '0':
	case '\0': return begin_entry(u, UNTAR_FILE, size, err);
	case '5': return begin_entry(u, UNTAR_DIR, size, err);
	case '2': return begin_entry(u, UNTAR_LINK, size, err);
	default: return other_kind(u, err);
	}
}

/* ---- the stream ---- */

static size_t least(size_t a, uint64_t b) { return a < b ? a : (size_t)b; }

/* The body is over: its padding follows, or nothing. */
static int body_over(struct untar *u, struct err *err)
{
	bool file = u->at == UNTAR_BODY;
	u->at = u->pad != 0 ? UNTAR_PAD : UNTAR_HEAD;
	if (file)
		return u->sink.end(u->sink.arg, err);
	if (u->into->len > 0 && u->into->data[u->into->len - 1] == '\0')
		buf_truncate(u->into, u->into->len - 1);
	return u->into->len > 0 ? 0 : broken(err, "an empty name");
}

static int feed_some(struct untar *u, const char *p, size_t len, size_t *ret_used, struct err *err)
{
	size_t n = least(len, u->at == UNTAR_HEAD ? UNTAR_BLOCK - u->have : u->at == UNTAR_PAD ? u->pad : u->left);
	int rc = 0;
	*ret_used = n;
	switch (u->at) {
	case UNTAR_HEAD:
		memcpy(u->block + u->have, p, n);
		u->have += n;
		if (u->have < UNTAR_BLOCK)
			return 0;
		u->have = 0;
		rc = read_head(u, err);
		break;
	case UNTAR_BODY:
		rc = n > 0 ? u->sink.data(p, n, u->sink.arg, err) : 0;
		u->left -= n;
		break;
	case UNTAR_NAME:
		buf_add(u->into, p, n);
		u->left -= n;
		break;
	case UNTAR_PAD:
		u->pad -= n;
		if (u->pad == 0)
			u->at = UNTAR_HEAD;
		return 0;
	case UNTAR_OVER:
		for (n = 0; n < len; n++)
			if (p[n] != '\0')
				return broken(err, "it goes on behind its end");
		*ret_used = len;
		return 0;
	}
	return rc == 0 && (u->at == UNTAR_BODY || u->at == UNTAR_NAME) && u->left == 0 ? body_over(u, err) : rc;
}

int untar_feed(struct untar *u, const char *bytes, size_t len, struct err *err)
{
	while (len > 0) {
		size_t used = 0;
		int rc = feed_some(u, bytes, len, &used, err);
		if (rc != 0)
			return rc;
		bytes += used;
		len -= used;
	}
	return 0;
}

int untar_end(struct untar *u, struct err *err) { return u->at == UNTAR_OVER ? 0 : broken(err, "it ends in the middle"); }
