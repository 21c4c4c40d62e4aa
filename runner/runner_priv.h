/* The inside of one job runner process. Private to runner/runner*.c. */
#ifndef RUNNER_RUNNER_PRIV_H
#define RUNNER_RUNNER_PRIV_H

#include "base/buf.h"
#include "base/crypto.h"
#include "runner/box.h"
#include "runner/runner.h"
#include "runner/state_facts.h"

/* What tests change: the product uses the values of runner.c. */
struct runner_tuning {
	const char *job_init; /* NULL: sluice-job-init beside the running executable */
	int64_t grace_ms;
	int64_t take_out_ms; /* after the grace: time for the last bytes, then the box is killed */
	size_t plan_json_max;
};
extern struct runner_tuning runner_tuning;

enum step_id { STEP_INIT, STEP_PLAN, STEP_SHOW, STEP_APPLY, STEPS };
enum export_id { EXPORT_PLAN, EXPORT_STATE, EXPORTS };
enum stop { STOP_NONE, STOP_CANCEL, STOP_TIMEOUT };

/* The daemon's socket (runner_link.c). It comes and goes; nothing waits for it. */
struct link {
	int fd;           /* -1: not connected */
	int64_t retry_ms; /* monotonic: not before */
	struct buf in;
};

/* One step as far as it is known. */
struct step_seen {
	enum step_id id;
	bool running;
	int status;     /* wait status once it ended */
	bool capture;   /* stdout is collected, not logged */
	bool printed;   /* something came on stdout */
	struct buf out; /* collected stdout, up to its own max */
	struct buf err; /* the first bytes of stderr, for the error sentence */
};

/* One file on its way out. */
struct export_seen {
	bool busy;
	bool over_limit;
	size_t max;
	struct buf bytes;
};

struct runner {
	const char *job_dir;
	struct job_spec spec;
	runner_understand understand;
	uint8_t job_key[AEAD_KEY_SIZE];
	uint8_t *state_in, *plan_in; /* clear, memory only, wiped with the runner */
	size_t state_in_len, plan_in_len;
	int lock_fd, log_fd, signal_fd, oom_fd;
	char oom_was[16];
	int64_t log_left;
	bool log_cut;
	struct link link;

	struct box box;
	bool ready;          /* job-init spoke */
	bool box_gone;       /* its result pipe ended */
	bool nonsense;       /* it broke the protocol */
	bool killed;         /* by us */
	struct buf from_box; /* result bytes not yet taken apart */
	struct buf box_says; /* bubblewrap's own messages */
	struct step_seen step;
	struct export_seen exports[EXPORTS];

	int64_t deadline_ms; /* monotonic */
	enum stop stop;
	int64_t kill_ms; /* monotonic, 0: not stopping */

	bool has_facts;
	struct state_facts facts;
	struct err take_err; /* the first file that could not be taken out */
	struct job_exit exit;
};

/* runner_link.c: the daemon */
void link_open(struct runner *r);
void link_close(struct runner *r);
void link_readable(struct runner *r);
void link_tell_step(struct runner *r);
void link_tell_exit(struct runner *r);

/* runner_pump.c: one poll loop over box, daemon, signals and time */
void runner_pump(struct runner *r);
int runner_box_open(struct runner *r, struct err *err) MUST_CHECK; /* returns when job-init is ready */
void runner_log(struct runner *r, const void *bytes, size_t len);
void runner_stop(struct runner *r, enum stop why);
/* Starts a step; runner_step_wait returns when it ended, 0, or the box is gone (ERR_INTERNAL). The exit status is in r->step.status. */
void runner_step_start(struct runner *r, enum step_id id, const struct strlist *argv, bool capture);
int runner_step_wait(struct runner *r, struct err *err) MUST_CHECK;
void runner_ask_export(struct runner *r, enum export_id id, const char *path, size_t max, bool watch);
int runner_export_wait(struct runner *r, enum export_id id, struct err *err) MUST_CHECK;

/* runner_take.c: what comes out of the box, sealed before it touches the disk; and what goes in */
void runner_take(struct runner *r, enum export_id id, int end);
int runner_open_inputs(struct runner *r, const struct buf *state_key, const struct buf *plan_key, struct err *err) MUST_CHECK;
void runner_wipe(struct runner *r);

/* runner_steps.c: init, plan, show, apply */
void runner_run_phase(struct runner *r);
const char *runner_step_name(enum step_id id);
/* Ends the job with an outcome of our side; keeps the first one. */
void runner_broken(struct runner *r, const struct err *err);

#endif
