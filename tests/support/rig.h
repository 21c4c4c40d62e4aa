/* The run machine for tests: a real loop, database file, key agent and GitHub client around it; an executor and a `sluice prepare` that do
 * what a test says, in milliseconds. Stopped and started again over the same files as a restart does. */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include "plan/prepare.h"
#include "plan/runs.h"
#include "runner/exec.h"

enum rig_play { /* how a job ends */
	PLAY_OK, PLAY_NOTHING /* planned, no changes */, PLAY_FAIL, PLAY_CANCELLED, PLAY_TIMEOUT, PLAY_BROKEN, PLAY_LOST, PLAY_LOST_PAST /* the point */,
	PLAY_NOT_STARTED, PLAY_HOLD, /* stays until rig_end, a cancel, or an adoption */
};

struct rig_job { /* what the executor was told of a job */
	int64_t id;
	char project[64];
	enum job_phase phase;
	char *job_dir;
	enum job_profile profile;
	enum tier least;
	char egress[200], args[200];
	bool managed, has_plan_in, has_state_in;
	int starts, cancels, adopts;
	bool held;
};

enum { RIG_JOBS = 64 };

struct rig {
	struct loop *l;
	char dir[64];
	char *program, *server_file, *db_path;
	struct server_config config;
	enum tier host; /* what the canary says at the next start ... */
	bool host_later; /* ... or the test does, when it likes */
	const struct job_exit *held; /* what exit records say of the box; NULL: nothing */
	struct db *db;
	struct gh *gh;
	struct outbox *outbox;
	struct runs *runs; /* NULL while stopped */
	int64_t repo_id;

	/* the executor's script: `odd` for the project of that name, `times` times (0: always), then OK */
	enum rig_play plan_play, apply_play, adopt_play;
	const char *odd;
	enum rig_play odd_play;
	int odd_times;
	bool odd_applies; /* its plans are as those of others */
	const char *changed; /* project whose plans change something else from now on */
	enum rig_play on_cancel; /* PLAY_HOLD: deaf */
	struct rig_job jobs[RIG_JOBS];
	size_t jobs_n;
	struct exec_events events;
	unsigned generation; /* of the executor: what an older one had to tell is lost */

	/* the log, and the word that a test waits for in it */
	const char *wait_for;
	bool heard, heard_from_writer;
	struct buf log;
};

/* Group setup and teardown: the key agent of all tests. */
int rig_warm_up(void **state);
int rig_cool_down(void **state);
/* more: further lines of the server file, NULL. Does not start. */
void rig_open(struct rig *r, struct loop *l, const char *api_url, const char *more);
void rig_start(struct rig *r); /* and recovers */
void rig_stop(struct rig *r);  /* as a clean stop does: what is under way stays as the database has it */
void rig_close(struct rig *r);
/* Asks GitHub for the id of the repository, once. */
void rig_know_repo(struct rig *r, const char *repo, int64_t pull);

/* What prepare will answer from now on. */
struct rig_project {
	const char *name, *depends_on, *inputs /* "-": none, the base branch has moved on */, *error;
	bool managed, deleted;
};
void rig_prepared(struct rig *r, const struct rig_project *v, size_t n);
void rig_prepare_says(struct rig *r, const char *answer); /* verbatim */
size_t rig_prepare_count(const struct rig *r);

/* Creates a run and lets the machine look. */
int64_t rig_run(struct rig *r, enum run_kind kind, int64_t pull, const char *asker);
/* Until the run is over and nothing waits for the database; the state. Fails after 20 s. */
enum run_state rig_over(struct rig *r, int64_t run);
bool rig_hears(struct rig *r, const char *word); /* until the log says it; within 4 s */
void rig_listen(struct rig *r, const char *word);
void rig_pass(struct rig *r, int64_t ms);
void rig_settle(struct rig *r); /* nothing under way in the database */
struct rig_job *rig_job(struct rig *r, const char *project, enum job_phase phase); /* the newest; NULL */
bool rig_started(struct rig *r, const char *project, enum job_phase phase);        /* waits for it */
void rig_end(struct rig *r, const char *project, enum job_phase phase, enum rig_play how);

/* Fails the test with the sentence. */
void rig_must(int rc, const struct err *err);
/* SQL on the writer thread; constants. First column of the first row; static storage. */
const char *rig_text(struct rig *r, const char *sql);
int64_t rig_int(struct rig *r, const char *sql);
void rig_exec(struct rig *r, const char *sql);

#endif
