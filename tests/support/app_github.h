/* A GitHub of a few lines for tests of the App: installations, tokens with permissions, their end, and who asked what with which token. Answers
 * to everything else are the test's. It also plays the one who signs the App's JWT. */
#ifndef TESTS_SUPPORT_APP_GITHUB_H
#define TESTS_SUPPORT_APP_GITHUB_H

#include "github/gh_priv.h"
#include "tests/support/github_double.h"

enum { APP_TOKENS = 64, APP_ID = 4711 };

/* Before or after it had its effect: the connection is reset, or half a JSON answer comes. */
enum app_fault { APP_RESET, APP_LOST, APP_502, APP_401, APP_403, APP_404, APP_422, APP_LIMIT, APP_CUT, APP_EMPTY, APP_FAULTS };

struct app_token {
	char *text; /* "ghs_..." of token_bytes bytes */
	int64_t installation;
	bool dead, unknown; /* unknown: its mint went wrong, nobody can give it back */
};

struct app_github {
	struct loop *loop;
	struct gh_double *server;
	struct gh *gh;
	struct buf log;      /* "METHOD PATH WHO\n": WHO is jwtN, tN (the Nth token), none or bad */
	struct buf bodies;   /* of mints, one a line */
	struct buf audit;    /* "+read acme/infra\n" and "-read acme/infra\n" */
	struct app_token tokens[APP_TOKENS];
	size_t tokens_n;
	/* knobs */
	size_t token_bytes;  /* 0: 520 */
	int64_t life_ms;     /* 0: an hour */
	const char *lacks;   /* a mint that asks for this permission gets a 422 */
	const char *told;    /* "permissions" of an installation, as JSON; NULL: not told */
	bool suspended, suspended_late /* only the mint says so */, mint_broken, gone /* no installation */, renamed /* the mint knows no such repository */, jwt_fails, jwt_silent;
	int jwt_refused;     /* that many requests with a JWT get a 401 */
	int mint_502;        /* that many mints fail for a moment */
	size_t requests, fault_at; /* that request (from 1) goes wrong; 0: none */
	enum app_fault fault;
	uint64_t seed; /* not 0: one request in four goes wrong in some way */
	void (*on_request)(struct app_github *g);
	void (*on_mint)(struct app_github *g); /* while a mint is being answered */
	double_fn other;     /* everything that is not about tokens; NULL: {"id":5,"full_name":"R"} */
	void *arg;
	/* of the signer */
	unsigned jwts;
	void (*jwt_done)(const char *jwt, const struct err *err, void *arg);
	void *jwt_arg;
};

void app_github_open(struct app_github *g);
void app_github_close(struct app_github *g); /* the client, too, when it is still there */
struct gh_app app_github_app(struct app_github *g);
uint64_t app_github_dice(struct app_github *g);
void app_github_sign(struct app_github *g); /* a JWT that was held back (jwt_silent) */

/* What callers are told, and waiting for it. */
struct app_told {
	bool done;
	int code, status;
	int64_t id, retry_at_ms;
	char *token, *text; /* text: slug, sha or login */
	struct err err;
};
void app_told_cb(const struct gh_answer *a, void *told);
void app_wait(struct app_github *g, struct app_told *t);
void app_told_free(struct app_told *t);

#endif
