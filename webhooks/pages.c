#include "webhooks/pages.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/job_box_kept.h"

enum { PAGE_LOG_BYTES = 4 * 1024 * 1024, SAID_SHOWN = 50, SAID_MAX = 4096, LINES_MAX = 5000 };

struct pages {
	struct pages_options o;
};

/* One request for a run's page on its way through the database. */
struct visit {
	struct pages *p;
	struct http_exchange *x;
	int64_t run_id;
	char *token;
	bool as_text; /* /runs/ID/log.txt: one job's log as it is */
	int64_t job_id;
	struct run_row run;
	struct job_list jobs;
};

static const char STYLE[] = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
			    "pre{overflow:auto;padding:1rem;border:1px solid #8886;border-radius:6px;font-size:13px}"
			    "h2{margin-top:2rem}dt{font-weight:600}dd{margin:0 0 .5rem}";

static void visit_free(struct visit *v)
{
	run_row_free(&v->run);
	job_list_free(&v->jobs);
	free(v->token);
	free(v);
}

static int visit_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct visit *v = arg;
	int rc = run_get(c, v->run_id, &v->run, err);
	return rc == 0 ? job_list_of_run(c, v->run_id, &v->jobs, err) : rc;
}

static void reply_html(struct http_exchange *x, int status, const struct buf *b)
{
	static const char *const headers[][2] = {
		{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		{"Referrer-Policy", "no-referrer"},
		{"Cache-Control", "no-store"},
	};
	http_reply(x, status, "text/html; charset=utf-8", buf_str(b), b->len, headers, ARRAY_LEN(headers));
}

static void add_text(struct buf *b, const char *s)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, s, strlen(s));
	text_html(b, buf_str(&clean), clean.len);
}

/* The log of a job that runs lies in its directory, of one that is over where logs are kept. */
static bool read_log(const struct pages *p, const struct job_row *job, struct buf *log)
{
	if (job->log == NULL)
		return false;
	CLEANUP_FREE char *kept = fs_join(p->o.data_dir, job->log);
	if (fs_read(kept, PAGE_LOG_BYTES, log, NULL) == 0)
		return true;
	CLEANUP_FREE char *live = xasprintf("%s/jobs/%lld/log", p->o.data_dir, (long long)job->id);
	return fs_read(live, PAGE_LOG_BYTES, log, NULL) == 0;
}

/* Why connections of the job came to nothing, from the log of them. The lines are ours; hosts in them are not. */
static void add_connections(struct buf *b, const struct visit *v, const struct job_row *job)
{
	CLEANUP_FREE char *path = xasprintf("%s/logs/%lld.egress", v->p->o.data_dir, (long long)job->id);
	CLEANUP_BUF struct buf lines = {0};
	size_t shown = 0, looked_at = 0;
	if (job->connections_refused == 0 || fs_read(path, LIMIT_EGRESS_LOG_BYTES, &lines, NULL) != 0)
		return;
	buf_printf(b, "<h3>Connections: %lld, refused: %lld</h3><ul>", (long long)job->connections, (long long)job->connections_refused);
	for (const char *line = buf_str(&lines); *line != '\0' && shown < SAID_SHOWN && looked_at < LINES_MAX; looked_at++) {
		size_t len = strcspn(line, "\n");
		CLEANUP_JSON struct json_doc *doc = NULL;
		struct json root;
		const char *said;
		if (json_parse(line, len, NULL, &doc, &root, NULL) == 0 && json_str(&root, "said", SAID_MAX, &said, NULL) == 0) {
			buf_adds(b, "<li>");
			add_text(b, said);
			buf_adds(b, "</li>");
			shown++;
		}
		line += len + (line[len] == '\n');
	}
	buf_adds(b, "</ul>");
}

static void add_job(struct buf *b, const struct visit *v, const struct job_row *job)
{
	buf_printf(b, "<section id=\"job-%lld\"><h2>", (long long)job->id);
	add_text(b, job->project);
	buf_printf(b, "</h2><dl><dt>%s</dt><dd>%s", job_phase_name(job->phase), job_state_name(job->state));
	if (job->finished_ms != 0 && job->started_ms != 0) {
		buf_adds(b, ", ");
		text_took(b, job->finished_ms - job->started_ms);
	}
	buf_adds(b, "</dd>");
	if (job->error != NULL) {
		buf_adds(b, "<dt>error</dt><dd>");
		add_text(b, job->error);
		buf_adds(b, "</dd>");
	}
	if (job->isolation != NULL) {
		buf_adds(b, "<dt>sandbox</dt><dd>");
		add_text(b, job->isolation);
		CLEANUP_BUF struct buf used = {0};
		job_box_used(job, &used);
		if (used.len != 0)
			buf_printf(b, "; %s", buf_str(&used));
		buf_adds(b, "</dd>");
	}
	buf_adds(b, "</dl>");
	add_connections(b, v, job);
	CLEANUP_BUF struct buf log = {0};
	if (read_log(v->p, job, &log)) {
		buf_printf(b, "<p><a href=\"/runs/%lld/log.txt?k=%s&amp;job=%lld\">as plain text</a></p><pre>", (long long)v->run_id, v->run.token,
			   (long long)job->id);
		add_text(b, buf_str(&log));
		buf_adds(b, "</pre>");
	} else {
		buf_adds(b, "<p>No log yet.</p>");
	}
	buf_adds(b, "</section>");
}

