/* What stands around the table: callouts, folds, next steps. Whole comments, byte for byte. */
#include "base/text.h"
#include "plan/render_internal.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct gate_facts gate_facts_good(void)
{
	return (struct gate_facts){
		.open = TRI_YES,
		.draft = TRI_NO,
		.merged = TRI_NO,
		.head_is_planned = TRI_YES,
		.base_protected = TRI_YES,
		.base_ref = "main",
		.mergeable = TRI_YES,
		.may_apply = TRI_YES,
		.reviews_read = TRI_YES,
		.approvals = 1,
		.approvals_needed = 1,
		.checks_ok = TRI_YES,
		.checks_needed = true,
		.up_to_date = TRI_YES,
		.up_to_date_needed = true,
		.projects = 4,
		.planned = 4,
		.rules_read = TRI_YES,
		.told = TRI_YES,
		.policies = TRI_YES,
	};
}

static void apply_refused(void **state)
{
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.asker = "bob";
	f.approvals = 0;
	f.not_counted = "`@carol` approved an older commit whose plan of `network` differs.";
	f.checks_ok = TRI_NO;
	f.checks_failing = "`unit`, `lint`";
	f.base_protected = TRI_UNKNOWN;
	f.read_failed[GATE_READ_BRANCH] = "GET /repos/acme/infra/branches/main: 502";
	gate_evaluate(&f, &gate);
	struct view v = view_example(VIEW_APPLY_ASKED, view_done, 1);
	v.gate = &gate;
	v.refused = "apply asked by @bob: refused, 1 approval is missing";
	view_golden("apply_refused", &v);
	gate_verdict_free(&gate);
}

static void applying_and_applied(void **state)
{
	static const struct view_project running[] = {
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = VIEW_LOG("5")},
		{.name = "db", .state = VIEW_APPLYING, .summary = &plan_db, .running_ms = 95000, .log_url = VIEW_LOG("6")},
		{.name = "web", .state = VIEW_QUEUED, .waiting_for = "db", .summary = &plan_web},
	};
	static const struct view_project done[] = {
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = VIEW_LOG("5")},
		{.name = "db", .state = VIEW_APPLIED, .summary = &plan_db, .took_ms = 200000, .log_url = VIEW_LOG("6")},
		{.name = "web", .state = VIEW_APPLIED, .summary = &plan_web, .took_ms = 3000, .log_url = VIEW_LOG("7")},
		{.name = "same", .state = VIEW_PLANNED, .summary = &plan_none},
	};
	static const struct view_project failed[] = {
		{.name = "db",
		 .state = VIEW_APPLY_FAILED,
		 .summary = &plan_db,
		 .error = error_apply,
		 .took_ms = 12000,
		 .log_url = VIEW_LOG("6"),
		 .state_note = "2 of 3 changes were made before it; the state says so: serial 4 kept"},
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = VIEW_LOG("5")},
		{.name = "web",
		 .state = VIEW_UNKNOWN,
		 .summary = &plan_web,
		 .log_url = VIEW_LOG("7"),
		 .state_note = "state: serial 9 kept"},
		{.name = "api", .state = VIEW_CANCELLED, .summary = &plan_network, .log_url = VIEW_LOG("8")},
	};
	(void)state;
	struct view v = view_example(VIEW_APPLYING_RUN, running, ARRAY_LEN(running));
	v.merge_sha = "9f8e7d6c5b4a39281706f5e4d3c2b1a001122334";
	view_golden("applying", &v);
	struct view d = view_example(VIEW_APPLY_DONE, done, ARRAY_LEN(done));
	d.merge_sha = v.merge_sha;
	view_golden("applied", &d);
	struct view f = view_example(VIEW_APPLY_DONE, failed, ARRAY_LEN(failed));
	f.merge_sha = v.merge_sha;
	view_golden("apply_failed", &f);
	struct view only_failed = view_example(VIEW_APPLY_DONE, failed, 1);
	only_failed.merge_sha = v.merge_sha;
	view_golden("apply_failed_one", &only_failed);
}

