#include "runner/tier.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "runner/boxed.h"
#include "runner/cgroup.h"
#include "runner/tier_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>

enum { CANARY_MS = 20000, SO_NETNS_COOKIE_NUMBER = 71, BAIT_FD = 77 };

static const char *const names[] = {[TIER_NONE] = "none", [TIER_REDUCED] = "reduced", [TIER_BOUNDED] = "bounded", [TIER_FULL] = "full"};
_Static_assert(ARRAY_LEN(names) == TIERS, "each tier has a word");

const char *tier_name(enum tier t) { return names[t]; }

void tier_report_free(struct tier_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].name);
		free(r->v[i].seen);
		free(r->v[i].fix);
	}
	free(r->v);
	free(r->why);
	*r = (struct tier_report){0};
}

/* ---- baits, in a child that becomes the canary's starter ---- */

struct baits {
	char dir[96]; /* with a name behind it, the path of a socket */
	struct strlist args; /* of the battery */
};

/* Each bait is alive or not named at all, and what was not baited does not count as held. */
static void bait_tcp(struct baits *b)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &len) == 0)
		strlist_take(&b->args, xasprintf("tcp=%d", ntohs(a.sin_port)));
}

static bool listen_unix(const char *name, bool abstract)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(name);
	if (n + 2 > sizeof(a.sun_path))
		return false;
	memcpy(a.sun_path + (abstract ? 1 : 0), name, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && bind(fd, (const struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1)) == 0 &&
	       listen(fd, 1) == 0;
}

/* A directory that everybody may look into, with a file and a socket that everybody may use. */
static void bait_files(struct baits *b)
{
	CLEANUP_FREE char *file = fs_join(b->dir, "file"), *sock = fs_join(b->dir, "socket");
	int fd = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (chmod(b->dir, 0755) == 0 && fd >= 0 && write(fd, "bait", 4) == 4)
		strlist_take(&b->args, xasprintf("file=%s", file));
	if (listen_unix(sock, false) && chmod(sock, 0777) == 0)
		strlist_take(&b->args, xasprintf("socket=%s", sock));
}

static void lay_baits(struct baits *b)
{
	CLEANUP_FREE char *name = xasprintf("sluice-canary-%d", getpid());
	bait_tcp(b);
	if (listen_unix(name, true))
		strlist_take(&b->args, xasprintf("abstract=%s", name));
	bait_files(b);
	strlist_take(&b->args, xasprintf("pid=%d", getpid()));
	if (setenv(TIER_BAIT_VARIABLE, "bait", 1) != 0 || dup2(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), BAIT_FD) != BAIT_FD)
		_exit(1); /* without them, nothing that is found would mean anything */
}

static void collect(bool is_err, const char *bytes, size_t len, void *arg)
{
	if (!is_err)
		buf_add(arg, bytes, len);
}

static void tell_outside(struct buf *out, const struct job_spec *spec, const struct boxed_result *r)
{
	static const char *const kinds[] = {[CGROUP_NONE] = "none", [CGROUP_V1] = "v1", [CGROUP_V2] = "v2"};
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE_NUMBER, &cookie, &len) == 0)
		buf_printf(out, "outside_network=%llu\n", (unsigned long long)cookie);
	else
		buf_printf(out, "outside_network=%s\n", strerrorname_np(errno));
	mem_close_fd(&fd);
	buf_printf(out, "outside_bytes=%lld\noutside_files=%lld\noutside_processes=%lld\n", (long long)spec->workspace_max,
		   (long long)spec->files_max, (long long)spec->processes_max);
	buf_printf(out, "outside_isolation=%s\n", r->exit.isolation != NULL ? r->exit.isolation : "none");
	buf_printf(out, "outside_control_group=%s\nbox=%s\n", kinds[cgroup_here(NULL)], r->started && r->status == 0 ? "stands" : "broke");
}

/* A box as a plan job gets it, with nothing in it but the battery. */
static int run_canary(const char *job_init, struct baits *b, struct buf *out, struct err *err)
{
	struct job_spec spec;
	struct boxed_result r = {.status = -1};
	struct strlist argv = {0};
	boxed_spec_default(&spec);
	spec.profile = PROFILE_PLAN;
	spec.timeout_ms = CANARY_MS;
	strlist_add(&argv, job_init);
	strlist_add(&argv, "battery");
	for (size_t i = 0; i < b->args.n; i++)
		strlist_add(&argv, b->args.v[i]);
	const struct boxed_order o = {.spec = &spec, .argv = &argv, .job_init = job_init, .on_output = collect, .arg = out};
	int rc = boxed_run(&o, &r, err);
	if (rc == 0)
		tell_outside(out, &spec, &r);
	if (rc == 0 && r.exit.error != NULL && buf_str(out)[0] == '\0')
		rc = err_set(err, ERR_UNAVAILABLE, "%s", r.exit.error);
	job_exit_free(&r.exit);
	job_spec_free(&spec);
	strlist_free(&argv);
	return rc;
}

