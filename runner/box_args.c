#include "runner/box_args.h"

#include "base/fs.h"
#include "base/limits.h"
#include "runner/project_look.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HOME_BYTES = 16 * 1024 * 1024, /* empty, but some providers want to write there */
	COPY_FILE_BYTES = 256 * 1024,
	COPY_ALL_BYTES = 16 * 1024 * 1024,
	COPY_ARGS_MAX = 8000, /* bubblewrap takes 9000 arguments */
};

#define CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

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

static void add_size(struct strlist *args, int64_t bytes)
{
	strlist_add(args, "--size");
	strlist_take(args, xasprintf("%lld", (long long)bytes));
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

/* A small file is copied into the job's layer: bubblewrap reads the whole mount table for each bind, so that 500 of them would take most of
 * a second. False when it has to be bound after all. */
static bool add_copy(struct strlist *args, struct box_copies *copies, int dir, const char *name, const struct stat *st, const char *to)
{
	if (st->st_size > COPY_FILE_BYTES || copies->bytes + st->st_size > COPY_ALL_BYTES || args->n > COPY_ARGS_MAX)
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
	CLEANUP_FREE char *project = fs_join(spec->tree_dir, spec->dir);
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
	int rc = project_open(spec, &fd, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *to = inside(spec);
	if (strcmp(spec->dir, ".") != 0)
		add(args, "--ro-bind", spec->tree_dir, "/work", NULL);
	add_size(args, spec->memory_max / 4);
	add(args, "--tmpfs", to, NULL);
	return add_entries(args, copies, spec, fd, to, err);
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

static void add_environment(struct strlist *args, const struct job_spec *spec)
{
	static const char *const fixed[][2] = {
		{"PATH", "/bin"},
		{"HOME", "/home"},
		{"TMPDIR", "/tmp"},
		{"LANG", "C.UTF-8"},
		{"TF_IN_AUTOMATION", "1"},
		{"TF_INPUT", "0"},
		{"CHECKPOINT_DISABLE", "1"},
		{"TF_DATA_DIR", "/tmp/tfdata"},
		{"TF_CLI_CONFIG_FILE", "/etc/tfrc"},
		{"SSL_CERT_FILE", CA_BUNDLE},
	};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		add(args, "--setenv", fixed[i][0], fixed[i][1], NULL);
	if (strcmp(spec->workspace, "default") != 0)
		add(args, "--setenv", "TF_WORKSPACE", spec->workspace, NULL);
}

static void add_isolation(struct strlist *args, const struct box_order *o)
{
	add(args, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", NULL);
	if (!o->no_disable_userns)
		add(args, "--disable-userns", NULL);
	add(args, "--uid", "65534", "--gid", "65534", "--hostname", "job", NULL);
}

static void add_host_files(struct strlist *args, const struct box_order *o)
{
	const struct job_spec *spec = o->spec;
	CLEANUP_FREE char *engine = xasprintf("/bin/%s", engine_row(spec->engine)->program);
	add(args, "--ro-bind", spec->engine_path, engine, "--ro-bind", o->job_init, "/bin/job-init", NULL);
	if (fs_exists(CA_BUNDLE))
		add(args, "--ro-bind", CA_BUNDLE, CA_BUNDLE, NULL);
	if (spec->mirror_dir != NULL)
		add(args, "--ro-bind", spec->mirror_dir, "/plugins", NULL);
	add_fd(args, "--ro-bind-data", BOX_FD_RC, "/etc/tfrc");
	if (o->plan != NULL)
		add_fd(args, "--ro-bind-data", BOX_FD_PLAN, BOX_PLAN_IN);
	if (!o->no_proc)
		add(args, "--proc", "/proc", NULL);
	add(args, "--dev", "/dev", NULL);
	add_size(args, HOME_BYTES);
	add(args, "--tmpfs", "/home", NULL);
	add_size(args, spec->memory_max / 2);
	add(args, "--tmpfs", "/tmp", NULL);
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
	add_isolation(args, o);
	add_host_files(args, o);
	rc = add_tree(args, copies, o->spec, err);
	if (rc != 0)
		return rc;
	add_state(args, o);
	add_environment(args, o->spec);
	CLEANUP_FREE char *dir = inside(o->spec);
	/* what was only needed to build the box has no size of its own: nobody writes there any more */
	add(args, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", dir, NULL);
	return 0;
}

/* Both name exactly one source, so that nothing is ever looked for on the network. A mirror may hold links only if they lead to places
 * inside it: the box shows the mirror and nothing beside it. */
void box_engine_rc(const struct job_spec *spec, struct buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/*";
	buf_printf(out, "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = \"%s\"\n",
		   spec->mirror_dir != NULL ? "/plugins" : "/nonexistent");
	if (spec->provider_allow != NULL) {
		buf_adds(out, "    include = [");
		bool some = false;
		for (const char *p = spec->provider_allow; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
			size_t n = strcspn(p, "\n");
			if (n == 0 || strspn(p, plain) < n)
				continue; /* it could say something else to the engine: not allowed by it, then */
			buf_printf(out, "%s\"%.*s\"", some ? ", " : "", (int)n, p);
			some = true;
		}
		buf_adds(out, "]\n");
	}
	buf_adds(out, "  }\n}\n");
}
