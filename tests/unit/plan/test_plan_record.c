/* The tamper matrix of plan records: every field changed on either side, every pair of plans swapped, every byte of text and signature, other
 * purposes' signatures, other texts for the same record. Signed by a real key agent. */
#include "plan/plan_record.h"

#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct agent *agent;
static uint8_t pub[AGENT_PUBLIC_SIZE];
static char dir[] = "/tmp/test-plan-record-XXXXXX";

static void must(int rc, const struct err *err)
{
	if (rc != 0)
		fail_msg("%s", err->msg);
}

static void add_input(struct plan_record *r, const char *path, const char *id, bool is_module)
{
	r->each.v = xreallocarray(r->each.v, r->each.n + 1, sizeof(*r->each.v));
	r->each.v[r->each.n++] = (struct record_input){.path = xstrdup(path), .id = xstrdup(id), .is_module = is_module};
}

/* Plans of one pull request differ in little more than project, directory, inputs, plan and changes. */
static void example(unsigned k, struct plan_record *r)
{
	*r = (struct plan_record){
		.repo_id = 77, .pull = 12, .repo = xstrdup("acme/infra"), .project = xasprintf("p%u", k), .dir = xasprintf("live/p%u", k),
		.workspace = xstrdup("default"), .head_sha = xstrdup("1111111111111111111111111111111111111111"), .base_ref = xstrdup("main"),
		.base_sha = xstrdup("2222222222222222222222222222222222222222"), .inputs = xasprintf("inputs-%u", k), .lock_id = xstrdup("lock"),
		.config_id = xstrdup("config"), .server_digest = xstrdup("server"), .engine = xstrdup("opentofu"), .engine_version = xstrdup("1.9.0"),
		.engine_sha256 = xstrdup("engine"), .backend = xstrdup("managed"), .state_lineage = xstrdup("lineage"), .state_serial = 4,
		.policies = xstrdup("opa ok\ntflint ok"), .cost = NULL, .plan_sha256 = xasprintf("plan-%u", k), .changes = xasprintf("changes-%u", k),
		.tier = 1, .destroy = false, .planned_ms = 1764079387000, .expires_ms = 1764165787000,
	};
	CLEANUP_FREE char *path = xasprintf("live/p%u", k);
	add_input(r, path, "aaaa", true);
	add_input(r, "modules/vpc", "bbbb", true);
	add_input(r, "shared \"odd\"\n.tfvars", "cccc", false);
}

/* Makes one field another one, as somebody who tampers would. */
static void change(struct plan_record *r, const struct plan_record_row *row)
{
	char *at = (char *)r + row->offset, *text = NULL, *other;
	int64_t number;
	bool flag;
	switch (row->kind) {
	case RECORD_TEXT:
		memcpy(&text, at, sizeof(text));
		other = text == NULL ? xstrdup("x") : xasprintf("%sx", text);
		memcpy(at, &other, sizeof(other));
		free(text);
		return;
	case RECORD_NUMBER: break;
	case RECORD_FLAG:
		memcpy(&flag, at, sizeof(flag));
		flag = !flag;
		memcpy(at, &flag, sizeof(flag));
		return;
	case RECORD_INPUTS: r->each.v[1].id[0] = 'x'; return;
	}
	memcpy(&number, at, sizeof(number));
	number++;
	memcpy(at, &number, sizeof(number));
}

static char *sign(const struct plan_record *r, uint8_t sig[AGENT_SIG_SIZE])
{
	struct err err = {0};
	char *text = NULL;
	must(plan_record_sign(agent, r, &text, sig, &err), &err);
	return text;
}

static void refused(const char *text, size_t len, const uint8_t *sig)
{
	struct plan_record r;
	struct err err = {0};
	assert_int_equal(plan_record_verify(pub, text, len, sig, &r, &err), ERR_REFUSED);
	assert_string_equal(err.msg, "the plan record was not signed by this server, or was changed since: plan again");
}

