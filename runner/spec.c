#include "runner/spec.h"

#include "base/limits.h"
#include "runner/fields.h"

static const char *const phase_words[] = {[PHASE_PLAN] = "plan", [PHASE_APPLY] = "apply", [PHASE_DRIFT] = "drift"};
static const char *const tier_words[] = {[TIER_NONE] = "none", [TIER_REDUCED] = "reduced", [TIER_BOUNDED] = "bounded", [TIER_FULL] = "full"};
static const char *const profile_words[] = {
	[PROFILE_PLAN] = "plan", [PROFILE_APPLY] = "apply", [PROFILE_COMPAT] = "compat", [PROFILE_FETCH] = "fetch"};
_Static_assert(ARRAY_LEN(profile_words) == PROFILES, "each profile has a word");
static const char *const engine_words[] = {[ENGINE_TERRAFORM] = "terraform", [ENGINE_OPENTOFU] = "opentofu", [ENGINE_PULUMI] = "pulumi"};
_Static_assert(ARRAY_LEN(engine_words) == ENGINE_KINDS, "each engine has a word");
_Static_assert(sizeof(enum job_phase) == sizeof(int) && sizeof(enum engine_kind) == sizeof(int), "fields.c copies enums as int");

enum { SPEC_BYTES_MAX = 1024 * 1024, HOST_PATH_MAX = 4096 };

#define OF(member) offsetof(struct job_spec, member)
static const struct field fields[] = {
	{.name = "job_id", .kind = FIELD_INT, .offset = OF(job_id), .required = true},
	{.name = "run_id", .kind = FIELD_INT, .offset = OF(run_id), .required = true},
	{.name = "phase", .kind = FIELD_WORD, .offset = OF(phase), .words = phase_words, .n_words = ARRAY_LEN(phase_words)},
	{.name = "project", .kind = FIELD_TEXT, .offset = OF(project), .required = true, .max = LIMIT_NAME_BYTES},
	{.name = "dir", .kind = FIELD_TEXT, .offset = OF(dir), .required = true, .max = LIMIT_PATH_BYTES},
	{.name = "workspace", .kind = FIELD_TEXT, .offset = OF(workspace), .required = true, .max = LIMIT_NAME_BYTES},
	{.name = "engine", .kind = FIELD_WORD, .offset = OF(engine), .words = engine_words, .n_words = ARRAY_LEN(engine_words)},
	{.name = "engine_path", .kind = FIELD_TEXT, .offset = OF(engine_path), .required = true, .max = HOST_PATH_MAX},
	{.name = "engine_version", .kind = FIELD_TEXT, .offset = OF(engine_version), .max = 64},
	{.name = "tree_dir", .kind = FIELD_TEXT, .offset = OF(tree_dir), .required = true, .max = HOST_PATH_MAX},
	{.name = "job_dir", .kind = FIELD_TEXT, .offset = OF(job_dir), .required = true, .max = HOST_PATH_MAX},
	{.name = "mirror_dir", .kind = FIELD_TEXT, .offset = OF(mirror_dir), .max = HOST_PATH_MAX},
	{.name = "store_dir", .kind = FIELD_TEXT, .offset = OF(store_dir), .max = HOST_PATH_MAX},
	{.name = "provider_allow", .kind = FIELD_TEXT, .offset = OF(provider_allow), .max = 65536},
	{.name = "socket_path", .kind = FIELD_TEXT, .offset = OF(socket_path), .max = HOST_PATH_MAX},
	{.name = "needs_init", .kind = FIELD_BOOL, .offset = OF(needs_init), .required = true},
	{.name = "destroy", .kind = FIELD_BOOL, .offset = OF(destroy), .required = true},
	{.name = "managed_state", .kind = FIELD_BOOL, .offset = OF(managed_state), .required = true},
	{.name = "state_in", .kind = FIELD_TEXT, .offset = OF(state_in), .max = HOST_PATH_MAX},
	{.name = "state_in_aad", .kind = FIELD_TEXT, .offset = OF(state_in_aad), .max = 256},
	{.name = "plan_in", .kind = FIELD_TEXT, .offset = OF(plan_in), .max = HOST_PATH_MAX},
	{.name = "plan_in_aad", .kind = FIELD_TEXT, .offset = OF(plan_in_aad), .max = 256},
	{.name = "plan_in_sha256", .kind = FIELD_TEXT, .offset = OF(plan_in_sha256), .max = 64},
	{.name = "profile", .kind = FIELD_WORD, .offset = OF(profile), .words = profile_words, .n_words = ARRAY_LEN(profile_words)},
	{.name = "isolation_min", .kind = FIELD_WORD, .offset = OF(isolation_min), .words = tier_words, .n_words = ARRAY_LEN(tier_words)},
	{.name = "egress", .kind = FIELD_TEXT, .offset = OF(egress), .max = 65536},
	{.name = "lock_file", .kind = FIELD_TEXT, .offset = OF(lock_file), .max = HOST_PATH_MAX},
	{.name = "modules_dir", .kind = FIELD_TEXT, .offset = OF(modules_dir), .max = HOST_PATH_MAX},
	{.name = "fetch_egress", .kind = FIELD_TEXT, .offset = OF(fetch_egress), .max = 65536},
	{.name = "fetch_providers", .kind = FIELD_BOOL, .offset = OF(fetch_providers)},
	{.name = "env", .kind = FIELD_TEXT, .offset = OF(env), .max = 131072},
	{.name = "ca_file", .kind = FIELD_TEXT, .offset = OF(ca_file), .max = HOST_PATH_MAX},
	{.name = "egress_deny", .kind = FIELD_TEXT, .offset = OF(egress_deny), .max = 4096},
	{.name = "args", .kind = FIELD_TEXT, .offset = OF(args), .max = 8192},
	{.name = "timeout_ms", .kind = FIELD_INT, .offset = OF(timeout_ms), .required = true},
	{.name = "output_max", .kind = FIELD_INT, .offset = OF(output_max), .required = true},
	{.name = "memory_max", .kind = FIELD_INT, .offset = OF(memory_max), .required = true},
	{.name = "cpu_ms_max", .kind = FIELD_INT, .offset = OF(cpu_ms_max), .required = true},
	{.name = "processes_max", .kind = FIELD_INT, .offset = OF(processes_max), .required = true},
	{.name = "files_max", .kind = FIELD_INT, .offset = OF(files_max), .required = true},
	{.name = "workspace_max", .kind = FIELD_INT, .offset = OF(workspace_max), .required = true},
	{.name = "silence_ms", .kind = FIELD_INT, .offset = OF(silence_ms), .required = true},
};
#undef OF

