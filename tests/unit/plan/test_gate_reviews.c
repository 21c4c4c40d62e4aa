/* What reviews are worth: needs of ours and of GitHub joined, owner sets against approvals, labels. */
#include "plan/gate_own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A world where bob and carol approve the head; the teams are acme/net (bob: yes, carol: no) and acme/dns (not readable). */
struct setting {
	struct gate_heard h;
	struct gate_own own;
	struct gate_facts f;
};

static void approve(struct setting *s, int64_t id, const char *login)
{
	struct review *r = review_list_add(&s->h.reviews, id, login);
	r->approves = true;
	r->writes = TRI_YES;
	r->commit_id = xstrdup("head");
	r->submitted_ms = 5000;
}

static void begin(struct setting *s, const char *codeowners)
{
	struct strlist paths = {0};
	*s = (struct setting){.h = {.author_id = 1, .committers_read = TRI_YES}};
	approve(s, 2, "bob");
	approve(s, 3, "Carol");
	gate_heard_add_member(&s->h, "acme/net", "bob", TRI_YES);
	gate_heard_add_member(&s->h, "acme/net", "Carol", TRI_NO);
	gate_heard_add_member(&s->h, "acme/sec", "bob", TRI_NO);
	gate_heard_add_member(&s->h, "acme/sec", "Carol", TRI_NO);
	gate_heard_add_member(&s->h, "acme/dns", "bob", TRI_UNKNOWN);
	strlist_add(&paths, "a/1");
	strlist_add(&paths, "b/1");
	codeowners_find(codeowners, strlen(codeowners), &paths, &s->own.owners);
	s->own.owners.id = xstrdup("0a");
	s->own.owners_read = true;
	s->h.owners_id = xstrdup("0a");
	strlist_free(&paths);
}

static void end(struct setting *s)
{
	review_list_free(&s->h.reviews);
	person_list_free(&s->h.committers);
	strlist_free(&s->h.labels);
	for (size_t i = 0; i < s->h.members_n; i++) {
		free(s->h.members[i].team);
		free(s->h.members[i].login);
	}
	free(s->h.members);
	free(s->h.owners_id);
	gate_own_free(&s->own);
}

static void judge(struct setting *s)
{
	gate_reviews_add(&s->h, &(struct gate_history){.head = "head"}, &s->f, &s->own);
}

static void owner_sets(void **state)
{
	static const struct {
		int line;
		const char *codeowners;
		enum tri want;
		const char *missing;
	} rows[] = {
		{__LINE__, "", TRI_YES, NULL},
		{__LINE__, "* @bob", TRI_YES, NULL},
		{__LINE__, "* @BOB", TRI_YES, NULL}, /* logins have no case */
		{__LINE__, "* @carol", TRI_YES, NULL},
		{__LINE__, "* @dave", TRI_NO, "`a/1` (line 1: `@dave`)"},
		{__LINE__, "* @dave @bob", TRI_YES, NULL},
		{__LINE__, "/a @bob\n/b @dave @erin", TRI_NO, "`b/1` (line 2: `@dave` or `@erin`)"},
		{__LINE__, "* @acme/net", TRI_YES, NULL},
		{__LINE__, "* @Acme/Net", TRI_YES, NULL},
		{__LINE__, "* @acme/sec", TRI_NO, "`a/1` (line 1: `@acme/sec`)"},
		{__LINE__, "* @acme/dns", TRI_UNKNOWN, "`a/1` (line 1: `@acme/dns`)"},
		{__LINE__, "* @acme/never-asked", TRI_UNKNOWN, "`a/1` (line 1: `@acme/never-asked`)"},
		{__LINE__, "* @acme/dns @bob", TRI_YES, NULL},
		{__LINE__, "* ops@example.com", TRI_UNKNOWN, "`a/1` (line 1: `ops@example.com`)"},
		{__LINE__, "* ops@example.com @bob", TRI_YES, NULL},
		{__LINE__, "/a ops@example.com\n/b @dave", TRI_NO, "`b/1` (line 2: `@dave`)"}, /* what is known to be missing is told first */
		{__LINE__, "/a\n/b @bob", TRI_YES, NULL}, /* nobody's */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct setting s;
		begin(&s, rows[i].codeowners);
		judge(&s);
		const char *missing = s.f.codeowners_missing != NULL ? s.f.codeowners_missing : "";
		if (s.f.codeowners != rows[i].want || strcmp(missing, rows[i].missing != NULL ? rows[i].missing : "") != 0)
			fail_msg("line %d: %d <%s>", rows[i].line, (int)s.f.codeowners, missing);
		assert_int_equal(s.f.codeowners_same, TRI_YES);
		end(&s);
	}
}

