/* Apps: who they are, where they are installed and what they may do there. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"

static const char *const names[SIM_PERMS] = {"actions", "administration", "checks", "contents", "deployments", "environments", "issues", "members",
					     "merge_queues", "metadata", "pull_requests", "repository_hooks", "statuses", "workflows"};
static const char *const levels[] = {"none", "read", "write"};
static const char usual[] = "administration:read,checks:write,contents:write,deployments:read,issues:write,members:read,merge_queues:write,"
			    "metadata:read,pull_requests:write,statuses:write";

/* ---- permissions ---- */

static int set(struct sim_perms *p, const char *name, const char *level, struct err *err)
{
	size_t i = 0;
	while (i < SIM_PERMS && strcmp(names[i], name) != 0)
		i++;
	if (i == SIM_PERMS)
		return err_set(err, ERR_REFUSED, "there is no permission %s", name);
	for (size_t k = SIM_L_READ; k <= SIM_L_WRITE; k++)
		if (strcmp(levels[k], level) == 0) {
			p->level[i] = (enum sim_level)k;
			return 0;
		}
	return err_set(err, ERR_REFUSED, "permission %s: there are read and write, not %s", name, level);
}

int sim_perms_read(const struct json *o, struct sim_perms *ret, struct err *err)
{
	struct sim_perms p = {0};
	int rc = 0;
	for (struct json e = json_first(o); rc == 0 && json_ok(&e); e = json_next(&e)) {
		const char *level = NULL;
		rc = json_as_str(&e, 16, &level, err);
		if (rc == 0)
			rc = set(&p, json_key(&e), level, err);
	}
	if (rc == 0 && p.level[9] == SIM_L_NONE)
		rc = set(&p, "metadata", "read", err); /* everybody has it */
	if (rc == 0)
		*ret = p;
	return rc;
}

int sim_perms_words(const char *words, struct sim_perms *ret, struct err *err)
{
	struct sim_perms p = {0};
	CLEANUP_FREE char *copy = xstrdup(words);
	int rc = set(&p, "metadata", "read", err);
	for (char *word = copy, *next; rc == 0 && word != NULL && word[0] != '\0'; word = next) {
		next = strchr(word, ',');
		if (next != NULL)
			*next++ = '\0';
		char *colon = strchr(word, ':');
		if (colon == NULL)
			return err_set(err, ERR_USAGE, "permission %s: write NAME:read or NAME:write", word);
		*colon = '\0';
		rc = set(&p, word, colon + 1, err);
	}
	if (rc == 0)
		*ret = p;
	return rc;
}

bool sim_perms_within(const struct sim_perms *p, const struct sim_perms *of)
{
	for (size_t i = 0; i < SIM_PERMS; i++)
		if (p->level[i] > of->level[i])
			return false;
	return true;
}

enum sim_level sim_perms_get(const struct sim_perms *p, const char *name)
{
	for (size_t i = 0; i < SIM_PERMS; i++)
		if (strcmp(names[i], name) == 0)
			return p->level[i];
	return SIM_L_NONE;
}

/* ---- lists of repositories ---- */

bool sim_ids_has(const struct sim_ids *ids, int64_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return true;
	return ids->all;
}

void sim_ids_add(struct sim_ids *ids, int64_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return;
	ids->v = xreallocarray(ids->v, ids->n + 1, sizeof(*ids->v));
	ids->v[ids->n++] = id;
}

void sim_ids_drop(struct sim_ids *ids, int64_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			ids->v[i--] = ids->v[--ids->n];
}

/* ---- looking up ---- */

struct sim_integration *sim_app_of(const struct sim *s, int64_t id)
{
	for (size_t i = 0; i < s->apps->n; i++)
		if (s->apps->v[i]->id == id)
			return s->apps->v[i];
	return NULL;
}

struct sim_integration *sim_app_of_bot(const struct sim *s, const struct sim_user *u)
{
	for (size_t i = 0; i < s->apps->n; i++)
		if (s->apps->v[i]->bot == u)
			return s->apps->v[i];
	return NULL;
}

struct sim_install *sim_install_of(const struct sim *s, const struct sim_integration *a, const char *account)
{
	for (size_t i = 0; i < s->apps->installs_n; i++)
		if (s->apps->installs[i]->app == a && text_same_case(s->apps->installs[i]->account, account))
			return s->apps->installs[i];
	return NULL;
}

bool sim_install_covers(const struct sim_install *i, const struct sim_repo *r)
{
	return text_same_case(i->account, r->owner) && sim_ids_has(&i->repos, r->id);
}

