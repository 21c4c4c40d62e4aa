/* POST /graphql. Errors come inside a 200, as on GitHub: {"data": ..., "errors": [{"type", "path", "message"}]}.
 *
 * Queries: repository(owner, name) { ... pullRequest(number) { ... } }, rateLimit, viewer. Mutations: enqueuePullRequest, dequeuePullRequest.
 * What a query may select stands in sim_graph_pull.c; how it is read and cut in sim_gql.h. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_gate.h"
#include "cmd/sim/sim_gql.h"

enum { NAME_MAX_LEN = 200, SHA_LEN = SIM_SHA_SIZE - 1 };

/* One error of an answer; type NULL: the query itself is wrong, and there is no data. */
struct problem {
	const char *type, *field, *below; /* path: the root field, and a member of it */
	char message[ERR_MSG_MAX];
};

static void add_problem(struct json_writer *w, const struct problem *p)
{
	jw_open_arr(w, "errors");
	jw_open(w, NULL);
	if (p->type != NULL)
		jw_str(w, "type", p->type);
	if (p->field != NULL) {
		jw_open_arr(w, "path");
		jw_str(w, NULL, p->field);
		if (p->below != NULL)
			jw_str(w, NULL, p->below);
		jw_close_arr(w);
	}
	jw_raw(w, "locations", "[{\"line\":1,\"column\":1}]");
	jw_str(w, "message", p->message);
	jw_close(w);
	jw_close_arr(w);
}

static void PRINTF_LIKE(3, 4) set_problem(struct problem *p, const char *type, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	p->type = type;
	(void)vsnprintf(p->message, sizeof(p->message), fmt, ap);
	va_end(ap);
}

/* Projects a document, given as text, onto a root field. */
static int project(const struct sim_gql *g, size_t field, const struct buf *text, struct json_writer *w, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	const struct sim_gql_field *f = &g->fields[field];
	int rc = json_parse(buf_str(text), text->len, NULL, &doc, &root, err);
	if (rc != 0)
		return rc;
	if (f->child == 0)
		return err_set(err, ERR_PARSE, "Field must have selections (field '%s' has none)", f->name);
	jw_open(w, f->key);
	rc = sim_gql_project(g, field, &root, w, err);
	jw_close(w);
	return rc;
}

/* ---- queries ---- */

static int rate_limit(struct sim_req *q, const struct sim_gql *g, size_t field, struct json_writer *w, struct err *err)
{
	struct buf b CLEANUP_BUF = {0};
	struct json_writer d = json_writer(&b);
	int64_t used = (int64_t)(q->s->requests % SIM_RATE_LIMIT);
	jw_open(&d, NULL);
	jw_str(&d, "__typename", "RateLimit");
	jw_int(&d, "limit", SIM_RATE_LIMIT);
	jw_int(&d, "cost", 1);
	jw_int(&d, "used", used);
	jw_int(&d, "remaining", SIM_RATE_LIMIT - used);
	sim_shape_time(&d, "resetAt", clock_wall_ms() + 3600 * 1000);
	jw_close(&d);
	return project(g, field, &b, w, err);
}

static int viewer(struct sim_req *q, const struct sim_gql *g, size_t field, struct json_writer *w, struct err *err)
{
	struct buf b CLEANUP_BUF = {0};
	struct json_writer d = json_writer(&b);
	jw_open(&d, NULL);
	jw_str(&d, "__typename", "User");
	jw_str(&d, "login", q->viewer->login);
	jw_int(&d, "databaseId", q->viewer->id);
	jw_close(&d);
	return project(g, field, &b, w, err);
}

/* The pull request that a selection of the repository asks for. */
static int wanted_pull(const struct sim_gql *g, size_t field, int64_t *ret, struct err *err)
{
	static const char *const allowed[] = {"number", NULL};
	*ret = 0;
	for (size_t i = g->fields[field].child; i != 0; i = g->fields[i].next) {
		CLEANUP_JSON struct json_doc *doc = NULL;
		struct json args;
		if (g->fields[i].name == NULL || strcmp(g->fields[i].name, "pullRequest") != 0)
			continue;
		int rc = sim_gql_args(g, i, allowed, &doc, &args, err);
		if (rc == 0)
			rc = json_int(&args, "number", INT32_MIN, INT32_MAX, ret, err);
		if (rc != 0 || *ret != 0)
			return rc;
	}
	return 0;
}

