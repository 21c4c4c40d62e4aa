/* The table of every key of both files. A new key is a row here, and a field in plan/config.h. */
#include "plan/config_priv.h"
#include "runner/tier.h"

#define RULE(f) offsetof(struct project_rule, f)
#define SERVER(f) offsetof(struct server_config, f)
#define KIB ((int64_t)1024)
#define SECOND ((int64_t)1000)
#define HOUR (3600 * SECOND)

static const char *const engine_words[] = {
	[ENGINE_TERRAFORM] = "terraform", [ENGINE_OPENTOFU] = "opentofu", [ENGINE_PULUMI] = "pulumi", [ENGINE_KINDS] = NULL};
static const char *const apply_words[] = {[APPLY_ON_COMMENT] = "on_comment", [APPLY_ON_MERGE] = "on_merge", NULL};
static const char *const sandbox_words[] = {[SANDBOX_STRICT] = "strict", [SANDBOX_COMPAT] = "compat", NULL};
static const char *const tier_words[] = {[TIER_NONE] = "none", [TIER_REDUCED] = "reduced", [TIER_BOUNDED] = "bounded", [TIER_FULL] = "full", NULL};
_Static_assert(sizeof(enum engine_kind) == sizeof(int) && sizeof(enum apply_mode) == sizeof(int) && sizeof(enum sandbox_mode) == sizeof(int),
	       "CT_WORD writes an int");

/* ---- sluice.yaml ---- */

static const struct config_row approvals_rows[] = {
	{.key = "count", .type = CT_COUNT, .offset = RULE(approvals), .min = 0, .max = 10, .dflt = "1",
	 .help = "approving reviews that \"approved\" asks for"},
	{.key = "codeowners", .type = CT_BOOL, .offset = RULE(codeowners), .dflt = "false",
	 .help = "whether an owner of each changed file has to be among them, as CODEOWNERS of the base branch says"},
	{.key = "bots", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_texts, .offset = RULE(bots), .what = "list of logins", .dflt = "[]",
	 .sample = "[\"release-please[bot]\"]", .help = "bots whose approval counts; no other bot's does"},
	{0}};

static const struct config_row cost_rows[] = {
	{.key = "max_increase_usd", .type = CT_CUSTOM, .later = true, .read = config_read_usd, .what = "number", .sample = "500",
	 .help = "monthly cost that one change may add before the gate asks for more"},
	{0}};

static const struct config_row project_egress_rows[] = {
	{.key = "plan", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_own_egress, .offset = RULE(egress_plan), .what = "list of HOST:PORT",
	 .sample = "[\"sts.eu-west-1.amazonaws.com:443\"]",
	 .help = "of the server's `egress.plan`, what a plan of this project uses; without it, all of that; `[]`: nothing"},
	{.key = "apply", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_own_egress, .offset = RULE(egress_apply), .what = "list of HOST:PORT",
	 .help = "likewise for an apply"},
	{0}};

