/* What the base branch asks of reviews: CODEOWNERS and configuration of the base commit against the change of a pull request. */
#include "plan/codeowners.h"
#include "plan/prepare.h"
#include "tests/support/gitfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define RESOURCE "resource \"terraform_data\" \"x\" {}\n"

struct world {
	struct gitfix git;
	struct prepare_request req;
	struct prepare_result res;
	struct owners owners;
	char head[GIT_OID_HEX + 1];
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct gitfix *g = &w->git;
	gitfix_open(g);
	gitfix_write(g, "net/main.tf", RESOURCE);
	gitfix_write(g, "app/main.tf", RESOURCE);
	gitfix_commit(g, NULL);
	w->req = (struct prepare_request){.mirror_dir = xstrdup(g->mirror), .trees_dir = xstrdup(g->trees), .clone_url = xstrdup(g->url),
					  .base_ref = xstrdup("main"), .pull_number = 7};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	owners_free(&w->owners);
	prepare_result_free(&w->res);
	prepare_request_free(&w->req);
	gitfix_close(&w->git);
	free(w);
	return 0;
}

/* What was written so far is the base branch; what follows is the pull request. */
static void branch(struct world *w)
{
	gitfix_git(&w->git, "add -A");
	gitfix_git(&w->git, "commit -q --allow-empty -m base");
	gitfix_git(&w->git, "checkout -q -B topic");
}

static void prepare(struct world *w)
{
	struct err err = {0};
	gitfix_commit(&w->git, w->head);
	gitfix_git(&w->git, "update-ref refs/pull/7/head %s", w->head);
	w->req.head_sha = xstrdup(w->head);
	if (prepare_run(&w->req, &w->res, &err) != 0 || owners_read(w->res.owners, &w->owners, &err) != 0)
		fail_msg("%s", err.msg);
	assert_non_null(w->res.owners);
}

static void id_of(const struct world *w, const char *rev, char ret[GIT_OID_HEX + 1]) { gitfix_rev(&w->git, rev, ret); }

static void of_the_base_branch(void **state)
{
	struct world *w = *state;
	char id[GIT_OID_HEX + 1];
	gitfix_write(&w->git, "docs/CODEOWNERS", "* @docs\n");
	gitfix_write(&w->git, "CODEOWNERS", "/net/ @acme/net\n/app/ @alice\n!bad\n");
	branch(w);
	gitfix_write(&w->git, "CODEOWNERS", "* @mallory\n"); /* takes effect after the merge */
	gitfix_write(&w->git, ".github/CODEOWNERS", "* @mallory\n");
	gitfix_write(&w->git, "net/main.tf", RESOURCE "# changed\n");
	prepare(w);
	id_of(w, "main:CODEOWNERS", id);
	assert_string_equal(w->res.codeowners_id, id);
	assert_string_equal(w->owners.id, id);
	assert_string_equal(w->owners.file, "CODEOWNERS");
	assert_int_equal(w->owners.sets_n, 1);
	assert_string_equal(w->owners.sets[0].owners.v[0], "@acme/net");
	assert_string_equal(w->owners.sets[0].path, "net/main.tf");
	assert_int_equal(w->owners.bad_n, 1);
	assert_int_equal(w->owners.bad[0].line, 3);
}

static void first_of_three_places(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "docs/CODEOWNERS", "* @docs\n");
	gitfix_write(&w->git, "CODEOWNERS", "* @root\n");
	gitfix_write(&w->git, ".github/CODEOWNERS", "* @hub\n");
	branch(w);
	gitfix_git(&w->git, "mv net/main.tf net/other.tf"); /* both sides of a rename are changed paths */
	prepare(w);
	assert_string_equal(w->owners.file, ".github/CODEOWNERS");
	assert_string_equal(w->owners.sets[0].owners.v[0], "@hub");
}

static void both_sides_of_a_rename(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "CODEOWNERS", "/net/ @net\n/app/ @app\n");
	branch(w);
	gitfix_git(&w->git, "mv net/main.tf app/net.tf");
	prepare(w);
	assert_int_equal(w->owners.sets_n, 2);
}

/* A link is no file; a directory neither. */
static void no_file(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "config core.symlinks true && ln -s ../evil %s/CODEOWNERS", w->git.dir);
	gitfix_write(&w->git, "docs/CODEOWNERS/x", "* @docs\n");
	branch(w);
	gitfix_write(&w->git, "net/main.tf", RESOURCE "# changed\n");
	prepare(w);
	assert_null(w->owners.file);
	assert_string_equal(w->res.codeowners_id, "");
	assert_int_equal(w->owners.sets_n, 0);
	assert_int_equal(w->owners.blocked_by.n, 2);
	assert_string_equal(w->owners.blocked_by.v[0], "do not apply");
	assert_string_equal(w->owners.blocked_by.v[1], "do-not-merge");
	assert_int_equal(w->owners.bots.n, 0);
}

static void rules_of_the_projects(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "db/main.tf", RESOURCE);
	gitfix_write(&w->git, "sluice.yaml",
		     "version: 1\nprojects:\n"
		     "  - { dir: net, blocked_by: [hold], approvals: { bots: [\"a[bot]\", \"b[bot]\"] } }\n"
		     "  - { dir: app, blocked_by: [wait, hold], approvals: { bots: [\"b[bot]\"] } }\n"
		     "  - { dir: db, blocked_by: [never], approvals: { bots: [] } }\n");
	branch(w);
	gitfix_write(&w->git, "sluice.yaml", "version: 1\n"); /* takes effect after the merge */
	gitfix_write(&w->git, "net/main.tf", RESOURCE "# changed\n");
	gitfix_write(&w->git, "app/main.tf", RESOURCE "# changed\n");
	prepare(w);
	assert_int_equal(w->res.projects_n, 2);
	assert_int_equal(w->owners.bots.n, 1); /* one that both name */
	assert_string_equal(w->owners.bots.v[0], "b[bot]");
	assert_int_equal(w->owners.blocked_by.n, 2); /* what either names, and db has no say */
	assert_true(strlist_has(&w->owners.blocked_by, "wait") && strlist_has(&w->owners.blocked_by, "hold"));
}

/* Named alone, a project does not take the others of the change out of the question. */
static void a_part_asks_for_the_whole(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "sluice.yaml", "version: 1\nprojects:\n  - { dir: net, blocked_by: [hold] }\n  - { dir: app, blocked_by: [] }\n");
	branch(w);
	gitfix_write(&w->git, "net/main.tf", RESOURCE "# changed\n");
	strlist_add(&w->req.only_projects, "app");
	prepare(w);
	assert_int_equal(w->owners.blocked_by.n, 1);
	assert_string_equal(w->owners.blocked_by.v[0], "hold");
}

static void too_large(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "rev-parse HEAD && dd if=/dev/zero of=%s/CODEOWNERS bs=3000000 count=1", w->git.dir);
	branch(w);
	gitfix_write(&w->git, "net/main.tf", RESOURCE "# changed\n");
	prepare(w);
	assert_string_equal(w->owners.unusable, "it has 3 MB or more, which GitHub does not read");
	assert_int_equal(strlen(w->res.codeowners_id), GIT_OID_HEX);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(of_the_base_branch), T(first_of_three_places), T(both_sides_of_a_rename),	T(no_file), T(rules_of_the_projects),
		T(a_part_asks_for_the_whole), T(too_large),
	};
	return cmocka_run_group_tests_name("prepare_owners", tests, NULL, NULL);
}
