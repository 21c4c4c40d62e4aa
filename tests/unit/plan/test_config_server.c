/* sluice-server.yaml: every key, every refusal with its place. */
#include "base/fs.h"
#include "tests/unit/plan/test_config.h"

#include <unistd.h>

static void every_key(void **state)
{
	static const char text[] = "listen: \"[::1]:9090\"\n"
				   "public_url: https://sluice.example.com/base/\n"
				   "data_dir: data\n"
				   "database: sqlite\n"
				   "github:\n"
				   "  api_url: https://ghe.example.com/api/v3/\n"
				   "  app: { id: 12345, private_key_file: keys/app.pem }\n"
				   "  webhook_secret_file: [new.secret, /run/old.secret]\n"
				   "repositories: [\"acme/infra\", \"acme/*-tf\", \"!acme/old-tf\"]\n"
				   "limits: { jobs: 8, jobs_per_repository: 3, plan_timeout: 90s, apply_timeout: 1h, memory: 512MiB, output: 64KiB }\n"
				   "providers: { mirror: providers, allow: [\"registry.terraform.io/hashicorp/*\"] }\n"
				   "egress: { plan: [\"sts.*.amazonaws.com:443\"], apply: [\"*.corp.example:443\"] }\n"
				   "engines: { dir: /opt/engines }\n"
				   "roles: { \"acme/*\": { \"team:platform\": admin, \"user:alice\": none } }\n";
	struct server_config c;
	(void)state;
	config_server(text, &c);
	assert_string_equal(c.file, "/etc/sluice/sluice-server.yaml");
	assert_string_equal(c.dir, "/etc/sluice");
	assert_string_equal(c.listen_host, "::1");
	assert_int_equal(c.listen_port, 9090);
	assert_string_equal(c.public_url, "https://sluice.example.com/base");
	assert_string_equal(c.data_dir, "/etc/sluice/data");
	assert_string_equal(c.api_url, "https://ghe.example.com/api/v3");
	assert_int_equal(c.app_id, 12345);
	assert_string_equal(c.app_private_key_file, "/etc/sluice/keys/app.pem");
	assert_null(c.token_file);
	assert_int_equal(c.webhook_secret_files.n, 2);
	assert_string_equal(c.webhook_secret_files.v[0], "/etc/sluice/new.secret");
	assert_string_equal(c.webhook_secret_files.v[1], "/run/old.secret");
	assert_int_equal(c.repositories.n, 3);
	assert_int_equal(c.jobs, 8);
	assert_int_equal(c.jobs_per_repository, 3);
	assert_int_equal(c.plan_timeout_ms, 90000);
	assert_int_equal(c.apply_timeout_ms, 3600000);
	assert_int_equal(c.memory_bytes, 512 * 1024 * 1024);
	assert_int_equal(c.output_bytes, 65536);
	assert_string_equal(c.mirror_dir, "/etc/sluice/providers");
	assert_string_equal(c.provider_allow.v[0], "registry.terraform.io/hashicorp/*");
	assert_string_equal(c.egress_plan.v[0], "sts.*.amazonaws.com:443");
	assert_string_equal(c.egress_apply.v[0], "*.corp.example:443");
	assert_string_equal(c.engine_dir, "/opt/engines");
	assert_int_equal(c.roles_n, 2);
	assert_string_equal(c.roles[0].who, "team:platform");
	assert_int_equal(c.roles[0].role, ROLE_ADMIN);
	server_config_free(&c);
}

