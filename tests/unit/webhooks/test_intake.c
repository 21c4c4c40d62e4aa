/* The intake route on a real server and a real database: every answer it can give, and what is stored afterwards. */
#include "webhooks/intake.h"

#include "base/crypto.h"
#include "base/fs.h"
#include "base/http_client.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "webhooks/delivery_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static const struct db_migration migrations[] = {{1, DELIVERY_SCHEMA}};
static const char body_ok[] = "{\"action\":\"opened\"}";

struct fixture {
	char dir[64];
	struct loop *l;
	struct db *db;
	struct http_server *s;
	struct http_client *c;
	struct intake *in;
	struct secret secrets[2];
	int told;
	int logged;
	char last_log[1024];
};

struct result {
	int status;
	bool done;
	char text[512];
};

static void on_told(void *arg)
{
	struct fixture *f = arg;
	f->told++;
}

static void on_log(const char *line, void *arg)
{
	struct fixture *f = arg;
	f->logged++;
	(void)snprintf(f->last_log, sizeof(f->last_log), "%s", line);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = {0};
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sluice-intake-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	CLEANUP_FREE char *path = fs_join(f->dir, "db");
	f->l = loop_new();
	assert_int_equal(db_open(f->l, path, migrations, 1, &f->db, &err), 0);
	assert_int_equal(secret_set(&f->secrets[0], "old", 3, &err), 0);
	assert_int_equal(secret_set(&f->secrets[1], "new", 3, &err), 0);
	struct intake_options o = {.l = f->l, .db = f->db, .secrets = f->secrets, .secrets_n = 2, .on_stored = on_told, .arg = f};
	f->in = intake_new(&o);
	struct http_server_options so = {.host = "127.0.0.1", .on_head = intake_on_head, .on_request = intake_on_request, .arg = f->in};
	f->s = http_server_start(f->l, &so, &err);
	assert_non_null(f->s);
	f->c = http_client_new(f->l);
	log_set_sink(on_log, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	http_client_close(f->c);
	http_server_close(f->s);
	db_close(f->db);
	intake_free(f->in);
	loop_close(f->l);
	log_set_sink(NULL, NULL);
	secret_free(&f->secrets[0]);
	secret_free(&f->secrets[1]);
	int rc = fs_remove_tree(f->dir, NULL);
	free(f);
	return rc;
}

static void on_response(const struct http_response *res, void *arg)
{
	struct result *r = arg;
	r->status = res->status;
	(void)snprintf(r->text, sizeof(r->text), "%.*s", (int)res->body_len, res->body);
	r->done = true;
}

static void sign(const char *secret, const char *body, size_t len, char out[80])
{
	uint8_t mac[SHA256_SIZE];
	crypto_hmac_sha256(secret, strlen(secret), body, len, mac);
	struct buf hex = {0};
	text_hex(&hex, mac, sizeof(mac));
	(void)snprintf(out, 80, "sha256=%s", buf_str(&hex));
	buf_free(&hex);
}

struct shot {
	const char *method, *type, *event, *guid, *signature; /* NULL: header left out; signature "old" or "new": made with that secret */
	const char *body;
	size_t len; /* 0: strlen */
};

static const struct shot good = {"POST", "application/json", "push", "11111111-aaaa", "old", body_ok, 0};

static void add(struct http_header *h, size_t *n, const char *name, const char *value)
{
	if (value != NULL)
		h[(*n)++] = (struct http_header){name, value};
}

static struct result fire(struct fixture *f, const struct shot *s)
{
	struct result r = {0};
	struct http_header h[4];
	char url[64], signature[80];
	size_t n = 0, len = s->len != 0 ? s->len : strlen(s->body);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/webhooks/github", http_server_port(f->s));
	if (s->signature != NULL && (strcmp(s->signature, "old") == 0 || strcmp(s->signature, "new") == 0))
		sign(s->signature, s->body, len, signature);
	else if (s->signature != NULL)
		(void)snprintf(signature, sizeof(signature), "%s", s->signature);
	add(h, &n, "Content-Type", s->type);
	add(h, &n, "X-GitHub-Event", s->event);
	add(h, &n, "X-GitHub-Delivery", s->guid);
	add(h, &n, "X-Hub-Signature-256", s->signature != NULL ? signature : NULL);
	struct http_request req = {.method = s->method, .url = url, .headers = h, .headers_n = n, .body = s->body, .body_len = len, .max_body = 10000,
				   .timeout_ms = 8000};
	(void)http_send(f->c, &req, on_response, &r);
	assert_true(loop_run_until(f->l, &r.done, 10000));
	return r;
}

struct rows {
	int64_t n;
	char last_guid[80], last_body[80], last_event[40];
	bool done;
};

static int count_rows(struct db_conn *c, void *arg, struct err *err)
{
	struct rows *r = arg;
	struct db_stmt *s;
	int rc = db_query(c, &s, err, "SELECT count(*), max(guid), max(CAST(body AS TEXT)), max(event) FROM delivery", "");
	if (rc != 0 || db_step(s, err) != 1)
		return ERR_IO;
	r->n = db_int(s, 0);
	if (r->n > 0) {
		(void)snprintf(r->last_guid, sizeof(r->last_guid), "%s", db_text(s, 1));
		(void)snprintf(r->last_body, sizeof(r->last_body), "%s", db_text(s, 2));
		(void)snprintf(r->last_event, sizeof(r->last_event), "%s", db_text(s, 3));
	}
	db_reset(s);
	return 0;
}

static void on_counted(int rc, const struct err *err, void *arg)
{
	struct rows *r = arg;
	(void)err;
	assert_int_equal(rc, 0);
	r->done = true;
}

static struct rows stored(struct fixture *f)
{
	struct rows r = {0};
	db_submit(f->db, count_rows, on_counted, &r);
	assert_true(loop_run_until(f->l, &r.done, 5000));
	return r;
}

static void test_stored_then_known(void **state)
{
	struct fixture *f = *state;
	struct result r = fire(f, &good);
	assert_int_equal(r.status, 202);
	assert_string_equal(r.text, "stored\n");
	struct rows rows = stored(f);
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.last_guid, "11111111-aaaa");
	assert_string_equal(rows.last_body, body_ok);
	assert_string_equal(rows.last_event, "push");
	assert_int_equal(f->told, 1);
	struct shot again = good;
	again.body = "{\"action\":\"other\"}";
	r = fire(f, &again);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.text, "known already\n");
	rows = stored(f);
	assert_int_equal(rows.n, 1);
	assert_string_equal(rows.last_body, body_ok); /* the first one stays */
	assert_int_equal(f->told, 1);
	assert_int_equal(intake_counts(f->in)->stored, 1);
	assert_int_equal(intake_counts(f->in)->repeated, 1);
	assert_int_equal(f->logged, 0);
}

