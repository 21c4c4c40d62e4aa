#include "runner/box_args.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "runner/egress.h"
#include "runner/job_proto.h"
#include "runner/module_list.h"
#include "runner/project_look.h"
#include "runner/provider_rule.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	COPY_FILE_BYTES = 256 * 1024,
	COPY_ALL_BYTES = 16 * 1024 * 1024,
	COPY_ARGS_MAX = 6500, /* bubblewrap takes 9000 arguments: a copy is up to five, what is bound after all is three */
	FDS_SPARE = 64,
};

#define CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define LOCK_FILE ".terraform.lock.hcl"
#define DATA_DIR "/tmp/tfdata"

/* What the engine itself writes into a working directory. A commit that carries one of them would feed the engine its own memory: a module
 * list that was never reviewed, a state that is not ours. They are not shown to it. */
static const char *const tool_state[] = {
	".terraform",      "terraform.tfstate", "terraform.tfstate.d", "terraform.tfstate.backup", ".terraform.tfstate.lock.info",
	"errored.tfstate", "crash.log",
};

static void add(struct strlist *args, ...)
{
	va_list ap;
	va_start(ap, args);
	for (const char *s; (s = va_arg(ap, const char *)) != NULL;)
		strlist_add(args, s);
	va_end(ap);
}

static void add_fd(struct strlist *args, const char *option, int fd, const char *dest)
{
	strlist_add(args, option);
	strlist_take(args, xasprintf("%d", fd));
	strlist_add(args, dest);
}

static bool is_tool_state(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(tool_state); i++)
		if (strcmp(name, tool_state[i]) == 0)
			return true;
	return false;
}

bool box_is_compat(const struct job_spec *spec) { return spec->profile == PROFILE_COMPAT || spec->profile == PROFILE_FETCH; }

/* In compat /bin is the host's. */
static const char *own_bin(const struct job_spec *spec) { return box_is_compat(spec) ? "/opt/sluice" : "/bin"; }

static const char *program_name(const struct job_spec *spec)
{
	if (spec->engine != ENGINE_NONE)
		return engine_row(spec->engine)->program;
	const char *slash = strrchr(spec->engine_path, '/');
	return slash != NULL ? slash + 1 : spec->engine_path;
}

/* A program that the host's /usr shows anyway stays where it is: it may look for its parts beside itself. */
static bool is_shown_anyway(const struct job_spec *spec)
{
	return box_is_compat(spec) && spec->engine == ENGINE_NONE &&
	       (text_starts(spec->engine_path, "/usr/") || text_starts(spec->engine_path, "/bin/"));
}

char *box_program(const struct job_spec *spec)
{
	return is_shown_anyway(spec) ? xstrdup(spec->engine_path) : xasprintf("%s/%s", own_bin(spec), program_name(spec));
}

/* "/work" or "/work/DIR". */
static char *inside(const struct job_spec *spec)
{
	return strcmp(spec->dir, ".") == 0 ? xstrdup("/work") : xasprintf("/work/%s", spec->dir);
}

char *box_state_path(const struct job_spec *spec)
{
	CLEANUP_FREE char *dir = inside(spec);
	if (strcmp(spec->workspace, "default") == 0)
		return xasprintf("%s/terraform.tfstate", dir);
	return xasprintf("%s/terraform.tfstate.d/%s/terraform.tfstate", dir, spec->workspace);
}

/* A link becomes a link again inside: bound, bubblewrap would follow it on the host, to anywhere. */
static int add_link(struct strlist *args, int dir, const char *name, const char *to, struct err *err)
{
	char target[4096];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	if (n < 0 || (size_t)n >= sizeof(target) - 1)
		return err_set(err, ERR_IO, "%s: a symbolic link that cannot be read", name);
	target[n] = '\0';
	add(args, "--symlink", target, to, NULL);
	return 0;
}

