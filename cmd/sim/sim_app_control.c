/* POST /_sim/installation and /_sim/tokens: what the owner of an account does to an installation, with the events that GitHub sends; and what a
 * test may know of the tokens that were minted, which is everything but their text. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"

enum { LIFE_MAX_S = 24 * 3600, WORDS_MAX = 1024 };

/* ---- events ---- */

static void shape_repo_short(struct json_writer *w, const struct sim_repo *r)
{
	jw_open(w, NULL);
	jw_int(w, "id", r->id);
	sim_shape_node_id(w, "R", r->id);
	jw_str(w, "name", r->name);
	jw_str(w, "full_name", r->full_name);
	jw_bool(w, "private", false);
	jw_close(w);
}

/* Of one repository, or (NULL) of none. */
static void list_one(struct json_writer *w, const char *key, const struct sim_repo *r)
{
	jw_open_arr(w, key);
	if (r != NULL)
		shape_repo_short(w, r);
	jw_close_arr(w);
}

static void list_covered(struct json_writer *w, const struct sim *s, const struct sim_install *i)
{
	jw_open_arr(w, "repositories");
	for (size_t k = 0; k < s->repos_n; k++)
		if (sim_install_covers(i, s->repos[k]))
			shape_repo_short(w, s->repos[k]);
	jw_close_arr(w);
}

static void end(struct sim *s, struct json_writer *w, struct buf *b, const char *user, const char *event, const char *action)
{
	sim_shape_user(w, "sender", s, sim_user(s, user));
	jw_close(w);
	sim_deliver(s, NULL, event, action, b);
}

static void tell(struct sim *s, const struct sim_install *i, const char *user, const char *action)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", action);
	sim_shape_install(&w, "installation", s, i);
	if (strcmp(action, "new_permissions_accepted") != 0)
		list_covered(&w, s, i);
	end(s, &w, &b, user, "installation", action);
}

static void tell_repo(struct sim *s, const struct sim_install *i, const char *user, const struct sim_repo *r, bool added)
{
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", added ? "added" : "removed");
	sim_shape_install(&w, "installation", s, i);
	jw_str(&w, "repository_selection", i->repos.all ? "all" : "selected");
	list_one(&w, "repositories_added", added ? r : NULL);
	list_one(&w, "repositories_removed", added ? NULL : r);
	jw_null(&w, "requester");
	end(s, &w, &b, user, "installation_repositories", added ? "added" : "removed");
}

/* ---- what is done to an installation ---- */

struct change {
	struct sim *s;
	struct sim_integration *app;
	struct sim_repo *repo;
	struct sim_install *at; /* of the repository's account; NULL: none */
	const char *user;
	const struct sim_perms *perms; /* NULL: not said */
};

static int do_suspend(struct change *c, struct err *err)
{
	(void)err;
	c->at->suspended_ms = clock_wall_ms();
	c->at->suspended_by = sim_user(c->s, c->user);
	tell(c->s, c->at, c->user, "suspend");
	return 0;
}

static int do_unsuspend(struct change *c, struct err *err)
{
	(void)err;
	c->at->suspended_ms = 0;
	c->at->suspended_by = NULL;
	tell(c->s, c->at, c->user, "unsuspend");
	return 0;
}

/* The App hears of it last, and what it had is worth nothing from now on. */
static int do_delete(struct change *c, struct err *err)
{
	(void)err;
	tell(c->s, c->at, c->user, "deleted");
	sim_install_remove(c->s, c->at);
	return 0;
}

static int do_create(struct change *c, struct err *err)
{
	if (c->at != NULL)
		return err_set(err, ERR_CONFLICT, "App %lld is installed for %s already", (long long)c->app->id, c->repo->owner);
	c->at = sim_install_add(c->s, c->app, c->repo->owner);
	if (c->perms != NULL)
		c->at->perms = *c->perms;
	tell(c->s, c->at, c->user, "created");
	return 0;
}

static int do_permissions(struct change *c, struct err *err)
{
	if (c->perms == NULL)
		return err_set(err, ERR_USAGE, "\"permissions\" is missing");
	c->at->perms = *c->perms;
	tell(c->s, c->at, c->user, "new_permissions_accepted");
	return 0;
}

/* From "all" to a selection of all the others. */
static int do_remove_repo(struct change *c, struct err *err)
{
	(void)err;
	for (size_t i = 0; c->at->repos.all && i < c->s->repos_n; i++)
		if (text_same_case(c->s->repos[i]->owner, c->at->account))
			sim_ids_add(&c->at->repos, c->s->repos[i]->id);
	c->at->repos.all = false;
	sim_ids_drop(&c->at->repos, c->repo->id);
	sim_app_lets_bot(c->s, c->at);
	tell_repo(c->s, c->at, c->user, c->repo, false);
	return 0;
}

