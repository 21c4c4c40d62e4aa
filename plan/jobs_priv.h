/* Between jobs.c (what starts) and jobs_harvest.c (what comes back). */
#ifndef PLAN_JOBS_PRIV_H
#define PLAN_JOBS_PRIV_H

#include "plan/job_record.h"
#include "plan/jobs.h"

struct running {
	int64_t job_id, run_id;
	struct running *next;
};

struct jobs {
	struct jobs_options o;
	struct executor executor;
	struct launch *asking;   /* applies whose gate is looked at once more */
	struct running *running; /* told to the executor and not over */
	bool picking, pick_again;
	struct loop_timer *again; /* after a transaction that could not be written */
	struct harvest *late;     /* results that could not be taken in yet */
	struct engine_binary engines[ENGINE_KINDS]; /* path NULL: not on this machine */
	char *engine_missing[ENGINE_KINDS];         /* then the sentence */
};

struct record_context jobs_record_context(const struct jobs *j);
void jobs_harvest(struct jobs *j, int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err);
/* Once more, what could not be taken in. */
void jobs_harvest_late(struct jobs *j);
void jobs_forget_late(struct jobs *j);
enum { JOBS_AGAIN_MS = 1000 };
void jobs_forget_running(struct jobs *j, int64_t job_id);

/* At start: directories of jobs that nothing will harvest any more, left by a crash between taking a result in and clearing up. */
void jobs_clean_left(const struct jobs *j, const struct job_list *running);

#endif
