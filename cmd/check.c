/* sluice check: the same parsers as the server's, and for sluice.yaml a look at the directory that it stands in. */
#include "cmd/check.h"

#include "base/fs.h"
#include "base/glob.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/yaml.h"
#include "plan/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_FINE = 0, EXIT_NO = 1, EXIT_BAD_USE = 2 };

struct checked {
	const char *file;
	const char *kind;    /* "repository" or "server" */
	size_t projects;
	bool discovery;      /* no projects: key */
	bool unreadable;
	struct err err;      /* of unreadable */
	struct config_errors errors;
};

/* ---- the directory beside sluice.yaml ---- */

/* 0 a directory; otherwise why not. Every part of the path is looked at: a link anywhere would lead out of the repository. */
static const char *why_not_dir(const char *root, const char *dir)
{
	size_t end = 0;
	struct stat st;
	if (strcmp(dir, ".") == 0)
		return NULL;
	while (dir[end] != '\0') {
		end += dir[end] == '/';
		end += strcspn(dir + end, "/");
		CLEANUP_FREE char *path = xasprintf("%s/%.*s", root, (int)end, dir);
		if (lstat(path, &st) != 0)
			return errno == ENOENT ? "there is no such directory" : "it cannot be looked at";
		if (S_ISLNK(st.st_mode))
			return "it is a symbolic link, or below one";
		if (!S_ISDIR(st.st_mode))
			return "it is not a directory";
	}
	return NULL;
}

struct walk {
	struct strlist dirs; /* found so far, relative to the root; also the queue */
	bool cut;
};

/* Never through a symbolic link: git does not either. */
static void walk_one(struct walk *w, const char *root, const char *dir)
{
	CLEANUP_FREE char *path = strcmp(dir, ".") == 0 ? xstrdup(root) : fs_join(root, dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return; /* what cannot be read matches nothing */
	}
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		struct stat st;
		if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, ".git") == 0 ||
					    strcmp(e->d_name, ".terraform") == 0))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
			continue;
		w->cut = w->cut || w->dirs.n >= LIMIT_TREE_ENTRIES;
		if (!w->cut)
			strlist_take(&w->dirs, strcmp(dir, ".") == 0 ? xstrdup(e->d_name) : xasprintf("%s/%s", dir, e->d_name));
	}
	(void)closedir(d);
}

/* Every directory of the tree, breadth first. */
static void walk_tree(struct walk *w, const char *root)
{
	strlist_add(&w->dirs, ".");
	for (size_t i = 0; i < w->dirs.n; i++) {
		const char *dir = w->dirs.v[i];
		size_t depth = 1;
		for (const char *s = dir; *s != '\0'; s++)
			depth += *s == '/';
		if (depth < LIMIT_TREE_DEPTH)
			walk_one(w, root, dir);
	}
}

static size_t count_matches(const struct walk *w, const char *glob)
{
	size_t n = 0;
	for (size_t i = 0; i < w->dirs.n; i++)
		n += glob_match(glob, w->dirs.v[i], 0);
	return n;
}

/* Only the working tree can tell these; the server asks the same of the git tree when it prepares a run. */
static void check_directories(struct checked *c, const struct repo_config *config)
{
	const char *slash = strrchr(c->file, '/');
	CLEANUP_FREE char *root = slash != NULL ? xstrndup(c->file, slash == c->file ? 1 : (size_t)(slash - c->file)) : xstrdup(".");
	struct walk w = {0};
	for (size_t i = 0; i < config->projects_n; i++) {
		const struct project_rule *rule = &config->projects[i];
		if (!rule->dir_is_glob) {
			const char *why = why_not_dir(root, rule->dir);
			if (why != NULL)
				config_errors_add(&c->errors, c->file, rule->line, rule->column, "dir: \"%s\": %s", rule->dir, why);
			c->projects++;
			continue;
		}
		if (w.dirs.n == 0)
			walk_tree(&w, root);
		size_t n = count_matches(&w, rule->dir);
		if (n == 0 && !w.cut)
			config_errors_add(&c->errors, c->file, rule->line, rule->column, "dir: no directory matches \"%s\"", rule->dir);
		c->projects += n;
	}
	strlist_free(&w.dirs);
}

/* ---- one file ---- */

/* The usual names decide, otherwise the content: two keys that only the operator writes. */
static bool is_server_file(const char *file, const char *bytes, size_t len)
{
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
	struct yaml_node *root = NULL;
	if (strcmp(name, "sluice-server.yaml") == 0)
		return true;
	if (strcmp(name, "sluice.yaml") == 0 || yaml_parse(file, bytes, len, &root, NULL) != 0)
		return false;
	bool server = yaml_get(root, "listen") != NULL || yaml_get(root, "github") != NULL;
	yaml_free(root);
	return server;
}

