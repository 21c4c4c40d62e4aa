/* What GitHub said, between reading and showing: its memory, and its text in the run's facts column. */
#include "plan/gate_own.h"

#include "base/json.h"
#include "base/limits.h"

#include <stddef.h>

/* --- memory --- */

void gate_heard_add_member(struct gate_heard *h, const char *team, const char *login, enum tri active)
{
	h->members = xreallocarray(h->members, h->members_n + 1, sizeof(*h->members));
	h->members[h->members_n++] = (struct gate_member){xstrdup(team), xstrdup(login), active};
}

static void heard_free(struct gate_heard *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->members_n; i++) {
		free(h->members[i].team);
		free(h->members[i].login);
	}
	free(h->members);
	review_list_free(&h->reviews);
	person_list_free(&h->committers);
	strlist_free(&h->labels);
	free(h->owners_id);
	free(h->base_tip);
	free(h);
}

void gate_seen_free(struct gate_seen *s)
{
	char **owned[] = {&s->head_sha, &s->base_ref, &s->merge_sha, &s->author, &s->mergeable_state, &s->asker, &s->failing, &s->required_missing,
			  &s->unsigned_commits, &s->deployments_missing, &s->rules_unseen};
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(*owned[i]);
	for (size_t i = 0; i < GATE_READS; i++)
		free(s->failed[i]);
	heard_free(s->heard);
	*s = (struct gate_seen){0};
}

void gate_seen_lend(struct gate_seen *s)
{
	struct gate_facts *f = &s->facts;
	f->base_ref = s->base_ref;
	f->mergeable_state = s->mergeable_state;
	f->asker = s->asker;
	f->checks_failing = s->failing;
	f->required_missing = s->required_missing;
	f->unsigned_commits = s->unsigned_commits;
	f->deployments_missing = s->deployments_missing;
	f->rules_unseen = s->rules_unseen;
	f->heard = s->heard;
	for (size_t i = 0; i < GATE_READS; i++)
		f->read_failed[i] = s->failed[i];
}

/* --- tables: writer and reader go through the same rows --- */

struct field {
	const char *name;
	size_t offset;
};
#define FACT(f) {#f, offsetof(struct gate_facts, f)}
#define SEEN(f) {#f, offsetof(struct gate_seen, f)}

static const struct field tri_fields[] = {
	FACT(open),        FACT(draft),     FACT(merged),           FACT(base_protected), FACT(mergeable), FACT(reviews_read), FACT(checks_ok),
	FACT(rules_read),  FACT(required_ok), FACT(threads_resolved), FACT(signed_all),     FACT(deployed),
};
static const struct field bool_fields[] = {
	FACT(locked_branch), FACT(queue_required), FACT(required_any), FACT(threads_needed), FACT(signatures_needed), FACT(deployments_needed),
};
static const struct field text_fields[] = {
	SEEN(head_sha), SEEN(base_ref), SEEN(author), SEEN(mergeable_state), SEEN(failing), SEEN(required_missing), SEEN(unsigned_commits),
	SEEN(deployments_missing), SEEN(rules_unseen),
};

static void *at(void *base, const struct field *f) { return (char *)base + f->offset; }
static const void *at_const(const void *base, const struct field *f) { return (const char *)base + f->offset; }

/* --- writing --- */

static void write_reviews(struct json_writer *w, const struct review_list *l)
{
	jw_open_arr(w, "reviews");
	for (size_t i = 0; i < l->n; i++) {
		const struct review *r = &l->v[i];
		jw_open(w, NULL);
		jw_int(w, "user", r->user_id);
		jw_str(w, "login", r->login);
		jw_bool(w, "bot", r->bot);
		jw_bool(w, "approves", r->approves);
		jw_str(w, "commit", r->commit_id);
		jw_int(w, "ms", r->submitted_ms);
		jw_int(w, "writes", r->writes);
		jw_close(w);
	}
	jw_close_arr(w);
}