/* An approval that does not count for the plans is no owner's either; one that may count makes an unknown. */
static void only_what_counts(void **state)
{
	struct setting s;
	(void)state;
	begin(&s, "* @bob");
	s.h.author_id = 2;
	judge(&s);
	assert_int_equal(s.f.codeowners, TRI_NO);
	assert_int_equal(s.f.approvals, 1);
	assert_string_equal(s.f.not_counted, "`@bob` is the author.");
	end(&s);
	begin(&s, "* @bob");
	s.h.reviews.v[0].writes = TRI_UNKNOWN;
	judge(&s);
	assert_int_equal(s.f.codeowners, TRI_UNKNOWN);
	assert_int_equal(s.f.approvals_unknown, 1);
	end(&s);
	begin(&s, "* ops@example.com");
	s.h.reviews.n = 0; /* nobody approved: an address changes nothing */
	judge(&s);
	assert_int_equal(s.f.codeowners, TRI_NO);
	s.h.reviews.n = 2;
	end(&s);
}

static void the_file_itself(void **state)
{
	struct setting s;
	(void)state;
	begin(&s, "* @bob\n[ @carol\n");
	judge(&s);
	assert_int_equal(s.f.codeowners, TRI_NO);
	assert_string_equal(s.f.codeowners_bad, "line 2: `[ ]` has no meaning in CODEOWNERS");
	end(&s);
	begin(&s, "* @bob");
	xstrset(&s.own.owners.unusable, "too large");
	judge(&s);
	assert_int_equal(s.f.codeowners, TRI_NO);
	assert_string_equal(s.f.codeowners_unusable, "too large");
	end(&s);
	static const struct {
		const char *then, *now;
		bool read;
		enum tri same;
	} rows[] = {
		{"0a", "0a", true, TRI_YES}, {"0a", "0b", true, TRI_NO}, {"0a", "", true, TRI_NO}, {NULL, "", true, TRI_YES}, {NULL, "0a", true, TRI_NO},
		{"0a", NULL, true, TRI_UNKNOWN}, {"0a", "0a", false, TRI_UNKNOWN},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		begin(&s, "* @bob");
		xstrset(&s.own.owners.id, rows[i].then);
		xstrset(&s.h.owners_id, rows[i].now);
		s.own.owners_read = rows[i].read;
		judge(&s);
		assert_int_equal(s.f.codeowners_same, rows[i].same);
		end(&s);
	}
}

static void needs_are_joined(void **state)
{
	static const struct {
		int ours, theirs;
		bool last_push;
		int needed;
	} rows[] = {{1, 0, false, 1}, {1, 2, false, 2}, {3, 2, false, 3}, {0, 0, false, 0}, {0, 0, true, 1}, {2, 0, true, 2}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct setting s;
		begin(&s, "");
		s.f.approvals_needed = rows[i].ours;
		s.h.needs = (struct gate_needs){.approvals = rows[i].theirs, .last_push = rows[i].last_push, .code_owners = i == 0, .strict = i == 1};
		judge(&s);
		assert_int_equal(s.f.approvals_needed, rows[i].needed);
		assert_int_equal(s.f.codeowners_needed, i == 0);
		assert_int_equal(s.f.up_to_date_needed, i == 1);
		end(&s);
	}
}

static void labels(void **state)
{
	struct setting s;
	(void)state;
	begin(&s, "");
	judge(&s);
	assert_null(s.f.label);
	strlist_add(&s.own.owners.blocked_by, "Do Not Apply");
	strlist_add(&s.h.labels, "bug");
	judge(&s);
	assert_null(s.f.label);
	strlist_add(&s.h.labels, "do not apply");
	buf_free(&s.own.not_counted);
	judge(&s);
	assert_string_equal(s.f.label, "do not apply");
	end(&s);
}

static void many_sets_are_counted(void **state)
{
	struct setting s;
	struct strlist paths = {0};
	struct buf text = {0};
	(void)state;
	begin(&s, "");
	for (int i = 0; i < 5; i++) {
		CLEANUP_FREE char *path = xasprintf("p%d", i);
		strlist_add(&paths, path);
		buf_printf(&text, "/p%d @u%d\n", i, i);
	}
	codeowners_find(buf_str(&text), text.len, &paths, &s.own.owners);
	judge(&s);
	assert_string_equal(s.f.codeowners_missing, "`p0` (line 1: `@u0`), `p1` (line 2: `@u1`), `p2` (line 3: `@u2`) and 2 more");
	buf_free(&text);
	strlist_free(&paths);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owner_sets), cmocka_unit_test(only_what_counts), cmocka_unit_test(the_file_itself), cmocka_unit_test(needs_are_joined),
		cmocka_unit_test(labels),     cmocka_unit_test(many_sets_are_counted),
	};
	return cmocka_run_group_tests_name("gate_reviews", tests, NULL, NULL);
}
