#include "tests/support/plan_support.h"

#include "base/fs.h"
#include "base/limits.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void plan_fixture_read(const char *name, struct buf *ret)
{
	CLEANUP_FREE char *path = xasprintf("tests/fixtures/plan/%s.json", name);
	struct err err = {0};
	if (fs_read(path, 1u << 20, ret, &err) != 0)
		fail_msg("%s", err.msg);
}

void plan_fixture_summary(const char *name, struct plan_summary *ret)
{
	CLEANUP_BUF struct buf bytes = {0};
	struct err err = {0};
	plan_fixture_read(name, &bytes);
	if (plan_summary_read(bytes.data, bytes.len, ret, &err) != 0)
		fail_msg("%s: %s", name, err.msg);
}

char *plan_document(const char *change, const char *more)
{
	return xasprintf(
		"{\"format_version\":\"1.2\",\"terraform_version\":\"1.9.0\",\"resource_changes\":[{\"address\":\"t.a\",\"mode\":\"managed\","
		"\"type\":\"t\",\"change\":{%s}%s}]}",
		change, more);
}

char *plan_words(const struct plan_summary *s)
{
	struct buf out = {0};
	plan_summary_words(s, &out);
	return buf_take(&out);
}

char *plan_changes(const struct plan_summary *s)
{
	struct buf out = {0};
	for (size_t i = 0; i < s->changes_n; i++) {
		const struct plan_change *c = &s->changes[i];
		buf_printf(&out, "%s %s", change_kind_name(c->kind), c->address);
		for (size_t k = 0; k < c->forces.n; k++)
			buf_printf(&out, " [%s]", c->forces.v[k]);
		if (c->create_before_destroy)
			buf_adds(&out, " create-first");
		if (c->imported)
			buf_printf(&out, " import=%s", c->import_id != NULL ? c->import_id : "?");
		if (c->moved)
			buf_printf(&out, " from=%s", c->previous_address);
		if (c->reason != NULL)
			buf_printf(&out, " (%s)", c->reason);
		buf_addc(&out, '\n');
	}
	return buf_take(&out);
}

char *plan_diff_text(const char *json, size_t len)
{
	struct buf out = {0};
	struct err err = {0};
	if (plan_diff(json, len, &out, &err) != 0)
		fail_msg("%.200s: %s", json, err.msg);
	return buf_take(&out);
}

char *plan_diff_fixture(const char *name)
{
	CLEANUP_BUF struct buf bytes = {0};
	plan_fixture_read(name, &bytes);
	return plan_diff_text(bytes.data, bytes.len);
}

char *plan_diff_update(const char *before, const char *after, const char *marks)
{
	CLEANUP_FREE char *json =
		xasprintf("{\"format_version\":\"1.2\",\"resource_changes\":[{\"address\":\"t.a\",\"mode\":\"managed\",\"type\":\"t\","
			  "\"change\":{\"actions\":[\"update\"],\"before\":%s,\"after\":%s%s%s}}]}",
			  before, after, marks[0] != '\0' ? "," : "", marks);
	char *whole = plan_diff_text(json, strlen(json));
	const char heading[] = "# t.a will be changed\n";
	assert_true(text_starts(whole, heading));
	memmove(whole, whole + sizeof(heading) - 1, strlen(whole) - sizeof(heading) + 2);
	return whole;
}

/* ---- comments ---- */

void golden_check(const char *name, const char *got)
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

char *view_comment(const struct view *v)
{
	struct buf out = {0};
	render_comment(v, &out);
	assert_true(text_is_utf8(buf_str(&out), out.len));
	assert_true(text_chars(buf_str(&out), out.len) <= LIMIT_COMMENT_BYTES);
	return buf_take(&out);
}

void view_golden(const char *name, const struct view *v)
{
	CLEANUP_FREE char *got = view_comment(v);
	golden_check(name, got);
}

