/* What is kept of a job's box when it is over: how well it held, which ceiling ended it, what it used, and where it connected to. Step 8. On the writer
 * thread, but for the count. */
#ifndef PLAN_JOB_BOX_KEPT_H
#define PLAN_JOB_BOX_KEPT_H

#include "plan/jobs.h"

/* From the exit record into the row. */
void job_box_take(const struct job_exit *record, struct job_row *job);
/* A job that used its network leaves a row of the audit log, with the SHA-256 of the log of its connections. */
int job_box_note(struct db_conn *c, const struct server_config *config, const struct job_row *job, const struct job_exit *record, struct err *err) MUST_CHECK;
void job_box_count(const struct job_exit *record, struct jobs_counts *n); /* on the loop */
/* "3 connections, 1 refused; 180 MiB of memory, 2.1 s of CPU time"; empty when nothing is known. */
void job_box_used(const struct job_row *job, struct buf *out);

#endif
