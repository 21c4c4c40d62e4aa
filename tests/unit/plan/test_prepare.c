#include "plan/prepare.h"

#include "base/fs.h"
#include "tests/support/gitfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RESOURCE "resource \"terraform_data\" \"x\" {}\n"

/* main: three projects, one shared module, one file read from outside. Branch topic is the pull request 7. */
struct world {
	struct gitfix git;
	char base[GIT_OID_HEX + 1], head[GIT_OID_HEX + 1];
	struct prepare_request req;
	struct prepare_result res;
	struct err err;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct gitfix *g = &w->git;
	gitfix_open(g);
	gitfix_write(g, "live/net/main.tf", RESOURCE "module \"vpc\" {\n  source = \"../../modules/vpc\"\n}\n");
	gitfix_write(g, "live/app/main.tf", RESOURCE);
	gitfix_write(g, "live/dns/main.tf", RESOURCE "locals { zones = file(\"${path.module}/../../shared/zones.json\") }\n");
	gitfix_write(g, "live/old/main.tf", "terraform {\n  backend \"s3\" {}\n}\n");
	gitfix_write(g, "modules/vpc/main.tf", RESOURCE "module \"n\" { source = \"../names\" }\n");
	gitfix_write(g, "modules/names/main.tf", RESOURCE);
	gitfix_write(g, "shared/zones.json", "[]\n");
	gitfix_write(g, "shared/other.json", "[]\n");
	gitfix_write(g, "README.md", "x\n");
	gitfix_commit(g, w->base);
	gitfix_git(g, "checkout -q -b topic");
	w->req = (struct prepare_request){.mirror_dir = xstrdup(g->mirror),
					  .trees_dir = xstrdup(g->trees),
					  .clone_url = xstrdup(g->url),
					  .base_ref = xstrdup("main"),
					  .pull_number = 7};
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

/* Commits what was written on topic, pushes it as the pull request, and prepares it. */
static int prepare(struct world *w)
{
	prepare_result_free(&w->res);
	gitfix_commit(&w->git, w->head);
	gitfix_git(&w->git, "update-ref refs/pull/7/head %s", w->head);
	free(w->req.head_sha);
	w->req.head_sha = xstrdup(w->head);
	return prepare_run(&w->req, &w->res, &w->err);
}

static void prepare_ok(struct world *w)
{
	int rc = prepare(w);
	if (rc != 0)
		fail_msg("%s", w->err.msg);
}

static void assert_projects(const struct world *w, const char *want)
{
	CLEANUP_BUF struct buf got = {0};
	for (size_t i = 0; i < w->res.projects_n; i++)
		buf_printf(&got, "%s%s", i > 0 ? " " : "", w->res.projects[i].name);
	assert_string_equal(buf_str(&got), want);
}

static bool exported(const struct world *w, const char *path)
{
	CLEANUP_FREE char *full = fs_join(w->res.tree_dir, path);
	return fs_exists(full);
}

static void test_touched_directly(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", RESOURCE "# changed\n");
	prepare_ok(w);
	assert_projects(w, "live/app");
	const struct prepared_project *p = &w->res.projects[0];
	assert_string_equal(p->dir, "live/app");
	assert_string_equal(p->workspace, "default");
	assert_string_equal(p->reason, "live/app/main.tf changed");
	assert_int_equal(p->engine, ENGINE_NONE);
	assert_true(p->managed_state);
	assert_false(p->needs_init);
	assert_null(p->error);
	assert_int_equal(strlen(p->inputs), 64);
	assert_int_equal(w->res.untouched, 3);
	assert_string_equal(w->res.base_sha, w->base);
	assert_string_equal(w->res.head_sha, w->head);
	assert_false(w->res.base_moved);
	assert_false(w->res.config_present);
	assert_true(w->res.fetched_bytes > 0);
	assert_true(exported(w, "live/app/main.tf"));
	assert_false(exported(w, "live/net"));
	assert_false(exported(w, "README.md"));
}

static void test_touched_by_module_and_path(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "modules/names/out.tf", "output \"x\" { value = 1 }\n");
	gitfix_write(&w->git, "shared/zones.json", "[1]\n");
	prepare_ok(w);
	assert_projects(w, "live/dns live/net");
	assert_string_equal(w->res.projects[0].reason, "shared/zones.json changed (read by live/dns)");
	assert_string_equal(w->res.projects[1].reason, "modules/names/out.tf changed (module modules/names)");
	assert_true(w->res.projects[1].needs_init);
	assert_true(exported(w, "modules/vpc/main.tf"));
	assert_true(exported(w, "modules/names/out.tf"));
	assert_true(exported(w, "shared/zones.json"));
	assert_false(exported(w, "shared/other.json"));
}

