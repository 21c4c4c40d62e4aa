/* How long it takes to know the affected projects of a repository with 10,000 projects and 100,000 files, and to export 2,000 files.
 *
 *   bench_affected [DIR]    makes the repository with `git fast-import`, then prints a table; DIR is kept, without it all is temporary
 *
 * Each row is one preparation in a child process of its own, as the daemon does it: fetch over file://, index, affected, export. */
#include "base/clock.h"
#include "base/fs.h"
#include "plan/prepare.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROJECTS = 10000, MODULES = 200, DOCS = 9750, ROUNDS = 5 };

static void data(FILE *f, const char *text) { (void)fprintf(f, "data %zu\n%s\n", strlen(text), text); }

static void file(FILE *f, const char *path, const char *text)
{
	(void)fprintf(f, "M 100644 inline %s\n", path);
	data(f, text);
}

static void commit(FILE *f, const char *branch, const char *from)
{
	(void)fprintf(f, "commit refs/heads/%s\ncommitter t <t@t> 1700000000 +0000\n", branch);
	data(f, branch);
	if (from != NULL)
		(void)fprintf(f, "from refs/heads/%s\n", from);
}

static void project(FILE *f, int i)
{
	char path[128], text[512];
	(void)snprintf(path, sizeof(path), "live/t%d/p%d/main.tf", i % 100, i);
	(void)snprintf(text, sizeof(text),
		       "terraform {\n  required_providers { aws = { source = \"hashicorp/aws\" } }\n}\nmodule \"a\" {\n  source = "
		       "\"../../../modules/m%d\"\n  x = \"%d\"\n}\nlocals { j = file(\"${path.module}/../../../shared/%d.json\") }\n",
		       i % MODULES, i, i % 50);
	file(f, path, text);
	for (int k = 0; k < 8; k++) {
		(void)snprintf(path, sizeof(path), "live/t%d/p%d/f%d.txt", i % 100, i, k);
		(void)snprintf(text, sizeof(text), "file %d %d\n", i, k);
		file(f, path, text);
	}
}

/* 12 KiB of text that looks like configuration, different in each file. */
static void large_file(FILE *f, const char *path, int n)
{
	CLEANUP_BUF struct buf text = {0};
	for (int i = 0; text.len < 12288; i++)
		buf_printf(&text, "variable \"v%d_%d\" {\n  type    = string\n  default = \"%08x\"\n}\n\n", n, i,
			   (unsigned)(n * 7919 + i) * 2654435761u);
	file(f, path, text.data);
}

static void write_repository(FILE *f)
{
	char path[128], text[128];
	commit(f, "main", NULL);
	for (int i = 0; i < MODULES; i++) {
		(void)snprintf(path, sizeof(path), "modules/m%d/main.tf", i);
		(void)snprintf(text, sizeof(text), "resource \"aws_x\" \"y\" {}\nmodule \"n\" {\n  source = \"../m%d\"\n}\n", i / 2);
		file(f, path, text);
	}
	for (int i = 0; i < PROJECTS; i++)
		project(f, i);
	for (int i = 0; i < DOCS; i++) {
		(void)snprintf(path, sizeof(path), "docs/d%d/x%d.txt", i % 100, i);
		file(f, path, "words\n");
	}
	for (int i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof(path), "shared/%d.json", i);
		file(f, path, "[]\n");
	}
	commit(f, "one", "main");
	file(f, "live/t7/p7/x.tf", "# one project\n");
	commit(f, "module", "main");
	file(f, "modules/m150/x.tf", "# fifty projects\n");
	commit(f, "wide", "main");
	for (int i = 0; i < PROJECTS; i += 20) {
		(void)snprintf(path, sizeof(path), "live/t%d/p%d/x.tf", i % 100, i);
		file(f, path, "# 500 projects\n");
	}
	commit(f, "files", "main");
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(path, sizeof(path), "large/d%d/f%d.bin", i % 20, i);
		large_file(f, path, i);
	}
	file(f, "large/main.tf", "# 2,000 files, 24 MB\n");
}

static void make_repository(const char *git)
{
	char *command = xasprintf("git init -q --bare '%s' && git -C '%s' fast-import --quiet", git, git);
	FILE *f = popen(command, "w");
	if (f == NULL)
		abort();
	write_repository(f);
	if (pclose(f) != 0)
		abort();
	free(command);
}

