#include "plan/run_store.h"

/* Times are wall-clock milliseconds. Enumerations are stored as their words, so that a person with a shell can read them. */
const char PLAN_SCHEMA[] =
	"CREATE TABLE run("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, repo_id INTEGER NOT NULL, repo TEXT NOT NULL, clone_url TEXT,"
	" pull INTEGER NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, head_sha TEXT, base_ref TEXT, base_sha TEXT, merge_sha TEXT,"
	" asker TEXT, only TEXT, error TEXT, notes TEXT, config_errors TEXT, gate TEXT, tree_dir TEXT, untouched INTEGER NOT NULL DEFAULT 0,"
	" edits INTEGER NOT NULL DEFAULT 0, edited_ms INTEGER NOT NULL DEFAULT 0, merge_base TEXT, facts TEXT,"
	" dirty INTEGER NOT NULL DEFAULT 0, after_merge INTEGER NOT NULL DEFAULT 0,"
	" base_moved INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX run_of_pull ON run(repo_id, pull, id);"
	"CREATE INDEX run_open ON run(id) WHERE state IN('queued','reading','gating','merging','preparing','working');"
	"CREATE TABLE job("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run(id), repo_id INTEGER NOT NULL, pull INTEGER NOT NULL,"
	" phase TEXT NOT NULL, state TEXT NOT NULL, project TEXT NOT NULL, dir TEXT NOT NULL, workspace TEXT NOT NULL, backend TEXT, reason TEXT,"
	" inputs TEXT, error TEXT, step TEXT, engine TEXT NOT NULL, engine_version TEXT, apply TEXT NOT NULL, needs_init INTEGER NOT NULL,"
	" managed_state INTEGER NOT NULL, deleted INTEGER NOT NULL, requires INTEGER NOT NULL, approvals INTEGER NOT NULL, depends_on TEXT,"
	" summary TEXT, diff TEXT, plan_sha256 TEXT, plan_job INTEGER NOT NULL DEFAULT 0, used_by INTEGER NOT NULL DEFAULT 0, key_wrapped BLOB,"
	" started_ms INTEGER NOT NULL DEFAULT 0, finished_ms INTEGER NOT NULL DEFAULT 0, state_serial INTEGER NOT NULL DEFAULT 0, log TEXT,"
	" attempts INTEGER NOT NULL DEFAULT 0, done TEXT,"
	" UNIQUE(run_id, project));"
	"CREATE INDEX job_open ON job(state, id) WHERE state IN('waiting','ready','running');"
	"CREATE TABLE lock("
	" repo_id INTEGER NOT NULL, project TEXT NOT NULL, pull INTEGER NOT NULL, run_id INTEGER NOT NULL, reason TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, PRIMARY KEY(repo_id, project)) WITHOUT ROWID;"
	"CREATE TABLE state_version("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, repo_id INTEGER NOT NULL, project TEXT NOT NULL, workspace TEXT NOT NULL, lineage TEXT NOT NULL,"
	" serial INTEGER NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, path TEXT NOT NULL, aad TEXT NOT NULL, key_wrapped BLOB NOT NULL,"
	" key_context TEXT NOT NULL, run_id INTEGER NOT NULL, job_id INTEGER NOT NULL, created_ms INTEGER NOT NULL);"
	"CREATE INDEX state_of_project ON state_version(repo_id, project, workspace, id);";

/* Migration 2. A run may hold a plan and an apply of one project (it is planned again on the base branch, or after what it depends on), so
 * the table of jobs is made anew: SQLite cannot change a constraint. Locks are read from the claims of runs that are not over and from applies
 * whose outcome nobody has resolved; nothing has to be released.
 *   run.config_id   git id of sluice.yaml on the base branch      run.owners   what CODEOWNERS asks for (plan/codeowners.h), JSON
 *   job.changes     digest of the normalised change set           job.record, signature   the signed plan record (plan/plan_record.h)
 *   job.plan_file   the job whose sealed plan file this plan uses (itself, or an earlier one whose plan was kept); 0: none
 *   job.since_ms    when this change set was planned first without another one between; approvals count from then on
 *   job.bound       what the plan is bound to beside its inputs' digest (prepare.h), JSON
 *   job.resolution  of an unknown outcome: applied, failed, replan; by whom. job.evidence: what was seen of it (plan/resolve.h), JSON
 *   job.rank        0 of an apply, 1 of a plan, 2 of a drift check   job.behind   waits while this pull request holds the project; 0: it does not
 *   run.asked_ms    when the comment was written, as GitHub says      run.asked_sha   the commit that the command named
 *   run.closed      the pull request was closed since */