static void comes_back_as_it_was(void **state)
{
	(void)state;
	struct plan_record r, back;
	uint8_t sig[AGENT_SIG_SIZE];
	struct err err = {0};
	example(1, &r);
	CLEANUP_FREE char *text = sign(&r, sig);
	assert_null(strchr(text, '\n'));
	assert_non_null(strstr(text, "{\"format\":\"sluice plan record 1\",\"repo_id\":77,\"repo\":\"acme/infra\",\"pull\":12,\"project\":\"p1\","));
	must(plan_record_verify(pub, text, strlen(text), sig, &back, &err), &err);
	must(plan_record_compare(&r, &back, RECORD_BEFORE_MERGE, NULL, &err), &err);
	assert_int_equal(back.planned_ms, r.planned_ms);
	assert_int_equal(back.expires_ms, r.expires_ms);
	assert_int_equal(back.each.n, 3);
	assert_string_equal(back.each.v[2].path, "shared \"odd\"\n.tfvars");
	assert_false(back.each.v[2].is_module);
	assert_null(back.cost);
	plan_record_free(&back);
	plan_record_free(&r);
}

/* Each field of what was signed: the signature is not of that text. */
static void every_field_of_the_signed_text(void **state)
{
	(void)state;
	size_t n;
	const struct plan_record_row *rows = plan_record_rows(&n);
	assert_int_equal(n, 30);
	for (size_t i = 0; i < n; i++) {
		struct plan_record r;
		uint8_t sig[AGENT_SIG_SIZE];
		example(1, &r);
		CLEANUP_FREE char *text = sign(&r, sig);
		change(&r, &rows[i]);
		CLEANUP_BUF struct buf other = {0};
		plan_record_write(&r, &other);
		assert_string_not_equal(buf_str(&other), text);
		refused(other.data, other.len, sig);
		plan_record_free(&r);
	}
}

/* Each field of what is true now: refused by its name, unless the merge changes it or nothing can be compared. */
static void every_field_of_what_is_derived(void **state)
{
	(void)state;
	size_t n, told = 0;
	const struct plan_record_row *rows = plan_record_rows(&n);
	for (size_t i = 0; i < 2 * n; i++) {
		const struct plan_record_row *row = &rows[i / 2];
		enum plan_record_when when = i % 2 == 0 ? RECORD_BEFORE_MERGE : RECORD_AFTER_MERGE;
		struct plan_record was, now;
		struct err err = {0};
		const char *field = NULL;
		example(1, &was);
		example(1, &now);
		change(&now, row);
		bool bound = row->bound == RECORD_ALWAYS || (row->bound == RECORD_BEFORE && when == RECORD_BEFORE_MERGE);
		int rc = plan_record_compare(&was, &now, when, &field, &err);
		if (rc != (bound ? ERR_REFUSED : 0))
			fail_msg("%s: %d", row->name, rc);
		if (bound) {
			assert_string_equal(field, row->name);
			CLEANUP_FREE char *start = xasprintf("the plan of `%s` %s", now.project, row->sentence);
			assert_true(text_starts(err.msg, start));
			assert_true(text_ends(err.msg, ": plan again"));
			told++;
		}
		plan_record_free(&was);
		plan_record_free(&now);
	}
	assert_int_equal(told, 2 * n - 2 /* commits, after */ - 4 /* times */);
}

static void which_fields_the_merge_changes(void **state)
{
	(void)state;
	size_t n;
	const struct plan_record_row *rows = plan_record_rows(&n);
	CLEANUP_BUF struct buf before = {0}, signed_only = {0};
	for (size_t i = 0; i < n; i++)
		if (rows[i].bound != RECORD_ALWAYS)
			buf_printf(rows[i].bound == RECORD_BEFORE ? &before : &signed_only, "%s ", rows[i].name);
	assert_string_equal(buf_str(&before), "head_sha base_sha ");
	assert_string_equal(buf_str(&signed_only), "planned_ms expires_ms ");
}

