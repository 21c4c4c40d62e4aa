#include "github/gh_priv.h"

#include "base/text.h"

void gh_user_free(struct gh_user *u)
{
	free(u->login);
	*u = (struct gh_user){0};
}

void gh_pull_free(struct gh_pull *p)
{
	free(p->full_name);
	free(p->clone_url);
	free(p->title);
	free(p->mergeable_state);
	free(p->head_sha);
	free(p->head_ref);
	free(p->base_sha);
	free(p->base_ref);
	free(p->merge_commit_sha);
	free(p->node_id);
	strlist_free(&p->labels);
	gh_user_free(&p->author);
	*p = (struct gh_pull){0};
}

void gh_reviews_free(struct gh_reviews *r)
{
	for (size_t i = 0; i < r->n; i++) {
		gh_user_free(&r->v[i].user);
		free(r->v[i].state);
		free(r->v[i].commit_id);
		free(r->v[i].association);
	}
	free(r->v);
	*r = (struct gh_reviews){0};
}

/* --- shared pieces ----------------------------------------------------------------------------------------------------------------- */

static int ghost(struct gh_user *ret)
{
	*ret = (struct gh_user){.login = xstrdup("ghost")};
	return 0;
}

static int user_at(const struct json *u, struct gh_user *ret, struct err *err)
{
	int64_t id;
	const char *login, *type;
	int rc = json_int(u, "id", 1, GH_ID_MAX, &id, err);
	if (rc == 0)
		rc = json_str(u, "login", GH_NAME_MAX, &login, err);
	if (rc == 0)
		rc = json_str_opt(u, "type", GH_NAME_MAX, "", &type, err);
	if (rc != 0)
		return rc;
	*ret = (struct gh_user){.id = id, .login = xstrdup(login), .bot = strcmp(type, "Bot") == 0};
	return 0;
}

int gh_user_from(const struct json *obj, const char *key, struct gh_user *ret, struct err *err)
{
	struct json u;
	int rc = json_obj_opt(obj, key, &u, err);
	if (rc != 0)
		return rc;
	/* An empty object is how GitHub says "nobody" for a commit. */
	return json_ok(&u) && json_count(&u) > 0 ? user_at(&u, ret, err) : ghost(ret);
}