static int do_add_repo(struct change *c, struct err *err)
{
	(void)err;
	sim_ids_add(&c->at->repos, c->repo->id);
	sim_app_lets_bot(c->s, c->at);
	tell_repo(c->s, c->at, c->user, c->repo, true);
	return 0;
}

static const struct {
	const char *word;
	int (*fn)(struct change *c, struct err *err);
} acts[] = {
	{"suspend", do_suspend}, {"unsuspend", do_unsuspend},     {"delete", do_delete},     {"create", do_create},
	{"remove_repo", do_remove_repo}, {"add_repo", do_add_repo}, {"permissions", do_permissions},
};

static int change(struct sim *s, const char *act, const char *repo, const char *user, const struct sim_perms *perms, struct err *err)
{
	struct change c = {.s = s, .app = s->apps->n > 0 ? s->apps->v[0] : NULL, .user = user, .perms = perms};
	if (c.app == NULL)
		return err_set(err, ERR_NOT_FOUND, "there is no App here; start the simulated GitHub with --app");
	int rc = sim_repo_get(s, repo, &c.repo, err);
	if (rc != 0)
		return rc;
	c.at = sim_install_of(s, c.app, c.repo->owner);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (strcmp(acts[i].word, act) != 0)
			continue;
		if (c.at == NULL && acts[i].fn != do_create)
			return err_set(err, ERR_NOT_FOUND, "App %lld is not installed for %s", (long long)c.app->id, c.repo->owner);
		rc = acts[i].fn(&c, err);
		sim_changed(s);
		return rc;
	}
	return err_set(err, ERR_USAGE, "installation act %s: there are suspend, unsuspend, delete, create, remove_repo, add_repo and permissions", act);
}

int sim_install_act(struct sim *s, const char *act, const char *repo, const char *permissions, struct err *err)
{
	struct sim_perms perms;
	int rc = permissions != NULL ? sim_perms_words(permissions, &perms, err) : 0;
	return rc == 0 ? change(s, act, repo, "olivia", permissions != NULL ? &perms : NULL, err) : rc;
}

static int control_installation(struct sim_req *q, struct json_writer *w, struct err *err)
{
	const char *act, *repo, *user;
	struct json o;
	struct sim_perms perms;
	(void)w;
	int rc = json_str(&q->body, "act", WORDS_MAX, &act, err);
	if (rc == 0)
		rc = json_str(&q->body, "repo", WORDS_MAX, &repo, err);
	if (rc == 0)
		rc = json_str_opt(&q->body, "user", WORDS_MAX, "octocat", &user, err);
	if (rc == 0)
		rc = json_obj_opt(&q->body, "permissions", &o, err);
	bool said = rc == 0 && json_ok(&o);
	if (said)
		rc = sim_perms_read(&o, &perms, err);
	return rc == 0 ? change(q->s, act, repo, user, said ? &perms : NULL, err) : rc;
}

/* ---- tokens ---- */

void sim_tokens_revoke(struct sim *s)
{
	for (size_t i = 0; i < s->apps->keys_n; i++)
		s->apps->keys[i]->revoked = true;
}

static int control_tokens(struct sim_req *q, struct json_writer *w, struct err *err)
{
	int64_t life_s = 0;
	bool revoke = false;
	(void)w;
	int rc = json_int_opt(&q->body, "lifetime_s", 1, LIFE_MAX_S, 0, &life_s, err);
	if (rc == 0)
		rc = json_bool_opt(&q->body, "revoke_all", false, &revoke, err);
	if (rc != 0)
		return rc;
	if (life_s != 0)
		sim_token_life(q->s, life_s * 1000);
	if (revoke)
		sim_tokens_revoke(q->s);
	return 0;
}

static void repos_of(struct json_writer *w, const struct sim *s, const struct sim_key *k)
{
	jw_open_arr(w, "repositories");
	for (size_t i = 0; i < s->repos_n; i++)
		if (sim_ids_has(&k->repos, s->repos[i]->id))
			jw_str(w, NULL, s->repos[i]->full_name);
	jw_close_arr(w);
}

void sim_look_tokens(struct json_writer *w, const struct sim *s)
{
	jw_open_arr(w, "tokens");
	for (size_t i = 0; i < s->apps->keys_n; i++) {
		const struct sim_key *k = s->apps->keys[i];
		jw_open(w, NULL);
		repos_of(w, s, k);
		jw_bool(w, "all", k->repos.all);
		sim_shape_perms(w, "permissions", &k->perms);
		jw_int(w, "expires_ms", k->expires_ms);
		jw_bool(w, "revoked", k->revoked);
		jw_bool(w, "expired", clock_wall_ms() >= k->expires_ms);
		jw_close(w);
	}
	jw_close_arr(w);
}

sim_app_control_fn sim_control_app(const char *path)
{
	if (strcmp(path, "/_sim/installation") == 0)
		return control_installation;
	return strcmp(path, "/_sim/tokens") == 0 ? control_tokens : NULL;
}