/* docs/plan-record.md tells of every field, and which ones the merge changes. */
static void fields_are_documented(void **state)
{
	(void)state;
	size_t n;
	const struct plan_record_row *rows = plan_record_rows(&n);
	CLEANUP_BUF struct buf doc = {0};
	struct err err = {0};
	must(fs_read("docs/plan-record.md", 65536, &doc, &err), &err);
	for (size_t i = 0; i < n; i++) {
		CLEANUP_FREE char *name = xasprintf("`%s`", rows[i].name);
		const char *at = strstr(buf_str(&doc), name);
		if (at == NULL)
			fail_msg("%s is not in the document", rows[i].name);
		CLEANUP_FREE char *line = xstrndup(at, strcspn(at, "\n"));
		assert_int_equal(strstr(line, "| the same") != NULL, rows[i].bound == RECORD_ALWAYS);
		assert_int_equal(strstr(line, "| others") != NULL, rows[i].bound == RECORD_BEFORE);
		assert_int_equal(strstr(line, "| signed") != NULL, rows[i].bound == RECORD_SIGNED);
	}
}

static void a_file_that_differs_is_named(void **state)
{
	(void)state;
	static const struct {
		int at;           /* of the example, changed; -1: one more, -2: one less */
		const char *path, *id;
		bool is_module;
		const char *named;
	} cases[] = {
		{1, NULL, "other", true, "`modules/vpc`"}, {1, NULL, "bbbb", false, "`modules/vpc`"}, {1, "modules/net", "bbbb", true, "`modules/net`"},
		{1, "modules/wan", "bbbb", true, "`modules/vpc`"}, {-1, "z.tf", "dddd", false, "`z.tf`"}, {-2, NULL, NULL, false, "other files: plan again"},
		{1, "modules/`x", "bbbb", true, "other files: plan again"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct plan_record was, now;
		struct err err = {0};
		example(1, &was);
		example(1, &now);
		if (cases[i].at == -1)
			add_input(&now, cases[i].path, cases[i].id, cases[i].is_module);
		if (cases[i].at == -2) {
			free(now.each.v[2].path);
			free(now.each.v[2].id);
			now.each.n--;
		}
		if (cases[i].at >= 0) {
			struct record_input *in = &now.each.v[cases[i].at];
			xstrset(&in->id, cases[i].id);
			if (cases[i].path != NULL)
				xstrset(&in->path, cases[i].path);
			in->is_module = cases[i].is_module;
		}
		assert_int_equal(plan_record_compare(&was, &now, RECORD_AFTER_MERGE, NULL, &err), ERR_REFUSED);
		assert_non_null(strstr(err.msg, cases[i].named));
		plan_record_free(&was);
		plan_record_free(&now);
	}
}

/* Records times plans of six projects: only a plan's own record fits it. */
static void every_pair_of_plans_swapped(void **state)
{
	(void)state;
	enum { PLANS = 6 };
	struct plan_record now[PLANS];
	char *text[PLANS];
	uint8_t sig[PLANS][AGENT_SIG_SIZE];
	for (unsigned i = 0; i < PLANS; i++) {
		example(i, &now[i]);
		text[i] = sign(&now[i], sig[i]);
	}
	for (size_t i = 0; i < PLANS; i++)
		for (size_t k = 0; k < PLANS; k++) {
			struct plan_record was;
			struct err err = {0};
			must(plan_record_verify(pub, text[i], strlen(text[i]), sig[i], &was, &err), &err);
			const char *field = "";
			int rc = plan_record_compare(&was, &now[k], RECORD_AFTER_MERGE, &field, &err);
			assert_int_equal(rc, i == k ? 0 : ERR_REFUSED);
			assert_string_equal(field, i == k ? "" : "project");
			if (i != k) { /* the record says the right project, and the plan file is of the other one */
				xstrset(&was.plan_sha256, now[i].plan_sha256);
				xstrset(&was.project, now[k].project);
				xstrset(&was.dir, now[k].dir);
				xstrset(&was.inputs, now[k].inputs);
				xstrset(&was.each.v[0].path, now[k].each.v[0].path);
				assert_int_equal(plan_record_compare(&was, &now[k], RECORD_AFTER_MERGE, &field, &err), ERR_REFUSED);
				assert_string_equal(field, "plan_sha256");
				refused(text[i], strlen(text[i]), sig[k]); /* signatures swapped */
			}
			plan_record_free(&was);
		}
	for (size_t i = 0; i < PLANS; i++) {
		plan_record_free(&now[i]);
		free(text[i]);
	}
}

static void every_byte_of_signature_and_text(void **state)
{
	(void)state;
	struct plan_record r;
	uint8_t sig[AGENT_SIG_SIZE], other[AGENT_SIG_SIZE];
	example(1, &r);
	CLEANUP_FREE char *text = sign(&r, sig);
	size_t len = strlen(text);
	for (size_t i = 0; i < sizeof(sig); i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(other, sig, sizeof(sig));
			other[i] ^= (uint8_t)(1u << bit);
			refused(text, len, other);
		}
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 1;
		refused(text, len, sig);
		text[i] ^= 1;
	}
	for (size_t i = 0; i < len; i++)
		refused(text, i, sig); /* cut */
	static const char *const tails[] = {" ", "\n", "}", "{}", ",\"x\":1}", "a"};
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		CLEANUP_FREE char *longer = xasprintf("%s%s", text, tails[i]);
		refused(longer, strlen(longer), sig);
	}
	plan_record_free(&r);
}