const char PLAN_SCHEMA_2[] =
	"ALTER TABLE run ADD COLUMN asker_id INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE run ADD COLUMN config_id TEXT;"
	"ALTER TABLE run ADD COLUMN owners TEXT;"
	"ALTER TABLE run ADD COLUMN author TEXT;"
	"ALTER TABLE run ADD COLUMN merged_by_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE run ADD COLUMN asked_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE run ADD COLUMN asked_sha TEXT;"
	"ALTER TABLE run ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE job_2("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES run(id), repo_id INTEGER NOT NULL, pull INTEGER NOT NULL,"
	" phase TEXT NOT NULL, state TEXT NOT NULL, project TEXT NOT NULL, dir TEXT NOT NULL, workspace TEXT NOT NULL, backend TEXT, reason TEXT,"
	" inputs TEXT, error TEXT, step TEXT, engine TEXT NOT NULL, engine_version TEXT, apply TEXT NOT NULL, needs_init INTEGER NOT NULL,"
	" managed_state INTEGER NOT NULL, deleted INTEGER NOT NULL, requires INTEGER NOT NULL, approvals INTEGER NOT NULL, depends_on TEXT,"
	" summary TEXT, diff TEXT, plan_sha256 TEXT, plan_job INTEGER NOT NULL DEFAULT 0, used_by INTEGER NOT NULL DEFAULT 0, key_wrapped BLOB,"
	" started_ms INTEGER NOT NULL DEFAULT 0, finished_ms INTEGER NOT NULL DEFAULT 0, state_serial INTEGER NOT NULL DEFAULT 0, log TEXT,"
	" attempts INTEGER NOT NULL DEFAULT 0, done TEXT,"
	" changes TEXT, since_ms INTEGER NOT NULL DEFAULT 0, record TEXT, signature BLOB, plan_file INTEGER NOT NULL DEFAULT 0,"
	" destroy INTEGER NOT NULL DEFAULT 0, asker TEXT NOT NULL DEFAULT '', bound TEXT, tree_dir TEXT, state_lineage TEXT, resolution TEXT, resolved_by TEXT,"
	" rank INTEGER NOT NULL DEFAULT 1, behind INTEGER NOT NULL DEFAULT 0, evidence TEXT,"
	" UNIQUE(run_id, project, phase));"
	"INSERT INTO job_2(id, run_id, repo_id, pull, phase, state, project, dir, workspace, backend, reason, inputs, error, step, engine,"
	" engine_version, apply, needs_init, managed_state, deleted, requires, approvals, depends_on, summary, diff, plan_sha256, plan_job, used_by,"
	" key_wrapped, started_ms, finished_ms, state_serial, log, attempts, done) SELECT id, run_id, repo_id, pull, phase, state, project, dir,"
	" workspace, backend, reason, inputs, error, step, engine, engine_version, apply, needs_init, managed_state, deleted, requires, approvals,"
	" depends_on, summary, diff, plan_sha256, plan_job, used_by, key_wrapped, started_ms, finished_ms, state_serial, log, attempts, done FROM job;"
	"UPDATE job_2 SET plan_file=id WHERE phase='plan' AND state='done';"
	"UPDATE job_2 SET rank=0 WHERE phase='apply';"
	"UPDATE job_2 SET asker=coalesce((SELECT asker FROM run WHERE run.id=job_2.run_id), '');"
	"DROP TABLE job;"
	"ALTER TABLE job_2 RENAME TO job;"
	"CREATE INDEX job_open ON job(state, id) WHERE state IN('waiting','ready','running');"
	"CREATE INDEX job_of_project ON job(repo_id, project, id);"
	"CREATE INDEX job_turn ON job(rank, repo_id, asker, id) WHERE state='ready';"
	"CREATE INDEX job_at_work ON job(repo_id) WHERE state='running';"
	"CREATE INDEX job_at_work_for ON job(asker) WHERE state='running';"
	"CREATE INDEX job_behind ON job(repo_id, project, id) WHERE state='waiting' AND behind<>0;"
	"CREATE INDEX job_of_person ON job(asker) WHERE state IN('waiting','ready');"
	"CREATE INDEX job_began ON job(repo_id, started_ms);"
	"CREATE INDEX job_began_for ON job(asker, started_ms);"
	"DROP INDEX run_open;"
	"CREATE INDEX run_open ON run(id) WHERE finished_ms=0;";

/* Migration 3: what is known about the box of a job.
 *   job.sandbox      strict or compat, as the base branch says      job.egress_plan, egress_apply   what the project uses of the operator's rules,
 *                    one a line; NULL: all of them                  job.args   further flags of a plan (command.h), one a line
 *   job.env          NAME=VALUE of its environment, one a line
 *   job.told         what a look at the change found that a reviewer should know (hygiene.h), JSON
 *   job.lock_id      git id of the dependency lock file in force: the base branch's, unless each change of it is allowed; NULL: none
 *   job.modules      digest of the remote modules that were fetched (runner/fetch.h); NULL: none
 *   job.isolation    how well the box held it (runner/tier.h)       job.breach   the ceiling that ended it (runner/breach.h)
 *   run.by_admin     who asked had the role admin: the state may be read from another place than on the base branch (hygiene.h)
 *   run.args         of `plan -- FLAGS`                             run.ok_to_plan   it was asked for by `ok-to-plan SHA` (trust.h)
 *   plan_ok          heads of forks that a person looked at, and for which base branch */
const char PLAN_SCHEMA_3[] =
	"ALTER TABLE run ADD COLUMN args TEXT;"
	"ALTER TABLE run ADD COLUMN ok_to_plan INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE run ADD COLUMN by_admin INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE job ADD COLUMN sandbox TEXT NOT NULL DEFAULT 'strict';"
	"ALTER TABLE job ADD COLUMN egress_plan TEXT;"
	"ALTER TABLE job ADD COLUMN egress_apply TEXT;"
	"ALTER TABLE job ADD COLUMN env TEXT;"
	"ALTER TABLE job ADD COLUMN args TEXT;"
	"ALTER TABLE job ADD COLUMN told TEXT;"
	"ALTER TABLE job ADD COLUMN lock_id TEXT;"
	"ALTER TABLE job ADD COLUMN modules TEXT;"
	"ALTER TABLE job ADD COLUMN isolation TEXT;"
	"ALTER TABLE job ADD COLUMN breach TEXT;"
	"ALTER TABLE job ADD COLUMN peak_memory INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE job ADD COLUMN cpu_ms INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE job ADD COLUMN connections INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE job ADD COLUMN connections_refused INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE plan_ok(repo_id INTEGER NOT NULL, pull INTEGER NOT NULL, sha TEXT NOT NULL, base_ref TEXT NOT NULL, who TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, PRIMARY KEY(repo_id, pull, sha, base_ref)) WITHOUT ROWID;";
