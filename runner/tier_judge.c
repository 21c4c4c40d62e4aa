/* What the battery said, held against a table: what is wanted of each answer, and what is left of the box when it is not so. An answer that is
 * missing is never as wanted. Pure. */
#include "base/text.h"
#include "runner/tier.h"
#include "runner/tier_priv.h"

#include <stdio.h>

enum { ANSWER_MAX = 200 };

enum group {
	G_BOX,
	G_DESCRIPTORS,
	G_ENVIRONMENT,
	G_USER,
	G_CAPABILITIES,
	G_PROCESSES,
	G_HOST_FILES,
	G_WRITES,
	G_WORKSPACE,
	G_NETWORK,
	G_NAMESPACES,
	G_NESTED,
	G_SYSTEM_CALLS,
	G_MOUNTS,
	G_PROGRAMS,
	G_LANDLOCK,
	G_LIMITS,
	G_TERMINAL,
	G_CONTROL_GROUP,
	GROUPS
};

static const char ours[] = "this is a fault of sluice or of its installation: report it with the output of `sluice doctor --format json`";

#define LANDLOCK_FIX                                                                                               \
	"needs Landlock: Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK, and `landlock` in the list of `lsm=` " \
	"(/sys/kernel/security/lsm)"

static const struct {
	const char *name, *holds, *fix;
} groups[GROUPS] = {
	[G_BOX] = {"box", "stands, and the canary came to its end", NULL /* the sentence of the failure has it */},
	[G_DESCRIPTORS] = {"descriptors", "none is inherited", ours},
	[G_ENVIRONMENT] = {"environment", "that of the server cannot be read", ours},
	[G_USER] = {"user", "nobody, and cannot become another", ours},
	[G_CAPABILITIES] = {"capabilities", "none", "bubblewrap has to drop them: install a current one (apt-get install bubblewrap)"},
	[G_PROCESSES] = {"processes", "none but its own can be seen, traced or signalled", ours},
	[G_HOST_FILES] = {"host files", "none can be read", ours},
	[G_WRITES] = {"read-only", "programs, providers and the root cannot be changed", ours},
	[G_WORKSPACE] = {"workspace", "/work, /tmp and /home can be written", ours},
	[G_NETWORK] = {"network", "loopback only; nothing of the host answers", ours},
	[G_NAMESPACES] = {"namespaces", "own user, network, host name and control group namespaces",
			  "a kernel from Linux 5.14 on shows all of them"},
	[G_NESTED] =
		{"nested namespaces", "refused",
		 "needs bubblewrap 0.8 or later and a kernel with CONFIG_SECCOMP_FILTER; a masked /proc/sys in a container keeps bubblewrap from "
		 "switching them off"},
	[G_SYSTEM_CALLS] = {"system calls", "filtered; the risky parts of the kernel are out of reach",
			    "needs a kernel with CONFIG_SECCOMP_FILTER, and a container runtime that allows seccomp inside"},
	[G_MOUNTS] = {"mounts", "cannot be changed; no devices, no set-user-id files", "needs a kernel with CONFIG_SECCOMP_FILTER"},
	[G_PROGRAMS] = {"programs", "only the engine and providers can be started", LANDLOCK_FIX},
	[G_LANDLOCK] = {"landlock", "holds as much as this kernel knows of it", LANDLOCK_FIX},
	[G_LIMITS] = {"limits", "of room, files, processes and core dumps are set", ours},
	[G_TERMINAL] = {"terminal", "none", ours},
	[G_CONTROL_GROUP] = {"control group", "holds memory, processes and CPU time together",
			     "in the unit: Delegate=memory pids cpu; in a container: a writable cgroup v2 of its own (--cgroupns=private)"},
};

enum want {
	IS,      /* one of a list, parted by | */
	LACKS,   /* no such word in a list of words */
	AT_MOST, /* a number */
	AT_LEAST,
	OTHER_THAN,   /* the answer of another line; fails only when the two are equal */
	AT_MOST_LINE, /* a number, not above the one of another line */
};

#define REFUSED "EPERM|ENOSYS|EACCES"
#define NO_SOCKET REFUSED "|EAFNOSUPPORT|EPROTONOSUPPORT|ESOCKTNOSUPPORT"
#define HIDDEN "ENOENT|EACCES|EPERM"