static void test_inputs_follow_what_is_used(void **state)
{
	struct world *w = *state;
	strlist_add(&w->req.only_projects, "live/net");
	prepare_ok(w);
	CLEANUP_FREE char *before = xstrdup(w->res.projects[0].inputs);
	gitfix_write(&w->git, "live/app/main.tf", "# other\n");
	prepare_ok(w);
	assert_string_equal(w->res.projects[0].inputs, before);
	assert_string_equal(w->res.projects[0].reason, "asked for by name");
	gitfix_write(&w->git, "modules/names/main.tf", "# other\n");
	prepare_ok(w);
	assert_string_not_equal(w->res.projects[0].inputs, before);
}

static void test_deleted_renamed_readme(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "rm -q -r live/old");
	gitfix_git(&w->git, "mv live/app live/web");
	gitfix_write(&w->git, "live/net/README.md", "words\n");
	prepare_ok(w);
	assert_projects(w, "live/app live/old live/web");
	assert_true(w->res.projects[0].deleted && w->res.projects[1].deleted && !w->res.projects[2].deleted);
	/* what is gone was exported as it was, with what its engine needs to know */
	CLEANUP_FREE char *gone = fs_join(w->res.projects[1].tree_dir, "live/old/main.tf");
	assert_true(fs_exists(gone) && strstr(gone, w->res.merge_base) != NULL);
	assert_true(strlen(w->res.projects[1].inputs) == 64 && w->res.projects[1].needs_init && strcmp(w->res.projects[1].backend, "s3") == 0);
	assert_true(w->res.projects[2].tree_dir == NULL && strstr(w->res.projects[2].bound, "[\"live/web\",\"") != NULL);
	assert_string_equal(w->res.projects[2].reason, "live/web/main.tf changed");
}

static void test_backend_and_engine(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/old/x.tf", "# x\n");
	gitfix_write(&w->git, "live/tofu/main.tofu", RESOURCE);
	gitfix_write(&w->git, "live/pul/Pulumi.yaml", "name: x\n");
	prepare_ok(w);
	assert_projects(w, "live/old live/pul live/tofu");
	assert_string_equal(w->res.projects[0].backend, "s3");
	assert_false(w->res.projects[0].managed_state);
	assert_true(w->res.projects[0].needs_init);
	assert_int_equal(w->res.projects[1].engine, ENGINE_PULUMI);
	assert_int_equal(w->res.projects[2].engine, ENGINE_OPENTOFU);
}

static void test_branch_behind(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	prepare_ok(w);
	gitfix_git(&w->git, "checkout -q main");
	gitfix_write(&w->git, "live/new/main.tf", RESOURCE);
	gitfix_write(&w->git, "live/net/main.tf", RESOURCE);
	char tip[GIT_OID_HEX + 1];
	gitfix_commit(&w->git, tip);
	gitfix_git(&w->git, "checkout -q topic");
	strlist_add(&w->req.only_projects, "live/new");
	strlist_add(&w->req.only_projects, "live/app");
	strlist_add(&w->req.only_projects, "nope");
	prepare_ok(w);
	assert_true(w->res.base_moved);
	assert_string_equal(w->res.base_sha, tip);
	assert_string_equal(w->res.merge_base, w->base);
	assert_projects(w, "live/app live/new");
	assert_string_equal(w->res.projects[1].error, "live/new is not in this commit, but on main: bring the branch up to date first");
	assert_int_equal(w->res.unknown.n, 1);
	assert_string_equal(w->res.unknown.v[0], "nope");
	strlist_free(&w->req.only_projects);
	prepare_ok(w);
	assert_projects(w, "live/app"); /* what main did meanwhile is not this pull request's */
}

