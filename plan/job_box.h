/* The box that a job gets: may this host run it at all, what is inside beside the project, and where it may connect to. Step 5. Pure: the server
 * file, the canary's report and the job's row go in, a part of its spec or a sentence comes out. There is no way from here to a job without a box. */
#ifndef PLAN_JOB_BOX_H
#define PLAN_JOB_BOX_H

#include "plan/config.h"
#include "plan/run_store.h"
#include "runner/spec.h"
#include "runner/tier.h"

struct job_box {
	enum job_profile profile;
	enum tier least; /* the job is refused where its box would hold it less well, whatever the canary said a while ago */
	char *egress; /* rules, one a line; NULL: no network at all */
};
void job_box_free(struct job_box *b);

/* ERR_REFUSED with a sentence that names the key of the server's file, or of sluice.yaml, that would change it. repo: OWNER/NAME. */
int job_box_make(const struct server_config *config, const struct tier_report *host, const char *repo, const struct job_row *job, struct job_box *ret,
		 struct err *err) MUST_CHECK;

/* What every box of this server has, whoever asked: ceilings (of spec->phase), provider packages, CA certificates. */
void job_box_common(const struct server_config *config, struct job_spec *spec);

/* Jobs that may run at the same time: limits.jobs, and as many as fit into limits.memory_total (0: three quarters of the machine's bytes) when each
 * takes all that it may have; one in any case. */
int64_t job_box_at_once(const struct server_config *config, int64_t machine_bytes);

/* "full", or "bounded: there is no control group ..."; for people. The caller frees. */
char *job_box_words(const struct tier_report *host);

#endif