static void signatures_of_another_kind(void **state)
{
	(void)state;
	struct plan_record r;
	struct err err = {0};
	uint8_t sig[AGENT_SIG_SIZE], key[ED25519_KEY_SIZE], other_pub[ED25519_PUBLIC_SIZE];
	example(1, &r);
	CLEANUP_FREE char *text = sign(&r, sig);
	must(agent_sign(agent, AGENT_AUDIT_HEAD, text, strlen(text), sig, &err), &err);
	refused(text, strlen(text), sig); /* as an audit head */
	/* the agent asked to sign, as an audit head, bytes that begin as a plan record's do: still an audit head */
	CLEANUP_FREE char *prefixed = xasprintf("sluice plan record v1\n%s", text);
	must(agent_sign(agent, AGENT_AUDIT_HEAD, prefixed, strlen(prefixed), sig, &err), &err);
	refused(text, strlen(text), sig);
	refused(prefixed, strlen(prefixed), sig);
	crypto_sign_new(key, other_pub); /* another server */
	crypto_sign(key, prefixed, strlen(prefixed), sig);
	refused(text, strlen(text), sig);
	assert_true(agent_check(other_pub, AGENT_PLAN_RECORD, text, strlen(text), sig)); /* it would have been right there */
	memset(sig, 0, sizeof(sig));
	refused(text, strlen(text), sig);
	plan_record_free(&r);
}