static void test_config_from_base(void **state)
{
	struct world *w = *state;
	gitfix_git(&w->git, "checkout -q main");
	gitfix_write(&w->git, "sluice.yaml",
		     "version: 1\nprojects:\n  - dir: live/*\n    when_modified: [\"*.tf\", \"../../shared/**\"]\n    depends_on: []\n"
		     "  - name: app-prod\n    dir: live/app\n    workspace: prod\n    engine: opentofu\n    depends_on: [live/net]\n");
	gitfix_commit(&w->git, NULL);
	gitfix_git(&w->git, "checkout -q topic");
	gitfix_git(&w->git, "rebase -q main");
	gitfix_write(&w->git, "sluice.yaml", "version: 1\nprojects:\n  - dir: gone\n  - { dir: live/app, nam: x }\n");
	gitfix_write(&w->git, "live/app/x.txt", "x\n");
	prepare_ok(w);
	assert_true(w->res.config_present);
	assert_true(w->res.config_changed);
	assert_int_equal(w->res.config_errors.n, 0);
	assert_true(w->res.head_errors.n > 0);
	assert_projects(w, "app-prod");
	assert_string_equal(w->res.projects[0].workspace, "prod");
	assert_int_equal(w->res.projects[0].engine, ENGINE_OPENTOFU);
	assert_int_equal(w->res.projects[0].depends_on.n, 1);
	gitfix_write(&w->git, "shared/other.json", "[2]\n");
	prepare_ok(w);
	assert_projects(w, "app-prod live/app live/dns live/net live/old");
	assert_string_equal(w->res.projects[1].reason, "shared/other.json changed");
	assert_true(exported(w, "shared/other.json"));
}

static void test_config_errors(void **state)
{
	static const struct {
		const char *yaml, *want;
	} rows[] = {
		{"version: 1\nprojects:\n  - dir: live/net\n  - dir: gone/x\n",
		 "sluice.yaml:4:5: dir: there is no directory gone/x in the repository\n"},
		{"version: 1\nprojects:\n  - dir: link\n",
		 "sluice.yaml:3:5: dir: link is a symbolic link or lies below one; name the directory that it points to\n"},
		{"version: 1\nprojects:\n  - dir: link/net\n",
		 "sluice.yaml:3:5: dir: link/net is a symbolic link or lies below one; name the directory that it points to\n"},
		{"version: 1\nprojects:\n  - dir: live/*\n  - { name: live/app, dir: live/net }\n",
		 "sluice.yaml:4:5: two projects are called \"live/app\" (directories live/app and live/net); give one of them another name\n"},
	};
	struct world *w = *state;
	gitfix_git(&w->git, "checkout -q main");
	CLEANUP_FREE char *link = xasprintf("%s/link", w->git.dir);
	assert_int_equal(symlink("live", link), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gitfix_write(&w->git, "sluice.yaml", rows[i].yaml);
		gitfix_commit(&w->git, NULL);
		gitfix_git(&w->git, "branch -f topic");
		prepare_ok(w);
		CLEANUP_BUF struct buf got = {0};
		config_errors_print(&w->res.config_errors, &got);
		assert_string_equal(buf_str(&got), rows[i].want);
		assert_int_equal(w->res.projects_n, 0);
	}
}

/* What is wrong with one project is its own error: the others run. */
static void test_refused_files(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/terraform.tfstate", "{}");
	gitfix_write(&w->git, "live/dns/y.tf", "#\n");
	prepare_ok(w);
	assert_projects(w, "live/app live/dns");
	assert_string_equal(w->res.projects[0].error,
			    "live/app/terraform.tfstate is tracked in git; state has a home in sluice (managed state): "
			    "remove it from the repository");
	assert_int_equal(strlen(w->res.projects[0].inputs), 64);
	assert_null(w->res.projects[1].error);
}

