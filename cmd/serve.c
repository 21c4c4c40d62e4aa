/* `sluice serve`: the daemon. Everything is put together here, in the order of the nine steps, and taken apart in the reverse order.
 * Crash-only: a clean stop waits for the transactions under way and leaves; runners go on and are found again. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/app_sign.h"
#include "cmd/canary.h"
#include "cmd/commands.h"
#include "cmd/data_dir.h"
#include "cmd/notify.h"
#include "cmd/schema.h"
#include "plan/audit_head.h"
#include "runner/cgroup.h"
#include "webhooks/decide.h"
#include "webhooks/intake.h"
#include "webhooks/pages.h"
#include "webhooks/reconcile.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SECRETS_MAX = 2, DRAIN_POLL_MS = 10, TIDY_MS = 5000, GIVE_BACK_MS = 1000 };

struct daemon {
	struct server_config config;
	char *config_file, *program;
	int lock_fd;
	struct secret secrets[SECRETS_MAX];
	size_t secrets_n;
	struct secret token;
	struct agent *agent;
	struct audit_head *audit_head;
	struct loop *loop;
	struct db *db;
	struct app_sign *sign; /* NULL: we are an account with a token */
	struct gh *gh;
	struct outbox *outbox;
	struct runs *runs;
	struct decide *decide;
	struct reconcile *reconcile;
	struct canary *canary; /* until it has answered */
	struct intake *intake;
	struct pages *pages;
	struct http_server *http;
	struct loop_timer *drain, *tidy;
	bool stopping;
	int64_t give_back_until_ms; /* monotonic: tokens of ours are revoked on the way out, if GitHub answers */
};

static int load_config(struct daemon *d, struct err *err)
{
	struct config_errors errors = {0};
	int rc = server_config_load(d->config_file, &d->config, &errors, err);
	if (rc != 0 && errors.n != 0) {
		CLEANUP_BUF struct buf b = {0};
		config_errors_print(&errors, &b);
		err_set(err, ERR_USAGE, "the configuration has errors:\n%s", buf_str(&b));
	}
	config_errors_free(&errors);
	return rc;
}

static int load_secrets(struct daemon *d, struct err *err)
{
	/* the key agent reads an App's private key itself */
	int rc = d->config.token_file != NULL ? secret_read_file(&d->token, d->config.token_file, false, err) : 0;
	for (size_t i = 0; rc == 0 && i < d->config.webhook_secret_files.n && i < SECRETS_MAX; i++) {
		rc = secret_read_file(&d->secrets[i], d->config.webhook_secret_files.v[i], false, err);
		d->secrets_n = i + 1;
	}
	return rc;
}

/* One server per data directory. */
static int lock_data_dir(struct daemon *d, struct err *err)
{
	int rc = fs_mkdir_p(d->config.data_dir, 0700, err);
	if (rc != 0)
		return rc;
	return data_dir_lock(d->config.data_dir, &d->lock_fd, err);
}

static size_t inflight(void *arg)
{
	const struct daemon *d = arg;
	return d->http != NULL ? http_server_inflight(d->http) : 0;
}

static void on_stored(void *arg)
{
	struct daemon *d = arg;
	if (!d->stopping)
		decide_wake(d->decide);
}

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	struct daemon *d = arg;
	if (strcmp(http_path(x), "/webhooks/github") == 0)
		return intake_on_head(x, ret_max_body, d->intake);
	return pages_on_head(x, ret_max_body, d->pages);
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct daemon *d = arg;
	if (strcmp(http_path(x), "/webhooks/github") == 0)
		intake_on_request(x, d->intake);
	else
		pages_on_request(x, d->pages);
}

static int open_database(struct daemon *d, struct err *err)
{
	size_t n;
	const struct db_migration *migrations = schema_migrations(&n);
	CLEANUP_FREE char *path = data_dir_database(d->config.data_dir);
	return db_open(d->loop, path, migrations, n, &d->db, err);
}

static int start_github(struct daemon *d, struct err *err)
{
	CLEANUP_FREE char *token = d->token.len != 0 ? xstrndup((const char *)d->token.bytes, d->token.len) : NULL;
	struct gh_options go = {.api_url = d->config.api_url, .token = token};
	if (token == NULL) {
		CLEANUP_FREE char *id = xasprintf("%lld", (long long)d->config.app_id);
		d->sign = app_sign_new(d->db, d->agent, id);
		go.app = app_sign_app(d->sign);
	}
	d->gh = gh_new(d->loop, &go);
	if (token != NULL)
		explicit_bzero(token, strlen(token));
	d->outbox = outbox_new(d->loop, d->db, d->gh);
	struct runs_options ro = {.loop = d->loop, .db = d->db, .gh = d->gh, .outbox = d->outbox, .agent = d->agent, .config = &d->config,
				  .server_file = d->config_file, .program = d->program};
	return runs_new(&ro, &d->runs, err);
}

