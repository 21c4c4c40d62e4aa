/* Runs and jobs in the database: every state is a row before it acts. Steps 4 to 6. All functions run on the writer thread, inside a
 * transaction of base/db.h. Rows own their strings. */
#ifndef PLAN_RUN_STORE_H
#define PLAN_RUN_STORE_H

#include "base/db.h"
#include "base/mem.h"
#include "plan/prepare.h"
#include "runner/spec.h"
#include "secrets/agent.h"

extern const char PLAN_SCHEMA[];   /* part of migration 1 */
extern const char PLAN_SCHEMA_2[]; /* part of migration 2 */
extern const char PLAN_SCHEMA_3[];

enum run_kind { RUN_PLAN, RUN_APPLY };

/* What a run is doing; the column, the log word and the metric label. A crash in a state means: enter it again (the table in runs.h). */
enum run_state {
	RUN_QUEUED,     /* waits for its turn on the pull request */
	RUN_READING,    /* reads the pull request from GitHub */
	RUN_GATING,     /* apply: reads what the gate needs and decides */
	RUN_MERGING,    /* apply: merges with the expected head */
	RUN_ENQUEUED,   /* apply: waits in the merge queue */
	RUN_PREPARING,  /* child: fetch, affected projects, export */
	RUN_CHECKING,   /* apply: the gate once more, before anything is handed out */
	RUN_WORKING,    /* jobs wait, run, finish */
	RUN_DONE,       /* terminal from here on */
	RUN_FAILED,     /* the run itself could not do its work: error says why */
	RUN_REFUSED,    /* the answer is no: error says why */
	RUN_SUPERSEDED, /* a newer push took over */
	RUN_CANCELLED,
	RUN_STATES
};
const char *run_state_name(enum run_state s);
static inline bool run_state_is_over(enum run_state s) { return s >= RUN_DONE; }

struct run_row {
	int64_t id;
	char *token; /* opens /runs/ID */
	int64_t repo_id;
	char *repo, *clone_url;
	int64_t pull;
	enum run_kind kind;
	enum run_state state;
	char *head_sha, *base_ref, *base_sha, *merge_base, *merge_sha;
	char *asker;    /* login of the person who asked; NULL: a push or a merge */
	char *only;     /* JSON {"projects":[],"dirs":[],"workspace":null} of the command's flags; NULL: none. An apply whose gate was open:
			   the names of the projects that it took, one a line */
	char *error;
	char *notes;    /* lines for the comment */
	char *config_errors; /* lines "sluice.yaml:3:5: ..." */
	char *gate;     /* JSON list of the last gate verdict: [{"mark":0,"name":..,"sentence":..}] */
	char *facts;    /* plan: what GitHub said of the gate while it ran (gate_own.h) */
	char *tree_dir;
	char *config_id;     /* git id of sluice.yaml on the base branch; "" without one */
	char *owners;        /* what CODEOWNERS asks of this change, JSON (codeowners.h) */
	char *author;        /* login of who opened the pull request */
	int64_t asked_ms;    /* when the comment that asked was written, as GitHub says; 0: no comment */
	char *asked_sha;     /* the commit that the command named; NULL */
	char *args;          /* plan: the flags of `plan -- FLAGS`, one a line (command.h); NULL: a whole plan */
	bool by_admin;       /* plan: who asked had the role admin when the comment came */
	bool ok_to_plan;     /* plan: asked for by `ok-to-plan SHA`, which asked_sha has (trust.h) */
	int64_t untouched, edits;
	bool dirty;     /* the comment lags behind */
	bool after_merge; /* the pull request was merged by a person: nothing to merge */
	bool base_moved;
	int64_t created_ms, finished_ms;
};

enum job_state {
	JOBS_WAITING,   /* for a project it depends on */
	JOBS_READY,
	JOBS_RUNNING,
	JOBS_DONE,      /* planned or applied; terminal from here on */
	JOBS_FAILED,    /* the engine said no, or the plan could not be understood */
	JOBS_CANCELLED,
	JOBS_REFUSED,   /* we said no */
	JOBS_UNKNOWN,   /* apply interrupted: outcome unknown */
	JOBS_STATES
};
const char *job_state_name(enum job_state s);