/* What an entry of projects: may say, and the server's file for every project. */
#define PROJECT_ROWS                                                                                                                       \
	{.key = "engine", .type = CT_WORD, .offset = RULE(engine), .words = engine_words, .sample = "terraform",                            \
	 .help = "the tool; without it, the one that the directory's files and the server point to. Jobs of pulumi are refused in this "    \
		 "version"},                                                                                                                \
	{.key = "workspace", .type = CT_NAME, .offset = RULE(workspace), .dflt = "default", .help = "the engine's workspace"},             \
	{.key = "stack", .type = CT_NAME, .offset = RULE(workspace), .help = "the same for Pulumi, which calls it a stack"},                \
	{.key = "when_modified", .type = CT_GLOBS, .offset = RULE(when_modified), .sample = "[\"**/*.tf\", \"../../modules/**\"]",          \
	 .help = "files, seen from dir, whose change makes a plan; local modules are followed even when not named. Without it: every "     \
		 "file in dir"},                                                                                                            \
	{.key = "depends_on", .type = CT_NAMES, .offset = RULE(depends_on), .sample = "[account]",                                          \
	 .help = "projects that are planned and applied before this one"},                                                                  \
	{.key = "apply", .type = CT_WORD, .offset = RULE(apply), .words = apply_words, .dflt = "on_comment",                                \
	 .help = "apply when somebody comments \"apply\", or as soon as the pull request is merged"},                                       \
	{.key = "identity", .type = CT_CUSTOM, .later = true, .read = config_read_identity, .what = "map of plan and apply",                \
	 .sample = "{ plan: { aws: { role: \"arn:aws:iam::111122223333:role/plan\" } } }",                                                  \
	 .help = "the cloud identity of each phase; a phase without one gets no credentials"},                                              \
	{.key = "requires", .type = CT_CUSTOM, .read = config_read_requires, .what = "list of approved, checks, up_to_date",                \
	 .dflt = "[approved]", .help = "what has to hold before apply"},                                                                    \
	{.key = "approvals", .type = CT_MAP, .rows = approvals_rows, .help = "how many reviews, and whose"},                                \
	{.key = "blocked_by", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_texts, .offset = RULE(blocked_by),                     \
	 .what = "list of labels", .dflt = "[\"do not apply\", do-not-merge]",                                                             \
	 .help = "labels of a pull request that keep the gate shut"},                                                                       \
	{.key = "sandbox", .type = CT_WORD, .offset = RULE(sandbox), .words = sandbox_words, .dflt = "strict",                              \
	 .help = "what a job may start: strict, the engine and its providers only; compat, also what the host has in /usr (shells, "        \
		 "language runtimes), where the operator allows it (`sandbox.compat`)"},                                                    \
	{.key = "egress", .type = CT_MAP, .rows = project_egress_rows, .help = "the network of its jobs: narrows what the server allows"}, \
	{.key = "cost", .type = CT_MAP, .later = true, .rows = cost_rows, .help = "ceilings of cost"},                                      \
	{.key = "env", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_env, .offset = RULE(env), .what = "map of NAME: text",         \
	 .sample = "{ TF_VAR_region: eu-west-1 }",                                                                                         \
	 .help = "variables of the engine's environment, not for secrets; a repository sets TF_VAR_NAME only, the operator also others"}

#define SHARED_ROWS                                                                                                                        \
	{.key = "checks", .type = CT_CUSTOM, .later = true, .read = config_read_checks, .what = "list of { name, run, policy }",            \
	 .sample = "[{ name: opa, run: conftest, policy: policy/ }]",                                                                       \
	 .help = "linters and policies that run before a plan may be applied"},                                                             \
	{.key = "tools", .type = CT_CUSTOM, .later = true, .read = config_read_tools, .what = "map of tool: version",                       \
	 .sample = "{ terraform: \"1.11.4\" }", .help = "versions of engines and tools"}

const struct config_row config_project_rows[] = {
	{.key = "name", .type = CT_NAME, .offset = RULE(name), .sample = "network",
	 .help = "what people call it; without it, the directory, and the workspace where that is not \"default\""},
	{.key = "dir", .type = CT_DIR, .required = true, .offset = RULE(dir), .sample = "live/prod/network",
	 .help = "its directory, from the root of the repository; a glob makes one project per matching directory"},
	PROJECT_ROWS,
	{0}};

const struct config_row config_layer_rows[] = {PROJECT_ROWS, SHARED_ROWS, {0}};

const struct config_row config_repo_rows[] = {
	{.key = "version", .type = CT_CUSTOM, .required = true, .read = config_read_version, .what = "1", .sample = "1",
	 .help = "the version of this file's format, 1"},
	{.key = "projects", .type = CT_CUSTOM, .read = config_read_projects, .what = "list of projects",
	 .help = "the projects; without it, every directory with *.tf, *.tofu or Pulumi.yaml is one"},
	SHARED_ROWS,
	{.key = "cost", .type = CT_MAP, .later = true, .rows = cost_rows, .help = "ceilings of cost for the whole pull request"},
	{0}};

/* ---- sluice-server.yaml ---- */