static int start_edges(struct daemon *d, struct err *err)
{
	struct decide_options eo = {.loop = d->loop, .db = d->db, .gh = d->gh, .outbox = d->outbox, .runs = d->runs, .config = &d->config,
				    .server_file = d->config_file, .program = d->program, .version = SLUICE_VERSION,
				    .intake_inflight = inflight, .arg = d};
	d->decide = decide_new(&eo);
	struct reconcile_options reo = {.loop = d->loop, .db = d->db, .gh = d->gh, .outbox = d->outbox, .runs = d->runs, .decide = d->decide,
					.config = &d->config};
	d->reconcile = reconcile_new(&reo);
	struct intake_options io = {.l = d->loop, .db = d->db, .secrets = d->secrets, .secrets_n = d->secrets_n, .on_stored = on_stored, .arg = d};
	d->intake = intake_new(&io);
	struct pages_options po = {.db = d->db, .runs = d->runs, .intake = d->intake, .outbox = d->outbox, .data_dir = d->config.data_dir,
				   .reconcile = reconcile_counts(d->reconcile)};
	d->pages = pages_new(&po);
	struct http_server_options ho = {.host = d->config.listen_host, .port = d->config.listen_port, .on_head = on_head, .on_request = on_request,
					 .arg = d};
	d->http = http_server_start(d->loop, &ho, err);
	return d->http != NULL ? 0 : err->code;
}

static int start_agent(struct daemon *d, struct err *err)
{
	char app_id[24];
	(void)snprintf(app_id, sizeof(app_id), "%lld", (long long)d->config.app_id); /* fits */
	bool app = d->config.app_id != 0 && d->config.app_private_key_file != NULL;
	struct agent_options o = {.data_dir = d->config.data_dir, .app_id = app ? app_id : NULL,
				  .app_key_file = app ? d->config.app_private_key_file : NULL};
	return agent_start(&o, &d->agent, err);
}

/* Before any child: it would be born where groups with limits cannot be made beside it. Without it jobs are bounded by other means, and the canary
 * says so. */
static void enter_group(void)
{
	struct err err = {0};
	if (cgroup_move_self(&err) != 0)
		log_warn("sandbox.group", "error=%s", log_value(err.msg));
}

static void on_canary(struct tier_report *host, void *arg)
{
	struct daemon *d = arg;
	d->canary = NULL;
	canary_log(host);
	runs_set_host(d->runs, host);
}

/* In the order in which things may be needed: keys before sockets, the database before what writes to it, the listener last. */
static int start(struct daemon *d, struct err *err)
{
	int rc = load_config(d, err);
	if (rc == 0)
		rc = load_secrets(d, err);
	if (rc == 0)
		rc = lock_data_dir(d, err);
	if (rc == 0)
		enter_group();
	if (rc == 0)
		rc = start_agent(d, err);
	if (rc != 0)
		return rc;
	d->loop = loop_new();
	rc = open_database(d, err);
	if (rc == 0)
		d->audit_head = audit_head_new(d->loop, d->db, d->agent); /* first: the beginning of the log is signed, too */
	if (rc == 0)
		rc = start_github(d, err);
	return rc == 0 ? start_edges(d, err) : rc;
}

static void stop_parts(struct daemon *d)
{
	http_server_close(d->http);
	canary_close(d->canary);
	reconcile_close(d->reconcile);
	decide_close(d->decide);
	runs_close(d->runs);
	if (d->outbox != NULL)
		outbox_close(d->outbox);
	if (d->gh != NULL)
		gh_close(d->gh);
	audit_head_close(d->audit_head);
	db_close(d->db);
	app_sign_free(d->sign);
	if (d->intake != NULL)
		intake_free(d->intake);
	pages_free(d->pages);
	loop_timer_close(d->drain);
	loop_timer_close(d->tidy);
	if (d->loop != NULL) {
		loop_signals_close(d->loop);
		loop_close(d->loop);
	}
	if (d->agent != NULL)
		agent_stop(d->agent);
	for (size_t i = 0; i < SECRETS_MAX; i++)
		secret_free(&d->secrets[i]);
	secret_free(&d->token);
	if (d->lock_fd >= 0)
		(void)close(d->lock_fd);
	server_config_free(&d->config);
	free(d->config_file);
	free(d->program);
}

