/* What check runs and statuses say: the table of states, annotations, buttons, and texts that always fit and cannot be forged. */
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "tests/support/plan_support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_table(void **state)
{
	static const struct {
		enum check_state s;
		const char *status, *conclusion, *state;
	} rows[] = {
		{CHECK_QUEUED, "queued", NULL, "pending"},
		{CHECK_RUNNING, "in_progress", NULL, "pending"},
		{CHECK_PARTIAL, "in_progress", NULL, "pending"},
		{CHECK_PLANNED, "completed", "success", "success"},
		{CHECK_APPLIED, "completed", "success", "success"},
		{CHECK_UNTOUCHED, "completed", "success", "success"},
		{CHECK_FAILED, "completed", "failure", "failure"},
		{CHECK_APPLY_FAILED, "completed", "failure", "failure"},
		{CHECK_TIMED_OUT, "completed", "timed_out", "failure"},
		{CHECK_REFUSED, "completed", "action_required", "failure"},
		{CHECK_CANCELLED, "completed", "cancelled", "failure"},
		{CHECK_SUPERSEDED, "completed", "cancelled", "failure"},
		{CHECK_UNKNOWN, "completed", "failure", "failure"},
		{CHECK_NOTHING_APPLIED, "completed", "action_required", "failure"},
	};
	(void)state;
	assert_int_equal(ARRAY_LEN(rows), CHECK_STATES);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct check_word *w = render_check_word(rows[i].s);
		assert_string_equal(w->status, rows[i].status);
		assert_string_equal(w->state, rows[i].state);
		if (rows[i].conclusion == NULL)
			assert_null(w->conclusion);
		else
			assert_string_equal(w->conclusion, rows[i].conclusion);
	}
}