const char *job_phase_name(enum job_phase phase) { return phase_words[phase]; }

int job_phase_parse(const char *word, enum job_phase *ret, struct err *err)
{
	int i = fields_word("phase", word, phase_words, ARRAY_LEN(phase_words), err);
	if (i < 0)
		return i;
	*ret = (enum job_phase)i;
	return 0;
}

const char *job_profile_name(enum job_profile profile) { return profile_words[profile]; }

int job_profile_parse(const char *word, enum job_profile *ret, struct err *err)
{
	int i = fields_word("profile", word, profile_words, ARRAY_LEN(profile_words), err);
	if (i < 0)
		return i;
	*ret = (enum job_profile)i;
	return 0;
}

void job_spec_free(struct job_spec *s) { fields_free(fields, ARRAY_LEN(fields), s); }

int job_spec_write(const struct job_spec *s, const char *path, struct err *err)
{
	return fields_write(fields, ARRAY_LEN(fields), s, path, false, err); /* a job whose spec a crash took was not started */
}

/* What the runner relies on beyond types: an absent number would switch a ceiling off. */
static int check(const struct job_spec *s, const char *path, struct err *err)
{
	if (s->job_id <= 0)
		return err_set(err, ERR_PARSE, "read %s: job_id must be positive", path);
	const int64_t ceilings[] = {s->timeout_ms, s->output_max, s->memory_max, s->cpu_ms_max, s->processes_max, s->files_max, s->workspace_max};
	for (size_t i = 0; i < ARRAY_LEN(ceilings); i++)
		if (ceilings[i] <= 0)
			return err_set(err, ERR_PARSE, "read %s: every ceiling must be positive", path);
	if (s->silence_ms < 0)
		return err_set(err, ERR_PARSE, "read %s: silence_ms must not be negative", path);
	if (s->phase == PHASE_APPLY && (s->plan_in == NULL || s->plan_in_aad == NULL || s->plan_in_sha256 == NULL))
		return err_set(err, ERR_PARSE, "read %s: an apply needs plan_in, plan_in_aad and plan_in_sha256", path);
	if (s->state_in != NULL && s->state_in_aad == NULL)
		return err_set(err, ERR_PARSE, "read %s: state_in needs state_in_aad", path);
	return 0;
}

int job_spec_read(const char *path, struct job_spec *ret, struct err *err)
{
	struct job_spec s = {0};
	int rc = fields_read(fields, ARRAY_LEN(fields), path, SPEC_BYTES_MAX, &s, err);
	if (rc == 0)
		rc = check(&s, path, err);
	if (rc != 0) {
		job_spec_free(&s);
		return rc;
	}
	*ret = s;
	return 0;
}
