/* The whole path against the engine alone, in one run on one machine: the real daemon, the real engine, a simulated GitHub on loopback.
 *
 *   make bench                       everything
 *   SLUICE_BENCH=one,wide make bench some rows: start, one, wide, large, hooks
 *   SLUICE_BENCH_LOG=debug ...       with the daemon's log, which is kept
 *
 * Each row ends in one line of JSON. It never fails for being slow: what counts are the ratios to what the engine alone takes here and now.
 * Times begin when GitHub has the change and owes the webhook; they end when the comment with the plan stands. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "tests/bench/lab.h"

#include <stdio.h>

enum {
	ONE_ROUNDS = 15,
	WIDE_ROUNDS = 3,
	WIDE = 100,
	STARTS = 5,
	BLOBS = 200,
	BLOB_BYTES = 1 << 20,
	LARGE_ROUNDS = 5,
	HOOKS = 20000,
	HOOK_ROUNDS = 5,
	BURST = 10000
};

static const char FINAL[] = "**To apply**";
static const char BOT[] = "sluice-app[bot]";

static bool wanted(const char *row)
{
	const char *only = getenv("SLUICE_BENCH");
	return only == NULL || *only == '\0' || strstr(only, row) != NULL;
}

/* Medians. The difference and the ratio are those of pairs, each measured within a second or ten: the machine may have been busier at one
 * time than at another. */
static void row(const char *label, const double *ours, const double *engine, size_t n, const char *target)
{
	double *v[4];
	for (size_t k = 0; k < ARRAY_LEN(v); k++)
		v[k] = xcalloc(n, sizeof(*v[k]));
	for (size_t i = 0; i < n; i++) {
		v[0][i] = ours[i];
		v[1][i] = engine[i];
		v[2][i] = ours[i] - engine[i];
		v[3][i] = ours[i] / engine[i];
	}
	double m[ARRAY_LEN(v)];
	for (size_t k = 0; k < ARRAY_LEN(v); k++) {
		m[k] = lab_median(v[k], n);
		free(v[k]);
	}
	(void)printf("%-46s %8.1f ms   engine %8.1f ms   %+8.1f ms   x %5.2f   (%s)\n", label, m[0], m[1], m[2], m[3], target);
	(void)printf("{\"row\":\"%s\",\"ours_ms\":%.1f,\"engine_ms\":%.1f,\"over_ms\":%.1f,\"ratio\":%.3f}\n", label, m[0], m[1], m[2],
		     m[3]);
	(void)fflush(stdout);
}

static const char *project_text(char *out, size_t size, int i, int version)
{
	(void)snprintf(out, size,
		       "variable \"zone\" {\n  type    = string\n  default = \"example.com\"\n}\n\n"
		       "resource \"terraform_data\" \"record\" {\n  input = { name = \"r%d.${var.zone}\", version = %d }\n}\n",
		       i, version);
	return out;
}

/* ---- start and memory ---- */

static void start_row(struct lab *lab)
{
	double took[STARTS], first = lab_daemon_start(lab); /* asks the engines for their versions */
	lab_daemon_stop(lab);
	for (int i = 0; i < STARTS; i++) {
		took[i] = lab_daemon_start(lab);
		if (i + 1 < STARTS)
			lab_daemon_stop(lab);
	}
	lab_settle(lab, 500);
	double median = lab_median(took, STARTS);
	int64_t rss = lab_daemon_rss(lab);
	(void)printf("start to listening %.1f ms (the very first: %.1f ms), idle %.1f MB   (<= 50 ms, <= 15 MB)\n", median, first,
		     (double)rss / 1024);
	(void)printf("{\"row\":\"start\",\"listening_ms\":%.1f,\"first_ms\":%.1f,\"idle_kib\":%lld}\n", median, first, (long long)rss);
}

static void memory_row(const struct lab *lab, int projects)
{
	int64_t rss = lab_daemon_rss(lab);
	(void)printf("memory after %d projects %.1f MB   (<= 20 MB)\n", projects, (double)rss / 1024);
	(void)printf("{\"row\":\"memory\",\"projects\":%d,\"kib\":%lld}\n", projects, (long long)rss);
}

/* ---- one project ---- */

struct one {
	struct lab *lab;
	const char *repo;
	const struct sim_file *base;
	size_t base_n;
	double opened[ONE_ROUNDS], pushed[ONE_ROUNDS], engine[ONE_ROUNDS];
};