static void built_in(void **state)
{
	struct server_config c;
	(void)state;
	config_server(SMALL, &c);
	assert_string_equal(c.listen_host, "127.0.0.1");
	assert_int_equal(c.listen_port, 8080);
	assert_string_equal(c.public_url, "http://127.0.0.1:8080");
	assert_string_equal(c.data_dir, "/var/lib/sluice");
	assert_string_equal(c.database, "sqlite");
	assert_string_equal(c.api_url, "https://api.github.com");
	assert_string_equal(c.token_file, "/etc/sluice/t");
	assert_int_equal(c.jobs, 4);
	assert_int_equal(c.jobs_per_repository, 2);
	assert_int_equal(c.plan_timeout_ms, 600000);
	assert_int_equal(c.apply_timeout_ms, 7200000);
	assert_int_equal(c.memory_bytes, 1 << 30);
	assert_int_equal(c.output_bytes, 4 << 20);
	assert_null(c.engine_dir);
	assert_null(c.mirror_dir);
	assert_int_equal(c.egress_plan.n + c.egress_apply.n + c.provider_allow.n + c.roles_n, 0);
	server_config_free(&c);
	server_config_free(&c); /* a freed one is empty */
	config_server("listen: \"[::1]:0\"\n" SMALL, &c);
	assert_string_equal(c.public_url, "http://[::1]:0");
	server_config_free(&c);
}

/* What a file says takes the place of the built-in list, an empty list, too. */
static void where_the_fetch_step_may_go(void **state)
{
	struct server_config c;
	(void)state;
	config_server(SMALL, &c);
	assert_int_equal(c.egress_fetch.n, 6);
	server_config_free(&c);
	config_server(SMALL "egress: { fetch: [\"git.corp.example:443\"] }\n", &c);
	assert_int_equal(c.egress_fetch.n, 1);
	assert_string_equal(c.egress_fetch.v[0], "git.corp.example:443");
	server_config_free(&c);
	config_server(SMALL "egress: { fetch: [] }\n", &c);
	assert_int_equal(c.egress_fetch.n, 0);
	server_config_free(&c);
}

