/* Steps 4 and 9. The inside of github/auth.h: what a token is, and how GitHub is asked for one. For auth.c and auth_grant.c only. */
#ifndef GITHUB_AUTH_GRANT_H
#define GITHUB_AUTH_GRANT_H

#include "github/auth.h"

struct gh_install {
	int64_t id;
	unsigned lacks; /* GH_MAY_* */
	struct gh_budget budget;
	struct gh_install *next;
};

/* A repository and who installed the App there. */
struct gh_home {
	char *repo;
	struct gh_install *in; /* NULL: not asked yet */
	bool doubted;          /* to be asked again before the next token */
	int64_t used_ms;
	uint64_t turn;         /* the larger the later it was used */
	size_t tokens;         /* that point here */
	struct gh_home *next;
};

struct gh_token {
	struct gh_auth *auth;
	struct gh_token *prev, *next;
	struct gh_home *home;  /* NULL: the App's JWT, or an account's token */
	struct gh_install *in; /* that minted it, or is asked to; the home may have another one by now. NULL: not asked yet */
	enum gh_purpose purpose;
	char *authorization; /* "Bearer TOKEN", wiped; NULL: none */
	char *permissions;   /* as granted, for the audit; NULL: not asked yet */
	uint64_t serial;
	int64_t renew_ms, ends_ms, used_ms; /* monotonic */
	unsigned users;                     /* calls that hold it */
	bool asking, lent;
	struct gh_waiter *waiters;
};

/* Asks for the installation where it is not known, then for the token, and ends with gh_token_tell. t is not freed while it is `asking`. */
void gh_grant_mint(struct gh *g, struct gh_token *t);
/* Takes authorization; ends with gh_auth_given_back. */
void gh_grant_revoke(struct gh *g, const struct gh_token *t, char *authorization);

/* Pure parts. */
int gh_decode_installation(const char *body, size_t len, int64_t *ret_id, unsigned *ret_lacks, bool *ret_suspended, struct err *err) MUST_CHECK;
/* The caller wipes and frees *ret_token; left_ms: what the token has left at now_ms (wall). */
int gh_decode_token(const char *body, size_t len, int64_t now_ms, char **ret_token, int64_t *ret_left_ms, struct err *err) MUST_CHECK;
/* "contents:read, ..." of a purpose without what an installation lacks. */
char *gh_grant_words(enum gh_purpose purpose, unsigned lacks);

/* What auth.c gives auth_grant.c. */
struct gh *gh_auth_client(const struct gh_auth *a);
struct gh_install *gh_auth_install(struct gh_auth *a, int64_t id);
void gh_token_set(struct gh_token *t, const char *token, int64_t left_ms);
void gh_token_tell(struct gh_token *t, const struct gh_result *r);
void gh_auth_given_back(struct gh_auth *a);
void gh_auth_patience(struct gh_auth *a, int64_t ms); /* how long a JWT is waited for; for tests */
void gh_auth_minted(struct gh_auth *a, const char *repo, enum gh_purpose purpose, const char *permissions, bool revoked);

#endif
