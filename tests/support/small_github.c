#include "tests/support/small_github.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

uint64_t small_github_dice(struct small_github *g)
{
	g->seed ^= g->seed << 13;
	g->seed ^= g->seed >> 7;
	g->seed ^= g->seed << 17;
	return g->seed;
}

static char *body_of(const struct double_request *rq, const char *key)
{
	char *text = NULL;
	struct err err = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	const char *s;
	assert_int_equal(json_parse(rq->body, strlen(rq->body), NULL, &doc, &root, &err), 0);
	assert_int_equal(json_str(&root, key, 1 << 20, &s, &err), 0);
	text = xstrdup(s);
	return text;
}

void small_github_add_comment(struct small_github *g, int64_t author, char *body)
{
	assert_true(g->comments_n < COMMENTS_MAX);
	g->comments[g->comments_n] = (struct comment){.id = 3000000000 + (int64_t)g->comments_n, .author = author, .body = body};
	g->comments_n++;
}

static void print_comment(struct json_writer *w, const struct comment *c)
{
	jw_open(w, NULL);
	jw_int(w, "id", c->id);
	jw_str(w, "body", c->body);
	jw_open(w, "user");
	jw_int(w, "id", c->author);
	jw_str(w, "login", "x");
	jw_close(w);
	jw_close(w);
}

static struct comment *comment_at(struct small_github *g, const char *path)
{
	int64_t id;
	assert_int_equal(text_int(strrchr(path, '/') + 1, 1, INT64_MAX, &id, NULL), 0);
	struct comment *c = &g->comments[id - 3000000000];
	return c->gone ? NULL : c;
}

/* --- check runs ------------------------------------------------------------------------------------------------------------------------ */

static void take_text(const struct json *root, const char *key, char **text)
{
	struct json m = json_member(root, key);
	if (json_text(&m) != NULL)
		xstrset(text, json_text(&m));
}

static void print_check(struct json_writer *w, const struct small_github *g, const struct check *c)
{
	jw_open(w, NULL);
	jw_int(w, "id", c - g->checks + 1);
	jw_str(w, "name", c->name);
	jw_str(w, "head_sha", c->sha);
	jw_str(w, "external_id", c->external_id);
	jw_str(w, "status", c->status);
	jw_open(w, "output");
	jw_int(w, "annotations_count", (int64_t)c->annotations);
	jw_close(w);
	jw_open(w, "app");
	jw_int(w, "id", 4711);
	jw_close(w);
	jw_close(w);
}

static void write_check(struct small_github *g, const struct double_request *rq, struct double_answer *ret)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct json_writer w = json_writer(&ret->body);
	bool post = strcmp(rq->method, "POST") == 0;
	int64_t id = (int64_t)g->checks_n + 1;
	assert_int_equal(json_parse(rq->body, strlen(rq->body), NULL, &doc, &root, NULL), 0);
	assert_true(!post || g->checks_n < CHECKS_MAX);
	if (!post)
		assert_int_equal(text_int(strrchr(rq->path, '/') + 1, 1, (int64_t)g->checks_n, &id, NULL), 0);
	g->checks_n += post;
	struct check *c = &g->checks[id - 1];
	bool was_over = c->status != NULL && strcmp(c->status, "completed") == 0;
	take_text(&root, "name", &c->name);
	take_text(&root, "head_sha", &c->sha);
	take_text(&root, "external_id", &c->external_id);
	take_text(&root, "status", &c->status);
	take_text(&root, "conclusion", &c->conclusion);
	assert_true(!was_over || strcmp(c->status, "completed") == 0); /* never back */
	struct json output = json_member(&root, "output"), annotations = json_member(&output, "annotations");
	take_text(&output, "title", &c->title);
	assert_true(json_count(&annotations) <= 50);
	c->annotations += json_count(&annotations);
	ret->status = post ? 201 : 200;
	print_check(&w, g, c);
}