/* One text for one record: what means the same and is written otherwise is no record, signed or not. */
static void other_texts_are_no_records(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
	} edits[] = {
		{"{\"format\"", "{ \"format\""},
		{"\"repo_id\":77,\"repo\":\"acme/infra\"", "\"repo\":\"acme/infra\",\"repo_id\":77"},
		{"\"tier\":1", "\"tier\":1.0"},
		{"\"tier\":1", "\"tier\":1,\"more\":2"},
		{"\"tier\":1", "\"tier\":1,\"tier\":1"},
		{"\"tier\":1", "\"tier\":\"1\""},
		{"\"tier\":1,", ""},
		{"\"cost\":null", "\"cost\":7"},
		{"\"cost\":null,", ""},
		{"\"destroy\":false", "\"destroy\":null"},
		{"acme/infra", "acme\\/infra"},
		{"[\"modules/vpc\",\"bbbb\",true]", "[\"modules/vpc\",\"bbbb\",true,1]"},
		{"[\"modules/vpc\",\"bbbb\",true]", "[\"modules/vpc\",\"bbbb\"]"},
		{"[\"modules/vpc\",\"bbbb\",true]", "\"modules/vpc\""},
		{"sluice plan record 1", "sluice plan record 2"},
	};
	struct plan_record r, back;
	struct err err = {0};
	CLEANUP_BUF struct buf text = {0};
	example(1, &r);
	plan_record_write(&r, &text);
	must(plan_record_read(text.data, text.len, &back, &err), &err);
	plan_record_free(&back);
	for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
		const char *at = strstr(text.data, edits[i].from);
		assert_non_null(at);
		CLEANUP_FREE char *other = xasprintf("%.*s%s%s", (int)(at - text.data), text.data, edits[i].to, at + strlen(edits[i].from));
		int rc = plan_record_read(other, strlen(other), &back, &err);
		if (rc != ERR_PARSE)
			fail_msg("%s: %d", edits[i].to, rc);
		assert_true(text_ends(err.msg, ": plan again"));
		assert_true(text_starts(err.msg, "the plan record cannot be read: "));
	}
	plan_record_free(&r);
}

static void what_is_too_large(void **state)
{
	(void)state;
	struct plan_record r, back;
	struct err err = {0};
	uint8_t sig[AGENT_SIG_SIZE];
	char *text = NULL;
	example(1, &r);
	CLEANUP_FREE char *long_text = xmalloc(AGENT_SIGN_MAX + 1);
	memset(long_text, 'x', AGENT_SIGN_MAX);
	long_text[AGENT_SIGN_MAX] = '\0';
	xstrset(&r.policies, long_text);
	assert_int_equal(plan_record_sign(agent, &r, &text, sig, &err), ERR_LIMIT);
	assert_non_null(strstr(err.msg, "`p1`"));
	assert_null(text);
	CLEANUP_BUF struct buf b = {0};
	plan_record_write(&r, &b);
	assert_int_equal(plan_record_read(b.data, b.len, &back, &err), ERR_LIMIT);
	xstrset(&r.policies, NULL);
	for (size_t i = r.each.n; i <= RECORD_INPUTS_MAX; i++)
		add_input(&r, "a", "b", false);
	buf_reset(&b);
	plan_record_write(&r, &b);
	assert_int_equal(plan_record_read(b.data, b.len, &back, &err), ERR_LIMIT);
	plan_record_free(&r);
}

static void none_is_not_nothing(void **state)
{
	(void)state;
	struct plan_record was, now;
	struct err err = {0};
	const char *field = NULL;
	example(1, &was);
	example(1, &now);
	xstrset(&now.cost, "");
	assert_int_equal(plan_record_compare(&was, &now, RECORD_AFTER_MERGE, &field, &err), ERR_REFUSED);
	assert_string_equal(field, "cost");
	plan_record_free(&was);
	plan_record_free(&now);
}

int main(void)
{
	struct err err = {0};
	if (mkdtemp(dir) == NULL || agent_start(&(struct agent_options){.data_dir = dir}, &agent, &err) != 0)
		return 1;
	agent_verify_key(agent, pub);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),           cmocka_unit_test(every_field_of_the_signed_text),
		cmocka_unit_test(every_field_of_what_is_derived), cmocka_unit_test(which_fields_the_merge_changes),
		cmocka_unit_test(fields_are_documented),
		cmocka_unit_test(a_file_that_differs_is_named),   cmocka_unit_test(every_pair_of_plans_swapped),
		cmocka_unit_test(every_byte_of_signature_and_text), cmocka_unit_test(signatures_of_another_kind),
		cmocka_unit_test(other_texts_are_no_records),     cmocka_unit_test(what_is_too_large),
		cmocka_unit_test(none_is_not_nothing),
	};
	int rc = cmocka_run_group_tests_name("plan record", tests, NULL, NULL);
	agent_stop(agent);
	return fs_remove_tree(dir, &err) != 0 ? 1 : rc;
}
