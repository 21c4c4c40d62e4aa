/* The second half of a preparation: which projects, what is told of each, and their files. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/prepare_priv.h"

enum { DAY_MS = 24 * 3600 * 1000 };

struct filter {
	struct strlist dirs; /* normalised */
	const struct prepare_request *req;
	struct pathmap names;
	bool any;
};

static bool is_selected(const struct filter *f, const struct project *p)
{
	const struct prepare_request *r = f->req;
	uint32_t at = 0;
	if (!f->any)
		return p->reason != NULL;
	return (r->only_projects.n == 0 || pathmap_get(&f->names, p->name, strlen(p->name), &at)) &&
	       (f->dirs.n == 0 || strlist_has(&f->dirs, p->dir)) &&
	       (r->only_workspace == NULL || strcmp(p->workspace, r->only_workspace) == 0);
}

/* Words of the command that no project answers to. */
static void find_unknown(struct prep *p, const struct filter *f)
{
	struct pathmap names = {0}, dirs = {0};
	uint32_t at = 0;
	for (size_t i = 0; i < p->set.n; i++) {
		(void)pathmap_add(&names, p->set.v[i].name, strlen(p->set.v[i].name), 0);
		(void)pathmap_add(&dirs, p->set.v[i].dir, strlen(p->set.v[i].dir), 0); /* several workspaces share one */
	}
	const struct strlist *asked = &p->req->only_projects;
	for (size_t i = 0; i < asked->n; i++)
		if (!pathmap_get(&names, asked->v[i], strlen(asked->v[i]), &at))
			strlist_add(&p->ret->unknown, asked->v[i]);
	for (size_t i = 0; i < f->dirs.n; i++)
		if (!pathmap_get(&dirs, f->dirs.v[i], strlen(f->dirs.v[i]), &at))
			strlist_add(&p->ret->unknown, p->req->only_dirs.v[i]);
	pathmap_free(&names);
	pathmap_free(&dirs);
}

static void filter_make(struct filter *f, const struct prepare_request *r)
{
	*f = (struct filter){.req = r, .any = r->only_projects.n + r->only_dirs.n > 0 || r->only_workspace != NULL};
	for (size_t i = 0; i < r->only_projects.n; i++)
		(void)pathmap_add(&f->names, r->only_projects.v[i], strlen(r->only_projects.v[i]), 0); /* said twice is said */
	for (size_t i = 0; i < r->only_dirs.n; i++) {
		char *dir = path_resolve(".", r->only_dirs.v[i]);
		strlist_take(&f->dirs, dir != NULL ? dir : xstrdup(r->only_dirs.v[i]));
	}
}

/* --- what is told of each --- */

static enum engine_kind engine_of(const struct project *p)
{
	if (p->rule->engine != ENGINE_NONE && p->rule->dir != NULL)
		return p->rule->engine; /* a rule of sluice.yaml says it */
	if (p->at != NULL && p->at->hint != ENGINE_NONE)
		return p->at->hint;
	return p->rule->engine;
}

static void describe(const struct prep *prep, const struct project *p, struct prepared_project *out)
{
	const struct project_rule *r = p->rule;
	*out = (struct prepared_project){
		.name = xstrdup(p->name),
		.dir = xstrdup(p->dir),
		.workspace = xstrdup(p->workspace),
		.engine = engine_of(p),
		.apply = r->apply,
		.requires_approved = r->requires_approved,
		.requires_checks = r->requires_checks,
		.requires_up_to_date = r->requires_up_to_date,
		.approvals = r->approvals,
		.codeowners = r->codeowners,
		.deleted = p->deleted,
		.needs_init = p->at != NULL && p->at->needs_init,
		.backend = p->at != NULL ? xstrdup(p->at->backend) : NULL,
		.reason = xstrdup(p->reason != NULL ? p->reason : "asked for by name"),
		.sandbox = xstrdup(r->sandbox == SANDBOX_COMPAT ? "compat" : "strict"),
		.env = text_join_lines(&r->env),
		.egress_plan = text_join_lines(&r->egress_plan),
		.egress_apply = text_join_lines(&r->egress_apply),
	};
	strlist_copy(&out->depends_on, &r->depends_on);
	out->managed_state = out->engine != ENGINE_PULUMI && (out->backend == NULL || strcmp(out->backend, "local") == 0);
	if (p->deleted && p->reason == NULL)
		out->error = xasprintf("%s is not in this commit, but on %s: bring the branch up to date first", p->dir,
				       prep->req->base_ref);
}