struct job_row {
	int64_t id, run_id, repo_id, pull;
	enum job_phase phase;
	enum job_state state;
	char *project, *dir, *workspace, *backend, *reason, *inputs, *error, *step;
	enum engine_kind engine;
	char *engine_version;
	enum apply_mode apply;
	bool needs_init, managed_state, deleted;
	bool requires_approved, requires_checks, requires_up_to_date;
	bool requires_codeowners;
	int64_t approvals;
	char *depends_on; /* names, one a line */
	char *summary, *diff;
	char *done;     /* apply that failed: what was done before it, in words */
	char *plan_sha256;
	int64_t plan_job; /* apply: the job whose plan is applied; plan: 0 */
	int64_t used_by;  /* plan: the apply job that used it; 0: none */
	uint8_t key_wrapped[AGENT_WRAPPED_SIZE]; /* under "job ID" */
	bool has_key;
	int64_t started_ms, finished_ms, attempts;
	int64_t state_serial; /* plan: of the managed state that it saw; apply: of the one that it left */
	char *state_lineage;  /* plan: likewise; NULL: none yet, or kept elsewhere */
	char *log;        /* path of the log, relative to data_dir */
	char *changes;    /* plan: digest of the normalised change set (hex); NULL before */
	int64_t since_ms; /* plan: when this change set was planned first without another one between */
	char *bound;      /* what the plan is bound to beside the digest of its inputs, JSON (prepare.h) */
	char *record, *signature_hex; /* the signed plan record; NULL: none */
	int64_t plan_file; /* the job whose sealed plan file this plan uses: itself, or an earlier one whose plan was kept; 0: none */
	bool destroy;     /* a directory that is gone: everything in its state goes */
	char *tree_dir;   /* then: where its files were exported to; NULL: the run's */
	char *asker;      /* for whom it runs: who asked, or the author of the pull request */
	char *resolution, *resolved_by; /* of an unknown outcome: applied, failed, replan */
	int64_t behind;   /* waits while this pull request holds the project; 0: it does not */
	char *evidence;   /* of an unknown outcome, JSON (resolve.h) */
	char *sandbox;    /* "strict" or "compat", as the base branch says; NULL when created: strict */
	char *env;        /* NAME=VALUE of its environment, one a line; NULL: none */
	char *egress_plan, *egress_apply; /* what it uses of the operator's rules in that phase, one a line; NULL: all of them; "": none */
	char *args;       /* plan: further flags of the engine (command.h), one a line: not a whole plan. NULL: none */
	char *told;       /* plan: what a reviewer should know of the change, JSON (hygiene.h); NULL: nothing */
	char *lock_id;    /* git id of the dependency lock file in force, whose bytes stand in data_dir/trees/REPO_ID/locks/LOCK_ID: that path is
			     the spec's lock_file. NULL: none is in force, and the tree has none */
	char *modules;    /* digest of the remote modules that were fetched (runner/fetch.h); NULL: none */
	char *isolation;  /* how well the box held it (runner/tier.h), from its exit record; NULL: no box stood */
	char *breach;     /* the ceiling that ended it (runner/breach.h); NULL: none */
	int64_t peak_memory, cpu_ms, connections, connections_refused; /* of its exit record */
};

void run_row_free(struct run_row *r);
void job_row_free(struct job_row *j);

