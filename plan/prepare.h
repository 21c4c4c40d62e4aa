/* Preparing a run: from a head commit to the projects it touches, with their files exported. Steps 4 and 7, in a child process
 * (`sluice prepare`, request on stdin, result on stdout, both JSON) because git and hashing block.
 *
 * fetch base and pull/N/head into the bare mirror (one fetch; none for a merge commit that is there and on the base branch) -> merge base ->
 * sluice.yaml from the base commit -> changed paths (tree diff, renames, deletions) -> index of directories, modules and projects at head
 * (kept beside the mirror, brought up to date by a tree diff) -> affected projects -> export their inputs into tree_dir. */
#ifndef PLAN_PREPARE_H
#define PLAN_PREPARE_H

#include "base/git.h"
#include "base/loop.h"
#include "plan/config.h"

struct prepare_request {
	char *server_file;      /* path of sluice-server.yaml: defaults, overrides */
	char *mirror_dir;       /* data_dir/mirrors/REPO_ID.git */
	char *trees_dir;        /* data_dir/trees/REPO_ID */
	char *clone_url;
	char *token;            /* NULL: none. A secret: stdin only */
	int64_t pull_number;
	char *base_ref;         /* "main" */
	char *head_sha;         /* of the pull request; NULL for apply */
	char *merge_sha;        /* apply: the merge commit to export; NULL for plan */
	struct strlist only_projects; /* names (-p); empty: the affected ones */
	struct strlist only_dirs;     /* -d */
	char *only_workspace;         /* -w */
	bool fetch_only;        /* just bring the mirror up to date */
	bool admin;             /* who asked for this plan has the role admin: then the state may be read from another place than before */
};

struct prepared_project {
	char *name, *dir, *workspace;
	enum engine_kind engine;
	enum apply_mode apply;
	bool requires_approved, requires_checks, requires_up_to_date;
	int approvals;
	bool codeowners;    /* a code owner has to approve */
	struct strlist depends_on;
	bool deleted;       /* its directory is gone at head */
	bool needs_init;    /* has providers, modules or a backend */
	bool managed_state; /* no backend, or local */
	char *backend;      /* "s3", NULL when none */
	char *reason;       /* "network/main.tf changed", "modules/vpc/main.tf changed (module modules/vpc)" */
	char *inputs;       /* sha256 over every exported input (path and git id): equal inputs, equal plan. NULL for an apply whose base
			     * branch has other inputs by now */
	char *bound;        /* what a plan of it is bound to, JSON: {"inputs":[[path, git id, is_module], ...],"lock":git id of the lock file in
			     * force,"backend":digest of where a state is that is not ours} */
	char *lock_id;      /* git id of the dependency lock file in force: trees_dir/locks/LOCK_ID has its bytes. NULL: there is none */
	char *told;         /* what a reviewer should know of the change, JSON (hygiene.h); NULL: nothing */
	char *sandbox;      /* "strict", "compat": as the base branch says */
	char *env;          /* NAME=VALUE of its environment, one a line */
	char *egress_plan, *egress_apply; /* what it uses of the operator's rules, one a line; NULL: all of them */
	char *tree_dir;     /* of a directory that is gone: where it was exported from the merge base; NULL otherwise */
	char *error;        /* refused with this sentence (state file tracked in git, symlinked directory ...), NULL: may run */
};

struct prepare_result {
	char base_sha[GIT_OID_HEX + 1], head_sha[GIT_OID_HEX + 1], merge_base[GIT_OID_HEX + 1];
	bool base_moved;     /* base_sha != merge_base: the branch is behind */
	bool config_present; /* sluice.yaml in the base commit */
	bool config_changed; /* the pull request edits it: takes effect after merge */
	struct config_errors config_errors; /* of the base commit's file: then no project is listed */
	struct config_errors head_errors;   /* of the pull request's own version, when it changes it */
	char *tree_dir;      /* the exported tree */
	char *owners;        /* plan: what the base branch asks of reviews of this change, JSON (codeowners.h) */
	char *codeowners_id; /* git id of CODEOWNERS in the base commit; "" without one */
	char *config_id;     /* git id of sluice.yaml in the base commit; "" without one */
	struct prepared_project *projects; /* affected, in name order */
	size_t projects_n;
	size_t untouched;    /* projects that the change leaves alone */
	struct strlist unknown; /* names and directories of only_* that no project has */
	uint64_t fetched_bytes;
	int64_t took_ms;
};

int prepare_request_write(const struct prepare_request *r, struct buf *out);
int prepare_request_read(const char *bytes, size_t len, struct prepare_request *ret, struct err *err) MUST_CHECK;
void prepare_request_free(struct prepare_request *r);
int prepare_result_write(const struct prepare_result *r, struct buf *out);
int prepare_result_read(const char *bytes, size_t len, struct prepare_result *ret, struct err *err) MUST_CHECK;
void prepare_result_free(struct prepare_result *r);

/* Does the work (blocking). Errors: ERR_UNAVAILABLE and ERR_TIMEOUT (fetch: try again), ERR_REFUSED (token, or a merge commit that is not on
 * the base branch), ERR_NOT_FOUND (branch or commit gone), ERR_LIMIT, ERR_IO. What is wrong with sluice.yaml or with one project is in the
 * result. base_sha is the tip of the base branch, or the merge commit when one is applied. */
int prepare_run(const struct prepare_request *req, struct prepare_result *ret, struct err *err) MUST_CHECK;
/* The child: reads a request from stdin, prints {"ok":true,"result":...} or {"ok":false,"code":..,"error":..}; returns the exit status. */
int prepare_main(void);

/* The parent's side of that, on the daemon's loop. Where the mirror and the trees of a repository lie below data_dir, into the request. */
void prepare_request_place(struct prepare_request *r, const char *data_dir, int64_t repo_id);
/* Starts the child (program: the sluice binary) and gives it the request, whose bytes are wiped here; it has ten minutes. What it printed
 * arrives in cb, for prepare_answer_read. The process is the caller's, as loop_process_start says. */
struct loop_process *prepare_start(struct loop *l, const char *program, const struct prepare_request *r, loop_exit_cb cb, void *arg);
/* Parses what the child printed; its error, when it had one, becomes ours. */
int prepare_answer_read(const char *bytes, size_t len, struct prepare_result *ret, struct err *err) MUST_CHECK;

#endif