struct row {
	int64_t wall_us, took_ms;
	size_t projects, untouched;
};

static void child(const char *dir, const char *branch, const char *trees_name, int fd)
{
	struct err err;
	char *url = xasprintf("file://%s/git", dir), *git = fs_join(dir, "git"), *mirror = fs_join(dir, "mirror.git"),
	     *trees = fs_join(dir, trees_name);
	struct git_repo *r = NULL;
	char head[GIT_OID_HEX + 1], *ref = xasprintf("refs/heads/%s", branch);
	if (git_mirror_open(git, &r, &err) != 0 || git_resolve(r, ref, head, &err) != 0)
		_exit(1);
	int64_t began = clock_mono_ns();
	char base[] = "main";
	struct prepare_request req =
		{.mirror_dir = mirror, .trees_dir = trees, .clone_url = url, .base_ref = base, .head_sha = head, .pull_number = 1};
	struct prepare_result res;
	if (prepare_run(&req, &res, &err) != 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		_exit(1);
	}
	struct row row = {(clock_mono_ns() - began) / 1000, res.took_ms, res.projects_n, res.untouched};
	_exit(fs_write_all(fd, &row, sizeof(row), &err) == 0 ? 0 : 1);
}

static struct row measure(const char *dir, const char *branch, const char *trees)
{
	int fds[2], status = 0;
	struct row row = {0};
	char *set = xasprintf("git -C '%s/git' update-ref refs/pull/1/head refs/heads/%s", dir, branch);
	if (system(set) != 0 || pipe(fds) != 0)
		abort();
	free(set);
	(void)fflush(stdout);
	int64_t began = clock_mono_ns();
	pid_t pid = fork();
	if (pid == 0)
		child(dir, branch, trees, fds[1]);
	(void)close(fds[1]);
	ssize_t n = read(fds[0], &row, sizeof(row));
	if (waitpid(pid, &status, 0) != pid || status != 0 || n != (ssize_t)sizeof(row))
		abort();
	(void)close(fds[0]);
	row.took_ms = (clock_mono_ns() - began) / 1000000;
	return row;
}

/* fresh: export to a new place each time. Nothing is removed in between: ext4 is slow to use inodes again that were just freed. */
static void report(const char *dir, const char *branch, const char *label, bool fresh)
{
	struct row best = {.wall_us = INT64_MAX};
	static int places;
	for (int i = 0; i < ROUNDS; i++) {
		CLEANUP_FREE char *trees = xasprintf("trees.%d.%d", (int)getpid(), fresh ? ++places : 0);
		struct row r = measure(dir, branch, trees);
		if (r.wall_us < best.wall_us)
			best = r;
	}
	(void)printf("%-52s %7.1f ms, process %3lld ms, %5zu projects, %5zu untouched\n", label, (double)best.wall_us / 1000,
		     (long long)best.took_ms, best.projects, best.untouched);
}

int main(int argc, char **argv)
{
	char temp[] = "/tmp/sluice-bench-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temp);
	if (dir == NULL)
		abort();
	CLEANUP_FREE char *git = fs_join(dir, "git");
	if (!fs_exists(git))
		make_repository(git);
	struct row first = measure(dir, "main", "trees");
	(void)printf("%-52s %7.1f ms\n", "first time: fetch, index of everything", (double)first.wall_us / 1000);
	CLEANUP_FREE char *index = xasprintf("%s/mirror.git/sluice-index", dir);
	if (unlink(index) != 0)
		abort();
	first = measure(dir, "main", "trees");
	(void)printf("%-52s %7.1f ms\n", "the index alone, of everything", (double)first.wall_us / 1000);
	report(dir, "main", "nothing changed", false);
	report(dir, "one", "one project", false);
	report(dir, "module", "one module, its projects", false);
	report(dir, "wide", "500 projects, trees there", false);
	report(dir, "wide", "500 projects, export", true);
	report(dir, "files", "2,000 files, 24 MB, trees there", false);
	report(dir, "files", "2,000 files, 24 MB, export", true);
	return argc > 1 || fs_remove_tree(dir, NULL) == 0 ? 0 : 1;
}