static const struct config_row app_rows[] = {
	{.key = "id", .type = CT_INT, .required = true, .offset = SERVER(app_id), .min = 1, .max = ((int64_t)1 << 53) - 1,
	 .sample = "12345", .help = "number of the GitHub App"},
	{.key = "private_key_file", .type = CT_FILE, .required = true, .offset = SERVER(app_private_key_file), .sample = "app.pem",
	 .help = "its private key, PEM; only the key agent reads it"},
	{0}};

static const struct config_row github_rows[] = {
	{.key = "api_url", .type = CT_CUSTOM, .as = CT_TEXT, .read = config_read_url, .offset = SERVER(api_url), .what = "URL",
	 .dflt = "https://api.github.com", .help = "for GitHub Enterprise Server https://HOST/api/v3; http only for loopback"},
	{.key = "app", .type = CT_MAP, .start = true, .rows = app_rows, .help = "the GitHub App that sluice is; `sluice setup` makes one"},
	{.key = "token_file", .type = CT_FILE, .offset = SERVER(token_file), .sample = "github.token",
	 .help = "instead of app, for a first try: the token of an account that may read (branch protection, too), comment, set statuses and merge"},
	{.key = "reconcile", .type = CT_DURATION, .offset = SERVER(reconcile_ms), .min = 10 * SECOND, .max = 24 * HOUR, .dflt = "5m",
	 .help = "how often what GitHub did not tell is looked for: lost deliveries, heads without a plan, closed pull requests"},
	{.key = "webhook_secret_file", .type = CT_CUSTOM, .as = CT_GLOBS, .required = true, .read = config_read_secret_files,
	 .offset = SERVER(webhook_secret_files), .what = "path, or a list of two", .sample = "webhook.secret",
	 .help = "the secret that GitHub signs webhooks with; two while it is being changed"},
	{0}};

static const struct config_row limits_rows[] = {
	{.key = "jobs", .type = CT_INT, .offset = SERVER(jobs), .min = 1, .max = 1024, .dflt = "4", .help = "jobs at the same time"},
	{.key = "jobs_per_repository", .type = CT_INT, .offset = SERVER(jobs_per_repository), .min = 1, .max = 1024, .dflt = "2",
	 .help = "of them, for one repository"},
	{.key = "jobs_per_person", .type = CT_INT, .offset = SERVER(jobs_per_person), .min = 1, .max = 1024, .dflt = "2",
	 .help = "of them, for one person: who asked, or else whose pull request it is"},
	{.key = "queued_per_person", .type = CT_INT, .offset = SERVER(queued_per_person), .min = 1, .max = 100000, .dflt = "200",
	 .help = "jobs of one person that may wait; beyond it a `plan` is refused"},
	{.key = "plan_timeout", .type = CT_DURATION, .offset = SERVER(plan_timeout_ms), .min = SECOND, .max = 24 * HOUR, .dflt = "10m",
	 .help = "time for one plan"},
	{.key = "apply_timeout", .type = CT_DURATION, .offset = SERVER(apply_timeout_ms), .min = SECOND, .max = 48 * HOUR, .dflt = "2h",
	 .help = "time for one apply"},
	{.key = "plan_expiry", .type = CT_DURATION, .offset = SERVER(plan_expiry_ms), .min = 60 * SECOND, .max = 60 * 24 * HOUR, .dflt = "168h",
	 .help = "how long a plan may be applied; then it is planned again"},
	{.key = "memory", .type = CT_SIZE, .offset = SERVER(memory_bytes), .min = 32 * KIB * KIB, .max = 1024 * KIB * KIB * KIB, .dflt = "1GiB",
	 .help = "memory of one job: engine, providers and its files together"},
	{.key = "memory_total", .type = CT_SIZE, .offset = SERVER(memory_total), .min = 32 * KIB * KIB, .max = 65536 * KIB * KIB * KIB, .sample = "12GiB",
	 .help = "memory of all jobs together: beyond it a job waits. Without it, three quarters of the machine's"},
	{.key = "cpu_time", .type = CT_DURATION, .offset = SERVER(cpu_time_ms), .min = SECOND, .max = 48 * HOUR, .dflt = "30m",
	 .help = "CPU time of one job, all processors together"},
	{.key = "processes", .type = CT_INT, .offset = SERVER(processes), .min = 16, .max = 32768, .dflt = "1024",
	 .help = "processes and threads of one job at once"},
	{.key = "workspace", .type = CT_SIZE, .offset = SERVER(workspace_bytes), .min = KIB * KIB, .max = 1024 * KIB * KIB * KIB, .dflt = "512MiB",
	 .help = "bytes that one job may keep in files; they count as memory"},
	{.key = "files", .type = CT_INT, .offset = SERVER(files), .min = 100, .max = 10000000, .dflt = "100000",
	 .help = "files and directories that one job may make"},
	{.key = "silence", .type = CT_DURATION, .offset = SERVER(silence_ms), .min = SECOND, .max = 48 * HOUR, .dflt = "15m",
	 .help = "time without a line of output after which a job is taken for stuck"},
	{.key = "output", .type = CT_SIZE, .offset = SERVER(output_bytes), .min = 4 * KIB, .max = 256 * KIB * KIB, .dflt = "4MiB",
	 .help = "output of one job that is kept"},
	{0}};

