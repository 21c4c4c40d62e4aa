/* What comes from the table: the sample file, the effective values, the reference in docs/configuration.md. */
#include "base/fs.h"
#include "plan/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void parse(const char *text, struct server_config *ret)
{
	struct config_errors errors = {0};
	if (server_config_parse("/etc/s.yaml", text, strlen(text), ret, &errors) != 0) {
		CLEANUP_BUF struct buf out = {0};
		config_errors_print(&errors, &out);
		fail_msg("%s\n%s", text, buf_str(&out));
	}
}

static void sample_is_fine(void **state)
{
	CLEANUP_BUF struct buf sample = {0};
	struct server_config c;
	(void)state;
	server_config_print_sample(&sample);
	parse(buf_str(&sample), &c);
	assert_int_equal(c.app_id, 12345);
	assert_null(c.token_file);
	assert_string_equal(c.public_url, "https://sluice.example.com");
	assert_int_equal(c.roles_n, 0);
	server_config_free(&c);
}

/* Every line that is commented out is a key with a value that is allowed; the token alone would be one way to sign in too many. */
static void sample_is_fine_when_uncommented(void **state)
{
	CLEANUP_BUF struct buf sample = {0};
	CLEANUP_BUF struct buf active = {0};
	struct server_config c;
	(void)state;
	server_config_print_sample(&sample);
	for (const char *s = buf_str(&sample); *s != '\0';) {
		size_t len = strcspn(s, "\n");
		bool key = s[0] == '#' && s[1] != ' ' ? true : s[0] == '#' && strncmp(s, "#  ", 3) == 0;
		if (len > 0 && strncmp(s, "#  token_file:", 14) != 0)
			buf_printf(&active, "%.*s\n", (int)(len - key), s + key);
		s += len + (s[len] == '\n');
	}
	parse(buf_str(&active), &c);
	assert_int_equal(c.app_id, 12345);
	assert_int_equal(c.jobs, 4);
	assert_string_equal(c.mirror_dir, "/etc/providers");
	assert_string_equal(c.egress_plan.v[0], "sts.*.amazonaws.com:443");
	assert_string_equal(c.engine_dir, "/opt/engines");
	assert_int_equal(c.roles_n, 3);
	server_config_free(&c);
}

static const char all[] = "listen: \"[::1]:9090\"\n"
			  "data_dir: with space\n"
			  "github:\n"
			  "  api_url: http://localhost:8081\n"
			  "  token_file: \"true\"\n"
			  "  webhook_secret_file: [a, 'b: c']\n"
			  "repositories: [\"acme/*\", \"!acme/old\"]\n"
			  "defaults: { engine: opentofu, when_modified: [\"**/*.tf\"], approvals: { count: 2 } }\n"
			  "limits: { jobs: 9, plan_timeout: 90s, apply_timeout: 90m, memory: 1536MiB, output: 5000 }\n"
			  "egress: { plan: [\"*.corp.example:443\"] }\n"
			  "roles: { \"acme/*\": { \"*\": plan } }\n";

static const char all_printed[] = "listen: \"[::1]:9090\"                                     # /etc/s.yaml:1\n"
				  "public_url: \"http://[::1]:9090\"                          # built in\n"
				  "data_dir: \"/etc/with space\"                              # /etc/s.yaml:2\n"
				  "database: sqlite                                         # built in\n"
				  "github:\n"
				  "  api_url: http://localhost:8081                         # /etc/s.yaml:4\n"
				  "  # app: not set\n"
				  "  token_file: /etc/true                                  # /etc/s.yaml:5\n"
				  "  reconcile: 5m                                          # built in\n"
				  "  webhook_secret_file: [/etc/a, \"/etc/b: c\"]             # /etc/s.yaml:6\n"
				  "repositories: [\"acme/*\", \"!acme/old\"]                    # /etc/s.yaml:7\n"
				  "defaults: { engine: opentofu, when_modified: [\"**/*.tf\"], approvals: { count: 2 } } # /etc/s.yaml:8\n"
				  "overrides: {}                                            # built in\n"
				  "limits:\n"
				  "  jobs: 9                                                # /etc/s.yaml:9\n"
				  "  jobs_per_repository: 2                                 # built in\n"
				  "  jobs_per_person: 2                                     # built in\n"
				  "  queued_per_person: 200                                 # built in\n"
				  "  plan_timeout: 90s                                      # /etc/s.yaml:9\n"
				  "  apply_timeout: 90m                                     # /etc/s.yaml:9\n"
				  "  plan_expiry: 168h                                      # built in\n"
				  "  memory: 1536MiB                                        # /etc/s.yaml:9\n"
				  "  # memory_total: not set\n"
				  "  cpu_time: 30m                                          # built in\n"
				  "  processes: 1024                                        # built in\n"
				  "  workspace: 512MiB                                      # built in\n"
				  "  files: 100000                                          # built in\n"
				  "  silence: 15m                                           # built in\n"
				  "  output: 5000                                           # /etc/s.yaml:9\n"
				  "providers:\n"
				  "  # mirror: not set\n"
				  "  # allow: not set\n"
				  "  download: true                                         # built in\n"
				  "egress:\n"
				  "  plan: [\"*.corp.example:443\"]                           # /etc/s.yaml:10\n"
				  "  apply: []                                              # built in\n"
				  "  fetch: [registry.terraform.io:443, releases.hashicorp.com:443, registry.opentofu.org:443, github.com:443, codeload.github.com:443, \"*.githubusercontent.com:443\"] # built in\n"
				  "  # ca_file: not set\n"
				  "  repositories: {}                                       # built in\n"
				  "sandbox:\n"
				  "  floor: bounded                                         # built in\n"
				  "  below_floor: []                                        # built in\n"
				  "  compat: []                                             # built in\n"
				  "# engines: not set\n"
				  "roles: { \"acme/*\": { \"*\": plan } }                       # /etc/s.yaml:11\n";

static void effective_values(void **state)
{
	CLEANUP_BUF struct buf once = {0};
	struct server_config c, again;
	(void)state;
	parse(all, &c);
	server_config_print(&c, &once);
	assert_string_equal(buf_str(&once), all_printed);
	parse(buf_str(&once), &again); /* it is a file with the same meaning */
	assert_string_equal(again.data_dir, c.data_dir);
	assert_int_equal(again.apply_timeout_ms, c.apply_timeout_ms);
	assert_int_equal(again.output_bytes, 5000);
	assert_int_equal(again.webhook_secret_files.n, 2);
	assert_string_equal(again.webhook_secret_files.v[1], "/etc/b: c");
	assert_int_equal(again.roles_n, 1);
	server_config_free(&again);
	server_config_free(&c);
}

/* docs/configuration.md has the tables as they are printed; `make docs` renews it. */
static void reference_in_the_docs(void **state)
{
	static const char file[] = "docs/configuration.md";
	CLEANUP_BUF struct buf doc = {0};
	CLEANUP_BUF struct buf want = {0};
	struct err err = {0};
	(void)state;
	if (!fs_exists(file)) /* not started in the checkout */
		skip();
	assert_int_equal(fs_read(file, 1 << 20, &doc, &err), 0);
	config_print_reference(&want);
	assert_non_null(strstr(buf_str(&doc), buf_str(&want)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sample_is_fine),      cmocka_unit_test(sample_is_fine_when_uncommented), cmocka_unit_test(effective_values),
		cmocka_unit_test(reference_in_the_docs),
	};
	return cmocka_run_group_tests_name("configuration, printed", tests, NULL, NULL);
}
