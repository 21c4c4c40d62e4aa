/* Between prepare.c (the mirror, the commits, the configuration) and prepare_select.c (the projects and their files). Not for others. */
#ifndef PLAN_PREPARE_PRIV_H
#define PLAN_PREPARE_PRIV_H

#include "plan/export.h"
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
};

static inline bool prep_is_apply(const struct prep *p) { return p->req->merge_sha != NULL; }
/* Fills projects, unknown and tree_dir of the result. */
int prep_select(struct prep *p, struct err *err) MUST_CHECK;
/* What the base branch asks of reviews: owners and codeowners_id of the result. After prep_select. */
int prep_owners(struct prep *p, struct err *err) MUST_CHECK;

#endif
