/* Check runs as Apps write them: only an App may, only its own, and with GitHub's ceilings. Every version that was written is kept in words, so
 * that a test can see whether a run was ever green before its time. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_checks.h"
#include "cmd/sim/sim_gate.h"

enum { OUTPUT_MAX = 65535, ANNOTATIONS_MAX = 50, ACTIONS_MAX = 3, LABEL_MAX = 20, DESCRIPTION_MAX = 40, IDENTIFIER_MAX = 20 };

static const char *const statuses[] = {"queued", "in_progress", "completed"};
static const char *const conclusions[] = {"action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"};

static bool is_among(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

void sim_check_free(struct sim_check *c)
{
	if (c == NULL)
		return;
	char *owned[] = {c->status, c->external_id, c->details_url, c->title, c->summary, c->text, c->actions};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	strlist_free(&c->versions);
	free(c);
}

void sim_shape_check_said(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct sim_mark *m)
{
	static const struct sim_check nothing;
	const struct sim_check *c = m->check != NULL ? m->check : &nothing;
	jw_str(w, "external_id", c->external_id != NULL ? c->external_id : "");
	jw_str(w, "details_url", c->details_url == NULL && m->check != NULL ? "https://example.com" : c->details_url); /* else the App's own page */
	jw_str(w, "status", c->status != NULL ? c->status : m->state != NULL ? "completed" : "in_progress");
	jw_str(w, "conclusion", m->state);
	sim_shape_time(w, "started_at", m->at_ms);
	sim_shape_time(w, "completed_at", m->state == NULL ? 0 : m->done_ms != 0 ? m->done_ms : m->at_ms);
	jw_open(w, "output");
	jw_str(w, "title", c->title);
	jw_str(w, "summary", c->summary);
	jw_str(w, "text", c->text);
	jw_int(w, "annotations_count", (int64_t)c->annotations);
	sim_shape_urlf(w, "annotations_url", "%s/repos/%s/check-runs/%lld/annotations", s->url, r->full_name, (long long)m->id);
	jw_close(w);
}

/* --- what comes in --- */

struct wanted {
	const char *name, *sha, *status, *conclusion, *external_id, *details_url, *title, *summary, *text;
	size_t annotations;
	char *actions; /* JSON; NULL: not said */
};

static bool text_of(struct sim_req *q, const struct json *o, const char *key, size_t max_chars, const char **ret)
{
	struct err err = {0};
	if (json_str_opt(o, key, SIM_BODY_MAX, NULL, ret, &err) != 0) {
		sim_invalid(q, "CheckRun", key, "invalid", err.msg);
		return false;
	}
	if (*ret != NULL && max_chars != 0 && text_chars(*ret, strlen(*ret)) > max_chars) {
		sim_invalid(q, "CheckRun", key, "custom", "is too long");
		return false;
	}
	return true;
}

static bool annotation_ok(const struct json *a)
{
	const char *path, *level, *message;
	static const char *const levels[] = {"notice", "warning", "failure"};
	int64_t first, last;
	return json_str(a, "path", 4096, &path, NULL) == 0 && json_int(a, "start_line", 1, INT32_MAX, &first, NULL) == 0 &&
	       json_int(a, "end_line", 1, INT32_MAX, &last, NULL) == 0 && last >= first && json_str(a, "annotation_level", 16, &level, NULL) == 0 &&
	       is_among(levels, ARRAY_LEN(levels), level) && json_str(a, "message", 65536, &message, NULL) == 0;
}

