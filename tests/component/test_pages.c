/* The plain pages over a real server: the token opens a run, nothing in a log can become HTML, and the numbers are there. */
#include "base/http_client.h"
#include "plan/jobs.h"
#include "tests/component/world.h"
#include "webhooks/pages.h"

struct scene {
	struct world *w;
	struct pages *pages;
	struct intake *intake;
	struct http_server *http;
	struct http_client *client;
	struct secret secret;
};

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg) { return pages_on_head(x, ret_max_body, ((struct scene *)arg)->pages); }
static void on_request(struct http_exchange *x, void *arg) { pages_on_request(x, ((struct scene *)arg)->pages); }
static void on_stored(void *arg) { (void)arg; }

static int setup(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	struct err err = {0};
	s->w = world_open(NULL);
	struct rig *r = &s->w->r;
	static uint8_t secret[] = "a secret that nobody uses here";
	s->secret = (struct secret){.bytes = secret, .len = sizeof(secret) - 1};
	struct intake_options io = {.l = r->l, .db = r->db, .secrets = &s->secret, .secrets_n = 1, .on_stored = on_stored};
	s->intake = intake_new(&io);
	struct pages_options po = {.db = r->db, .runs = r->runs, .intake = s->intake, .outbox = r->outbox, .data_dir = r->config.data_dir};
	s->pages = pages_new(&po);
	struct http_server_options ho = {.host = "127.0.0.1", .port = 0, .on_head = on_head, .on_request = on_request, .arg = s};
	s->http = http_server_start(r->l, &ho, &err);
	assert_non_null(s->http);
	s->client = http_client_new(r->l);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	http_client_close(s->client);
	http_server_close(s->http);
	rig_stop(&s->w->r);
	intake_free(s->intake);
	pages_free(s->pages);
	world_close(s->w);
	free(s);
	return 0;
}

struct answer {
	int status;
	bool done;
	char type[128], policy[256];
	struct buf body;
};

static void on_response(const struct http_response *res, void *arg)
{
	struct answer *a = arg;
	a->status = res->status;
	const char *type = http_header(res, "content-type"), *policy = http_header(res, "content-security-policy");
	(void)snprintf(a->type, sizeof(a->type), "%s", type != NULL ? type : "");
	(void)snprintf(a->policy, sizeof(a->policy), "%s", policy != NULL ? policy : "");
	buf_reset(&a->body);
	buf_add(&a->body, res->body, res->body_len);
	a->done = true;
}

static int get(struct scene *s, const char *method, const char *path, struct answer *a)
{
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d%s", http_server_port(s->http), path);
	struct http_request req = {.method = method, .url = url, .max_body = 8 << 20, .timeout_ms = 5000};
	a->done = false;
	(void)http_send(s->client, &req, on_response, a); /* gone when it is answered */
	assert_true(loop_run_until(s->w->l, &a->done, 8000));
	return a->status;
}

static int get_of_run(struct scene *s, int64_t run, const char *page, const char *token, const char *more, struct answer *a)
{
	CLEANUP_FREE char *path = xasprintf("/runs/%lld%s?k=%s%s", (long long)run, page, token, more);
	return get(s, "GET", path, a);
}