void box_copies_close(struct box_copies *c)
{
	for (size_t i = 0; i < c->n; i++)
		(void)close(c->fd[i]);
	free(c->fd);
	*c = (struct box_copies){0};
}

/* Each copy is an open file for a moment. */
static bool has_room_for_fds(size_t copies)
{
	struct rlimit files = {0};
	(void)getrlimit(RLIMIT_NOFILE, &files); /* cannot fail */
	return copies + FDS_SPARE < files.rlim_cur;
}

/* A small file is copied into the job's layer: bubblewrap reads the whole mount table for each bind, so that 500 of them would take most of
 * a second. False when it has to be bound after all. */
static bool add_copy(struct strlist *args, struct box_copies *copies, int dir, const char *name, const struct stat *st, const char *to)
{
	if (st->st_size > COPY_FILE_BYTES || copies->bytes + st->st_size > COPY_ALL_BYTES || args->n > COPY_ARGS_MAX ||
	    !has_room_for_fds(copies->n))
		return false;
	CLEANUP_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	int kept = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, BOX_FD_END) : -1; /* none of the numbers the child gives away */
	if (kept < 0)
		return false;
	copies->fd = xreallocarray(copies->fd, copies->n + 1, sizeof(copies->fd[0]));
	copies->fd[copies->n++] = kept;
	copies->bytes += st->st_size;
	if ((st->st_mode & 0111) != 0)
		add(args, "--perms", "0755", NULL);
	add_fd(args, "--file", kept, to);
	return true;
}