static void of_projects(void **state)
{
	static const struct {
		enum view_state s;
		bool timed_out;
		enum check_state want;
	} rows[] = {
		{VIEW_QUEUED, false, CHECK_QUEUED},       {VIEW_RUNNING, false, CHECK_RUNNING},   {VIEW_PLANNED, false, CHECK_PLANNED},
		{VIEW_FAILED, false, CHECK_FAILED},       {VIEW_FAILED, true, CHECK_TIMED_OUT},   {VIEW_CANCELLED, false, CHECK_CANCELLED},
		{VIEW_REFUSED, false, CHECK_REFUSED},     {VIEW_APPLYING, false, CHECK_RUNNING},  {VIEW_APPLIED, false, CHECK_APPLIED},
		{VIEW_APPLY_FAILED, false, CHECK_APPLY_FAILED}, {VIEW_APPLY_FAILED, true, CHECK_TIMED_OUT}, {VIEW_UNKNOWN, true, CHECK_UNKNOWN},
		{VIEW_DELETED, false, CHECK_UNTOUCHED},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(render_check_state(&(struct view_project){.name = "x", .state = rows[i].s, .timed_out = rows[i].timed_out}), rows[i].want);
}

static void annotations(void **state)
{
	static const struct {
		enum view_state s;
		const char *error, *want;
	} rows[] = {
		{VIEW_FAILED, "dns/main.tf:14: Unsupported argument: An argument named \"x\" is not expected here.",
		 "{\"path\":\"dns/main.tf\",\"start_line\":14,\"end_line\":14,\"annotation_level\":\"failure\",\"title\":\"dns\","
		 "\"message\":\"Unsupported argument: An argument named \\\"x\\\" is not expected here.\"}\n"},
		{VIEW_REFUSED, "live/a/sluice.tf:3: no", "{\"path\":\"live/a/sluice.tf\",\"start_line\":3,\"end_line\":3,\"annotation_level\":\"failure\","
		 "\"title\":\"dns\",\"message\":\"no\"}\n"},
		{VIEW_APPLY_FAILED, "a.tf:1:", "{\"path\":\"a.tf\",\"start_line\":1,\"end_line\":1,\"annotation_level\":\"failure\",\"title\":\"dns\","
		 "\"message\":\"no reason was given\"}\n"},
		{VIEW_PLANNED, "dns/main.tf:14: no", ""}, /* what is fine has no errors */
		{VIEW_FAILED, "Error: no place", ""},
		{VIEW_FAILED, "stopped after 600 s, the time limit", ""},
		{VIEW_FAILED, "/etc/passwd:1: outside of the repository", ""},
		{VIEW_FAILED, "main.tf:0: no such line", ""},
		{VIEW_FAILED, "main.tf:99999999999: nor this", ""},
		{VIEW_FAILED, "two words:3: x", ""},
		{VIEW_FAILED, ":3: x", ""},
		{VIEW_FAILED, "a\x1b[31m.tf:3: x", ""}, /* no path that can be shown */
		{VIEW_FAILED, "a\xe2\x80\xae.tf:3: x", ""},
		{VIEW_FAILED, "first line\nmain.tf:3: second", ""},
		{VIEW_FAILED, NULL, ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct view_project p = {.name = "dns", .state = rows[i].s, .error = rows[i].error};
		const struct view v = {.phase = VIEW_PLAN_DONE, .projects = &p, .projects_n = 1, .run_url = "https://x.example/runs/1"};
		struct check_text t;
		render_check(&v, CHECK_FAILED, "failed", false, &t);
		assert_string_equal(buf_str(&t.annotations), rows[i].want);
		check_text_free(&t);
	}
}

/* A few projects say it in their own checks; of many, the roll-up does, up to a number. */
static void annotations_of_the_rollup(void **state)
{
	static const struct {
		size_t projects;
		size_t lines;
	} rows[] = {{1, 0}, {LIMIT_RUN_STATUSES, 0}, {LIMIT_RUN_STATUSES + 1, LIMIT_RUN_STATUSES + 1}, {300, LIMIT_CHECK_ALL_ANNOTATIONS}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct crowd c;
		struct check_text t;
		size_t lines = 0;
		crowd_make(&c, rows[i].projects);
		for (size_t k = 0; k < c.n; k++) {
			c.v[k].state = VIEW_FAILED;
			c.v[k].error = "a/main.tf:7: broken";
		}
		struct view v = view_example(VIEW_PLAN_DONE, c.v, c.n);
		render_check(&v, CHECK_FAILED, "failed", true, &t);
		for (size_t k = 0; k < t.annotations.len; k++)
			lines += t.annotations.data[k] == '\n';
		assert_int_equal(lines, rows[i].lines);
		check_text_free(&t);
		crowd_free(&c);
	}
}

static void buttons(void **state)
{
	static const struct {
		enum check_state s;
		const char *rollup, *project;
	} rows[] = {
		{CHECK_QUEUED, "cancel", ""},     {CHECK_RUNNING, "cancel", ""}, {CHECK_PARTIAL, "plan", "plan"},     {CHECK_PLANNED, "plan apply", "plan"},
		{CHECK_APPLIED, "", ""},          {CHECK_UNTOUCHED, "", ""},     {CHECK_FAILED, "plan", "plan"},      {CHECK_APPLY_FAILED, "plan", "plan"},
		{CHECK_TIMED_OUT, "plan", "plan"}, {CHECK_REFUSED, "plan", "plan"}, {CHECK_CANCELLED, "plan", "plan"}, {CHECK_SUPERSEDED, "", ""},
		{CHECK_UNKNOWN, "", ""},          {CHECK_NOTHING_APPLIED, "plan", "plan"},
	};
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		bool rollup = i % 2 == 0;
		struct view v = view_example(VIEW_PLAN_DONE, view_done, 1);
		struct check_text t;
		struct err err;
		struct json root;
		CLEANUP_JSON struct json_doc *doc = NULL;
		CLEANUP_BUF struct buf got = {0};
		render_check(&v, rows[i / 2].s, "title", rollup, &t);
		assert_int_equal(json_parse(buf_str(&t.actions), t.actions.len, NULL, &doc, &root, &err), 0);
		assert_true(json_count(&root) <= LIMIT_CHECK_ACTIONS);
		for (struct json e = json_first(&root); json_ok(&e); e = json_next(&e)) {
			const char *label, *description, *id;
			/* what GitHub takes */
			assert_int_equal(json_str(&e, "label", 20, &label, &err), 0);
			assert_int_equal(json_str(&e, "description", 40, &description, &err), 0);
			assert_int_equal(json_str(&e, "identifier", 20, &id, &err), 0);
			buf_printf(&got, "%s%s", got.len != 0 ? " " : "", id);
		}
		assert_string_equal(buf_str(&got), rollup ? rows[i / 2].rollup : rows[i / 2].project);
		check_text_free(&t);
	}
}

static void texts(void **state)
{
	struct check_text t;
	(void)state;
	struct view v = view_example(VIEW_PLAN_DONE, view_done, ARRAY_LEN(view_done));
	render_check(&v, CHECK_FAILED, "2 plans need your eyes", true, &t);
	assert_string_equal(buf_str(&t.title), "2 plans need your eyes");
	golden_check("check_rollup", buf_str(&t.summary));
	assert_int_equal(t.text.len, 0);
	check_text_free(&t);
	const struct view one = {.phase = VIEW_PLAN_DONE, .projects = &view_done[3], .projects_n = 1, .run_url = "https://sluice.example.com/runs/812?k=abc"};
	render_check(&one, CHECK_PLANNED, "1 to replace", false, &t);
	CLEANUP_FREE char *both = xasprintf("%s\n=== text ===\n%s", buf_str(&t.summary), buf_str(&t.text));
	golden_check("check_project", both);
	check_text_free(&t);
	struct view empty = view_example(VIEW_PLAN_DONE, NULL, 0);
	render_check(&empty, CHECK_UNTOUCHED, "no project is <touched> by this change", true, &t);
	assert_true(text_starts(buf_str(&t.summary), "no project is "));
	assert_null(strstr(buf_str(&t.summary), "<touched>"));
	check_text_free(&t);
}

/* As long and as hostile as it can be. */
static void always_fits(void **state)
{
	struct buf long_text = {0};
	struct crowd c;
	(void)state;
	buf_adds(&long_text, "a.tf:1: ");
	while (long_text.len < 200000)
		buf_adds(&long_text, "<@all&`|\n```</details>![x](javascript:1)");
	crowd_make(&c, 300);
	for (size_t i = 0; i < c.n; i++) {
		c.v[i].state = (enum view_state)(i % (VIEW_DELETED + 1));
		c.v[i].error = c.v[i].diff = c.v[i].waiting_for = c.v[i].reason = long_text.data;
		c.v[i].summary = &plan_db;
	}
	for (size_t n = 1; n <= c.n; n = n == 1 ? 12 : n == 12 ? 300 : n + 1) {
		for (int rollup = 0; rollup < 2; rollup++) {
			struct view v = view_example(VIEW_PLAN_DONE, c.v + (n == 1 ? 3 : 0), n);
			struct check_text t;
			v.config_errors = rollup ? long_text.data : NULL;
			render_check(&v, CHECK_FAILED, "title", rollup, &t);
			assert_true(text_chars(buf_str(&t.summary), t.summary.len) <= LIMIT_CHECK_TEXT_CHARS);
			assert_true(text_chars(buf_str(&t.text), t.text.len) <= LIMIT_CHECK_TEXT_CHARS);
			assert_true(t.summary.len > 0);
			assert_null(strstr(buf_str(&t.annotations), "\n\n"));
			for (const char *p = buf_str(&t.annotations); *p != '\0'; p = strchr(p, '\n') + 1)
				assert_true(strcspn(p, "\n") <= LIMIT_CHECK_ANNOTATION_BYTES * 2); /* JSON doubles what it escapes */
			check_text_free(&t);
		}
	}
	buf_free(&long_text);
	crowd_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table), cmocka_unit_test(of_projects), cmocka_unit_test(annotations), cmocka_unit_test(annotations_of_the_rollup),
		cmocka_unit_test(buttons),   cmocka_unit_test(texts),       cmocka_unit_test(always_fits),
	};
	return cmocka_run_group_tests_name("render check", tests, NULL, NULL);
}
