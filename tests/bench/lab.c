#include "tests/bench/lab.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/text.h"
#include "cmd/schema.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 120000, QUIET_MS = 120, ENGINE_STEPS = 3, WORKERS_MAX = 8 };

static const char TOKEN[] = "bench-token";

void lab_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fflush(stdout);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	abort();
}

static void must(int rc, const struct err *err)
{
	if (rc != 0)
		lab_die("%s", err->msg);
}

double lab_now_ms(void) { return (double)clock_mono_ns() / 1e6; }

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

double lab_median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return n == 0 ? 0 : n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* ---- GitHub ---- */

static int free_port(void)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, len) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		lab_die("no free port on loopback");
	return ntohs(a.sin_port);
}

static void write_in(const struct lab *lab, const char *name, const char *text)
{
	struct err err = {0};
	CLEANUP_FREE char *path = fs_join(lab->dir, name);
	must(fs_write_fast(path, text, strlen(text), 0600, &err), &err);
}

void lab_open(struct lab *lab)
{
	struct err err = {0};
	char scratch[] = "/tmp/sluice-bench-XXXXXX";
	const char *program = getenv("SLUICE_BIN");
	if (mkdtemp(scratch) == NULL || program == NULL)
		lab_die("run it with `make bench`: SLUICE_BIN names the built daemon, /tmp takes the files");
	*lab = (struct lab){.dir = xstrdup(scratch), .program = xstrdup(program), .terraform = fs_which("terraform"), .loop = loop_new()};
	lab->terraform = lab->terraform != NULL ? lab->terraform : fs_which("tofu");
	if (lab->terraform == NULL)
		lab_die("no engine: neither terraform nor tofu is on PATH");
	lab->log = fs_join(lab->dir, "server.log");
	lab->port = free_port();
	CLEANUP_FREE char *git = fs_join(lab->dir, "github");
	struct sim_token tokens[] = {{TOKEN, "sluice-app[bot]"}};
	struct sim_options o = {.dir = git, .tokens = tokens, .tokens_n = ARRAY_LEN(tokens)};
	must(fs_mkdir_p(git, 0700, &err), &err);
	must(sim_start(lab->loop, &o, &lab->sim, &err), &err);
	CLEANUP_FREE char *yaml = xasprintf("listen: 127.0.0.1:%d\n"
					    "data_dir: data\n"
					    "github:\n"
					    "  api_url: %s\n"
					    "  token_file: token\n"
					    "  webhook_secret_file: webhook.secret\n"
					    "repositories: [\"acme/*\"]\n"
					    "limits: { jobs: 2, jobs_per_repository: 2 }\n",
					    lab->port, sim_url(lab->sim));
	write_in(lab, "sluice-server.yaml", yaml);
	write_in(lab, "token", TOKEN);
	write_in(lab, "webhook.secret", LAB_SECRET);
}

void lab_close(struct lab *lab)
{
	struct err err = {0};
	lab_daemon_stop(lab);
	sim_close(lab->sim);
	loop_close(lab->loop);
	if (getenv("SLUICE_BENCH_LOG") != NULL)
		(void)fprintf(stderr, "the log is %s\n", lab->log);
	else if (fs_remove_tree(lab->dir, &err) != 0)
		(void)fprintf(stderr, "left behind: %s\n", err.msg);
	free(lab->dir);
	free(lab->log);
	free(lab->program);
	free(lab->terraform);
}

void lab_repo(struct lab *lab, const char *name, const struct sim_file *files, size_t n)
{
	struct err err = {0};
	struct sim_repo_new r = {.full_name = name, .user = "olivia", .files = files, .files_n = n, .protect = SIM_CLASSIC};
	must(sim_repo_create(lab->sim, &r, &err), &err);
	must(sim_permission(lab->sim, name, "sluice-app[bot]", "admin", &err), &err);
	must(sim_permission(lab->sim, name, LAB_USER, "write", &err), &err);
}

int64_t lab_pull(struct lab *lab, const char *repo, const char *branch, const struct sim_file *files, size_t n)
{
	struct err err = {0};
	int64_t number = 0;
	must(sim_commit(lab->sim, repo, branch, LAB_USER, branch, files, n, NULL, &err), &err);
	lab_settle(lab, QUIET_MS); /* the push of a branch without a pull request is not what is measured */
	struct sim_pr_new p = {.repo = repo, .user = LAB_USER, .title = branch, .head = branch};
	must(sim_pr_open(lab->sim, &p, &number, &err), &err);
	return number;
}