static int add_entry(struct strlist *args, struct box_copies *copies, const struct job_spec *spec, int dir, const char *name,
		     const char *to_dir, struct err *err)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_sys(err, "stat %s/%s", spec->dir, name);
	CLEANUP_FREE char *to = fs_join(to_dir, name);
	if (S_ISLNK(st.st_mode))
		return add_link(args, dir, name, to, err);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0; /* git knows no other kinds */
	if (S_ISREG(st.st_mode) && add_copy(args, copies, dir, name, &st, to))
		return 0;
	CLEANUP_FREE char *project = fs_join(LAUNCH_DIR "/tree", spec->dir);
	CLEANUP_FREE char *from = fs_join(project, name);
	add(args, "--ro-bind", from, to, NULL);
	return 0;
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static int add_entries(struct strlist *args, struct box_copies *copies, const struct job_spec *spec, int fd, const char *to_dir,
		       struct err *err)
{
	CLEANUP(close_dir) DIR *d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return err_sys(err, "read project directory %s", spec->dir);
	}
	size_t n = 0;
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || is_tool_state(e->d_name))
			continue;
		if (spec->lock_file != NULL && strcmp(e->d_name, LOCK_FILE) == 0)
			continue; /* another one is shown there */
		if (++n > LIMIT_PROJECT_ENTRIES)
			return err_set(err, ERR_LIMIT,
				       "project directory %s has more than %u entries: move what is not configuration elsewhere", spec->dir,
				       LIMIT_PROJECT_ENTRIES);
		int rc = add_entry(args, copies, spec, dirfd(d), e->d_name, to_dir, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* The shared tree read-only, over the project directory a layer of this job, in it the tree's entries again: small files as copies, all else
 * bound read-only. The engine can write beside them; what it does to a copy nobody else ever sees. */
static int add_tree(struct strlist *args, struct box_copies *copies, const struct job_spec *spec, struct err *err)
{
	int fd = -1;
	CLEANUP_FREE char *to = inside(spec);
	if (spec->tree_dir == NULL) {
		add(args, "--bind", LAUNCH_DIR "/work", to, NULL);
		return 0;
	}
	int rc = project_open(spec, &fd, err);
	if (rc != 0)
		return rc;
	add(args, "--bind", LAUNCH_DIR "/work", to, NULL);
	rc = add_entries(args, copies, spec, fd, to, err);
	if (rc == 0 && spec->lock_file != NULL) {
		CLEANUP_FREE char *lock = fs_join(to, LOCK_FILE);
		add(args, "--ro-bind", LAUNCH_DIR "/lock", lock, NULL);
	}
	return rc;
}

/* The engine's list of them is a file of the job's own, since every init writes it again; the modules themselves are read-only. */
static int add_modules(struct strlist *args, struct box_copies *copies, const struct job_spec *spec, struct err *err)
{
	if (spec->modules_dir == NULL)
		return 0;
	CLEANUP_FREE char *list = fs_join(spec->modules_dir, "modules.json");
	CLEANUP_FD int fd = open(list, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int kept = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, BOX_FD_END) : -1;
	if (kept < 0)
		return err_sys(err, "open %s", list);
	copies->fd = xreallocarray(copies->fd, copies->n + 1, sizeof(copies->fd[0]));
	copies->fd[copies->n++] = kept;
	add(args, "--dir", DATA_DIR "/modules", NULL);
	add_fd(args, "--file", kept, DATA_DIR "/modules/modules.json");
	return 0;
}

static void add_state(struct strlist *args, const struct box_order *o)
{
	if (!o->spec->managed_state)
		return;
	CLEANUP_FREE char *path = box_state_path(o->spec);
	if (strcmp(o->spec->workspace, "default") != 0) { /* a workspace exists when its directory does */
		CLEANUP_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
		add(args, "--dir", dir, NULL);
	}
	if (o->state == NULL)
		return;
	add(args, "--perms", "0600", NULL);
	add_fd(args, "--file", BOX_FD_STATE, path);
}

static void add_own_environment(struct strlist *args, const char *env)
{
	for (const char *p = env; p != NULL && *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		CLEANUP_FREE char *line = xstrndup(p, strcspn(p, "\n"));
		char *equal = strchr(line, '=');
		if (equal == NULL)
			continue;
		*equal = '\0';
		add(args, "--setenv", line, equal + 1, NULL);
	}
}

static void add_environment(struct strlist *args, const struct job_spec *spec)
{
	static const char *const fixed[][2] = {
		{"HOME", "/home"},
		{"TMPDIR", "/tmp"},
		{"LANG", "C.UTF-8"},
		{"TF_IN_AUTOMATION", "1"},
		{"TF_INPUT", "0"},
		{"CHECKPOINT_DISABLE", "1"},
		{"TF_DATA_DIR", DATA_DIR},
		{"TF_CLI_CONFIG_FILE", "/etc/tfrc"},
		{"SSL_CERT_FILE", CA_BUNDLE},
	};
	static const char *const proxy[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		add(args, "--setenv", fixed[i][0], fixed[i][1], NULL);
	add(args, "--setenv", "PATH", box_is_compat(spec) ? "/opt/sluice:/usr/local/bin:/usr/bin:/bin" : "/bin", NULL);
	for (size_t i = 0; spec->egress != NULL && i < ARRAY_LEN(proxy); i++)
		add(args, "--setenv", proxy[i], EGRESS_URL, NULL);
	if (strcmp(spec->workspace, "default") != 0)
		add(args, "--setenv", "TF_WORKSPACE", spec->workspace, NULL);
	add_own_environment(args, spec->env);
}

static void add_isolation(struct strlist *args)
{
	add(args, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", NULL);
	add(args, "--uid", "65534", "--gid", "65534", "--hostname", "job", NULL);
	add(args, "--ro-bind", LAUNCH_DIR "/" LAUNCH_ROOT, "/", NULL);
}

static void add_mounts(struct strlist *args, const struct box_order *o)
{
	bool compat = box_is_compat(o->spec);
	if (o->plan != NULL)
		add_fd(args, "--ro-bind-data", BOX_FD_PLAN, BOX_PLAN_IN);
	if (compat && !o->no_proc)
		add(args, "--proc", "/proc", NULL);
	if (compat) /* language runtimes expect the usual devices, and keep semaphores in /dev/shm */
		add(args, "--dev", "/dev", "--bind", LAUNCH_DIR "/shm", "/dev/shm", NULL);
	else
		add(args, "--dev-bind", LAUNCH_DIR "/dev", "/dev", NULL);
	add(args, "--bind", LAUNCH_DIR "/home", "/home", "--bind", LAUNCH_DIR "/tmp", "/tmp", NULL);
}

static void order(struct buf *out, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void order(struct buf *out, const char *key, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_printf(out, "%s=", key);
	buf_vprintf(out, fmt, ap);
	buf_addc(out, '\0');
	va_end(ap);
}

static void root_bind(struct buf *out, const char *inside_path, const char *path)
{
	if (path != NULL)
		order(out, "bind", LAUNCH_ROOT "%s:%s", inside_path, path);
}

/* The host's programs and what they need to start; of /etc only what says nothing about this host. */
static void order_compat(struct buf *out)
{
	static const char *const links[][2] = {{"usr/bin", "/bin"}, {"usr/sbin", "/sbin"}, {"usr/lib", "/lib"}, {"usr/lib64", "/lib64"},
						{"usr/lib32", "/lib32"}};
	static const char *const files[] = {"/etc/ld.so.cache", "/etc/alternatives", "/etc/nsswitch.conf", "/etc/ssl/openssl.cnf"};
	root_bind(out, "/usr", "/usr");
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (fs_exists(links[i][1]))
			order(out, "link", LAUNCH_ROOT "%s:%s", links[i][1], links[i][0]);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (fs_exists(files[i]))
			root_bind(out, files[i], files[i]);
}

/* A plan needs three devices. */
static void order_devices(struct buf *out)
{
	static const char *const devices[] = {"null", "zero", "urandom"};
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		order(out, "bind", "dev/%s:/dev/%s", devices[i], devices[i]);
	order(out, "link", "dev/random:urandom");
}

/* The root of the box, of which nothing can be written. */
static void order_root(const struct box_order *o, struct buf *out)
{
	static const char *const places[] = {"dev", "home", "tmp", "work", "proc"};
	const struct job_spec *spec = o->spec;
	CLEANUP_FREE char *program = box_program(spec), *job_init = fs_join(own_bin(spec), "job-init");
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (strcmp(places[i], "proc") != 0 || box_is_compat(spec))
			order(out, "dir", LAUNCH_ROOT "/%s", places[i]);
	order(out, "file", LAUNCH_ROOT "/etc/tfrc:%d", (int)BOX_FD_RC);
	order(out, "file", LAUNCH_ROOT "/etc/passwd:%d", (int)BOX_FD_PASSWD);
	if (o->plan != NULL) /* what bubblewrap lays its copy on */
		order(out, "bind", LAUNCH_ROOT BOX_PLAN_IN ":/dev/null");
	root_bind(out, program, is_shown_anyway(spec) ? NULL : spec->engine_path);
	root_bind(out, job_init, o->job_init);
	root_bind(out, CA_BUNDLE, spec->ca_file != NULL ? spec->ca_file : fs_exists(CA_BUNDLE) ? CA_BUNDLE : NULL);
	root_bind(out, BOX_MIRROR, spec->mirror_dir);
	root_bind(out, BOX_STORE, spec->store_dir);
	if (spec->modules_dir != NULL)
		order(out, "bind", LAUNCH_ROOT BOX_MODULES ":%s/files", spec->modules_dir);
	root_bind(out, "/work", strcmp(spec->dir, ".") != 0 ? spec->tree_dir : NULL);
	if (box_is_compat(spec))
		order_compat(out);
	else
		order_devices(out);
}

void box_launch_orders(const struct box_order *o, const char *bwrap, pid_t parent, uid_t uid, struct buf *out)
{
	const struct job_spec *spec = o->spec;
	order(out, "parent", "%d", (int)parent);
	order(out, "bwrap", "%s", bwrap);
	if (uid != 0)
		order(out, "uid", "%u", uid);
	order(out, "nested", box_is_compat(spec) ? "2" : "1"); /* to mount a devpts, bubblewrap has to be root in a first one */
	order(out, "size", "%lld", (long long)spec->workspace_max);
	order(out, "inodes", "%lld", (long long)spec->files_max);
	order_root(o, out);
	if (spec->tree_dir != NULL)
		order(out, "bind", "tree:%s", spec->tree_dir);
	if (spec->lock_file != NULL)
		order(out, "bind", "lock:%s", spec->lock_file);
	order(out, "arg", "%s/job-init", own_bin(spec));
	order(out, "arg", "%s", box_is_compat(spec) ? JOB_ARG_COMPAT : JOB_ARG_STRICT);
	order(out, "arg", "%s", o->net >= 0 ? JOB_ARG_NET : JOB_ARG_NO_NET);
	order(out, "arg", "%lld", (long long)spec->processes_max);
	order(out, "arg", "%lld", o->group == NULL ? (long long)(4 * spec->memory_max) : 0);
	CLEANUP_FREE char *program = box_program(spec);
	order(out, "arg", "%s", program);
}

/* A name that becomes one directory. */
static int check_workspace(const char *name, struct err *err)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/') != NULL)
		return err_set(err, ERR_REFUSED, "workspace \"%s\" cannot be used: a workspace name has no slash and is not . or ..", name);
	return 0;
}

int box_args(const struct box_order *o, struct strlist *args, struct box_copies *copies, struct err *err)
{
	int rc = check_workspace(o->spec->workspace, err);
	if (rc != 0)
		return rc;
	add_isolation(args);
	add_mounts(args, o);
	rc = add_tree(args, copies, o->spec, err);
	if (rc == 0)
		rc = add_modules(args, copies, o->spec, err);
	if (rc != 0)
		return rc;
	add_state(args, o);
	add_environment(args, o->spec);
	CLEANUP_FREE char *dir = inside(o->spec);
	add(args, "--remount-ro", "/dev", "--chdir", dir, NULL);
	return 0;
}

/* What the engine may install, as HOST/NAMESPACE/TYPE. An empty list would allow everything: rules of which none can be read allow nothing. */
static void add_include(const struct job_spec *spec, struct buf *out)
{
	struct strlist sources = {0};
	if (spec->provider_allow == NULL)
		return;
	for (const char *p = spec->provider_allow; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n')
		provider_rule_sources(p, strcspn(p, "\n"), &sources);
	if (sources.n == 0)
		strlist_add(&sources, "nothing.invalid/none/none");
	buf_adds(out, "    include = [");
	for (size_t i = 0; i < sources.n; i++)
		buf_printf(out, "%s\"%s\"", i > 0 ? ", " : "", sources.v[i]);
	buf_adds(out, "]\n");
	strlist_free(&sources);
}

static void add_source(const struct job_spec *spec, const char *path, struct buf *out)
{
	buf_printf(out, "  filesystem_mirror {\n    path = \"%s\"\n", path);
	add_include(spec, out);
	buf_adds(out, "  }\n");
}

/* Every source is named, so that nothing is ever looked for elsewhere. A mirror may hold links only if they lead to places inside it: the
 * box shows the mirror and nothing beside it. */
void box_engine_rc(const struct job_spec *spec, struct buf *out)
{
	buf_adds(out, "disable_checkpoint = true\nprovider_installation {\n");
	if (spec->mirror_dir != NULL)
		add_source(spec, BOX_MIRROR, out);
	if (spec->store_dir != NULL)
		add_source(spec, BOX_STORE, out);
	if (spec->profile == PROFILE_FETCH)
		buf_adds(out, "  direct {}\n");
	else if (spec->mirror_dir == NULL && spec->store_dir == NULL)
		add_source(spec, "/nonexistent", out);
	buf_adds(out, "}\n");
}