static void check_file(struct checked *c)
{
	CLEANUP_BUF struct buf bytes = {0};
	if (fs_read(c->file, LIMIT_CONFIG_BYTES, &bytes, &c->err) != 0) {
		c->unreadable = true;
		return;
	}
	if (is_server_file(c->file, buf_str(&bytes), bytes.len)) {
		struct server_config server;
		c->kind = "server";
		if (server_config_parse(c->file, buf_str(&bytes), bytes.len, &server, &c->errors) == 0)
			server_config_free(&server);
		return;
	}
	struct repo_config repo;
	c->kind = "repository";
	if (repo_config_parse(c->file, buf_str(&bytes), bytes.len, NULL, &repo, &c->errors) != 0)
		return;
	c->discovery = repo.projects_n == 0;
	check_directories(c, &repo);
	repo_config_free(&repo);
}

/* ---- answers ---- */

static void print_text(const struct checked *c, struct buf *out)
{
	if (c->unreadable)
		return; /* told on stderr */
	if (c->errors.n > 0)
		config_errors_print(&c->errors, out);
	else if (strcmp(c->kind, "server") == 0)
		buf_printf(out, "%s: fine\n", c->file);
	else if (c->discovery)
		buf_printf(out, "%s: fine, projects are the directories with *.tf, *.tofu or Pulumi.yaml\n", c->file);
	else
		buf_printf(out, "%s: fine, %zu project%s\n", c->file, c->projects, c->projects == 1 ? "" : "s");
}

static void print_json(const struct checked *c, struct json_writer *w)
{
	jw_open(w, NULL);
	jw_str(w, "file", c->file);
	jw_str(w, "kind", c->kind);
	jw_bool(w, "ok", !c->unreadable && c->errors.n == 0);
	if (c->kind != NULL && strcmp(c->kind, "repository") == 0 && !c->discovery)
		jw_int(w, "projects", (int64_t)c->projects);
	jw_open_arr(w, "errors");
	if (c->unreadable) {
		jw_open(w, NULL);
		jw_str(w, "message", c->err.msg);
		jw_close(w);
	}
	for (size_t i = 0; i < c->errors.n; i++) {
		jw_open(w, NULL);
		jw_int(w, "line", c->errors.v[i].line);
		jw_int(w, "column", c->errors.v[i].column);
		jw_str(w, "message", c->errors.v[i].msg);
		jw_close(w);
	}
	jw_close_arr(w);
	jw_close(w);
}

static int usage(void)
{
	(void)fputs("usage: sluice check [--format json] FILE...\n", stderr);
	return EXIT_BAD_USE;
}

/* Takes the options out of argv; what is left are files. -1: usage. */
static int read_options(int argc, char **argv, bool *ret_json, struct strlist *files)
{
	bool only_files = false;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *format = NULL;
		if (!only_files && strcmp(a, "--") == 0) {
			only_files = true;
		} else if (!only_files && strcmp(a, "--format") == 0 && i + 1 < argc) {
			format = argv[++i];
		} else if (!only_files && text_starts(a, "--format=")) {
			format = a + strlen("--format=");
		} else if (!only_files && a[0] == '-') {
			return -1;
		} else {
			strlist_add(files, a);
		}
		if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
			return -1;
		if (format != NULL)
			*ret_json = strcmp(format, "json") == 0;
	}
	return files->n > 0 ? 0 : -1;
}

/* The worst file decides the exit status. Output is written at once, so that --format json is one document. */
static int check_files(const struct strlist *files, bool json)
{
	CLEANUP_BUF struct buf out = {0};
	struct json_writer w = json_writer(&out);
	int status = EXIT_FINE;
	if (json) {
		jw_open(&w, NULL);
		jw_open_arr(&w, "files");
	}
	for (size_t i = 0; i < files->n; i++) {
		struct checked c = {.file = files->v[i]};
		check_file(&c);
		if (c.unreadable)
			(void)fprintf(stderr, "sluice check: %s\n", c.err.msg);
		if (json)
			print_json(&c, &w);
		else
			print_text(&c, &out);
		int this_one = c.unreadable ? EXIT_BAD_USE : c.errors.n > 0 ? EXIT_NO : EXIT_FINE;
		status = this_one > status ? this_one : status;
		config_errors_free(&c.errors);
	}
	if (json) {
		jw_close_arr(&w);
		jw_close(&w);
		buf_addc(&out, '\n');
	}
	(void)fputs(buf_str(&out), stdout); /* a closed pipe is found by the flush */
	return fflush(stdout) == 0 ? status : 3;
}

int cmd_check(int argc, char **argv)
{
	struct strlist files = {0};
	bool json = false;
	int status = read_options(argc, argv, &json, &files) == 0 ? check_files(&files, json) : usage();
	strlist_free(&files);
	return status;
}
