/* The job runner: one process per job, in its own session, blocking, top to bottom. Step 7. Privilege: the daemon's user; holds this job's
 * tree and keys, no database. It starts bubblewrap, in it `sluice-job-init`, in it the engine; takes bytes out through pipes with ceilings.
 *
 * The daemon starts `sluice job-runner JOBDIR` and writes frames to its stdin: 1 the job key (32 bytes), 2 the key of state_in (32 bytes or
 * empty), 3 the key of plan_in (32 bytes or empty), then closes. The runner connects to spec.socket_path (again every 200 ms while the
 * daemon is away; it never waits for it) and sends JSON frames:
 *   {"type":"hello","job":ID}            first on each connection
 *   {"type":"step","job":ID,"step":"plan"}
 *   {"type":"exit","job":ID}             exit.json is on disk
 * and obeys {"type":"cancel"}: SIGINT to the engine, LIMIT_GRACE_MS later SIGKILL to the box; an apply's state is still taken out. */
#ifndef RUNNER_RUNNER_H
#define RUNNER_RUNNER_H

#include "runner/spec.h"

/* Turns the clear plan JSON into what is stored: summary and diff, masked, and the digest of the change set. The runner frees; it has them set
 * to NULL before. Given by cmd/, which sees plan/. */
struct runner_understood {
	char *summary, *diff, *changes;
};
typedef int (*runner_understand)(const char *plan_json, size_t len, struct runner_understood *ret, struct err *err);

/* The whole life of a runner process; returns its exit status. Always leaves an exit record unless the disk refuses. */
int runner_main(const char *job_dir, runner_understand understand);

#endif
