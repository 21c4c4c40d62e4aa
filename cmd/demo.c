/* `sluice demo`: one pull request from push to apply, with the real daemon, the real engine and a simulated GitHub, all on loopback in a
 * scratch directory. Prints the conversation; exit 0 only if each step held. With --serve it stays, with a page to try it by hand. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/demo_files.h"
#include "cmd/sim/sim.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 60000, PORT_TEXT = 16 };

static const char REPO[] = "acme/infra";
static const char TOKEN[] = "demo-token-of-sluice";
static const char SECRET[] = "It's a demo secret";

struct demo {
	struct loop *loop;
	struct sim *sim;
	struct loop_process *server;
	bool server_gone, stop, keep;
	int sim_port, port;
	char *dir, *log;
	char *program;
	int64_t pull;
	struct err err;
};

static void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void say(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vprintf(fmt, ap); /* nowhere to tell that stdout is gone */
	va_end(ap);
	(void)fflush(stdout);
}

/* Prints a comment as it reads, indented by a bar. */
static void say_quoted(const char *who, const char *body)
{
	say("\n  %s:\n", who);
	for (const char *p = body; *p != '\0';) {
		size_t n = strcspn(p, "\n");
		if (!text_starts(p, "<!-- sluice"))
			say("  | %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

static int free_port(struct err *err)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, len) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		return err_sys(err, "find a free port");
	return ntohs(a.sin_port);
}

static bool answers(int port)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	return fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static int write_in(const struct demo *d, const char *name, const char *text, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(d->dir, name);
	return fs_write_fast(path, text, strlen(text), 0600, err);
}

static int write_server_file(struct demo *d)
{
	CLEANUP_FREE char *yaml = xasprintf("listen: 127.0.0.1:%d\n"
					    "data_dir: data\n"
					    "github:\n"
					    "  api_url: %s\n"
					    "  token_file: token\n"
					    "  webhook_secret_file: webhook.secret\n"
					    "repositories: [\"acme/*\"]\n"
					    "limits: { jobs: 2, jobs_per_repository: 2 }\n",
					    d->port, sim_url(d->sim));
	int rc = write_in(d, "sluice-server.yaml", yaml, &d->err);
	if (rc == 0)
		rc = write_in(d, "token", TOKEN, &d->err);
	return rc == 0 ? write_in(d, "webhook.secret", SECRET, &d->err) : rc;
}

static int start_sim(struct demo *d)
{
	CLEANUP_FREE char *git = fs_join(d->dir, "github");
	struct sim_token tokens[] = {{TOKEN, "sluice-app[bot]"}};
	struct sim_options o = {.port = d->sim_port, .dir = git, .tokens = tokens, .tokens_n = ARRAY_LEN(tokens)};
	int rc = fs_mkdir_p(git, 0700, &d->err);
	if (rc == 0)
		rc = sim_start(d->loop, &o, &d->sim, &d->err);
	struct sim_repo_new n = {.full_name = REPO, .user = "olivia", .files = demo_base, .files_n = demo_base_n, .protect = SIM_CLASSIC, .reviews = 1};
	if (rc == 0)
		rc = sim_repo_create(d->sim, &n, &d->err);
	if (rc == 0)
		rc = sim_permission(d->sim, REPO, "sluice-app[bot]", "admin" /* branch protection is for administrators to read */, &d->err);
	if (rc == 0)
		rc = sim_permission(d->sim, REPO, "alice", "write", &d->err);
	return rc == 0 ? sim_permission(d->sim, REPO, "bob", "write", &d->err) : rc;
}

static void server_ended(const struct loop_exit *e, void *arg)
{
	struct demo *d = arg;
	d->server = NULL;
	d->server_gone = true;
	if (d->err.code == 0)
		err_set(&d->err, ERR_UNAVAILABLE, "the server ended with status %d; its log is %s", e->code, d->log);
}

static int start_server(struct demo *d)
{
	CLEANUP_FREE char *file = fs_join(d->dir, "sluice-server.yaml");
	CLEANUP_FREE char *path = xasprintf("PATH=%s", getenv("PATH") != NULL ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
	char name[] = "sluice", word[] = "serve", flag[] = "--config", level_flag[] = "--log-level", level[] = "debug";
	char *argv[] = {name, word, flag, file, level_flag, level, NULL};
	char *envp[] = {path, NULL};
	struct loop_spawn s = {.file = d->program, .argv = argv, .envp = envp, .max_output = 65536, .stderr_path = d->log};
	d->server = loop_process_start(d->loop, &s, server_ended, d);
	int64_t end = clock_mono_ms() + WAIT_MS;
	while (!answers(d->port) && !d->server_gone && clock_mono_ms() < end)
		(void)loop_run_until(d->loop, &d->server_gone, 10); /* time passing is all that is wanted */
	if (d->server_gone)
		return d->err.code;
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d/webhooks/github", d->port);
	sim_set_webhook(d->sim, url, SECRET);
	return 0;
}

/* Waits until the pull request's first comment contains a text. */
static const char *wait_for(struct demo *d, const char *text)
{
	struct sim_comment_view c;
	int64_t end = clock_mono_ms() + WAIT_MS;
	while (!d->server_gone && clock_mono_ms() < end) {
		for (size_t i = 0; sim_comment_view(d->sim, REPO, d->pull, i, &c); i++)
			if (text_ends(c.user, "[bot]") && strstr(c.body, text) != NULL)
				return c.body;
		(void)loop_run_until(d->loop, &d->server_gone, 20); /* time passing is all that is wanted */
	}
	if (d->err.code == 0)
		err_set(&d->err, ERR_TIMEOUT, "sluice's comment did not come to say \"%s\" within %d s; the server's log is %s", text, WAIT_MS / 1000, d->log);
	return NULL;
}

static int person_says(struct demo *d, const char *who, const char *body)
{
	int64_t id;
	say_quoted(who, body);
	return sim_comment(d->sim, REPO, d->pull, who, body, &id, &d->err);
}

static int open_pull(struct demo *d)
{
	say("\n1. alice pushes a branch that changes a shared module and one project, and opens a pull request\n");
	int rc = sim_commit(d->sim, REPO, "cost-labels", "alice", "Label what we pay for", demo_change, demo_change_n, NULL, &d->err);
	struct sim_pr_new n = {.repo = REPO, .user = "alice", .title = "Label what we pay for", .head = "cost-labels"};
	return rc == 0 ? sim_pr_open(d->sim, &n, &d->pull, &d->err) : rc;
}

static int see_plan(struct demo *d)
{
	int64_t began = clock_mono_ms();
	const char *body = wait_for(d, "To apply");
	if (body == NULL)
		return d->err.code;
	say("\n2. sluice has planned the two projects that the change touches (%lld ms after the push)\n", (long long)(clock_mono_ms() - began));
	say_quoted("sluice", body);
	if (strstr(body, "network") == NULL || strstr(body, "dns") == NULL || strstr(body, "`web`") != NULL)
		return err_set(&d->err, ERR_REFUSED, "the comment should show network and dns, and not web");
	return 0;
}

static int see_refusal(struct demo *d)
{
	say("\n3. alice asks for the apply before anybody has approved\n");
	int rc = person_says(d, "alice", "apply");
	if (rc != 0)
		return rc;
	const char *body = wait_for(d, "refused");
	if (body == NULL)
		return d->err.code;
	say_quoted("sluice (the same comment, edited)", body);
	struct sim_pr_view pr;
	if (!sim_pr_view(d->sim, REPO, d->pull, &pr) || pr.merged)
		return err_set(&d->err, ERR_REFUSED, "a refused apply must not merge");
	return strstr(body, "approv") != NULL ? 0 : err_set(&d->err, ERR_REFUSED, "the refusal should name the missing approval");
}

static int see_apply(struct demo *d)
{
	say("\n4. bob approves, alice asks again\n");
	int rc = sim_review(d->sim, REPO, d->pull, "bob", "APPROVE", "Looks right.", &d->err);
	say_quoted("bob (review: approved)", "Looks right.");
	if (rc == 0)
		rc = person_says(d, "alice", "apply");
	if (rc != 0)
		return rc;
	const char *body = wait_for(d, "applied 2 of 2");
	if (body == NULL)
		return d->err.code;
	say("\n5. merged, and applied from the merge commit on protected main\n");
	say_quoted("sluice (the same comment, edited)", body);
	struct sim_pr_view pr;
	if (!sim_pr_view(d->sim, REPO, d->pull, &pr) || !pr.merged)
		return err_set(&d->err, ERR_REFUSED, "an apply must have merged the pull request");
	return 0;
}

struct child {
	bool done;
	int code;
	char *out;
};

static void child_done(const struct loop_exit *e, void *arg)
{
	struct child *c = arg;
	c->done = true;
	c->code = e->err.code != 0 ? e->err.code : e->code;
	c->out = xstrndup(e->out, e->out_len);
}

static int run_child(struct demo *d, char *const *argv, char **ret_out)
{
	struct child c = {0};
	struct loop_spawn s = {.file = d->program, .argv = argv, .max_output = 1024 * 1024};
	(void)loop_process_start(d->loop, &s, child_done, &c); /* gone when it is done */
	if (!loop_run_until(d->loop, &c.done, WAIT_MS))
		return err_set(&d->err, ERR_TIMEOUT, "sluice %s did not end", argv[1]);
	*ret_out = c.out;
	return c.code == 0 ? 0 : err_set(&d->err, ERR_REFUSED, "sluice %s ended with status %d", argv[1], c.code);
}

static int see_state(struct demo *d)
{
	say("\n6. managed state on disk: sealed, one version a project, and the database's word for it\n\n");
	CLEANUP_FREE char *file = fs_join(d->dir, "sluice-server.yaml");
	CLEANUP_FREE char *out = NULL, *pulled = NULL;
	char name[] = "sluice", word[] = "state", list[] = "list", pull[] = "pull", dns[] = "dns", flag[] = "--config";
	char *argv_list[] = {name, word, list, flag, file, NULL}, *argv_pull[] = {name, word, pull, dns, flag, file, NULL};
	int rc = run_child(d, argv_list, &out);
	if (rc == 0)
		rc = run_child(d, argv_pull, &pulled);
	if (rc != 0)
		return rc;
	say("%s", out);
	if (strstr(out, "network") == NULL || strstr(out, "dns") == NULL || strstr(pulled, "www.example.com") == NULL)
		return err_set(&d->err, ERR_REFUSED, "the state of network and dns should be kept, and dns should hold www.example.com");
	say("\n  dns pulled: %zu bytes, holds www.example.com\n", strlen(pulled));
	return 0;
}

static void on_stop(int signum, void *arg)
{
	struct demo *d = arg;
	(void)signum;
	d->stop = true;
}

static int stay(struct demo *d)
{
	loop_on_signal(d->loop, SIGINT, on_stop, d);
	loop_on_signal(d->loop, SIGTERM, on_stop, d);
	say("\nOpen %s/ in a browser: edit a file, open a pull request, comment, approve, merge, and watch sluice answer.\n"
	    "The server's log is %s. Ctrl-C ends both.\n",
	    sim_url(d->sim), d->log);
	while (!d->stop && !d->server_gone)
		(void)loop_run_until(d->loop, &d->stop, 200); /* a signal or the server's end is looked for in between */
	return d->stop ? 0 : d->err.code;
}

static int set_up(struct demo *d)
{
	char scratch[] = "/tmp/sluice-demo-XXXXXX";
	if (mkdtemp(scratch) == NULL)
		return err_sys(&d->err, "make a scratch directory");
	d->dir = xstrdup(scratch);
	d->log = fs_join(d->dir, "server.log");
	d->program = xasprintf("%s/sluice", fs_self_dir());
	d->loop = loop_new();
	d->port = free_port(&d->err);
	int rc = d->port > 0 ? start_sim(d) : d->err.code;
	if (rc == 0)
		rc = write_server_file(d);
	if (rc == 0)
		rc = start_server(d);
	if (rc == 0)
		say("sluice serves %s from %s/data; the simulated GitHub is %s\n", REPO, d->dir, sim_url(d->sim));
	return rc;
}

/* Ends the server by its signal and waits, so that nothing is left behind. */
static void tear_down(struct demo *d, bool keep_files)
{
	if (d->server != NULL) {
		if (d->err.code == 0)
			err_set(&d->err, ERR_CANCELLED, "done");
		loop_process_kill(d->server, SIGTERM);
		(void)loop_run_until(d->loop, &d->server_gone, 5000); /* it is killed below when it does not listen */
		if (d->server != NULL)
			loop_process_close(d->server);
	}
	sim_close(d->sim);
	if (d->loop != NULL) {
		loop_signals_close(d->loop);
		loop_close(d->loop);
	}
	struct err err = {0};
	if (!keep_files && d->dir != NULL && fs_remove_tree(d->dir, &err) != 0)
		say("scratch directory left behind: %s\n", err.msg);
	free(d->dir);
	free(d->log);
	free(d->program);
}

static int (*const acts[])(struct demo *d) = {open_pull, see_plan, see_refusal, see_apply, see_state};

int cmd_demo(int argc, char **argv)
{
	struct demo d = {0};
	bool serve = false;
	int64_t port = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--serve") == 0) {
			serve = true;
		} else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc && text_int(argv[i + 1], 1, 65535, &port, NULL) == 0) {
			d.sim_port = (int)port;
			i++;
		} else {
			(void)fprintf(stderr, "usage: sluice demo [--serve] [--port N]\n");
			return 2;
		}
	}
	int rc = set_up(&d);
	if (rc == 0 && serve)
		rc = stay(&d);
	for (size_t i = 0; rc == 0 && !serve && i < ARRAY_LEN(acts); i++)
		rc = acts[i](&d);
	if (rc != 0)
		(void)fprintf(stderr, "\nsluice demo: %s\n", d.err.msg);
	else if (!serve)
		say("\nEach step held.\n");
	tear_down(&d, rc != 0);
	return rc == 0 ? 0 : 1;
}