static void a_run(void **state)
{
	struct scene *s = *state;
	struct answer a = {0};
	int64_t run = world_plan(s->w, s->w->pull);
	CLEANUP_FREE char *token = xstrdup(rig_text(&s->w->r, "SELECT token FROM run"));
	assert_int_equal(get_of_run(s, run, "", token, "", &a), 200);
	says(a.type, "text/html");
	assert_string_equal(a.policy, "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	says(buf_str(&a.body), "acme/infra");
	says(buf_str(&a.body), "log of &lt;b&gt;net&lt;/b&gt; &amp; job 1"); /* as the executor wrote it, and as text */
	assert_null(strstr(buf_str(&a.body), "<b>net"));
	assert_int_equal(get_of_run(s, run, "/log.txt", token, "&job=1", &a), 200);
	says(a.type, "text/plain");
	assert_string_equal(buf_str(&a.body), "log of <b>net</b> & job 1\n");
	static const char *const jobs[] = {"", "&job=2", "&job=0", "&job=x", "&job=99999999999999999999"};
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
		assert_int_equal(get_of_run(s, run, "/log.txt", token, jobs[i], &a), 404);
	buf_free(&a.body);
}

/* Of the box: how well it held, and which connections came to nothing, as text. */
static void a_box(void **state)
{
	struct scene *s = *state;
	struct answer a = {0};
	const struct job_exit held = {.isolation = (char[]){"full"}, .breach = (char[]){"time"}, .peak_memory = 1 << 20, .cpu_ms = 100, .connections = 2,
				      .connections_refused = 1};
	static const char lines[] = "{\"host\":\"ok.example\",\"verdict\":\"ok\"}\n{\"said\":\"<b>evil</b>.example:443 is not listed\"}\nnot JSON\n";
	struct err err = {0};
	s->w->r.held = &held;
	int64_t run = world_plan(s->w, s->w->pull);
	CLEANUP_FREE char *token = xstrdup(rig_text(&s->w->r, "SELECT token FROM run"));
	CLEANUP_FREE char *path = jobs_egress_path(&s->w->r.config, rig_int(&s->w->r, "SELECT id FROM job"));
	sim_must(fs_write_fast(path, lines, strlen(lines), 0600, &err), &err);
	assert_int_equal(get_of_run(s, run, "", token, "", &a), 200);
	says(buf_str(&a.body), "<dt>sandbox</dt><dd>full; 2 connections, 1 refused; 1 MiB of memory, 0.1 s of CPU time</dd>");
	says(buf_str(&a.body), "<h3>Connections: 2, refused: 1</h3><ul><li>&lt;b&gt;evil&lt;/b&gt;.example:443 is not listed</li></ul>");
	assert_int_equal(get(s, "GET", "/metrics", &a), 200);
	static const char *const numbers[] = {
		"sluice_sandbox_tier{tier=\"full\"} 1\n", "sluice_sandbox_tier{tier=\"bounded\"} 0\n", "sluice_sandbox_findings 0\n",
		"sluice_jobs_ended_by_limit_total{what=\"time\"} 1\n", "sluice_jobs_ended_by_limit_total{what=\"memory\"} 0\n",
		"sluice_egress_connections_total 2\n", "sluice_egress_refused_total 1\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		says(buf_str(&a.body), numbers[i]);
	buf_free(&a.body);
}

static void the_token(void **state)
{
	struct scene *s = *state;
	struct answer wrong = {0}, missing = {0};
	int64_t run = world_plan(s->w, s->w->pull);
	CLEANUP_FREE char *token = xstrdup(rig_text(&s->w->r, "SELECT token FROM run")), *cut = xstrndup(token, 47), *longer = xasprintf("%s0", token),
			  *other = xstrdup(token);
	other[47] = other[47] == '0' ? '1' : '0';
	assert_int_equal(get_of_run(s, run + 5, "", token, "", &missing), 404);
	const char *const bad[] = {"", cut, longer, other, "%00"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(get_of_run(s, run, "", bad[i], "", &wrong), 404);
		assert_string_equal(buf_str(&wrong.body), buf_str(&missing.body)); /* nothing tells them apart */
		assert_int_equal(get_of_run(s, run, "/log.txt", bad[i], "&job=1", &wrong), 404);
	}
	CLEANUP_FREE char *bare = xasprintf("/runs/%lld", (long long)run);
	assert_int_equal(get(s, "GET", bare, &wrong), 404);
	buf_free(&wrong.body);
	buf_free(&missing.body);
}

static void hostile_texts(void **state)
{
	struct scene *s = *state;
	struct answer a = {0};
	static const struct rig_project odd[] = {{.name = "<script>alert(1)</script>", .error = "\"><img src=x onerror=alert(2)>"}};
	rig_prepared(&s->w->r, odd, 1);
	int64_t run = world_plan(s->w, s->w->pull);
	rig_exec(&s->w->r, "UPDATE run SET error='<iframe>' || char(27) || '[31m' || char(8238), repo='a/<u>'");
	CLEANUP_FREE char *token = xstrdup(rig_text(&s->w->r, "SELECT token FROM run"));
	assert_int_equal(get_of_run(s, run, "", token, "", &a), 200);
	static const char *const never[] = {"<script", "<img", "<iframe", "<u>", "\x1b", "\xe2\x80\xae"};
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_null(strstr(buf_str(&a.body), never[i]));
	says(buf_str(&a.body), "&lt;script&gt;alert(1)");
	says(buf_str(&a.body), "&lt;iframe&gt;&lt;U+202E&gt;");
	says(buf_str(&a.body), "No log yet.");
	buf_free(&a.body);
}

static void a_job_at_work(void **state)
{
	struct scene *s = *state;
	struct answer a = {0};
	struct err err = {0};
	s->w->r.plan_play = PLAY_HOLD;
	int64_t run = rig_run(&s->w->r, RUN_PLAN, s->w->pull, NULL);
	assert_true(rig_started(&s->w->r, "net", PHASE_PLAN));
	CLEANUP_FREE char *token = xstrdup(rig_text(&s->w->r, "SELECT token FROM run"));
	CLEANUP_FREE char *live = fs_join(rig_job(&s->w->r, "net", PHASE_PLAN)->job_dir, "log");
	sim_must(fs_mkdir_p(rig_job(&s->w->r, "net", PHASE_PLAN)->job_dir, 0700, &err), &err);
	sim_must(fs_write_fast(live, "so far\n", 7, 0600, &err), &err);
	assert_int_equal(get_of_run(s, run, "", token, "", &a), 200);
	says(buf_str(&a.body), "so far");
	says(buf_str(&a.body), "running");
	rig_end(&s->w->r, "net", PHASE_PLAN, PLAY_OK);
	is_in_state(rig_over(&s->w->r, run), RUN_DONE);
	buf_free(&a.body);
}

static void other_paths(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
		const char *body;
	} rows[] = {
		{"GET", "/healthz", 200, "ok"},  {"GET", "/readyz", 200, "ready"}, {"GET", "/", 404, "not found"},       {"GET", "/runs/", 404, ""},
		{"GET", "/runs/x", 404, ""},     {"GET", "/runs/-1", 404, ""},     {"GET", "/runs/1/secret", 404, ""},   {"GET", "/runs/1/log.txt/x", 404, ""},
		{"POST", "/healthz", 405, NULL}, {"PUT", "/metrics", 405, NULL},   {"GET", "/runs/99999999999999999999", 404, ""},
	};
	struct scene *s = *state;
	struct answer a = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (get(s, rows[i].method, rows[i].path, &a) != rows[i].status)
			fail_msg("%s %s: %d", rows[i].method, rows[i].path, a.status);
		if (rows[i].body != NULL)
			says(buf_str(&a.body), rows[i].body);
	}
	buf_free(&a.body);
}

static void metrics(void **state)
{
	struct scene *s = *state;
	struct answer a = {0};
	assert_int_equal(get(s, "GET", "/metrics", &a), 200);
	says(a.type, "version=0.0.4");
	static const char *const lines[] = {
		"# TYPE sluice_webhooks_total counter\n", "sluice_webhooks_total{disposition=\"stored\"} 0\n", "sluice_webhooks_total{disposition=\"refused\"} 0\n",
		"\nsluice_active 0\n", "\nsluice_outbox_pending 0\n", "\nsluice_outbox_dead 0\n", "\nsluice_store_queue 0\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		says(buf_str(&a.body), lines[i]);
	s->w->r.plan_play = PLAY_HOLD;
	(void)rig_run(&s->w->r, RUN_PLAN, s->w->pull, NULL);
	assert_true(rig_started(&s->w->r, "net", PHASE_PLAN));
	assert_int_equal(get(s, "GET", "/metrics", &a), 200);
	says(buf_str(&a.body), "\nsluice_active 2\n"); /* a run and its job */
	buf_free(&a.body);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(a_run), T(a_box), T(the_token), T(hostile_texts), T(a_job_at_work), T(other_paths), T(metrics)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
