/* `sluice audit`: was the log of what happened changed, and what does it say. Reads the database beside a running daemon, or a copy of it. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/data_dir.h"
#include "cmd/schema.h"
#include "plan/audit_head.h"
#include "plan/config.h"

#include <stdio.h>

static const char USAGE[] =
	"usage: sluice audit verify [OPTIONS] [--expect SEQ:HASH] [--format json]   was a row changed, removed or put in another place?\n"
	"       sluice audit export [OPTIONS] [--since SEQ|DATE] [--repo ID|NAME]   the rows as JSON, one a line, oldest first\n"
	"options: --config FILE, or for a copy: --database FILE --public-key FILE (a copy of data_dir/signing.pub)\n";

struct audit_ask {
	const char *verb, *config_file, *database, *public_key, *since_date, *repo;
	int64_t since, repo_id, expect_seq;
	char expect_hash[AUDIT_HASH_HEX + 1];
	bool json;
	struct server_config config;
	struct db_conn *db;
	struct json_writer w;
	struct buf line;
};

/* "2026-11-25" or longer, as clock_iso writes it: such texts sort as the times do. */
static bool is_date(const char *s)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	size_t len = strlen(s);
	for (size_t i = 0; i < len; i++)
		if (i >= sizeof(shape) - 1 || (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i]))
			return false;
	return len >= 10;
}

static bool parse_expect(struct audit_ask *a, const char *text)
{
	const char *colon = strchr(text, ':');
	if (colon == NULL || strlen(colon + 1) != AUDIT_HASH_HEX)
		return false;
	CLEANUP_FREE char *number = xstrndup(text, (size_t)(colon - text));
	memcpy(a->expect_hash, colon + 1, sizeof(a->expect_hash));
	return text_int(number, 1, INT64_MAX, &a->expect_seq, NULL) == 0;
}

static bool parse_option(struct audit_ask *a, const char *name, const char *value)
{
	if (strcmp(name, "--config") == 0)
		a->config_file = value;
	else if (strcmp(name, "--database") == 0)
		a->database = value;
	else if (strcmp(name, "--public-key") == 0)
		a->public_key = value;
	else if (strcmp(name, "--expect") == 0)
		return parse_expect(a, value);
	else if (strcmp(name, "--repo") == 0)
		a->repo = value;
	else if (strcmp(name, "--format") == 0)
		return a->json = strcmp(value, "json") == 0;
	else if (strcmp(name, "--since") == 0 && is_date(value))
		a->since_date = value;
	else
		return strcmp(name, "--since") == 0 && text_int(value, 0, INT64_MAX, &a->since, NULL) == 0;
	return true;
}

static bool parse_args(struct audit_ask *a, int argc, char **argv)
{
	a->config_file = "sluice-server.yaml";
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' && a->verb == NULL)
			a->verb = argv[i];
		else if (argv[i][0] != '-' || i + 1 >= argc || !parse_option(a, argv[i], argv[i + 1]))
			return false;
		else
			i++;
	}
	if (a->verb == NULL)
		return false;
	if (strcmp(a->verb, "verify") == 0)
		return a->since == 0 && a->since_date == NULL && a->repo == NULL;
	return strcmp(a->verb, "export") == 0 && a->expect_seq == 0;
}

/* ---- verify ---- */

static int expected(struct audit_ask *a, struct err *err)
{
	char hash[AUDIT_HASH_HEX + 1];
	int rc = a->expect_seq != 0 ? audit_hash_of(a->db, a->expect_seq, hash, err) : 0;
	if (rc != 0 || a->expect_seq == 0 || strcmp(hash, a->expect_hash) == 0)
		return rc;
	return err_set(err, ERR_REFUSED, hash[0] == '\0' ? "row %lld, which is expected, is not in the log" : "row %lld is not the one that is expected",
		       (long long)a->expect_seq);
}

static void show_verdict(struct audit_ask *a, const struct audit_verdict *v, int rc, const struct err *why)
{
	char at[CLOCK_ISO_SIZE] = "";
	if (v->signed_ms != 0)
		(void)clock_iso(v->signed_ms, at); /* returns at */
	if (a->json) {
		a->w = json_writer(&a->line);
		jw_open(&a->w, NULL);
		jw_bool(&a->w, "ok", rc == 0);
		jw_int(&a->w, "rows", v->chain.rows);
		jw_int(&a->w, "signed_seq", v->signed_seq);
		jw_str(&a->w, "signed_hash", v->signed_hash);
		jw_str(&a->w, "signed_at", at);
		jw_str(&a->w, "error", rc == 0 ? NULL : why->msg);
		jw_close(&a->w);
		buf_addc(&a->line, '\n');
	} else if (rc == 0) {
		buf_printf(&a->line, "%lld rows, each as it was written", (long long)v->chain.rows);
		if (v->signed_seq != 0)
			buf_printf(&a->line, "; signed up to row %lld at %s\nhead %lld:%s", (long long)v->signed_seq, at, (long long)v->signed_seq,
				   v->signed_hash);
		buf_addc(&a->line, '\n');
	}
	(void)fwrite(buf_str(&a->line), 1, a->line.len, stdout); /* looked at in the end */
}