static bool take_output(struct sim_req *q, struct wanted *ret)
{
	struct json out = json_member(&q->body, "output"), list;
	struct err err = {0};
	if (!json_ok(&out))
		return true;
	if (!text_of(q, &out, "title", 0, &ret->title) || !text_of(q, &out, "summary", OUTPUT_MAX, &ret->summary) ||
	    !text_of(q, &out, "text", OUTPUT_MAX, &ret->text))
		return false;
	if (json_arr_opt(&out, "annotations", &list, &ret->annotations, &err) != 0 || ret->annotations > ANNOTATIONS_MAX) {
		sim_invalid(q, "CheckRun", "annotations", "invalid", "at most 50 annotations a call");
		return false;
	}
	for (struct json a = ret->annotations != 0 ? json_first(&list) : (struct json){0}; ret->annotations != 0 && json_ok(&a); a = json_next(&a))
		if (!annotation_ok(&a)) {
			sim_invalid(q, "CheckRun", "annotations", "invalid", "path, start_line, end_line, annotation_level and message are needed");
			return false;
		}
	if (ret->title == NULL || ret->summary == NULL) {
		sim_invalid(q, "CheckRun", "output", "missing_field", "an output needs a title and a summary");
		return false;
	}
	return true;
}

static bool take_actions(struct sim_req *q, struct wanted *ret)
{
	struct json list;
	struct err err = {0};
	size_t n = 0;
	if (json_arr_opt(&q->body, "actions", &list, &n, &err) != 0 || n > ACTIONS_MAX) {
		sim_invalid(q, "CheckRun", "actions", "invalid", "at most 3 actions");
		return false;
	}
	struct json m = json_member(&q->body, "actions");
	if (!json_ok(&m))
		return true;
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (struct json a = json_first(&list); n != 0 && json_ok(&a); a = json_next(&a)) {
		const char *label, *description, *identifier;
		if (json_str(&a, "label", 4 * LABEL_MAX, &label, NULL) != 0 || json_str(&a, "description", 4 * DESCRIPTION_MAX, &description, NULL) != 0 ||
		    json_str(&a, "identifier", IDENTIFIER_MAX, &identifier, NULL) != 0 || text_chars(label, strlen(label)) > LABEL_MAX ||
		    text_chars(description, strlen(description)) > DESCRIPTION_MAX) {
			buf_free(&b);
			sim_invalid(q, "CheckRun", "actions", "invalid", "label (20), description (40) and identifier (20 characters) are needed");
			return false;
		}
		jw_str(&w, NULL, identifier);
	}
	jw_close_arr(&w);
	ret->actions = buf_take(&b);
	return true;
}

/* False when the refusal was sent. */
static bool take(struct sim_req *q, struct wanted *ret)
{
	*ret = (struct wanted){0};
	if (q->app_id == 0) {
		sim_fail(q, 403, "You must authenticate via a GitHub App.");
		return false;
	}
	if (!text_of(q, &q->body, "name", 0, &ret->name) || !text_of(q, &q->body, "head_sha", 0, &ret->sha) ||
	    !text_of(q, &q->body, "status", 0, &ret->status) ||
	    !text_of(q, &q->body, "conclusion", 0, &ret->conclusion) || !text_of(q, &q->body, "external_id", 0, &ret->external_id) ||
	    !text_of(q, &q->body, "details_url", 0, &ret->details_url))
		return false;
	if (ret->status != NULL && !is_among(statuses, ARRAY_LEN(statuses), ret->status))
		sim_invalid(q, "CheckRun", "status", "invalid", "must be one of queued, in_progress, completed");
	else if (ret->conclusion != NULL && !is_among(conclusions, ARRAY_LEN(conclusions), ret->conclusion))
		sim_invalid(q, "CheckRun", "conclusion", "invalid", "is not included in the list");
	else if (ret->status != NULL && strcmp(ret->status, "completed") == 0 && ret->conclusion == NULL)
		sim_invalid(q, "CheckRun", "conclusion", "missing_field", "a completed check run needs a conclusion");
	else
		return take_output(q, ret) && take_actions(q, ret);
	return false;
}

/* --- what becomes of it --- */

