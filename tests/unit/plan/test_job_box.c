/* Which box a job gets: floors, profiles, and rules of the network that are only ever narrowed. */
#include "plan/job_box.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define REPO "acme/infra"

static void list(struct strlist *l, const char *lines) { text_split_lines(lines, l); }

static struct tier_finding no_landlock = {.name = (char[]){"landlock"}, .at_most = TIER_REDUCED, .seen = (char[]){"the kernel knows none"},
					  .fix = (char[]){"run Linux 5.13 or later"}};

static void floors(void **state)
{
	static const struct {
		enum tier host, floor;
		const char *below, *want; /* NULL: it runs */
		enum tier least;
	} rows[] = {
		{TIER_FULL, TIER_FULL, NULL, NULL, TIER_FULL},
		{TIER_FULL, TIER_BOUNDED, NULL, NULL, TIER_BOUNDED},
		{TIER_BOUNDED, TIER_BOUNDED, NULL, NULL, TIER_BOUNDED},
		{TIER_REDUCED, TIER_REDUCED, NULL, NULL, TIER_REDUCED},
		{TIER_REDUCED, TIER_BOUNDED, NULL,
		 "the sandbox of this server is only `reduced`, and jobs of pull requests need `bounded` (`sandbox.floor`): landlock: the kernel knows none;"
		 " run Linux 5.13 or later. The operator mends that and starts the server again, or lists this repository in `sandbox.below_floor`", 0},
		{TIER_REDUCED, TIER_BOUNDED, "acme/other", "the sandbox of this server is only `reduced`", 0},
		{TIER_REDUCED, TIER_BOUNDED, "ACME/*", NULL, TIER_REDUCED},
		{TIER_REDUCED, TIER_FULL, "acme/*\n!acme/infra", "the sandbox of this server is only `reduced`", 0},
		{TIER_BOUNDED, TIER_FULL, NULL, "the sandbox of this server is only `bounded`", 0},
		/* nothing opens this */
		{TIER_NONE, TIER_BOUNDED, NULL, "no sandbox stands on this server, and nothing runs without one: landlock: the kernel knows none;", 0},
		{TIER_NONE, TIER_NONE, NULL, "no sandbox stands on this server", 0},
		{TIER_NONE, TIER_BOUNDED, "acme/*", "no sandbox stands on this server", 0},
		{TIER_FULL, TIER_NONE, NULL, NULL, TIER_REDUCED},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server_config config = {.sandbox_floor = (int)rows[i].floor};
		struct tier_report host = {.tier = rows[i].host, .v = &no_landlock, .n = rows[i].host == TIER_FULL ? 0 : 1};
		struct job_row job = {.phase = PHASE_PLAN, .project = (char[]){"net"}};
		struct job_box box = {0};
		struct err err = {0};
		list(&config.below_floor, rows[i].below);
		int rc = job_box_make(&config, &host, REPO, &job, &box, &err);
		if ((rc == 0) != (rows[i].want == NULL) || (rc != 0 && (rc != ERR_REFUSED || !text_starts(err.msg, rows[i].want))))
			fail_msg("row %zu: %s", i, rc != 0 ? err.msg : "it runs");
		assert_int_equal(box.least, rows[i].least);
		strlist_free(&config.below_floor);
		job_box_free(&box);
	}
}

static void profiles(void **state)
{
	static const struct {
		const char *sandbox, *compat;
		enum job_phase phase;
		int want; /* -1: refused */
	} rows[] = {
		{"strict", NULL, PHASE_PLAN, PROFILE_PLAN},   {"strict", "acme/*", PHASE_APPLY, PROFILE_APPLY}, {NULL, NULL, PHASE_DRIFT, PROFILE_PLAN},
		{"compat", "acme/*", PHASE_PLAN, PROFILE_COMPAT}, {"compat", "Acme/Infra", PHASE_APPLY, PROFILE_COMPAT}, {"compat", NULL, PHASE_PLAN, -1},
		{"compat", "acme/*\n!acme/infra", PHASE_APPLY, -1},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server_config config = {.sandbox_floor = TIER_BOUNDED};
		struct tier_report host = {.tier = TIER_FULL};
		struct job_row job = {.phase = rows[i].phase, .project = (char[]){"net"}, .sandbox = xstrdup(rows[i].sandbox)};
		struct job_box box = {0};
		struct err err = {0};
		list(&config.compat, rows[i].compat);
		int rc = job_box_make(&config, &host, REPO, &job, &box, &err);
		if (rows[i].want >= 0)
			assert_int_equal(rc, 0);
		else
			assert_string_equal(err.msg, "`net` asks for `sandbox: compat` in `sluice.yaml`, and `sandbox.compat` of the server's file does not list"
						     " acme/infra: take it out of `sluice.yaml`, or ask the operator");
		if (rc == 0)
			assert_int_equal(box.profile, rows[i].want);
		free(job.sandbox);
		strlist_free(&config.compat);
		job_box_free(&box);
	}
}

#define MAY_NOT(what, key)                                                                                                                 \
	"!`net` wants to connect to `" what "` (`egress." key "` in `sluice.yaml`), which the server's file does not allow (`egress." key "`,"   \
	" `egress.repositories`): take it out there, or ask the operator"