static void test_second_secret_and_known_events(void **state)
{
	struct fixture *f = *state;
	static const char *const events[] = {"pull_request", "issue_comment", "push"};
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		char guid[24];
		(void)snprintf(guid, sizeof(guid), "guid-%zu", i);
		struct shot s = good;
		s.signature = "new";
		s.event = events[i];
		s.guid = guid;
		assert_int_equal(fire(f, &s).status, 202);
	}
	assert_int_equal(stored(f).n, 3);
}

static void test_answers_that_store_nothing(void **state)
{
	struct fixture *f = *state;
	static const char zeros[] = "sha256=0000000000000000000000000000000000000000000000000000000000000000";
	static const char long_guid[] = "12345678901234567890123456789012345678901234567890123456789012345";
	static const struct {
		struct shot s;
		int status;
		const char *text; /* of the answer or the log */
	} cases[] = {
		{{"POST", "application/json", "ping", "g", "old", "{}", 0}, 200, "pong"},
		{{"POST", "application/json; charset=utf-8", "star", "g", "old", "{}", 0}, 200, "ignored"},
		{{"GET", "application/json", "push", "g", "old", "", 0}, 405, "not POST"},
		{{"PUT", "application/json", "push", "g", "old", "{}", 0}, 405, "not POST"},
		{{"POST", "application/x-www-form-urlencoded", "push", "g", "old", "{}", 0}, 415, "content type"},
		{{"POST", "application/jsonp", "push", "g", "old", "{}", 0}, 415, "content type"},
		{{"POST", NULL, "push", "g", "old", "{}", 0}, 415, "content type"},
		{{"POST", "application/json", NULL, "g", "old", "{}", 0}, 400, "missing or malformed"},
		{{"POST", "application/json", "push", NULL, "old", "{}", 0}, 400, "missing or malformed"},
		{{"POST", "application/json", "push", "g h", "old", "{}", 0}, 400, "missing or malformed"},
		{{"POST", "application/json", "push", long_guid, "old", "{}", 0}, 400, "missing or malformed"},
		{{"POST", "application/json", "Push!", "g", "old", "{}", 0}, 400, "missing or malformed"},
		{{"POST", "application/json", "push", "g", NULL, "{}", 0}, 401, "X-Hub-Signature-256 header is missing"},
		{{"POST", "application/json", "push", "g", zeros, "{}", 0}, 401, "signature does not fit"},
		{{"POST", "application/json", "push", "g", "sha256=00", "{}", 0}, 401, "signature does not fit"},
		{{"POST", "application/json", "push", "g", "sha1=00", "{}", 0}, 401, "signature does not fit"},
		{{"POST", "application/json", "push", "g", "sha256=zz", "{}", 0}, 401, "signature does not fit"},
		{{"POST", "application/json", "push", "g", zeros, "{broken", 0}, 401, "signature does not fit"}, /* no parse before it fits */
		{{"POST", "application/json", "push", "g", "old", "{broken", 0}, 400, "intake.refused"},
		{{"POST", "application/json", "push", "g", "old", "{\"a\":\"\\u0000\xff\"}", 0}, 400, "intake.refused"},
		{{"POST", "application/json", "ping", "g", "old", "", 0}, 400, "intake.refused"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->last_log[0] = '\0';
		if (i % 8 == 7)
			(void)usleep(1100000); /* the log takes ten refusals a second */
		struct result r = fire(f, &cases[i].s);
		if (r.status != cases[i].status || (strstr(r.text, cases[i].text) == NULL && strstr(f->last_log, cases[i].text) == NULL))
			fail_msg("case %zu: %d %s; log: %s", i, r.status, r.text, f->last_log);
	}
	assert_int_equal(stored(f).n, 0);
	assert_int_equal(f->told, 0);
	assert_int_equal(intake_counts(f->in)->pings, 1);
	assert_int_equal(intake_counts(f->in)->ignored, 1);
	assert_int_equal(intake_counts(f->in)->refused, ARRAY_LEN(cases) - 2);
}

static void test_deep_json(void **state)
{
	struct fixture *f = *state;
	char deep[2 * LIMIT_JSON_DEPTH + 3];
	memset(deep, '[', LIMIT_JSON_DEPTH + 1);
	memset(deep + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH + 1);
	deep[sizeof(deep) - 1] = '\0';
	struct shot s = good;
	s.body = deep;
	assert_int_equal(fire(f, &s).status, 400);
	assert_non_null(strstr(f->last_log, "64"));
	assert_int_equal(stored(f).n, 0);
}

static void test_too_large(void **state)
{
	struct fixture *f = *state;
	size_t len = LIMIT_WEBHOOK_BYTES + 1;
	char *body = xmalloc(len);
	memset(body, ' ', len);
	struct shot s = good;
	s.body = body;
	s.len = len;
	assert_int_equal(fire(f, &s).status, 413);
	s.len = LIMIT_WEBHOOK_BYTES; /* exactly the limit is read to its end, and then is no JSON */
	assert_int_equal(fire(f, &s).status, 400);
	free(body);
	assert_int_equal(stored(f).n, 0);
}

static void test_refusals_do_not_flood_the_log(void **state)
{
	struct fixture *f = *state;
	struct shot s = good;
	s.signature = NULL;
	for (int i = 0; i < 100; i++)
		assert_int_equal(fire(f, &s).status, 401);
	assert_in_range(f->logged, 10, 30); /* it took at most two seconds */
	assert_int_equal(intake_counts(f->in)->refused, 100);
}

static int drop_table(struct db_conn *c, void *arg, struct err *err)
{
	(void)arg;
	return db_exec(c, "DROP TABLE delivery", err);
}

static void test_failing_database(void **state)
{
	struct fixture *f = *state;
	db_submit(f->db, drop_table, NULL, NULL);
	struct result r = fire(f, &good);
	assert_int_equal(r.status, 503);
	assert_string_equal(r.text, "not stored; send it again later\n");
	assert_non_null(strstr(f->last_log, "intake.store"));
	assert_int_equal(intake_counts(f->in)->failed, 1);
	assert_int_equal(f->told, 0);
}

struct burst {
	int answers, accepted;
	bool done;
};

static void on_burst(const struct http_response *res, void *arg)
{
	struct burst *b = arg;
	b->accepted += res->status == 202;
	b->done = ++b->answers == 200;
}

/* Many at once, two of each guid: each guid is accepted exactly once, and on_stored is told fewer times than that. */
static void test_burst_with_repeats(void **state)
{
	struct fixture *f = *state;
	struct burst b = {0};
	char url[64], signature[80];
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/webhooks/github", http_server_port(f->s));
	sign("old", body_ok, strlen(body_ok), signature);
	for (int i = 0; i < 200; i++) {
		char guid[24];
		(void)snprintf(guid, sizeof(guid), "burst-%d", i / 2);
		struct http_header h[] = {{"Content-Type", "application/json"}, {"X-GitHub-Event", "push"}, {"X-GitHub-Delivery", guid},
					  {"X-Hub-Signature-256", signature}};
		struct http_request req = {.method = "POST", .url = url, .headers = h, .headers_n = 4, .body = body_ok, .body_len = strlen(body_ok),
					   .max_body = 1000, .timeout_ms = 8000};
		(void)http_send(f->c, &req, on_burst, &b);
	}
	assert_true(loop_run_until(f->l, &b.done, 10000));
	assert_int_equal(b.accepted, 100);
	assert_int_equal(stored(f).n, 100);
	assert_int_equal(intake_counts(f->in)->repeated, 100);
	assert_in_range(f->told, 1, 100);
}

static void on_late(const struct http_response *res, void *arg)
{
	(void)res;
	(void)arg;
}

/* The server, the database and the intake end in this order while a delivery is between the loop and the writer. */
static void test_end_with_one_under_way(void **state)
{
	struct fixture *f = *state;
	char url[64], signature[80];
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/webhooks/github", http_server_port(f->s));
	sign("new", body_ok, strlen(body_ok), signature);
	struct http_header h[] = {{"Content-Type", "application/json"}, {"X-GitHub-Event", "push"}, {"X-GitHub-Delivery", "last"},
				  {"X-Hub-Signature-256", signature}};
	struct http_request req = {.method = "POST", .url = url, .headers = h, .headers_n = 4, .body = body_ok, .body_len = strlen(body_ok),
				   .max_body = 1000, .timeout_ms = 8000};
	(void)http_send(f->c, &req, on_late, NULL);
	bool never = false;
	for (int i = 0; i < 200 && http_server_inflight(f->s) == 0 && intake_counts(f->in)->stored == 0; i++)
		(void)loop_run_until(f->l, &never, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stored_then_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_secret_and_known_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_that_store_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deep_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals_do_not_flood_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failing_database, setup, teardown),
		cmocka_unit_test_setup_teardown(test_burst_with_repeats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_with_one_under_way, setup, teardown),
	};
	return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
