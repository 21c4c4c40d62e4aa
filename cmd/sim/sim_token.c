/* Who speaks for an App: JWTs are verified against the public key, installation tokens are made, end, and open only what they were made for. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"

enum { JWT_MAX = 4096, JWT_LIFE_S = 600, CLOCK_SKEW_S = 60 };

static const char undecodable[] = "A JSON web token could not be decoded";
static const char not_for_apps[] = "Resource not accessible by integration";

/* ---- JWT ---- */

struct claims {
	struct json_doc *head_doc, *doc;
	struct json head, body;
};

static void claims_free(struct claims *c)
{
	json_doc_free(c->head_doc);
	json_doc_free(c->doc);
}

static bool read_part(const char *text, size_t len, struct json_doc **ret_doc, struct json *ret)
{
	struct buf plain CLEANUP_BUF = {.max = JWT_MAX};
	struct err err = {0};
	return text_base64url_read(&plain, text, len) && json_parse(buf_str(&plain), plain.len, NULL, ret_doc, ret, &err) == 0 &&
	       json_type(ret) == JSON_OBJECT;
}

static bool is_number(const struct json *body, const char *key, int64_t *ret)
{
	struct err err = {0};
	return json_int(body, key, 0, INT64_C(1) << 40, ret, &err) == 0;
}

/* The App id as a number or a string, or the client id. */
static struct sim_integration *issuer(const struct sim *s, const struct json *body)
{
	struct json iss = json_member(body, "iss");
	struct buf text CLEANUP_BUF = {0};
	int64_t id;
	if (json_text(&iss) != NULL)
		buf_adds(&text, json_text(&iss));
	else if (json_type(&iss) == JSON_NUMBER)
		json_print(&iss, &text);
	for (size_t i = 0; i < s->apps->n; i++)
		if (strcmp(s->apps->v[i]->client_id, buf_str(&text)) == 0)
			return s->apps->v[i];
	return text_int(buf_str(&text), 1, INT64_MAX, &id, NULL) == 0 ? sim_app_of(s, id) : NULL;
}

static bool signed_by(const struct sim_integration *a, const char *jwt, size_t signed_len, const char *sig)
{
	struct buf bytes CLEANUP_BUF = {.max = JWT_MAX};
	struct crypto_rsa *key;
	struct err err = {0};
	if (!text_base64url_read(&bytes, sig, strlen(sig)) || crypto_rsa_read(a->key, strlen(a->key), &key, &err) != 0)
		return false;
	bool good = crypto_rsa_verify(key, jwt, signed_len, (const uint8_t *)buf_str(&bytes), bytes.len);
	crypto_rsa_free(key);
	return good;
}

static const char *wrong_times(const struct json *body)
{
	int64_t iat, exp, now = clock_wall_ms() / 1000;
	if (!is_number(body, "iat", &iat) || iat > now + CLOCK_SKEW_S)
		return "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
	if (!is_number(body, "exp", &exp) || exp <= now)
		return "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
	if (exp > now + JWT_LIFE_S)
		return "'Expiration time' claim ('exp') is too far in the future";
	return NULL;
}

struct sim_integration *sim_app_of_jwt(struct sim *s, const char *jwt, const char **ret_why)
{
	struct claims c = {0};
	struct sim_integration *a = NULL;
	const char *dot = strchr(jwt, '.'), *last = dot != NULL ? strchr(dot + 1, '.') : NULL;
	*ret_why = undecodable;
	if (last == NULL || strlen(jwt) > JWT_MAX || strchr(last + 1, '.') != NULL)
		return NULL;
	if (read_part(jwt, (size_t)(dot - jwt), &c.head_doc, &c.head) && read_part(dot + 1, (size_t)(last - dot - 1), &c.doc, &c.body)) {
		struct json alg = json_member(&c.head, "alg");
		a = json_text(&alg) != NULL && strcmp(json_text(&alg), "RS256") == 0 ? issuer(s, &c.body) : NULL;
		if (a != NULL && !signed_by(a, jwt, (size_t)(last - jwt), last + 1))
			a = NULL;
		const char *times = a != NULL ? wrong_times(&c.body) : NULL;
		if (times != NULL) {
			*ret_why = times;
			a = NULL;
		}
	}
	claims_free(&c);
	return a;
}

/* ---- installation tokens ---- */

/* "ghs_APPID_" and what looks like a JWT, so that nobody relies on 40 characters. */
static char *new_token(const struct sim_integration *a)
{
	uint8_t claims[96], sig[256];
	struct buf b = {0};
	crypto_random(claims, sizeof(claims));
	crypto_random(sig, sizeof(sig));
	buf_printf(&b, "ghs_%lld_", (long long)a->id);
	static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
	text_base64url(&b, head, strlen(head));
	buf_addc(&b, '.');
	text_base64url(&b, claims, sizeof(claims));
	buf_addc(&b, '.');
	text_base64url(&b, sig, sizeof(sig));
	return buf_take(&b);
}

struct sim_key *sim_key_new(struct sim *s, struct sim_install *i, const struct sim_perms *p, struct sim_ids *repos)
{
	struct sim_key *k = xcalloc(1, sizeof(*k));
	k->token = new_token(i->app);
	k->install = i;
	k->bot = i->app->bot;
	k->perms = *p;
	k->repos = *repos;
	*repos = (struct sim_ids){0};
	k->expires_ms = clock_wall_ms() + s->apps->life_ms;
	s->apps->keys = xreallocarray(s->apps->keys, s->apps->keys_n + 1, sizeof(*s->apps->keys));
	s->apps->keys[s->apps->keys_n++] = k;
	return k;
}

