/* The comment: whole comments byte for byte (tests/fixtures/comment/, made anew with UPDATE_GOLDEN=1), what cannot be forged, what always
 * fits, lines and headlines. */
#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/render_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define ZWSP "\xe2\x80\x8b"

static void golden(const char *name, const char *got)
{
	CLEANUP_FREE char *path = xasprintf("tests/fixtures/comment/%s.md", name);
	CLEANUP_BUF struct buf want = {0};
	struct err err = {0};
	if (getenv("UPDATE_GOLDEN") != NULL) {
		assert_int_equal(fs_write_fast(path, got, strlen(got), 0644, NULL), 0);
		return;
	}
	if (fs_read(path, 1u << 20, &want, &err) != 0)
		fail_msg("%s", err.msg);
	if (strcmp(buf_str(&want), got) != 0)
		fail_msg("%s differs; look at it with UPDATE_GOLDEN=1 and git diff. Got:\n%s", path, got);
}

static char *comment(const struct view *v)
{
	struct buf out = {0};
	render_comment(v, &out);
	assert_true(text_is_utf8(buf_str(&out), out.len));
	assert_true(text_chars(buf_str(&out), out.len) <= LIMIT_COMMENT_BYTES);
	return buf_take(&out);
}

static void golden_view(const char *name, const struct view *v)
{
	CLEANUP_FREE char *got = comment(v);
	golden(name, got);
}

/* ---- plans to show ---- */

static char forces_version[] = "engine_version", a_db[] = "aws_db_instance.main", t_db[] = "aws_db_instance";
static char *forces[] = {forces_version};
static char a_bucket[] = "aws_s3_bucket.logs", t_bucket[] = "aws_s3_bucket", removed[] = "was removed from the configuration";
static char a_sg[] = "aws_security_group.web";
static struct plan_change replace_db = {.kind = CHANGE_REPLACE, .address = a_db, .type = t_db, .forces = {forces, 1}};
static struct plan_change destroy_bucket = {.kind = CHANGE_DESTROY, .address = a_bucket, .type = t_bucket, .reason = removed};
static char *drifted[] = {a_sg};

static const struct plan_summary plan_db = {.replace = 1, .applyable = true, .changes = &replace_db, .changes_n = 1};
static const struct plan_summary plan_web = {.update = 1, .destroy = 1, .applyable = true, .changes = &destroy_bucket, .changes_n = 1};
static const struct plan_summary plan_network = {.create = 2, .update = 1, .applyable = true};
static const struct plan_summary plan_drift = {.drift = 1, .drifted = {drifted, 1}};
static const struct plan_summary plan_none = {0};

static const char diff_db[] = "# aws_db_instance.main will be replaced (engine_version forces it)\n!   engine_version = \"14.1\" -> \"15.2\"  # forces replacement\n"
			      "!   arn, endpoint, id = (known after apply)\n";
static const char diff_web[] = "# aws_s3_bucket.logs will be destroyed (was removed from the configuration)\n-   bucket = \"acme-logs\"\n\n"
			       "# aws_instance.web will be changed\n!   instance_type = \"t3.micro\" -> \"t3.small\"\n";
static const char diff_network[] = "# aws_subnet.a will be created\n+   cidr_block = \"10.0.1.0/24\"\n\n# aws_subnet.b will be created\n"
				   "+   cidr_block = \"10.0.2.0/24\"\n\n# aws_vpc.main will be changed\n+   tags = {\n+     Team = \"platform\"\n+   }\n";
static const char error_dns[] = "\xe2\x95\xb7\n\xe2\x94\x82 Error: Unsupported argument\n\xe2\x94\x82 \n\xe2\x94\x82   on dns/main.tf line 14, in resource "
				"\"aws_route53_record\" \"www\":\n\xe2\x94\x82   14:   ttll = 300\n\xe2\x94\x82 \n\xe2\x94\x82 An argument named \"ttll\" is not expected "
				"here. Did you mean \"ttl\"?\n\xe2\x95\xb5\n";