static void list_checks(const struct small_github *g, struct double_answer *ret)
{
	struct json_writer w = json_writer(&ret->body);
	jw_open(&w, NULL);
	jw_int(&w, "total_count", (int64_t)g->checks_n);
	jw_open_arr(&w, "check_runs");
	for (size_t i = 0; i < g->checks_n; i++)
		print_check(&w, g, &g->checks[i]);
	jw_close_arr(&w);
	jw_close(&w);
}

static void apply(struct small_github *g, const struct double_request *rq, struct double_answer *ret)
{
	struct json_writer w = json_writer(&ret->body);
	if (strcmp(rq->path, "/user") == 0 || text_starts(rq->path, "/users/")) {
		buf_printf(&ret->body, "{\"id\":%d,\"login\":\"sluice\"}", SMALL_GITHUB_SELF);
	} else if (strcmp(rq->path, "/app") == 0) {
		buf_adds(&ret->body, "{\"id\":4711,\"slug\":\"sluice\"}");
	} else if (strstr(rq->path, "/check-runs") != NULL) {
		if (strcmp(rq->method, "GET") == 0)
			list_checks(g, ret);
		else
			write_check(g, rq, ret);
	} else if (strstr(rq->path, "/statuses/") != NULL) {
		CLEANUP_FREE char *context = body_of(rq, "context");
		CLEANUP_FREE char *status = body_of(rq, "state");
		buf_printf(&g->statuses, "%s=%s ", context, status);
		ret->status = 201;
		buf_adds(&ret->body, "{}");
	} else if (strcmp(rq->method, "POST") == 0) {
		small_github_add_comment(g, SMALL_GITHUB_SELF, body_of(rq, "body"));
		ret->status = 201;
		print_comment(&w, &g->comments[g->comments_n - 1]);
	} else if (strcmp(rq->method, "PATCH") == 0) {
		struct comment *c = comment_at(g, rq->path);
		if (c == NULL) {
			ret->status = 404;
			return;
		}
		free(c->body);
		c->body = body_of(rq, "body");
		print_comment(&w, c);
	} else {
		jw_open_arr(&w, NULL);
		for (size_t i = 0; i < g->comments_n; i++)
			if (!g->comments[i].gone)
				print_comment(&w, &g->comments[i]);
		jw_close_arr(&w);
	}
}

void small_github_serve(const struct double_request *rq, struct double_answer *ret, void *small_github)
{
	struct small_github *g = small_github;
	bool write = strcmp(rq->method, "GET") != 0;
	enum fault f = g->next_fault;
	g->next_fault = FAULT_NONE;
	if (g->seed != 0 && small_github_dice(g) % 3 == 0)
		f = (enum fault)(small_github_dice(g) % FAULTS);
	buf_printf(&g->log, "%s ", rq->method);
	g->writes += write;
	if (f == FAULT_RESET_BEFORE || f == FAULT_502_BEFORE || f == FAULT_LIMIT || (write && g->refuse_status != 0)) {
		ret->reset = f == FAULT_RESET_BEFORE;
		ret->status = f == FAULT_LIMIT ? 403 : f == FAULT_502_BEFORE ? 502 : g->refuse_status;
		ret->headers = f == FAULT_LIMIT ? "Retry-After: 5\r\n" : NULL;
		return;
	}
	apply(g, rq, ret);
	if (f == FAULT_502_AFTER)
		ret->status = 502;
	ret->reset = f == FAULT_RESET_AFTER;
	if (f == FAULT_CUT) /* an answer that is no JSON any more */
		buf_truncate(&ret->body, ret->body.len / 2);
}

void small_github_free(struct small_github *g)
{
	for (size_t i = 0; i < g->comments_n; i++)
		free(g->comments[i].body);
	for (size_t i = 0; i < g->checks_n; i++) {
		struct check *c = &g->checks[i];
		char *const own[] = {c->name, c->sha, c->external_id, c->status, c->conclusion, c->title};
		for (size_t k = 0; k < ARRAY_LEN(own); k++)
			free(own[k]);
	}
	buf_free(&g->statuses);
	buf_free(&g->log);
}
