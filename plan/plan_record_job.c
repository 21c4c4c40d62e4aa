#include "plan/plan_record_job.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"

static void add_input(struct record_inputs *in, const char *path, const char *id, bool is_module)
{
	in->v = xreallocarray(in->v, in->n + 1, sizeof(*in->v));
	in->v[in->n++] = (struct record_input){.path = xstrdup(path), .id = xstrdup(id), .is_module = is_module};
}

static int by_path(const void *a, const void *b)
{
	const struct record_input *x = a, *y = b;
	return strcmp(x->path, y->path);
}

static void add_digest(struct plan_record *r, const char *digest)
{
	char *both = xasprintf("%s %s", r->backend, digest);
	free(r->backend);
	r->backend = both;
}

/* job.bound as prepare.h says. More than can be signed one by one: none of them, and the digest binds alone. */
static int read_bound(const char *bound, struct plan_record *r, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, list;
	const char *path, *id, *lock, *backend;
	size_t n, bytes = 0;
	int rc = json_parse(bound, strlen(bound), NULL, &doc, &root, err);
	if (rc == 0)
		rc = json_str_opt(&root, "lock", 128, NULL, &lock, err);
	if (rc == 0)
		rc = json_str_opt(&root, "backend", 64, NULL, &backend, err);
	if (rc == 0)
		rc = json_arr(&root, "inputs", &list, &n, err);
	if (rc != 0)
		return rc;
	r->lock_id = xstrdup(lock);
	if (backend != NULL) /* of a state that is not ours: where it is */
		add_digest(r, backend);
	if (n > RECORD_INPUTS_MAX)
		return 0;
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e)) {
		struct json first = json_at(&e, 0), second = json_at(&e, 1), third = json_at(&e, 2);
		if ((rc = json_as_str(&first, LIMIT_PATH_BYTES, &path, err)) != 0 || (rc = json_as_str(&second, 128, &id, err)) != 0)
			return rc;
		bytes += 2 * strlen(path) + strlen(id) + 16; /* a quote needs two */
		add_input(&r->each, path, id, json_is_true(&third));
	}
	if (r->each.n > 1)
		qsort(r->each.v, r->each.n, sizeof(*r->each.v), by_path);
	for (; bytes > RECORD_INPUTS_BYTES && r->each.n > 0; r->each.n--) {
		free(r->each.v[r->each.n - 1].path);
		free(r->each.v[r->each.n - 1].id);
	}
	return 0;
}

static char *backend_of(const struct job_row *job)
{
	return xstrdup(job->managed_state || job->backend == NULL ? "managed" : job->backend);
}

int plan_record_from_job(const struct run_row *run, const struct job_row *job, const struct record_extra *x, struct plan_record *ret, struct err *err)
{
	struct plan_record r = {
		.repo_id = run->repo_id, .pull = run->pull, .repo = xstrdup(run->repo), .project = xstrdup(job->project), .dir = xstrdup(job->dir),
		.workspace = xstrdup(job->workspace), .head_sha = xstrdup(run->head_sha), .base_ref = xstrdup(run->base_ref),
		.base_sha = xstrdup(run->base_sha), .inputs = xstrdup(job->inputs), .config_id = xstrdup(run->config_id),
		.server_digest = xstrdup(x->server_digest), .engine = job->engine != ENGINE_NONE ? xstrdup(engine_row(job->engine)->name) : NULL,
		.engine_version = xstrdup(job->engine_version), .engine_sha256 = xstrdup(x->engine_sha256), .backend = backend_of(job),
		.state_lineage = xstrdup(job->state_lineage), .state_serial = job->state_serial, .policies = xstrdup(x->policies),
		.cost = xstrdup(x->cost), .modules = xstrdup(job->modules), .args = xstrdup(job->args), .plan_sha256 = xstrdup(job->plan_sha256),
		.changes = xstrdup(job->changes), .tier = x->tier,
		.destroy = job->destroy, .planned_ms = x->planned_ms, .expires_ms = x->expires_ms,
	};
	int rc = job->bound != NULL ? read_bound(job->bound, &r, err) : 0;
	if (rc != 0) {
		plan_record_free(&r);
		return err_wrap(err, "what the plan of `%s` is bound to", job->project);
	}
	*ret = r;
	return 0;
}

static int verify(const uint8_t pub[AGENT_PUBLIC_SIZE], const struct job_row *plan, struct plan_record *ret, struct err *err)
{
	uint8_t sig[AGENT_SIG_SIZE];
	if (plan->record == NULL || plan->signature_hex == NULL || !text_unhex(plan->signature_hex, sig, sizeof(sig)))
		return err_set(err, ERR_REFUSED, "the plan of `%s` has no signed record: plan again", plan->project);
	struct err why = {0};
	if (plan_record_verify(pub, plan->record, strlen(plan->record), sig, ret, &why) != 0)
		return err_set(err, ERR_REFUSED, "the plan of `%s`: %s", plan->project, why.msg);
	return 0;
}

int plan_record_check(const uint8_t pub[AGENT_PUBLIC_SIZE], const struct job_row *plan, const struct plan_record *now, enum plan_record_when when,
		      int64_t now_ms, struct err *err)
{
	struct plan_record was = {0};
	int rc = verify(pub, plan, &was, err);
	if (rc != 0)
		return rc;
	rc = plan_record_compare(&was, now, when, NULL, err);
	if (rc == 0 && now_ms >= was.expires_ms) {
		CLEANUP_BUF struct buf ago = {0};
		text_took(&ago, now_ms - was.expires_ms);
		rc = err_set(err, ERR_REFUSED, "the plan of `%s` expired %s ago: plan again", plan->project, buf_str(&ago));
	}
	plan_record_free(&was);
	return rc;
}