static const char error_apply[] = "Error: creating RDS DB Instance (main): DBInstanceAlreadyExists: DB instance already exists\n\n"
				  "  with aws_db_instance.main,\n  on main.tf line 3, in resource \"aws_db_instance\" \"main\":\n"
				  "   3: resource \"aws_db_instance\" \"main\" {\n";

#define LOG(n) "https://sluice.example.com/runs/812/jobs/" n "?t=abc"

static struct view a_view(enum view_phase phase, const struct view_project *projects, size_t n)
{
	return (struct view){
		.phase = phase,
		.head_sha = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334",
		.base_ref = "main",
		.projects = projects,
		.projects_n = n,
		.run_url = "https://sluice.example.com/runs/812?t=abc",
		.help_url = "https://sluice.example.com/help",
		.run_id = 812,
		.engines = "terraform 1.11.4",
		.sandbox = "bubblewrap, no network",
	};
}

static struct gate_facts gate_facts_good(void)
{
	return (struct gate_facts){
		.open = TRI_YES, .draft = TRI_NO, .merged = TRI_NO, .head_is_planned = TRI_YES, .base_protected = TRI_YES, .base_ref = "main",
		.mergeable = TRI_YES, .may_apply = TRI_YES, .reviews_read = TRI_YES, .approvals = 1, .approvals_needed = 1, .checks_ok = TRI_YES,
		.checks_needed = true, .up_to_date = TRI_YES, .up_to_date_needed = true, .projects = 4, .planned = 4,
	};
}

/* ---- whole comments ---- */

static void planning(void **state)
{
	static const struct view_project projects[] = {
		{.name = "network", .state = VIEW_PLANNED, .summary = &plan_network, .diff = diff_network, .log_url = LOG("1"),
		 .reason = "`network/main.tf` changed"},
		{.name = "db", .state = VIEW_RUNNING, .running_ms = 12000},
		{.name = "web", .state = VIEW_QUEUED, .waiting_for = "network"},
		{.name = "api", .state = VIEW_QUEUED},
	};
	(void)state;
	struct view v = a_view(VIEW_PLANNING, projects, ARRAY_LEN(projects));
	v.untouched = 36;
	golden_view("planning", &v);
	struct view first = a_view(VIEW_PLANNING, NULL, 0);
	first.engines = NULL;
	golden_view("planning_first", &first);
}

static const struct view_project done_projects[] = {
	{.name = "network", .state = VIEW_PLANNED, .summary = &plan_network, .diff = diff_network, .log_url = LOG("1"),
	 .reason = "modules/vpc/main.tf changed (module modules/vpc)"},
	{.name = "dns", .state = VIEW_FAILED, .error = error_dns, .log_url = LOG("2")},
	{.name = "web", .state = VIEW_PLANNED, .summary = &plan_web, .diff = diff_web, .log_url = LOG("3")},
	{.name = "db", .state = VIEW_PLANNED, .summary = &plan_db, .diff = diff_db, .log_url = LOG("4")},
};

static void plan_done(void **state)
{
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.approvals = 0;
	f.failed = 1;
	f.planned = 3;
	f.unplanned = "`dns`";
	gate_evaluate(&f, &gate);
	const char *const notes[] = {"Plans of `b2c3d4e` dropped for `db`; `network` unchanged, plan kept.",
				     "`sluice.yaml` is changed by this pull request: takes effect after merge."};
	struct view v = a_view(VIEW_PLAN_DONE, done_projects, ARRAY_LEN(done_projects));
	v.untouched = 36;
	v.gate = &gate;
	v.notes = notes;
	v.notes_n = ARRAY_LEN(notes);
	v.expires = "2026-11-23 14:00 UTC";
	golden_view("plan_done", &v);
	gate_verdict_free(&gate);
}