/* Inputs and files of one project; what is wrong with it is its own error and not the run's. */
/* An apply of a merge commit that the base branch has left behind: what was merged since, a revert perhaps, must not be undone by it. */
static bool still_on_base(const struct prep *p, const struct inputs *in)
{
	for (size_t i = 0; i < in->n && strcmp(p->target_tree, p->base_tree) != 0; i++) {
		enum git_entry_type type;
		char oid[GIT_OID_HEX + 1];
		const char *path = strcmp(in->v[i].path, ".") == 0 ? "" : in->v[i].path;
		if (git_tree_path(p->repo, p->base_tree, path, &type, oid, NULL) != 0 || strcmp(oid, in->v[i].oid) != 0)
			return false;
	}
	return true;
}

/* What is refused of one project, or too large, is its own error. */
static int settle(const struct project *project, struct prepared_project *out, int rc, const struct err *why, struct err *err)
{
	if (rc == ERR_REFUSED || rc == ERR_LIMIT) {
		out->error = out->error != NULL ? out->error : xstrdup(why->msg);
		return 0;
	}
	return rc == 0 ? 0 : err_set(err, rc, "project %s: %s", project->name, why->msg);
}

/* What the signed record of a plan names one by one, so that a difference can be told by name. */
static char *bound_of(const struct prep_bound *b, const struct inputs *in)
{
	struct buf out = {0};
	struct json_writer w = json_writer(&out);
	jw_open(&w, NULL);
	jw_open_arr(&w, "inputs");
	for (size_t i = 0; i < in->n; i++) {
		jw_open_arr(&w, NULL);
		jw_str(&w, NULL, in->v[i].path);
		jw_str(&w, NULL, in->v[i].oid);
		jw_bool(&w, NULL, in->v[i].is_module);
		jw_close_arr(&w);
	}
	jw_close_arr(&w);
	jw_str(&w, "lock", b->lock);
	if (b->backend[0] != '\0')
		jw_str(&w, "backend", b->backend);
	jw_close(&w);
	return buf_take(&out);
}

static int export_one(struct prep *p, struct exporter *e, const struct project *project, struct prepared_project *out, struct err *err)
{
	struct inputs in = {0};
	struct prep_bound bound;
	struct err why;
	int rc = inputs_find(p->repo, p->target_tree, &p->index, project, &in, &why);
	if (rc == 0)
		rc = prep_hygiene(p, p->target_tree, project, &in, out, &bound, &why);
	if (rc == 0) {
		char digest[sizeof(in.digest)];
		int exported = out->error == NULL ? exporter_project(e, project->dir, &in, digest, &why) : 0;
		bool complete = exported == 0 && out->error == NULL;
		if (!prep_is_apply(p) || still_on_base(p, &in)) /* without inputs nothing is applied */
			out->inputs = xstrdup(complete ? digest : in.digest);
		out->bound = bound_of(&bound, &in);
		rc = exported;
	}
	inputs_free(&in);
	return settle(project, out, rc, &why, err);
}

/* What the engine needs to know of a directory that is gone stands in the index of the commit that still had it. */
static void describe_gone(const struct prep *p, const struct project *project, struct prepared_project *out)
{
	const struct index_dir *d = index_find(&p->index, project->dir, strlen(project->dir));
	if (d == NULL || !d->live)
		return;
	if (out->engine == ENGINE_NONE)
		out->engine = d->hint;
	out->needs_init = d->needs_init;
	xstrset(&out->backend, d->backend);
	out->managed_state = out->engine != ENGINE_PULUMI && (out->backend == NULL || strcmp(out->backend, "local") == 0);
}

