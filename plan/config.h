/* Configuration: sluice.yaml (the repository's, from the base commit) and sluice-server.yaml (the operator's). Step 4.
 *
 * Pure: bytes in, structs out. One table row per key = name, type, bounds, default, help; parser, `--print-config`, the sample file and
 * docs/configuration.md come from the tables. Every error names file:line:column and, for an unknown key, the nearest known one.
 * All errors of a file are collected, not only the first. */
#ifndef PLAN_CONFIG_H
#define PLAN_CONFIG_H

#include "base/mem.h"
#include "base/buf.h"
#include "runner/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct config_error {
	char *file;
	int line, column;
	char *msg; /* the sentence, without the place */
};

struct config_errors {
	struct config_error *v;
	size_t n;
};
void config_errors_add(struct config_errors *e, const char *file, int line, int column, const char *fmt, ...) PRINTF_LIKE(5, 6);
void config_errors_free(struct config_errors *e);
void config_errors_print(const struct config_errors *e, struct buf *out); /* "file:line:col: msg\n" each */

enum sandbox_mode { SANDBOX_STRICT, SANDBOX_COMPAT };
enum apply_mode { APPLY_ON_COMMENT, APPLY_ON_MERGE };

/* One entry of projects:, dir may be a glob (one project per match). Field names are the file's keys. */
struct project_rule {
	char *name;        /* NULL: made from dir and workspace (project_default_name); always NULL when dir is a glob */
	char *dir;         /* normalised: no "./", no trailing "/"; "." is the root */
	bool dir_is_glob;
	enum engine_kind engine; /* ENGINE_NONE: not said */
	char *engine_version;    /* reserved for tools: */
	char *workspace;         /* NULL: "default" */
	struct strlist when_modified; /* relative to dir, may go up with ../ but never out of the repository; empty: not said */
	struct strlist depends_on;
	enum apply_mode apply;
	bool requires_approved, requires_checks, requires_up_to_date;
	int approvals;           /* count, >= 0 */
	bool codeowners;
	struct strlist bots;       /* logins of bots whose approval counts */
	struct strlist blocked_by; /* labels that keep the gate shut */
	enum sandbox_mode sandbox;
	struct strlist env; /* NAME=VALUE of the engine's environment */
	struct strlist egress_plan, egress_apply; /* of the operator's rules those that this project uses; not said: all of them;
						    one "": none */
	int line, column;        /* of the entry, for later errors (a glob without a match, a dir that is a symlink) */
};

struct repo_config {
	bool present; /* false: no sluice.yaml, discovery */
	struct project_rule *projects;
	size_t projects_n; /* 0: no projects: key, which means discovery too; an empty list is an error */
	struct project_rule dflt; /* what discovery gives each project: built in, defaults, overrides applied; dir and name NULL */
};

/* defaults and overrides are the server file's sections already parsed (NULL allowed). bytes NULL: no file in the repository.
 * Keys of the contract that later versions honour (identity, cost, checks, tools) are accepted and validated in shape. */
struct server_config;
int repo_config_parse(const char *name, const char *bytes, size_t len, const struct server_config *server, struct repo_config *ret,
		      struct config_errors *errors) MUST_CHECK; /* ERR_PARSE when errors were added */
void repo_config_free(struct repo_config *c);
/* "live/prod/network" + workspace "default" -> "live/prod/network"; other workspaces append "/WS"; root: the word "root". */
char *project_default_name(const char *dir, const char *workspace);

enum role { ROLE_NONE, ROLE_READ, ROLE_PLAN, ROLE_APPLY, ROLE_ADMIN };
const char *role_name(enum role r);

struct role_rule {
	char *repository; /* glob */
	char *who;        /* "team:NAME", "user:NAME", "*" */
	enum role role;
};

struct egress_scope {
	char *repository; /* glob */
	struct strlist plan, apply;
};

struct server_config {
	char digest[65];  /* SHA-256 of the sections that change a plan, hex; "" when it was not read from a file */
	char *file, *dir; /* where it was read; relative paths are relative to dir and are absolute below */
	char *listen_host;
	int listen_port;
	char *public_url; /* without trailing slash; default http://HOST:PORT */
	char *data_dir;
	char *database;   /* "sqlite" */
	char *api_url;    /* default https://api.github.com, without trailing slash */
	char *token_file;
	int64_t app_id;
	char *app_private_key_file;
	int64_t reconcile_ms; /* how often what GitHub did not tell is looked for */
	struct strlist webhook_secret_files; /* one, or two while rotating */
	struct strlist repositories;         /* globs with ! */
	char *engine_dir;                    /* looked in before PATH; NULL */
	char *mirror_dir;
	struct strlist provider_allow;
	int64_t jobs, jobs_per_repository, jobs_per_person, queued_per_person, plan_timeout_ms, apply_timeout_ms, plan_expiry_ms, memory_bytes, output_bytes;
	int64_t processes, files, workspace_bytes, cpu_time_ms, silence_ms;
	int64_t memory_total; /* of all jobs together; 0: found from the machine */
	struct strlist egress_plan, egress_apply, egress_fetch; /* rules of runner/egress.h */
	char *egress_ca_file;
	struct egress_scope *egress_scopes; /* egress.repositories: rules on top of those, for some */
	size_t egress_scopes_n;
	bool provider_download; /* may what providers.allow names be fetched from its registry? */
	int sandbox_floor;      /* enum tier of runner/tier.h: pull-request jobs below it are refused ... */
	struct strlist below_floor; /* ... but in these repositories */
	struct strlist compat;  /* repositories whose projects may say sandbox: compat */
	struct role_rule *roles;
	size_t roles_n;
	void *sections; /* parsed defaults: and overrides:, for repo_config_parse */
};

int server_config_parse(const char *file, const char *bytes, size_t len, struct server_config *ret, struct config_errors *errors) MUST_CHECK;
int server_config_load(const char *file, struct server_config *ret, struct config_errors *errors, struct err *err) MUST_CHECK;
/* The built-in values, and one value of limits: from text, as the file would have it: for commands that need no file. */
void server_config_builtin(struct server_config *ret);
int server_config_limit(struct server_config *c, const char *key, const char *value, struct err *err) MUST_CHECK;
void server_config_free(struct server_config *c);
void server_config_print(const struct server_config *c, struct buf *out);         /* effective values as YAML, comments with where each came from */
void server_config_print_sample(struct buf *out);                                 /* the commented sample file, from the table */
void config_print_reference(struct buf *out);                                     /* Markdown tables of both files */
bool server_config_serves(const struct server_config *c, const char *full_name); /* repositories: globs, case-insensitive */
/* The most specific rule that fits. teams: "acme/platform" slugs the person is an active member of; may be empty.
 * ROLE_NONE when roles: is given and nothing fits; *ret_said false when there is no roles: section at all. */
enum role server_config_role(const struct server_config *c, const char *full_name, const char *login, const struct strlist *teams, bool *ret_said);

#endif