static void plan_done_quiet(void **state)
{
	static const struct view_project one[] = {
		{.name = "network", .state = VIEW_PLANNED, .summary = &plan_network, .diff = diff_network, .log_url = LOG("1")}};
	static const struct view_project same[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = LOG("1")},
		{.name = "b", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = LOG("2")},
		{.name = "c", .state = VIEW_DELETED},
	};
	static const struct view_project drift[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_none, .log_url = LOG("1")},
		{.name = "b", .state = VIEW_PLANNED, .summary = &plan_drift, .log_url = LOG("2"), .diff = "# aws_security_group.web was changed outside\n"},
	};
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.projects = f.planned = 1;
	gate_evaluate(&f, &gate);
	struct view v = a_view(VIEW_PLAN_DONE, one, ARRAY_LEN(one));
	v.gate = &gate;
	golden_view("plan_one", &v);
	struct view s = a_view(VIEW_PLAN_DONE, same, ARRAY_LEN(same));
	golden_view("plan_nothing", &s);
	struct view d = a_view(VIEW_PLAN_DONE, drift, ARRAY_LEN(drift));
	golden_view("plan_drift", &d);
	gate_verdict_free(&gate);
}

static void apply_refused(void **state)
{
	struct gate_facts f = gate_facts_good();
	struct gate_verdict gate;
	(void)state;
	f.asker = "bob";
	f.approvals = 0;
	f.stale_approvals = true;
	f.checks_ok = TRI_NO;
	f.checks_failing = "`unit`, `lint`";
	f.base_protected = TRI_UNKNOWN;
	f.failed_fact = "GET /repos/acme/infra/branches/main: 502";
	gate_evaluate(&f, &gate);
	struct view v = a_view(VIEW_APPLY_ASKED, done_projects, 1);
	v.gate = &gate;
	v.refused = "apply asked by @bob: refused, 1 approval is missing";
	golden_view("apply_refused", &v);
	gate_verdict_free(&gate);
}

static void applying_and_applied(void **state)
{
	static const struct view_project running[] = {
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = LOG("5")},
		{.name = "db", .state = VIEW_APPLYING, .summary = &plan_db, .running_ms = 95000, .log_url = LOG("6")},
		{.name = "web", .state = VIEW_QUEUED, .waiting_for = "db", .summary = &plan_web},
	};
	static const struct view_project done[] = {
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = LOG("5")},
		{.name = "db", .state = VIEW_APPLIED, .summary = &plan_db, .took_ms = 200000, .log_url = LOG("6")},
		{.name = "web", .state = VIEW_APPLIED, .summary = &plan_web, .took_ms = 3000, .log_url = LOG("7")},
		{.name = "same", .state = VIEW_PLANNED, .summary = &plan_none},
	};
	static const struct view_project failed[] = {
		{.name = "db", .state = VIEW_APPLY_FAILED, .summary = &plan_db, .error = error_apply, .took_ms = 12000, .log_url = LOG("6"),
		 .state_note = "2 of 3 changes were made before it; the state says so: serial 4 kept"},
		{.name = "network", .state = VIEW_APPLIED, .summary = &plan_network, .took_ms = 41000, .log_url = LOG("5")},
		{.name = "web", .state = VIEW_UNKNOWN, .summary = &plan_web, .log_url = LOG("7"), .state_note = "state: serial 9 kept"},
		{.name = "api", .state = VIEW_CANCELLED, .summary = &plan_network, .log_url = LOG("8")},
	};
	(void)state;
	struct view v = a_view(VIEW_APPLYING_RUN, running, ARRAY_LEN(running));
	v.merge_sha = "9f8e7d6c5b4a39281706f5e4d3c2b1a001122334";
	golden_view("applying", &v);
	struct view d = a_view(VIEW_APPLY_DONE, done, ARRAY_LEN(done));
	d.merge_sha = v.merge_sha;
	golden_view("applied", &d);
	struct view f = a_view(VIEW_APPLY_DONE, failed, ARRAY_LEN(failed));
	f.merge_sha = v.merge_sha;
	golden_view("apply_failed", &f);
	struct view only_failed = a_view(VIEW_APPLY_DONE, failed, 1);
	only_failed.merge_sha = v.merge_sha;
	golden_view("apply_failed_one", &only_failed);
}

