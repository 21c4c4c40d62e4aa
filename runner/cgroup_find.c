#include "runner/cgroup_priv.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Where we are in each hierarchy (/proc/self/cgroup), and where each hierarchy is mounted (/proc/self/mountinfo). */

#define WAY_OUT "start it as a systemd service with `Delegate=memory pids cpu`, as deploy/sluice.service has it"
enum { MOVE_PASSES = 8, ENABLE_TRIES = 40, ENABLE_WAIT_US = 5000 };
static const char LEAF[] = "daemon";
static const char *const v1_name[CG_DIRS] = {[CG_MEMORY] = "memory", [CG_PIDS] = "pids", [CG_CPU] = "cpuacct", [CG_SHARE] = "cpu"};

/* ---- files ---- */

static int open_in(const char *dir, const char *file, int flags)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", dir, file);
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

bool cgroup_text(const char *dir, const char *file, char text[CGROUP_TEXT])
{
	text[0] = '\0';
	CLEANUP_FD int fd = open_in(dir, file, O_RDONLY);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, CGROUP_TEXT - 1);
	text[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

int cgroup_put(const char *dir, const char *file, const char *value)
{
	CLEANUP_FD int fd = open_in(dir, file, O_WRONLY | O_TRUNC); /* as a shell would; a control file has no length */
	if (fd < 0)
		return -1;
	size_t len = strlen(value);
	ssize_t n = write(fd, value, len);
	int saved = errno;
	mem_close_fd(&fd);
	errno = saved;
	return n == (ssize_t)len ? 0 : -1;
}

int64_t cgroup_number(const char *text)
{
	if (text_starts(text, "max"))
		return INT64_MAX;
	if (*text < '0' || *text > '9')
		return -1;
	int64_t n = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (n > (INT64_MAX - 9) / 10)
			return INT64_MAX;
		n = n * 10 + (*text - '0');
	}
	return n;
}

int64_t cgroup_field(const char *text, const char *key)
{
	size_t len = strlen(key);
	for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return cgroup_number(p + len + 1);
	return -1;
}

bool cgroup_has_word(const char *text, const char *word)
{
	static const char between[] = " ,\n";
	for (const char *p = text + strspn(text, between); *p != '\0'; p += strspn(p, between)) {
		size_t len = strcspn(p, between);
		if (len == strlen(word) && memcmp(p, word, len) == 0)
			return true;
		p += len;
	}
	return false;
}

/* ---- the two files of /proc ---- */

/* The text behind the second colon of the line of a hierarchy; controller NULL: of v2. The caller frees. */
static char *path_in(const char *cgroups, const char *controller)
{
	for (const char *p = cgroups; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *end = p + strcspn(p, "\n");
		const char *list = memchr(p, ':', (size_t)(end - p));
		const char *path = list != NULL ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;
		if (path == NULL)
			continue;
		CLEANUP_FREE char *names = xstrndup(list + 1, (size_t)(path - list - 1));
		if (controller != NULL ? cgroup_has_word(names, controller) : names[0] == '\0')
			return xstrndup(path + 1, (size_t)(end - path - 1));
	}
	return NULL;
}

/* The kernel writes blank, tab, newline and backslash of a path as \ooo. */
static void unescape(char *s)
{
	char *to = s;
	for (; *s != '\0'; s++) {
		bool octal = s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7';
		*to++ = octal ? (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0')) : *s;
		s += octal ? 3 : 0;
	}
	*to = '\0';
}

/* One mount, its line cut into words: ID PARENT DEV ROOT POINT OPTIONS [...] - TYPE SOURCE SUPER. */
struct mount {
	char *root, *point, *type, *super;
};

static bool mount_read(char *line, struct mount *ret)
{
	*ret = (struct mount){0};
	char *words[6] = {0}, *save = NULL, *w;
	size_t n = 0;
	for (w = strtok_r(line, " ", &save); w != NULL && strcmp(w, "-") != 0; w = strtok_r(NULL, " ", &save))
		if (n < ARRAY_LEN(words))
			words[n++] = w;
	ret->type = strtok_r(NULL, " ", &save);
	(void)strtok_r(NULL, " ", &save); /* its source */
	ret->super = strtok_r(NULL, " ", &save);
	if (n < ARRAY_LEN(words) || ret->super == NULL)
		return false;
	ret->root = words[3];
	ret->point = words[4];
	unescape(ret->root);
	unescape(ret->point);
	return true;
}

/* path within a mount of the subtree root; NULL: it is not in it. */
static const char *below(const char *path, const char *root)
{
	size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(path, root, len) != 0 || (path[len] != '\0' && path[len] != '/') || strstr(path, "/..") != NULL)
		return NULL;
	return strcmp(path + len, "/") == 0 ? "" : path + len;
}

