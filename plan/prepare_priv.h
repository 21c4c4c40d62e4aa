/* Between prepare.c (the mirror, the commits, the configuration) and prepare_select.c (the projects and their files). Not for others. */
#ifndef PLAN_PREPARE_PRIV_H
#define PLAN_PREPARE_PRIV_H

#include "plan/export.h"
#include "plan/hygiene.h"
#include "plan/prepare.h"

/* One preparation. Trees: target is what is exported (head, or the merge commit), base is the tip of the base branch. */
struct prep {
	const struct prepare_request *req;
	struct prepare_result *ret;
	struct git_repo *repo;
	int lock;
	char tip[GIT_OID_HEX + 1], target[GIT_OID_HEX + 1];
	char base_tree[GIT_OID_HEX + 1], target_tree[GIT_OID_HEX + 1], merge_base_tree[GIT_OID_HEX + 1];
	struct index index;
	struct server_config server;
	bool has_server;
	struct repo_config config;
	struct strlist changed;
	struct project_set set;
	char *rules;              /* providers.allow, one a line; NULL: none */
	size_t told_files;        /* looked at so far, of all projects together */
	size_t told_bytes, told_kept;
};

/* What of a project's surroundings a plan is bound to. */
struct prep_bound {
	char lock[GIT_OID_HEX + 1]; /* git id of the lock file in force; "": none */
	char backend[65];           /* digest of where a state is that is not ours; "" */
};

static inline bool prep_is_apply(const struct prep *p) { return p->req->merge_sha != NULL; }
/* Fills projects, unknown and tree_dir of the result. */
int prep_select(struct prep *p, struct err *err) MUST_CHECK;
/* May this project be run as it is in tree? Fills error, lock_id and told of out. */
int prep_hygiene(struct prep *p, const char *tree, const struct project *project, const struct inputs *in, struct prepared_project *out,
		 struct prep_bound *bound, struct err *err) MUST_CHECK;
/* What a reviewer should know of the files that the change touches and this project uses. */
int prep_tell(struct prep *p, const struct inputs *in, struct told_list *told, struct err *err) MUST_CHECK;
void prep_sweep_locks(const char *trees_dir, int64_t before_ms);
/* What the base branch asks of reviews: owners and codeowners_id of the result. After prep_select. */
int prep_owners(struct prep *p, struct err *err) MUST_CHECK;

#endif
