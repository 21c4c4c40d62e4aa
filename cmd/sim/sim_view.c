/* What tests look at, in the same process. */
#include "base/text.h"
#include "cmd/sim/sim_priv.h"

static struct sim_pull *find(struct sim *s, const char *repo, int64_t n)
{
	const struct sim_repo *r = sim_repo_find(s, repo, strlen(repo));
	return r != NULL ? sim_pull_find(r, n) : NULL;
}

bool sim_pr_view(struct sim *s, const char *repo, int64_t n, struct sim_pr_view *ret)
{
	const struct sim_pull *p = find(s, repo, n);
	if (p == NULL)
		return false;
	*ret = (struct sim_pr_view){.id = p->id, .title = p->title, .state = p->open ? "open" : "closed", .head_sha = p->head, .head_ref = p->head_ref,
				    .base_ref = p->base_ref, .merge_commit_sha = p->merged ? p->merged_as : NULL, .merged = p->merged, .draft = p->draft,
				    .reviews = p->reviews_n};
	for (size_t i = 0; i < p->comments_n; i++)
		ret->comments += !p->comments[i].deleted;
	return true;
}

bool sim_comment_view(struct sim *s, const char *repo, int64_t n, size_t i, struct sim_comment_view *ret)
{
	const struct sim_pull *p = find(s, repo, n);
	for (size_t k = 0; p != NULL && k < p->comments_n; k++) {
		const struct sim_comment *c = &p->comments[k];
		if (c->deleted || i-- > 0)
			continue;
		*ret = (struct sim_comment_view){.id = c->id, .user = c->user->login, .body = c->body, .edits = c->history_n, .created_ms = c->created_ms,
						 .updated_ms = c->updated_ms};
		return true;
	}
	return false;
}

const char *sim_comment_body(struct sim *s, const char *repo, int64_t n, const char *login)
{
	const struct sim_pull *p = find(s, repo, n);
	for (size_t k = p != NULL ? p->comments_n : 0; k-- > 0;) {
		const struct sim_comment *c = &p->comments[k];
		if (!c->deleted && (login == NULL || text_same_case(c->user->login, login)))
			return c->body;
	}
	return NULL;
}

const char *sim_status(struct sim *s, const char *repo, const char *sha, const char *context, const char **ret_description)
{
	const struct sim_repo *r = sim_repo_find(s, repo, strlen(repo));
	for (size_t i = r != NULL ? r->statuses_n : 0; i-- > 0;) {
		const struct sim_mark *m = &r->statuses[i];
		if (strcmp(m->sha, sha) != 0 || !text_same_case(m->context, context))
			continue;
		if (ret_description != NULL)
			*ret_description = m->description;
		return m->state;
	}
	return NULL;
}

size_t sim_writes(const struct sim *s, const char *login, const char *class_name)
{
	size_t n = 0;
	for (size_t i = 0; i < s->writes_n; i++)
		n += (login == NULL || text_same_case(s->writes[i].user->login, login)) &&
		     (class_name == NULL || strcmp(s->writes[i].class_name, class_name) == 0);
	return n;
}

size_t sim_requests(const struct sim *s, const char *class_name)
{
	size_t n = 0;
	for (size_t i = 0; i < s->counts_n; i++)
		if (class_name == NULL || strcmp(s->counts[i].class_name, class_name) == 0)
			n += s->counts[i].n;
	return n;
}