static const struct config_row providers_rows[] = {
	{.key = "mirror", .type = CT_FILE, .offset = SERVER(mirror_dir), .sample = "providers",
	 .help = "directory with provider packages, read-only to jobs"},
	{.key = "allow", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_providers, .offset = SERVER(provider_allow),
	 .what = "list of rules for providers", .sample = "[\"registry.terraform.io/hashicorp/*\"]",
	 .help = "providers that may run, HOST/NAMESPACE/TYPE, `*` for a whole part, then perhaps a version constraint (`>= 5.0, < 6`) and a hash "
		 "(`h1:...`); without it, all of the mirror"},
	{.key = "download", .type = CT_BOOL, .offset = SERVER(provider_download), .dflt = "true",
	 .help = "whether what allow names and the mirror lacks is fetched from its registry, verified, and kept"},
	{0}};

static const struct config_row sandbox_rows[] = {
	{.key = "floor", .type = CT_WORD, .offset = SERVER(sandbox_floor), .words = tier_words, .dflt = "bounded",
	 .help = "how well this host has to hold jobs of pull requests in: full, bounded, reduced (docs/security.md); below it they are refused"},
	{.key = "below_floor", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_repositories, .offset = SERVER(below_floor),
	 .what = "list of OWNER/NAME globs", .dflt = "[]", .sample = "[acme/sandbox]",
	 .help = "repositories that are run below the floor all the same, never without a sandbox"},
	{.key = "compat", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_repositories, .offset = SERVER(compat), .what = "list of OWNER/NAME globs",
	 .dflt = "[]", .sample = "[acme/legacy]", .help = "repositories whose projects may say `sandbox: compat`"},
	{0}};

static const struct config_row egress_rows[] = {
	{.key = "plan", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_egress, .offset = SERVER(egress_plan),
	 .what = "list of HOST:PORT globs", .dflt = "[]", .sample = "[\"sts.*.amazonaws.com:443\"]",
	 .help = "where a plan may connect to; `*` stands for one label of the name. HOST:PORT=CIDR or HOST:PORT=ADDRESS:PORT pins a private one"},
	{.key = "apply", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_egress, .offset = SERVER(egress_apply),
	 .what = "list of HOST:PORT globs", .dflt = "[]", .help = "where an apply may connect to"},
	{.key = "fetch", .type = CT_CUSTOM, .as = CT_GLOBS, .read = config_read_egress, .offset = SERVER(egress_fetch), .what = "list of HOST:PORT globs",
	 .dflt = "[\"registry.terraform.io:443\", \"releases.hashicorp.com:443\", \"registry.opentofu.org:443\", \"github.com:443\","
		 " \"codeload.github.com:443\", \"*.githubusercontent.com:443\"]",
	 .help = "where the step that fetches providers and modules may connect to; it has no credentials"},
	{.key = "ca_file", .type = CT_FILE, .offset = SERVER(egress_ca_file), .sample = "ca.pem",
	 .help = "the CA certificates that jobs trust, PEM, all of them; without it, the host's: for a private CA, or a proxy that looks into TLS"},
	{.key = "repositories", .type = CT_CUSTOM, .read = config_read_egress_scopes, .print = config_print_egress_scopes,
	 .what = "map of OWNER/NAME glob: { plan: [...], apply: [...] }", .dflt = "{}",
	 .sample = "{ \"acme/infra\": { plan: [\"state.corp.example:443=10.0.0.0/8\"] } }", .help = "further rules for some repositories"},
	{0}};