/* As on GitHub: a conclusion completes, and a status that is not completed opens a completed run again. */
static void write_down(struct sim_req *q, struct sim_mark *m, const struct wanted *want)
{
	struct sim_check *c = m->check;
	const struct {
		char **to;
		const char *from;
	} texts[] = {{&c->external_id, want->external_id}, {&c->details_url, want->details_url}, {&c->title, want->title}, {&c->summary, want->summary},
		     {&c->text, want->text}, {&c->actions, want->actions}};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].from != NULL)
			xstrset(texts[i].to, texts[i].from);
	c->annotations += want->annotations;
	c->writes++;
	if (want->conclusion != NULL) {
		xstrset(&m->state, want->conclusion);
		xstrset(&c->status, "completed");
		m->done_ms = clock_wall_ms();
	} else if (want->status != NULL && strcmp(want->status, "completed") != 0) {
		xstrset(&c->status, want->status);
		xstrset(&m->state, NULL);
	}
	strlist_take(&c->versions, xasprintf("%s%s%s", c->status, m->state != NULL ? " " : "", m->state != NULL ? m->state : ""));
	sim_queue_look(q->s, q->repo, m->sha);
	sim_changed(q->s);
}

static void answer(struct sim_req *q, int status, const struct sim_mark *m)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	sim_shape_check(&w, NULL, q->s, q->repo, m);
	sim_answer_buf(q, status, &b);
}

void sim_post_check(struct sim_req *q)
{
	struct wanted want;
	char sha[SIM_SHA_SIZE];
	if (!take(q, &want)) {
		free(want.actions);
		return;
	}
	if (want.name == NULL || want.sha == NULL) {
		sim_invalid(q, "CheckRun", want.name == NULL ? "name" : "head_sha", "missing_field", "is needed");
	} else if (strlen(want.sha) != SIM_SHA_SIZE - 1 || !sim_known_commit(q, want.sha, sha)) {
		CLEANUP_FREE char *message = xasprintf("No commit found for SHA: %s", want.sha);
		sim_fail(q, 422, message);
	} else {
		struct sim_repo *r = q->repo;
		r->checks = xreallocarray(r->checks, r->checks_n + 1, sizeof(*r->checks));
		struct sim_mark *m = &r->checks[r->checks_n++];
		*m = (struct sim_mark){.id = sim_new_id(q->s), .context = xstrdup(want.name), .user = q->viewer, .app_id = q->app_id, .at_ms = clock_wall_ms(),
				       .check = xcalloc(1, sizeof(*m->check))};
		(void)snprintf(m->sha, sizeof(m->sha), "%s", sha);
		m->check->status = xstrdup("queued");
		write_down(q, m, &want);
		sim_hook_check(q->s, r, m, "created", NULL, q->viewer);
		if (m->state != NULL)
			sim_hook_check(q->s, r, m, "completed", NULL, q->viewer);
		answer(q, 201, m);
	}
	free(want.actions);
}

static struct sim_mark *find(struct sim_req *q)
{
	for (size_t i = 0; i < q->repo->checks_n; i++)
		if (q->repo->checks[i].id == q->number)
			return &q->repo->checks[i];
	sim_fail(q, 404, "Not Found");
	return NULL;
}

void sim_patch_check(struct sim_req *q)
{
	struct sim_mark *m = find(q);
	struct wanted want = {0};
	if (m == NULL)
		return;
	if (q->app_id != 0 && (m->app_id != q->app_id || m->check == NULL)) {
		sim_fail(q, 403, "Invalid app_id - check run can only be modified by the GitHub App that created it.");
	} else if (take(q, &want)) {
		if (want.name != NULL)
			xstrset(&m->context, want.name);
		bool was_completed = m->state != NULL;
		write_down(q, m, &want);
		if (!was_completed && m->state != NULL)
			sim_hook_check(q->s, q->repo, m, "completed", NULL, q->viewer);
		answer(q, 200, m);
	}
	free(want.actions);
}

void sim_get_check(struct sim_req *q)
{
	const struct sim_mark *m = find(q);
	if (m != NULL)
		answer(q, 200, m);
}
