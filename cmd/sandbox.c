/* `sluice sandbox`: any command in exactly the box that a job gets, and what it did there. How operators and tests look inside. */
#include "base/disarm.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "plan/job_box.h"
#include "runner/boxed.h"
#include "runner/egress.h"
#include "runner/tree_copy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char USAGE[] =
	"usage: sluice sandbox [OPTIONS] -- COMMAND [ARGUMENT...]      run it in the box of a job; the last line on stderr is the verdict\n"
	"  --profile plan|apply|compat   what it sees: plan and apply, only itself, providers and CA certificates; compat, also /usr  [plan]\n"
	"  --root DIR                    a copy of this directory is its working directory  [an empty one]\n"
	"  --allow HOST:PORT             where it may connect to; may be repeated  [nowhere]\n"
	"  --env NAME=VALUE              one more variable of its environment; may be repeated\n"
	"  --config FILE                 ceilings and providers of this sluice-server.yaml  [those of a server without settings]\n"
	"  --limit NAME=VALUE            a key of limits: in that file: memory, cpu_time, processes, workspace, files, output, silence, plan_timeout\n"
	"  --json                        the verdict as one line of JSON\n"
	"exit: that of the command; 1 it was ended by a ceiling, 2 usage, 3 there is no box here\n";

struct ask {
	struct job_spec spec;
	struct server_config config;
	struct strlist argv, left_out;
	struct buf egress, env;
	const char *root, *config_file;
	char *scratch;
	bool json;
	struct disarm disarm[2];
};

static int usage(const char *why)
{
	(void)fprintf(stderr, "sluice sandbox: %s\n%s", why, USAGE);
	return 2;
}

static int set_option(struct ask *a, const char *name, const char *value, struct err *err)
{
	if (strcmp(name, "--root") == 0) {
		a->root = value;
		return 0;
	}
	if (strcmp(name, "--profile") == 0)
		return job_profile_parse(value, &a->spec.profile, err);
	if (strcmp(name, "--allow") == 0) {
		buf_printf(&a->egress, "%s\n", value);
		return egress_rule_check(value, err);
	}
	const char *equal = strchr(value, '=');
	if (strcmp(name, "--env") == 0 && equal != NULL && strchr(value, '\n') == NULL) {
		buf_printf(&a->env, "%s\n", value);
		return 0;
	}
	if (strcmp(name, "--limit") == 0 && equal != NULL) {
		CLEANUP_FREE char *key = xstrndup(value, (size_t)(equal - value));
		return server_config_limit(&a->config, key, equal + 1, err);
	}
	return err_set(err, ERR_PARSE, "there is no option %s %s", name, value);
}