struct sim_key *sim_key_of(struct sim *s, const char *token, size_t len)
{
	for (size_t i = 0; len > 0 && i < s->apps->keys_n; i++) {
		struct sim_key *k = s->apps->keys[i];
		if (strlen(k->token) == len && crypto_same(k->token, token, len))
			return !k->revoked && clock_wall_ms() < k->expires_ms ? k : NULL;
	}
	return NULL;
}

/* ---- what a request needs ---- */

static const struct {
	const char *class_name, *permission;
	enum sim_level level;
	const char *or; /* another permission that is enough */
} needs[] = {
	{"repo", "metadata", SIM_L_READ, NULL},
	{"team", "members", SIM_L_READ, NULL},
	{"team_repo", "members", SIM_L_READ, NULL},
	{"pulls", "pull_requests", SIM_L_READ, NULL},
	{"pull", "pull_requests", SIM_L_READ, NULL},
	{"reviews", "pull_requests", SIM_L_READ, NULL},
	{"pull_commits", "pull_requests", SIM_L_READ, NULL},
	{"commit_pulls", "pull_requests", SIM_L_READ, "contents"},
	{"pull_create", "pull_requests", SIM_L_WRITE, NULL},
	{"review_create", "pull_requests", SIM_L_WRITE, NULL},
	{"merge", "contents", SIM_L_WRITE, NULL},
	{"comments", "issues", SIM_L_READ, "pull_requests"},
	{"labels", "issues", SIM_L_READ, "pull_requests"},
	{"comment_create", "issues", SIM_L_WRITE, "pull_requests"},
	{"comment_edit", "issues", SIM_L_WRITE, "pull_requests"},
	{"comment_delete", "issues", SIM_L_WRITE, "pull_requests"},
	{"permission", "metadata", SIM_L_READ, NULL},
	{"rules", "metadata", SIM_L_READ, NULL},
	{"protection", "administration", SIM_L_READ, NULL},
	{"branch", "contents", SIM_L_READ, NULL},
	{"contents", "contents", SIM_L_READ, NULL},
	{"codeowners", "contents", SIM_L_READ, NULL},
	{"status_list", "statuses", SIM_L_READ, NULL},
	{"statuses", "statuses", SIM_L_READ, NULL},
	{"status_create", "statuses", SIM_L_WRITE, NULL},
	{"check_runs", "checks", SIM_L_READ, NULL},
	{"check_suites", "checks", SIM_L_READ, NULL},
	{"check_run", "checks", SIM_L_READ, NULL},
	{"check_create", "checks", SIM_L_WRITE, NULL},
	{"check_edit", "checks", SIM_L_WRITE, NULL},
	{"deployments", "deployments", SIM_L_READ, NULL},
	{"graphql", "metadata", SIM_L_READ, NULL},
};

static bool permits(const struct sim_perms *p, const char *class_name)
{
	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (strcmp(needs[i].class_name, class_name) == 0)
			return sim_perms_get(p, needs[i].permission) >= needs[i].level ||
			       (needs[i].or != NULL && sim_perms_get(p, needs[i].or) >= needs[i].level);
	return false; /* such as /user */
}

bool sim_key_opens(const struct sim_key *k, const struct sim_repo *r)
{
	return k->install != NULL && sim_ids_has(&k->repos, r->id) && sim_install_covers(k->install, r);
}

bool sim_key_may(const struct sim_key *k, const char *permission, enum sim_level least) { return sim_perms_get(&k->perms, permission) >= least; }

bool sim_key_lets_in(struct sim_req *q, bool known_route)
{
	const struct sim_key *k = q->key;
	bool in_repo = text_starts(q->path, "/repos/") || text_starts(q->path, "/repositories/");
	if (k->install == NULL || k->install->suspended_ms != 0)
		sim_fail(q, 403, "This installation has been suspended");
	else if (!known_route || (in_repo && (q->repo == NULL || !sim_key_opens(k, q->repo)))) /* no word about what is not its business */
		sim_fail(q, 404, "Not Found");
	else if (!permits(&k->perms, q->class_name))
		sim_fail(q, 403, not_for_apps);
	else
		return true;
	return false;
}

bool sim_key_may_fetch(const struct sim_key *k, const struct sim_repo *r)
{
	return sim_key_opens(k, r) && k->install->suspended_ms == 0 && sim_key_may(k, "contents", SIM_L_READ);
}

bool sim_app_lets_in(struct sim_req *q, const char *by)
{
	const char *value = http_request_header(q->x, "Authorization"), *why = undecodable;
	if (http_request_header(q->x, "User-Agent") == NULL) {
		sim_fail(q, 403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.");
		return false;
	}
	if (strcmp(by, SIM_BY_ANYBODY) == 0)
		return true;
	if (strcmp(by, SIM_BY_KEY) == 0) {
		if (q->key == NULL)
			sim_fail(q, q->viewer != NULL ? 403 : 401,
				 q->viewer != NULL ? "You must authenticate with an installation access token" : "Bad credentials");
		return q->key != NULL;
	}
	if (value != NULL && text_starts(value, "Bearer "))
		q->app = sim_app_of_jwt(q->s, value + 7, &why);
	if (q->app == NULL)
		sim_fail(q, 401, why);
	return q->app != NULL;
}