/* Directory of our group in a hierarchy; ret_top: where it is mounted. false: not mounted, or we are not to be seen in it. */
static bool group_dir(const char *root, const char *mounts, const char *cgroups, const char *controller, char **ret_dir, char **ret_top)
{
	CLEANUP_FREE char *path = path_in(cgroups, controller);
	CLEANUP_FREE char *lines = xstrdup(mounts);
	char *save = NULL;
	for (char *line = path != NULL ? strtok_r(lines, "\n", &save) : NULL; line != NULL; line = strtok_r(NULL, "\n", &save)) {
		struct mount m;
		if (!mount_read(line, &m) || strcmp(m.type, controller != NULL ? "cgroup" : "cgroup2") != 0 ||
		    (controller != NULL && !cgroup_has_word(m.super, controller)))
			continue;
		const char *rest = below(path, m.root);
		if (rest == NULL)
			continue;
		*ret_dir = xasprintf("%s%s%s", root, m.point, rest);
		*ret_top = xasprintf("%s%s", root, m.point);
		return true;
	}
	return false;
}

struct proc_texts {
	struct buf cgroups, mounts;
};

static bool read_proc(const char *root, struct proc_texts *t)
{
	CLEANUP_FREE char *cgroups = xasprintf("%s/proc/self/cgroup", root), *mounts = xasprintf("%s/proc/self/mountinfo", root);
	return fs_read(cgroups, LIMIT_PROC_BYTES, &t->cgroups, NULL) == 0 && fs_read(mounts, LIMIT_PROC_BYTES, &t->mounts, NULL) == 0;
}

static void free_proc(struct proc_texts *t)
{
	buf_free(&t->cgroups);
	buf_free(&t->mounts);
}

/* ---- the base ---- */

