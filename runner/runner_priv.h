/* The inside of one job runner process. Private to runner/runner*.c. */
#ifndef RUNNER_RUNNER_PRIV_H
#define RUNNER_RUNNER_PRIV_H

#include "base/buf.h"
#include "base/crypto.h"
#include "base/disarm.h"
#include "runner/box.h"
#include "runner/breach.h"
#include "runner/egress.h"
#include "runner/runner.h"
#include "runner/state_facts.h"

/* What tests change: the product uses the values of runner.c. */
struct runner_tuning {
	const char *job_init; /* inside; NULL: sluice-job-init beside the running executable */
	const char *launcher; /* and the one that builds the box */
	int64_t grace_ms;
	int64_t take_out_ms; /* after the grace: time for the last bytes, then the box is killed */
	size_t plan_json_max;
};
extern struct runner_tuning runner_tuning;

enum step_id { STEP_INIT, STEP_PLAN, STEP_SHOW, STEP_APPLY, STEP_VERSION, STEP_COMMAND /* not a job's: boxed.h */, STEPS };
enum export_id { EXPORT_PLAN, EXPORT_STATE, EXPORTS };
enum stop { STOP_NONE, STOP_CANCEL, STOP_BREACH };

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
	struct disarm log_disarm; /* of the log, into which both streams go: a command may come half by one and half by the other */
	struct disarm err_disarm; /* of stderr, for the error sentence */
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

	struct cgroup *group;  /* NULL: none on this host */
	struct egress *egress; /* NULL: no network */
	int net;               /* job-init's end of the channel to it; -1: none */
	int64_t look_ms;       /* monotonic: when the use of the ceilings is looked at next */
	int64_t output_ms;     /* monotonic: the last byte of output */
	int64_t output_bytes;  /* of the whole job */
	unsigned walls;        /* what job-init says of itself: enum job_wall */

	/* Instead of the log: for programs that are not jobs (boxed.h). */
	void (*on_output)(bool is_err, const char *bytes, size_t len, void *arg);
	void *on_output_arg;
	const char *job_init; /* likewise; NULL: as runner_tuning says */

	int64_t deadline_ms; /* monotonic */
	enum stop stop;
	enum breach breach;  /* STOP_BREACH: which ceiling */
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
void runner_box_last_words(struct runner *r); /* reads what bubblewrap says of itself */
void runner_log(struct runner *r, const void *bytes, size_t len);
void runner_stop(struct runner *r, enum stop why);
/* Starts a step; runner_step_wait returns when it ended, 0, or the box is gone (ERR_INTERNAL). The exit status is in r->step.status. */
void runner_step_start(struct runner *r, enum step_id id, const struct strlist *argv, bool capture);
int runner_step_wait(struct runner *r, struct err *err) MUST_CHECK;
void runner_ask_export(struct runner *r, enum export_id id, const char *path, size_t max, bool watch);
int runner_export_wait(struct runner *r, enum export_id id, struct err *err) MUST_CHECK;

/* runner.c: SIGINT and SIGTERM become readable on signal_fd */
int runner_signals_open(struct runner *r, struct err *err) MUST_CHECK;
void runner_files_raise(void); /* each small file of a project is open for a moment */

/* runner_open.c */
int runner_box_open(struct runner *r, struct err *err) MUST_CHECK; /* returns when job-init is ready */

/* runner_limits.c: the ceilings of the job, its control group, its network */
int limits_open(struct runner *r, struct err *err) MUST_CHECK; /* before any key is read: the proxy is a fork of this process */
void limits_look(struct runner *r);                             /* is one of them reached? */
void limits_last_look(struct runner *r);                        /* before the box ends */
void limits_step_ended(struct runner *r, int64_t peak); /* peak: resident bytes of its largest process */
void limits_breach(struct runner *r, enum breach b);
void limits_say(struct runner *r);                              /* writes down why the job was stopped */
void limits_close(struct runner *r);                            /* the box has ended: what it used goes into the exit record */
enum { LIMITS_LOOK_MS = 200, LAST_LOOK_MS = 5 };

/* runner_fetch.c: before the box, what its init will need */
int runner_fetch(struct runner *r, struct err *err) MUST_CHECK;

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
