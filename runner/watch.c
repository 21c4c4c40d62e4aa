#include "runner/watch.h"

#include "base/limits.h"
#include "runner/cgroup.h"
#include "runner/watch_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT = 4096, PID_MAX = 4194304 /* the kernel's own, and what it counts below */ };

struct member {
	pid_t pid;
	int64_t start; /* with pid: who it is */
};

struct pair {
	pid_t ppid, pid;
};

/* One look. Members are found breadth first: v[0] is the root, those before `at` were asked for their children. */
struct look {
	int proc;
	struct member v[LIMIT_WATCH_PROCESSES];
	size_t n;
	uint8_t seen[PID_MAX / 8];
	struct pair *pairs; /* who is whose child, by parent; NULL: the kernel lists children itself */
	size_t pairs_n;
	bool exact;
	bool denied;
	int64_t memory, ticks, threads;
};

/* ---- text of the kernel ---- */

/* A whole number of either sign, saturating; NULL: none here, else what follows it. */
static const char *number(const char *p, int64_t *ret)
{
	bool minus = *p == '-';
	p += minus ? 1 : 0;
	if (*p < '0' || *p > '9')
		return NULL;
	int64_t n = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*p - '0');
	*ret = minus ? -n : n;
	return p;
}

bool watch_read_stat(const char *text, struct watch_stat *ret)
{
	enum { PPID = 1, UTIME = 11, CSTIME = 14, THREADS = 17, START = 19, FIELDS };
	const char *p = strrchr(text, ')'); /* the name may hold any character, and nothing behind it a bracket */
	if (p == NULL)
		return false;
	int64_t v[FIELDS] = {0};
	for (size_t i = 0; i < FIELDS; i++) {
		p += strcspn(p, " \n");
		if (*p != ' ' || (i > 0 && number(p + 1, &v[i]) == NULL)) /* the first is a letter */
			return false;
		p++;
	}
	*ret = (struct watch_stat){.ppid = v[PPID], .threads = v[THREADS] > 0 ? v[THREADS] : 0, .start = v[START]};
	for (size_t i = UTIME; i <= CSTIME; i++)
		if (v[i] > 0 && __builtin_add_overflow(ret->ticks, v[i], &ret->ticks))
			return false;
	return true;
}

int64_t watch_read_kb(const char *text, const char *key)
{
	size_t len = strlen(key);
	for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, key, len) == 0 && p[len] == ':') {
			int64_t kb = -1;
			p += len + 1;
			p += strspn(p, " \t");
			return number(p, &kb) != NULL && kb >= 0 && kb < INT64_MAX / 1024 ? kb * 1024 : -1;
		}
	return -1;
}

/* ---- files ---- */

