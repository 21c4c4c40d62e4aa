/* What a job runner is told, and what it leaves behind. Step 7. Both are JSON files in the job's directory data_dir/jobs/ID:
 *
 *   spec.json    written by the daemon before the runner starts (no secrets)
 *   lock         flock'ed by the runner while it lives: how a restarted daemon knows
 *   log          everything the engine printed, as it came, capped; readable while it runs
 *   plan.enc     the plan file, sealed with the job key (plan phase)
 *   state.enc, state.json   latest managed state seen, sealed, and its facts (apply phase); replaced atomically as the engine writes
 *   point        exists, fsynced, from the moment before an engine that changes the world is started: the point of no return
 *   lost         left by a daemon that found neither runner nor record: a runner that comes late does not start
 *   exit.json    the exit record, fsynced: written last; the job is over when it exists
 *
 * Sealing: AES-256-GCM under the job key, which arrives on stdin (32 bytes, the first frame) and never touches the disk;
 * aad is "sluice job ID plan" / "sluice job ID state". A state or plan that goes in was sealed by another job: its key and aad follow as
 * further frames (see runner/runner.h). */
#ifndef RUNNER_SPEC_H
#define RUNNER_SPEC_H

#include "base/mem.h"
#include "runner/engine.h"
#include "runner/tier.h"

enum job_phase { PHASE_PLAN, PHASE_APPLY, PHASE_DRIFT };
const char *job_phase_name(enum job_phase phase);
int job_phase_parse(const char *word, enum job_phase *ret, struct err *err) MUST_CHECK;

/* What is in the box beside the project. plan, apply: the engine, providers and a CA bundle, nothing else that could be started.
 * compat: the host's /usr read-only, for language runtimes and custom steps. fetch: compat without state and credentials, for downloads. */
enum job_profile { PROFILE_PLAN, PROFILE_APPLY, PROFILE_COMPAT, PROFILE_FETCH, PROFILES };
const char *job_profile_name(enum job_profile profile);
int job_profile_parse(const char *word, enum job_profile *ret, struct err *err) MUST_CHECK;

enum { OUTPUT_END_FACTOR = 16 };

struct job_spec {
	int64_t job_id, run_id;
	enum job_phase phase;
	char *project, *dir, *workspace; /* dir: relative to the tree, "." is the root */
	enum engine_kind engine;
	char *engine_path, *engine_version;
	char *tree_dir;    /* exported files, read-only, shared */
	char *job_dir;
	char *mirror_dir;  /* provider mirror, NULL: none */
	char *store_dir;   /* providers that sluice fetched itself, the same layout; NULL: none */
	char *provider_allow; /* HOST/NAMESPACE/TYPE, `*` for a whole part, one a line; NULL: all of the mirror */
	char *socket_path; /* the daemon's listener: the runner connects (and connects again after a restart) and sends frames */
	bool needs_init;
	bool managed_state;
	bool destroy;      /* plan: everything in the state goes (its directory is gone) */
	char *state_in;    /* sealed state file, NULL: no state yet */
	char *state_in_aad;
	char *plan_in;     /* apply: sealed plan file */
	char *plan_in_aad;
	char *plan_in_sha256; /* of the clear plan bytes: what was reviewed */
	enum job_profile profile;
	enum tier isolation_min; /* the job is refused where the box would hold it less well (runner/tier.h) */
	char *egress;      /* where it may connect to, one rule a line (runner/egress.h); NULL: no network at all */
	char *lock_file;   /* host path of the dependency lock file shown read-only in the project's directory; NULL: as the tree has it */
	char *modules_dir; /* fetched remote modules (runner/fetch.h), read-only; NULL: none. In an apply, those of the plan */
	char *fetch_egress;   /* where the fetch step may connect to; NULL: there is no fetch step */
	bool fetch_providers; /* may it download providers? */
	char *env;         /* further variables of the engine, NAME=VALUE, one a line; NULL: none */
	char *ca_file;     /* the CA certificates it trusts, PEM; NULL: the host's */
	char *egress_deny; /* ADDRESS:PORT that no rule opens, one a line: our own listeners; NULL: none */
	char *args;        /* plan: further flags of the engine, one a line, from the closed grammar of plan/command.h; NULL: none */
	/* Ceilings; all positive but silence_ms. Each breach ends the job and is its verdict (runner/breach.h). */
	int64_t timeout_ms;
	int64_t output_max;    /* bytes of log that are kept; the job ends at OUTPUT_END_FACTOR times as much */
	int64_t memory_max;    /* bytes: engine, children and the job's own files together */
	int64_t cpu_ms_max;    /* CPU time of all of it together */
	int64_t processes_max; /* processes and threads at once */
	int64_t files_max;     /* files and directories of the job's own file system */
	int64_t workspace_max; /* bytes in them */
	int64_t silence_ms;    /* without a byte of output; 0: no ceiling */
};

void job_spec_free(struct job_spec *s);
int job_spec_write(const struct job_spec *s, const char *path, struct err *err) MUST_CHECK;
int job_spec_read(const char *path, struct job_spec *ret, struct err *err) MUST_CHECK;

/* The error of a job that ended as JOB_TIMEOUT begins so. */
#define JOB_TIMEOUT_SAYS "stopped after "
enum job_outcome { JOB_OK, JOB_FAILED, JOB_CANCELLED, JOB_TIMEOUT, JOB_BROKEN /* our side failed: no engine, no sandbox */ };
const char *job_outcome_name(enum job_outcome o);

/* The exit record. */
struct job_exit {
	int64_t job_id;
	enum job_outcome outcome;
	int exit_code;        /* of the engine's deciding step, -1 when none ran */
	char *step;           /* "init", "plan", "show", "apply": where it ended */
	char *error;          /* NULL or the sentence for people: the engine's error, cleaned, with file:line where it has one */
	char *plan_sha256;    /* clear plan bytes, NULL when none */
	int64_t plan_bytes;
	char *summary;        /* plan phase: JSON of struct plan_summary (plan/summary.h), masked; NULL when none */
	char *diff;           /* plan phase: the rendered diff, masked; NULL when none */
	char *changes;        /* plan phase: digest of the normalised change set (plan/changes.h), hex; NULL when none */
	bool has_state;       /* state.enc is there */
	int64_t state_serial;
	char *state_lineage;
	char *state_sha256;
	int64_t state_bytes;
	char *state_addresses; /* managed resources in it, one a line; cut at 64 KiB */
	int64_t started_ms, finished_ms; /* wall */
	int64_t engine_starts;
	char *isolation;       /* how well the box held this job in: a word of runner/tier.h; NULL: no box stood */
	char *breach;          /* the ceiling that ended it: a word of runner/breach.h; NULL: none */
	int64_t peak_memory;   /* bytes; 0: not known */
	int64_t cpu_ms;        /* of all of it together */
	char *modules;         /* digest of the remote modules it was run with; NULL: none */
	int64_t connections, connections_refused; /* through the egress proxy */
	int64_t bytes_out, bytes_in;              /* likewise */
	char *refusals;        /* what the proxy refused and why, a sentence a line; NULL: nothing */
};

void job_exit_free(struct job_exit *e);
int job_exit_write(const struct job_exit *e, const char *path, struct err *err) MUST_CHECK; /* atomically, fsynced */
int job_exit_read(const char *path, struct job_exit *ret, struct err *err) MUST_CHECK;

#endif
