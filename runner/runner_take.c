#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "runner/job_proto.h"
#include "runner/runner_priv.h"

#include <stdio.h>

/* What crosses the boundary with a value: plan and state. In clear they exist in this process and in the box only. */

#include <unistd.h>

/* How long a runner waits for room on the disk before it gives a state up. */
enum { STATE_PATIENCE_S = 15 * 60 };

static char *aad_of(const struct runner *r, const char *what) { return xasprintf("sluice job %lld %s", (long long)r->spec.job_id, what); }

static int seal_to(const struct runner *r, const char *what, const struct buf *clear, const char *file, struct err *err)
{
	CLEANUP_FREE char *aad = aad_of(r, what);
	CLEANUP_FREE char *path = fs_join(r->job_dir, file);
	CLEANUP_FREE uint8_t *sealed = xmalloc(clear->len + AEAD_OVERHEAD);
	int rc = crypto_seal(r->job_key, aad, strlen(aad), buf_str(clear), clear->len, sealed, err);
	if (rc == 0)
		rc = fs_write_atomic(path, sealed, clear->len + AEAD_OVERHEAD, 0600, err);
	return rc;
}

static int take_plan(struct runner *r, const struct buf *clear, struct err *err)
{
	char hex[2 * SHA256_SIZE + 1];
	int rc = seal_to(r, "plan", clear, "plan.enc", err);
	if (rc != 0)
		return err_wrap(err, "keep the plan");
	crypto_sha256_hex(clear->data, clear->len, hex);
	xstrset(&r->exit.plan_sha256, hex);
	r->exit.plan_bytes = (int64_t)clear->len;
	return 0;
}

/* state.json comes after state.enc: whoever finds both may trust the sealed one, whose facts are inside it. */
static int write_facts(const struct runner *r, struct err *err)
{
	CLEANUP_BUF struct buf out = {0};
	CLEANUP_FREE char *path = fs_join(r->job_dir, "state.json");
	struct json_writer w = json_writer(&out);
	jw_open(&w, NULL);
	jw_int(&w, "serial", r->facts.serial);
	jw_str(&w, "lineage", r->facts.lineage);
	jw_str(&w, "sha256", r->exit.state_sha256);
	jw_int(&w, "bytes", r->exit.state_bytes);
	jw_close(&w);
	return fs_write_atomic(path, out.data, out.len, 0600, err);
}

static int take_state(struct runner *r, const struct buf *clear, struct err *err)
{
	struct state_facts f = {0};
	char hex[2 * SHA256_SIZE + 1];
	int rc = state_facts_read(buf_str(clear), clear->len, &f, err);
	if (rc != 0)
		return rc;
	if (r->has_facts && strcmp(f.lineage, r->facts.lineage) == 0 && f.serial < r->facts.serial)
		return err_set(err, ERR_CONFLICT, "state: serial %lld came out after %lld", (long long)f.serial,
			       (long long)r->facts.serial);
	crypto_sha256_hex(clear->data, clear->len, hex);
	if (r->exit.has_state && strcmp(r->exit.state_sha256, hex) == 0)
		return 0; /* already on disk */
	rc = seal_to(r, "state", clear, "state.enc", err);
	if (rc != 0)
		return err_wrap(err, "keep the state");
	r->facts = f;
	r->has_facts = true;
	r->exit.has_state = true;
	r->exit.state_serial = f.serial;
	xstrset(&r->exit.state_lineage, f.lineage);
	xstrset(&r->exit.state_sha256, hex);
	r->exit.state_bytes = (int64_t)clear->len;
	CLEANUP_BUF struct buf addresses = {0};
	state_facts_addresses(buf_str(clear), clear->len, 65536, &addresses);
	xstrset(&r->exit.state_addresses, buf_str(&addresses));
	return write_facts(r, err);
}

static int take(struct runner *r, enum export_id id, int end, struct err *err)
{
	struct export_seen *e = &r->exports[id];
	const char *what = id == EXPORT_PLAN ? "plan file" : "state";
	switch (end) {
	case JOB_EXPORT_DONE: return id == EXPORT_PLAN ? take_plan(r, &e->bytes, err) : take_state(r, &e->bytes, err);
	case JOB_EXPORT_MISSING:
		if (id == EXPORT_STATE)
			return 0; /* an engine that failed early has written none */
		return err_set(err, ERR_NOT_FOUND, "the engine left no %s", what);
	case JOB_EXPORT_TOO_LARGE: return err_set(err, ERR_LIMIT, "the %s is larger than %zu bytes: split the project", what, e->max);
	default: return err_set(err, ERR_IO, "the %s could not be read out of the sandbox", what);
	}
}