static bool read_at(int dir, const char *file, char text[TEXT])
{
	CLEANUP_FD int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, TEXT - 1) : -1;
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* A directory of /proc belongs to one process: when that has ended, nothing can be read in it, whoever has its number now. */
static int open_process(const struct look *l, pid_t pid)
{
	char name[16];
	(void)snprintf(name, sizeof(name), "%d", (int)pid); /* fits */
	return openat(l->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool stat_of(int dir, struct watch_stat *s)
{
	char text[TEXT];
	return dir >= 0 && read_at(dir, "stat", text) && watch_read_stat(text, s);
}

static pid_t pid_of(const char *name)
{
	pid_t pid = 0;
	for (; *name >= '0' && *name <= '9' && pid <= PID_MAX; name++)
		pid = pid * 10 + (*name - '0');
	return *name == '\0' && pid < PID_MAX ? pid : 0;
}

/* ---- members ---- */

static int64_t memory_of(struct look *l, int dir)
{
	char text[TEXT];
	const char *anon = l->exact ? "Pss_Anon" : "RssAnon", *shared = l->exact ? "Pss_Shmem" : "RssShmem";
	bool got = read_at(dir, l->exact ? "smaps_rollup" : "status", text);
	int64_t a = watch_read_kb(text, anon), b = watch_read_kb(text, shared);
	/* one that has ended and was not waited for has no memory, and no such lines */
	if (l->exact && (!got || a < 0) && read_at(dir, "status", text) && watch_read_kb(text, "RssAnon") > 0)
		l->denied = true;
	return (a > 0 ? a : 0) + (b > 0 ? b : 0);
}

static void add(struct look *l, pid_t pid, int dir, const struct watch_stat *s)
{
	l->v[l->n++] = (struct member){.pid = pid, .start = s->start};
	l->seen[pid / 8] |= (uint8_t)(1 << pid % 8);
	l->memory += memory_of(l, dir);
	l->ticks += s->ticks;
	l->threads += s->threads;
}

/* pid is said to be a child of parent, whose directory is open. It is, when it says so itself and the parent has not ended since. */
static void add_child(struct look *l, const struct member *parent, int parent_dir, pid_t pid)
{
	if (pid <= 0 || pid >= PID_MAX || (l->seen[pid / 8] & 1 << pid % 8) != 0 || l->n == ARRAY_LEN(l->v))
		return;
	CLEANUP_FD int dir = open_process(l, pid);
	struct watch_stat s, p;
	if (stat_of(dir, &s) && s.ppid == parent->pid && stat_of(parent_dir, &p))
		add(l, pid, dir, &s);
}

/* ---- who is whose child ---- */

/* A file per thread (not every kernel is built with it). */
static void children_listed(struct look *l, const struct member *m, int dir)
{
	int tasks_fd = openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *tasks = tasks_fd >= 0 ? fdopendir(tasks_fd) : NULL;
	if (tasks == NULL) {
		mem_close_fd(&tasks_fd);
		return;
	}
	const struct dirent *e;
	while ((e = readdir(tasks)) != NULL) {
		char text[TEXT], *save = NULL;
		CLEANUP_FREE char *file = xasprintf("%s/children", e->d_name);
		if (pid_of(e->d_name) == 0 || !read_at(tasks_fd, file, text))
			continue;
		size_t len = strlen(text);
		if (len == TEXT - 1 && strrchr(text, ' ') != NULL)
			*strrchr(text, ' ') = '\0'; /* its last number may be cut; more than 500 children are counted next time, or never */
		for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
			add_child(l, m, dir, pid_of(w));
	}
	(void)closedir(tasks);
}

static int by_parent(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	return (x->ppid > y->ppid) - (x->ppid < y->ppid);
}

/* One pass over all processes of the host. */
static void pair_all(struct look *l)
{
	int fd = openat(l->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t room = 256;
	l->pairs = xreallocarray(NULL, room, sizeof(*l->pairs));
	const struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		char text[TEXT], file[32];
		struct watch_stat s;
		pid_t pid = pid_of(e->d_name);
		(void)snprintf(file, sizeof(file), "%d/stat", (int)pid); /* fits */
		if (pid == 0 || !read_at(l->proc, file, text) || !watch_read_stat(text, &s))
			continue;
		if (l->pairs_n == room)
			l->pairs = xreallocarray(l->pairs, room *= 2, sizeof(*l->pairs));
		l->pairs[l->pairs_n++] = (struct pair){.ppid = (pid_t)s.ppid, .pid = pid};
	}
	if (d != NULL)
		(void)closedir(d);
	else
		mem_close_fd(&fd);
	qsort(l->pairs, l->pairs_n, sizeof(*l->pairs), by_parent);
}

static void children_paired(struct look *l, const struct member *m, int dir)
{
	size_t low = 0, high = l->pairs_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (l->pairs[mid].ppid < m->pid)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < l->pairs_n && l->pairs[low].ppid == m->pid; low++)
		add_child(l, m, dir, l->pairs[low].pid);
}

/* ---- the look ---- */

static bool look_at(struct look *l, pid_t root)
{
	l->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FD int root_dir = open_process(l, root);
	struct watch_stat s;
	if (root <= 0 || root >= PID_MAX || !stat_of(root_dir, &s))
		return false;
	add(l, root, root_dir, &s);
	bool listed = faccessat(l->proc, "thread-self/children", R_OK, 0) == 0;
	if (!listed)
		pair_all(l);
	for (size_t at = 0; at < l->n; at++) {
		struct member m = l->v[at];
		CLEANUP_FD int dir = open_process(l, m.pid);
		if (!stat_of(dir, &s) || s.start != m.start)
			continue; /* ended meanwhile; its children have another parent now */
		if (listed)
			children_listed(l, &m, dir);
		else
			children_paired(l, &m, dir);
	}
	return true;
}

static struct look *look_new(bool exact)
{
	struct look *l = xcalloc(1, sizeof(*l));
	l->proc = -1;
	l->exact = exact;
	return l;
}

static void look_free(struct look *l)
{
	mem_close_fd(&l->proc);
	free(l->pairs);
	free(l);
}

int watch_tree(pid_t root, struct watch_use *ret)
{
	struct look *l = look_new(false);
	bool found = look_at(l, root);
	long hz = sysconf(_SC_CLK_TCK);
	if (found)
		*ret = (struct watch_use){.memory = l->memory, .cpu_ms = l->ticks * 1000 / (hz > 0 ? hz : 100), .threads = l->threads};
	look_free(l);
	return found ? 0 : ERR_NOT_FOUND;
}

int64_t watch_memory(pid_t root)
{
	struct look *l = look_new(true);
	int64_t memory = look_at(l, root) && !l->denied ? l->memory : -1;
	look_free(l);
	return memory;
}

void watch_machine_read(const char *meminfo, int64_t ceiling, struct watch_machine *ret)
{
	int64_t total = watch_read_kb(meminfo, "MemTotal");
	total = total > 0 ? total : 0;
	*ret = (struct watch_machine){.total = ceiling > 0 && (total == 0 || ceiling < total) ? ceiling : total,
				      .available = watch_read_kb(meminfo, "MemAvailable")};
}

void watch_machine(struct watch_machine *ret)
{
	char text[TEXT];
	(void)read_at(AT_FDCWD, "/proc/meminfo", text); /* unread, it is empty */
	watch_machine_read(text, cgroup_memory_ceiling(), ret);
}