static void one_round(struct one *o, int i)
{
	char text[512], branch[32], sha[SIM_SHA_SIZE], seen[SIM_SHA_SIZE + 8];
	struct err err = {0};
	struct lab *lab = o->lab;
	struct sim_file change = {.path = "live/one/main.tf", .content = project_text(text, sizeof(text), 1, i + 1)};
	(void)snprintf(branch, sizeof(branch), "change-%d", i);
	CLEANUP_FREE char *name = xasprintf("alone/%s-%d", o->repo, i);
	CLEANUP_FREE char *alone = lab_files(lab, name, o->base, o->base_n);
	CLEANUP_FREE char *dir = xasprintf("%s/live/one", alone);
	const char *dirs[] = {dir};
	o->engine[i] = lab_engine(lab, dirs, 1, 1);
	lab_refill(lab);
	int64_t pull = lab_pull(lab, o->repo, branch, &change, 1);
	o->opened[i] = lab_wait(lab, o->repo, pull, lab_now_ms(), FINAL, NULL);
	lab_settle(lab, 100);
	lab_refill(lab);
	change.content = project_text(text, sizeof(text), 2, i + 1);
	if (sim_commit(lab->sim, o->repo, branch, LAB_USER, "again", &change, 1, sha, &err) != 0)
		lab_die("%s", err.msg);
	(void)snprintf(seen, sizeof(seen), "`%.7s`", sha);
	o->pushed[i] = lab_wait(lab, o->repo, pull, lab_now_ms(), FINAL, seen);
	lab_settle(lab, 100);
}

static void one_row(struct lab *lab, const char *repo, const struct sim_file *base, size_t n, const char *what, int rounds)
{
	struct one o = {.lab = lab, .repo = repo, .base = base, .base_n = n};
	lab_repo(lab, repo, base, n);
	for (int i = 0; i < rounds; i++)
		one_round(&o, i);
	CLEANUP_FREE char *opened = xasprintf("%s, pull request opened", what), *pushed = xasprintf("%s, new commit pushed", what);
	row(opened, o.opened, o.engine, (size_t)rounds, "<= engine + 60 ms");
	row(pushed, o.pushed, o.engine, (size_t)rounds, "<= engine + 60 ms");
}

static void one_rows(struct lab *lab)
{
	char text[512];
	struct sim_file plain[] = {{.path = "live/one/main.tf", .content = project_text(text, sizeof(text), 0, 0)}};
	one_row(lab, "acme/one", plain, 1, "1 project", ONE_ROUNDS);
	struct sim_file module[] = {
		{.path = "live/one/main.tf", .content = text},
		{.path = "live/one/labels.tf",
		 .content = "module \"labels\" {\n  source = \"../../modules/labels\"\n  name   = \"one\"\n}\n"},
		{.path = "modules/labels/main.tf",
		 .content = "variable \"name\" { type = string }\nresource \"terraform_data\" \"l\" {\n  input = var.name\n}\n"},
	};
	one_row(lab, "acme/module", module, ARRAY_LEN(module), "1 project with a module", ONE_ROUNDS / 3);
}

/* ---- many projects ---- */

struct wide {
	struct sim_file files[WIDE];
	char paths[WIDE][32], texts[WIDE][512];
	char *dirs[WIDE];
};

static void wide_files(struct wide *w, int version)
{
	for (int i = 0; i < WIDE; i++) {
		(void)snprintf(w->paths[i], sizeof(w->paths[i]), "live/p%03d/main.tf", i);
		w->files[i] = (struct sim_file){.path = w->paths[i], .content = project_text(w->texts[i], sizeof(w->texts[i]), i, version)};
	}
}

static double wide_engine(const struct lab *lab, struct wide *w, int round)
{
	CLEANUP_FREE char *name = xasprintf("alone/wide-%d", round);
	CLEANUP_FREE char *alone = lab_files(lab, name, w->files, WIDE);
	const char *dirs[WIDE];
	for (int i = 0; i < WIDE; i++) {
		w->dirs[i] = xasprintf("%s/live/p%03d", alone, i);
		dirs[i] = w->dirs[i];
	}
	double took = lab_engine(lab, dirs, WIDE, 2);
	for (int i = 0; i < WIDE; i++)
		free(w->dirs[i]);
	return took;
}