static bool may_write(const char *dir, const char *file)
{
	CLEANUP_FREE char *path = xasprintf("%s/%s", dir, file);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static void find_v2(const char *root, const struct proc_texts *t, struct cgroup_base *b)
{
	CLEANUP_FREE char *dir = NULL, *top = NULL;
	if (!group_dir(root, buf_str(&t->mounts), buf_str(&t->cgroups), NULL, &dir, &top))
		return;
	char *name = strrchr(dir, '/');
	if (strlen(dir) > strlen(top) && strcmp(name + 1, LEAF) == 0) {
		*name = '\0';
		b->leaf = true;
	}
	char have[CGROUP_TEXT], below_it[CGROUP_TEXT], type[CGROUP_TEXT];
	if (!cgroup_text(dir, "cgroup.controllers", have) || !cgroup_text(dir, "cgroup.subtree_control", below_it))
		return;
	if (!cgroup_has_word(have, "memory") || !cgroup_has_word(have, "pids")) {
		b->why = xasprintf("the control group %s was not given the controllers memory and pids: " WAY_OUT, dir);
		return;
	}
	b->whole = !cgroup_text(dir, "cgroup.type", type); /* only the root of all has none */
	b->enabled = cgroup_has_word(below_it, "memory") && cgroup_has_word(below_it, "pids");
	b->dir[0] = TAKE(dir);
	bool ours = may_write(b->dir[0], ".") && may_write(b->dir[0], "cgroup.procs");
	if (ours && (b->enabled || (b->whole && may_write(b->dir[0], "cgroup.subtree_control"))))
		b->kind = CGROUP_V2;
	else if (!ours)
		b->why = xasprintf("the control group %s is not ours to divide: " WAY_OUT, b->dir[0]);
	else
		b->why = xasprintf("the control group %s is not divided: the daemon does that when it starts, if the group was delegated to it; " WAY_OUT,
				   b->dir[0]);
}

static void find_v1(const char *root, const struct proc_texts *t, struct cgroup_base *b)
{
	struct cgroup_base found = {.kind = CGROUP_V1};
	bool all = true;
	for (size_t i = 0; i < CG_SHARE && all; i++) {
		CLEANUP_FREE char *top = NULL;
		all = group_dir(root, buf_str(&t->mounts), buf_str(&t->cgroups), v1_name[i], &found.dir[i], &top);
		if (!all || may_write(found.dir[i], "."))
			continue;
		all = false;
		free(b->why);
		b->why = xasprintf("the control group %s is not ours to divide: run sluice as root, or give that directory and those of the "
				   "controllers memory, pids and cpuacct to its user",
				   found.dir[i]);
	}
	cgroup_base_free(all ? b : &found);
	if (all)
		*b = found;
	CLEANUP_FREE char *share = NULL, *top = NULL;
	if (all && group_dir(root, buf_str(&t->mounts), buf_str(&t->cgroups), v1_name[CG_SHARE], &share, &top) && may_write(share, ".") &&
	    strcmp(share, b->dir[CG_CPU]) != 0)
		b->dir[CG_SHARE] = TAKE(share);
}

void cgroup_base_find(const char *root, struct cgroup_base *ret)
{
	*ret = (struct cgroup_base){.kind = CGROUP_NONE};
	struct proc_texts t = {0};
	if (!read_proc(root, &t)) {
		ret->why = xstrdup("/proc/self/cgroup and /proc/self/mountinfo cannot be read: mount /proc, and a kernel with control groups is needed");
		free_proc(&t);
		return;
	}
	find_v2(root, &t, ret);
	/* a controller is in one version at a time: without memory in v2, it may be in v1 */
	if (ret->kind == CGROUP_NONE && ret->dir[0] == NULL)
		find_v1(root, &t, ret);
	free_proc(&t);
	if (ret->kind == CGROUP_NONE && ret->why == NULL)
		ret->why = xstrdup("no control groups with memory and pids are mounted: mount cgroup2 at /sys/fs/cgroup; " WAY_OUT);
	if (ret->kind != CGROUP_NONE)
		xstrset(&ret->why, NULL);
}

void cgroup_base_free(struct cgroup_base *b)
{
	for (size_t i = 0; i < CG_DIRS; i++)
		free(b->dir[i]);
	free(b->why);
	*b = (struct cgroup_base){0};
}

enum cgroup_kind cgroup_here(char **ret_why)
{
	struct cgroup_base b;
	cgroup_base_find("", &b);
	enum cgroup_kind kind = b.kind;
	if (ret_why != NULL)
		*ret_why = TAKE(b.why);
	cgroup_base_free(&b);
	return kind;
}

/* ---- memory of the machine that is left to us ---- */

static int64_t lowest(const char *dir, const char *top, const char *file)
{
	int64_t least = INT64_MAX;
	CLEANUP_FREE char *at = xstrdup(dir);
	for (size_t stop = strlen(top); strlen(at) >= stop; *strrchr(at, '/') = '\0') {
		char text[CGROUP_TEXT];
		int64_t n = cgroup_text(at, file, text) ? cgroup_number(text) : -1;
		if (n > 0 && n < least)
			least = n;
		if (strrchr(at, '/') == NULL)
			break;
	}
	return least;
}

int64_t cgroup_memory_ceiling_at(const char *root)
{
	struct proc_texts t = {0};
	int64_t least = INT64_MAX;
	if (read_proc(root, &t)) {
		static const struct { const char *controller, *file; } versions[] = {{NULL, "memory.max"}, {"memory", "memory.limit_in_bytes"}};
		for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
			CLEANUP_FREE char *dir = NULL, *top = NULL;
			if (!group_dir(root, buf_str(&t.mounts), buf_str(&t.cgroups), versions[i].controller, &dir, &top))
				continue;
			int64_t n = lowest(dir, top, versions[i].file);
			least = n < least ? n : least;
		}
	}
	free_proc(&t);
	return least < INT64_MAX / 4 ? least : 0; /* v1 says "none" as the largest number of whole pages */
}

