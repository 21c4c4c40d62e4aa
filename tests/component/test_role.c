/* Who may do what: the operator's rules with teams, or GitHub's own permission; and that unknown is nothing. */
#include "plan/role.h"

#include "tests/component/world.h"

struct looked {
	bool done;
	enum role role;
	char failed[256];
};

static void on_role(enum role role, const char *failed, void *arg)
{
	struct looked *k = arg;
	assert_false(k->done);
	k->done = true;
	k->role = role;
	(void)snprintf(k->failed, sizeof(k->failed), "%s", failed != NULL ? failed : "");
}

static struct looked look(struct world *w, const char *login)
{
	struct looked k = {0};
	(void)role_lookup_start(w->r.gh, &w->r.config, REPO, login, on_role, &k); /* gone when it is answered */
	assert_false(k.done);
	assert_true(loop_run_until(w->l, &k.done, 10000));
	return k;
}

static void people(struct world *w)
{
	static const char *const rows[][2] = {{"root", "admin"}, {"wanda", "write"}, {"rita", "read"}, {"nils", "none"}};
	struct err err = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		sim_must(sim_permission(w->sim, REPO, rows[i][0], rows[i][1], &err), &err);
}

static void by_permission(void **state)
{
	static const struct {
		const char *login;
		enum role role;
	} rows[] = {{"root", ROLE_ADMIN}, {"wanda", ROLE_APPLY}, {"rita", ROLE_READ}, {"nils", ROLE_NONE}, {"stranger", ROLE_NONE}};
	struct world *w = *state;
	people(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct looked k = look(w, rows[i].login);
		assert_string_equal(k.failed, "");
		if (k.role != rows[i].role)
			fail_msg("%s has %s", rows[i].login, role_name(k.role));
	}
}

static void by_rules(void **state)
{
	static const char rules[] = "roles:\n"
				    "  \"acme/*\": { \"team:platform\": apply, \"team:readers\": read }\n"
				    "  \"acme/infra\": { \"user:nils\": plan }\n";
	static const struct {
		const char *login;
		enum role role;
	} rows[] = {
		{"root", ROLE_NONE} /* rules are all there is */, {"wanda", ROLE_APPLY}, {"rita", ROLE_READ}, {"nils", ROLE_PLAN}, {"pending", ROLE_NONE},
	};
	(void)state;
	struct world *w = world_open(rules);
	people(w);
	sim_team(w->sim, "acme", "platform", "wanda", "active");
	sim_team(w->sim, "acme", "readers", "rita", "active");
	sim_team(w->sim, "acme", "platform", "pending", "pending");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct looked k = look(w, rows[i].login);
		assert_string_equal(k.failed, "");
		if (k.role != rows[i].role)
			fail_msg("%s has %s", rows[i].login, role_name(k.role));
	}
	world_faults(w, "team=status:403");
	struct looked k = look(w, "wanda");
	assert_int_equal(k.role, ROLE_NONE);
	assert_true(k.failed[0] != '\0');
	world_close(w);
}

static void not_readable(void **state)
{
	struct world *w = *state;
	people(w);
	world_faults(w, "permission=status:403");
	struct looked k = look(w, "root");
	assert_int_equal(k.role, ROLE_NONE);
	says(k.failed, "403");
	world_faults(w, "");
}

static void given_up(void **state)
{
	struct world *w = *state;
	struct looked k = {0};
	people(w);
	role_lookup_cancel(NULL);
	struct role_lookup *r = role_lookup_start(w->r.gh, &w->r.config, REPO, "root", on_role, &k);
	role_lookup_cancel(r);
	rig_pass(&w->r, 100);
	assert_false(k.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {WT(by_permission), cmocka_unit_test(by_rules), WT(not_readable), WT(given_up)};
	return cmocka_run_group_tests(tests, rig_warm_up, rig_cool_down);
}