static const struct refusal refusals[] = {
	{"", "1:1: github is missing: how to reach GitHub and who sluice is there\n"
	     "1:1: repositories is missing: the repositories that are served: whole-name globs, case ignored, ! excludes, the last that fits decides\n"},
	{"github: {}\nrepositories: [a/b]\n",
	 "1:9: webhook_secret_file is missing: the secret that GitHub signs webhooks with; two while it is being changed\n"
	 "1:9: github: app is missing: the GitHub App that sluice is, or token_file for a first try\n"},
	{"github: { token_file: t }\nrepositories: [a/b]\n",
	 "1:9: webhook_secret_file is missing: the secret that GitHub signs webhooks with; two while it is being changed\n"},
	{"github: { app: { id: 1, private_key_file: p }, token_file: t, webhook_secret_file: s }\nrepositories: [a/b]\n",
	 "1:60: token_file: there is an app, too; sluice is one or the other, so remove one of them\n"},
	{"github: { app: {}, webhook_secret_file: s }\nrepositories: [a/b]\n",
	 "1:16: id is missing: number of the GitHub App\n"
	 "1:16: private_key_file is missing: its private key, PEM; only the key agent reads it\n"},
	{"github: { app: { id: 1 }, webhook_secret_file: s }\nrepositories: [a/b]\n",
	 "1:16: private_key_file is missing: its private key, PEM; only the key agent reads it\n"},
	{"github: { app: { id: 0, private_key_file: p }, webhook_secret_file: s }\nrepositories: [a/b]\n",
	 "1:22: id: 0 is not between 1 and 9007199254740991\n"},
	{"github: { token_file: t, webhook_secret_file: [] }\nrepositories: [a/b]\n",
	 "1:47: webhook_secret_file: 0 files; one, or two while the secret is being changed\n"},
	{"github: { token_file: t, webhook_secret_file: [a, b, c] }\nrepositories: [a/b]\n",
	 "1:47: webhook_secret_file: 3 files; one, or two while the secret is being changed\n"},
	{"github: { token_file: t, webhook_secret_file: '' }\nrepositories: [a/b]\n", "1:47: webhook_secret_file: must not be empty\n"},
	{"github: { token_file: t, webhook_secret: s }\nrepositories: [a/b]\n",
	 "1:26: unknown key \"webhook_secret\"; known here: api_url, app, token_file, reconcile, webhook_secret_file\n"
	 "1:9: webhook_secret_file is missing: the secret that GitHub signs webhooks with; two while it is being changed\n"},
	{"github: { token_file: t, webhook_secret_file: s }\nrepositories: []\n", "2:15: repositories: names no repository, so none would be served\n"},
	{"github: { token_file: t, webhook_secret_file: s }\nrepositories: [\"!a/b\"]\n",
	 "2:15: repositories: names no repository, so none would be served\n"},
	{"github: { token_file: t, webhook_secret_file: s }\nrepositories: [\"*\"]\n",
	 "2:16: repositories: \"*\" never fits OWNER/NAME; write \"*/*\" for all, \"OWNER/*\" for those of one owner\n"},
	{"github: { token_file: t, webhook_secret_file: s }\nrepositories: [\"a/[b\"]\n",
	 "2:16: repositories: glob \"a/[b\", character 3: [ without ]\n"},
	{SMALL "listen: example.com:80\n", "3:9: listen: \"example.com:80\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080\n"},
	{SMALL "listen: 127.0.0.1\n", "3:9: listen: \"127.0.0.1\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080\n"},
	{SMALL "listen: 127.0.0.1:65536\n", "3:9: listen: \"127.0.0.1:65536\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080\n"},
	{SMALL "listen: \"::1:80\"\n", "3:9: listen: \"::1:80\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080\n"},
	{SMALL "listen: 8080\n", "3:9: listen: expected text, found a number; put it in quotes\n"},
	{SMALL "tls: { cert_file: a, key_file: b }\n",
	 "3:6: tls: this version serves plain HTTP only; put a proxy with TLS in front and remove the key\n"},
	{SMALL "public_url: sluice.example.com\n", "3:13: public_url: \"sluice.example.com\" is not a URL such as https://sluice.example.com\n"},
	{SMALL "public_url: ftp://x\n", "3:13: public_url: \"ftp://x\" is not a URL such as https://sluice.example.com\n"},
	{SMALL "public_url: https:///x\n", "3:13: public_url: \"https:///x\" is not a URL such as https://sluice.example.com\n"},
	{SMALL "public_url: https://a@b\n", "3:13: public_url: \"https://a@b\" may not have a user, a query or a fragment\n"},
	{SMALL "public_url: https://a/?q\n", "3:13: public_url: \"https://a/?q\" may not have a user, a query or a fragment\n"},
	{SMALL "public_url: https://a:99999\n", "3:13: public_url: \"https://a:99999\" has no host, or a port that is none\n"},
	{SMALL "public_url: https://[::1\n", "3:13: public_url: \"https://[::1\" has no host, or a port that is none\n"},
	{"github: { api_url: http://ghe.example.com/api/v3, token_file: t, webhook_secret_file: s }\nrepositories: [a/b]\n",
	 "1:20: api_url: http is for loopback only, since a token goes there; write https://ghe.example.com/api/v3\n"},
	{"github: { api_url: http://127.0.0.1.example.com, token_file: t, webhook_secret_file: s }\nrepositories: [a/b]\n",
	 "1:20: api_url: http is for loopback only, since a token goes there; write https://127.0.0.1.example.com\n"},
	{SMALL "database: postgresql://db/sluice\n",
	 "3:11: database: PostgreSQL is not available in this version; write \"database: sqlite\"\n"},
	{SMALL "database: mysql\n", "3:11: database: unknown \"mysql\"; write \"database: sqlite\"\n"},
	{SMALL "limits: { jobs: 0 }\n", "3:17: jobs: 0 is not between 1 and 1024\n"},
	{SMALL "limits: { plan_timeout: 10 }\n", "3:25: plan_timeout: expected a duration such as 150ms, 30s, 5m or 2h, found \"10\"\n"},
	{SMALL "limits: { plan_timeout: 10ms }\n", "3:25: plan_timeout: 10ms is not between 1 s and 86400 s\n"},
	{SMALL "limits: { memory: 1GB }\n", "3:19: memory: expected a size such as 100, 4KiB, 64MiB or 1GiB, found \"1GB\"\n"},
	{SMALL "limits: { memory: 1MiB }\n", "3:19: memory: 1MiB is not between 32768 KiB and 1073741824 KiB\n"},
	{SMALL "limits: { job: 1 }\n", "3:11: unknown key \"job\", did you mean \"jobs\"?\n"},
	{SMALL "egress: { plan: [sts.amazonaws.com] }\n", "3:18: plan: \"sts.amazonaws.com\" is not HOST:PORT: the port is missing\n"},
	{SMALL "egress: { plan: [\"*:443\"] }\n",
	 "3:18: plan: \"*:443\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\"\n"},
	{SMALL "providers: { allow: [\"a***\"] }\n",
	 "3:22: allow: \"a***\" is no rule for providers: it begins with HOST/NAMESPACE/TYPE or NAMESPACE/TYPE, with * for a whole part\n"},
	{SMALL "providers: { allow: [hashicorp/aws, \"hashicorp/aws latest\"] }\n",
	 "3:37: allow: \"hashicorp/aws latest\" is no rule for providers: a constraint is =, !=, >, >=, <, <= or ~> and a version like 5.99.0, several with "
	 "commas between them\n"},
	{SMALL "providers: { allow: [] }\n",
	 "3:21: allow: an empty list allows no provider at all: name one, or leave the key out to allow all of the mirror\n"},
	{SMALL "providers: { allow: [\"hashicorp/aws >= 5.0, < 6 h1:abcdefgh=\"] }\nlistne: x\n", "4:1: unknown key \"listne\", did you mean \"listen\"?\n"},
	{SMALL "roles: { acme: { \"*\": plan } }\n",
	 "3:10: roles: \"acme\" never fits OWNER/NAME; write \"*/*\" for all, \"OWNER/*\" for those of one owner\n"},
	{SMALL "roles: { a/b: { alice: plan } }\n", "3:17: roles: \"alice\" is nobody; write \"team:NAME\", \"user:NAME\" or \"*\"\n"},
	{SMALL "roles: { a/b: { \"user:\": plan } }\n", "3:17: roles: \"user:\" is nobody; write \"team:NAME\", \"user:NAME\" or \"*\"\n"},
	{SMALL "roles: { a/b: { \"*\": admn } }\n", "3:22: roles: unknown word \"admn\", did you mean \"admin\"?\n"},
	{SMALL "roles: { a/b: plan }\n", "3:15: roles: expected a map, found text\n"},
	{SMALL "defaults: { engin: terraform }\n", "3:13: unknown key \"engin\", did you mean \"engine\"?\n"},
	{SMALL "defaults: { approvals: { count: 99 } }\n", "3:33: count: 99 is not between 0 and 10\n"},
	{SMALL "overrides: { projects: [] }\n",
	 "3:14: overrides: \"projects\" belongs to one repository; here stand keys that fit every project, such as engine or requires\n"},
	{SMALL "overrides: [a]\n", "3:12: overrides: expected a map, found a list\n"},
	{SMALL "listne: x\n", "3:1: unknown key \"listne\", did you mean \"listen\"?\n"},
	{SMALL "data_dir: [a]\nlimits: 5\n", "3:11: data_dir: expected text, found a list\n4:9: limits: expected a map, found a number\n"},
};

