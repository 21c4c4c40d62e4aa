#include "tests/support/gitfix.h"

#include "base/fs.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void run(const char *command)
{
	if (system(command) != 0) {
		(void)fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

void gitfix_git(const struct gitfix *g, const char *fmt, ...)
{
	va_list ap;
	struct buf b = {0};
	buf_printf(&b,
		   "GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t "
		   "GIT_COMMITTER_EMAIL=t@t git -C '%s' -c protocol.file.allow=always ",
		   g->dir);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	buf_adds(&b, " >/dev/null 2>&1");
	run(b.data);
	buf_free(&b);
}

void gitfix_open(struct gitfix *g)
{
	char root[] = "/tmp/sluice-gitfix-XXXXXX";
	if (mkdtemp(root) == NULL)
		abort();
	*g = (struct gitfix){.root = xstrdup(root),
			     .dir = fs_join(root, "work"),
			     .mirror = fs_join(root, "mirror.git"),
			     .trees = fs_join(root, "trees")};
	g->url = xasprintf("file://%s", g->dir);
	if (mkdir(g->dir, 0755) != 0)
		abort();
	gitfix_git(g, "init -b main");
}

void gitfix_close(struct gitfix *g)
{
	if (g->root != NULL && fs_remove_tree(g->root, NULL) != 0)
		abort();
	free(g->root);
	free(g->dir);
	free(g->url);
	free(g->mirror);
	free(g->trees);
	*g = (struct gitfix){0};
}

void gitfix_write(const struct gitfix *g, const char *path, const char *text)
{
	char *full = fs_join(g->dir, path);
	char *dir = xstrdup(full);
	*strrchr(dir, '/') = '\0';
	if (fs_mkdir_p(dir, 0755, NULL) != 0 || fs_write_fast(full, text, strlen(text), 0644, NULL) != 0)
		abort();
	free(dir);
	free(full);
}

void gitfix_rev(const struct gitfix *g, const char *rev, char ret[GIT_OID_HEX + 1])
{
	char *command = xasprintf("git -C '%s' rev-parse --verify -q '%s'", g->dir, rev);
	FILE *f = popen(command, "r");
	if (f == NULL || fgets(ret, GIT_OID_HEX + 1, f) == NULL)
		abort();
	if (pclose(f) != 0)
		abort();
	free(command);
}

void gitfix_commit(const struct gitfix *g, char ret[GIT_OID_HEX + 1])
{
	gitfix_git(g, "add -A");
	gitfix_git(g, "commit -q --allow-empty -m c");
	if (ret != NULL)
		gitfix_rev(g, "HEAD", ret);
}
