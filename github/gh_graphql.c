#include "github/gh_priv.h"

#include "base/clock.h"
#include "base/limits.h"

#include <stdio.h>

/* What REST does not tell: review threads and the merge queue. A query is one POST; errors come inside a 200. */

enum { QUERY_LIMITED_MS = 60 * 1000 };

static const char QUERY_GATE_THREADS[] =
	"query($owner: String!, $name: String!, $number: Int!, $after: String) {"
	" repository(owner: $owner, name: $name) { pullRequest(number: $number) { headRefOid"
	" mergeQueueEntry { state position }"
	" reviewThreads(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { isResolved } } } } }";

static const char QUERY_PULL_ID[] =
	"query($owner: String!, $name: String!, $number: Int!) {"
	" repository(owner: $owner, name: $name) { pullRequest(number: $number) { id } } }";

static const char MUTATION_ENQUEUE[] =
	"mutation($pull: ID!, $head: GitObjectID!) {"
	" enqueuePullRequest(input: {pullRequestId: $pull, expectedHeadOid: $head}) { mergeQueueEntry { state position } } }";

void gh_threads_free(struct gh_threads *t)
{
	free(t->head_sha);
	free(t->queue_state);
	*t = (struct gh_threads){0};
}

/* --- answers ------------------------------------------------------------------------------------------------------------------------- */

static int first_error(const struct json *list, bool *ret_limited, struct err *err)
{
	struct json e = json_first(list), type = json_member(&e, "type"), message = json_member(&e, "message");
	const char *kind = json_text(&type), *text = json_text(&message);
	CLEANUP_BUF struct buf clean = {0};
	gh_clean_line(&clean, text != NULL ? text : "an error without a message");
	kind = kind != NULL ? kind : "";
	if (strcmp(kind, "RATE_LIMITED") == 0) {
		*ret_limited = true;
		return err_set(err, ERR_UNAVAILABLE, "%s (GitHub limits us; sluice waits as told)", buf_str(&clean));
	}
	if (strcmp(kind, "FORBIDDEN") == 0 || strcmp(kind, "INSUFFICIENT_SCOPES") == 0)
		return err_set(err, ERR_REFUSED, "%s (the token or the App lacks a permission for this)", buf_str(&clean));
	if (strcmp(kind, "NOT_FOUND") == 0)
		return err_set(err, ERR_NOT_FOUND, "%s (it does not exist or the token may not see it)", buf_str(&clean));
	if (strcmp(kind, "UNPROCESSABLE") == 0)
		return err_set(err, ERR_REFUSED, "%s (GitHub does not allow it in the present state)", buf_str(&clean));
	return err_set(err, ERR_PARSE, "GitHub answers with an error: %s", buf_str(&clean));
}

/* One error makes the whole answer unknown: what else stands in it may lack what could not be read. */
int gh_decode_graphql(const char *body, size_t len, struct json_doc **ret_doc, struct json *ret_data, bool *ret_limited, struct err *err)
{
	struct json root, errors;
	size_t n = 0;
	*ret_limited = false;
	int rc = gh_parse_as(body, len, JSON_OBJECT, ret_doc, &root, err);
	if (rc == 0)
		rc = json_arr_opt(&root, "errors", &errors, &n, err);
	if (rc == 0 && n > 0)
		rc = first_error(&errors, ret_limited, err);
	return rc == 0 ? json_obj(&root, "data", ret_data, err) : rc;
}

static int pull_in(const struct json *data, struct json *ret_pull, struct err *err)
{
	struct json repo;
	int rc = json_obj(data, "repository", &repo, err);
	return rc == 0 ? json_obj(&repo, "pullRequest", ret_pull, err) : rc;
}

static int queue_entry(const struct json *parent, struct gh_threads *t, struct err *err)
{
	struct json entry;
	const char *state = NULL;
	int rc = json_obj_opt(parent, "mergeQueueEntry", &entry, err);
	if (rc != 0 || !json_ok(&entry))
		return rc;
	rc = json_str(&entry, "state", GH_NAME_MAX, &state, err);
	if (rc == 0)
		rc = json_int(&entry, "position", 0, INT32_MAX, &t->queue_position, err);
	if (rc == 0)
		xstrset(&t->queue_state, state);
	t->queued = rc == 0;
	return rc;
}

static int count_threads(const struct json *pull, struct gh_threads *t, char **ret_cursor, struct err *err)
{
	struct json threads, page, nodes;
	size_t n;
	bool more = false, resolved = false;
	int rc = json_obj(pull, "reviewThreads", &threads, err);
	if (rc == 0)
		rc = json_arr(&threads, "nodes", &nodes, &n, err);
	for (struct json e = rc == 0 ? json_first(&nodes) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		rc = json_bool(&e, "isResolved", &resolved, err);
		t->total++;
		t->unresolved += !resolved;
	}
	if (rc == 0)
		rc = json_obj(&threads, "pageInfo", &page, err);
	if (rc == 0)
		rc = json_bool(&page, "hasNextPage", &more, err);
	return rc == 0 && more ? gh_copy_str(&page, "endCursor", GH_REF_MAX, ret_cursor, err) : rc;
}

int gh_decode_threads(const char *body, size_t len, struct gh_threads *ret, char **ret_cursor, bool *ret_limited, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json data, pull;
	char *head = NULL;
	int rc = gh_decode_graphql(body, len, &doc, &data, ret_limited, err);
	if (rc == 0)
		rc = pull_in(&data, &pull, err);
	if (rc == 0)
		rc = gh_sha_from(&pull, "headRefOid", &head, err);
	if (rc == 0)
		rc = queue_entry(&pull, ret, err);
	if (rc == 0)
		rc = count_threads(&pull, ret, ret_cursor, err);
	free(ret->head_sha);
	ret->head_sha = head;
	return rc;
}

