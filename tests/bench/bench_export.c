/* How long it takes to write the files of a project from the mirror: 2,000 files, 24 MB, as in "jobs see only files of their commit".
 *
 *   bench_export [DIR]    makes the repository with `git fast-import`; DIR is kept, without it all is temporary, in /tmp and in /dev/shm
 *
 * The yardsticks, in turns with ours: `git archive | tar x`, which does the same work, and `cp -r` of the result, which only writes. Ours is
 * what a run pays: a process of its own that opens the mirror, exports and ends. Nothing is removed in between: for
 * minutes ext4 looks at each inode that was just freed before it makes a new one, which can take five times as long. In memory (/dev/shm) the
 * file system is out of the way. */
#include "base/clock.h"
#include "base/fs.h"
#include "plan/export.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 2000, DIRS = 20, FILE_BYTES = 12288, ROUNDS = 15 };

struct lab {
	const char *dir;
	char *mirror;
	char commit[GIT_OID_HEX + 1];
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_export: %s: %s\n", what, why);
	exit(1);
}

static void data(FILE *f, const char *text) { (void)fprintf(f, "data %zu\n%s\n", strlen(text), text); }

/* 12 KiB of text that looks like configuration, different in each file. */
static void large_file(FILE *f, int n)
{
	CLEANUP_BUF struct buf text = {0};
	for (int i = 0; text.len < FILE_BYTES; i++)
		buf_printf(&text, "variable \"v%d_%d\" {\n  type    = string\n  default = \"%08x\"\n}\n\n", n, i,
			   (unsigned)(n * 7919 + i) * 2654435761u);
	(void)fprintf(f, "M 100644 inline large/d%d/f%d.tf\n", n % DIRS, n);
	data(f, text.data);
}

static void make_repository(const char *git)
{
	CLEANUP_FREE char *command = xasprintf("git init -q --bare '%s' && git -C '%s' fast-import --quiet", git, git);
	FILE *f = popen(command, "w");
	if (f == NULL)
		die("git fast-import", "does not start");
	(void)fprintf(f, "commit refs/heads/main\ncommitter t <t@t> 1700000000 +0000\n");
	data(f, "main");
	(void)fprintf(f, "M 100644 inline large/main.tf\n");
	data(f, "# 2,000 files, 24 MB\n");
	for (int i = 0; i < FILES; i++)
		large_file(f, i);
	if (pclose(f) != 0)
		die("git fast-import", "failed");
}

/* As the daemon has it: fetched into a bare mirror, in one pack. */
static void make_mirror(struct lab *lab)
{
	struct err err = {0};
	struct git_repo *r = NULL;
	CLEANUP_FREE char *git = fs_join(lab->dir, "git"), *url = xasprintf("file://%s", git);
	const char *spec = "+refs/heads/*:refs/heads/*";
	struct git_fetch f = {.url = url, .refspecs = &spec, .refspecs_n = 1};
	lab->mirror = fs_join(lab->dir, "mirror.git");
	if (!fs_exists(git))
		make_repository(git);
	if (git_mirror_open(lab->mirror, &r, &err) != 0 || git_mirror_fetch(r, &f, NULL, &err) != 0 ||
	    git_resolve(r, "refs/heads/main", lab->commit, &err) != 0)
		die("mirror", err.msg);
	git_repo_close(r);
}

static int export(const struct lab *lab, const char *trees, struct err *err)
{
	struct git_repo *r = NULL;
	struct exporter *e = NULL;
	struct index index = {0};
	struct input input = {.path = xstrdup("large"), .is_module = true};
	struct inputs in = {.v = &input, .n = 1, .digest = "0"};
	char tree[GIT_OID_HEX + 1], digest[65];
	int rc = git_mirror_open(lab->mirror, &r, err);
	if (rc == 0)
		rc = git_tree_of(r, lab->commit, tree, err);
	if (rc == 0)
		rc = git_tree_path(r, tree, "large", &input.type, input.oid, err);
	if (rc == 0)
		rc = exporter_open(r, &index, tree, trees, lab->commit, &e, err);
	if (rc == 0)
		rc = exporter_project(e, "elsewhere", &in, digest, err);
	exporter_close(e);
	git_repo_close(r);
	free(input.path);
	return rc;
}

/* Of the children that ended so far. */
static double cpu_ms(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_CHILDREN, &u) != 0)
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static double run(const struct lab *lab, const char *trees, const char *command)
{
	int status = 0;
	struct err err = {0};
	int64_t began = clock_mono_ns();
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0 && command == NULL) {
		if (export(lab, trees, &err) != 0)
			die("export", err.msg);
		_exit(0);
	}
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die(command != NULL ? command : "export", "failed");
	return (double)(clock_mono_ns() - began) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), by_value);
	return v[ROUNDS / 2];
}

static void measure(const char *dir, const char *where)
{
	struct lab lab = {.dir = dir};
	double cpu[ROUNDS], ours[ROUNDS], archive[ROUNDS], copy[ROUNDS], against[ROUNDS];
	make_mirror(&lab);
	for (int i = 0; i < ROUNDS; i++) {
		CLEANUP_FREE char *trees = xasprintf("%s/trees.%d.%d", dir, (int)getpid(), i);
		CLEANUP_FREE char *tar = xasprintf("mkdir '%s.tar' && git --git-dir='%s' archive %s large | tar x -C '%s.tar'", trees,
						   lab.mirror, lab.commit, trees);
		CLEANUP_FREE char *cp = xasprintf("cp -r '%s/%s' '%s.cp'", trees, lab.commit, trees);
		cpu[i] = -cpu_ms();
		ours[i] = run(&lab, trees, NULL);
		cpu[i] += cpu_ms();
		archive[i] = run(&lab, trees, tar);
		copy[i] = run(&lab, trees, cp);
		against[i] = ours[i] / archive[i];
	}
	double middle = median(ours), times = median(against), a = median(archive), c = median(copy);
	(void)printf(
		"export of 2,000 files, 24 MB, in %s: %.1f ms (best %.1f, processor %.1f); git archive | tar x %.1f ms; cp -r %.1f ms; ours / "
		"archive %.2f (aim: 60 ms)\n",
		where, middle, ours[0], median(cpu), a, c, times);
	(void)printf("{\"bench\":\"export\",\"where\":\"%s\",\"ours_ms\":%.1f,\"archive_ms\":%.1f,\"copy_ms\":%.1f,\"ratio\":%.2f}\n",
		     where, middle, a, c, times);
	(void)fflush(stdout);
	free(lab.mirror);
}

int main(int argc, char **argv)
{
	static const char *const places[] = {"/tmp", "/dev/shm"};
	if (argc > 1)
		measure(argv[1], argv[1]);
	for (size_t i = 0; argc <= 1 && i < ARRAY_LEN(places); i++) {
		CLEANUP_FREE char *dir = xasprintf("%s/sluice-bench-XXXXXX", places[i]);
		if (mkdtemp(dir) == NULL)
			die(places[i], "no directory can be made there");
		measure(dir, places[i]);
		if (fs_remove_tree(dir, NULL) != 0)
			die(dir, "cannot be removed");
	}
	return 0;
}
