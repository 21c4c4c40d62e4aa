#include "cmd/app_sign.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"

struct app_sign {
	struct db *db;
	struct agent *agent;
	char *id;
	struct gh_app app;
};

struct ask {
	struct app_sign *s;
	void (*done)(const char *jwt, const struct err *err, void *arg);
	void *arg;
	char *jwt;
};

static int sign_tx(struct db_conn *c, void *arg, struct err *err)
{
	struct ask *a = arg;
	(void)c; /* this thread is what is needed: it alone talks to the agent */
	free(TAKE(a->jwt));
	return agent_app_jwt(a->s->agent, clock_wall_ms() / 1000, &a->jwt, err);
}

static void signed_done(int rc, const struct err *err, void *arg)
{
	struct ask *a = arg;
	static const struct err fine;
	a->done(rc == 0 ? a->jwt : NULL, rc == 0 ? &fine : err, a->arg);
	if (a->jwt != NULL)
		crypto_wipe(a->jwt, strlen(a->jwt));
	free(a->jwt);
	free(a);
}

static void jwt(void *self, void (*done)(const char *jwt, const struct err *err, void *arg), void *arg)
{
	struct app_sign *s = self;
	struct ask *a = xcalloc(1, sizeof(*a));
	*a = (struct ask){.s = s, .done = done, .arg = arg};
	db_submit(s->db, sign_tx, signed_done, a);
}

struct note {
	char *detail;
};

static int note_tx(struct db_conn *c, void *arg, struct err *err)
{
	const struct note *n = arg;
	return audit_add(c, &(struct audit){.kind = "token", .detail = n->detail}, err);
}

static void note_done(int rc, const struct err *err, void *arg)
{
	struct note *n = arg;
	if (rc != 0)
		log_err("audit.token", "error=%s", log_value(err->msg));
	free(n->detail);
	free(n);
}

static void minted(void *self, const char *repo, const char *purpose, const char *permissions, bool revoked)
{
	const struct app_sign *s = self;
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "what", revoked ? "given back" : "minted");
	jw_str(&w, "repository", repo);
	jw_str(&w, "purpose", purpose);
	if (permissions != NULL)
		jw_str(&w, "permissions", permissions);
	jw_close(&w);
	struct note *n = xcalloc(1, sizeof(*n));
	n->detail = buf_take(&b);
	db_submit(s->db, note_tx, note_done, n);
}

struct app_sign *app_sign_new(struct db *db, struct agent *agent, const char *id)
{
	struct app_sign *s = xcalloc(1, sizeof(*s));
	*s = (struct app_sign){.db = db, .agent = agent, .id = xstrdup(id)};
	s->app = (struct gh_app){.id = s->id, .jwt = jwt, .minted = minted, .self = s};
	return s;
}

const struct gh_app *app_sign_app(const struct app_sign *s) { return &s->app; }

void app_sign_free(struct app_sign *s)
{
	if (s == NULL)
		return;
	free(s->id);
	free(s);
}