/* The file first, whatever the order: the options are laid over it. */
static int load_config(struct ask *a, int argc, char **argv, struct err *err)
{
	for (int i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--config") == 0)
			a->config_file = argv[i + 1];
	if (a->config_file == NULL) {
		server_config_builtin(&a->config);
		return 0;
	}
	struct config_errors errors = {0};
	CLEANUP_BUF struct buf text = {0};
	int rc = server_config_load(a->config_file, &a->config, &errors, err);
	config_errors_print(&errors, &text);
	config_errors_free(&errors);
	if (text.len != 0)
		(void)fputs(buf_str(&text), stderr);
	return rc;
}

static int parse(struct ask *a, int argc, char **argv, struct err *err)
{
	int i = 1;
	int rc = load_config(a, argc, argv, err);
	for (; rc == 0 && i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			a->json = true;
		else if (i + 1 >= argc || argv[i][0] != '-')
			rc = err_set(err, ERR_PARSE, "the command stands behind --");
		else if (strcmp(argv[i], "--config") == 0)
			i++;
		else
			rc = set_option(a, argv[i], argv[i + 1], err), i++;
	}
	if (rc == 0 && i + 1 >= argc)
		rc = err_set(err, ERR_PARSE, "the command stands behind --");
	if (rc == 0 && a->spec.profile == PROFILE_FETCH)
		rc = err_set(err, ERR_PARSE, "the profile fetch is the server's own: plan, apply or compat");
	for (i++; rc == 0 && i < argc; i++)
		strlist_add(&a->argv, argv[i]);
	return rc;
}

static void fill_spec(struct ask *a)
{
	struct job_spec *s = &a->spec;
	s->phase = s->profile == PROFILE_APPLY ? PHASE_APPLY : PHASE_PLAN;
	job_box_common(&a->config, s);
	s->env = a->env.len != 0 ? xstrdup(buf_str(&a->env)) : NULL;
	s->egress = a->egress.len != 0 ? xstrdup(buf_str(&a->egress)) : NULL;
}

static int find_program(struct ask *a, struct err *err)
{
	char **program = &a->argv.v[0];
	char *path = strchr(*program, '/') == NULL ? fs_which(*program) : realpath(*program, NULL);
	if (path == NULL)
		return err_set(err, ERR_NOT_FOUND, "%s: there is no such program on this machine", *program);
	free(*program);
	*program = path;
	return 0;
}

static int copy_root(struct ask *a, struct err *err)
{
	char scratch[] = "/tmp/sluice-sandbox-XXXXXX";
	if (a->root == NULL)
		return 0;
	if (mkdtemp(scratch) == NULL)
		return err_sys(err, "make a scratch directory");
	a->scratch = xstrdup(scratch);
	a->spec.tree_dir = fs_join(scratch, "tree");
	return tree_copy(a->root, a->spec.tree_dir, &a->left_out, err);
}

static void on_output(bool is_err, const char *bytes, size_t len, void *arg)
{
	struct err why;
	struct ask *a = arg;
	int fd = is_err ? STDERR_FILENO : STDOUT_FILENO;
	CLEANUP_BUF struct buf text = {0};
	if (isatty(fd)) { /* a terminal would obey what a stranger wrote */
		disarm_feed(&a->disarm[is_err], bytes, len, &text);
		bytes = buf_str(&text);
		len = text.len;
	}
	if (fs_write_all(fd, bytes, len, &why) != 0)
		(void)close(fd); /* nobody reads; the verdict still counts */
}

static const char *reason(const struct boxed_result *r)
{
	if (r->exit.breach != NULL)
		return r->exit.breach;
	if (r->exit.outcome == JOB_CANCELLED)
		return "cancelled";
	return r->status < 0 ? "broken" : WIFSIGNALED(r->status) ? "signal" : "exit";
}

static void print_json(const struct boxed_result *r)
{
	CLEANUP_BUF struct buf out = {0};
	struct json_writer w = json_writer(&out);
	const struct job_exit *e = &r->exit;
	jw_open(&w, NULL);
	jw_str(&w, "reason", reason(r));
	jw_int(&w, "exit", e->exit_code);
	if (e->error != NULL)
		jw_str(&w, "error", e->error);
	if (e->isolation != NULL)
		jw_str(&w, "isolation", e->isolation);
	jw_int(&w, "peak_memory", e->peak_memory);
	jw_int(&w, "cpu_ms", e->cpu_ms);
	jw_int(&w, "wall_ms", e->finished_ms - e->started_ms);
	jw_int(&w, "connections", e->connections);
	jw_int(&w, "connections_refused", e->connections_refused);
	jw_int(&w, "bytes_out", e->bytes_out);
	jw_int(&w, "bytes_in", e->bytes_in);
	jw_close(&w);
	(void)fprintf(stderr, "%s\n", buf_str(&out));
}

static void print_line(const struct boxed_result *r)
{
	const struct job_exit *e = &r->exit;
	(void)fprintf(stderr, "sandbox: ");
	if (e->error != NULL)
		(void)fprintf(stderr, "%s", e->error);
	else if (r->status >= 0 && WIFSIGNALED(r->status))
		(void)fprintf(stderr, "signal %d", WTERMSIG(r->status));
	else
		(void)fprintf(stderr, "exit %d", e->exit_code);
	(void)fprintf(stderr, " · isolation %s · memory %.1f MiB · CPU %.2f s · %.2f s · %lld connections, %lld refused, %lld bytes out, %lld in\n",
		      e->isolation != NULL ? e->isolation : "none", (double)e->peak_memory / 1048576, (double)e->cpu_ms / 1000,
		      (double)(e->finished_ms - e->started_ms) / 1000, (long long)e->connections, (long long)e->connections_refused,
		      (long long)e->bytes_out, (long long)e->bytes_in);
}

static void print_refusals(const char *refusals)
{
	for (const char *line = refusals; line != NULL && *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
		(void)fprintf(stderr, "sandbox: %.*s\n", (int)strcspn(line, "\n"), line);
}

static void ask_free(struct ask *a)
{
	struct err err;
	if (a->scratch != NULL && fs_remove_tree(a->scratch, &err) != 0)
		(void)fprintf(stderr, "sluice sandbox: %s\n", err.msg);
	free(a->scratch);
	strlist_free(&a->argv);
	strlist_free(&a->left_out);
	buf_free(&a->egress);
	buf_free(&a->env);
	job_spec_free(&a->spec);
	server_config_free(&a->config);
}

static int run(struct ask *a)
{
	struct err err = {0};
	struct boxed_result result;
	fill_spec(a);
	int rc = find_program(a, &err);
	if (rc == 0)
		rc = copy_root(a, &err);
	for (size_t i = 0; i < a->left_out.n && i < 10; i++)
		(void)fprintf(stderr, "sandbox: left out: %s\n", a->left_out.v[i]);
	struct boxed_order order = {.spec = &a->spec, .argv = &a->argv, .on_output = on_output, .arg = a};
	if (rc == 0) {
		rc = boxed_run(&order, &result, &err);
		print_refusals(result.exit.refusals);
		if (rc == 0 && a->json)
			print_json(&result);
		else if (rc == 0)
			print_line(&result);
	} else {
		(void)fprintf(stderr, "sluice sandbox: %s\n", err.msg);
		return 2;
	}
	int status = rc != 0 ? 3 : result.exit.exit_code >= 0 && result.exit.breach == NULL ? result.exit.exit_code : 1;
	if (rc != 0)
		(void)fprintf(stderr, "sluice sandbox: %s\n", err.msg);
	job_exit_free(&result.exit);
	return status;
}

int cmd_sandbox(int argc, char **argv)
{
	struct ask a = {0};
	struct err err = {0};
	boxed_spec_default(&a.spec);
	int rc = parse(&a, argc, argv, &err);
	int status = rc == 0 ? run(&a) : usage(err.msg);
	ask_free(&a);
	return status;
}