int64_t cgroup_memory_ceiling(void) { return cgroup_memory_ceiling_at(""); }

/* ---- dividing our own group, v2 ---- */

/* Whether dividing it is our business: given to us (a user who is not root owns it, or systemd marked it), or the root of a container. */
static bool is_delegated(const struct cgroup_base *b)
{
	struct stat st;
	if (stat(b->dir[0], &st) != 0)
		return false;
	if (geteuid() != 0)
		return st.st_uid == geteuid();
	char mark[8];
	static const char *const marks[] = {"trusted.delegate", "user.delegate"};
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (getxattr(b->dir[0], marks[i], mark, sizeof(mark)) == 1 && mark[0] == '1')
			return true;
	CLEANUP_FREE char *above = xasprintf("%s/../cgroup.controllers", b->dir[0]);
	return !fs_exists(above);
}

/* Everything in the group goes to the leaf; what forks meanwhile is seen in the next pass. */
static int move_all(const char *dir, const char *leaf)
{
	CLEANUP_FREE char *path = xasprintf("%s/cgroup.procs", dir);
	CLEANUP_BUF struct buf pids = {0};
	for (int pass = 0; pass < MOVE_PASSES; pass++) {
		if (fs_read(path, LIMIT_PROC_BYTES, &pids, NULL) != 0)
			return -1;
		if (pids.len == 0)
			return 0;
		char *save = NULL;
		for (char *p = strtok_r(pids.data, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save))
			if (cgroup_put(leaf, "cgroup.procs", p) != 0 && errno != ESRCH)
				return -1;
	}
	errno = EBUSY;
	return -1;
}

static int divide(const struct cgroup_base *b, struct err *err)
{
	const char *dir = b->dir[0];
	if (!b->whole) {
		CLEANUP_FREE char *leaf = xasprintf("%s/%s", dir, LEAF);
		if (mkdir(leaf, 0755) != 0 && errno != EEXIST)
			return err_sys(err, "make the control group %s", leaf);
		if (!b->leaf && cgroup_put(leaf, "cgroup.procs", "0") != 0)
			return err_sys(err, "move the daemon to the control group %s", leaf);
		if (move_all(dir, leaf) != 0)
			return err_sys(err, "move what is in the control group %s to its leaf %s", dir, LEAF);
	}
	int rc = -1;
	for (int i = 0; i < ENABLE_TRIES && rc != 0; i++) { /* the kernel may say EBUSY for a moment after a move */
		rc = cgroup_put(dir, "cgroup.subtree_control", "+memory +pids");
		if (rc != 0 && errno != EBUSY)
			break;
		if (rc != 0)
			(void)usleep(ENABLE_WAIT_US);
	}
	if (rc != 0)
		return err_sys(err, "switch memory and pids on below the control group %s", dir);
	(void)cgroup_put(dir, "cgroup.subtree_control", "+cpu"); /* shares the processors evenly between jobs; without it they are shared, too */
	return 0;
}

int cgroup_move_self(struct err *err)
{
	struct cgroup_base b;
	cgroup_base_find("", &b);
	int rc = b.dir[0] != NULL && b.kind != CGROUP_V1 && !b.enabled && is_delegated(&b) ? divide(&b, err) : 0;
	cgroup_base_free(&b);
	return rc;
}
