#include "github/gh_priv.h"

#include <stdio.h>

/* Who we are, what the App alone may ask, and tokens that leave the client. */

int gh_decode_app(const char *body, size_t len, int64_t *ret_id, char **ret_slug, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int64_t id = 0;
	int rc = gh_parse_as(body, len, JSON_OBJECT, &doc, &root, err);
	if (rc == 0)
		rc = json_int(&root, "id", 1, GH_ID_MAX, &id, err);
	if (rc == 0)
		rc = gh_copy_str(&root, "slug", GH_NAME_MAX, ret_slug, err);
	if (rc == 0)
		*ret_id = id;
	return rc;
}

static void got_self(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_self(res->body, res->body_len, &f->user, &err);
	f->a.user = rc == 0 ? &f->user : NULL;
	f->a.id = f->user.id;
	gh_flow_end(f, rc, &err);
}

/* The App itself writes nothing: its bot user does. Users are public; where a server wants to know who asks, any repository's token will do. */
static void got_own_app(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int64_t id = 0;
	CLEANUP_FREE char *slug = NULL;
	if (gh_decode_app(res->body, res->body_len, &id, &slug, &err) != 0) {
		gh_flow_fail(f, &err);
		return;
	}
	gh_auth_learn_number(f->gh->auth, id);
	const char *repo = gh_auth_repo_of(f->gh->auth, NULL);
	CLEANUP_FREE char *bot = xasprintf("%s[bot]", slug);
	gh_flow_as(f, GH_FOR_READ, repo);
	f->anonymous = repo == NULL;
	gh_flow_send(f, "GET", got_self, "/users/%s", bot);
}

void gh_get_self(struct gh *g, gh_cb cb, void *arg)
{
	if (gh_is_app(g))
		gh_flow_send(gh_flow_new(g, GH_FOR_APP, NULL, cb, arg), "GET", got_own_app, "/app");
	else
		gh_flow_send(gh_flow_new(g, GH_FOR_READ, NULL, cb, arg), "GET", got_self, "/user");
}

static void got_app(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_app(res->body, res->body_len, &f->a.id, &f->owned, &err);
	if (rc == 0)
		gh_auth_learn_number(f->gh->auth, f->a.id);
	f->a.slug = f->owned;
	gh_flow_end(f, rc, &err);
}

/* True: it is the App's call and we are none. */
static bool is_refused(struct gh_flow *f)
{
	if (gh_is_app(f->gh))
		return false;
	gh_flow_refuse(f, ERR_REFUSED, "only a GitHub App may ask this; set github.app instead of github.token_file in the server file");
	return true;
}

void gh_get_app(struct gh *g, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_APP, NULL, cb, arg);
	if (!is_refused(f))
		gh_flow_send(f, "GET", got_app, "/app");
}

/* --- the delivery log ---------------------------------------------------------------------------------------------------------------- */

static void got_deliveries(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	const struct gh_deliveries *d = &f->deliveries;
	int rc = gh_decode_deliveries(res->body, res->body_len, &f->deliveries, &err);
	bool far_enough = rc == 0 && d->n > 0 && d->v[d->n - 1].delivered_ms < f->number;
	f->a.deliveries = rc == 0 ? d : NULL; /* there even if there are more pages than we read: the newest are worth having */
	if (rc == 0 && !far_enough && gh_flow_next_page(f, res))
		return;
	gh_flow_end(f, rc, &err);
}

void gh_list_deliveries(struct gh *g, int64_t since_ms, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_APP, NULL, cb, arg);
	f->number = since_ms;
	if (!is_refused(f))
		gh_flow_send(f, "GET", got_deliveries, "/app/hook/deliveries?per_page=100");
}

static void got_delivery(struct gh_flow *f, const struct http_response *res)
{
	struct err err = {0};
	int rc = gh_decode_delivery(res->body, res->body_len, &f->delivery, &err);
	f->a.delivery = rc == 0 ? &f->delivery : NULL;
	gh_flow_end(f, rc, &err);
}

void gh_get_delivery(struct gh *g, int64_t id, gh_cb cb, void *arg)
{
	struct gh_flow *f = gh_flow_new(g, GH_FOR_APP, NULL, cb, arg);
	if (!is_refused(f))
		gh_flow_send(f, "GET", got_delivery, "/app/hook/deliveries/%i", id);
}

/* --- tokens for others --------------------------------------------------------------------------------------------------------------- */

void gh_get_token(struct gh *g, const char *repo, enum gh_purpose purpose, gh_cb cb, void *arg)
{
	gh_flow_lend(gh_flow_new(g, purpose, repo, cb, arg));
}

void gh_revoke_token(struct gh *g, const char *token)
{
	if (token != NULL)
		gh_auth_revoke(g->auth, token);
}

void gh_give_back(struct gh *g) { gh_auth_give_back(g->auth); }

bool gh_giving_back(const struct gh *g) { return gh_auth_giving_back(g->auth); }