static int repository(struct sim_req *q, const struct sim_gql *g, size_t field, struct json_writer *w, struct problem *p, struct err *err)
{
	static const char *const allowed[] = {"owner", "name", "followRenames", NULL};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json args;
	const char *owner, *name;
	struct buf b CLEANUP_BUF = {0};
	int64_t number;
	int rc = sim_gql_args(g, field, allowed, &doc, &args, err);
	if (rc == 0)
		rc = json_str(&args, "owner", NAME_MAX_LEN, &owner, err);
	if (rc == 0)
		rc = json_str(&args, "name", NAME_MAX_LEN, &name, err);
	if (rc == 0)
		rc = wanted_pull(g, field, &number, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *full = xasprintf("%s/%s", owner, name);
	struct sim_repo *r = sim_repo_find(q->s, full, strlen(full));
	if (r == NULL || !sim_may(r, q->viewer, "read") || (q->key != NULL && !sim_key_opens(q->key, r))) {
		set_problem(p, "NOT_FOUND", "Could not resolve to a Repository with the name '%s'.", full);
		p->field = g->fields[field].key;
		jw_null(w, g->fields[field].key);
		return 0;
	}
	struct sim_pull *pull = sim_pull_find(r, number);
	if (pull != NULL && pull->issue)
		pull = NULL;
	if (number != 0 && pull == NULL) {
		set_problem(p, "NOT_FOUND", "Could not resolve to a PullRequest with the number of %lld.", (long long)number);
		p->field = g->fields[field].key;
		p->below = "pullRequest";
	}
	struct json_writer d = json_writer(&b);
	sim_graph_repo(&d, q->s, r, pull, q->viewer);
	return project(g, field, &b, w, err);
}

/* ---- mutations ---- */

static struct sim_pull *pull_of_node(struct sim *s, const char *node_id, struct sim_repo **ret)
{
	int64_t id;
	if (!text_starts(node_id, "PR_sim") || text_int(node_id + 6, 1, INT64_MAX, &id, NULL) != 0)
		return NULL;
	for (size_t i = 0; i < s->repos_n; i++)
		for (size_t k = 0; k < s->repos[i]->pulls_n; k++)
			if (s->repos[i]->pulls[k]->id == id && !s->repos[i]->pulls[k]->issue) {
				*ret = s->repos[i];
				return s->repos[i]->pulls[k];
			}
	return NULL;
}

static int read_input(const struct sim_gql *g, size_t field, bool enter, struct json_doc **doc, const char **ret_id, const char **ret_head,
		      struct err *err)
{
	static const char *const allowed[] = {"input", NULL};
	static const char *const members[2][5] = {{"id", "clientMutationId", NULL},
						  {"pullRequestId", "expectedHeadOid", "jump", "clientMutationId", NULL}};
	struct json args, input;
	int rc = sim_gql_args(g, field, allowed, doc, &args, err);
	if (rc == 0)
		rc = json_obj(&args, "input", &input, err);
	for (struct json e = rc == 0 ? json_first(&input) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		size_t i = 0;
		while (members[enter][i] != NULL && strcmp(members[enter][i], json_key(&e)) != 0)
			i++;
		if (members[enter][i] == NULL)
			rc = err_set(err, ERR_PARSE, "InputObject doesn't accept argument '%s'", json_key(&e));
	}
	if (rc == 0)
		rc = json_str(&input, members[enter][0], NAME_MAX_LEN, ret_id, err);
	*ret_head = NULL;
	return rc == 0 && enter ? json_str_opt(&input, "expectedHeadOid", SHA_LEN, NULL, ret_head, err) : rc;
}

/* What the mutation did, or why not. */
static int act(struct sim_req *q, bool enter, const char *id, const char *head, struct sim_repo **ret_r, struct sim_pull **ret_p, struct problem *p)
{
	struct err err = {0};
	*ret_p = pull_of_node(q->s, id, ret_r);
	if (*ret_p == NULL || !sim_may(*ret_r, q->viewer, "read") || (q->key != NULL && !sim_key_opens(q->key, *ret_r))) {
		set_problem(p, "NOT_FOUND", "Could not resolve to a node with the global id of '%s'", id);
		return -1;
	}
	if (!sim_may(*ret_r, q->viewer, "write") || (q->key != NULL && !sim_key_may(q->key, "merge_queues", SIM_L_WRITE))) {
		set_problem(p, "FORBIDDEN", "%s", q->viewer->bot ? "Resource not accessible by integration" : "You have no permission to do this.");
		return -1;
	}
	int rc = enter ? sim_queue_enter(q->s, *ret_r, *ret_p, q->viewer, head, &err)
		       : sim_queue_leave(q->s, (*ret_r)->full_name, (*ret_p)->number, "MANUAL", &err);
	if (rc != 0)
		set_problem(p, "UNPROCESSABLE", "%s", err.msg);
	return rc;
}

static int queue(struct sim_req *q, const struct sim_gql *g, size_t field, bool enter, struct json_writer *w, struct problem *p, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	const char *id, *head;
	struct sim_repo *r = NULL;
	struct sim_pull *pull;
	struct buf before CLEANUP_BUF = {0}, b CLEANUP_BUF = {0};
	int rc = read_input(g, field, enter, &doc, &id, &head, err);
	if (rc != 0)
		return rc;
	struct json_writer d = json_writer(&before);
	pull = pull_of_node(q->s, id, &r);
	if (pull != NULL)
		sim_graph_entry(&d, NULL, r, pull->number);
	if (act(q, enter, id, head, &r, &pull, p) != 0) {
		p->field = g->fields[field].key;
		jw_null(w, p->field);
		return 0;
	}
	q->wrote = true;
	d = json_writer(&b);
	jw_open(&d, NULL);
	jw_str(&d, "__typename", enter ? "EnqueuePullRequestPayload" : "DequeuePullRequestPayload");
	jw_null(&d, "clientMutationId");
	if (enter)
		sim_graph_entry(&d, "mergeQueueEntry", r, pull->number);
	else
		jw_raw(&d, "mergeQueueEntry", buf_str(&before));
	jw_close(&d);
	return project(g, field, &b, w, err);
}

/* ---- an operation ---- */

static int root_field(struct sim_req *q, const struct sim_gql *g, size_t i, struct json_writer *w, struct problem *p, struct err *err)
{
	const char *name = g->fields[i].name != NULL ? g->fields[i].name : "...";
	if (g->mutation && (strcmp(name, "enqueuePullRequest") == 0 || strcmp(name, "dequeuePullRequest") == 0))
		return queue(q, g, i, name[0] == 'e', w, p, err);
	if (!g->mutation && strcmp(name, "repository") == 0)
		return repository(q, g, i, w, p, err);
	if (!g->mutation && strcmp(name, "rateLimit") == 0)
		return rate_limit(q, g, i, w, err);
	if (!g->mutation && strcmp(name, "viewer") == 0)
		return viewer(q, g, i, w, err);
	return err_set(err, ERR_PARSE, "Field '%s' doesn't exist on type '%s'", name, g->mutation ? "Mutation" : "Query");
}

static void answer_wrong(struct sim_req *q, const char *type, const char *message)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	struct problem p = {0};
	set_problem(&p, type, "%s", message);
	jw_open(&w, NULL);
	add_problem(&w, &p);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

static void run(struct sim_req *q, const struct sim_gql *g)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	struct problem p = {0};
	struct err err = {0};
	int rc = 0;
	jw_open(&w, NULL);
	jw_open(&w, "data");
	for (size_t i = g->fields[0].child; rc == 0 && i != 0; i = g->fields[i].next)
		rc = root_field(q, g, i, &w, &p, &err);
	jw_close(&w);
	if (p.message[0] != '\0')
		add_problem(&w, &p);
	jw_close(&w);
	if (rc == 0) {
		sim_answer_buf(q, 200, &b);
		return;
	}
	buf_free(&b);
	answer_wrong(q, NULL, err.msg);
}