static void test_links(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *in = xasprintf("%s/live/app/zones.json", w->git.dir), *out = xasprintf("%s/live/app/out", w->git.dir);
	assert_int_equal(symlink("../../shared/zones.json", in), 0);
	prepare_ok(w);
	assert_null(w->res.projects[0].error);
	assert_true(exported(w, "live/app/zones.json"));
	assert_true(exported(w, "shared/zones.json"));
	static const char *const targets[] = {"/etc/passwd", "../../../x", "../net/../../../x"};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		assert_int_equal(symlink(targets[i], out), 0);
		prepare_ok(w);
		CLEANUP_FREE char *want =
			xasprintf("live/app/out is a symbolic link that points out of the repository (%s): replace it by the file",
				  targets[i]);
		assert_string_equal(w->res.projects[0].error, want);
		assert_int_equal(unlink(out), 0);
	}
	gitfix_write(&w->git, "shared/zones.json", "[3]\n");
	gitfix_git(&w->git, "branch -f main"); /* the link is on main now */
	gitfix_write(&w->git, "shared/zones.json", "[4]\n");
	prepare_ok(w);
	assert_string_equal(w->res.projects[0].name, "live/app");
}

static void test_apply(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	prepare_ok(w);
	gitfix_git(&w->git, "checkout -q main");
	gitfix_git(&w->git, "merge -q --no-ff -m merge topic");
	char merge[GIT_OID_HEX + 1];
	gitfix_rev(&w->git, "HEAD", merge);
	strlist_add(&w->req.only_projects, "live/app");
	w->req.merge_sha = xstrdup(merge);
	prepare_result_free(&w->res);
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), 0);
	assert_projects(w, "live/app");
	assert_string_equal(w->res.base_sha, merge);
	assert_string_equal(w->res.head_sha, w->head);
	assert_false(w->res.base_moved);
	CLEANUP_FREE char *dir = fs_join(w->git.trees, merge);
	assert_string_equal(w->res.tree_dir, dir);
	assert_true(exported(w, "live/app/main.tf"));
	/* where the branch stands is asked each time: what was pushed since may have taken the change back */
	free(w->req.clone_url);
	w->req.clone_url = xstrdup("file:///nowhere");
	prepare_result_free(&w->res);
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), ERR_UNAVAILABLE);
}

static void test_apply_from_elsewhere(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	prepare_ok(w);
	w->req.merge_sha = xstrdup(w->head);
	prepare_result_free(&w->res);
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), ERR_REFUSED);
	assert_non_null(strstr(w->err.msg, "is not on the branch main: nothing is applied from elsewhere"));
}

static void test_filters(void **state)
{
	struct world *w = *state;
	strlist_add(&w->req.only_dirs, "./live/net/");
	strlist_add(&w->req.only_dirs, "live/none");
	prepare_ok(w);
	assert_projects(w, "live/net");
	assert_string_equal(w->res.unknown.v[0], "live/none");
	strlist_free(&w->req.only_dirs);
	w->req.only_workspace = xstrdup("prod");
	prepare_ok(w);
	assert_projects(w, "");
}

static void test_unavailable(void **state)
{
	struct world *w = *state;
	prepare_ok(w);
	free(w->req.head_sha);
	w->req.head_sha = xstrdup("0123456789012345678901234567890123456789");
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), ERR_NOT_FOUND);
	free(w->req.base_ref);
	w->req.base_ref = xstrdup("nope");
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), ERR_NOT_FOUND);
	free(w->req.clone_url);
	w->req.clone_url = xstrdup("http://127.0.0.1:1/x.git");
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), ERR_UNAVAILABLE);
	free(w->req.clone_url);
	w->req.clone_url = xstrdup("ssh://127.0.0.1/x.git");
	assert_int_equal(prepare_run(&w->req, &w->res, &w->err), ERR_REFUSED);
}