/* Nothing is on its way to the disk: leave in this very turn, once the tokens are given back. */
static void on_drain(void *arg)
{
	struct daemon *d = arg;
	if (db_waiting(d->db) != 0)
		return;
	if (d->give_back_until_ms == 0) {
		d->give_back_until_ms = clock_mono_ms() + GIVE_BACK_MS;
		gh_give_back(d->gh);
	}
	if (!gh_giving_back(d->gh) || clock_mono_ms() > d->give_back_until_ms)
		loop_stop(d->loop);
}

static void on_signal(int signum, void *arg)
{
	struct daemon *d = arg;
	if (d->stopping)
		return;
	d->stopping = true;
	log_info("serve.stop", "signal=%d active=%zu", signum, runs_active(d->runs));
	notify_systemd("STOPPING=1");
	http_server_stop_accepting(d->http);
	d->drain = loop_timer_new(d->loop, on_drain, d);
	loop_timer_start(d->drain, 0, DRAIN_POLL_MS);
}

static int parse_args(struct daemon *d, int argc, char **argv)
{
	const char *file = "sluice-server.yaml";
	for (int i = 1; i < argc; i++) {
		if ((strcmp(argv[i], "--config") == 0 || strcmp(argv[i], "-c") == 0) && i + 1 < argc) {
			file = argv[++i];
		} else if (strcmp(argv[i], "--log-level") == 0 && i + 1 < argc) {
			enum log_level level;
			if (log_level_parse(argv[++i], &level) != 0)
				return -1;
			log_set_level(level);
		} else {
			return -1;
		}
	}
	d->config_file = realpath(file, NULL);
	if (d->config_file == NULL)
		d->config_file = xstrdup(file); /* the error names it as it was written */
	return 0;
}

static int exit_code_of(const struct err *err) { return err->code == ERR_USAGE || err->code == ERR_PARSE || err->code == ERR_NOT_FOUND ? 2 : 3; }

/* What is free between what is in use goes back only when asked for, and asking takes a millisecond: when nothing waits for us. */
static void tidy(void *arg)
{
	const struct daemon *d = arg;
	if (inflight(arg) == 0 && db_waiting(d->db) == 0)
		(void)malloc_trim(0); /* tells whether there was any */
}

/* A burst makes garbage that an idle server should not keep: few arenas, and what is free at the top goes back. */
static void keep_memory_small(void)
{
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	(void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

int cmd_serve(int argc, char **argv)
{
	struct daemon d = {.lock_fd = -1};
	struct err err = {0};
	keep_memory_small();
	(void)prctl(PR_SET_DUMPABLE, 0); /* tokens must not be read by others of our user, nor end in a core file */
	(void)signal(SIGPIPE, SIG_IGN); /* a client that went away is an error code, not the end */
	if (parse_args(&d, argc, argv) != 0) {
		(void)fprintf(stderr, "usage: sluice serve [--config FILE] [--log-level err|warn|info|debug]\n");
		return 2;
	}
	d.program = xasprintf("%s/sluice", fs_self_dir());
	int rc = start(&d, &err);
	if (rc != 0) {
		(void)fprintf(stderr, "sluice serve: %s\n", err.msg);
		stop_parts(&d);
		return exit_code_of(&err);
	}
	loop_on_signal(d.loop, SIGTERM, on_signal, &d);
	loop_on_signal(d.loop, SIGINT, on_signal, &d);
	log_info("serve.listening", "address=%s port=%d version=%s", d.config.listen_host, http_server_port(d.http), SLUICE_VERSION);
	notify_systemd("READY=1");
	d.tidy = loop_timer_new(d.loop, tidy, &d);
	loop_timer_start(d.tidy, TIDY_MS, TIDY_MS);
	d.canary = canary_start(d.loop, d.program, on_canary, &d);
	runs_recover(d.runs);
	cgroup_sweep();
	decide_wake(d.decide);
	outbox_wake(d.outbox);
	do
		loop_run(d.loop);
	while (db_waiting(d.db) != 0); /* the turn that stopped it may have brought an answer whose transaction is under way now */
	stop_parts(&d);
	return 0;
}