/* ---- the daemon ---- */

static bool answers(int port)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	return fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static void daemon_ended(const struct loop_exit *e, void *arg)
{
	struct lab *lab = arg;
	lab->daemon = NULL;
	lab->daemon_gone = true;
	if (!lab->stopping)
		lab_die("the daemon ended with status %d; its log is %s", e->code, lab->log);
}

double lab_daemon_start(struct lab *lab)
{
	CLEANUP_FREE char *file = fs_join(lab->dir, "sluice-server.yaml");
	CLEANUP_FREE char *path = xasprintf("PATH=%s", getenv("PATH"));
	CLEANUP_FREE char *level = xstrdup(getenv("SLUICE_BENCH_LOG") != NULL ? getenv("SLUICE_BENCH_LOG") : "warn");
	char name[] = "sluice", word[] = "serve", flag[] = "--config", level_flag[] = "--log-level";
	char *argv[] = {name, word, flag, file, level_flag, level, NULL}, *envp[] = {path, NULL};
	struct loop_spawn s = {.file = lab->program, .argv = argv, .envp = envp, .max_output = 65536, .stderr_path = lab->log};
	double began = lab_now_ms();
	lab->stopping = lab->daemon_gone = false;
	lab->daemon = loop_process_start(lab->loop, &s, daemon_ended, lab);
	while (!answers(lab->port) && lab_now_ms() < began + WAIT_MS)
		(void)loop_run_until(lab->loop, &lab->daemon_gone, 1); /* time passing is all that is wanted */
	double took = lab_now_ms() - began;
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d/webhooks/github", lab->port);
	sim_set_webhook(lab->sim, url, LAB_SECRET);
	return took;
}

void lab_daemon_stop(struct lab *lab)
{
	if (lab->daemon == NULL)
		return;
	lab->stopping = true;
	loop_process_kill(lab->daemon, SIGTERM);
	if (!loop_run_until(lab->loop, &lab->daemon_gone, 10000))
		lab_die("the daemon does not end");
	sim_set_webhook(lab->sim, NULL, NULL);
}

int64_t lab_daemon_rss(const struct lab *lab)
{
	struct err err = {0};
	CLEANUP_BUF struct buf b = {0};
	CLEANUP_FREE char *file = xasprintf("/proc/%d/status", (int)loop_process_pid(lab->daemon));
	FILE *f = fopen(file, "re");
	char line[256];
	long long kib = -1;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (text_starts(line, "VmRSS:") && sscanf(line, "VmRSS: %lld", &kib) != 1)
			kib = -1;
	if (f != NULL)
		(void)fclose(f);
	if (kib < 0)
		must(err_sys(&err, "read %s", file), &err);
	return kib;
}

double lab_wait(struct lab *lab, const char *repo, int64_t pull, double since_ms, const char *text, const char *also)
{
	struct sim_comment_view c;
	while (lab_now_ms() < since_ms + WAIT_MS) {
		(void)loop_run_until(lab->loop, &lab->daemon_gone, 1); /* time passing is all that is wanted */
		if (!sim_comment_view(lab->sim, repo, pull, 0, &c) || strstr(c.body, text) == NULL)
			continue;
		if (also == NULL || strstr(c.body, also) != NULL)
			return lab_now_ms() - since_ms;
	}
	const char *body = sim_comment_view(lab->sim, repo, pull, 0, &c) ? c.body : "(none)";
	lab_die("%s #%lld: the comment did not come to say \"%s\":\n%s", repo, (long long)pull, text, body);
}

void lab_settle(struct lab *lab, int64_t quiet_ms)
{
	bool never = false;
	size_t before;
	do {
		before = sim_requests(lab->sim, NULL);
		(void)loop_run_until(lab->loop, &never, quiet_ms); /* time passing is all that is wanted */
	} while (sim_hooks(lab->sim).waiting != 0 || sim_requests(lab->sim, NULL) != before);
}