static const struct config_row engines_rows[] = {
	{.key = "dir", .type = CT_FILE, .offset = SERVER(engine_dir), .sample = "/opt/engines", .help = "looked in for engines before PATH"},
	{0}};

const struct config_row config_server_rows[] = {
	{.key = "listen", .type = CT_CUSTOM, .read = config_read_listen, .print = config_print_listen, .what = "ADDRESS:PORT",
	 .dflt = "127.0.0.1:8080", .help = "plain HTTP: on loopback, or where only a proxy with TLS reaches it; port 0 takes a free one"},
	{.key = "tls", .type = CT_CUSTOM, .refused = true, .read = config_read_tls, .what = "map of cert_file and key_file",
	 .help = "refused in this version: put a proxy with TLS in front"},
	{.key = "public_url", .type = CT_CUSTOM, .start = true, .as = CT_TEXT, .read = config_read_url, .offset = SERVER(public_url), .what = "URL",
	 .sample = "https://sluice.example.com", .help = "how people and GitHub reach it; without it, http and the listen address"},
	{.key = "data_dir", .type = CT_FILE, .offset = SERVER(data_dir), .dflt = "/var/lib/sluice", .help = "database, mirrors, logs, states"},
	{.key = "database", .type = CT_CUSTOM, .as = CT_TEXT, .read = config_read_database, .offset = SERVER(database), .what = "sqlite", .dflt = "sqlite",
	 .help = "where runs are kept: a file in data_dir"},
	{.key = "github", .type = CT_MAP, .required = true, .rows = github_rows, .help = "how to reach GitHub and who sluice is there"},
	{.key = "repositories", .type = CT_CUSTOM, .as = CT_GLOBS, .required = true, .read = config_read_repositories, .offset = SERVER(repositories),
	 .what = "list of OWNER/NAME globs", .sample = "[\"acme/infra\", \"acme/*-tf\", \"!acme/old-tf\"]",
	 .help = "the repositories that are served: whole-name globs, case ignored, ! excludes, the last that fits decides"},
	{.key = "defaults", .type = CT_CUSTOM, .read = config_read_layer, .print = config_print_defaults, .what = "keys of a project",
	 .dflt = "{}", .help = "used where sluice.yaml is silent"},
	{.key = "overrides", .type = CT_CUSTOM, .read = config_read_layer, .print = config_print_overrides, .what = "keys of a project",
	 .dflt = "{}", .help = "used whatever sluice.yaml says"},
	{.key = "limits", .type = CT_MAP, .rows = limits_rows, .help = "ceilings of jobs"},
	{.key = "providers", .type = CT_MAP, .rows = providers_rows, .help = "provider packages of jobs"},
	{.key = "egress", .type = CT_MAP, .rows = egress_rows, .help = "the network of jobs: what is not listed is refused"},
	{.key = "sandbox", .type = CT_MAP, .rows = sandbox_rows, .help = "the box of jobs"},
	{.key = "engines", .type = CT_MAP, .rows = engines_rows, .help = "the engines' binaries"},
	{.key = "roles", .type = CT_CUSTOM, .read = config_read_roles, .print = config_print_roles,
	 .what = "map of OWNER/NAME glob: { WHO: none, read, plan, apply or admin }",
	 .sample = "{ \"acme/*\": { \"team:platform\": admin, \"user:alice\": apply, \"*\": plan } }",
	 .help = "who may do what; the most specific repository wins, then user before team before *"},
	{0}};