static const struct row {
	enum group group;
	const char *probe;
	enum want want;
	const char *what;
	enum tier at_most;
	int since; /* this version of Landlock and later; 0: always */
} rows[] = {
	{G_BOX, "box", IS, "stands", TIER_NONE, 0},
	{G_BOX, "end", IS, "yes", TIER_NONE, 0},
	{G_DESCRIPTORS, "descriptors", IS, "none", TIER_NONE, 0},
	{G_ENVIRONMENT, "environment", LACKS, TIER_BAIT_VARIABLE, TIER_NONE, 0},
	{G_ENVIRONMENT, "environ_first", IS, HIDDEN "|0 bytes", TIER_NONE, 0},
	{G_ENVIRONMENT, "environ_parent", IS, HIDDEN "|0 bytes", TIER_NONE, 0},
	{G_ENVIRONMENT, "memory_first", IS, HIDDEN, TIER_NONE, 0},
	{G_USER, "user", IS, "65534:65534", TIER_NONE, 0},
	{G_USER, "become_root", IS, "EINVAL|EPERM", TIER_NONE, 0},
	{G_CAPABILITIES, "capabilities", IS, "none", TIER_NONE, 0},
	{G_CAPABILITIES, "bounding", IS, "0", TIER_REDUCED, 0},
	{G_PROCESSES, "pid", AT_MOST, "64", TIER_NONE, 0},
	{G_PROCESSES, "processes", AT_MOST, "3", TIER_NONE, 0},
	{G_PROCESSES, "processes_in_proc", IS, "ENOENT|EACCES|0|1|2|3|4", TIER_NONE, 0},
	{G_PROCESSES, "bait_process", IS, "ESRCH", TIER_NONE, 0},
	{G_PROCESSES, "trace_parent", IS, REFUSED, TIER_NONE, 0},
	{G_PROCESSES, "read_parent", IS, REFUSED, TIER_NONE, 0},
	{G_HOST_FILES, "bait_file", IS, "ENOENT", TIER_NONE, 0},
	{G_HOST_FILES, "secrets", IS, "none", TIER_NONE, 0},
	{G_HOST_FILES, "devices", IS, "none", TIER_NONE, 0},
	{G_HOST_FILES, "system_files", IS, "none", TIER_NONE, 0},
	{G_HOST_FILES, "homes", IS, "0", TIER_NONE, 0},
	{G_WRITES, "write_root", IS, HIDDEN "|EROFS", TIER_NONE, 0},
	{G_WRITES, "write_bin", IS, HIDDEN "|EROFS", TIER_NONE, 0},
	{G_WRITES, "write_usr", IS, HIDDEN "|EROFS", TIER_NONE, 0},
	{G_WRITES, "write_etc", IS, HIDDEN "|EROFS", TIER_NONE, 0},
	{G_WRITES, "write_dev", IS, HIDDEN "|EROFS", TIER_NONE, 0},
	{G_WRITES, "write_plugins", IS, HIDDEN "|EROFS", TIER_NONE, 0},
	{G_WRITES, "write_programs", IS, "no", TIER_NONE, 0},
	{G_WORKSPACE, "write_work", IS, "yes", TIER_NONE, 0},
	{G_WORKSPACE, "write_tmp", IS, "yes", TIER_NONE, 0},
	{G_WORKSPACE, "write_home", IS, "yes", TIER_NONE, 0},
	{G_NETWORK, "network", OTHER_THAN, "outside_network", TIER_NONE, 0},
	{G_NETWORK, "interfaces", IS, "lo", TIER_NONE, 0},
	{G_NETWORK, "bait_tcp", IS, "ECONNREFUSED|EACCES", TIER_NONE, 0},
	{G_NETWORK, "tcp_out", IS, "ENETUNREACH|EACCES", TIER_NONE, 0},
	{G_NETWORK, "tcp_proxy_port_out", IS, "ENETUNREACH", TIER_NONE, 0}, /* what Landlock lets through shows what the namespace does */
	{G_NETWORK, "udp_out", IS, "ENETUNREACH|" NO_SOCKET, TIER_NONE, 0},
	{G_NETWORK, "dns_out", IS, "ENETUNREACH|" NO_SOCKET, TIER_NONE, 0},
	{G_NETWORK, "bait_abstract", IS, "ECONNREFUSED|EPERM", TIER_NONE, 0},
	{G_NETWORK, "bait_socket", IS, "ENOENT", TIER_NONE, 0},
	{G_NAMESPACES, "network", AT_LEAST, "1", TIER_REDUCED, 0},
	{G_NAMESPACES, "owner_of_devices", IS, "65534", TIER_REDUCED, 0},
	{G_NAMESPACES, "hostname", IS, "job", TIER_REDUCED, 0},
	{G_NAMESPACES, "control_group", IS, HIDDEN "|0::/", TIER_REDUCED, 0},
	{G_NESTED, "nested_unshare", IS, REFUSED "|ENOSPC|EUSERS", TIER_REDUCED, 0},
	{G_NESTED, "nested_clone", IS, REFUSED "|ENOSPC|EUSERS", TIER_REDUCED, 0},
	{G_NESTED, "nested_clone3", IS, REFUSED "|ENOSPC|EUSERS", TIER_REDUCED, 0},
	{G_NESTED, "setns", IS, REFUSED, TIER_REDUCED, 0},
	{G_NESTED, "outside_isolation", IS, "full|bounded", TIER_REDUCED, 0}, /* what the box says of itself */
	{G_SYSTEM_CALLS, "seccomp", IS, "2", TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "no_new_privs", IS, "1", TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "io_uring", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "userfaultfd", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "keyctl", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "add_key", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "bpf", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "perf", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "modify_ldt", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "message_queue", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "kcmp", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "memfd_secret", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "vsock", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "packet", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "raw", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "alg", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "netfilter", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "xfrm", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "sctp", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "mptcp", IS, NO_SOCKET, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "tiocsti", IS, REFUSED, TIER_REDUCED, 0},
	{G_SYSTEM_CALLS, "tiocsti_high", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "mount", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "umount", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "pivot_root", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "chroot", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "open_tree", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "fsopen", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "file_handle", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "device", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "set_user_id", IS, REFUSED, TIER_REDUCED, 0},
	{G_MOUNTS, "mount_flags", IS, "nosuid nodev", TIER_REDUCED, 0},
	{G_PROGRAMS, "shell", IS, "none", TIER_NONE, 0},
	{G_PROGRAMS, "execute_work", IS, "EACCES|EPERM", TIER_REDUCED, 0},
	{G_PROGRAMS, "execute_tmp", IS, "EACCES|EPERM", TIER_REDUCED, 0},
	{G_PROGRAMS, "execute_memory", IS, REFUSED, TIER_REDUCED, 0},
	{G_PROGRAMS, "execute_at", IS, REFUSED, TIER_REDUCED, 0},
	{G_LANDLOCK, "landlock", AT_LEAST, "1", TIER_REDUCED, 0},
	{G_LANDLOCK, "execute_tmp", IS, "EACCES", TIER_REDUCED, 0},
	{G_LANDLOCK, "bait_tcp", IS, "EACCES", TIER_REDUCED, 4},
	{G_LANDLOCK, "listen", IS, "EACCES", TIER_REDUCED, 4},
	{G_LANDLOCK, "device_command", IS, "EACCES", TIER_REDUCED, 5},
	{G_LANDLOCK, "signal_first", IS, "EPERM", TIER_REDUCED, 6},
	{G_LANDLOCK, "signal_parent", IS, "EPERM", TIER_REDUCED, 6},
	{G_LIMITS, "limit_core", IS, "0", TIER_REDUCED, 0},
	{G_LIMITS, "limit_files", AT_MOST, "65536", TIER_REDUCED, 0},
	{G_LIMITS, "limit_processes", AT_MOST_LINE, "outside_processes", TIER_REDUCED, 0},
	{G_LIMITS, "limit_file_size", AT_LEAST, "1", TIER_REDUCED, 0},
	{G_LIMITS, "room_bytes", AT_MOST_LINE, "outside_bytes", TIER_REDUCED, 0},
	{G_LIMITS, "room_files", AT_MOST_LINE, "outside_files", TIER_REDUCED, 0},
	{G_LIMITS, "room_tmp_files", AT_MOST_LINE, "outside_files", TIER_REDUCED, 0},
	{G_LIMITS, "room_home_files", AT_MOST_LINE, "outside_files", TIER_REDUCED, 0},
	{G_TERMINAL, "tty", IS, HIDDEN "|ENXIO", TIER_REDUCED, 0},
	{G_CONTROL_GROUP, "outside_control_group", IS, "v2|v1", TIER_BOUNDED, 0},
};

