#include "webhooks/delivery_store.h"

#include "base/mem.h"

const char DELIVERY_SCHEMA[] =
	"CREATE TABLE delivery("
	" id INTEGER PRIMARY KEY, guid TEXT UNIQUE NOT NULL, event TEXT NOT NULL, received_ms INTEGER NOT NULL, body BLOB, disposition TEXT);"
	"CREATE INDEX delivery_open ON delivery(id) WHERE disposition IS NULL;";

/* head_push: who pushed a commit to the head of a pull request, as GitHub told it; approvals of that person do not count.
 * delivery_log: how far the App's own log of deliveries was looked through. installation_state: of an account (repo_id 0) or of a repository
 * (owner ""), while we were shut out. merge_group: what we said of a commit of the merge queue. */
const char DELIVERY_SCHEMA_2[] =
	"CREATE TABLE head_push(repo_id INTEGER NOT NULL, sha TEXT NOT NULL, user_id INTEGER NOT NULL, login TEXT NOT NULL, at_ms INTEGER NOT NULL,"
	" PRIMARY KEY(repo_id, sha)) WITHOUT ROWID;"
	"CREATE TABLE delivery_log(id INTEGER PRIMARY KEY CHECK(id=1), seen_ms INTEGER NOT NULL);"
	"CREATE TABLE installation_state(owner TEXT NOT NULL, repo_id INTEGER NOT NULL, state TEXT NOT NULL, at_ms INTEGER NOT NULL,"
	" PRIMARY KEY(owner, repo_id)) WITHOUT ROWID;"
	"CREATE TABLE merge_group(repo_id INTEGER NOT NULL, head_sha TEXT NOT NULL, base_sha TEXT NOT NULL, pull INTEGER NOT NULL, ok INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, PRIMARY KEY(repo_id, head_sha)) WITHOUT ROWID;"
	"CREATE INDEX run_of_head ON run(repo_id, head_sha);";

static const char INSERT[] = "INSERT INTO delivery(guid, event, received_ms, body) VALUES(?, ?, ?, ?) ON CONFLICT(guid) DO NOTHING";
static const char NEXT[] =
	"SELECT id, guid, event, received_ms, body FROM delivery INDEXED BY delivery_open WHERE disposition IS NULL AND id > ? ORDER BY id LIMIT ?";
static const char DECIDE[] = "UPDATE delivery SET disposition = ?, body = NULL WHERE id = ? AND disposition IS NULL";
/* ids grow with time, so the old ones are found at the front */
static const char PRUNE[] = "DELETE FROM delivery WHERE id IN(SELECT id FROM delivery WHERE disposition IS NOT NULL AND received_ms < ?"
			    " ORDER BY id LIMIT ?)";

void delivery_free(struct delivery *d)
{
	free(d->guid);
	free(d->event);
	free(d->body);
	*d = (struct delivery){0};
}

int delivery_insert(struct db_conn *c, const char *guid, const char *event, int64_t received_ms, const void *body, size_t len, bool *ret_new,
		    struct err *err)
{
	int rc = db_run(c, err, INSERT, "ssib", guid, event, received_ms, body, len);
	if (rc != 0)
		return err_wrap(err, "store delivery %s", guid);
	*ret_new = db_changes(c) == 1;
	return 0;
}

static void read_row(struct db_stmt *s, struct delivery *d)
{
	const void *body = db_blob(s, 4, &d->body_len);
	d->id = db_int(s, 0);
	d->guid = db_text_copy(s, 1);
	d->event = db_text_copy(s, 2);
	d->received_ms = db_int(s, 3);
	d->body = xstrndup(body != NULL ? body : "", d->body_len);
}

int delivery_next(struct db_conn *c, int64_t after, size_t max, struct delivery *ret, size_t *ret_n, struct err *err)
{
	struct db_stmt *s;
	size_t n = 0;
	int rc = db_query(c, &s, err, NEXT, "ii", after, (int64_t)max);
	while (rc == 0 && n < max) {
		int row = db_step(s, err);
		if (row == 1)
			read_row(s, &ret[n++]);
		else if (row == 0)
			break;
		else
			rc = row;
	}
	if (rc == 0 && n == max)
		db_reset(s);
	if (rc != 0) {
		while (n > 0)
			delivery_free(&ret[--n]);
		return err_wrap(err, "read deliveries");
	}
	*ret_n = n;
	return 0;
}

int delivery_decide(struct db_conn *c, int64_t id, const char *disposition, struct err *err)
{
	int rc = db_run(c, err, DECIDE, "si", disposition, id);
	if (rc != 0)
		return err_wrap(err, "decide delivery %lld", (long long)id);
	return db_changes(c) == 1 ? 0 : err_set(err, ERR_NOT_FOUND, "delivery %lld is unknown or already decided", (long long)id);
}

int delivery_prune(struct db_conn *c, int64_t before_ms, int *ret_removed, struct err *err)
{
	int rc = db_run(c, err, PRUNE, "ii", before_ms, (int64_t)DELIVERY_PRUNE_MAX);
	if (rc != 0)
		return err_wrap(err, "prune deliveries");
	*ret_removed = db_changes(c);
	return 0;
}
