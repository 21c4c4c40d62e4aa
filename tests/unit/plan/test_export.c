#include "plan/export.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
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

struct world {
	struct gitfix git;
	struct git_repo *repo;
	struct index index;
	struct project_rule rule;
	struct project project;
	struct inputs inputs;
	struct err err;
	char digest[65]; /* of the last export */
	char commit[GIT_OID_HEX + 1], tree[GIT_OID_HEX + 1];
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	gitfix_open(&w->git);
	w->project = (struct project){.rule = &w->rule, .workspace = "default"};
	*state = w;
	return git_mirror_open(w->git.mirror, &w->repo, &w->err);
}

static int teardown(void **state)
{
	struct world *w = *state;
	inputs_free(&w->inputs);
	index_free(&w->index);
	strlist_free(&w->rule.when_modified);
	git_repo_close_ptr(&w->repo);
	gitfix_close(&w->git);
	free(w);
	return 0;
}

static void bring(struct world *w)
{
	const char *spec = "+refs/heads/*:refs/heads/*";
	struct git_fetch f = {.url = w->git.url, .refspecs = &spec, .refspecs_n = 1};
	gitfix_commit(&w->git, w->commit);
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), 0);
	assert_int_equal(git_tree_of(w->repo, w->commit, w->tree, &w->err), 0);
	assert_int_equal(index_advance(&w->index, w->repo, w->tree, &w->err), 0);
}

static int export(struct world *w, const char *dir)
{
	struct exporter *e = NULL;
	inputs_free(&w->inputs);
	w->project.dir = xstrdup(dir);
	assert_int_equal(inputs_find(w->repo, w->tree, &w->index, &w->project, &w->inputs, &w->err), 0);
	assert_int_equal(exporter_open(w->repo, &w->index, w->tree, w->git.trees, w->commit, &e, &w->err), 0);
	int rc = exporter_project(e, dir, &w->inputs, w->digest, &w->err);
	exporter_close(e);
	free(TAKE(w->project.dir));
	return rc;
}

static void export_ok(struct world *w, const char *dir)
{
	if (export(w, dir) != 0)
		fail_msg("%s", w->err.msg);
}

static char *place(const struct world *w, const char *path) { return xasprintf("%s/%s/%s", w->git.trees, w->commit, path); }

/* "path:mode" or "path->target" of everything below the exported tree. */
static void assert_tree(const struct world *w, const char *want)
{
	CLEANUP_FREE char *command = xasprintf(
		"cd '%s/%s' && find . -mindepth 1 -type l -printf '%%P->%%l\\n' -o -mindepth 1 -printf '%%P:%%m\\n' | LC_ALL=C sort | "
		"tr '\\n' ' ' > ../listing",
		w->git.trees, w->commit);
	CLEANUP_FREE char *listing = fs_join(w->git.trees, "listing");
	CLEANUP_BUF struct buf b = {0};
	if (system(command) != 0 || fs_read(listing, 1 << 20, &b, NULL) != 0)
		fail();
	assert_string_equal(buf_str(&b), want);
}

static void assert_inputs(const struct world *w, const char *want)
{
	CLEANUP_BUF struct buf b = {0};
	for (size_t i = 0; i < w->inputs.n; i++)
		buf_printf(&b, "%s%s ", w->inputs.v[i].path, w->inputs.v[i].is_module ? "*" : "");
	assert_string_equal(buf_str(&b), want);
}