static void write_out(int fd, const void *bytes, size_t len)
{
	if (fs_write_all(fd, bytes, len, NULL) != 0)
		_exit(1);
}

/* One byte says what follows: lines, or the sentence of a failure. */
static void starter(const char *job_init, const char *dir, int fd)
{
	struct err err = {0};
	struct baits b = {0};
	struct buf out = {.max = LIMIT_BATTERY_BYTES};
	(void)snprintf(b.dir, sizeof(b.dir), "%s", dir);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	lay_baits(&b);
	if (run_canary(job_init, &b, &out, &err) == 0) {
		write_out(fd, "L", 1);
		write_out(fd, buf_str(&out), out.len);
	} else {
		write_out(fd, "E", 1);
		write_out(fd, err.msg, strlen(err.msg));
	}
	_exit(0);
}

static void read_answer(int fd, struct buf *out)
{
	char chunk[4096];
	for (ssize_t n; (n = read(fd, chunk, sizeof(chunk))) != 0;) {
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
	}
}

/* In a process of its own: the baits are nothing that a server should carry around. */
static void ask_starter(const char *job_init, struct buf *out)
{
	const char *tmp = getenv("TMPDIR"); /* deploy/sluice.service gives one: /tmp is read-only there */
	CLEANUP_FREE char *dir = xasprintf("%s/sluice-canary-XXXXXX", tmp != NULL && tmp[0] == '/' && strlen(tmp) < 64 ? tmp : "/tmp");
	int ends[2];
	if (mkdtemp(dir) == NULL || pipe2(ends, O_CLOEXEC) != 0) {
		buf_printf(out, "Eno canary: %s", strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		starter(job_init, dir, ends[1]);
	(void)close(ends[1]);
	if (pid > 0)
		read_answer(ends[0], out);
	(void)close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	struct err err = {0};
	if (fs_remove_tree(dir, &err) != 0)
		log_warn("tier.bait", "error=\"%s\"", err.msg);
}

/* ---- when there is no box ---- */

const char *tier_box_fix(const struct tier_host *h)
{
	if (!h->has_bwrap)
		return "apt-get install bubblewrap";
	if (!h->has_job_init)
		return "sluice-job-init belongs beside the sluice binary: install both (make install)";
	if (h->clone == 0 && !h->is_root)
		return "sysctl -w kernel.unprivileged_userns_clone=1, and the same line in a file of /etc/sysctl.d";
	if (h->namespaces == 0)
		return "sysctl -w user.max_user_namespaces=10000, and the same line in a file of /etc/sysctl.d";
	if (h->apparmor == 1 && !h->is_root)
		return "AppArmor keeps user namespaces from programs without a profile: a profile for sluice and bwrap with `userns,`, or sysctl -w "
		       "kernel.apparmor_restrict_unprivileged_userns=0";
	return "`bwrap --unshare-all --ro-bind / / true`, as the user of the server, shows what this host refuses; a container needs user namespaces "
	       "allowed by its runtime (its seccomp profile), a unit must not have RestrictNamespaces=";
}

static int64_t host_switch(const char *path)
{
	CLEANUP_BUF struct buf text = {0};
	int64_t n = -1;
	if (fs_read(path, 64, &text, NULL) != 0)
		return -1;
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		buf_truncate(&text, text.len - 1);
	return text_int(buf_str(&text), 0, INT64_MAX, &n, NULL) == 0 ? n : -1;
}

static void no_box(const char *job_init, const char *sentence, struct tier_report *ret)
{
	CLEANUP_FREE char *bwrap = fs_which("bwrap");
	const struct tier_host h = {
		.has_bwrap = bwrap != NULL || fs_exists("/usr/bin/bwrap"),
		.has_job_init = fs_exists(job_init),
		.clone = host_switch("/proc/sys/kernel/unprivileged_userns_clone"),
		.namespaces = host_switch("/proc/sys/user/max_user_namespaces"),
		.apparmor = host_switch("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		.is_root = geteuid() == 0,
	};
	*ret = (struct tier_report){.n = 1, .v = xcalloc(1, sizeof(struct tier_finding))};
	ret->v[0] = (struct tier_finding){
		.name = xstrdup("box"),
		.at_most = TIER_NONE,
		.seen = xstrdup(sentence[0] != '\0' ? sentence : "the canary did not answer"),
		.fix = xstrdup(tier_box_fix(&h)),
	};
	tier_conclude(ret);
}

void tier_probe(const char *job_init, struct tier_report *ret)
{
	CLEANUP_FREE char *beside = fs_join(fs_self_dir(), "sluice-job-init");
	CLEANUP_BUF struct buf answer = {.max = 2 * LIMIT_BATTERY_BYTES};
	const char *path = job_init != NULL ? job_init : beside;
	ask_starter(path, &answer);
	if (buf_str(&answer)[0] == 'L')
		tier_judge(buf_str(&answer) + 1, ret);
	else
		no_box(path, buf_str(&answer)[0] == 'E' ? buf_str(&answer) + 1 : "", ret);
}
