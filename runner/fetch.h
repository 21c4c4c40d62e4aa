/* Step 7. Fetching: the one step of a job that talks to registries, before the box of the job exists and without any of its keys.
 *
 * Providers come from the operator's mirror; what that lacks, and providers.allow names, is downloaded by the engine itself (it checks the
 * registry's signature) in a box of its own that holds nothing but a generated configuration, verified here against the dependency lock file, unpacked
 * in a second box without network, and kept in data_dir/providers, a directory of the mirror's layout that jobs see read-only. Remote modules
 * are fetched by the engine's `get` over the exported tree and kept by their digest in data_dir/modules.
 *
 *   providers/HOST/NAMESPACE/TYPE/VERSION/OS_ARCH/    one package, unpacked; complete or absent
 *   modules/DIGEST/files, modules.json                one set of modules; what modules_dir of a spec names
 *   fetch/packages/KEY                                the hashes of a package, a line each: its package in the store was verified with them
 *   fetch/modules/KEY                                 the digest that the calls of a project led to, or "none"
 *   fetch/locks/KEY                                   flock'ed by who fetches; others wait and then find it there
 *   fetch/staging/N.PID                               half done; what a crash left goes at the next fetch
 *
 * What no job has used for LIMIT_FETCHED_DAYS goes. A failure is remembered for nobody. When all is there, nothing is started: one look at each directory. */
#ifndef RUNNER_FETCH_H
#define RUNNER_FETCH_H

#include "runner/spec.h"

struct fetch_order {
	char *data_dir;       /* absolute */
	char *mirror_dir;     /* providers.mirror; NULL: none */
	char *provider_allow; /* the lines of providers.allow; NULL: nothing is named, so no provider is fetched */
	bool download;        /* providers.download */
	char *egress;         /* egress.fetch, one rule a line; NULL: nowhere */
	char *egress_deny;    /* ADDRESS:PORT that no rule opens, one a line; NULL: none */
	char *ca_file;        /* CA certificates instead of the host's; NULL */
	enum engine_kind engine;
	char *engine_path, *engine_version;
	char *tree_dir, *dir; /* the exported tree and the project in it */
	char *lock_file;      /* the dependency lock file that is in force; NULL: none, and so no provider is fetched */
	char *modules;        /* apply: the digest of the modules that the plan was made with; NULL: whatever they are now */
	char *job_dir;        /* where the lines about its connections go, as those of the job; NULL: nowhere */
	char *job_init;       /* sluice-job-init; NULL: beside this program */
	enum tier isolation_min;
	int64_t timeout_ms;   /* for all of it; 0: LIMIT_FETCH_MS */
};
void fetch_order_free(struct fetch_order *o);

struct fetch_traffic {
	int64_t connections, refused, bytes_out, bytes_in; /* as in an exit record */
};

struct fetch_result {
	char *store_dir;      /* data_dir/providers, when something in it is needed; NULL */
	char *lock_text;      /* the lock file with the h1: hashes of packages that were verified by their zh: only: what the job's `init` has to see, or it
	                         would refuse the unpacked package. NULL: as it is */
	char *modules;        /* digest of the remote modules; NULL: none are called */
	char *modules_dir;    /* where they are */
	struct strlist notes; /* for the job's log: a provider that is nowhere, and why */
	struct fetch_traffic traffic; /* of this call's boxes; the one member that is written in failure, too */
	int64_t downloads;    /* packages and sets of modules that this call fetched itself */
};
void fetch_result_free(struct fetch_result *r);

/* What a caller in the middle of something else can do to it. */
struct fetch_watch {
	const char *program;                /* `sluice`, whose hidden command `fetch` does the work; NULL: this program's own binary */
	int log_fd;                         /* the child's words for people: -1: this process' stderr */
	bool (*stopped)(void *arg);         /* asked every FETCH_LOOK_MS; true ends the child. NULL: never */
	void *arg;
};
enum { FETCH_LOOK_MS = 100 };

/* Blocks. Returns at once, without a child, when nothing is missing. Errors name provider or module, version, registry, reason and way out. */
int fetch_for_job(const struct fetch_order *o, const struct fetch_watch *w, struct fetch_result *ret, struct err *err) MUST_CHECK;

/* What a job's spec does not say. */
struct fetch_place {
	const char *data_dir;
	const char *egress;    /* egress.fetch */
	bool download;         /* providers.download */
	int64_t timeout_ms;
};
/* fetch_for_job for the job of a spec, and its spec changed accordingly: store_dir, modules_dir, and lock_file, which then lies in its job_dir. A
 * modules_dir that is there already is that of the plan, and stays. Nothing is done for a job without `init`. */
int fetch_for_spec(struct job_spec *s, const struct fetch_place *place, const struct fetch_watch *w, struct fetch_result *ret, struct err *err) MUST_CHECK;

/* `sluice fetch`: an order on stdin as JSON, the result on stdout. Runs without keys; returns the exit status. */
int fetch_main(void);

#endif