static void wide_row(struct lab *lab)
{
	static const char repo[] = "acme/wide";
	struct wide *w = xcalloc(1, sizeof(*w));
	double engine[WIDE_ROUNDS], ours[WIDE_ROUNDS], first[WIDE_ROUNDS];
	size_t writes = 0, edits = 0;
	wide_files(w, 0);
	lab_repo(lab, repo, w->files, WIDE);
	for (int i = 0; i < WIDE_ROUNDS; i++) {
		char branch[32];
		(void)snprintf(branch, sizeof(branch), "wide-%d", i);
		wide_files(w, i + 1);
		engine[i] = wide_engine(lab, w, i);
		lab_refill(lab);
		int64_t pull = lab_pull(lab, repo, branch, w->files, WIDE);
		size_t before = sim_writes(lab->sim, BOT, NULL), edited = sim_writes(lab->sim, BOT, "comment_edit");
		double began = lab_now_ms();
		first[i] = lab_wait(lab, repo, pull, began, "| 1 to add |", NULL);
		ours[i] = lab_wait(lab, repo, pull, began, FINAL, NULL);
		lab_settle(lab, 1500);
		writes = sim_writes(lab->sim, BOT, NULL) - before;
		edits = sim_writes(lab->sim, BOT, "comment_edit") - edited;
	}
	double median_first = lab_median(first, WIDE_ROUNDS);
	row("100 projects, two at a time", ours, engine, WIDE_ROUNDS, "<= 1.10 x engine");
	(void)printf("first projects readable after %.0f ms; %zu writes to GitHub, %zu of them edits of the comment\n", median_first,
		     writes, edits);
	(void)printf("{\"row\":\"wide\",\"first_ms\":%.1f,\"writes\":%zu,\"edits\":%zu}\n", median_first, writes, edits);
	free(w);
}

/* ---- a large repository ---- */

/* 200 files of 1 MiB that do not compress, straight into the bare repository. */
static void fill(struct lab *lab, const char *repo)
{
	struct err err = {0};
	CLEANUP_FREE char *command = xasprintf("git -C '%s/github/%s.git' fast-import --quiet", lab->dir, repo);
	FILE *f = popen(command, "we");
	char *bytes = xmalloc(BLOB_BYTES);
	uint64_t x = 88172645463325252u;
	if (f == NULL)
		lab_die("git fast-import does not start");
	(void)fprintf(f, "commit refs/heads/main\ncommitter t <t@t> 1700000000 +0000\ndata 5\nblobs\nfrom refs/heads/main^0\n");
	for (int i = 0; i < BLOBS; i++) {
		for (size_t k = 0; k < BLOB_BYTES; k += sizeof(x)) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(bytes + k, &x, sizeof(x));
		}
		(void)fprintf(f, "M 100644 inline assets/d%d/f%d.bin\ndata %d\n", i % 10, i, BLOB_BYTES);
		(void)fwrite(bytes, 1, BLOB_BYTES, f); /* pclose tells */
		(void)fputc('\n', f);
	}
	free(bytes);
	if (pclose(f) != 0 || sim_sync(lab->sim, repo, LAB_USER, &err) != 0)
		lab_die("git fast-import failed: %s", err.msg);
}

static void large_row(struct lab *lab)
{
	static const char repo[] = "acme/large";
	char text[512], branch[32];
	struct sim_file file = {.path = "live/one/main.tf", .content = project_text(text, sizeof(text), 0, 0)};
	lab_repo(lab, repo, &file, 1);
	fill(lab, repo);
	lab_settle(lab, 500);
	CLEANUP_FREE char *alone = lab_files(lab, "alone/large", &file, 1);
	CLEANUP_FREE char *dir = xasprintf("%s/live/one", alone);
	const char *dirs[] = {dir};
	double engine[LARGE_ROUNDS], ours[LARGE_ROUNDS], first = 0;
	int64_t mirror = 0, trees = 0, mirror_first = 0;
	for (int i = 0; i <= LARGE_ROUNDS; i++) {
		(void)project_text(text, sizeof(text), 0, i + 1);
		(void)snprintf(branch, sizeof(branch), "large-%d", i);
		if (i > 0)
			engine[i - 1] = lab_engine(lab, dirs, 1, 1);
		lab_refill(lab);
		int64_t pull = lab_pull(lab, repo, branch, &file, 1);
		double took = lab_wait(lab, repo, pull, lab_now_ms(), FINAL, NULL);
		lab_settle(lab, 300);
		if (i == 0) {
			first = took;
			mirror_first = mirror = lab_disk(lab, "data/mirrors");
			trees = lab_disk(lab, "data/trees");
		} else {
			ours[i - 1] = took;
		}
	}
	mirror = (lab_disk(lab, "data/mirrors") - mirror) / LARGE_ROUNDS;
	trees = (lab_disk(lab, "data/trees") - trees) / LARGE_ROUNDS;
	row("second pull request, 200 MB repository", ours, engine, LARGE_ROUNDS, "<= engine + 150 ms");
	(void)printf("the first took %.0f ms and %lld MiB of disk; each further one %lld KiB in the mirror, %lld KiB of files\n", first,
		     (long long)mirror_first >> 20, (long long)mirror >> 10, (long long)trees >> 10);
	(void)printf("{\"row\":\"large\",\"first_ms\":%.1f,\"first_bytes\":%lld,\"mirror_bytes\":%lld,\"tree_bytes\":%lld}\n", first,
		     (long long)mirror_first, (long long)mirror, (long long)trees);
}