struct sim_install *sim_app_covers(const struct sim *s, const struct sim_integration *a, const struct sim_repo *r)
{
	struct sim_install *i = sim_install_of(s, a, r->owner);
	return i != NULL && sim_install_covers(i, r) ? i : NULL;
}

/* The first App is the one whose webhook this is. */
bool sim_app_hears(const struct sim *s, const struct sim_repo *r, struct buf *payload)
{
	if (s->apps->n == 0 || r == NULL)
		return true;
	const struct sim_install *i = sim_app_covers(s, s->apps->v[0], r);
	if (i == NULL || i->suspended_ms != 0)
		return false;
	ASSERT(payload->len > 0 && payload->data[payload->len - 1] == '}');
	buf_truncate(payload, payload->len - 1);
	buf_printf(payload, ",\"installation\":{\"id\":%lld,\"node_id\":\"MDIz_sim%lld\"}}", (long long)i->id, (long long)i->id);
	return true;
}

/* ---- life ---- */

int sim_app_add(struct sim *s, const struct sim_app *n, struct err *err)
{
	struct crypto_rsa *key;
	struct sim_perms perms;
	if (n->id < 1 || sim_app_of(s, n->id) != NULL)
		return err_set(err, ERR_CONFLICT, "App %lld: ids are positive, and each is given once", (long long)n->id);
	if (sim_perms_words(n->permissions != NULL ? n->permissions : usual, &perms, err) != 0)
		return err_wrap(err, "App %lld", (long long)n->id);
	if (crypto_rsa_read(n->key, strlen(n->key), &key, err) != 0) /* read again for each JWT: what is wrong with it shows here */
		return err_wrap(err, "public key of App %lld", (long long)n->id);
	crypto_rsa_free(key);
	struct sim_integration *a = xcalloc(1, sizeof(*a));
	a->id = n->id;
	a->slug = n->slug != NULL ? xstrdup(n->slug) : xasprintf("app-%lld", (long long)n->id);
	a->client_id = xasprintf("Iv23li%014lld", (long long)n->id);
	a->owner = xstrdup(n->owner != NULL ? n->owner : "acme");
	a->key = xstrdup(n->key);
	a->hook_url = xstrdup(n->hook_url);
	a->hook_secret = xstrdup(n->hook_secret);
	a->perms = perms;
	a->everywhere = !n->nowhere;
	a->suites = n->suites;
	a->created_ms = clock_wall_ms();
	CLEANUP_FREE char *login = xasprintf("%s[bot]", a->slug);
	a->bot = sim_user(s, login);
	s->apps->v = xreallocarray(s->apps->v, s->apps->n + 1, sizeof(*s->apps->v));
	s->apps->v[s->apps->n++] = a;
	for (size_t i = 0; i < s->repos_n; i++)
		sim_apps_new_repo(s, s->repos[i]);
	return 0;
}

void sim_app_lets_bot(struct sim *s, struct sim_install *i)
{
	for (size_t k = 0; k < s->repos_n; k++) {
		struct err err = {0};
		if (text_same_case(s->repos[k]->owner, i->account) &&
		    sim_permission(s, s->repos[k]->full_name, i->app->bot->login, sim_install_covers(i, s->repos[k]) ? "write" : "none", &err) != 0)
			ASSERT(false); /* the repository is there, and the words are right */
	}
}

struct sim_install *sim_install_add(struct sim *s, struct sim_integration *a, const char *account)
{
	struct sim_install *i = xcalloc(1, sizeof(*i));
	i->id = sim_new_id(s);
	i->app = a;
	i->account = xstrdup(account);
	i->perms = a->perms;
	i->repos.all = true;
	i->created_ms = clock_wall_ms();
	s->apps->installs = xreallocarray(s->apps->installs, s->apps->installs_n + 1, sizeof(*s->apps->installs));
	s->apps->installs[s->apps->installs_n++] = i;
	sim_app_lets_bot(s, i);
	return i;
}

static void free_install(struct sim_install *i)
{
	free(i->account);
	free(i->repos.v);
	free(i);
}

void sim_install_remove(struct sim *s, struct sim_install *i)
{
	for (size_t k = 0; k < s->apps->keys_n; k++)
		if (s->apps->keys[k]->install == i) {
			s->apps->keys[k]->install = NULL;
			s->apps->keys[k]->revoked = true;
		}
	i->repos.all = false;
	i->repos.n = 0;
	sim_app_lets_bot(s, i);
	for (size_t k = 0; k < s->apps->installs_n; k++)
		if (s->apps->installs[k] == i)
			s->apps->installs[k] = s->apps->installs[--s->apps->installs_n];
	free_install(i);
}

