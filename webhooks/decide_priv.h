/* Between decide.c (deliveries, one after the other) and decide_command.c (comments that ask for something). */
#ifndef WEBHOOKS_DECIDE_PRIV_H
#define WEBHOOKS_DECIDE_PRIV_H

#include "github/event.h"
#include "plan/command.h"
#include "plan/prepare.h"
#include "plan/role.h"
#include "webhooks/decide.h"
#include "webhooks/delivery_store.h"

struct decide {
	struct decide_options o;
	int64_t seen;           /* highest delivery id taken up */
	bool reading, read_again, idling;
	bool closed;            /* freed by the quiet turn that it still waits for */
	struct item *late;      /* could not be written down yet, oldest first */
	struct loop_timer *again;
	struct loop_timer *later; /* while the intake is busy */
	struct item *asking;    /* commands whose role is being looked up */
	struct loop_timer *prune;
	struct refresh *refreshes; /* pull requests whose gate was read again lately */
	size_t refreshes_n;
	struct loop_timer *refresh;
	struct loop_process *fetch; /* one at a time */
	struct prepare_request mirror; /* what it was asked, with its token */
	bool mirror_waits;          /* for that token */
};

/* One delivery on its way to a disposition. Owned by the batch, then by whoever holds its wake-up. */
struct item {
	struct decide *d;
	int64_t delivery_id;
	struct gh_event event;
	struct command command;
	struct role_lookup *lookup;
	enum role role;
	char *role_failed;    /* it could not be looked up */
	bool answered;        /* the look-up is over; an earlier comment of the pull request may still wait for its own */
	const char *ignored;  /* reason, or NULL */
	bool cancel, fetch;   /* what to do after the commit */
	bool kick;            /* likewise: a project is free */
	bool refresh;         /* likewise: what the gate looks at changed */
	char *clone_url;
	struct item *next;
};

void item_free(struct item *it);
/* Inside the transaction: what a command with a known role does; the disposition goes into ret. */
int decide_command(struct db_conn *c, struct item *it, char **ret_disposition, struct err *err) MUST_CHECK;

/* decide_check.c. A pressed button becomes a command of its sender; decide_rerun decides it. */
void decide_rerun_command(struct item *it);
int decide_rerun(struct db_conn *c, struct item *it, char **ret, struct err *err) MUST_CHECK;
int decide_group(struct db_conn *c, const struct item *it, char **ret, struct err *err) MUST_CHECK;
int decide_pull_of_commit(struct db_conn *c, const struct gh_event *e, int64_t *ret /* 0: none */, struct err *err) MUST_CHECK;

/* decide_event.c */
int decide_note_pusher(struct db_conn *c, const struct gh_event *e, struct err *err) MUST_CHECK;
int decide_facts(struct db_conn *c, struct item *it, char **ret, struct err *err) MUST_CHECK;
int decide_comment_changed(struct db_conn *c, const struct item *it, char **ret, struct err *err) MUST_CHECK;
int decide_access(struct db_conn *c, const struct item *it, char **ret, struct err *err) MUST_CHECK;
/* "suspended" or "removed" when we have no business in this repository; NULL otherwise. The caller frees. */
int decide_access_lost(struct db_conn *c, const struct gh_event *e, char **ret_state, struct err *err) MUST_CHECK;
int decide_renamed(struct db_conn *c, const struct item *it, char **ret, struct err *err) MUST_CHECK;
void decide_ping(const struct item *it);

/* decide_refresh.c */
void decide_refresh(struct decide *d, int64_t repo_id, int64_t pull);
void decide_refresh_tick(void *arg); /* struct decide */
void decide_refresh_free(struct decide *d);

/* decide.c: what an opened and a closed pull request start; also for what the reconciler found. */
int decide_start_plan(struct db_conn *c, const struct gh_event *e, char **ret, struct err *err) MUST_CHECK;
int decide_close_pull(struct db_conn *c, const struct gh_event *e, char **ret, struct err *err) MUST_CHECK;

#endif