static void plan_done_quiet(void **state)
{
	static const struct view_project one[] = {
		{.name = "network", .state = VIEW_PLANNED, .summary = &plan_network, .diff = diff_network, .log_url = VIEW_LOG("1")}};
	static const struct view_project same[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("1")},
		{.name = "b", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("2")},
		{.name = "c", .state = VIEW_DELETED},
	};
	static const struct view_project drift[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("1")},
		{.name = "b",
		 .state = VIEW_PLANNED,
		 .summary = &plan_drifted,
		 .log_url = VIEW_LOG("2"),
		 .diff = "# aws_security_group.web was changed outside\n"},
	};
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.projects = f.planned = 1;
	gate_evaluate(&f, &gate);
	struct view v = view_example(VIEW_PLAN_DONE, one, ARRAY_LEN(one));
	v.gate = &gate;
	view_golden("plan_one", &v);
	struct view s = view_example(VIEW_PLAN_DONE, same, ARRAY_LEN(same));
	view_golden("plan_nothing", &s);
	struct view d = view_example(VIEW_PLAN_DONE, drift, ARRAY_LEN(drift));
	view_golden("plan_drift", &d);
	gate_verdict_free(&gate);
}

/* A few errors stand open; many are folded, so that they do not bury the rest. */
static void open_while_few(void **state)
{
	(void)state;
	for (size_t n = 3; n <= 4; n++) {
		struct crowd c;
		crowd_make(&c, 10);
		for (size_t i = 0; i < n; i++) {
			c.v[i].state = VIEW_FAILED;
			c.v[i].error = error_dns;
		}
		struct view v = view_example(VIEW_PLAN_DONE, c.v, c.n);
		CLEANUP_FREE char *got = view_comment(&v);
		assert_int_equal(strstr(got, "<details open>") != NULL, n == 3);
		assert_non_null(strstr(got, "An argument named \"ttll\" is not expected here."));
		crowd_free(&c);
	}
}

/* Ten lines in the callout, and the number of those that are not in it. */
static void callout_is_short(void **state)
{
	struct crowd c;
	(void)state;
	crowd_make(&c, 13);
	for (size_t i = 0; i < c.n; i++)
		c.v[i].summary = &plan_db;
	struct view v = view_example(VIEW_PLAN_DONE, c.v, c.n);
	CLEANUP_FREE char *got = view_comment(&v);
	assert_non_null(strstr(got, "> **`live/prod/project-0009` replaces"));
	assert_null(strstr(got, "> **`live/prod/project-0010` replaces"));
	assert_non_null(strstr(got, "> and 3 more, in the plans below.\n"));
	for (size_t i = 0; i < c.n; i++)
		c.v[i].state = VIEW_UNKNOWN;
	v.phase = VIEW_APPLY_DONE;
	CLEANUP_FREE char *applied = view_comment(&v);
	assert_non_null(strstr(applied, "> **`live/prod/project-0009`: interrupted, outcome unknown.**"));
	assert_non_null(strstr(applied, "> and 3 more, in the plans below.\n"));
	assert_non_null(strstr(applied, "comments `resolve 812 --as applied`"));
	crowd_free(&c);
}