static int64_t digits(const char *s, size_t n)
{
	int64_t v = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

/* Days since 1970-01-01 in the Gregorian calendar: years begin in March here, so that the leap day is their last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
	int64_t era = y / 400, of_era = y % 400, of_year = (153 * m + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Z", "+02:00" or "-0230" in minutes; false: none of them. */
static bool zone_of(const char *s, int64_t *ret_minutes)
{
	*ret_minutes = 0;
	if (strcmp(s, "Z") == 0)
		return true;
	size_t n = strlen(s);
	if ((s[0] != '+' && s[0] != '-') || (n != 5 && (n != 6 || s[3] != ':')))
		return false;
	int64_t h = digits(s + 1, 2), m = digits(s + n - 2, 2);
	*ret_minutes = (s[0] == '-' ? -1 : 1) * (h * 60 + m);
	return h >= 0 && h < 24 && m >= 0 && m < 60;
}

bool gh_time(const char *s, int64_t *ret_ms)
{
	if (strlen(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':')
		return false;
	int64_t year = digits(s, 4), month = digits(s + 5, 2), day = digits(s + 8, 2), h = digits(s + 11, 2), m = digits(s + 14, 2),
		sec = digits(s + 17, 2), zone;
	const char *end = s + 19;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789"); /* parts of a second change no decision */
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 ||
	    !zone_of(end, &zone))
		return false;
	int64_t ms = ((days_of(year, month, day) * 24 + h) * 60 + m - zone) * 60000 + sec * 1000;
	if (ms >= 0)
		*ret_ms = ms;
	return ms >= 0;
}

int gh_time_opt_from(const struct json *obj, const char *key, int64_t *ret_ms, struct err *err)
{
	const char *s;
	int rc = json_str_opt(obj, key, GH_SHA_MAX, NULL, &s, err);
	if (rc != 0)
		return rc;
	*ret_ms = 0;
	if (s != NULL && !gh_time(s, ret_ms))
		return err_set(err, ERR_PARSE, "%s%s%s: expected a time like 2026-11-25T14:03:07Z", obj->path, obj->path[0] != '\0' ? "." : "", key);
	return 0;
}

static int sha_value(const struct json *obj, const char *key, const char *sha, char **ret, struct err *err)
{
	size_t n = strlen(sha);
	if ((n != 40 && n != 64) || strspn(sha, "0123456789abcdef") != n)
		return err_set(err, ERR_PARSE, "%s%s%s: expected a commit id of 40 or 64 hex digits", obj->path, obj->path[0] != '\0' ? "." : "", key);
	*ret = xstrdup(sha);
	return 0;
}

int gh_sha_from(const struct json *obj, const char *key, char **ret, struct err *err)
{
	const char *sha;
	int rc = json_str(obj, key, GH_SHA_MAX, &sha, err);
	return rc != 0 ? rc : sha_value(obj, key, sha, ret, err);
}

int gh_sha_opt_from(const struct json *obj, const char *key, char **ret, struct err *err)
{
	const char *sha;
	int rc = json_str_opt(obj, key, GH_SHA_MAX, NULL, &sha, err);
	if (rc != 0 || sha == NULL)
		return rc;
	return sha_value(obj, key, sha, ret, err);
}

int gh_copy_str(const struct json *obj, const char *key, size_t max, char **ret, struct err *err)
{
	const char *s;
	int rc = json_str(obj, key, max, &s, err);
	if (rc == 0)
		*ret = xstrdup(s);
	return rc;
}

int gh_parse_as(const char *body, size_t len, enum json_type want, struct json_doc **ret_doc, struct json *ret_root, struct err *err)
{
	int rc = json_parse(body, len, NULL, ret_doc, ret_root, err);
	if (rc == 0 && json_type(ret_root) != want)
		rc = err_set(err, ERR_PARSE, "expected %s, found %s", json_type_name(want), json_type_name(json_type(ret_root)));
	return rc;
}

/* --- pull request ------------------------------------------------------------------------------------------------------------------ */

static int pull_head(const struct json *pr, struct gh_pull *p, struct err *err)
{
	struct json head, repo;
	int64_t id = 0;
	int rc = json_obj(pr, "head", &head, err);
	if (rc == 0)
		rc = gh_sha_from(&head, "sha", &p->head_sha, err);
	if (rc == 0)
		rc = gh_copy_str(&head, "ref", GH_REF_MAX, &p->head_ref, err);
	if (rc == 0)
		rc = json_obj_opt(&head, "repo", &repo, err); /* null: the fork was deleted */
	if (rc == 0 && json_ok(&repo))
		rc = json_int(&repo, "id", 1, GH_ID_MAX, &id, err);
	p->fork = id != p->repo_id;
	return rc;
}

static int pull_base(const struct json *pr, struct gh_pull *p, struct err *err)
{
	struct json base, repo;
	int rc = json_obj(pr, "base", &base, err);
	if (rc == 0)
		rc = gh_sha_from(&base, "sha", &p->base_sha, err);
	if (rc == 0)
		rc = gh_copy_str(&base, "ref", GH_REF_MAX, &p->base_ref, err);
	if (rc == 0)
		rc = json_obj(&base, "repo", &repo, err);
	if (rc == 0)
		rc = json_int(&repo, "id", 1, GH_ID_MAX, &p->repo_id, err);
	if (rc == 0)
		rc = gh_copy_str(&repo, "full_name", GH_NAME_MAX, &p->full_name, err);
	if (rc == 0)
		rc = gh_copy_str(&repo, "clone_url", GH_REF_MAX, &p->clone_url, err);
	return rc;
}

/* GitHub computes mergeable in the background: null means ask again. */
static int pull_mergeable(const struct json *pr, struct gh_pull *p, struct err *err)
{
	struct json m = json_member(pr, "mergeable");
	const char *state;
	bool yes = false;
	p->mergeable = -1;
	if (json_type(&m) != JSON_MISSING && json_type(&m) != JSON_NULL) {
		int rc = json_bool(pr, "mergeable", &yes, err);
		if (rc != 0)
			return rc;
		p->mergeable = yes ? 1 : 0;
	}
	int rc = json_str_opt(pr, "mergeable_state", GH_NAME_MAX, "unknown", &state, err);
	if (rc == 0)
		p->mergeable_state = xstrdup(state);
	return rc;
}

static int pull_labels(const struct json *pr, struct gh_pull *p, struct err *err)
{
	struct json list;
	size_t n;
	int rc = json_arr_opt(pr, "labels", &list, &n, err);
	for (struct json e = rc == 0 && json_ok(&list) ? json_first(&list) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *name;
		rc = json_str(&e, "name", GH_NAME_MAX, &name, err);
		if (rc == 0)
			strlist_add(&p->labels, name);
	}
	return rc;
}

/* What GitHub's smaller shapes of a pull request leave out. */
static int pull_extras(const struct json *pr, struct gh_pull *p, struct err *err)
{
	const char *node = NULL;
	int rc = pull_labels(pr, p, err);
	if (rc == 0)
		rc = json_int_opt(pr, "commits", 0, INT32_MAX, 0, &p->commits, err);
	if (rc == 0)
		rc = gh_time_opt_from(pr, "updated_at", &p->updated_ms, err);
	if (rc == 0)
		rc = json_str_opt(pr, "node_id", GH_NAME_MAX, NULL, &node, err);
	if (rc == 0)
		p->node_id = xstrdup(node);
	return rc;
}

static int pull_at(const struct json *pr, struct gh_pull *p, struct err *err)
{
	const char *state = "";
	int rc = json_int(pr, "number", 1, INT32_MAX, &p->number, err);
	if (rc == 0)
		rc = gh_copy_str(pr, "title", GH_TEXT_MAX, &p->title, err);
	if (rc == 0)
		rc = json_str(pr, "state", GH_NAME_MAX, &state, err);
	p->open = strcmp(state, "open") == 0;
	if (rc == 0)
		rc = json_bool_opt(pr, "draft", false, &p->draft, err);
	if (rc == 0)
		rc = json_bool(pr, "merged", &p->merged, err);
	if (rc == 0)
		rc = gh_sha_opt_from(pr, "merge_commit_sha", &p->merge_commit_sha, err);
	if (rc == 0)
		rc = gh_user_from(pr, "user", &p->author, err);
	if (rc == 0)
		rc = pull_mergeable(pr, p, err);
	if (rc == 0)
		rc = pull_base(pr, p, err);
	if (rc == 0)
		rc = pull_head(pr, p, err);
	if (rc == 0)
		rc = pull_extras(pr, p, err);
	return rc;
}

int gh_decode_pull(const char *body, size_t len, struct gh_pull *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct gh_pull p = {0};
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = pull_at(&root, &p, err);
	if (rc != 0)
		gh_pull_free(&p);
	else
		*ret = p;
	return rc;
}

/* --- lists ------------------------------------------------------------------------------------------------------------------------- */

static int review_at(const struct json *e, struct gh_review *v, struct err *err)
{
	const char *association = "";
	int rc = gh_user_from(e, "user", &v->user, err);
	if (rc == 0)
		rc = json_int_opt(e, "id", 1, GH_ID_MAX, 0, &v->id, err);
	if (rc == 0)
		rc = gh_time_opt_from(e, "submitted_at", &v->submitted_ms, err); /* null while it is not submitted */
	if (rc == 0)
		rc = json_str_opt(e, "author_association", GH_NAME_MAX, "", &association, err);
	v->association = xstrdup(association);
	if (rc == 0)
		rc = gh_copy_str(e, "state", GH_NAME_MAX, &v->state, err);
	if (rc == 0)
		rc = gh_sha_opt_from(e, "commit_id", &v->commit_id, err); /* null when the commit is gone: counts for no head */
	return rc;
}

int gh_decode_reviews(const char *body, size_t len, struct gh_reviews *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	for (struct json e = rc == 0 ? json_first(&root) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n] = (struct gh_review){0};
		rc = review_at(&e, &ret->v[ret->n++], err);
	}
	return rc;
}