static void test_damaged_index(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	prepare_ok(w);
	CLEANUP_FREE char *file = fs_join(w->git.mirror, "sluice-index");
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(fs_read(file, 1 << 20, &b, NULL), 0);
	b.data[b.len / 2] ^= 1;
	assert_int_equal(fs_write_fast(file, b.data, b.len, 0600, NULL), 0);
	prepare_ok(w);
	assert_projects(w, "live/app");
	assert_int_equal(w->res.untouched, 3);
}

/* The child as the daemon starts it: request on stdin, answer on stdout. Returns its exit status. */
static int run_child(const struct world *w, const char *request, struct buf *answer)
{
	CLEANUP_FREE char *in = fs_join(w->git.root, "in"), *out = fs_join(w->git.root, "out");
	int status = -1;
	assert_int_equal(fs_write_fast(in, request, strlen(request), 0600, NULL), 0);
	(void)fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (freopen(in, "r", stdin) == NULL || freopen(out, "w", stdout) == NULL)
			_exit(99);
		_exit(prepare_main());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(fs_read(out, 1 << 20, answer, NULL), 0);
	return WEXITSTATUS(status);
}

/* In a child, as always; libgit2 leaks on some of these paths, and the child takes that with it. */
static void test_damaged_mirror(void **state)
{
	static const char *const damage[] = {"truncate -s 100 objects/pack/*.pack", "rm -f HEAD", "truncate -s 3 refs/heads/main",
					     "rm -rf objects/pack", "truncate -s 0 objects/pack/*.idx"};
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	prepare_ok(w);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct prepare_result got = {0};
		CLEANUP_BUF struct buf request = {0}, answer = {0};
		CLEANUP_FREE char *command = xasprintf("cd '%s' && %s", w->git.mirror, damage[i]);
		assert_int_equal(prepare_request_write(&w->req, &request), 0);
		assert_int_equal(system(command), 0);
		(void)run_child(w, request.data, &answer); /* the answer says it too */
		if (prepare_answer_read(answer.data, answer.len, &got, &w->err) != 0)
			fail_msg("%s: %s", damage[i], w->err.msg);
		assert_int_equal(got.projects_n, 1);
		prepare_result_free(&got);
	}
}

static void test_child(void **state)
{
	struct world *w = *state;
	struct prepare_result got = {0};
	CLEANUP_BUF struct buf request = {0}, answer = {0};
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	prepare_ok(w);
	assert_int_equal(prepare_request_write(&w->req, &request), 0);
	assert_int_equal(run_child(w, request.data, &answer), 0);
	assert_int_equal(prepare_answer_read(answer.data, answer.len, &got, &w->err), 0);
	assert_int_equal(got.projects_n, 1);
	assert_string_equal(got.projects[0].inputs, w->res.projects[0].inputs);
	prepare_result_free(&got);
	assert_int_equal(run_child(w, "{}", &answer), 3);
	assert_int_equal(prepare_answer_read(answer.data, answer.len, &got, &w->err), ERR_USAGE);
	assert_string_equal(w->err.msg, "mirror_dir, clone_url and base_ref are required");
	assert_int_equal(run_child(w, "not JSON", &answer), 3);
	assert_int_equal(prepare_answer_read(answer.data, answer.len, &got, &w->err), ERR_PARSE);
	assert_int_equal(prepare_answer_read("", 0, &got, &w->err), ERR_PARSE);
}

/* Several children on one mirror that does not exist yet: one fetches everything, none fails. */
static void test_children_at_once(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf", "# topic\n");
	gitfix_commit(&w->git, w->head);
	gitfix_git(&w->git, "update-ref refs/pull/7/head %s", w->head);
	w->req.head_sha = xstrdup(w->head);
	pid_t pids[4];
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(prepare_run(&w->req, &w->res, &w->err) == 0 && w->res.projects_n == 1 ? 0 : 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status = -1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_touched_directly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touched_by_module_and_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inputs_follow_what_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted_renamed_readme, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backend_and_engine, setup, teardown),
		cmocka_unit_test_setup_teardown(test_branch_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_from_base, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_apply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_apply_from_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unavailable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_index, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_mirror, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_children_at_once, setup, teardown),
	};
	return cmocka_run_group_tests_name("plan/prepare", tests, NULL, NULL);
}