static void write_people(struct json_writer *w, const struct gate_heard *h)
{
	jw_open_arr(w, "committers");
	for (size_t i = 0; i < h->committers.n; i++) {
		jw_open(w, NULL);
		jw_int(w, "user", h->committers.v[i].id);
		jw_str(w, "login", h->committers.v[i].login);
		jw_close(w);
	}
	jw_close_arr(w);
	jw_open_arr(w, "members");
	for (size_t i = 0; i < h->members_n; i++) {
		jw_open(w, NULL);
		jw_str(w, "team", h->members[i].team);
		jw_str(w, "login", h->members[i].login);
		jw_int(w, "active", h->members[i].active);
		jw_close(w);
	}
	jw_close_arr(w);
}

static void write_heard(struct json_writer *w, const struct gate_heard *h)
{
	jw_open(w, "heard");
	jw_int(w, "author", h->author_id);
	jw_int(w, "committers_read", h->committers_read);
	jw_int(w, "approvals", h->needs.approvals);
	jw_bool(w, "dismiss_stale", h->needs.dismiss_stale);
	jw_bool(w, "code_owners", h->needs.code_owners);
	jw_bool(w, "last_push", h->needs.last_push);
	jw_bool(w, "strict", h->needs.strict);
	jw_str(w, "owners_id", h->owners_id);
	jw_str(w, "base_tip", h->base_tip);
	jw_int(w, "plan_expiry_ms", h->plan_expiry_ms);
	jw_open_arr(w, "labels");
	for (size_t i = 0; i < h->labels.n; i++)
		jw_str(w, NULL, h->labels.v[i]);
	jw_close_arr(w);
	write_reviews(w, &h->reviews);
	write_people(w, h);
	jw_close(w);
}

void gate_facts_write(const struct gate_seen *seen, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	for (size_t i = 0; i < ARRAY_LEN(tri_fields); i++)
		jw_int(&w, tri_fields[i].name, *(const enum tri *)at_const(&seen->facts, &tri_fields[i]));
	for (size_t i = 0; i < ARRAY_LEN(bool_fields); i++)
		jw_bool(&w, bool_fields[i].name, *(const bool *)at_const(&seen->facts, &bool_fields[i]));
	for (size_t i = 0; i < ARRAY_LEN(text_fields); i++)
		jw_str(&w, text_fields[i].name, *(char *const *)at_const(seen, &text_fields[i]));
	jw_int(&w, "threads_open", seen->facts.threads_open);
	jw_open(&w, "failed");
	for (size_t i = 0; i < GATE_READS; i++)
		if (seen->failed[i] != NULL)
			jw_str(&w, gate_read_name((enum gate_read)i), seen->failed[i]);
	jw_close(&w);
	if (seen->heard != NULL)
		write_heard(&w, seen->heard);
	jw_close(&w);
}

/* --- reading: our own text, so anything unexpected makes the whole of it worthless --- */

enum { NUMBER_MAX = 1 << 30 };
#define ID_MAX ((INT64_C(1) << 53) - 1)

static bool get_tri(const struct json *o, const char *key, enum tri *ret)
{
	int64_t n;
	if (json_int(o, key, TRI_UNKNOWN, TRI_YES, &n, NULL) != 0)
		return false;
	*ret = (enum tri)n;
	return true;
}

static bool get_id(const struct json *o, const char *key, int64_t *ret) { return json_int(o, key, 0, ID_MAX, ret, NULL) == 0; }

static char *get_text(const struct json *o, const char *key)
{
	struct json m = json_member(o, key);
	return xstrdup(json_text(&m));
}

static bool read_review(const struct json *e, struct review_list *l)
{
	int64_t id = 0;
	CLEANUP_FREE char *login = get_text(e, "login");
	if (!get_id(e, "user", &id) || login == NULL)
		return false;
	struct review *r = review_list_add(l, id, login);
	r->commit_id = get_text(e, "commit");
	return json_bool(e, "bot", &r->bot, NULL) == 0 && json_bool(e, "approves", &r->approves, NULL) == 0 && get_id(e, "ms", &r->submitted_ms) &&
	       get_tri(e, "writes", &r->writes);
}