static char forces_version[] = "engine_version", a_db[] = "aws_db_instance.main", t_db[] = "aws_db_instance";
static char *forces[] = {forces_version};
static char a_bucket[] = "aws_s3_bucket.logs", t_bucket[] = "aws_s3_bucket", removed[] = "was removed from the configuration";
static char a_sg[] = "aws_security_group.web";
static struct plan_change replace_db = {.kind = CHANGE_REPLACE, .address = a_db, .type = t_db, .forces = {forces, 1}};
static struct plan_change destroy_bucket = {.kind = CHANGE_DESTROY, .address = a_bucket, .type = t_bucket, .reason = removed};
static char *drifted[] = {a_sg};

const struct plan_summary plan_db = {.replace = 1, .applyable = true, .changes = &replace_db, .changes_n = 1};
const struct plan_summary plan_web = {.update = 1, .destroy = 1, .applyable = true, .changes = &destroy_bucket, .changes_n = 1};
const struct plan_summary plan_network = {.create = 2, .update = 1, .applyable = true};
const struct plan_summary plan_drifted = {.drift = 1, .drifted = {drifted, 1}};
const struct plan_summary plan_none = {0};

const char diff_db[] =
	"# aws_db_instance.main will be replaced (engine_version forces it)\n!   engine_version = \"14.1\" -> \"15.2\"  # forces replacement\n"
	"!   arn, endpoint, id = (known after apply)\n";
static const char diff_web[] = "# aws_s3_bucket.logs will be destroyed (was removed from the configuration)\n-   bucket = \"acme-logs\"\n\n"
			       "# aws_instance.web will be changed\n!   instance_type = \"t3.micro\" -> \"t3.small\"\n";
const char diff_network[] =
	"# aws_subnet.a will be created\n+   cidr_block = \"10.0.1.0/24\"\n\n# aws_subnet.b will be created\n"
	"+   cidr_block = \"10.0.2.0/24\"\n\n# aws_vpc.main will be changed\n+   tags = {\n+     Team = \"platform\"\n+   }\n";
const char error_dns[] =
	"\xe2\x95\xb7\n\xe2\x94\x82 Error: Unsupported argument\n\xe2\x94\x82 \n\xe2\x94\x82   on dns/main.tf line 14, in resource "
	"\"aws_route53_record\" \"www\":\n\xe2\x94\x82   14:   ttll = 300\n\xe2\x94\x82 \n\xe2\x94\x82 An argument named \"ttll\" is not expected "
	"here. Did you mean \"ttl\"?\n\xe2\x95\xb5\n";
const char error_apply[] = "Error: creating RDS DB Instance (main): DBInstanceAlreadyExists: DB instance already exists\n\n"
			   "  with aws_db_instance.main,\n  on main.tf line 3, in resource \"aws_db_instance\" \"main\":\n"
			   "   3: resource \"aws_db_instance\" \"main\" {\n";

struct view view_example(enum view_phase phase, const struct view_project *projects, size_t n)
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

const struct view_project view_done[4] = {
	{.name = "network",
	 .state = VIEW_PLANNED,
	 .summary = &plan_network,
	 .diff = diff_network,
	 .log_url = VIEW_LOG("1"),
	 .reason = "modules/vpc/main.tf changed (module modules/vpc)"},
	{.name = "dns", .state = VIEW_FAILED, .error = error_dns, .log_url = VIEW_LOG("2")},
	{.name = "web", .state = VIEW_PLANNED, .summary = &plan_web, .diff = diff_web, .log_url = VIEW_LOG("3")},
	{.name = "db", .state = VIEW_PLANNED, .summary = &plan_db, .diff = diff_db, .log_url = VIEW_LOG("4")},
};

void crowd_make(struct crowd *c, size_t n)
{
	*c = (struct crowd){.v = xcalloc(n, sizeof(*c->v)), .n = n};
	for (size_t i = 0; i < n; i++) {
		strlist_take(&c->names, xasprintf("live/prod/project-%04zu", i));
		c->v[i] = (struct view_project){.state = VIEW_PLANNED, .summary = &plan_none, .log_url = VIEW_LOG("1")};
	}
	for (size_t i = 0; i < n; i++)
		c->v[i].name = c->names.v[i];
}

void crowd_free(struct crowd *c)
{
	free(c->v);
	strlist_free(&c->names);
}