static void without_projects(void **state)
{
	(void)state;
	struct view v = a_view(VIEW_PLAN_DONE, NULL, 0);
	v.config_errors = "sluice.yaml:3:5: unknown key \"projectz\", did you mean \"projects\"?\nsluice.yaml:9:1: depends_on: \"netwrk\" is no project\n";
	golden_view("config_errors", &v);
	v.config_errors = NULL;
	v.error = "GitHub did not give the commit `a1b2c3d`: 502 Bad Gateway, 12 times";
	golden_view("run_error", &v);
	v.error = NULL;
	v.untouched = 40;
	golden_view("untouched", &v);
}

static void help(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf out = {0};
	render_help(NULL, "sluice[bot]", &out);
	golden("help", buf_str(&out));
	buf_reset(&out);
	render_help("`aply` is not a command. Did you mean `apply`?", NULL, &out);
	golden("help_unknown", buf_str(&out));
}

/* What an engine, a branch or a project may be called to make the comment say something else. */
static void forgery(void **state)
{
	static const struct view_project projects[] = {
		{.name = "a`|\n## forged @acme/all", .state = VIEW_FAILED, .log_url = "javascript:alert(1)",
		 .error = "Error: <img src=x> @admin ![x](https://evil.example/x.png) | forged | #1 :tada:\n```\n</details>\n### forged\n"},
		{.name = "</summary>", .state = VIEW_PLANNED, .summary = &plan_web, .diff = "+ x\n````\n# <b>\n\x1b[31mred\xe2\x80\xae\n", .log_url = "https://x.example/)|(",
		 .reason = "**bold** [link](https://evil.example) <!-- sluice:812 -->"},
		{.name = "w", .state = VIEW_QUEUED, .waiting_for = "x` | y"},
	};
	(void)state;
	struct view v = a_view(VIEW_PLAN_DONE, projects, ARRAY_LEN(projects));
	v.base_ref = "main` @all";
	v.engines = "terraform <b>1</b>";
	const char *const notes[] = {"Plans of `x` <!-- m --> @all ` odd"};
	v.notes = notes;
	v.notes_n = 1;
	golden_view("forgery", &v);
}

/* ---- pieces ---- */

static void text(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"plain words, 2 to add", "plain words, 2 to add"},
		{"@alice", "@" ZWSP "alice"},
		{"see #12", "see #" ZWSP "12"},
		{"GH-12", "GH-" ZWSP "12"},
		{"https://x.example", "https:" ZWSP "//x.example"},
		{"www.x.example", "www." ZWSP "x.example"},
		{":tada:", ":" ZWSP "tada:"},
		{"main.tf:14", "main.tf:14"},
		{"$x$", "$" ZWSP "x$" ZWSP},
		{"<b>&amp;", "&lt;b>&amp;amp;"},
		{"> quote", "&gt; quote"},
		{"a > b", "a > b"},
		{"*a* _b_ c_d `e` ~f~ [g](h) i|j \\", "\\*a\\* \\_b\\_ c_d \\`e\\` \\~f\\~ \\[g\\](h) i\\|j \\\\"},
		{"- item", "\\- item"},
		{"+ item", "\\+ item"},
		{"=====", "\\====="},
		{"1. item", "1\\. item"},
		{"12) item", "12\\) item"},
		{"v1.2", "v1.2"},
		{"a\nb\tc", "a b c"},
		{"a\x1b[31mb\xe2\x80\xae" "c\x07", "abc"},
		{"\xff", "\xef\xbf\xbd"},
		{"", ""},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_text(&out, cases[i].in);
		if (strcmp(buf_str(&out), cases[i].want) != 0)
			fail_msg("<%s> gives <%s>, wanted <%s>", cases[i].in, buf_str(&out), cases[i].want);
	}
}