static bool read_committer(const struct json *e, struct gate_heard *h)
{
	int64_t id = 0;
	CLEANUP_FREE char *login = get_text(e, "login");
	if (!get_id(e, "user", &id))
		return false;
	person_list_add(&h->committers, id, login);
	return true;
}

static bool read_member(const struct json *e, struct gate_heard *h)
{
	CLEANUP_FREE char *team = get_text(e, "team"), *login = get_text(e, "login");
	enum tri active;
	if (team == NULL || login == NULL || !get_tri(e, "active", &active))
		return false;
	gate_heard_add_member(h, team, login, active);
	return true;
}

static bool read_lists(const struct json *o, struct gate_heard *h)
{
	struct json reviews = json_member(o, "reviews"), people = json_member(o, "committers"), members = json_member(o, "members"),
		    labels = json_member(o, "labels");
	bool ok = true;
	for (struct json e = json_first(&reviews); ok && json_ok(&e); e = json_next(&e))
		ok = read_review(&e, &h->reviews);
	for (struct json e = json_first(&people); ok && json_ok(&e); e = json_next(&e))
		ok = read_committer(&e, h);
	for (struct json e = json_first(&members); ok && json_ok(&e); e = json_next(&e))
		ok = read_member(&e, h);
	for (struct json e = json_first(&labels); ok && json_ok(&e); e = json_next(&e)) {
		ok = json_text(&e) != NULL;
		if (ok)
			strlist_add(&h->labels, json_text(&e));
	}
	return ok;
}

static bool read_heard(const struct json *root, struct gate_heard **ret)
{
	struct json o = json_member(root, "heard");
	int64_t n = 0;
	if (!json_ok(&o))
		return true;
	struct gate_heard *h = *ret = xcalloc(1, sizeof(*h));
	h->owners_id = get_text(&o, "owners_id");
	h->base_tip = get_text(&o, "base_tip");
	if (!get_id(&o, "author", &h->author_id) || !get_tri(&o, "committers_read", &h->committers_read) ||
	    json_int(&o, "approvals", 0, NUMBER_MAX, &n, NULL) != 0 || json_bool(&o, "dismiss_stale", &h->needs.dismiss_stale, NULL) != 0 ||
	    json_bool(&o, "code_owners", &h->needs.code_owners, NULL) != 0 || json_bool(&o, "last_push", &h->needs.last_push, NULL) != 0 ||
	    json_bool(&o, "strict", &h->needs.strict, NULL) != 0 || !get_id(&o, "plan_expiry_ms", &h->plan_expiry_ms))
		return false;
	h->needs.approvals = (int)n;
	return read_lists(&o, h);
}

static void read_failed(const struct json *root, struct gate_seen *ret)
{
	struct json o = json_member(root, "failed");
	for (size_t i = 0; i < GATE_READS; i++)
		ret->failed[i] = get_text(&o, gate_read_name((enum gate_read)i));
}

bool gate_facts_read(const char *json, struct gate_seen *ret)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	bool ok = true;
	*ret = (struct gate_seen){0};
	if (json == NULL || json_parse(json, strlen(json), NULL, &doc, &root, NULL) != 0)
		return false;
	for (size_t i = 0; ok && i < ARRAY_LEN(tri_fields); i++)
		ok = get_tri(&root, tri_fields[i].name, at(&ret->facts, &tri_fields[i]));
	for (size_t i = 0; ok && i < ARRAY_LEN(bool_fields); i++)
		ok = json_bool(&root, bool_fields[i].name, at(&ret->facts, &bool_fields[i]), NULL) == 0;
	for (size_t i = 0; ok && i < ARRAY_LEN(text_fields); i++)
		*(char **)at(ret, &text_fields[i]) = get_text(&root, text_fields[i].name);
	ok = ok && json_int(&root, "threads_open", 0, NUMBER_MAX, &ret->facts.threads_open, NULL) == 0 && read_heard(&root, &ret->heard);
	if (!ok)
		return false;
	read_failed(&root, ret);
	gate_seen_lend(ret);
	return true;
}
