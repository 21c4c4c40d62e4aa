/* What the box costs, against the same program started by plain fork and exec, in turns. Without the start of `sluice` itself: a job's runner is
 * there already when it makes the box.
 *
 *   bench_box [ROUNDS]     200 rounds of programs that do nothing, a fifth as many of `terraform plan`
 *
 * A static program in the profile plan, /usr/bin/true in the profile compat, and `terraform plan` of two terraform_data. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "runner/boxed.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 200, ROUNDS_MAX = 2000, SLOW = 5 };

struct row {
	const char *name;
	enum job_profile profile;
	const char *tree; /* NULL: none */
	const char *const *argv;
	size_t argc, rounds;
	double aim; /* milliseconds over plain, or a share of it when below 1 */
};

static const char tf[] =
	"resource \"terraform_data\" \"a\" {\n  input = \"a\"\n}\nresource \"terraform_data\" \"b\" {\n  input = terraform_data.a.output\n}\n";

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_box: %s: %s\n", what, why);
	exit(1);
}

static double ms_since(int64_t began) { return (double)(clock_mono_ns() - began) / 1e6; }

static double plain(const struct row *r)
{
	const char *argv[16];
	int status = 0;
	for (size_t i = 0; i <= r->argc; i++)
		argv[i] = i < r->argc ? r->argv[i] : NULL;
	int64_t began = clock_mono_ns();
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || (r->tree != NULL && chdir(r->tree) != 0))
			_exit(126);
		union {
			const char **in;
			char *const *out;
		} words = {argv};
		(void)execv(argv[0], words.out);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die(r->name, "does not run without the box");
	return ms_since(began);
}

static void on_output(bool is_err, const char *bytes, size_t len, void *arg)
{
	(void)arg;
	if (is_err)
		(void)fprintf(stderr, "%.*s", (int)len, bytes);
}

static double boxed(const struct row *r)
{
	struct job_spec spec;
	struct boxed_result result;
	struct err err = {0};
	struct strlist argv = {0};
	const char *job_init = getenv("SLUICE_JOB_INIT");
	boxed_spec_default(&spec);
	spec.profile = r->profile;
	xstrset(&spec.tree_dir, r->tree);
	for (size_t i = 0; i < r->argc; i++)
		strlist_add(&argv, r->argv[i]);
	struct boxed_order o = {.spec = &spec, .argv = &argv, .job_init = job_init, .on_output = on_output};
	int64_t began = clock_mono_ns();
	int rc = boxed_run(&o, &result, &err);
	double took = ms_since(began);
	if (rc != 0 || result.status != 0)
		die(r->name, rc != 0 ? err.msg : result.exit.error != NULL ? result.exit.error : "failed in the box");
	job_exit_free(&result.exit);
	job_spec_free(&spec);
	strlist_free(&argv);
	return took;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double at(double *v, size_t n, size_t percent)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n * percent / 100];
}

static void measure(const struct row *r)
{
	static double without[ROUNDS_MAX], with[ROUNDS_MAX], more[ROUNDS_MAX];
	(void)plain(r);
	(void)boxed(r);
	for (size_t i = 0; i < r->rounds; i++) {
		without[i] = plain(r);
		with[i] = boxed(r);
		more[i] = with[i] - without[i];
	}
	double a = at(without, r->rounds, 50), b = at(with, r->rounds, 50), d = at(more, r->rounds, 50);
	(void)printf("%-34s plain %7.2f ms, box %7.2f ms: + %.2f ms (best %.2f, p90 %.2f), x %.3f (aim: ", r->name, a, b, d, more[0],
		     more[r->rounds * 90 / 100], b / a);
	(void)printf(r->aim < 1 ? "+ %.0f %%)\n" : "+ %.0f ms)\n", r->aim < 1 ? r->aim * 100 : r->aim);
	(void)printf("{\"bench\":\"box\",\"row\":\"%s\",\"plain_ms\":%.2f,\"box_ms\":%.2f,\"more_ms\":%.2f,\"p90_ms\":%.2f}\n", r->name, a,
		     b, d, more[r->rounds * 90 / 100]);
	(void)fflush(stdout);
}

/* In the box of a plan there are no libraries. */
static char *make_static_true(const char *dir)
{
	char *program = fs_join(dir, "nothing");
	CLEANUP_FREE char *make = xasprintf("echo 'int main(void) { return 0; }' | cc -O1 -static -x c -o '%s' -", program);
	if (system(make) != 0)
		die("a static program", "cannot be compiled");
	return program;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/sluice-bench-XXXXXX";
	int64_t rounds = ROUNDS;
	struct err err = {0};
	if (argc > 1 && text_int(argv[1], SLOW, ROUNDS_MAX, &rounds, &err) != 0)
		die("usage: bench_box [ROUNDS]", err.msg);
	if (mkdtemp(dir) == NULL || setenv("CHECKPOINT_DISABLE", "1", 1) != 0)
		die(dir, "cannot be made");
	CLEANUP_FREE char *nothing = make_static_true(dir), *terraform = fs_which("terraform"), *tree = fs_join(dir, "tree"),
			  *file = fs_join(tree, "main.tf");
	if (fs_mkdir_p(tree, 0755, NULL) != 0 || fs_write_fast(file, tf, sizeof(tf) - 1, 0644, NULL) != 0)
		die(tree, "cannot be written");
	const char *const a[] = {nothing}, *const b[] = {"/usr/bin/true"};
	const char *const c[] = {terraform != NULL ? terraform : "", "plan", "-input=false", "-no-color", "-lock=false"};
	const struct row rows[] = {
		{"a static program, profile plan", PROFILE_PLAN, NULL, a, 1, (size_t)rounds, 6},
		{"/usr/bin/true, profile compat", PROFILE_COMPAT, NULL, b, 1, (size_t)rounds, 6},
		{"terraform plan, profile plan", PROFILE_PLAN, tree, c, ARRAY_LEN(c), (size_t)rounds / SLOW, 0.05},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].tree == NULL || terraform != NULL)
			measure(&rows[i]);
		else
			(void)printf("skip %s: no terraform on PATH\n", rows[i].name);
	return fs_remove_tree(dir, NULL) == 0 ? 0 : 1;
}
