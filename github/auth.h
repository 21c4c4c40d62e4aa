/* Steps 4 and 9. Who sluice is towards GitHub: an account with one token, or an App with a token per repository and purpose.
 *
 *   App JWT (from the key agent, 9 minutes) -> installation of the repository -> token for that one repository with the least permissions
 *
 * Tokens live an hour; those for reading and for saying are shared by all runs of a repository, renewed five minutes before their end and given
 * back when nobody used them for a minute. A merge and a clone get their own, given back at their end. Tokens are kept in memory that is wiped,
 * nowhere on disk, and their length is GitHub's business. Lives in the daemon, on the loop; the private key does not come here. */
#ifndef GITHUB_AUTH_H
#define GITHUB_AUTH_H

#include "github/gh.h"

struct gh_auth;
struct gh_token;

/* What GitHub lets one installation send. */
struct gh_budget {
	int64_t until_ms;       /* wall; GitHub asked us to stay away until then */
	int64_t query_until_ms; /* the same for GraphQL, which is counted apart */
	unsigned times;         /* limited in a row */
};

/* One who waits for a token, embedded in its owner. fn is called once, later; r is fine or says why there is none. */
struct gh_waiter {
	struct gh_waiter *next, **at; /* at NULL: does not wait */
	void (*fn)(const struct gh_result *r, void *arg);
	void *arg;
};

/* Permissions that an installation may lack: what hangs on them is then unknown, never "no". */
enum { GH_MAY_ADMINISTRATION = 1, GH_MAY_DEPLOYMENTS = 2, GH_MAY_MEMBERS = 4, GH_MAY_QUEUE = 8, GH_MAY_ENQUEUE = 16 };

struct gh_auth *gh_auth_new(struct gh *g, const struct gh_options *o);
void gh_auth_close(struct gh_auth *a); /* after every flow is gone; tokens are forgotten, not given back */
bool gh_auth_is_app(const struct gh_auth *a);
int64_t gh_auth_app_number(const struct gh_auth *a);   /* of our App; 0: not known */
void gh_auth_learn_number(struct gh_auth *a, int64_t id);

/* A token to use until gh_token_leave: shared, or of its own for a merge or a clone. repo NULL only for GH_FOR_APP. */
struct gh_token *gh_token_use(struct gh_auth *a, const char *repo, enum gh_purpose purpose);
void gh_token_leave(struct gh_token *t); /* NULL is fine */
/* "Bearer ..."; NULL: not at hand or about to end, wait for it. */
const char *gh_token_authorization(struct gh_token *t);
void gh_token_wait(struct gh_token *t, struct gh_waiter *w);
void gh_waiter_leave(struct gh_waiter *w);
uint64_t gh_token_serial(const struct gh_token *t); /* another one after each renewal */
/* GitHub refused it (401): it is forgotten, unless it was replaced meanwhile. False: it is the account's, there is no other. */
bool gh_token_refused(struct gh_token *t, uint64_t serial);
/* 403 or 404: the repository may have another installation by now; asked again before the next token. */
void gh_token_doubted(struct gh_token *t);
unsigned gh_token_lacks(const struct gh_token *t); /* GH_MAY_* that the installation does not have */
struct gh_budget *gh_token_budget(struct gh_token *t);
struct gh_budget *gh_auth_budget(struct gh_auth *a); /* of requests without an installation */
/* The repository most lately used where the App is installed, of this owner or (NULL) of anyone; NULL: none yet. */
const char *gh_auth_repo_of(const struct gh_auth *a, const char *owner);

/* Hands a token of its own out of the client; gh_auth_revoke takes it back and gives it back to GitHub. */
const char *gh_token_lend(struct gh_token *t);
void gh_auth_revoke(struct gh_auth *a, const char *token);
void gh_auth_give_back(struct gh_auth *a);
bool gh_auth_giving_back(const struct gh_auth *a);
void gh_auth_sweep(struct gh_auth *a); /* gives back what was idle; on a timer, and for tests */

#endif
