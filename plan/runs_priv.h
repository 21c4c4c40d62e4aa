/* Between the machine (runs.c) and its steps (run_steps.c, run_apply.c). */
#ifndef PLAN_RUNS_PRIV_H
#define PLAN_RUNS_PRIV_H

#include "plan/gate_own.h"
#include "plan/gate_read.h"
#include "plan/jobs.h"
#include "plan/prepare.h"
#include "plan/runs.h"

struct runs {
	struct runs_options o;
	struct comment_context comment; /* its sandbox: written and read on the writer thread */
	char *sandbox;
	struct jobs *jobs;
	struct run *open;
	struct recheck *rechecks;  /* of runs that apply (run_check.c) */
	struct facts_read *facts; /* readings beside plans (run_facts.c) */
	struct retention *retention;
	struct loop_timer *progress; /* edits comments of runs at work */
	struct cancel *late_cancels; /* that could not be written yet */
	bool looking, look_again, look_late, editing;
};

/* What READING and MERGING saw of the pull request. */
struct seen_pull {
	bool open, draft, merged, fork;
	char *repo, *clone_url, *head_sha, *base_ref, *merge_sha, *author;
};

/* A run that is not over. Owned by whoever holds its one wake-up: the operation that its state's enter started, or the transaction of its
 * leave. */
struct run {
	struct runs *m;
	struct run *next;
	struct run_row row;
	bool leaving; /* its transaction is under way on the writer thread */
	bool ended;   /* the database says that it is over: let go at the next wake-up */
	bool parked;  /* queued behind an apply */
	bool poked;   /* enqueued: it is about to look again */
	int waits;        /* for the comment with the plans, which is on its way to GitHub */
	int64_t again_ms; /* leave stays in this state: enter it again after that time; 0: when somebody looks */
	bool queued;  /* merging ended in the merge queue */
	int tries;    /* of the present state */
	struct loop_timer *timer; /* the next try */
	struct loop_timer *slow;  /* says "preparing" when preparing takes long */

	/* the operation under way */
	struct gate_reader *gate;
	struct role_lookup *role;
	struct loop_process *child;
	char *clone_token; /* of the child under way; wiped */

	/* what it brought, for leave */
	struct err failure;       /* code 0: it worked */
	struct seen_pull pull;
	enum role asker_role;
	bool untrusted;           /* reading: a head of a fork that nobody has read yet */
	struct gate_seen seen;
	int64_t seen_mono_ms;
	struct prepare_result prepared;
	bool has_prepared;
	enum run_state goes_to;
	struct err broken;        /* leave can not be written: the run fails with this */
};

/* One row of the machine. */
struct run_step {
	void (*enter)(struct run *r); /* starts exactly one operation, which ends in run_wake() */
	/* Inside the transaction: takes the result in, says where the run goes; its own state means "stay" (parked). */
	int (*leave)(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
	void (*drop)(struct run *r);  /* ends the operation without a wake-up; NULL: nothing to end */
};

void run_wake(struct run *r);
/* Enters the present state once more, later. False when that was tried often enough. */
bool run_try_again(struct run *r);
/* Takes the pull request out of an answer. False when there is none: the state is entered again later, or leave is told of the failure. */
bool run_pull_answered(struct run *r, const struct gh_answer *a);
void seen_pull_take(struct seen_pull *s, const struct gh_pull *p);
void seen_pull_free(struct seen_pull *s);

/* run_steps.c */
void run_queued_enter(struct run *r);
int run_queued_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
void run_reading_enter(struct run *r);
int run_reading_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
void run_reading_drop(struct run *r);
void run_preparing_enter(struct run *r);
int run_preparing_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
void run_preparing_drop(struct run *r);
void run_give_back_token(struct run *r);

/* run_apply.c */
void run_gating_enter(struct run *r);
int run_gating_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
void run_gating_drop(struct run *r);
void run_merging_enter(struct run *r);
int run_merging_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
void run_merging_drop(struct run *r);

/* run_merge.c: run_merging_*, and */
void run_enqueued_enter(struct run *r);
int run_enqueued_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);

int run_create_apply_jobs(struct db_conn *c, struct run *r, struct err *err) MUST_CHECK;
/* The plans that this apply is about: the newest of each project of its head that the command names. gone_too: directories that are gone. */
int run_apply_selection(struct db_conn *c, const struct run_row *row, bool gone_too, struct job_list *ret, struct err *err) MUST_CHECK;
/* What our own database adds to what GitHub said: the plans of this head, what they require, who holds a lock. jobs: those it is about. */
int run_gate_facts(struct db_conn *c, const struct runs *m, const struct run_row *row, struct gate_seen *seen, struct job_list *jobs,
		   struct gate_own *own, struct err *err) MUST_CHECK;

/* run_check.c */
struct gate_question run_gate_question(const struct runs *m, const struct run_row *row);
void run_checking_enter(struct run *r);
int run_checking_leave(struct db_conn *c, struct run *r, enum run_state *ret_next, struct err *err);
void run_checking_drop(struct run *r);
/* What the gate said, into the run's row and the audit log. at: "asked", "merged", "credentials", "exec". */
int run_keep_verdict(struct db_conn *c, const struct run_row *row, const char *at, const struct gate_facts *f, const struct gate_own *own,
		     const struct gate_verdict *v, struct err *err) MUST_CHECK;
/* Of an apply whose gate was open: the plans of the projects that it took. */
int run_claimed_plans(struct db_conn *c, const struct run_row *row, struct job_list *ret, struct err *err) MUST_CHECK;
/* What checking saw a moment ago serves the first jobs, too. Once it works. */
void run_check_keep(struct run *r);
/* jobs_options.may_start */
void run_may_start(int64_t run_id, jobs_may_start_cb cb, void *cb_arg, void *arg);
void run_check_forget(struct runs *m, int64_t run_id);
void run_checks_close(struct runs *m);

/* run_cancel.c: runs_cancel, and */
void run_cancel_late(struct runs *m); /* those that could not be written yet */
void run_cancels_close(struct runs *m);

/* run_facts.c */
void run_facts_start(struct run *r);
void run_facts_close(struct runs *m);

/* The run could not do its work, or may not: error and comment are owed with the state it goes to. */
int run_end_with(struct db_conn *c, struct run *r, const char *error, struct err *err) MUST_CHECK;

#endif