/* `only` and asker as in the row. merge_sha: of a pull request that a person merged. */
struct run_new {
	int64_t repo_id, pull;
	const char *repo, *asker, *only;
	enum run_kind kind;
	bool after_merge;
	const char *merge_sha;
	int64_t asked_ms;      /* when the comment was written, as GitHub says */
	const char *asked_sha; /* the commit that the command named */
	const char *args;      /* as in the row */
	bool ok_to_plan, by_admin; /* likewise */
	bool beside;           /* a plan that leaves older ones alone: it is about one project that changed under them */
};
/* In RUN_QUEUED. After a plan run, older plan runs of the same pull request that are not over are superseded. */
int run_create(struct db_conn *c, const struct run_new *n, int64_t *ret_id, struct err *err) MUST_CHECK;
/* Ends every plan run of the pull request older than `before` that is not over; their waiting and ready jobs too. before 0: all. */
int run_supersede(struct db_conn *c, int64_t repo_id, int64_t pull, int64_t before, enum run_state as, struct err *err) MUST_CHECK;
/* The pull request was closed: its plans are not made again. Newer runs are of one that was opened again. */
int run_set_closed(struct db_conn *c, int64_t repo_id, int64_t pull, struct err *err) MUST_CHECK;
int run_get(struct db_conn *c, int64_t id, struct run_row *ret, struct err *err) MUST_CHECK; /* ERR_NOT_FOUND */
/* Newest run of a pull request of a kind; head may be NULL. ERR_NOT_FOUND. */
int run_newest(struct db_conn *c, int64_t repo_id, int64_t pull, enum run_kind kind, const char *head, struct run_row *ret, struct err *err) MUST_CHECK;
/* The commit that a pull request was merged as, for an apply; NULL: none. The caller frees. */
int run_merge_of(struct db_conn *c, int64_t repo_id, int64_t pull, char **ret, struct err *err) MUST_CHECK;
/* Did a plan of this head and base branch look at every project that is touched, or did each of them only follow a `plan -p NAME`? */
int run_is_whole(struct db_conn *c, const struct run_row *plan, bool *ret, struct err *err) MUST_CHECK;
/* Compare and set; ERR_CONFLICT when the run is not in `from` any more. Terminal states get finished_ms. */
int run_move(struct db_conn *c, int64_t id, enum run_state from, enum run_state to, struct err *err) MUST_CHECK;
int run_set_error(struct db_conn *c, int64_t id, const char *error, struct err *err) MUST_CHECK;
int run_add_note(struct db_conn *c, int64_t id, const char *note, struct err *err) MUST_CHECK;
int run_set_pull(struct db_conn *c, const struct run_row *r, struct err *err) MUST_CHECK; /* head, base, clone url, repo */
int run_set_prepared(struct db_conn *c, const struct run_row *r, struct err *err) MUST_CHECK; /* base_sha, tree_dir, untouched, config_errors, base_moved */
int run_set_gate(struct db_conn *c, int64_t id, const char *gate, struct err *err) MUST_CHECK;
int run_set_facts(struct db_conn *c, int64_t id, const char *facts, struct err *err) MUST_CHECK;
int run_set_only(struct db_conn *c, int64_t id, const char *only, struct err *err) MUST_CHECK;
int run_set_merge(struct db_conn *c, int64_t id, const char *merge_sha, bool by_us, struct err *err) MUST_CHECK;
/* Did a run of ours merge this pull request, after an open gate? */
int run_merged_by_us(struct db_conn *c, int64_t repo_id, int64_t pull, bool *ret, struct err *err) MUST_CHECK;
int run_set_owners(struct db_conn *c, int64_t id, const char *owners, struct err *err) MUST_CHECK;
int run_set_dirty(struct db_conn *c, int64_t id, bool dirty, struct err *err) MUST_CHECK;
int run_count_edit(struct db_conn *c, int64_t id, struct err *err) MUST_CHECK; /* also: not dirty, edited now */
struct id_list {
	int64_t *v;
	size_t n;
};
void id_list_add(struct id_list *l, int64_t id);
void id_list_free(struct id_list *l);
int run_list_to_edit(struct db_conn *c, struct id_list *ret, struct err *err) MUST_CHECK; /* dirty, and their comment may be edited again */
int run_list_open(struct db_conn *c, struct id_list *ret, struct err *err) MUST_CHECK; /* not over, oldest first */
/* True while an older apply of the same pull request is not over. */
int run_is_behind(struct db_conn *c, const struct run_row *r, bool *ret, struct err *err) MUST_CHECK;

int job_create(struct db_conn *c, const struct job_row *j, int64_t *ret_id, struct err *err) MUST_CHECK;
int job_get(struct db_conn *c, int64_t id, struct job_row *ret, struct err *err) MUST_CHECK;
struct job_list {
	struct job_row *v;
	size_t n;
};
void job_list_free(struct job_list *l);
/* All jobs of a run in name order, without diffs. */
int job_list_of_run(struct db_conn *c, int64_t run_id, struct job_list *ret, struct err *err) MUST_CHECK;
/* The newest plan job of each project of a head commit, whichever run made it, in name order: `plan -p` adds to what stands. Plans for
 * another base branch than the newest one's are left out: that branch had its own configuration. */
int job_list_of_head(struct db_conn *c, int64_t repo_id, int64_t pull, const char *head_sha, struct job_list *ret, struct err *err) MUST_CHECK;
int job_diff(struct db_conn *c, int64_t job_id, size_t max, char **ret, struct err *err) MUST_CHECK; /* NULL when none */
int job_list_in_state(struct db_conn *c, enum job_state state, struct job_list *ret, struct err *err) MUST_CHECK;
int job_count_open(struct db_conn *c, int64_t run_id, int64_t *ret, struct err *err) MUST_CHECK;
int job_count_in_state(struct db_conn *c, int64_t repo_id /* 0: all */, enum job_state state, int64_t *ret, struct err *err) MUST_CHECK;
/* The next ready job: applies before plans before drift checks; of the repository with the least at work, or that began longest ago; in it,
 * likewise, of the person; then the oldest. Repositories and persons at their limit are left out. ERR_NOT_FOUND. */
int job_next_ready(struct db_conn *c, int64_t per_repository, int64_t per_person, struct job_row *ret, struct err *err) MUST_CHECK;
int job_start(struct db_conn *c, const struct job_row *j, struct err *err) MUST_CHECK; /* ready -> running, key, started_ms, engine_version, log */
int job_finish(struct db_conn *c, const struct job_row *j, enum job_state from, struct err *err) MUST_CHECK; /* results; ERR_CONFLICT when not in from */
int job_again(struct db_conn *c, int64_t id, struct err *err) MUST_CHECK;              /* running -> ready: its runner was lost before the point */
int job_end_open(struct db_conn *c, int64_t run_id, enum job_state as, const char *error, struct err *err) MUST_CHECK; /* waiting, ready */
int job_release_waiting(struct db_conn *c, int64_t run_id, struct err *err) MUST_CHECK; /* waiting jobs whose dependencies are over */

#endif
