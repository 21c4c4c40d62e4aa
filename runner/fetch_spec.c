/* Between a job's spec and the fetch step. In the runner's process. */
#include "base/fs.h"
#include "runner/fetch.h"
#include "runner/project_look.h"

#include <sys/stat.h>

#define LOCK_FILE ".terraform.lock.hcl"

/* The one in force, else the tree's own; never through a link. The caller frees. */
static char *lock_file_of(const struct job_spec *s)
{
	if (s->lock_file != NULL)
		return xstrdup(s->lock_file);
	return project_has_lock_file(s) ? xasprintf("%s/%s/" LOCK_FILE, s->tree_dir, s->dir) : NULL;
}

static int show_lock(struct job_spec *s, const char *text, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(s->job_dir, "lock.hcl");
	int rc = fs_write_fast(path, text, strlen(text), 0444, err);
	if (rc == 0 && chmod(path, 0444) != 0) /* the user of the box reads it, whatever our umask */
		rc = err_sys(err, "set the mode of %s", path);
	if (rc == 0)
		xstrset(&s->lock_file, path);
	return rc;
}

int fetch_for_spec(struct job_spec *s, const struct fetch_place *place, const struct fetch_watch *w, struct fetch_result *ret, struct err *err)
{
	*ret = (struct fetch_result){0};
	if (!s->needs_init)
		return 0;
	struct fetch_order o = {
		.data_dir = xstrdup(place->data_dir),
		.mirror_dir = xstrdup(s->mirror_dir),
		.provider_allow = xstrdup(s->provider_allow),
		.download = place->download,
		.egress = xstrdup(place->egress),
		.egress_deny = xstrdup(s->egress_deny),
		.ca_file = xstrdup(s->ca_file),
		.job_dir = xstrdup(s->job_dir),
		.engine = s->engine,
		.engine_path = xstrdup(s->engine_path),
		.engine_version = xstrdup(s->engine_version),
		.tree_dir = xstrdup(s->tree_dir),
		.dir = xstrdup(s->dir),
		.lock_file = lock_file_of(s),
		.modules = s->modules_dir != NULL ? xstrdup(strrchr(s->modules_dir, '/') + 1) : NULL, /* of the plan that is applied */
		.isolation_min = s->isolation_min,
		.timeout_ms = place->timeout_ms,
	};
	int rc = fetch_for_job(&o, w, ret, err);
	fetch_order_free(&o);
	if (rc == 0 && ret->lock_text != NULL)
		rc = show_lock(s, ret->lock_text, err);
	if (rc != 0) {
		const struct fetch_traffic traffic = ret->traffic;
		fetch_result_free(ret);
		ret->traffic = traffic;
		return rc;
	}
	if (ret->store_dir != NULL)
		xstrset(&s->store_dir, ret->store_dir);
	if (ret->modules_dir != NULL)
		xstrset(&s->modules_dir, ret->modules_dir);
	return 0;
}