/* Why something is replaced or destroyed, in every form. */
static void callout_words(void **state)
{
	static char address[] = "t.a", data[] = "aws_db_instance", plain[] = "t", tainted[] = "is tainted", one[] = "a", two[] = "b[0].c";
	static char *forces[] = {one, two, one, two, one, two};
	static const struct {
		struct plan_change change;
		const char *want;
	} cases[] = {
		{{.kind = CHANGE_REPLACE, .type = plain, .forces = {forces, 1}},
		 "`p` replaces `t.a`**: `a` changes and forces a new resource.\n"},
		{{.kind = CHANGE_REPLACE, .type = plain, .forces = {forces, 2}},
		 "`p` replaces `t.a`**: `a`, `b[0].c` change and force a new resource.\n"},
		{{.kind = CHANGE_REPLACE, .type = plain, .forces = {forces, 6}},
		 "`p` replaces `t.a`**: `a`, `b[0].c`, `a`, `b[0].c` and 2 more change and force a new resource.\n"},
		{{.kind = CHANGE_REPLACE, .type = plain, .reason = tainted}, "`p` replaces `t.a`**: is tainted.\n"},
		{{.kind = CHANGE_REPLACE, .type = plain}, "`p` replaces `t.a`**: the provider cannot change it in place.\n"},
		{{.kind = CHANGE_REPLACE, .type = data, .create_before_destroy = true},
		 "`p` replaces `t.a`**: the provider cannot change it in place; the new one is created first. Its data does not survive a replacement.\n"},
		{{.kind = CHANGE_DESTROY, .type = plain}, "`p` destroys `t.a`**.\n"},
		{{.kind = CHANGE_DESTROY, .type = plain, .reason = tainted}, "`p` destroys `t.a`**: is tainted.\n"},
		{{.kind = CHANGE_DESTROY, .type = data}, "`p` destroys `t.a`**. Its data goes with it.\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan_change change = cases[i].change;
		change.address = address;
		struct plan_summary s = {.applyable = true, .changes = &change, .changes_n = 1, .replace = 1};
		struct view_project p = {.name = "p", .state = VIEW_PLANNED, .summary = &s};
		struct view v = view_example(VIEW_PLAN_DONE, &p, 1);
		CLEANUP_FREE char *got = view_comment(&v);
		const char *line = strstr(got, "> **");
		if (line == NULL || strncmp(line + 4, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s\nwanted %s", got, cases[i].want);
	}
}

/* What is not worth a fold has none, and the last step of an apply that failed is a pull request. */
static void next_steps(void **state)
{
	static const struct {
		enum view_phase phase;
		struct view_project p;
		const char *want; /* NULL: no next step */
	} cases[] = {
		{VIEW_PLANNING, {.state = VIEW_RUNNING}, NULL},
		{VIEW_PLAN_DONE, {.state = VIEW_PLANNED, .summary = &plan_none}, "**Nothing to apply**: merge when you like."},
		{VIEW_PLAN_DONE, {.state = VIEW_PLANNED, .summary = &plan_drifted}, "**Nothing to apply**: merge when you like."},
		{VIEW_PLAN_DONE, {.state = VIEW_DELETED}, "**Nothing to apply**: merge when you like."},
		{VIEW_PLAN_DONE, {.state = VIEW_PLANNED, .summary = &plan_network}, "**To apply**: comment `apply`."},
		{VIEW_PLAN_DONE, {.state = VIEW_FAILED}, "**Next**: push a commit that mends the error, or comment `plan` to plan again."},
		{VIEW_APPLYING_RUN, {.state = VIEW_APPLYING}, NULL},
		{VIEW_APPLY_DONE, {.state = VIEW_APPLIED}, NULL},
		{VIEW_APPLY_DONE,
		 {.state = VIEW_APPLY_FAILED},
		 "**Next**: open a pull request that mends the cause; its plan shows what is left to do."},
		{VIEW_APPLY_DONE,
		 {.state = VIEW_UNKNOWN},
		 "**Next**: compare the real resources with the state. Then an admin comments `resolve 812 --as applied`"},
		{VIEW_APPLY_DONE, {.state = VIEW_UNKNOWN, .resolved = "failed by bob"}, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct view_project p = cases[i].p;
		p.name = "p";
		struct view v = view_example(cases[i].phase, &p, 1);
		CLEANUP_FREE char *got = view_comment(&v);
		assert_null(strstr(got, "<summary><b>p</b>"));
		if (cases[i].want != NULL)
			assert_non_null(strstr(got, cases[i].want));
		else
			assert_true(strstr(got, "**Next**") == NULL && strstr(got, "apply**") == NULL);
	}
}

/* A fold keeps to its room whatever stands in it, and uses most of it. */
static void fold_keeps_to_its_room(void **state)
{
	static const char *const lines[] = {"+   plain = 1\n", "``````` \xe2\x82\xac\n", "\xff\xff\xff\n", "`", "\x1b[31m+ red\n"};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct buf text = {0};
		while (text.len < 30000)
			buf_adds(&text, lines[i]);
		struct view_project p = {.name = "p",
					 .state = VIEW_PLANNED,
					 .diff = buf_str(&text),
					 .summary = &plan_network,
					 .log_url = VIEW_LOG("1")};
		for (size_t room = 0; room < 20000; room += 333) {
			CLEANUP_BUF struct buf out = {0};
			bool shown = render_detail(&out, &p, true, room);
			size_t chars = text_chars(buf_str(&out), out.len);
			assert_true(shown ? chars > 0 && chars <= room : out.len == 0);
			assert_true(shown || room < 1000);
		}
		buf_free(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply_refused),  cmocka_unit_test(applying_and_applied),   cmocka_unit_test(plan_done_quiet),
		cmocka_unit_test(open_while_few), cmocka_unit_test(callout_is_short),       cmocka_unit_test(callout_words),
		cmocka_unit_test(next_steps),     cmocka_unit_test(fold_keeps_to_its_room),
	};
	return cmocka_run_group_tests_name("render_detail", tests, NULL, NULL);
}
