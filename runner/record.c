#include "base/limits.h"
#include "runner/fields.h"
#include "runner/spec.h"

static const char *const outcome_words[] = {
	[JOB_OK] = "ok", [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled", [JOB_TIMEOUT] = "timeout", [JOB_BROKEN] = "broken",
};
_Static_assert(sizeof(enum job_outcome) == sizeof(int), "fields.c copies enums as int");

enum { RECORD_BYTES_MAX = 12 * LIMIT_SUMMARY_BYTES + 65536 }; /* both texts with every byte escaped */

#define OF(member) offsetof(struct job_exit, member)
static const struct field fields[] = {
	{.name = "job_id", .kind = FIELD_INT, .offset = OF(job_id), .required = true},
	{.name = "outcome", .kind = FIELD_WORD, .offset = OF(outcome), .words = outcome_words, .n_words = ARRAY_LEN(outcome_words)},
	{.name = "exit_code", .kind = FIELD_INT32, .offset = OF(exit_code), .required = true},
	{.name = "step", .kind = FIELD_TEXT, .offset = OF(step), .max = 32},
	{.name = "error", .kind = FIELD_TEXT, .offset = OF(error), .max = 16384},
	{.name = "plan_sha256", .kind = FIELD_TEXT, .offset = OF(plan_sha256), .max = 64},
	{.name = "plan_bytes", .kind = FIELD_INT, .offset = OF(plan_bytes)},
	{.name = "summary", .kind = FIELD_TEXT, .offset = OF(summary), .max = LIMIT_SUMMARY_BYTES},
	{.name = "diff", .kind = FIELD_TEXT, .offset = OF(diff), .max = LIMIT_SUMMARY_BYTES},
	{.name = "changes", .kind = FIELD_TEXT, .offset = OF(changes), .max = 64},
	{.name = "has_state", .kind = FIELD_BOOL, .offset = OF(has_state), .required = true},
	{.name = "state_serial", .kind = FIELD_INT, .offset = OF(state_serial)},
	{.name = "state_lineage", .kind = FIELD_TEXT, .offset = OF(state_lineage), .max = 256},
	{.name = "state_sha256", .kind = FIELD_TEXT, .offset = OF(state_sha256), .max = 64},
	{.name = "state_addresses", .kind = FIELD_TEXT, .offset = OF(state_addresses), .max = 65536},
	{.name = "state_bytes", .kind = FIELD_INT, .offset = OF(state_bytes)},
	{.name = "started_ms", .kind = FIELD_INT, .offset = OF(started_ms), .required = true},
	{.name = "finished_ms", .kind = FIELD_INT, .offset = OF(finished_ms), .required = true},
	{.name = "engine_starts", .kind = FIELD_INT, .offset = OF(engine_starts), .required = true},
	{.name = "isolation", .kind = FIELD_TEXT, .offset = OF(isolation), .max = 32},
	{.name = "breach", .kind = FIELD_TEXT, .offset = OF(breach), .max = 32},
	{.name = "modules", .kind = FIELD_TEXT, .offset = OF(modules), .max = 64},
	{.name = "peak_memory", .kind = FIELD_INT, .offset = OF(peak_memory)},
	{.name = "cpu_ms", .kind = FIELD_INT, .offset = OF(cpu_ms)},
	{.name = "connections", .kind = FIELD_INT, .offset = OF(connections)},
	{.name = "connections_refused", .kind = FIELD_INT, .offset = OF(connections_refused)},
	{.name = "bytes_out", .kind = FIELD_INT, .offset = OF(bytes_out)},
	{.name = "refusals", .kind = FIELD_TEXT, .offset = OF(refusals), .max = 4096},
	{.name = "bytes_in", .kind = FIELD_INT, .offset = OF(bytes_in)},
};
#undef OF

const char *job_outcome_name(enum job_outcome o) { return outcome_words[o]; }

void job_exit_free(struct job_exit *e) { fields_free(fields, ARRAY_LEN(fields), e); }

int job_exit_write(const struct job_exit *e, const char *path, struct err *err)
{
	return fields_write(fields, ARRAY_LEN(fields), e, path, true, err);
}

int job_exit_read(const char *path, struct job_exit *ret, struct err *err)
{
	struct job_exit e = {0};
	int rc = fields_read(fields, ARRAY_LEN(fields), path, RECORD_BYTES_MAX, &e, err);
	if (rc != 0) {
		job_exit_free(&e);
		return rc;
	}
	*ret = e;
	return 0;
}