int gh_decode_find(const char *body, size_t len, int64_t self_id, const char *marker, int64_t *ret_id, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_ARRAY, &doc, &root, err);
	for (struct json e = rc == 0 ? json_first(&root) : (struct json){0}; rc == 0 && json_ok(&e); e = json_next(&e)) {
		struct gh_user user = {0};
		int64_t id = 0;
		const char *text = NULL;
		rc = json_int(&e, "id", 1, GH_ID_MAX, &id, err);
		if (rc == 0)
			rc = json_str_opt(&e, "body", GH_TEXT_MAX, "", &text, err);
		if (rc == 0)
			rc = gh_user_from(&e, "user", &user, err);
		/* Anybody can write our marker: only what we ourselves wrote counts. */
		if (rc == 0 && user.id == self_id && self_id != 0 && text_starts(text, marker) && id > *ret_id)
			*ret_id = id;
		gh_user_free(&user);
	}
	return rc;
}

/* --- small answers ----------------------------------------------------------------------------------------------------------------- */

int gh_decode_self(const char *body, size_t len, struct gh_user *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	return rc != 0 ? rc : user_at(&root, ret, err);
}

int gh_decode_comment(const char *body, size_t len, int64_t *ret_id, struct gh_user *ret_user, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int64_t id = 0;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = json_int(&root, "id", 1, GH_ID_MAX, &id, err);
	if (rc == 0)
		rc = gh_user_from(&root, "user", ret_user, err);
	if (rc == 0)
		*ret_id = id;
	return rc;
}

int gh_decode_repo(const char *body, size_t len, struct gh_repo_facts *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct gh_repo_facts f = {0};
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = json_int(&root, "id", 1, GH_ID_MAX, &f.id, err);
	if (rc == 0)
		rc = json_bool_opt(&root, "allow_merge_commit", true, &f.merge, err);
	if (rc == 0)
		rc = json_bool_opt(&root, "allow_squash_merge", true, &f.squash, err);
	if (rc == 0)
		rc = json_bool_opt(&root, "allow_rebase_merge", true, &f.rebase, err);
	if (rc == 0)
		rc = gh_copy_str(&root, "full_name", GH_NAME_MAX, &f.full_name, err);
	if (rc == 0)
		*ret = f;
	return rc;
}

int gh_decode_string(const char *body, size_t len, const char *key, char **ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	return rc != 0 ? rc : gh_copy_str(&root, key, GH_NAME_MAX, ret, err);
}

int gh_decode_bool(const char *body, size_t len, const char *key, bool *ret, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	return rc != 0 ? rc : json_bool(&root, key, ret, err);
}