/* Faults of this class that are answers inside a 200. */
static bool refused_by_rule(struct sim_req *q)
{
	static const struct {
		enum sim_fault_kind kind;
		const char *type, *message;
	} kinds[] = {
		{SIM_F_RATE_LIMITED, "RATE_LIMITED", "API rate limit exceeded for installation."},
		{SIM_F_FORBIDDEN, "FORBIDDEN", "Resource not accessible by integration"},
		{SIM_F_NOT_FOUND, "NOT_FOUND", "Could not resolve to a Repository."},
	};
	for (size_t i = 0; q->fault != NULL && i < ARRAY_LEN(kinds); i++)
		if (kinds[i].kind == q->fault->kind) {
			answer_wrong(q, kinds[i].type, kinds[i].message);
			return true;
		}
	return false;
}

void sim_post_graphql(struct sim_req *q)
{
	struct err err = {0};
	struct sim_gql g = {0};
	struct json variables = {0};
	const char *query;
	if (refused_by_rule(q))
		return;
	if (q->key != NULL && !sim_key_may(q->key, "pull_requests", SIM_L_READ)) {
		answer_wrong(q, "FORBIDDEN", "Resource not accessible by integration");
		return;
	}
	if (!sim_req_body(q, &err)) {
		sim_fail(q, 400, "Problems parsing JSON");
		return;
	}
	if (json_str(&q->body, "query", SIM_BODY_MAX, &query, &err) != 0 || json_obj_opt(&q->body, "variables", &variables, &err) != 0)
		answer_wrong(q, NULL, "A query attribute must be specified and must be a string.");
	else if (sim_gql_parse(query, &variables, &g, &err) != 0)
		answer_wrong(q, NULL, err.msg);
	else
		run(q, &g);
	sim_gql_free(&g);
}
