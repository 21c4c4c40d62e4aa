/* Step 7. One program in a box as a job would get it, outside of any run: for `sluice sandbox`, the canary and the fetch step. Blocks. */
#ifndef RUNNER_BOXED_H
#define RUNNER_BOXED_H

#include "runner/spec.h"

struct boxed_order {
	const struct job_spec *spec;     /* profile, tree_dir (NULL: none), dir, workspace, ceilings, egress; engine as below */
	const struct strlist *argv;      /* engine ENGINE_NONE: the first is the host path of the program. Else the engine is in the box as in that
					    of a job, and the first is a path of the box: a shell that starts it */
	const char *job_init;            /* NULL: beside this program */
	void (*on_output)(bool is_err, const char *bytes, size_t len, void *arg);
	void *arg;
};

struct boxed_result {
	struct job_exit exit; /* outcome, error, breach, isolation, what was used; job_exit_free */
	int status;           /* wait status of the program; -1: it never ended by itself */
	bool started;         /* the box stood */
	unsigned walls;       /* enum job_wall of runner/job_proto.h */
};

/* 0: the program ran, however it ended. Errors: no box (ERR_UNAVAILABLE, ERR_NOT_FOUND ...), with the way out. SIGINT and SIGTERM of this
 * process end the box. */
int boxed_run(const struct boxed_order *o, struct boxed_result *ret, struct err *err) MUST_CHECK;
/* Ceilings as an unconfigured server has them; the rest zero. */
void boxed_spec_default(struct job_spec *ret);

#endif