static int verify(struct audit_ask *a, struct err *err)
{
	uint8_t pub[AGENT_PUBLIC_SIZE];
	struct audit_verdict v = {0};
	CLEANUP_FREE char *beside = a->public_key == NULL ? fs_join(a->config.data_dir, "signing.pub") : NULL;
	int rc = agent_public_read(a->public_key != NULL ? a->public_key : beside, pub, err);
	if (rc != 0)
		return rc == ERR_NOT_FOUND ? err_set(err, ERR_IO, "%s: there is no public key", a->public_key != NULL ? a->public_key : beside) : rc;
	rc = audit_verify(a->db, pub, &v, err);
	if (rc == 0)
		rc = expected(a, err);
	if (rc == 0 || rc == ERR_REFUSED)
		show_verdict(a, &v, rc, err);
	return rc;
}

/* ---- export ---- */

static int show_row(const struct audit_row *r, void *arg, struct err *err)
{
	struct audit_ask *a = arg;
	char at[CLOCK_ISO_SIZE];
	struct err ignored;
	if ((a->repo != NULL && r->repo_id != a->repo_id) || (a->since_date != NULL && strcmp(clock_iso(r->at_ms, at), a->since_date) < 0))
		return 0;
	buf_reset(&a->line);
	struct json_writer w = json_writer(&a->line);
	jw_open(&w, NULL);
	jw_int(&w, "seq", r->seq);
	jw_str(&w, "at", clock_iso(r->at_ms, at));
	jw_int(&w, "at_ms", r->at_ms);
	jw_str(&w, "kind", r->kind);
	jw_str(&w, "actor", r->actor);
	jw_int(&w, "repo_id", r->repo_id);
	jw_int(&w, "pull", r->pull);
	jw_int(&w, "run_id", r->run_id);
	jw_int(&w, "job_id", r->job_id);
	if (json_scan(r->detail, strlen(r->detail), NULL, &ignored) == 0) /* verbatim: the hash is over these bytes */
		jw_raw(&w, "detail", r->detail);
	else
		jw_str(&w, "detail", r->detail);
	jw_str(&w, "prev", r->prev);
	jw_str(&w, "hash", r->hash);
	jw_close(&w);
	buf_addc(&a->line, '\n');
	if (fwrite(a->line.data, 1, a->line.len, stdout) != a->line.len)
		return err_sys(err, "write to standard output");
	return 0;
}

/* By GitHub's number, or by a name that a run of it had. */
static int find_repo(struct audit_ask *a, struct err *err)
{
	struct db_stmt *s;
	if (text_int(a->repo, 1, INT64_MAX, &a->repo_id, NULL) == 0)
		return 0;
	int rc = db_query(a->db, &s, err, "SELECT repo_id FROM run WHERE repo=? COLLATE NOCASE ORDER BY id DESC LIMIT 1", "s", a->repo);
	if (rc == 0)
		rc = db_number(s, &a->repo_id, err);
	if (rc == 0 && a->repo_id == 0)
		rc = err_set(err, ERR_NOT_FOUND, "no run was ever of a repository %s", a->repo);
	return rc;
}

static int export(struct audit_ask *a, struct err *err)
{
	int rc = a->repo != NULL ? find_repo(a, err) : 0;
	return rc == 0 ? audit_each(a->db, a->since - 1, show_row, a, err) : rc;
}

/* ---- the command ---- */

static int load_config(struct audit_ask *a, struct err *err)
{
	struct config_errors errors = {0};
	int rc = server_config_load(a->config_file, &a->config, &errors, err);
	if (errors.n != 0)
		err_set(err, ERR_USAGE, "%s has errors: `sluice check %s` lists them", a->config_file, a->config_file);
	config_errors_free(&errors);
	return rc == ERR_NOT_FOUND ? err_set(err, ERR_USAGE, "%s: there is no such file: name it with --config FILE", a->config_file) : rc;
}

static int run(struct audit_ask *a, struct err *err)
{
	bool whole = a->database != NULL && (a->public_key != NULL || strcmp(a->verb, "export") == 0);
	int rc = whole ? 0 : load_config(a, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *path = a->database != NULL ? xstrdup(a->database) : data_dir_database(a->config.data_dir);
	if (!fs_exists(path))
		return err_set(err, ERR_IO, "%s: no database yet: has the server run?", path);
	size_t n;
	const struct db_migration *migrations = schema_migrations(&n);
	rc = db_conn_open_reader(path, migrations[n - 1].version, &a->db, err);
	if (rc == 0)
		rc = strcmp(a->verb, "verify") == 0 ? verify(a, err) : export(a, err);
	if (fflush(stdout) != 0 && rc == 0)
		rc = err_sys(err, "write to standard output");
	return rc;
}

int cmd_audit(int argc, char **argv)
{
	struct audit_ask a = {0};
	struct err err = {0};
	if (!parse_args(&a, argc, argv)) {
		(void)fputs(USAGE, stderr);
		return 2;
	}
	int rc = run(&a, &err);
	db_conn_close(a.db);
	server_config_free(&a.config);
	buf_free(&a.line);
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "sluice audit: %s\n", err.msg);
	if (rc == ERR_REFUSED || rc == ERR_NOT_FOUND)
		return 1;
	return rc == ERR_USAGE ? 2 : 3;
}