static int export_one_gone(struct prep *p, struct exporter *e, const struct project *project, struct prepared_project *out, struct err *err)
{
	struct inputs in = {0};
	struct prep_bound bound;
	struct err why;
	char digest[sizeof(in.digest)];
	describe_gone(p, project, out);
	int rc = inputs_find(p->repo, p->merge_base_tree, &p->index, project, &in, &why);
	if (rc == 0)
		rc = prep_hygiene(p, p->merge_base_tree, project, &in, out, &bound, &why);
	if (rc == 0 && out->error == NULL)
		rc = exporter_project(e, project->dir, &in, digest, &why);
	if (rc == 0 && out->error == NULL) {
		out->inputs = xstrdup(digest);
		out->bound = bound_of(&bound, &in);
		out->tree_dir = fs_join(p->req->trees_dir, p->ret->merge_base);
	}
	inputs_free(&in);
	return settle(project, out, rc, &why, err);
}

/* Directories that are gone: their files as they were at the merge base, so that what stands in their state can be planned away. */
static int export_gone(struct prep *p, const struct project **selected, struct err *err)
{
	struct prepare_result *ret = p->ret;
	struct exporter *e = NULL;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ret->projects_n; i++) {
		if (!selected[i]->deleted || ret->projects[i].error != NULL)
			continue;
		if (e == NULL) {
			rc = index_advance(&p->index, p->repo, p->merge_base_tree, err);
			if (rc == 0)
				rc = exporter_open(p->repo, &p->index, p->merge_base_tree, p->req->trees_dir, ret->merge_base, &e, err);
		}
		if (rc == 0)
			rc = export_one_gone(p, e, selected[i], &ret->projects[i], err);
	}
	exporter_close(e);
	return rc;
}

static int export_all(struct prep *p, const struct project **selected, struct err *err)
{
	struct prepare_result *ret = p->ret;
	struct exporter *e = NULL;
	ret->tree_dir = fs_join(p->req->trees_dir, p->target);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ret->projects_n; i++) {
		if (selected[i]->deleted)
			continue;
		if (e == NULL) {
			rc = exporter_open(p->repo, &p->index, p->target_tree, p->req->trees_dir, p->target, &e, err);
			int64_t before_ms = clock_wall_ms() - p->server.plan_expiry_ms - DAY_MS;
			if (rc == 0 && p->has_server) { /* no plan that was made from an older tree may be applied any more */
				exporter_sweep(e, p->req->trees_dir, before_ms);
				prep_sweep_locks(p->req->trees_dir, before_ms);
			}
		}
		if (rc == 0)
			rc = export_one(p, e, selected[i], &ret->projects[i], err);
	}
	exporter_close(e);
	return rc;
}

int prep_select(struct prep *p, struct err *err)
{
	struct prepare_result *ret = p->ret;
	struct filter f;
	filter_make(&f, p->req);
	const struct project **selected = xcalloc(p->set.n + 1, sizeof(*selected));
	size_t n = 0;
	for (size_t i = 0; i < p->set.n; i++)
		if (is_selected(&f, &p->set.v[i]))
			selected[n++] = &p->set.v[i];
	find_unknown(p, &f);
	int rc = 0;
	if (n > LIMIT_RUN_JOBS)
		rc = err_set(err, ERR_LIMIT,
			     "%zu projects are touched, and one run takes at most %u: split the pull request, or name projects with -p", n,
			     LIMIT_RUN_JOBS);
	if (rc == 0) {
		ret->projects = xcalloc(n + 1, sizeof(*ret->projects));
		ret->projects_n = n;
		for (size_t i = 0; i < n; i++)
			describe(p, selected[i], &ret->projects[i]);
		rc = export_all(p, selected, err);
		if (rc == 0 && !prep_is_apply(p)) /* last: it turns the index back */
			rc = export_gone(p, selected, err);
	}
	free(selected);
	pathmap_free(&f.names);
	strlist_free(&f.dirs);
	return rc;
}