static void show_run(struct visit *v)
{
	CLEANUP_BUF struct buf b = {0};
	buf_printf(&b, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
		       "<title>run %lld</title><style>%s</style></head><body><main><h1>",
		   (long long)v->run_id, STYLE);
	add_text(&b, v->run.repo);
	char when[CLOCK_ISO_SIZE];
	buf_printf(&b, " #%lld · run %lld</h1><p>%s, %s", (long long)v->run.pull, (long long)v->run_id, v->run.kind == RUN_PLAN ? "plan" : "apply",
		   run_state_name(v->run.state));
	buf_printf(&b, " · %s", clock_people(v->run.created_ms, when));
	if (v->run.head_sha != NULL)
		buf_printf(&b, " · <code>%.7s</code>", v->run.head_sha);
	buf_adds(&b, "</p>");
	if (v->run.error != NULL) {
		buf_adds(&b, "<p>");
		add_text(&b, v->run.error);
		buf_adds(&b, "</p>");
	}
	for (size_t i = 0; i < v->jobs.n; i++)
		add_job(&b, v, &v->jobs.v[i]);
	buf_adds(&b, "</main></body></html>\n");
	reply_html(v->x, 200, &b);
}

static void show_log(struct visit *v)
{
	for (size_t i = 0; i < v->jobs.n; i++) {
		CLEANUP_BUF struct buf log = {0};
		if (v->jobs.v[i].id != v->job_id || !read_log(v->p, &v->jobs.v[i], &log))
			continue;
		CLEANUP_BUF struct buf clean = {0};
		text_clean(&clean, buf_str(&log), log.len);
		static const char *const headers[][2] = {{"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}};
		http_reply(v->x, 200, "text/plain; charset=utf-8", buf_str(&clean), clean.len, headers, ARRAY_LEN(headers));
		return;
	}
	http_reply_text(v->x, 404, "no such log\n");
}

static void visit_done(int rc, const struct err *err, void *arg)
{
	struct visit *v = arg;
	(void)err;
	size_t n = rc == 0 ? strlen(v->run.token) : 0;
	/* a wrong token and a missing run look the same */
	if (rc != 0 || strlen(v->token) != n || !crypto_same(v->token, v->run.token, n))
		http_reply_text(v->x, 404, "no such run, or the link is incomplete: open it from the comment\n");
	else if (v->as_text)
		show_log(v);
	else
		show_run(v);
	visit_free(v);
}

/* "/runs/12" or "/runs/12/log.txt" */
static bool parse_run_path(const char *path, int64_t *ret_id, bool *ret_text)
{
	if (!text_starts(path, "/runs/"))
		return false;
	const char *rest = path + 6;
	size_t n = strcspn(rest, "/");
	CLEANUP_FREE char *digits = xstrndup(rest, n);
	if (text_int(digits, 1, INT64_MAX, ret_id, NULL) != 0)
		return false;
	*ret_text = strcmp(rest + n, "/log.txt") == 0;
	return rest[n] == '\0' || *ret_text;
}

static void visit_run(struct http_exchange *x, struct pages *p, int64_t run_id, bool as_text)
{
	const char *token = http_query(x, "k"), *job = http_query(x, "job");
	struct visit *v = xcalloc(1, sizeof(*v));
	*v = (struct visit){.p = p, .x = x, .run_id = run_id, .as_text = as_text, .token = xstrdup(token != NULL ? token : "")};
	if (job != NULL && text_int(job, 1, INT64_MAX, &v->job_id, NULL) != 0)
		v->job_id = 0; /* answered as a log that is not there */
	db_submit(p->o.db, visit_tx, visit_done, v);
}

struct metrics {
	struct pages *p;
	struct http_exchange *x;
};

static void add_gauge(struct buf *b, const char *name, const char *help, int64_t value)
{
	buf_printf(b, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name, help, name, name, (long long)value);
}

static void add_reconcile(struct buf *b, const struct reconcile_counts *n)
{
	const struct {
		const char *name, *help;
		uint64_t n;
	} rows[] = {{"rounds", "Rounds of looking for what GitHub did not tell.", n->rounds},
		    {"calls", "API calls of them.", n->calls},
		    {"deliveries", "Lost deliveries that were fetched.", n->deliveries},
		    {"plans", "Heads that were found without a plan.", n->plans},
		    {"closed", "Pull requests that were found closed.", n->closed}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		buf_printf(b, "# HELP sluice_reconcile_%s_total %s\n# TYPE sluice_reconcile_%s_total counter\nsluice_reconcile_%s_total %llu\n", rows[i].name,
			   rows[i].help, rows[i].name, rows[i].name, (unsigned long long)rows[i].n);
}

static void add_sandbox(struct buf *b, const struct tier_report *host, const struct jobs_counts *n)
{
	size_t wrong = 0;
	buf_adds(b, "# HELP sluice_sandbox_tier How well this host holds a job in: 1 for the tier that a job at the start found.\n"
		    "# TYPE sluice_sandbox_tier gauge\n");
	for (int t = 0; t < TIERS; t++)
		buf_printf(b, "sluice_sandbox_tier{tier=\"%s\"} %d\n", tier_name((enum tier)t), host != NULL && (int)host->tier == t);
	for (size_t i = 0; host != NULL && i < host->n; i++)
		wrong += !host->v[i].ok;
	add_gauge(b, "sluice_sandbox_findings", "Things about the sandbox that are not as they should be; the log of the start names them.", (int64_t)wrong);
	buf_adds(b, "# HELP sluice_jobs_ended_by_limit_total Jobs that a ceiling ended.\n# TYPE sluice_jobs_ended_by_limit_total counter\n");
	for (int w = BREACH_NONE + 1; w < BREACHES; w++)
		buf_printf(b, "sluice_jobs_ended_by_limit_total{what=\"%s\"} %llu\n", breach_name((enum breach)w), (unsigned long long)n->breaches[w]);
	buf_printf(b, "# HELP sluice_egress_connections_total Connections that jobs asked for.\n# TYPE sluice_egress_connections_total counter\n"
		      "sluice_egress_connections_total %llu\n# HELP sluice_egress_refused_total Those of them that were refused.\n"
		      "# TYPE sluice_egress_refused_total counter\nsluice_egress_refused_total %llu\n",
		   (unsigned long long)n->connections, (unsigned long long)n->connections_refused);
}

static void metrics_reply(int64_t pending, int64_t dead, void *arg)
{
	struct metrics *m = arg;
	const struct intake_counts *in = intake_counts(m->p->o.intake);
	CLEANUP_BUF struct buf b = {0};
	buf_adds(&b, "# HELP sluice_webhooks_total Webhooks by what became of them.\n# TYPE sluice_webhooks_total counter\n");
	const struct {
		const char *name;
		uint64_t n;
	} rows[] = {{"stored", in->stored}, {"repeated", in->repeated}, {"ignored", in->ignored},
		    {"ping", in->pings},    {"refused", in->refused},	{"failed", in->failed}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		buf_printf(&b, "sluice_webhooks_total{disposition=\"%s\"} %llu\n", rows[i].name, (unsigned long long)rows[i].n);
	add_gauge(&b, "sluice_active", "Runs and jobs under way.", (int64_t)runs_active(m->p->o.runs));
	add_gauge(&b, "sluice_outbox_pending", "Effects owed to GitHub.", pending);
	add_gauge(&b, "sluice_outbox_dead", "Effects that GitHub will not take: locked, archived, switched off, or a permission is missing.", dead);
	add_gauge(&b, "sluice_store_queue", "Requests waiting for the database.", (int64_t)db_waiting(m->p->o.db));
	add_sandbox(&b, runs_host(m->p->o.runs), runs_jobs_counts(m->p->o.runs));
	if (m->p->o.reconcile != NULL)
		add_reconcile(&b, m->p->o.reconcile);
	http_reply(m->x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&b), b.len, NULL, 0);
	free(m);
}

int pages_on_head(const struct http_exchange *x, size_t *ret_max_body, struct pages *p)
{
	(void)p;
	*ret_max_body = 0;
	return strcmp(http_method(x), "GET") == 0 || strcmp(http_method(x), "HEAD") == 0 ? 0 : 405;
}

void pages_on_request(struct http_exchange *x, struct pages *p)
{
	const char *path = http_path(x);
	int64_t run_id;
	bool as_text;
	if (parse_run_path(path, &run_id, &as_text)) {
		visit_run(x, p, run_id, as_text);
	} else if (strcmp(path, "/healthz") == 0) {
		http_reply_text(x, 200, "ok\n");
	} else if (strcmp(path, "/readyz") == 0) {
		bool ready = db_waiting(p->o.db) < LIMIT_DB_QUEUE;
		http_reply_text(x, ready ? 200 : 503, ready ? "ready\n" : "the database is behind\n");
	} else if (strcmp(path, "/metrics") == 0) {
		struct metrics *m = xcalloc(1, sizeof(*m));
		*m = (struct metrics){p, x};
		outbox_counts(p->o.outbox, metrics_reply, m);
	} else {
		http_reply_text(x, 404, "not found\n");
	}
}

struct pages *pages_new(const struct pages_options *o)
{
	struct pages *p = xcalloc(1, sizeof(*p));
	p->o = *o;
	return p;
}

void pages_free(struct pages *p) { free(p); }
