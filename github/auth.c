#include "github/auth_grant.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"
#include "github/gh_priv.h"

#include <stdio.h>

/* A token, in order: asked for (JWT, installation, mint) -> in use by calls -> idle -> given back. One that nobody uses and that is not at hand
 * is forgotten by the sweeper. Everything runs on the loop; what GitHub is asked goes through ordinary flows (auth_grant.c). */

enum {
	SWEEP_MS = 10 * 1000,
	IDLE_MS = 60 * 1000,           /* a shared token that nobody used so long is given back */
	HOME_IDLE_MS = 60 * 60 * 1000, /* and which installation a repository has is forgotten */
	RENEW_MS = 5 * 60 * 1000,      /* before its end */
	LIFE_MIN_MS = 2 * 60 * 1000,   /* of use, whatever the two clocks say: a 401 is noticed anyway */
	LIFE_MAX_MS = 55 * 60 * 1000,
	JWT_LIFE_MS = 8 * 60 * 1000,   /* of 9 minutes */
	JWT_WAIT_MS = 30 * 1000,       /* for whoever signs it */
};

static const char BEARER[] = "Bearer ";

struct jwt_ask {
	struct gh_auth *auth; /* NULL: closed meanwhile */
};

struct gh_auth {
	struct gh *gh;
	struct gh_app app; /* jwt NULL: an account */
	char *app_id;
	int64_t number;
	struct gh_budget budget;
	struct gh_token *tokens;
	struct gh_home *homes;
	struct gh_install *installs; /* kept until the end: one per account that installed the App */
	struct jwt_ask *asking;
	struct loop_timer *sweeper, *patience; /* with the one who signs */
	int64_t jwt_wait_ms;
	uint64_t serials;
	unsigned giving_back;
};

/* --- tokens -------------------------------------------------------------------------------------------------------------------------- */

