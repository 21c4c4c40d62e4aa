/* `sluice state push|rollback`: what changes managed state by hand. One process writes to the database, so the server must be stopped; its
 * lock on the data directory is taken for the time of the change. */
#include "cmd/state_priv.h"

#include "base/crypto.h"
#include "base/fs.h"
#include "base/limits.h"
#include "cmd/data_dir.h"
#include "cmd/schema.h"
#include "plan/lock_store.h"
#include "runner/state_facts.h"
#include "secrets/agent.h"

#include <errno.h>
#include <unistd.h>

static int read_stdin(struct buf *ret, struct err *err)
{
	char chunk[65536];
	for (;;) {
		ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read standard input");
		if (n == 0)
			return ret->len != 0 ? 0 : err_set(err, ERR_USAGE, "standard input is empty: give the state file with < FILE");
		if (ret->len + (size_t)n > LIMIT_STATE_BYTES)
			return err_set(err, ERR_LIMIT, "standard input is larger than %u bytes", LIMIT_STATE_BYTES);
		buf_add(ret, chunk, (size_t)n);
	}
}

/* Seals bytes under a new key and names the file in v. */
static int seal(const struct state_ask *a, const struct buf *clear, struct state_version *v, struct err *err)
{
	char id[2 * 12 + 1];
	crypto_random_hex(12, id);
	v->key_context = xasprintf("state by hand %s", id);
	v->aad = xasprintf("sluice state by hand %s", id);
	v->path = xasprintf("states/hand-%s.enc", id);
	struct agent *agent;
	uint8_t key[AGENT_KEY_SIZE];
	int rc = agent_start(&(struct agent_options){.data_dir = a->config.data_dir}, &agent, err);
	if (rc != 0)
		return rc;
	rc = agent_new_key(agent, v->key_context, key, v->key_wrapped, err);
	agent_stop(agent);
	CLEANUP_BUF struct buf sealed = {0};
	buf_reserve(&sealed, clear->len + AEAD_OVERHEAD);
	if (rc == 0)
		rc = crypto_seal(key, v->aad, strlen(v->aad), buf_str(clear), clear->len, (uint8_t *)sealed.data, err);
	crypto_wipe(key, sizeof(key));
	CLEANUP_FREE char *path = fs_join(a->config.data_dir, v->path);
	return rc == 0 ? fs_write_atomic(path, sealed.data, clear->len + AEAD_OVERHEAD, 0600, err) : rc;
}

/* Puts clear bytes into force. The rules of state_put hold for people as well. */
static int put(struct state_ask *a, const char *workspace, const struct buf *clear, struct err *err)
{
	struct state_facts facts;
	char sha256[2 * SHA256_SIZE + 1];
	struct lock_row lock;
	int rc = state_facts_read(buf_str(clear), clear->len, &facts, err);
	if (rc != 0)
		return rc;
	rc = lock_get(a->db, a->repo_id, a->project, &lock, err);
	if (rc == 0)
		return err_set(err, ERR_CONFLICT, "%s is locked by #%lld (%s): its apply must be over, or its outcome resolved there", a->project,
			       (long long)lock.pull, lock.reason);
	if (rc != ERR_NOT_FOUND)
		return rc;
	crypto_sha256_hex(buf_str(clear), clear->len, sha256);
	struct state_version v = {.repo_id = a->repo_id, .project = xstrdup(a->project), .workspace = xstrdup(workspace), .lineage = xstrdup(facts.lineage),
				  .serial = facts.serial, .sha256 = xstrdup(sha256), .bytes = (int64_t)clear->len};
	rc = seal(a, clear, &v, err);
	if (rc == 0)
		rc = state_put(a->db, &v, err);
	CLEANUP_FREE char *path = v.path != NULL ? fs_join(a->config.data_dir, v.path) : NULL;
	if (rc != 0 && path != NULL)
		(void)unlink(path); /* nothing names it */
	else if (rc == 0)
		buf_printf(&a->out, "%s: serial %lld is in force\n", a->project, (long long)v.serial);
	state_version_free(&v);
	return rc;
}

static int open_to_write(struct state_ask *a, struct err *err)
{
	size_t n;
	const struct db_migration *migrations = schema_migrations(&n);
	CLEANUP_FREE char *path = data_dir_database(a->config.data_dir);
	return db_conn_open(path, migrations, n, &a->db, err);
}

int state_push(struct state_ask *a, struct err *err)
{
	CLEANUP_FD int lock = -1;
	CLEANUP_BUF struct buf clear = {0};
	int rc = data_dir_lock(a->config.data_dir, &lock, err);
	if (rc == 0)
		rc = open_to_write(a, err);
	if (rc == 0)
		rc = read_stdin(&clear, err);
	if (rc == 0)
		rc = put(a, a->workspace != NULL ? a->workspace : "default", &clear, err);
	if (clear.data != NULL)
		crypto_wipe(clear.data, clear.cap);
	return rc;
}

struct older {
	int64_t serial;
	struct state_version v; /* id 0: not found */
};

static void keep_serial(const struct state_version *v, void *arg)
{
	struct older *o = arg;
	if (v->serial == o->serial && o->v.id == 0)
		state_version_copy(&o->v, v);
}

/* The engine writes the serial as a top-level number before everything that could hold such a text. All other bytes stay as they are. */
static int set_serial(const struct buf *from, int64_t serial, struct buf *to, struct err *err)
{
	static const char key[] = "\"serial\":";
	const char *at = strstr(buf_str(from), key);
	if (at == NULL)
		return err_set(err, ERR_PARSE, "the older state has no serial");
	const char *digits = at + strlen(key);
	digits += strspn(digits, " \t\r\n");
	buf_add(to, buf_str(from), (size_t)(digits - buf_str(from)));
	buf_printf(to, "%lld%s", (long long)serial, digits + strspn(digits, "0123456789"));
	struct state_facts facts;
	int rc = state_facts_read(buf_str(to), to->len, &facts, err);
	if (rc == 0 && facts.serial != serial)
		rc = err_set(err, ERR_PARSE, "the serial of the older state could not be set");
	return rc;
}

int state_rollback(struct state_ask *a, struct err *err)
{
	CLEANUP_FD int lock = -1;
	CLEANUP_BUF struct buf old = {0}, clear = {0};
	struct state_version now = {0};
	struct older o = {.serial = a->serial};
	int rc = data_dir_lock(a->config.data_dir, &lock, err);
	if (rc == 0)
		rc = open_to_write(a, err);
	if (rc == 0)
		rc = state_find(a, &now, err);
	if (rc == 0)
		rc = state_each(a->db, now.repo_id, a->project, now.workspace, keep_serial, &o, err);
	if (rc == 0 && (o.v.id == 0 || o.v.id == now.id))
		rc = err_set(err, ERR_NOT_FOUND, "%s has no older version with serial %lld: `sluice state show %s` lists them", a->project,
			     (long long)a->serial, a->project);
	if (rc == 0)
		rc = state_open_sealed(a, &o.v, &old, err);
	if (rc == 0)
		rc = set_serial(&old, now.serial + 1, &clear, err);
	a->repo_id = now.repo_id;
	if (rc == 0)
		rc = put(a, now.workspace, &clear, err);
	if (old.data != NULL)
		crypto_wipe(old.data, old.cap);
	if (clear.data != NULL)
		crypto_wipe(clear.data, clear.cap);
	state_version_free(&now);
	state_version_free(&o.v);
	return rc;
}