static void code(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"db", "`db`"},       {"a`b", "``a`b``"}, {"`a", "`` `a ``"},	  {"a``", "``` a`` ```"}, {" a", "`  a `"},
		{"", "(empty)"},      {"  ", "(empty)"},  {"a\nb", "`a b`"},	  {"a|b", "`a|b`"},	  {"@all <b>", "`@all <b>`"},
		{"\x1b[1m", "(empty)"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_code(&out, cases[i].in);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	CLEANUP_BUF struct buf cell = {0};
	render_cell_code(&cell, "a|b");
	assert_string_equal(buf_str(&cell), "`a\\|b`");
}

static void sentence(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"comment `apply` now", "comment `apply` now"},
		{"`a` and `b`", "`a` and `b`"},
		{"`@bob` may not", "`@bob` may not"},
		{"@bob", "@" ZWSP "bob"},
		{"odd ` tick", "odd \\` tick"},
		{"`` empty", "\\`\\` empty"},
		{"`a` `", "`a` \\`"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_sentence(&out, cases[i].in);
		if (strcmp(buf_str(&out), cases[i].want) != 0)
			fail_msg("<%s> gives <%s>, wanted <%s>", cases[i].in, buf_str(&out), cases[i].want);
	}
}

static void fences(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{"x\n", "```diff\nx\n```\n"},
		{"x", "```diff\nx\n```\n"},
		{"", "```diff\n```\n"},
		{"```\n", "````diff\n```\n````\n"},
		{"a `````` b", "```````diff\na `````` b\n```````\n"},
		{"~~~\n", "```diff\n~~~\n```\n"},
		{"\x1b[31mred\n", "```diff\nred\n```\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_fence(&out, "diff", cases[i].in, strlen(cases[i].in));
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	/* a run without end does not make a fence without end */
	CLEANUP_BUF struct buf ticks = {0}, out = {0};
	for (int i = 0; i < 50000; i++)
		buf_addc(&ticks, '`');
	render_fence(&out, NULL, ticks.data, ticks.len);
	assert_int_equal(strspn(out.data, "`"), 65);
	assert_true(out.len < 53000);
}

static void links(void **state)
{
	static const struct {
		const char *url, *want;
	} cases[] = {
		{"https://x.example/a?b=c&d=e#f", "[log](https://x.example/a?b=c&d=e#f)"},
		{"http://127.0.0.1:8080/", "[log](http://127.0.0.1:8080/)"},
		{"https://x.example/)](", "[log](https://x.example/%29%5D%28)"},
		{"https://x.example/a b\n", "[log](https://x.example/a%20b%0A)"},
		{"https://x.example/\"<>'\xc3\xa9", "[log](https://x.example/%22%3C%3E%27%C3%A9)"},
		{"javascript:alert(1)", "log"},
		{"/runs/1", "log"},
		{NULL, "log"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_link(&out, "log", cases[i].url);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

static void error_briefs(void **state)
{
	static const struct {
		const char *in, *title, *place, *address;
	} cases[] = {
		{error_dns, "Unsupported argument", "dns/main.tf:14", NULL},
		{error_apply, "creating RDS DB Instance (main): DBInstanceAlreadyExists: DB instance already exists", "main.tf:3", "aws_db_instance.main"},
		{"", "no reason was given", NULL, NULL},
		{"\n\n", "no reason was given", NULL, NULL},
		{"killed: out of memory\nmore", "killed: out of memory", NULL, NULL},
		{"Warning: x\n\nError: y\n", "y", NULL, NULL},
		{"Error: first\n\nError: second\n\n  on b.tf line 2:\n  with t.a,\n", "first", NULL, NULL},
		{"  on a.tf line 1:\nError: x\n", "x", NULL, NULL},
		{"Error: x\n on a.tf line y\n with nothing\n", "x", NULL, NULL},
		{"\x1b[31mError: \x1b[0mred\n", "red", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error_brief b;
		error_brief_read(cases[i].in, &b);
		assert_string_equal(b.title, cases[i].title);
		assert_int_equal(b.place == NULL, cases[i].place == NULL);
		assert_int_equal(b.address == NULL, cases[i].address == NULL);
		if (b.place != NULL)
			assert_string_equal(b.place, cases[i].place);
		if (b.address != NULL)
			assert_string_equal(b.address, cases[i].address);
		error_brief_free(&b);
	}
}

static void project_lines(void **state)
{
	static const struct {
		struct view_project p;
		const char *want;
	} cases[] = {
		{{.state = VIEW_QUEUED}, "queued"},
		{{.state = VIEW_QUEUED, .waiting_for = "network"}, "queued behind network"},
		{{.state = VIEW_RUNNING}, "running"},
		{{.state = VIEW_RUNNING, .running_ms = 12000}, "running, 12 s"},
		{{.state = VIEW_PLANNED}, "planned"},
		{{.state = VIEW_PLANNED, .summary = &plan_none}, "no changes"},
		{{.state = VIEW_PLANNED, .summary = &plan_network}, "2 to add, 1 to change"},
		{{.state = VIEW_PLANNED, .summary = &plan_drift}, "no changes, 1 changed outside"},
		{{.state = VIEW_FAILED, .error = error_dns}, "failed: dns/main.tf:14 Unsupported argument"},
		{{.state = VIEW_FAILED}, "failed: no reason was given"},
		{{.state = VIEW_REFUSED, .error = "`x.tfstate` is tracked in git"}, "refused: 'x.tfstate' is tracked in git"},
		{{.state = VIEW_CANCELLED}, "cancelled"},
		{{.state = VIEW_APPLYING, .running_ms = 60000}, "applying, 1 min"},
		{{.state = VIEW_APPLIED}, "applied"},
		{{.state = VIEW_APPLIED, .summary = &plan_network}, "2 added, 1 changed"},
		{{.state = VIEW_APPLIED, .summary = &plan_none}, "nothing to do"},
		{{.state = VIEW_APPLY_FAILED, .error = "Error: x"}, "apply failed: x"},
		{{.state = VIEW_UNKNOWN}, "interrupted: outcome unknown"},
		{{.state = VIEW_DELETED}, "its directory is gone; nothing is planned"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_project_line(&cases[i].p, &out);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
	CLEANUP_FREE char *error = xasprintf("Error: %0200d", 0);
	CLEANUP_BUF struct buf out = {0};
	render_project_line(&(struct view_project){.state = VIEW_FAILED, .error = error}, &out);
	assert_int_equal(out.len, LIMIT_STATUS_DESCRIPTION);
	assert_true(text_ends(out.data, "000..."));
}

static void headlines(void **state)
{
	static const struct view_project db = {.name = "db", .state = VIEW_PLANNED, .summary = &plan_db};
	static const struct view_project mixed[] = {
		{.name = "a", .state = VIEW_PLANNED, .summary = &plan_network}, {.name = "b", .state = VIEW_CANCELLED},
		{.name = "c", .state = VIEW_REFUSED}, {.name = "d", .state = VIEW_FAILED}};
	static const struct {
		struct view v;
		const char *want;
	} cases[] = {
		{{.phase = VIEW_PLANNING}, "looking for the projects that this change touches"},
		{{.phase = VIEW_PLANNING, .projects = done_projects, .projects_n = 1}, "planning 1 project, 1 done"},
		{{.phase = VIEW_PLANNING, .projects = done_projects, .projects_n = 4}, "planning 4 projects, 4 done, 2 need your eyes, 1 failed"},
		{{.phase = VIEW_PLANNING, .projects = mixed, .projects_n = 1, .untouched = 9}, "planning 1 of 10 projects, 1 done"},
		{{.phase = VIEW_PLAN_DONE}, "no project is touched by this change"},
		{{.phase = VIEW_PLAN_DONE, .projects = &db, .projects_n = 1}, "1 plan needs your eyes: 1 to replace"},
		{{.phase = VIEW_PLAN_DONE, .projects = done_projects, .projects_n = 1}, "1 plan is ready: 2 to add, 1 to change"},
		{{.phase = VIEW_PLAN_DONE, .projects = &done_projects[1], .projects_n = 1}, "1 plan failed: dns/main.tf:14 Unsupported argument"},
		{{.phase = VIEW_PLAN_DONE, .projects = mixed, .projects_n = 4}, "1 failed, 1 refused, 1 cancelled, 1 plan with changes"},
		{{.phase = VIEW_PLAN_DONE, .config_errors = "x"}, "the configuration has errors, nothing is planned"},
		{{.phase = VIEW_PLAN_DONE, .error = "no `git`"}, "the run failed: no 'git'"},
		{{.phase = VIEW_APPLY_ASKED}, "apply asked: merging first"},
		{{.phase = VIEW_APPLY_ASKED, .refused = "refused, 1 approval is missing"}, "refused, 1 approval is missing"},
		{{.phase = VIEW_APPLYING_RUN, .projects = done_projects, .projects_n = 3}, "applying 3 projects, 0 done"},
		{{.phase = VIEW_APPLY_DONE}, "nothing to apply"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP_BUF struct buf out = {0};
		render_headline(&cases[i].v, &out);
		assert_string_equal(buf_str(&out), cases[i].want);
	}
}

/* ---- many, large, hostile ---- */

struct crowd {
	struct view_project *v;
	size_t n;
	struct strlist names;
};

static void crowd_make(struct crowd *c, size_t n)
{
	*c = (struct crowd){.v = xcalloc(n, sizeof(*c->v)), .n = n};
	for (size_t i = 0; i < n; i++) {
		strlist_take(&c->names, xasprintf("live/prod/project-%04zu", i));
		c->v[i] = (struct view_project){.state = VIEW_PLANNED, .summary = &plan_none, .log_url = LOG("1")};
	}
	for (size_t i = 0; i < n; i++)
		c->v[i].name = c->names.v[i];
}

static void crowd_free(struct crowd *c)
{
	free(c->v);
	strlist_free(&c->names);
}

static void many_without_changes(void **state)
{
	struct crowd c;
	(void)state;
	crowd_make(&c, 1000);
	c.v[700].summary = &plan_db;
	c.v[700].diff = diff_db;
	c.v[31].summary = &plan_network;
	c.v[5].state = VIEW_FAILED;
	c.v[5].error = error_dns;
	struct view v = a_view(VIEW_PLAN_DONE, c.v, c.n);
	v.untouched = 9000;
	golden_view("many", &v);
	crowd_free(&c);
}

static void many_with_changes(void **state)
{
	struct crowd c;
	(void)state;
	crowd_make(&c, 1000);
	for (size_t i = 0; i < c.n; i++) {
		c.v[i].summary = i % 10 == 0 ? &plan_db : &plan_network;
		c.v[i].diff = i % 10 == 0 ? diff_db : diff_network;
		c.v[i].state = i < 600 ? VIEW_PLANNED : VIEW_QUEUED;
	}
	struct view v = a_view(VIEW_PLANNING, c.v, c.n);
	CLEANUP_FREE char *got = comment(&v);
	assert_non_null(strstr(got, "| 500 more projects | with changes")); /* 60 replace; of 540 with changes 40 have a row */
	assert_non_null(strstr(got, "| 400 projects | queued"));
	crowd_free(&c);
}

static double ms_now(void)
{
	struct timespec t;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* 100 projects with diffs of 256 KB each: fits, shows what hurts first, and takes no time to speak of. */
static void large_diffs(void **state)
{
	struct crowd c;
	struct buf large = {0};
	(void)state;
	while (large.len < LIMIT_DIFF_BYTES - 100)
		buf_adds(&large, "+   name = \"\xc3\xa9t\xc3\xa9 @all ``` </details>\"\n");
	crowd_make(&c, 100);
	for (size_t i = 0; i < c.n; i++) {
		c.v[i].summary = i == 50 ? &plan_db : &plan_network;
		c.v[i].diff = large.data;
	}
	struct view v = a_view(VIEW_PLAN_DONE, c.v, c.n);
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		double start = ms_now();
		CLEANUP_FREE char *got = comment(&v);
		double took = ms_now() - start;
		best = took < best ? took : best;
		size_t chars = text_chars(got, strlen(got));
		assert_true(chars > LIMIT_COMMENT_BYTES * 8 / 10); /* the room is used */
		const char *first = strstr(got, "<details><summary><b>");
		assert_non_null(first);
		assert_true(text_starts(first, "<details><summary><b>live/prod/project-0050</b>"));
		assert_non_null(strstr(got, "Cut here: [the whole text is in the log]("));
		assert_non_null(strstr(got, "Not shown here for want of room: "));
		assert_non_null(strstr(got, "**To apply**: comment `apply`."));
	}
	print_message("100 projects with large diffs: %.2f ms\n", best);
	assert_true(best < 100); /* generous: sanitizers; the release build takes a few ms */
	buf_free(&large);
	crowd_free(&c);
}

/* Everything as long as it can be: still a verdict, a table and a link. */
static void absurd_lengths(void **state)
{
	struct crowd c;
	struct buf long_text = {0};
	const char *notes[20];
	(void)state;
	while (long_text.len < 100000)
		buf_adds(&long_text, "<@&`|");
	crowd_make(&c, 300);
	static char *address;
	struct plan_change change = {.kind = CHANGE_REPLACE, .type = t_db, .forces = {forces, 1}};
	address = change.address = long_text.data;
	struct plan_summary s = {.replace = 1, .changes = &change, .changes_n = 1, .drift = 1, .drifted = {&address, 1}, .applyable = true};
	for (size_t i = 0; i < c.n; i++) {
		c.v[i] = (struct view_project){.name = long_text.data, .state = (enum view_state)(i % (VIEW_DELETED + 1)), .summary = &s,
					       .diff = long_text.data, .error = long_text.data, .waiting_for = long_text.data,
					       .log_url = "https://x.example/((((((((((((((((((((((", .reason = long_text.data, .state_note = long_text.data};
	}
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		notes[i] = long_text.data;
	for (int phase = VIEW_PLANNING; phase <= VIEW_APPLY_DONE; phase++) {
		struct gate_facts f = {.asker = long_text.data, .checks_failing = long_text.data, .checks_ok = TRI_NO, .checks_needed = true,
				       .unplanned = long_text.data, .failed = 1, .projects = 2, .lock_holder = long_text.data};
		struct gate_verdict gate;
		gate_evaluate(&f, &gate);
		struct view v = a_view((enum view_phase)phase, c.v, c.n);
		v.notes = notes;
		v.notes_n = ARRAY_LEN(notes);
		v.gate = &gate;
		v.refused = v.base_ref = v.merge_sha = v.engines = v.sandbox = v.expires = long_text.data;
		CLEANUP_FREE char *got = comment(&v);
		assert_true(text_starts(got, "### sluice "));
		assert_non_null(strstr(got, "\n| project | "));
		v.config_errors = long_text.data;
		CLEANUP_FREE char *config = comment(&v);
		assert_non_null(strstr(config, "the configuration has errors"));
		gate_verdict_free(&gate);
	}
	buf_free(&long_text);
	crowd_free(&c);
}

static void same_twice(void **state)
{
	(void)state;
	struct view v = a_view(VIEW_PLAN_DONE, done_projects, ARRAY_LEN(done_projects));
	CLEANUP_FREE char *a = comment(&v), *b = comment(&v);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planning),
		cmocka_unit_test(plan_done),
		cmocka_unit_test(plan_done_quiet),
		cmocka_unit_test(apply_refused),
		cmocka_unit_test(applying_and_applied),
		cmocka_unit_test(without_projects),
		cmocka_unit_test(help),
		cmocka_unit_test(forgery),
		cmocka_unit_test(text),
		cmocka_unit_test(code),
		cmocka_unit_test(sentence),
		cmocka_unit_test(fences),
		cmocka_unit_test(links),
		cmocka_unit_test(error_briefs),
		cmocka_unit_test(project_lines),
		cmocka_unit_test(headlines),
		cmocka_unit_test(many_without_changes),
		cmocka_unit_test(many_with_changes),
		cmocka_unit_test(large_diffs),
		cmocka_unit_test(absurd_lengths),
		cmocka_unit_test(same_twice),
	};
	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