/* ---- webhooks ---- */

struct load_result {
	double rate[HOOK_ROUNDS], p99[HOOK_ROUNDS], seconds[HOOK_ROUNDS];
};

static double number_of(const char *json, const char *name)
{
	CLEANUP_FREE char *key = xasprintf("\"%s\":", name);
	const char *at = strstr(json, key);
	double v = 0;
	if (at == NULL || sscanf(at + strlen(key), "%lf", &v) != 1)
		lab_die("webhook_load did not tell %s: %s", name, json);
	return v;
}

static void load(struct lab *lab, const char *const *argv, struct load_result *ret)
{
	CLEANUP_FREE char *out = fs_join(lab->dir, "load.json");
	for (size_t i = 0; i < HOOK_ROUNDS; i++) {
		struct err err = {0};
		CLEANUP_BUF struct buf b = {0};
		(void)lab_run(lab, NULL, argv, out); /* it tells its own time */
		if (fs_read(out, 4096, &b, &err) != 0)
			lab_die("%s", err.msg);
		(void)printf("%s", buf_str(&b));
		ret->rate[i] = number_of(buf_str(&b), "rate");
		ret->p99[i] = number_of(buf_str(&b), "p99_ms");
		ret->seconds[i] = number_of(buf_str(&b), "seconds");
		lab_settle(lab, 2500); /* what was stored is decided meanwhile */
	}
}

static void hooks_row(struct lab *lab)
{
	const char *build = getenv("SLUICE_BUILD");
	CLEANUP_FREE char *tool = xasprintf("%s/tests/bench/webhook_load", build != NULL ? build : "build/release");
	CLEANUP_FREE char *port = xasprintf("%d", lab->port), *secret = fs_join(lab->dir, "webhook.secret");
	CLEANUP_FREE char *many = xasprintf("%d", HOOKS), *burst = xasprintf("%d", BURST);
	static const char file[] = "tests/fixtures/webhooks/pull_request.labeled.json";
	const char *steady[] = {tool, "--port", port, "--secret-file", secret, "--template", file, "--requests", many, NULL};
	const char *flood[] = {tool,  "--port",        port,   "--secret-file", secret, "--template", file, "--requests",
			       burst, "--connections", "1000", "--burst",       NULL};
	struct load_result r;
	load(lab, steady, &r);
	double rate = lab_median(r.rate, HOOK_ROUNDS), p99 = lab_median(r.p99, HOOK_ROUNDS);
	load(lab, flood, &r);
	double seconds = lab_median(r.seconds, HOOK_ROUNDS);
	(void)printf("signed webhooks, stored before the answer: %.0f/s, p99 %.1f ms   (>= 10,000/s, p99 <= 20 ms)\n", rate, p99);
	(void)printf("a burst of %d, each on its own connection: acknowledged in %.2f s   (<= 3 s)\n", BURST, seconds);
	lab_settle(lab, 6000); /* the server tidies up every five seconds */
	int64_t rss = lab_daemon_rss(lab);
	(void)printf("memory after that %.1f MB\n", (double)rss / 1024);
	(void)printf("{\"row\":\"hooks\",\"rate\":%.0f,\"p99_ms\":%.1f,\"burst_s\":%.2f,\"kib\":%lld}\n", rate, p99, seconds,
		     (long long)rss);
}

int main(void)
{
	struct lab lab;
	lab_open(&lab);
	start_row(&lab);
	if (wanted("one"))
		one_rows(&lab);
	if (wanted("wide"))
		wide_row(&lab);
	if (wanted("one") && wanted("wide"))
		memory_row(&lab, 2 * ONE_ROUNDS + 2 * (ONE_ROUNDS / 3) + WIDE_ROUNDS * WIDE);
	if (wanted("hooks"))
		hooks_row(&lab);
	if (wanted("large")) /* last: the disk is busy with it for a while */
		large_row(&lab);
	lab_close(&lab);
	return 0;
}