static void refused(void **state)
{
	(void)state;
	config_refused(true, refusals, ARRAY_LEN(refusals));
}

static void loopback_may_be_plain(void **state)
{
	static const char *const urls[] = {"http://localhost:3000", "http://127.0.0.1", "http://127.9.9.9:1/api/v3", "http://[::1]:80", "http://LOCALHOST"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		CLEANUP_FREE char *text = xasprintf("github: { api_url: \"%s\", token_file: t, webhook_secret_file: s }\nrepositories: [a/b]\n", urls[i]);
		struct server_config c;
		config_server(text, &c);
		assert_string_equal(c.api_url, urls[i]);
		server_config_free(&c);
	}
}

static void relative_to_the_file(void **state)
{
	struct server_config c;
	(void)state;
	CLEANUP_FREE char *here = getcwd(NULL, 0);
	CLEANUP_FREE char *want = xasprintf("%s/conf/t", here);
	assert_int_equal(server_config_parse("conf/s.yaml", SMALL, strlen(SMALL), &c, NULL), 0);
	assert_string_equal(c.token_file, want);
	server_config_free(&c);
	assert_int_equal(server_config_parse("/s.yaml", SMALL, strlen(SMALL), &c, NULL), 0);
	assert_string_equal(c.token_file, "/t");
	server_config_free(&c);
}

