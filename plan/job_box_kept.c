#include "plan/job_box_kept.h"

#include "base/audit.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"

#include <string.h>

void job_box_take(const struct job_exit *record, struct job_row *job)
{
	xstrset(&job->isolation, record->isolation);
	xstrset(&job->breach, record->breach);
	if (record->modules != NULL) /* an apply has those of its plan from the start */
		xstrset(&job->modules, record->modules);
	job->peak_memory = record->peak_memory;
	job->cpu_ms = record->cpu_ms;
	job->connections = record->connections;
	job->connections_refused = record->connections_refused;
}

int job_box_note(struct db_conn *c, const struct server_config *config, const struct job_row *job, const struct job_exit *record, struct err *err)
{
	CLEANUP_FREE char *path = jobs_egress_path(config, job->id);
	CLEANUP_BUF struct buf lines = {0}, detail = {0};
	struct json_writer w = json_writer(&detail);
	struct err why = {0};
	char sha256[2 * SHA256_SIZE + 1];
	if (record->connections == 0)
		return 0;
	bool read = fs_read(path, LIMIT_EGRESS_LOG_BYTES, &lines, &why) == 0;
	if (read)
		crypto_sha256_hex(buf_str(&lines), lines.len, sha256);
	else
		log_warn("job.egress", "job=%lld error=%s", (long long)job->id, log_value(why.msg));
	jw_open(&w, NULL);
	jw_str(&w, "project", job->project);
	jw_str(&w, "phase", job_phase_name(job->phase));
	jw_int(&w, "connections", record->connections);
	jw_int(&w, "refused", record->connections_refused);
	jw_int(&w, "bytes_out", record->bytes_out);
	jw_int(&w, "bytes_in", record->bytes_in);
	jw_str(&w, "log_sha256", read ? sha256 : NULL);
	jw_close(&w);
	return audit_add(c, &(struct audit){.kind = "egress", .repo_id = job->repo_id, .pull = job->pull, .run_id = job->run_id, .job_id = job->id,
					    .detail = buf_str(&detail)}, err);
}

void job_box_count(const struct job_exit *record, struct jobs_counts *n)
{
	for (int b = BREACH_NONE + 1; record->breach != NULL && b < BREACHES; b++)
		n->breaches[b] += strcmp(breach_name((enum breach)b), record->breach) == 0;
	n->connections += (uint64_t)record->connections;
	n->connections_refused += (uint64_t)record->connections_refused;
}

void job_box_used(const struct job_row *job, struct buf *out)
{
	const int64_t mib = 1024 * 1024;
	size_t start = out->len;
	if (job->connections > 0) {
		buf_printf(out, "%lld connection%s", (long long)job->connections, job->connections == 1 ? "" : "s");
		if (job->connections_refused > 0)
			buf_printf(out, ", %lld refused", (long long)job->connections_refused);
	}
	if (job->peak_memory > 0)
		buf_printf(out, "%s%lld MiB of memory", out->len > start ? "; " : "", (long long)((job->peak_memory + mib - 1) / mib));
	if (job->cpu_ms > 0)
		buf_printf(out, "%s%lld.%lld s of CPU time", out->len > start ? ", " : "", (long long)(job->cpu_ms / 1000),
			   (long long)(job->cpu_ms % 1000 / 100));
}