static void wipe(char **secret)
{
	if (*secret != NULL)
		crypto_wipe(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

static struct gh_token *token_new(struct gh_auth *a, struct gh_home *h, enum gh_purpose purpose)
{
	struct gh_token *t = xcalloc(1, sizeof(*t));
	*t = (struct gh_token){.auth = a, .home = h, .purpose = purpose, .next = a->tokens, .used_ms = clock_mono_ms()};
	if (t->next != NULL)
		t->next->prev = t;
	a->tokens = t;
	if (h != NULL)
		h->tokens++;
	return t;
}

static void token_free(struct gh_token *t)
{
	*(t->prev != NULL ? &t->prev->next : &t->auth->tokens) = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	if (t->home != NULL)
		t->home->tokens--;
	wipe(&t->authorization);
	free(t->permissions);
	free(t);
}

static bool is_shared(const struct gh_token *t) { return t->purpose != GH_FOR_MERGE && t->purpose != GH_FOR_CLONE; }

/* To GitHub, if it is an installation's and still worth it; forgotten here in any case. */
static void give_back(struct gh_token *t)
{
	struct gh_auth *a = t->auth;
	if (t->authorization == NULL || t->home == NULL || a->gh->closing)
		return;
	if (clock_mono_ms() < t->ends_ms) {
		a->giving_back++;
		gh_grant_revoke(a->gh, t, TAKE(t->authorization));
	}
	wipe(&t->authorization);
}

void gh_auth_given_back(struct gh_auth *a) { a->giving_back--; }

/* --- the sweeper --------------------------------------------------------------------------------------------------------------------- */

static void sweep_homes(struct gh_auth *a, int64_t now)
{
	for (struct gh_home **at = &a->homes; *at != NULL;) {
		struct gh_home *h = *at;
		if (h->tokens > 0 || now - h->used_ms < HOME_IDLE_MS) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		free(h->repo);
		free(h);
	}
}

void gh_auth_sweep(struct gh_auth *a)
{
	int64_t now = clock_mono_ms();
	for (struct gh_token *t = a->tokens, *next; t != NULL; t = next) {
		next = t->next;
		bool idle = t->users == 0 && !t->asking && !t->lent && t->home != NULL && now - t->used_ms >= IDLE_MS;
		bool over = t->lent && now >= t->ends_ms; /* whoever had it is gone, and so is the token by itself */
		if (!idle && !over)
			continue;
		give_back(t);
		token_free(t);
	}
	sweep_homes(a, now);
	if (a->homes == NULL && a->sweeper != NULL)
		loop_timer_stop(a->sweeper);
}

static void sweep(void *auth) { gh_auth_sweep(auth); }

static void start_sweeper(struct gh_auth *a)
{
	if (a->sweeper == NULL)
		a->sweeper = loop_timer_new(a->gh->loop, sweep, a);
	if (!loop_timer_active(a->sweeper))
		loop_timer_start(a->sweeper, SWEEP_MS, SWEEP_MS);
}

/* --- repositories and installations -------------------------------------------------------------------------------------------------- */

static struct gh_home *home_of(struct gh_auth *a, const char *repo)
{
	struct gh_home *h = a->homes;
	while (h != NULL && !text_same_case(h->repo, repo))
		h = h->next;
	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		*h = (struct gh_home){.repo = xstrdup(repo), .next = a->homes};
		a->homes = h;
		start_sweeper(a);
	}
	h->used_ms = clock_mono_ms();
	h->turn = ++a->serials;
	return h;
}

struct gh_install *gh_auth_install(struct gh_auth *a, int64_t id)
{
	struct gh_install *in = a->installs;
	while (in != NULL && in->id != id)
		in = in->next;
	if (in == NULL) {
		in = xcalloc(1, sizeof(*in));
		*in = (struct gh_install){.id = id, .next = a->installs};
		a->installs = in;
	}
	return in;
}

const char *gh_auth_repo_of(const struct gh_auth *a, const char *owner)
{
	const struct gh_home *best = NULL;
	for (const struct gh_home *h = a->homes; h != NULL; h = h->next) {
		size_t n = owner != NULL ? strlen(owner) : 0;
		CLEANUP_FREE char *theirs = xstrndup(h->repo, strcspn(h->repo, "/"));
		if (h->in != NULL && (n == 0 || text_same_case(theirs, owner)) && (best == NULL || h->turn > best->turn))
			best = h;
	}
	return best != NULL ? best->repo : NULL;
}

/* --- using ---------------------------------------------------------------------------------------------------------------------------- */

struct gh_token *gh_token_use(struct gh_auth *a, const char *repo, enum gh_purpose purpose)
{
	struct gh_home *h = NULL;
	struct gh_token *t = a->tokens;
	if (a->app.jwt != NULL && purpose != GH_FOR_APP) {
		ASSERT(repo != NULL);
		h = home_of(a, repo);
	}
	if (a->app.jwt != NULL) /* an account has one token for everything */
		while (t != NULL && (t->home != h || t->purpose != purpose || !is_shared(t)))
			t = t->next;
	if (t == NULL)
		t = token_new(a, h, purpose);
	t->users++;
	t->used_ms = clock_mono_ms();
	return t;
}

void gh_token_leave(struct gh_token *t)
{
	if (t == NULL)
		return;
	ASSERT(t->users > 0);
	t->users--;
	t->used_ms = clock_mono_ms();
	if (t->users > 0 || is_shared(t) || t->lent || t->home == NULL)
		return;
	give_back(t);
	if (!t->asking) /* else its mint is on the way, and what comes is given back then */
		token_free(t);
}

const char *gh_token_authorization(struct gh_token *t)
{
	bool lasts = t->home == NULL && t->purpose != GH_FOR_APP;
	return lasts || clock_mono_ms() < t->renew_ms ? t->authorization : NULL;
}

uint64_t gh_token_serial(const struct gh_token *t) { return t->serial; }

unsigned gh_token_lacks(const struct gh_token *t) { return t->in != NULL ? t->in->lacks : 0; }

struct gh_budget *gh_auth_budget(struct gh_auth *a) { return &a->budget; }

struct gh_budget *gh_token_budget(struct gh_token *t)
{
	return t->in != NULL ? &t->in->budget : &t->auth->budget;
}

bool gh_token_refused(struct gh_token *t, uint64_t serial)
{
	if (t->auth->app.jwt == NULL)
		return false;
	if (t->serial == serial && !t->asking) {
		wipe(&t->authorization);
		gh_token_doubted(t);
	}
	return true;
}

void gh_token_doubted(struct gh_token *t)
{
	if (t->home != NULL)
		t->home->doubted = true;
}

/* --- waiting -------------------------------------------------------------------------------------------------------------------------- */

static void enter(struct gh_waiter **list, struct gh_waiter *w)
{
	while (*list != NULL)
		list = &(*list)->next;
	w->next = NULL;
	w->at = list;
	*list = w;
}

void gh_waiter_leave(struct gh_waiter *w)
{
	if (w->at == NULL)
		return;
	*w->at = w->next;
	if (w->next != NULL)
		w->next->at = w->at;
	w->at = NULL;
	w->next = NULL;
}

/* Everybody who waited until now is told. Any of them may close the whole client, so nothing of ours is touched afterwards. */
void gh_token_tell(struct gh_token *t, const struct gh_result *r)
{
	struct gh_waiter *all = t->waiters;
	const struct gh_result copy = *r;
	t->waiters = NULL;
	t->asking = false;
	t->used_ms = clock_mono_ms();
	if (all != NULL)
		all->at = &all;
	if (t->users == 0 && !is_shared(t) && !t->lent) { /* whoever wanted it went away */
		give_back(t);
		token_free(t);
	}
	while (all != NULL) {
		struct gh_waiter *w = all;
		gh_waiter_leave(w);
		w->fn(&copy, w->arg);
	}
}

void gh_token_set(struct gh_token *t, const char *token, int64_t left_ms)
{
	int64_t now = clock_mono_ms(), use = left_ms - RENEW_MS;
	wipe(&t->authorization);
	t->authorization = xasprintf("%s%s", BEARER, token);
	t->serial = ++t->auth->serials;
	t->renew_ms = now + (use < LIFE_MIN_MS ? LIFE_MIN_MS : use > LIFE_MAX_MS ? LIFE_MAX_MS : use);
	t->ends_ms = now + LIFE_MAX_MS + RENEW_MS; /* not by GitHub's clock: giving back one that ended already does no harm */
}

static struct gh_token *jwt_of(const struct gh_auth *a)
{
	struct gh_token *t = a->tokens;
	while (t->purpose != GH_FOR_APP) /* it is there since the first question and stays */
		t = t->next;
	return t;
}

static void got_jwt(const char *jwt, const struct err *err, void *arg)
{
	struct jwt_ask *ask = arg;
	struct gh_auth *a = ask->auth;
	struct gh_result r = {0};
	free(ask);
	if (a == NULL)
		return;
	a->asking = NULL;
	loop_timer_stop(a->patience);
	struct gh_token *t = jwt_of(a);
	if (jwt == NULL) {
		r.err = *err;
		(void)err_wrap(&r.err, "sign in as the GitHub App");
	} else {
		gh_token_set(t, jwt, 0);
		t->renew_ms = clock_mono_ms() + JWT_LIFE_MS;
	}
	gh_token_tell(t, &r);
}

static void no_jwt(void *arg)
{
	struct gh_auth *a = arg;
	struct gh_result r = {0};
	a->asking->auth = NULL; /* what comes later finds nobody */
	a->asking = NULL;
	(void)err_set(&r.err, ERR_TIMEOUT, "sign in as the GitHub App: the key agent did not answer");
	gh_token_tell(jwt_of(a), &r);
}

static void ask_jwt(struct gh_auth *a)
{
	if (a->patience == NULL)
		a->patience = loop_timer_new(a->gh->loop, no_jwt, a);
	loop_timer_start(a->patience, a->jwt_wait_ms, 0);
	a->asking = xcalloc(1, sizeof(*a->asking));
	a->asking->auth = a;
	a->app.jwt(a->app.self, got_jwt, a->asking);
}

void gh_token_wait(struct gh_token *t, struct gh_waiter *w)
{
	struct gh_auth *a = t->auth;
	enter(&t->waiters, w);
	if (t->asking)
		return;
	t->asking = true;
	if (t->home != NULL)
		gh_grant_mint(a->gh, t);
	else
		ask_jwt(a);
}

void gh_auth_patience(struct gh_auth *a, int64_t ms) { a->jwt_wait_ms = ms; }

/* --- lending --------------------------------------------------------------------------------------------------------------------------- */

const char *gh_token_lend(struct gh_token *t)
{
	t->lent = !is_shared(t) && t->home != NULL;
	return t->authorization + sizeof(BEARER) - 1;
}

void gh_auth_revoke(struct gh_auth *a, const char *token)
{
	for (struct gh_token *t = a->tokens; t != NULL; t = t->next) {
		if (!t->lent || strcmp(t->authorization + sizeof(BEARER) - 1, token) != 0)
			continue;
		give_back(t);
		token_free(t);
		return;
	}
}

void gh_auth_give_back(struct gh_auth *a)
{
	for (struct gh_token *t = a->tokens, *next; t != NULL; t = next) {
		next = t->next;
		if (t->users > 0 || t->asking || t->home == NULL)
			continue;
		give_back(t);
		token_free(t);
	}
}

bool gh_auth_giving_back(const struct gh_auth *a) { return a->giving_back > 0; }

/* --- the whole ------------------------------------------------------------------------------------------------------------------------- */

struct gh_auth *gh_auth_new(struct gh *g, const struct gh_options *o)
{
	struct gh_auth *a = xcalloc(1, sizeof(*a));
	*a = (struct gh_auth){.gh = g, .jwt_wait_ms = JWT_WAIT_MS};
	if (o->app != NULL) {
		a->app = *o->app;
		a->app_id = xstrdup(o->app->id);
		a->app.id = a->app_id;
		if (text_int(a->app.id, 1, ((int64_t)1 << 53) - 1, &a->number, NULL) != 0)
			a->number = 0; /* a client id: the number is learned from GitHub */
		return a;
	}
	struct gh_token *t = token_new(a, NULL, GH_FOR_READ);
	t->authorization = xasprintf("%s%s", BEARER, o->token);
	t->serial = ++a->serials;
	return a;
}

struct gh *gh_auth_client(const struct gh_auth *a) { return a->gh; }

bool gh_auth_is_app(const struct gh_auth *a) { return a->app.jwt != NULL; }

int64_t gh_auth_app_number(const struct gh_auth *a) { return a->number; }

void gh_auth_learn_number(struct gh_auth *a, int64_t id) { a->number = id; }

void gh_auth_minted(struct gh_auth *a, const char *repo, enum gh_purpose purpose, const char *permissions, bool revoked)
{
	static const char *const WORDS[GH_PURPOSES] = {"read", "say", "merge", "clone", "app"};
	log_debug(revoked ? "github.token_back" : "github.token", "repo=%s purpose=%s", log_value(repo), WORDS[purpose]);
	if (a->app.minted != NULL)
		a->app.minted(a->app.self, repo, WORDS[purpose], permissions, revoked);
}

void gh_auth_close(struct gh_auth *a)
{
	if (a->asking != NULL)
		a->asking->auth = NULL;
	while (a->tokens != NULL)
		token_free(a->tokens);
	for (struct gh_home *h = a->homes, *next; h != NULL; h = next) {
		next = h->next;
		free(h->repo);
		free(h);
	}
	for (struct gh_install *in = a->installs, *next; in != NULL; in = next) {
		next = in->next;
		free(in);
	}
	loop_timer_close(a->sweeper);
	loop_timer_close(a->patience);
	free(a->app_id);
	free(a);
}