void lab_refill(const struct lab *lab)
{
	struct err err = {0};
	size_t n;
	const struct db_migration *migrations = schema_migrations(&n);
	CLEANUP_FREE char *path = fs_join(lab->dir, "data/sluice.db");
	struct db_conn *c = NULL;
	must(db_conn_open(path, migrations, n, &c, &err), &err);
	must(db_exec(c, "UPDATE outbox_rate SET full_at_ms=0, writes=0; DELETE FROM outbox_sent", &err), &err);
	db_conn_close(c);
}

/* ---- the engine alone ---- */

static pid_t start(const struct lab *lab, const char *cwd, const char *const *argv, const char *stdout_path)
{
	CLEANUP_FREE char *path = xasprintf("PATH=%s", getenv("PATH")), *home = xasprintf("HOME=%s", lab->dir);
	char quiet[] = "CHECKPOINT_DISABLE=1";
	char *envp[] = {path, home, quiet, NULL};
	pid_t pid = fork();
	if (pid < 0)
		lab_die("fork failed");
	if (pid > 0)
		return pid;
	int out = open(stdout_path != NULL ? stdout_path : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || (cwd != NULL && chdir(cwd) != 0))
		_exit(126);
	union {
		const char *const *in;
		char *const *out;
	} args = {argv}; /* execve writes in none of them */
	(void)execve(argv[0], args.out, envp);
	_exit(127);
}

double lab_run(const struct lab *lab, const char *cwd, const char *const *argv, const char *stdout_path)
{
	double began = lab_now_ms();
	int status = 0;
	pid_t pid = start(lab, cwd, argv, stdout_path);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		lab_die("%s %s in %s ended with wait status %d", argv[0], argv[1], cwd != NULL ? cwd : ".", status);
	return lab_now_ms() - began;
}

/* One worker: its share of the directories, one after the other. */
static void engine_worker(const struct lab *lab, const char *const *dirs, size_t n, int first, int step)
{
	const char *init[] = {lab->terraform, "init", "-input=false", NULL};
	const char *plan[] = {lab->terraform, "plan", "-input=false", "-out=plan.bin", NULL};
	const char *show[] = {lab->terraform, "show", "-json", "plan.bin", NULL};
	const char *const *steps[ENGINE_STEPS] = {init, plan, show};
	for (size_t i = (size_t)first; i < n; i += (size_t)step)
		for (int k = 0; k < ENGINE_STEPS; k++) {
			CLEANUP_FREE char *out = xasprintf("%s/step%d.out", dirs[i], k);
			(void)lab_run(lab, dirs[i], steps[k], out); /* the sum is measured outside */
		}
}

double lab_engine(const struct lab *lab, const char *const *dirs, size_t n, int workers)
{
	double began = lab_now_ms();
	pid_t pids[WORKERS_MAX] = {0};
	for (int w = 1; w < workers && w < WORKERS_MAX; w++) {
		pids[w] = fork();
		if (pids[w] == 0) {
			engine_worker(lab, dirs, n, w, workers);
			_exit(0);
		}
	}
	engine_worker(lab, dirs, n, 0, workers);
	for (int w = 1, status = 0; w < workers && w < WORKERS_MAX; w++)
		if (waitpid(pids[w], &status, 0) != pids[w] || status != 0)
			lab_die("a worker with the engine alone failed");
	return lab_now_ms() - began;
}

char *lab_files(const struct lab *lab, const char *name, const struct sim_file *files, size_t n)
{
	struct err err = {0};
	char *dir = fs_join(lab->dir, name);
	for (size_t i = 0; i < n; i++) {
		CLEANUP_FREE char *path = fs_join(dir, files[i].path);
		CLEANUP_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
		must(fs_mkdir_p(parent, 0700, &err), &err);
		must(fs_write_fast(path, files[i].content, files[i].len != 0 ? files[i].len : strlen(files[i].content), 0600, &err), &err);
	}
	return dir;
}

/* nftw takes no argument. */
static int64_t disk_bytes;

static int add_disk(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)path;
	(void)type;
	(void)at;
	disk_bytes += st->st_blocks * INT64_C(512);
	return 0;
}

int64_t lab_disk(const struct lab *lab, const char *dir)
{
	CLEANUP_FREE char *path = fs_join(lab->dir, dir);
	disk_bytes = 0;
	if (nftw(path, add_disk, 32, FTW_PHYS) != 0)
		lab_die("cannot walk %s", path);
	return disk_bytes;
}
