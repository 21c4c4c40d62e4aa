/* Step 7. The box: a control group, in it `sluice-job-init launch`, in it bubblewrap, in it sluice-job-init, in it the engine. Private to runner/;
 * runs in the runner process, which stays outside.
 *
 * The box sees the engine, job-init, provider packages, a CA bundle, the commit's tree read-only at /work, a writable layer of its own over the
 * project directory, and nothing else of the host: no environment, no descriptor but its pipes, no processes, and of the network one listening
 * socket, which it gave away before anything foreign ran. Only bytes cross: state and plan go in as copies, everything comes out through the
 * result pipe. With PROFILE_COMPAT and PROFILE_FETCH it also sees the host's /usr and a /proc of its own. */
#ifndef RUNNER_BOX_H
#define RUNNER_BOX_H

#include "runner/cgroup.h"
#include "runner/spec.h"

#include <sys/types.h>

/* Paths inside. */
#define BOX_PLAN_OUT "/tmp/plan.bin"
#define BOX_PLAN_IN "/plan/plan.bin"
#define BOX_MIRROR "/plugins" /* the operator's provider packages */
#define BOX_STORE "/store"    /* those that sluice fetched */

struct box_order {
	const struct job_spec *spec;
	const char *job_init;     /* absolute host path of sluice-job-init */
	const char *launcher;     /* and of the one that builds the box; the same but in tests */
	const void *state, *plan; /* clear bytes or NULL; copied into memory of the box */
	size_t state_len, plan_len;
	int net;                /* the end of the egress channel that job-init gets; -1: no network */
	struct cgroup *group;   /* NULL: none on this host */
	int oom_fd;             /* our own oom_score_adj, open for writing; -1: none */
	const char *oom_was;    /* and its value */
	bool no_proc;           /* this host masks /proc, so that no new one can be mounted */
};

struct box {
	pid_t pid;   /* bubblewrap, outside; 0: none */
	int control; /* we write, job-init reads */
	int result;  /* job-init writes, we read */
	int errors;  /* bubblewrap's own messages */
};

int box_start(const struct box_order *o, struct box *ret, struct err *err) MUST_CHECK;
/* SIGKILL to bubblewrap takes everything inside with it. */
void box_kill(const struct box *b);
/* Closes the pipes, kills what is left and reaps. */
void box_end(struct box *b);

bool box_is_compat(const struct job_spec *spec);
/* Where the engine, or with ENGINE_NONE the program engine_path, is inside; the caller frees. */
char *box_program(const struct job_spec *spec);
/* Where the managed state lives inside; the caller frees. */
char *box_state_path(const struct job_spec *spec);

#endif