static void rules(void **state)
{
	static const struct {
		enum job_phase phase;
		const char *own, *want; /* own NULL: not said; want NULL: no network, "!": the sentence */
	} rows[] = {
		{PHASE_PLAN, NULL, "sts.*.example.com:443\nstate.corp.example:443=10.0.0.0/8"},
		{PHASE_DRIFT, NULL, "sts.*.example.com:443\nstate.corp.example:443=10.0.0.0/8"},
		{PHASE_APPLY, NULL, "*.example.com:443\nstate.corp.example:8443"},
		{PHASE_PLAN, "", NULL},
		{PHASE_PLAN, "sts.eu.example.com:443", "sts.eu.example.com:443"},
		{PHASE_PLAN, "sts.*.example.com:443", "sts.*.example.com:443"},
		{PHASE_PLAN, "state.corp.example:443", "state.corp.example:443=10.0.0.0/8"}, /* the pin stays */
		{PHASE_PLAN, "state.corp.example:443=10.0.0.0/8\nsts.us.example.com:443", "state.corp.example:443=10.0.0.0/8\nsts.us.example.com:443"},
		{PHASE_PLAN, "evil.example:443", MAY_NOT("evil.example:443", "plan")},
		{PHASE_PLAN, "*.example.com:443", MAY_NOT("*.example.com:443", "plan")},
		{PHASE_PLAN, "sts.eu.example.com:80", MAY_NOT("sts.eu.example.com:80", "plan")},
		{PHASE_PLAN, "state.corp.example:443=192.168.0.0/16", MAY_NOT("state.corp.example:443=192.168.0.0/16", "plan")},
		{PHASE_APPLY, "sts.eu.other.com:443", MAY_NOT("sts.eu.other.com:443", "apply")},
		{PHASE_APPLY, "a.example.com:443", "a.example.com:443"},
	};
	(void)state;
	struct egress_scope scopes[2] = {{.repository = (char[]){"acme/infra"}}, {.repository = (char[]){"acme/other"}}};
	struct server_config config = {.sandbox_floor = TIER_BOUNDED, .egress_scopes = scopes, .egress_scopes_n = 2};
	struct tier_report host = {.tier = TIER_FULL};
	list(&config.egress_plan, "sts.*.example.com:443");
	list(&config.egress_apply, "*.example.com:443");
	list(&scopes[0].plan, "state.corp.example:443=10.0.0.0/8\nsts.*.example.com:443");
	list(&scopes[0].apply, "state.corp.example:8443");
	list(&scopes[1].plan, "evil.example:443");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job_row job = {.phase = rows[i].phase, .project = (char[]){"net"}};
		struct job_box box = {0};
		struct err err = {0};
		char **own = rows[i].phase == PHASE_APPLY ? &job.egress_apply : &job.egress_plan;
		*own = xstrdup(rows[i].own);
		int rc = job_box_make(&config, &host, REPO, &job, &box, &err);
		const char *want = rows[i].want, *got = rc != 0 ? err.msg : box.egress;
		bool no = want != NULL && want[0] == '!';
		want = no ? want + 1 : want != NULL ? want : "";
		if (rc != (no ? ERR_REFUSED : 0) || strcmp(got != NULL ? got : "", want) != 0)
			fail_msg("row %zu: %s", i, got != NULL ? got : "no network");
		free(*own);
		job_box_free(&box);
	}
	strlist_free(&config.egress_plan);
	strlist_free(&config.egress_apply);
	for (size_t i = 0; i < 2; i++) {
		strlist_free(&scopes[i].plan);
		strlist_free(&scopes[i].apply);
	}
}

static void how_many_at_once(void **state)
{
	static const struct {
		int64_t jobs, memory, total, machine, want;
	} rows[] = {
		{4, 1024, 0, 16384, 4}, {4, 1024, 0, 4096, 3}, {4, 1024, 0, 1024, 1}, {4, 1024, 0, 100, 1}, {4, 1024, 2048, 16384, 2}, {4, 1024, 2047, 16384, 1},
		{4, 1024, 65536, 1024, 4}, {1, 1024, 0, 16384, 1}, {4, 1024, 0, 0, 4}, /* it cannot be told */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct server_config config = {.jobs = rows[i].jobs, .memory_bytes = rows[i].memory, .memory_total = rows[i].total};
		assert_int_equal(job_box_at_once(&config, rows[i].machine), rows[i].want);
	}
}

static void words(void **state)
{
	struct tier_finding found[] = {{.name = (char[]){"fine"}, .ok = true, .at_most = TIER_NONE},
				       {.name = (char[]){"cgroup"}, .at_most = TIER_BOUNDED, .seen = (char[]){"none is delegated"}, .fix = (char[]){"say Delegate=yes"}},
				       no_landlock};
	(void)state;
	CLEANUP_FREE char *full = job_box_words(&(struct tier_report){.tier = TIER_FULL, .v = found, .n = 1});
	assert_string_equal(full, "full (own namespaces, files and network, Landlock, seccomp, control group)");
	CLEANUP_FREE char *bounded = job_box_words(&(struct tier_report){.tier = TIER_BOUNDED, .v = found, .n = 2});
	assert_string_equal(bounded, "bounded: cgroup: none is delegated");
	CLEANUP_FREE char *reduced = job_box_words(&(struct tier_report){.tier = TIER_REDUCED, .v = found, .n = 3}); /* the worst first */
	assert_string_equal(reduced, "reduced: landlock: the kernel knows none");
	CLEANUP_FREE char *none = job_box_words(&(struct tier_report){.tier = TIER_NONE, .why = (char[]){"it did not answer"}});
	assert_string_equal(none, "none: it did not answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(floors), cmocka_unit_test(profiles), cmocka_unit_test(rules), cmocka_unit_test(how_many_at_once),
					   cmocka_unit_test(words)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