void sim_apps_new_repo(struct sim *s, struct sim_repo *r)
{
	for (size_t k = 0; k < s->apps->n; k++) {
		struct sim_install *i = sim_install_of(s, s->apps->v[k], r->owner);
		if (i == NULL && s->apps->v[k]->everywhere)
			(void)sim_install_add(s, s->apps->v[k], r->owner); /* lets its bot */
		else if (i != NULL)
			sim_app_lets_bot(s, i);
	}
}

static void free_app(struct sim_integration *a)
{
	free(a->slug);
	free(a->client_id);
	free(a->owner);
	free(a->key);
	free(a->hook_url);
	free(a->hook_secret);
	strlist_free(&a->events);
	free(a);
}

void sim_apps_free(struct sim *s)
{
	struct sim_apps *a = s->apps;
	for (size_t i = 0; i < a->keys_n; i++) {
		free(a->keys[i]->token);
		free(a->keys[i]->repos.v);
		free(a->keys[i]);
	}
	for (size_t i = 0; i < a->installs_n; i++)
		free_install(a->installs[i]);
	for (size_t i = 0; i < a->offers_n; i++) {
		free(a->offers[i]->code);
		free(a->offers[i]->state);
		free(a->offers[i]->manifest);
		free(a->offers[i]);
	}
	for (size_t i = 0; i < a->n; i++)
		free_app(a->v[i]);
	free(a->keys);
	free(a->installs);
	free(a->offers);
	free(a->v);
	free(a);
}

/* ---- JSON ---- */

void sim_shape_perms(struct json_writer *w, const char *key, const struct sim_perms *p)
{
	jw_open(w, key);
	for (size_t i = 0; i < SIM_PERMS; i++)
		if (p->level[i] != SIM_L_NONE)
			jw_str(w, names[i], levels[p->level[i]]);
	jw_close(w);
}

static void shape_events(struct json_writer *w, const struct sim_integration *a)
{
	jw_open_arr(w, "events");
	for (size_t i = 0; i < a->events.n; i++)
		jw_str(w, NULL, a->events.v[i]);
	jw_close_arr(w);
}

void sim_shape_app(struct json_writer *w, const char *key, const struct sim *s, const struct sim_integration *a)
{
	jw_open(w, key);
	jw_int(w, "id", a->id);
	jw_str(w, "slug", a->slug);
	jw_str(w, "client_id", a->client_id);
	sim_shape_node_id(w, "A", a->id);
	sim_shape_owner(w, "owner", s, a->owner);
	jw_str(w, "name", a->slug);
	jw_str(w, "description", "");
	jw_str(w, "external_url", "https://example.com");
	sim_shape_urlf(w, "html_url", "%s/apps/%s", s->url, a->slug);
	sim_shape_time(w, "created_at", a->created_ms);
	sim_shape_time(w, "updated_at", a->created_ms);
	sim_shape_perms(w, "permissions", &a->perms);
	shape_events(w, a);
	jw_close(w);
}

void sim_shape_install(struct json_writer *w, const char *key, const struct sim *s, const struct sim_install *i)
{
	jw_open(w, key);
	jw_int(w, "id", i->id);
	sim_shape_owner(w, "account", s, i->account);
	jw_str(w, "repository_selection", i->repos.all ? "all" : "selected");
	sim_shape_urlf(w, "access_tokens_url", "%s/app/installations/%lld/access_tokens", s->url, (long long)i->id);
	sim_shape_urlf(w, "repositories_url", "%s/installation/repositories", s->url);
	sim_shape_urlf(w, "html_url", "%s/settings/installations/%lld", s->url, (long long)i->id);
	jw_int(w, "app_id", i->app->id);
	jw_str(w, "client_id", i->app->client_id);
	jw_str(w, "app_slug", i->app->slug);
	jw_int(w, "target_id", (int64_t)(text_hash(i->account, strlen(i->account)) % 100000000) + 1);
	jw_str(w, "target_type", "Organization");
	sim_shape_perms(w, "permissions", &i->perms);
	shape_events(w, i->app);
	sim_shape_time(w, "created_at", i->created_ms);
	sim_shape_time(w, "updated_at", i->created_ms);
	jw_null(w, "single_file_name");
	sim_shape_time(w, "suspended_at", i->suspended_ms);
	sim_shape_user(w, "suspended_by", s, i->suspended_by);
	jw_close(w);
}
