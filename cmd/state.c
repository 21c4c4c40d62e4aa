/* `sluice state`: managed state for people. Reads the database beside a running daemon; values leave only by `pull`. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/data_dir.h"
#include "cmd/schema.h"
#include "cmd/state_priv.h"
#include "secrets/agent.h"

#include <stdio.h>
#include <unistd.h>

static const char USAGE[] =
	"usage: sluice state list                       [OPTIONS] [--format json]   what is in force, of every project\n"
	"       sluice state show PROJECT               [OPTIONS] [--format json]   all versions, newest first\n"
	"       sluice state pull PROJECT               [OPTIONS]                   the state in force, to standard output\n"
	"       sluice state push PROJECT --repo ID     [OPTIONS] < FILE            standard input becomes the next version\n"
	"       sluice state rollback PROJECT --to SERIAL [OPTIONS]                 an older version becomes the next one\n"
	"options: --config FILE, --repo ID (GitHub's number), --workspace NAME\n"
	"push and rollback need the server to be stopped.\n";

static bool is_change(const char *verb) { return strcmp(verb, "push") == 0 || strcmp(verb, "rollback") == 0; }

static bool parse_args(struct state_ask *a, int argc, char **argv)
{
	a->config_file = "sluice-server.yaml";
	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "--config") == 0 && next != NULL) {
			a->config_file = argv[++i];
		} else if (strcmp(argv[i], "--repo") == 0 && next != NULL) {
			if (text_int(argv[++i], 1, INT64_MAX, &a->repo_id, NULL) != 0)
				return false;
		} else if (strcmp(argv[i], "--to") == 0 && next != NULL) {
			if (text_int(argv[++i], 0, INT64_MAX, &a->serial, NULL) != 0)
				return false;
		} else if (strcmp(argv[i], "--workspace") == 0 && next != NULL) {
			a->workspace = argv[++i];
		} else if (strcmp(argv[i], "--format") == 0 && next != NULL && strcmp(next, "json") == 0) {
			a->json = true;
			i++;
		} else if (argv[i][0] == '-') {
			return false;
		} else if (a->verb == NULL) {
			a->verb = argv[i];
		} else if (a->project == NULL) {
			a->project = argv[i];
		} else {
			return false;
		}
	}
	if (a->verb == NULL)
		return false;
	if (strcmp(a->verb, "list") == 0)
		return a->project == NULL;
	if (strcmp(a->verb, "push") == 0 && a->repo_id == 0)
		return false;
	if (strcmp(a->verb, "rollback") == 0 && a->serial == 0)
		return false;
	return a->project != NULL && (is_change(a->verb) || strcmp(a->verb, "show") == 0 || strcmp(a->verb, "pull") == 0);
}

static void add_version(const struct state_version *v, void *arg)
{
	struct state_ask *a = arg;
	char when[CLOCK_ISO_SIZE];
	a->n++;
	(void)clock_iso(v->created_ms, when);
	if (!a->json) {
		buf_printf(&a->out, "%-32s %-12s repo %-10lld serial %-6lld %s  run %lld  %lld bytes  sha256 %.12s\n", v->project, v->workspace,
			   (long long)v->repo_id, (long long)v->serial, when, (long long)v->run_id, (long long)v->bytes, v->sha256);
		return;
	}
	jw_open(&a->w, NULL);
	jw_int(&a->w, "repo_id", v->repo_id);
	jw_str(&a->w, "project", v->project);
	jw_str(&a->w, "workspace", v->workspace);
	jw_str(&a->w, "lineage", v->lineage);
	jw_int(&a->w, "serial", v->serial);
	jw_str(&a->w, "sha256", v->sha256);
	jw_int(&a->w, "bytes", v->bytes);
	jw_int(&a->w, "run", v->run_id);
	jw_int(&a->w, "job", v->job_id);
	jw_str(&a->w, "created", when);
	jw_close(&a->w);
}

static int list(struct state_ask *a, struct err *err)
{
	a->w = json_writer(&a->out);
	if (a->json)
		jw_open_arr(&a->w, NULL);
	int rc = state_each(a->db, a->repo_id, a->project, a->workspace, add_version, a, err);
	if (a->json)
		jw_close_arr(&a->w);
	if (rc == 0 && a->n == 0 && a->project != NULL)
		return err_set(err, ERR_NOT_FOUND, "%s has no managed state: `sluice state list` shows what has", a->project);
	if (a->json)
		buf_addc(&a->out, '\n');
	return rc;
}

struct newest {
	struct state_version v; /* id 0: none yet */
	bool several;           /* of several repositories or workspaces */
};