static void test_only_the_inputs(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "live/app/main.tf",
		     "module \"m\" {\n  source = \"../../mods/m\"\n}\nlocals { a = file(\"../../data/a.txt\") }\n");
	gitfix_write(&w->git, "live/app/sub/t.tpl", "t");
	gitfix_write(&w->git, "live/app/run.sh", "#!/bin/sh\n");
	gitfix_write(&w->git, "live/other/main.tf", "\n");
	gitfix_write(&w->git, "mods/m/main.tf", "module \"n\" { source = \"../n\" }\n");
	gitfix_write(&w->git, "mods/n/main.tf", "locals { b = file(\"${path.module}/../shared/${var.x}\") }\n");
	gitfix_write(&w->git, "mods/shared/x", "x");
	gitfix_write(&w->git, "mods/unused/main.tf", "\n");
	gitfix_write(&w->git, "data/a.txt", "a");
	gitfix_write(&w->git, "data/b.txt", "b");
	gitfix_write(&w->git, "docs/deep/d.md", "d");
	gitfix_git(&w->git, "add -A");
	gitfix_git(&w->git, "update-index --chmod=+x live/app/run.sh");
	gitfix_git(&w->git, "config core.fileMode false");
	strlist_add(&w->rule.when_modified, "../../docs/deep/*.md");
	strlist_add(&w->rule.when_modified, "**/*.tf");
	strlist_add(&w->rule.when_modified, "!../../nothing/**");
	bring(w);
	export_ok(w, "live/app");
	assert_inputs(w, "data/a.txt docs/deep live/app* mods/m* mods/n* mods/shared ");
	assert_tree(
		w,
		"data/a.txt:444 data:755 docs/deep/d.md:444 docs/deep:755 docs:755 live/app/main.tf:444 live/app/run.sh:555 "
		"live/app/sub/t.tpl:444 live/app/sub:755 live/app:755 live:755 mods/m/main.tf:444 mods/m:755 mods/n/main.tf:444 mods/n:755 "
		"mods/shared/x:444 mods/shared:755 mods:755 ");
	CLEANUP_FREE char *marker = xasprintf("%s/%s.done/%s", w->git.trees, w->commit, w->inputs.digest);
	assert_true(fs_exists(marker));
}

static void test_root_project(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "main.tf", "\n");
	gitfix_write(&w->git, "a/b", "b");
	bring(w);
	export_ok(w, ".");
	assert_inputs(w, ".* ");
	assert_tree(w, "a/b:444 a:755 main.tf:444 ");
}

static void test_digest(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "locals { a = file(\"../in\") }\n");
	gitfix_write(&w->git, "in", "1");
	gitfix_write(&w->git, "out", "1");
	bring(w);
	export_ok(w, "p");
	char first[65];
	memcpy(first, w->inputs.digest, sizeof(first));
	gitfix_write(&w->git, "out", "2");
	bring(w);
	export_ok(w, "p");
	assert_string_equal(w->inputs.digest, first);
	gitfix_write(&w->git, "in", "2");
	bring(w);
	export_ok(w, "p");
	assert_string_not_equal(w->inputs.digest, first);
	gitfix_write(&w->git, "in", "1");
	bring(w);
	export_ok(w, "p");
	assert_string_equal(w->inputs.digest, first);
}

static void test_links(void **state)
{
	static const struct {
		const char *target;
		bool ok;
	} rows[] = {
		{"../shared/x", true}, {"../missing", true}, {"main.tf", true}, {"./sub/../main.tf", false}, {"../../x", false},
		{"/x", false},         {"..", true},         {"a/..", false},   {"../p/main.tf", true},      {"../shared/link", true},
	};
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "\n");
	gitfix_write(&w->git, "shared/x", "x");
	gitfix_write(&w->git, "far/y", "y");
	CLEANUP_FREE char *link = fs_join(w->git.dir, "p/link"), *second = fs_join(w->git.dir, "shared/link");
	assert_int_equal(symlink("../far", second), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(symlink(rows[i].target, link), 0);
		bring(w);
		int rc = export(w, "p");
		if (rc != (rows[i].ok ? 0 : ERR_REFUSED))
			fail_msg("%s: %d", rows[i].target, rc);
		assert_int_equal(unlink(link), 0);
	}
	assert_tree(w, "far/y:444 far:755 p/link->../shared/link p/main.tf:444 p:755 shared/link->../far shared:755 ");
}

