/* GitHub Apps in the simulated GitHub: who they are, where they are installed, what their tokens may do.
 *
 *   sim_app.c     Apps, installations, permissions             sim_token.c       JWTs, installation tokens, who may call what
 *   sim_app_rest.c  GET /app..., minting                       sim_app_control.c POST /_sim/installation, /_sim/tokens and their events
 *   sim_checks.c, sim_check_hooks.c  check runs                sim_deliveries.c  /app/hook/deliveries
 *   sim_moved.c   renamed and transferred repositories         sim_manifest.c    Apps from a manifest
 *
 * An App is verified by its public key alone; nothing here knows a private one but the moment in which a manifest is converted. */
#ifndef CMD_SIM_SIM_APP_H
#define CMD_SIM_SIM_APP_H

#include "cmd/sim/sim_priv.h"

enum { SIM_PERMS = 14, SIM_APP_REPOS_MAX = 500 };

enum sim_level { SIM_L_NONE, SIM_L_READ, SIM_L_WRITE };
struct sim_perms {
	enum sim_level level[SIM_PERMS]; /* by the table in sim_app.c */
};

struct sim_ids { /* of repositories; all: of every one of the account, later ones as well */
	bool all;
	int64_t *v;
	size_t n;
};

struct sim_integration {
	int64_t id;
	char *slug, *client_id, *owner, *key /* PEM */, *hook_url, *hook_secret /* NULL: the ones of the sim */;
	struct sim_user *bot;
	struct sim_perms perms;
	struct strlist events; /* empty: all */
	bool everywhere;       /* installed wherever a repository is made */
	bool suites;           /* is told of each push by check_suite.requested */
	int64_t created_ms;
};

struct sim_install {
	int64_t id, created_ms, suspended_ms; /* 0: not suspended */
	struct sim_user *suspended_by;
	struct sim_integration *app;
	char *account;
	struct sim_perms perms;
	struct sim_ids repos;
};

struct sim_key { /* an installation token */
	char *token;
	struct sim_install *install; /* NULL: the installation is gone */
	struct sim_user *bot;
	struct sim_perms perms;
	struct sim_ids repos;
	int64_t expires_ms;
	bool revoked;
};

struct sim_offer { /* a manifest that somebody accepted, until its code is used */
	char *code, *state, *manifest;
	int64_t at_ms;
	bool pressed, used;
};

struct sim_apps {
	struct sim_integration **v;
	size_t n;
	struct sim_install **installs;
	size_t installs_n;
	struct sim_key **keys;
	size_t keys_n;
	struct sim_offer **offers;
	size_t offers_n;
	int64_t life_ms; /* of a token */
};

/* sim_app.c */
struct sim_integration *sim_app_of(const struct sim *s, int64_t id);          /* NULL */
struct sim_integration *sim_app_of_bot(const struct sim *s, const struct sim_user *u);
struct sim_install *sim_install_of(const struct sim *s, const struct sim_integration *a, const char *account);
struct sim_install *sim_install_add(struct sim *s, struct sim_integration *a, const char *account);
void sim_install_remove(struct sim *s, struct sim_install *i);
bool sim_install_covers(const struct sim_install *i, const struct sim_repo *r);
/* Where the App is installed for this repository; NULL: nowhere. */
struct sim_install *sim_app_covers(const struct sim *s, const struct sim_integration *a, const struct sim_repo *r);
void sim_apps_new_repo(struct sim *s, struct sim_repo *r);                    /* Apps that are everywhere come along */
void sim_app_lets_bot(struct sim *s, struct sim_install *i);                  /* the bot may write where it is installed */
/* Whether the App is told of what happens in r (NULL: yes); the payload gets the installation that heard of it. Yes when there is no App. */
bool sim_app_hears(const struct sim *s, const struct sim_repo *r, struct buf *payload);
void sim_apps_free(struct sim *s);
bool sim_ids_has(const struct sim_ids *ids, int64_t id);
void sim_ids_add(struct sim_ids *ids, int64_t id);
void sim_ids_drop(struct sim_ids *ids, int64_t id);
int sim_perms_read(const struct json *o, struct sim_perms *ret, struct err *err) MUST_CHECK; /* {"checks": "write"}; ERR_REFUSED */
int sim_perms_words(const char *words, struct sim_perms *ret, struct err *err) MUST_CHECK;   /* "checks:write,contents:read" */
bool sim_perms_within(const struct sim_perms *p, const struct sim_perms *of);
enum sim_level sim_perms_get(const struct sim_perms *p, const char *name);
void sim_shape_perms(struct json_writer *w, const char *key, const struct sim_perms *p);
void sim_shape_app(struct json_writer *w, const char *key, const struct sim *s, const struct sim_integration *a);
void sim_shape_install(struct json_writer *w, const char *key, const struct sim *s, const struct sim_install *i);

/* sim_token.c */
#define SIM_BY_JWT "jwt"         /* what stands as the least permission of a route: an App speaks */
#define SIM_BY_KEY "key"         /* an installation token */
#define SIM_BY_ANYBODY "anybody"
struct sim_key *sim_key_of(struct sim *s, const char *token, size_t len); /* valid ones only */
struct sim_integration *sim_app_of_jwt(struct sim *s, const char *jwt, const char **ret_why); /* NULL: why is GitHub's sentence */
struct sim_key *sim_key_new(struct sim *s, struct sim_install *i, const struct sim_perms *p, struct sim_ids *repos /* taken */);
bool sim_app_lets_in(struct sim_req *q, const char *by);  /* false: answered */
bool sim_key_lets_in(struct sim_req *q, bool known_route); /* the same for requests with an installation token */
bool sim_key_opens(const struct sim_key *k, const struct sim_repo *r);
bool sim_key_may(const struct sim_key *k, const char *permission, enum sim_level least);
bool sim_key_may_fetch(const struct sim_key *k, const struct sim_repo *r);

/* sim_app_rest.c */
void sim_get_app(struct sim_req *q);
void sim_get_installs(struct sim_req *q);
void sim_get_install(struct sim_req *q);
void sim_get_repo_install(struct sim_req *q);
void sim_get_account_install(struct sim_req *q);
void sim_post_token(struct sim_req *q);
void sim_delete_token(struct sim_req *q);
void sim_get_key_repos(struct sim_req *q);
void sim_get_user_named(struct sim_req *q); /* GET /users/LOGIN */

/* The App's controls: NULL when the path is none of its. */
typedef int (*sim_app_control_fn)(struct sim_req *q, struct json_writer *w, struct err *err);
sim_app_control_fn sim_control_app(const char *path);
void sim_look_tokens(struct json_writer *w, const struct sim *s); /* "tokens" of GET /_sim/state */

#endif
