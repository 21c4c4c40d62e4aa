/* Between jobs.c (what starts) and jobs_harvest.c (what comes back). */
#ifndef PLAN_JOBS_PRIV_H
#define PLAN_JOBS_PRIV_H

#include "plan/jobs.h"

struct running {
	int64_t job_id, run_id;
	struct running *next;
};

struct jobs {
	struct jobs_options o;
	struct executor executor;
	struct running *running; /* told to the executor and not over */
	bool picking, pick_again;
	struct engine_binary engines[ENGINE_KINDS]; /* path NULL: not on this machine */
	char *engine_missing[ENGINE_KINDS];         /* then the sentence */
};

void jobs_harvest(struct jobs *j, int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err);
struct running *jobs_find_running(struct jobs *j, int64_t job_id);
void jobs_forget_running(struct jobs *j, int64_t job_id);

/* At start: directories of jobs that nothing will harvest any more, left by a crash between taking a result in and clearing up. */
void jobs_clean_left(const struct jobs *j, const struct job_list *running);

#endif