/* A link deep in the project: its target is an input, also for a second project that shares the directory, and from the marker. */
static void test_links_count_as_inputs(void **state)
{
	struct world *w = *state;
	char first[65];
	gitfix_write(&w->git, "p/main.tf", "module \"m\" {\n  source = \"../m\"\n}\n");
	gitfix_write(&w->git, "m/main.tf", "\n");
	gitfix_write(&w->git, "m/deep/x", "x");
	gitfix_write(&w->git, "shared/x", "1");
	CLEANUP_FREE char *link = fs_join(w->git.dir, "m/deep/link"), *dangling = fs_join(w->git.dir, "m/deep/later");
	assert_int_equal(symlink("../../shared/x", link), 0);
	assert_int_equal(symlink("../../shared/later", dangling), 0);
	bring(w);
	export_ok(w, "p");
	memcpy(first, w->digest, sizeof(first));
	assert_string_not_equal(first, w->inputs.digest);
	export_ok(w, "p");
	assert_string_equal(w->digest, first);
	gitfix_write(&w->git, "unrelated", "1");
	bring(w);
	export_ok(w, "p");
	assert_string_equal(w->digest, first);
	gitfix_write(&w->git, "shared/x", "2");
	bring(w);
	export_ok(w, "p");
	assert_string_not_equal(w->digest, first);
	memcpy(first, w->digest, sizeof(first));
	gitfix_write(&w->git, "shared/later", "1");
	bring(w);
	export_ok(w, "p");
	assert_string_not_equal(w->digest, first);
}

/* Two projects in one go that share a module with a link have the digests that they have alone. */
static void test_shared_links(void **state)
{
	struct world *w = *state;
	struct exporter *e = NULL;
	char alone[2][65], together[2][65];
	char p[] = "p", q[] = "q", *dirs[] = {p, q};
	for (size_t i = 0; i < 2; i++) {
		CLEANUP_FREE char *file = xasprintf("%s/main.tf", dirs[i]);
		gitfix_write(&w->git, file, "module \"m\" {\n  source = \"../m\"\n}\n");
	}
	gitfix_write(&w->git, "m/deep/x", "x");
	gitfix_write(&w->git, "shared/x", "1");
	CLEANUP_FREE char *link = fs_join(w->git.dir, "m/deep/link");
	assert_int_equal(symlink("../../shared/x", link), 0);
	bring(w);
	for (size_t i = 0; i < 2; i++) {
		export_ok(w, dirs[i]);
		memcpy(alone[i], w->digest, 65);
	}
	CLEANUP_FREE char *other = fs_join(w->git.root, "other");
	assert_int_equal(exporter_open(w->repo, &w->index, w->tree, other, w->commit, &e, &w->err), 0);
	for (size_t i = 0; i < 2; i++) {
		w->project.dir = dirs[i];
		inputs_free(&w->inputs);
		assert_int_equal(inputs_find(w->repo, w->tree, &w->index, &w->project, &w->inputs, &w->err), 0);
		assert_int_equal(exporter_project(e, dirs[i], &w->inputs, together[i], &w->err), 0);
		assert_string_equal(together[i], alone[i]);
	}
	exporter_close(e);
	assert_string_not_equal(alone[0], alone[1]);
}

static void test_refused_names(void **state)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{"p/terraform.tfstate",
		 "p/terraform.tfstate is tracked in git; state has a home in sluice (managed state): remove it from the repository"},
		{"p/terraform.tfstate.backup",
		 "p/terraform.tfstate.backup is tracked in git; state has a home in sluice (managed state): remove it from the repository"},
		{"p/sub/x.tfplan",
		 "p/sub/x.tfplan is a plan file tracked in git, and plans may hold secrets: remove it from the repository"},
		{"p/.terraform/x", "p/.terraform is tracked in git, and the engine would take it for what it installed itself: remove it "
				   "from the repository"},
		{"p/terraform.d/x",
		 "p/terraform.d is tracked in git, and the engine would take plugins from it: remove it from the repository"},
		{"p/.terraformrc", "p/.terraformrc is tracked in git, and engine settings are the server's: remove it from the repository"},
	};
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		gitfix_write(&w->git, rows[i].path, "x");
		gitfix_git(&w->git, "add -A -f");
		bring(w);
		assert_int_equal(export(w, "p"), ERR_REFUSED);
		assert_string_equal(w->err.msg, rows[i].want);
		gitfix_git(&w->git, "rm -q -r -f %s", rows[i].path);
	}
	gitfix_write(&w->git, "p/.terraform.lock.hcl", "#\n");
	gitfix_write(&w->git, "p/terraform.tfvars", "#\n");
	bring(w);
	export_ok(w, "p");
}