/* ---- answers ---- */

/* The value of a line; false: there is none, or there are two that could be meant. */
static bool answer(const char *text, const char *probe, char *ret, size_t size)
{
	size_t n = strlen(probe), found = 0;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, probe, n) != 0 || line[n] != '=')
			continue;
		found++;
		(void)snprintf(ret, size, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
	}
	return found == 1;
}

static bool is_one_of(const char *value, const char *list)
{
	size_t n = strlen(value);
	for (;; list++) {
		size_t len = strcspn(list, "|");
		if (len == n && strncmp(list, value, n) == 0)
			return true;
		list += len;
		if (*list == '\0')
			return false;
	}
}

static bool has_word(const char *value, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = value; (p = strstr(p, word)) != NULL; p++)
		if ((p == value || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
			return true;
	return false;
}

static bool number(const char *value, int64_t *ret) { return text_int(value, 0, INT64_MAX, ret, NULL) == 0; }

static bool compares(const char *value, const char *limit, bool at_most)
{
	int64_t v, l;
	return number(value, &v) && number(limit, &l) && (at_most ? v <= l : v >= l);
}

static bool as_wanted(const char *text, const struct row *row, const char *value)
{
	char other[ANSWER_MAX];
	switch (row->want) {
	case IS: return is_one_of(value, row->what);
	case LACKS: return !has_word(value, row->what);
	case AT_MOST: return compares(value, row->what, true);
	case AT_LEAST: return compares(value, row->what, false);
	case OTHER_THAN: return answer(text, row->what, other, sizeof(other)) && (strcmp(other, value) != 0 || value[0] == 'E');
	case AT_MOST_LINE: return answer(text, row->what, other, sizeof(other)) && compares(value, other, true);
	}
	return false;
}

/* ---- findings ---- */

/* A version that is not known asks for everything. */
static int64_t landlock_version(const char *text)
{
	char value[ANSWER_MAX];
	int64_t version = 0;
	return answer(text, "landlock", value, sizeof(value)) && text_int(value, -1, 1000, &version, NULL) == 0 ? version : INT64_MAX;
}

static void judge_row(const char *text, const struct row *row, struct tier_finding *f, struct buf *seen)
{
	char value[4 * ANSWER_MAX] = "";
	bool there = answer(text, row->probe, value, sizeof(value));
	if (there && as_wanted(text, row, value))
		return;
	f->ok = false;
	f->at_most = row->at_most < f->at_most ? row->at_most : f->at_most;
	const char *name = text_starts(row->probe, "outside_") ? row->probe + strlen("outside_") : row->probe;
	buf_printf(seen, "%s%s: ", seen->len > 0 ? "; " : "", name);
	if (there && strlen(value) < ANSWER_MAX)
		buf_adds(seen, value);
	else
		buf_adds(seen, there ? "too much to show" : "not answered");
}

static void judge_group(const char *text, enum group g, int64_t version, struct tier_finding *f)
{
	CLEANUP_BUF struct buf seen = {0};
	*f = (struct tier_finding){.ok = true, .at_most = TIER_FULL, .name = xstrdup(groups[g].name)};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].group == g && (rows[i].since == 0 || rows[i].since <= version))
			judge_row(text, &rows[i], f, &seen);
	f->seen = f->ok ? xstrdup(groups[g].holds) : buf_take(&seen);
	if (!f->ok)
		f->fix = xstrdup(groups[g].fix);
}

void tier_conclude(struct tier_report *r)
{
	const struct tier_finding *worst = NULL;
	r->tier = TIER_FULL;
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].ok || r->v[i].at_most >= r->tier)
			continue;
		r->tier = r->v[i].at_most;
		worst = &r->v[i];
	}
	free(r->why);
	r->why = worst == NULL ? NULL
			       : xasprintf("%s: %s%s%s", worst->name, worst->seen, worst->fix != NULL ? ". " : "",
					   worst->fix != NULL ? worst->fix : "");
}

void tier_judge(const char *text, struct tier_report *ret)
{
	int64_t version = landlock_version(text);
	*ret = (struct tier_report){.n = GROUPS, .v = xcalloc(GROUPS, sizeof(struct tier_finding))};
	for (int g = 0; g < GROUPS; g++)
		judge_group(text, (enum group)g, version, &ret->v[g]);
	tier_conclude(ret);
}