static void loading(void **state)
{
	char dir[] = "/tmp/sluice-test-XXXXXX";
	struct server_config c;
	struct config_errors errors = {0};
	struct err err = {0};
	(void)state;
	assert_non_null(mkdtemp(dir));
	CLEANUP_FREE char *file = fs_join(dir, "s.yaml");
	assert_int_equal(server_config_load(file, &c, &errors, &err), ERR_NOT_FOUND);
	assert_int_equal(fs_write_fast(file, SMALL, strlen(SMALL), 0600, &err), 0);
	assert_int_equal(server_config_load(file, &c, &errors, &err), 0);
	server_config_free(&c);
	assert_int_equal(fs_write_fast(file, "x: 1\n", 5, 0600, &err), 0);
	assert_int_equal(server_config_load(file, &c, &errors, &err), ERR_PARSE);
	assert_int_equal(errors.n, 3);
	config_errors_free(&errors);
	assert_int_equal(fs_remove_tree(dir, &err), 0);
}

/* What of the file a plan is bound to: each row against the first. */
static void what_binds(void **state)
{
	static const struct {
		const char *more;
		bool same;
	} rows[] = {
		{"defaults:\n  apply: on_merge\n", true},
		{"# a comment\ndefaults:\n\n  # another\n  apply: on_merge\n", true},
		{"listen: 127.0.0.1:9\ndefaults:\n  apply: on_merge\n", true},
		{"defaults:\n  apply: on_merge\nlimits: { jobs: 9 }\n", true},
		{"defaults:\n  apply: on_comment\n", false},
		{"defaults:\n  apply: on_merge\noverrides: { approvals: { count: 2 } }\n", false},
		{"defaults:\n  apply: on_merge\negress: { plan: [\"a:1\"] }\n", false},
		{"", false},
	};
	char dir[] = "/tmp/sluice-test-XXXXXX", first[65] = "";
	struct err err = {0};
	(void)state;
	assert_non_null(mkdtemp(dir));
	CLEANUP_FREE char *file = fs_join(dir, "s.yaml");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server_config c;
		struct config_errors errors = {0};
		CLEANUP_FREE char *text = xasprintf("%s%s", SMALL, rows[i].more);
		assert_int_equal(fs_write_fast(file, text, strlen(text), 0600, &err), 0);
		assert_int_equal(server_config_load(file, &c, &errors, &err), 0);
		if (i == 0)
			memcpy(first, c.digest, sizeof(first));
		assert_int_equal(strcmp(first, c.digest) == 0, rows[i].same);
		server_config_free(&c);
	}
	assert_int_equal(fs_remove_tree(dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key), cmocka_unit_test(built_in),     cmocka_unit_test(refused),	     cmocka_unit_test(loopback_may_be_plain),
		cmocka_unit_test(relative_to_the_file), cmocka_unit_test(loading), cmocka_unit_test(what_binds),
		cmocka_unit_test(where_the_fetch_step_may_go),
	};
	return cmocka_run_group_tests_name("sluice-server.yaml", tests, NULL, NULL);
}
