/* The inside of the fetch step. Private to runner/fetch*.c. */
#ifndef RUNNER_FETCH_PRIV_H
#define RUNNER_FETCH_PRIV_H

#include "base/buf.h"
#include "base/crypto.h"
#include "runner/fetch.h"
#include "runner/lock_file.h"

enum { FETCH_KEY_SIZE = 2 * SHA256_SIZE + 1 };

/* ---- fetch_json.c ---- */
void fetch_order_write(const struct fetch_order *o, struct buf *out);
int fetch_order_read(const char *json, size_t len, struct fetch_order *ret, struct err *err) MUST_CHECK;
void fetch_answer_write(int rc, const struct fetch_result *r, const struct err *e, struct buf *out);
/* The child's answer: its result, or its error as ours. */
int fetch_answer_read(const char *json, size_t len, struct fetch_result *ret, struct err *err) MUST_CHECK;

/* ---- fetch_look.c: what is there ---- */
struct fetch_need {
	struct lock_file lock;
	struct strlist missing;       /* addresses of providers that have to be downloaded */
	bool modules;                 /* the set of modules has to be fetched */
	char modules_key[FETCH_KEY_SIZE];
	bool floating;
	struct fetch_result result;   /* as far as it is there already */
};
/* Opens nothing that it does not close, starts nothing. */
int fetch_look(const struct fetch_order *o, struct fetch_need *ret, struct err *err) MUST_CHECK;
void fetch_need_free(struct fetch_need *n);
const char *fetch_platform(void); /* "linux_amd64" */
/* data_dir/providers/ADDRESS/VERSION/PLATFORM; the caller frees. */
char *fetch_package_dir(const struct fetch_order *o, const struct lock_entry *e);
/* data_dir/fetch/packages/KEY; the caller frees. */
char *fetch_package_note(const struct fetch_order *o, const struct lock_entry *e);
char *fetch_modules_note(const struct fetch_order *o, const char *key);
void fetch_set_modules(const struct fetch_order *o, const char *digest, struct fetch_result *r);
bool fetch_modules_kept(const struct fetch_order *o, const char *digest);

/* ---- fetch_store.c: one at a time, whole or not at all ---- */
struct fetch_stage {
	char *dir;   /* data_dir/fetch/staging/N.PID */
	int lock_fd; /* of the thing that is fetched */
};
/* Waits for the lock of key until deadline_ms (monotonic). what: for the sentence. */
int fetch_stage_open(const struct fetch_order *o, const char *key, const char *what, int64_t deadline_ms, struct fetch_stage *ret, struct err *err) MUST_CHECK;
void fetch_stage_close(struct fetch_stage *s); /* removes what is left of the directory, gives the lock back */
int fetch_stage_dir(const struct fetch_stage *s, const char *name, char **ret_path, struct err *err) MUST_CHECK; /* makes it, 0755 */
void fetch_touch(const char *dir); /* a job uses it now */
void fetch_forget_unused(const struct fetch_order *o); /* what failed is tried again at the next fetch */
/* Everything in from is on disk, then it is `to`, whose parents are made. */
int fetch_publish(const char *from, const char *to, struct err *err) MUST_CHECK;
void fetch_key(const char *kind, const char *text, char ret[FETCH_KEY_SIZE]);

/* ---- fetch_box.c: one command in a box ---- */
struct fetch_run {
	const struct fetch_order *order;
	const char *tree_dir, *dir; /* what it sees at /work */
	bool network;
	const char *script;         /* for sh, with arg as $1.. ; the engine is /opt/sluice/NAME */
	const char *arg[3];
	int64_t bytes_max;          /* of its stdout */
	int64_t deadline_ms;        /* monotonic */
	void (*on_bytes)(const char *bytes, size_t len, void *arg);
	void *on_bytes_arg;
};
int fetch_run(const struct fetch_run *run, struct err *err) MUST_CHECK;
extern struct fetch_traffic fetch_traffic; /* of all boxes of this process */
/* Tests: something else than a box. */
extern int (*fetch_run_with)(const struct fetch_run *run, struct err *err);
/* The sentence of a command that failed; refusals: what the proxy says that it refused, NULL: nothing. Pure. */
void fetch_why(const char *text, size_t len, const char *dir, const char *refusals, struct buf *out);

/* ---- fetch_provider.c, fetch_modules.c ---- */
int fetch_provider(const struct fetch_order *o, const struct lock_entry *e, int64_t deadline_ms, int64_t *downloads, struct err *err) MUST_CHECK;
int fetch_modules(const struct fetch_order *o, const char *key, int64_t deadline_ms, struct fetch_result *r, struct err *err) MUST_CHECK;

#endif