/* --- calls --------------------------------------------------------------------------------------------------------------------------- */

static void end(struct gh_flow *f, int rc, bool limited, const struct err *err)
{
	bool asked = strstr(f->body.len > 0 ? f->body.data : "", "mutation(") == NULL;
	if (rc == 0) {
		gh_flow_done(f);
		return;
	}
	if (limited) {
		f->a.r.retry_at_ms = clock_wall_ms() + QUERY_LIMITED_MS;
		gh_flow_limited(f, f->a.r.retry_at_ms);
	}
	/* GitHub said that it did not do it; only an answer that we do not understand leaves that open. */
	(void)err_set(&f->a.r.err, rc, "POST /graphql for %s#%lld: %s (%s%s)", f->repo, (long long)f->number, err->msg,
		      f->request_id[0] != '\0' ? "request " : "no request id", f->request_id);
	f->a.r.ambiguous = !asked && rc == ERR_PARSE;
	gh_flow_done(f);
}

static void open_query(struct json_writer *w, const char *query)
{
	jw_open(w, NULL);
	jw_str(w, "query", query);
	jw_open(w, "variables");
}

static void close_query(struct json_writer *w)
{
	jw_close(w);
	jw_close(w);
}

/* False: repo is not OWNER/NAME. */
static bool put_pull(struct json_writer *w, const struct gh_flow *f)
{
	const char *slash = strchr(f->repo, '/');
	if (slash == NULL)
		return false;
	jw_strn(w, "owner", f->repo, (size_t)(slash - f->repo));
	jw_str(w, "name", slash + 1);
	jw_int(w, "number", f->number);
	return true;
}

static bool ask(struct gh_flow *f, const char *query, const char *after, gh_step step)
{
	buf_reset(&f->body);
	struct json_writer w = json_writer(&f->body);
	open_query(&w, query);
	bool ok = put_pull(&w, f);
	if (after != NULL)
		jw_str(&w, "after", after);
	close_query(&w);
	f->repeatable = true; /* a question */
	if (ok)
		gh_flow_query(f, step);
	else
		gh_flow_refuse(f, ERR_USAGE, "repositories are OWNER/NAME");
	return ok;
}

static struct gh_flow *pull_flow(struct gh *g, enum gh_purpose purpose, const char *repo, int64_t n, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, purpose, repo, cb, arg);
	f->method = "POST";
	f->repo = xstrdup(repo);
	f->number = n;
	return f;
}

static void got_threads(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	CLEANUP_FREE char *cursor = NULL;
	bool limited = false;
	int rc = gh_decode_threads(res->body, res->body_len, &f->threads, &cursor, &limited, &err);
	if (rc == 0 && cursor != NULL && ++f->at < LIMIT_GITHUB_PAGES) {
		(void)ask(f, QUERY_GATE_THREADS, cursor, got_threads); /* the same repository as the page before */
		return;
	}
	if (rc == 0 && cursor != NULL)
		rc = err_set(&err, ERR_LIMIT, "more than %u pages of review threads; sluice reads no further", LIMIT_GITHUB_PAGES);
	f->a.threads = rc == 0 ? &f->threads : NULL;
	end(f, rc, limited, &err);
}

void gh_get_threads(struct gh *g, const char *repo, int64_t n, gh_cb cb, void *arg)
{
	(void)ask(pull_flow(g, GH_FOR_READ, repo, n, cb, arg), QUERY_GATE_THREADS, NULL, got_threads); /* a refusal ends it by itself */
}

static void got_enqueued(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json data, payload;
	bool limited = false;
	int rc = gh_decode_graphql(res->body, res->body_len, &doc, &data, &limited, &err);
	if (rc == 0)
		rc = json_obj(&data, "enqueuePullRequest", &payload, &err);
	if (rc == 0)
		rc = queue_entry(&payload, &f->threads, &err);
	if (rc == 0 && !f->threads.queued)
		rc = err_set(&err, ERR_PARSE, "data.enqueuePullRequest.mergeQueueEntry: missing");
	f->a.id = f->threads.queue_position;
	f->a.threads = rc == 0 ? &f->threads : NULL;
	end(f, rc, limited, &err);
}

static void got_pull_id(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json data, pull;
	const char *id = NULL;
	bool limited = false;
	int rc = gh_decode_graphql(res->body, res->body_len, &doc, &data, &limited, &err);
	if (rc == 0)
		rc = pull_in(&data, &pull, &err);
	if (rc == 0)
		rc = json_str(&pull, "id", GH_NAME_MAX, &id, &err);
	if (rc != 0) {
		end(f, rc, limited, &err);
		return;
	}
	buf_reset(&f->body);
	struct json_writer w = json_writer(&f->body);
	open_query(&w, MUTATION_ENQUEUE);
	jw_str(&w, "pull", id);
	jw_str(&w, "head", f->sha);
	close_query(&w);
	f->repeatable = false;
	gh_flow_query(f, got_enqueued);
}

void gh_enqueue(struct gh *g, const char *repo, int64_t n, const char *head_sha, gh_cb cb, void *arg)
{
	struct gh_flow *f = pull_flow(g, GH_FOR_MERGE, repo, n, cb, arg);
	f->sha = xstrdup(head_sha);
	(void)ask(f, QUERY_PULL_ID, NULL, got_pull_id); /* a refusal ends it by itself */
}