void runner_take(struct runner *r, enum export_id id, int end)
{
	struct err err = {0};
	bool asked = r->exports[id].busy;
	int rc = take(r, id, end, &err);
	/* The last state of an apply speaks of real things and exists nowhere else: wait for room rather than lose it. */
	for (int left = STATE_PATIENCE_S; rc == ERR_IO && asked && id == EXPORT_STATE && r->spec.phase == PHASE_APPLY && left > 0; left--) {
		log_err("runner.state", "job=%lld error=%s again=yes", (long long)r->spec.job_id, log_value(err.msg));
		(void)sleep(1);
		rc = take(r, id, end, &err);
	}
	crypto_wipe(r->exports[id].bytes.data, r->exports[id].bytes.len);
	buf_reset(&r->exports[id].bytes);
	if (rc == 0)
		return;
	if (!asked) /* a look while the engine writes: the file may be half there, the next one will do */
		log_debug("runner.snapshot", "job=%lld error=%s", (long long)r->spec.job_id, log_value(err.msg));
	else if (r->take_err.code == 0)
		r->take_err = err;
}

/* ---- in ---- */

static int open_sealed(const char *what, const char *path, const char *aad, const struct buf *key, size_t max, uint8_t **ret,
		       size_t *ret_len, struct err *err)
{
	if (key->len != AEAD_KEY_SIZE)
		return err_set(err, ERR_INTERNAL, "%s: its key did not arrive", what);
	CLEANUP_BUF struct buf sealed = {0};
	int rc = fs_read(path, max + AEAD_OVERHEAD, &sealed, err);
	if (rc != 0)
		return err_wrap(err, "%s", what);
	size_t len = sealed.len < AEAD_OVERHEAD ? 0 : sealed.len - AEAD_OVERHEAD;
	uint8_t *clear = xmalloc(len + 1);
	rc = crypto_open((const uint8_t *)key->data, aad, strlen(aad), sealed.data, sealed.len, clear, err);
	if (rc != 0) {
		free(clear);
		return err_wrap(err, "%s", what);
	}
	*ret = clear;
	*ret_len = len;
	return 0;
}

int runner_open_inputs(struct runner *r, const struct buf *state_key, const struct buf *plan_key, struct err *err)
{
	const struct job_spec *s = &r->spec;
	int rc = 0;
	if (s->managed_state && s->state_in != NULL) {
		rc = open_sealed("the managed state", s->state_in, s->state_in_aad, state_key, LIMIT_STATE_BYTES, &r->state_in,
				 &r->state_in_len, err);
		if (rc == 0) {
			rc = state_facts_read((const char *)r->state_in, r->state_in_len, &r->facts, err);
			r->has_facts = rc == 0;
		}
	}
	if (rc != 0 || s->phase != PHASE_APPLY)
		return rc;
	rc = open_sealed("the reviewed plan", s->plan_in, s->plan_in_aad, plan_key, LIMIT_PLAN_BYTES, &r->plan_in, &r->plan_in_len, err);
	if (rc != 0)
		return rc;
	char hex[2 * SHA256_SIZE + 1];
	crypto_sha256_hex(r->plan_in, r->plan_in_len, hex);
	if (strcmp(hex, s->plan_in_sha256) != 0)
		return err_set(err, ERR_REFUSED, "the stored plan is not the one that was reviewed (SHA-256 differs): plan again");
	return 0;
}

static void wipe_bytes(uint8_t **bytes, size_t len)
{
	crypto_wipe(*bytes, len);
	free(*bytes);
	*bytes = NULL;
}

void runner_wipe(struct runner *r)
{
	wipe_bytes(&r->state_in, r->state_in_len);
	wipe_bytes(&r->plan_in, r->plan_in_len);
	crypto_wipe(r->job_key, sizeof(r->job_key));
	crypto_wipe(r->step.out.data, r->step.out.len);
	crypto_wipe(r->from_box.data, r->from_box.cap);
	buf_free(&r->step.out);
	buf_free(&r->step.err);
	buf_free(&r->from_box);
	buf_free(&r->box_says);
	for (size_t i = 0; i < EXPORTS; i++) {
		crypto_wipe(r->exports[i].bytes.data, r->exports[i].bytes.cap);
		buf_free(&r->exports[i].bytes);
	}
}
