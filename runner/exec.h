/* Step 7. The executor: the seam between the scheduler and whatever runs a job. Behind it one local runner process per job today
 * (runner/exec_local.c); Kubernetes Jobs and agents will implement the same four calls. Daemon side, on the loop.
 *
 * start is idempotent by job id: a job whose directory a runner has locked before is adopted instead. It writes spec.json (the directory is
 * made when it is missing). The same step may be told again when a runner connects anew. Handlers may call all four calls. After a restart
 * `adopt` is called for every job the database says is running; it answers through the same events: `on_exit` with the exit record when it
 * is there, or with EXEC_LOST when neither runner nor record exists. */
#ifndef RUNNER_EXEC_H
#define RUNNER_EXEC_H

#include "base/loop.h"
#include "runner/spec.h"

enum exec_end {
	EXEC_RECORD, /* the exit record was read */
	EXEC_LOST,   /* no runner and no record */
	EXEC_NOT_STARTED, /* could not be started: err says why */
};

/* past_point, with a record or without: an engine that changes the world was about to start, so the world may have changed. */
struct exec_events {
	void (*on_step)(int64_t job_id, const char *step, void *arg);
	void (*on_exit)(int64_t job_id, enum exec_end end, const struct job_exit *record, bool past_point, const struct err *err, void *arg);
	void *arg;
};

struct exec_keys {
	const uint8_t *job;      /* 32 bytes */
	const uint8_t *state_in; /* 32 bytes or NULL */
	const uint8_t *plan_in;  /* 32 bytes or NULL */
};

struct executor {
	void *self;
	void (*start)(void *self, const struct job_spec *spec, const struct exec_keys *keys);
	void (*cancel)(void *self, int64_t job_id);
	void (*adopt)(void *self, int64_t job_id, const char *job_dir);
	void (*close)(void *self); /* leaves runners running */
};

/* Local: socket_path is listened on; runner_program is the sluice binary. */
int exec_local_new(struct loop *l, const char *runner_program, const char *socket_path, const struct exec_events *events, struct executor *ret,
		   struct err *err) MUST_CHECK;
/* What makes an executor: exec_local_new, or a double of the tests. */
typedef int (*executor_new_fn)(struct loop *l, const char *runner_program, const char *socket_path, const struct exec_events *events,
			       struct executor *ret, struct err *err);

#endif
