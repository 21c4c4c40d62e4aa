/* Between jobs.c (what starts) and jobs_harvest.c (what comes back). */
#ifndef PLAN_JOBS_PRIV_H
#define PLAN_JOBS_PRIV_H

#include "plan/job_box.h"
#include "plan/job_record.h"
#include "plan/jobs.h"
#include "plan/state_store.h"

struct running {
	int64_t job_id, run_id;
	struct running *next;
};

/* A job that was picked: everything its runner must be told. Keys are wiped when it is freed. */
struct launch {
	struct job_row job;
	char *tree_dir;
	struct job_box box;
	uint8_t key[AGENT_KEY_SIZE], state_key[AGENT_KEY_SIZE], plan_key[AGENT_KEY_SIZE];
	struct state_version state; /* id 0: none */
	int64_t plan_job;           /* 0: none */
	int64_t plan_file;          /* the job under which its plan file was sealed */
	struct launch *next;
	struct jobs *jobs;          /* while the gate is asked once more */
	bool cancelled;             /* meanwhile */
};

struct jobs {
	struct jobs_options o;
	struct executor executor;
	struct launch *asking;   /* applies whose gate is looked at once more */
	struct running *running; /* told to the executor and not over */
	bool picking, pick_again;
	int64_t at_once; /* limits.jobs, or fewer where memory is short */
	bool memory_short; /* the writer's: it told that a job waits for memory */
	struct tier_report host; /* what the canary found; set once, before the first job is picked */
	bool host_known;
	struct jobs_counts counts;
	struct loop_timer *again; /* after a transaction that could not be written */
	struct harvest *late;     /* results that could not be taken in yet */
	struct engine_binary engines[ENGINE_KINDS]; /* path NULL: not on this machine */
	char *engine_missing[ENGINE_KINDS];         /* then the sentence */
};

/* jobs_launch.c: fills what is handed over, or says why the job may not start. */
int jobs_prepare_launch(struct db_conn *c, struct jobs *j, struct launch *l, struct err *err) MUST_CHECK;
void jobs_fill_spec(const struct jobs *j, const struct launch *l, struct job_spec *s);
void jobs_launch_free(struct launch *l);
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