/* What is not the project's own is left out, not refused. */
static void test_names_elsewhere(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "locals { a = file(\"../data/x\") }\n");
	gitfix_write(&w->git, "p/nested/main.tf", "\n");
	gitfix_write(&w->git, "p/nested/terraform.tfstate", "{}");
	gitfix_write(&w->git, "p/nested/.terraform/x", "x");
	gitfix_write(&w->git, "data/x/y.tfplan", "x");
	gitfix_write(&w->git, "data/x/z", "x");
	bring(w);
	export_ok(w, "p");
	assert_tree(w, "data/x/z:444 data/x:755 data:755 p/main.tf:444 p/nested/main.tf:444 p/nested:755 p:755 ");
	assert_int_equal(export(w, "p/nested"), ERR_REFUSED);
}

static void test_module_with_state(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "module \"m\" {\n  source = \"../m\"\n}\n");
	gitfix_write(&w->git, "m/main.tf", "\n");
	gitfix_write(&w->git, "m/terraform.tfstate", "{}");
	bring(w);
	assert_int_equal(export(w, "p"), ERR_REFUSED);
	assert_string_equal(
		w->err.msg,
		"m/terraform.tfstate is tracked in git; state has a home in sluice (managed state): remove it from the repository");
	/* told again, not taken for done */
	assert_int_equal(export(w, "p"), ERR_REFUSED);
}

/* Only what begins as a pointer and is as short as one; the rest is a file that speaks of LFS. */
static void test_lfs_pointers(void **state)
{
	struct world *w = *state;
	CLEANUP_FREE char *lfs = xasprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 12\n", 1);
	CLEANUP_FREE char *inner = xasprintf("# %s", lfs), *longer = xasprintf("%s%01024d", lfs, 1);
	gitfix_write(&w->git, "p/main.tf", "\n");
	gitfix_write(&w->git, "p/inner", inner);
	gitfix_write(&w->git, "p/longer", longer);
	bring(w);
	export_ok(w, "p");
	gitfix_write(&w->git, "p/lambda.zip", lfs);
	bring(w);
	assert_int_equal(export(w, "p"), ERR_REFUSED);
	assert_string_equal(w->err.msg, "p/lambda.zip is a Git LFS pointer, and sluice does not fetch from LFS: put the file itself into git, or move it out "
					"of the directories that projects use");
}

/* In a project it is refused; what only lies beside what is read is left out. */
static void test_submodules(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "locals { a = file(\"../data/x\") }\n");
	gitfix_write(&w->git, "data/x/y", "y");
	gitfix_git(&w->git, "add -A");
	gitfix_git(&w->git, "update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,data/x/sub");
	gitfix_git(&w->git, "commit -q -m x");
	gitfix_git(&w->git, "update-index --skip-worktree data/x/sub");
	bring(w);
	export_ok(w, "p");
	assert_tree(w, "data/x/y:444 data/x:755 data:755 p/main.tf:444 p:755 ");
	gitfix_git(&w->git, "update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,p/sub");
	gitfix_git(&w->git, "commit -q -m x");
	gitfix_git(&w->git, "update-index --skip-worktree p/sub");
	bring(w);
	assert_int_equal(export(w, "p"), ERR_REFUSED);
	assert_string_equal(w->err.msg, "p/sub is a git submodule, and sluice does not fetch submodules: put its files into the repository, or move it out of "
					"the directories that projects use");
}

static void test_ceilings(void **state)
{
	struct world *w = *state;
	/* straight into objects: thousands of files on disk take their time */
	CLEANUP_FREE char *command =
		xasprintf("cd '%s' && export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t && "
			  "B=$(echo x | git hash-object -w --stdin) && W=$(seq 0 %u | sed \"s/.*/100644 blob $B\tf&/\" | git mktree) && "
			  "D=$(printf '100644 blob %%s\td\n' $B | git mktree) && "
			  "for i in $(seq 0 %u); do D=$(printf '040000 tree %%s\td\n' $D | git mktree); done && "
			  "T=$(printf '040000 tree %%s\tdeep\n040000 tree %%s\twide\n' $D $W | git mktree) && "
			  "git update-ref refs/heads/main $(git commit-tree -m x $T)",
			  w->git.dir, LIMIT_PROJECT_ENTRIES, LIMIT_TREE_DEPTH);
	assert_int_equal(system(command), 0);
	gitfix_rev(&w->git, "refs/heads/main", w->commit);
	const char *spec = "+refs/heads/*:refs/heads/*";
	struct git_fetch f = {.url = w->git.url, .refspecs = &spec, .refspecs_n = 1};
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), 0);
	assert_int_equal(git_tree_of(w->repo, w->commit, w->tree, &w->err), 0);
	assert_int_equal(export(w, "wide"), ERR_LIMIT);
	assert_string_equal(w->err.msg,
			    "wide has more than 2000 files and directories in it, the limit for a project: move some into a subdirectory");
	assert_int_equal(export(w, "deep"), ERR_LIMIT);
	assert_non_null(strstr(w->err.msg, "directories nested deeper than 64"));
}