static void keep_newest(const struct state_version *v, void *arg)
{
	struct newest *k = arg;
	if (k->v.id == 0)
		state_version_copy(&k->v, v);
	else if (k->v.repo_id != v->repo_id || strcmp(k->v.workspace, v->workspace) != 0)
		k->several = true;
}

int state_open_sealed(const struct state_ask *a, const struct state_version *v, struct buf *out, struct err *err)
{
	struct agent *agent;
	uint8_t key[AGENT_KEY_SIZE];
	CLEANUP_BUF struct buf sealed = {0};
	CLEANUP_FREE char *path = fs_join(a->config.data_dir, v->path);
	int rc = fs_read(path, LIMIT_STATE_BYTES + AEAD_OVERHEAD, &sealed, err);
	if (rc == 0 && sealed.len < AEAD_OVERHEAD)
		rc = err_set(err, ERR_PARSE, "%s is cut short", path);
	if (rc == 0)
		rc = agent_start(&(struct agent_options){.data_dir = a->config.data_dir}, &agent, err);
	if (rc != 0)
		return rc;
	rc = agent_unwrap(agent, v->key_context, v->key_wrapped, key, err);
	agent_stop(agent);
	buf_reserve(out, sealed.len);
	if (rc == 0)
		rc = crypto_open(key, v->aad, strlen(v->aad), sealed.data, sealed.len, (uint8_t *)out->data, err);
	crypto_wipe(key, sizeof(key));
	if (rc != 0)
		return rc;
	out->len = sealed.len - AEAD_OVERHEAD;
	out->data[out->len] = '\0';
	return 0;
}

int state_find(struct state_ask *a, struct state_version *ret, struct err *err)
{
	struct newest k = {0};
	int rc = state_each(a->db, a->repo_id, a->project, a->workspace, keep_newest, &k, err);
	if (rc == 0 && k.v.id == 0)
		rc = err_set(err, ERR_NOT_FOUND, "%s has no managed state: `sluice state list` shows what has", a->project);
	if (rc == 0 && k.several)
		rc = err_set(err, ERR_USAGE, "%s stands in several repositories or workspaces: name one with --repo ID and --workspace NAME", a->project);
	if (rc != 0) {
		state_version_free(&k.v);
		return rc;
	}
	*ret = k.v;
	return 0;
}

static int pull(struct state_ask *a, struct err *err)
{
	struct state_version v;
	int rc = state_find(a, &v, err);
	if (rc != 0)
		return rc;
	rc = state_open_sealed(a, &v, &a->out, err);
	state_version_free(&v);
	return rc;
}

static int run(struct state_ask *a, struct err *err)
{
	struct config_errors errors = {0};
	int rc = server_config_load(a->config_file, &a->config, &errors, err);
	if (errors.n != 0)
		err_set(err, ERR_USAGE, "%s has errors: `sluice check %s` lists them", a->config_file, a->config_file);
	config_errors_free(&errors);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *path = data_dir_database(a->config.data_dir);
	if (!fs_exists(path))
		return err_set(err, ERR_NOT_FOUND, "%s: no database yet: has the server run?", path);
	size_t n;
	const struct db_migration *migrations = schema_migrations(&n);
	if (is_change(a->verb))
		return strcmp(a->verb, "push") == 0 ? state_push(a, err) : state_rollback(a, err);
	rc = db_conn_open_reader(path, migrations[n - 1].version, &a->db, err);
	if (rc == 0)
		rc = strcmp(a->verb, "pull") == 0 ? pull(a, err) : list(a, err);
	return rc;
}

int cmd_state(int argc, char **argv)
{
	struct state_ask a = {0};
	struct err err = {0};
	if (!parse_args(&a, argc, argv)) {
		(void)fputs(USAGE, stderr);
		return 2;
	}
	int rc = run(&a, &err);
	if (rc == 0)
		rc = fs_write_all(STDOUT_FILENO, buf_str(&a.out), a.out.len, &err);
	db_conn_close(a.db);
	server_config_free(&a.config);
	if (a.out.data != NULL)
		crypto_wipe(a.out.data, a.out.cap);
	buf_free(&a.out);
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "sluice state: %s\n", err.msg);
	if (rc == ERR_NOT_FOUND || rc == ERR_REFUSED || rc == ERR_CONFLICT)
		return 1;
	return rc == ERR_USAGE || rc == ERR_PARSE ? 2 : 3;
}
