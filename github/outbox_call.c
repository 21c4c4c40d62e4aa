#include "github/outbox_priv.h"

#include "base/log.h"

#include <stdio.h>

/* One item, one request: what is sent for it, and what its answer means. */

const struct outbox_github outbox_github_real = {
	.get_self = gh_get_self,
	.find_comment = gh_find_comment,
	.post_comment = gh_post_comment,
	.edit_comment = gh_edit_comment,
	.post_status = gh_post_status,
	.find_check = gh_find_check,
	.post_check = gh_post_check,
	.edit_check = gh_edit_check,
};

/* For a check, too: it is by asking that the App's number is known, and only its own runs count. */
bool outbox_needs_self(const struct outbox_item *i) { return i->op == OUTBOX_LOOK; }

static void call_check(const struct outbox_github *v, struct gh *g, const struct outbox_item *i, gh_cb cb, void *arg)
{
	const struct gh_check check = {
		.name = i->context,
		.head_sha = i->sha,
		.external_id = i->external_id,
		.details_url = i->target_url,
		.status = i->status,
		.conclusion = i->conclusion,
		.title = i->description,
		.summary = i->body,
		.text = i->details,
		.annotations = i->chunk,
		.actions = i->actions,
	};
	if (i->op == OUTBOX_LOOK)
		v->find_check(g, i->repo, i->sha, i->context, i->external_id, cb, arg);
	else if (i->op == OUTBOX_POST)
		v->post_check(g, i->repo, &check, cb, arg);
	else
		v->edit_check(g, i->repo, i->remote_id, &check, cb, arg);
}

static void call_comment(const struct outbox_github *v, struct gh *g, int64_t self_id, const struct outbox_item *i, gh_cb cb, void *arg)
{
	CLEANUP_BUF struct buf body = {0};
	outbox_marker(&body, i->slot);
	if (i->op == OUTBOX_LOOK) {
		buf_truncate(&body, body.len - 1); /* a line end may come back as another one */
		v->find_comment(g, i->repo, i->pull, self_id, buf_str(&body), cb, arg);
		return;
	}
	buf_adds(&body, i->body);
	if (i->op == OUTBOX_POST)
		v->post_comment(g, i->repo, i->pull, buf_str(&body), cb, arg);
	else
		v->edit_comment(g, i->repo, i->remote_id, buf_str(&body), cb, arg);
}

void outbox_call(const struct outbox_github *v, struct gh *g, int64_t self_id, const struct outbox_item *i, gh_cb cb, void *arg)
{
	if (i->kind == EFFECT_STATUS)
		v->post_status(g, i->repo, i->sha, i->context, i->status, i->description, i->target_url, cb, arg);
	else if (i->kind == EFFECT_CHECK)
		call_check(v, g, i, cb, arg);
	else
		call_comment(v, g, self_id, i, cb, arg);
}

/* What is hopeless for the same reason as before is not news. */
static void tell(const struct outbox_item *i, const struct outbox_outcome *o)
{
	if (o->verdict == OUTBOX_HOPELESS && !i->told)
		log_err("outbox.dead", "slot=%s repo=%s tries=%u error=%s", log_value(i->slot), log_value(i->repo), i->tries + 1, log_value(o->error));
	else if (o->verdict == OUTBOX_DELIVERED || o->verdict == OUTBOX_ABSENT)
		log_debug("outbox.sent", "slot=%s rev=%lld", log_value(i->slot), (long long)i->rev);
	else if (o->verdict != OUTBOX_HOPELESS)
		log_warn("outbox.retry", "slot=%s tries=%u error=%s", log_value(i->slot), i->tries + 1, log_value(o->error));
}

void outbox_outcome_of(const struct outbox_item *i, const struct gh_answer *a, int64_t now_ms, struct outbox_outcome *ret)
{
	*ret = (struct outbox_outcome){
		.item_id = i->id,
		.op = i->op,
		.verdict = outbox_judge(i->op, &a->r, a->id, i->refusals),
		.refused = outbox_is_refusal(&a->r),
		.rev = i->rev,
		/* of an edit, what was edited: not every answer to one tells it again */
		.remote_id = i->op == OUTBOX_EDIT ? i->remote_id : a->id,
		.next_ms = a->r.retry_at_ms != 0 ? a->r.retry_at_ms : now_ms + outbox_backoff_ms(i->tries + 1),
		.blocked_until_ms = a->r.retry_at_ms,
		.annotations = i->op == OUTBOX_LOOK ? a->annotations : i->chunk_n,
	};
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", i->digest);
	(void)snprintf(ret->error, sizeof(ret->error), "%s", a->r.err.msg); /* both may be cut: for people */
	tell(i, ret);
}