/* A process that was killed leaves a short file and no marker. */
static void test_after_a_crash(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "# whole\n");
	bring(w);
	export_ok(w, "p");
	CLEANUP_FREE char *file = place(w, "p/main.tf"), *marker = xasprintf("%s/%s.done/%s", w->git.trees, w->commit, w->inputs.digest);
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(unlink(marker), 0);
	assert_int_equal(truncate(file, 3), 0);
	export_ok(w, "p");
	assert_int_equal(fs_read(file, 100, &b, NULL), 0);
	assert_string_equal(b.data, "# whole\n");
}

static void test_after_a_reboot(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "p/main.tf", "# whole\n");
	bring(w);
	export_ok(w, "p");
	CLEANUP_FREE char *file = place(w, "p/main.tf"), *boot = xasprintf("%s/%s.done/boot", w->git.trees, w->commit);
	assert_int_equal(fs_write_fast(boot, "another\n", 8, 0600, NULL), 0);
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(fs_write_fast(file, "# WHOLE\n", 8, 0444, NULL), 0);
	export_ok(w, "p");
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(fs_read(file, 100, &b, NULL), 0);
	assert_string_equal(b.data, "# whole\n");
}

static void test_several_at_once(void **state)
{
	struct world *w = *state;
	char path[64];
	for (int i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof(path), "p/d%d/f%d", i % 7, i);
		gitfix_write(&w->git, path, "x");
	}
	gitfix_write(&w->git, "p/main.tf", "\n");
	bring(w);
	pid_t pids[4];
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(export(w, "p") == 0 ? 0 : 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status = 1;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	CLEANUP_FREE char *command = xasprintf("test $(find '%s/%s' -type f | wc -l) = 301", w->git.trees, w->commit);
	assert_int_equal(system(command), 0);
}

/* Trees that nobody opened for long go, the one in use and whatever else lies there stay. */
static void test_old_trees_are_swept(void **state)
{
	struct world *w = *state;
	struct exporter *e;
	CLEANUP_FREE char *made =
		xasprintf("mkdir -p '%s' && cd '%s' && for i in 1 2 3 4 5 6; do mkdir $i $i.done; echo x >$i/f; touch -d '9 days ago' $i.done; done; mkdir new new.done odd.done.d", w->git.trees, w->git.trees);
	CLEANUP_FREE char *left = xasprintf("cd '%s' && test $(ls -d ? ?.done 2>/dev/null | wc -l) = 4 && test -d new.done && test -d new && test -d '%s.done'", w->git.trees,
					    "c0ffee");
	assert_int_equal(system(made), 0);
	assert_int_equal(exporter_open(w->repo, &w->index, w->tree, w->git.trees, "c0ffee", &e, &w->err), 0);
	exporter_sweep(e, w->git.trees, clock_wall_ms() - (int64_t)8 * 86400 * 1000);
	assert_int_equal(system(left), 0);
	exporter_sweep(e, w->git.trees, clock_wall_ms() - (int64_t)8 * 86400 * 1000);
	exporter_close(e);
	CLEANUP_FREE char *none = xasprintf("cd '%s' && test $(ls -d ? ?.done 2>/dev/null | wc -l) = 0 && test -d new.done", w->git.trees);
	assert_int_equal(system(none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_the_inputs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_project, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_count_as_inputs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_module_with_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lfs_pointers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_submodules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ceilings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_reboot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_trees_are_swept, setup, teardown),
	};
	return cmocka_run_group_tests_name("plan/export", tests, NULL, NULL);
}
