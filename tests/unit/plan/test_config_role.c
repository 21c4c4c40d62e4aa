/* Which repositories are served, and who may do what in them. */
#include "tests/unit/plan/test_config.h"

static void repositories(void **state)
{
	struct server_config c;
	(void)state;
	config_server("github: { token_file: t, webhook_secret_file: s }\nrepositories: [\"acme/infra\", \"acme/*-tf\", \"!acme/old-*\", Other/x]\n", &c);
	assert_true(server_config_serves(&c, "acme/infra"));
	assert_true(server_config_serves(&c, "ACME/Infra"));
	assert_true(server_config_serves(&c, "acme/net-tf"));
	assert_false(server_config_serves(&c, "acme/old-tf"));
	assert_false(server_config_serves(&c, "acme/infra2"));
	assert_false(server_config_serves(&c, "evil/acme/infra"));
	assert_true(server_config_serves(&c, "other/X"));
	server_config_free(&c);
}

static void roles(void **state)
{
	static const struct {
		const char *repository, *login, *team;
		enum role role;
	} rows[] = {
		{"acme/infra", "alice", NULL, ROLE_ADMIN},         /* exact name, user */
		{"acme/infra", "ALICE", NULL, ROLE_ADMIN},
		{"acme/infra", "bob", NULL, ROLE_READ},            /* exact name, everybody: before the user rule of a wider glob */
		{"acme/infra", "carol", "acme/platform", ROLE_NONE}, /* exact name, team: none is an answer */
		{"acme/net-tf", "alice", NULL, ROLE_PLAN},         /* longer plain beginning: nobody fits there but * */
		{"acme/net-tf", "carol", "acme/platform", ROLE_APPLY},
		{"acme/web", "bob", NULL, ROLE_APPLY},             /* user before everybody */
		{"acme/web", "carol", "acme/Platform", ROLE_ADMIN},
		{"acme/web", "carol", "other/platform", ROLE_PLAN}, /* a team of another owner is not meant by its bare name */
		{"acme/web", "carol", "other/guests", ROLE_READ},  /* ... but by its full one */
		{"other/x", "alice", NULL, ROLE_READ},
		{"third/x", "alice", NULL, ROLE_NONE},             /* nothing fits */
	};
	struct server_config c;
	(void)state;
	config_server(SMALL "roles:\n"
		    "  \"acme/*\": { \"team:platform\": admin, \"team:other/guests\": read, \"user:bob\": apply, \"*\": plan }\n"
		    "  \"acme/net*\": { \"team:platform\": apply, \"*\": plan }\n"
		    "  Acme/Infra: { \"user:alice\": admin, \"team:platform\": none, \"*\": read }\n"
		    "  \"other/*\": { \"user:alice\": read }\n",
	      &c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strlist teams = {0};
		bool said = false;
		if (rows[i].team != NULL)
			strlist_add(&teams, rows[i].team);
		enum role role = server_config_role(&c, rows[i].repository, rows[i].login, &teams, &said);
		if (role != rows[i].role || !said)
			fail_msg("%s %s: %s", rows[i].repository, rows[i].login, role_name(role));
		strlist_free(&teams);
	}
	server_config_free(&c);
}

static void roles_said_or_not(void **state)
{
	struct server_config c;
	struct strlist teams = {0};
	bool said = true;
	(void)state;
	config_server(SMALL, &c);
	assert_int_equal(server_config_role(&c, "a/b", "x", &teams, &said), ROLE_NONE);
	assert_false(said);
	server_config_free(&c);
	config_server(SMALL "roles: {}\n", &c);
	assert_int_equal(server_config_role(&c, "a/b", "x", &teams, &said), ROLE_NONE);
	assert_true(said);
	server_config_free(&c);
	/* two teams, the better one counts */
	config_server(SMALL "roles: { a/b: { \"team:one\": plan, \"team:two\": apply } }\n", &c);
	strlist_add(&teams, "a/one");
	strlist_add(&teams, "a/two");
	assert_int_equal(server_config_role(&c, "a/b", "x", &teams, &said), ROLE_APPLY);
	strlist_free(&teams);
	server_config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(repositories), cmocka_unit_test(roles), cmocka_unit_test(roles_said_or_not)};
	return cmocka_run_group_tests_name("repositories and roles", tests, NULL, NULL);
}
