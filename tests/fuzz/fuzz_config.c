/* Both configuration files from the same bytes: errors exactly when refused; what is accepted keeps what plan/config.h promises. */
#include "base/mem.h"
#include "plan/config.h"
#include "tests/fuzz/fuzz.h"

/* The library leaks for texts in quotes with many escapes; base/yaml.c tells. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libfyaml"; }

static void check_rule(const struct project_rule *r)
{
	ASSERT(r->dir != NULL && r->dir[0] != '\0' && r->dir[0] != '/');
	ASSERT(strncmp(r->dir, "../", 3) != 0 && strstr(r->dir, "/../") == NULL && strcmp(r->dir, "..") != 0);
	ASSERT(r->approvals >= 0 && r->approvals <= 10);
	ASSERT(!r->dir_is_glob || r->name == NULL);
	CLEANUP_FREE char *name = project_default_name(r->dir, r->workspace);
	ASSERT(name[0] != '\0');
}

static void try_repository(const char *bytes, size_t size, const struct server_config *server)
{
	struct repo_config c;
	struct config_errors errors = {0};
	CLEANUP_BUF struct buf out = {0};
	int rc = repo_config_parse("sluice.yaml", bytes, size, server, &c, &errors);
	ASSERT((rc == 0) == (errors.n == 0));
	config_errors_print(&errors, &out);
	if (rc == 0) {
		for (size_t i = 0; i < c.projects_n; i++)
			check_rule(&c.projects[i]);
		repo_config_free(&c);
	}
	config_errors_free(&errors);
}

/* What --print-config writes is a file that means the same. */
static void print_again(const struct server_config *c)
{
	CLEANUP_BUF struct buf once = {0};
	struct server_config again;
	struct config_errors errors = {0};
	server_config_print(c, &once);
	int rc = server_config_parse(c->file, buf_str(&once), once.len, &again, &errors);
	ASSERT(rc == 0);
	ASSERT(again.jobs == c->jobs && again.memory_bytes == c->memory_bytes && again.roles_n == c->roles_n);
	ASSERT(strcmp(again.public_url, c->public_url) == 0 && strcmp(again.data_dir, c->data_dir) == 0);
	server_config_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server_config server;
	struct config_errors errors = {0};
	const char *bytes = (const char *)data;
	int rc = server_config_parse("/etc/sluice/sluice-server.yaml", bytes, size, &server, &errors);
	ASSERT((rc == 0) == (errors.n == 0));
	config_errors_free(&errors);
	try_repository(bytes, size, NULL);
	if (rc != 0)
		return 0;
	static const char repository[] = "version: 1\nprojects:\n  - dir: live/*\n  - { name: a, dir: b, when_modified: ['../*'] }\n";
	bool said;
	struct strlist teams = {0};
	print_again(&server);
	(void)server_config_serves(&server, "acme/infra"); /* only that it does not crash */
	(void)server_config_role(&server, "acme/infra", "alice", &teams, &said);
	try_repository(repository, sizeof(repository) - 1, &server);
	server_config_free(&server);
	return 0;
}
