/* What may be exported, judged before anything is written. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "plan/export_priv.h"
#include "tests/support/gitfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
	struct gitfix git;
	struct git_repo *repo;
	struct index index;
	struct export_spent spent;
	struct export_list list;
	struct strlist links;
	struct err err;
	char tree[GIT_OID_HEX + 1];
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	gitfix_open(&w->git);
	*state = w;
	return git_mirror_open(w->git.mirror, &w->repo, &w->err);
}

static void forget(struct world *w)
{
	export_list_free(&w->list);
	strlist_free(&w->links);
	w->spent = (struct export_spent){0};
}

static int teardown(void **state)
{
	struct world *w = *state;
	forget(w);
	index_free(&w->index);
	git_repo_close_ptr(&w->repo);
	gitfix_close(&w->git);
	free(w);
	return 0;
}

static void bring(struct world *w, const char *commit)
{
	const char *spec = "+refs/heads/*:refs/heads/*";
	struct git_fetch f = {.url = w->git.url, .refspecs = &spec, .refspecs_n = 1};
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), 0);
	assert_int_equal(git_tree_of(w->repo, commit, w->tree, &w->err), 0);
}

/* Makes refs/heads/main a commit whose tree a shell script prints; names get through that no checkout would make. */
static void bring_made(struct world *w, const char *script)
{
	char commit[GIT_OID_HEX + 1];
	CLEANUP_FREE char *command =
		xasprintf("cd '%s' && export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t && "
			  "B=$(echo x | git hash-object -w --stdin) && %s && git update-ref refs/heads/main $(git commit-tree -m x $T)",
			  w->git.dir, script);
	if (system(command) != 0)
		fail_msg("%s", command);
	gitfix_rev(&w->git, "refs/heads/main", commit);
	bring(w, commit);
}

static int walk(struct world *w, const char *path, bool is_module)
{
	struct input in = {.path = xstrdup(path), .is_module = is_module};
	const struct export_walk x = {.repo = w->repo, .index = &w->index, .spent = &w->spent, .links = &w->links, .list = &w->list};
	forget(w);
	assert_int_equal(git_tree_path(w->repo, w->tree, path, &in.type, in.oid, &w->err), 0);
	int rc = export_walk(&x, &in, &w->err);
	free(in.path);
	return rc;
}

static const struct {
	const char *name;
	bool refused;
} names_rows[] = {
	{".git", true},
	{".GIT", true},
	{".Git", true},
	{".git.", true},
	{".git ", true},
	{".git. . ", true},
	{"git~1", true},
	{"GIT~1", true},
	{"git~1.", true},
	{".git::$INDEX_ALLOCATION", true},
	{".git:x", true},
	{".g\xe2\x80\x8cit", true},
	{"\xef\xbb\xbf.git", true},
	{".gi\xe2\x81\xaft", true},
	{".git\xe2\x80\xae", true},
	{".gitignore", false},
	{".gitmodules", false},
	{".github", false},
	{"git", false},
	{"git~2", false},
	{"..git", false},
	{".gi", false},
	{".git-keep", false},
	{"a.git", false},
	{".terraform", true},
	{"terraform.d", true},
	{".terraformrc", true},
	{"terraform.rc", true},
	{".tofurc", true},
	{"tofu.rc", true},
	{"x.tfplan", true},
	{"terraform.tfstate", true},
	{"terraform.tfstate.d", true},
	{"terraform.tfstate.1.backup", true},
	{".terraform.tfstate.lock.info", true},
	{"errored.tfstate", true},
	{".terraform.lock.hcl", false},
	{"terraform.tfvars", false},
	{"tfplan", false},
	{".terraform-version", false},
	{"a\nb", true},
	{"a\tb", true},
	{"a\x1b[31mb", true},
	{"Icon\r", true},
	{"a\xe2\x80\xae"
	 "b",
	 true},
	{"a\xe2\x80\x8b"
	 "b",
	 true},
	{"caf\xe9", true},
	{"caf\xc3\xa9.tf", false},
	{"\xf0\x9f\x98\x80", false},
	{"a b", false},
	{"\"", false},
	{"-x", false},
};

static void names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names_rows); i++)
		if ((export_refused_name(names_rows[i].name) != NULL) != names_rows[i].refused)
			fail_msg("\"%s\": %s", names_rows[i].name, names_rows[i].refused ? "goes through" : "is refused");
}

/* In the trees of a real repository: refused in a project, with a name that can be shown, and left out elsewhere. */
static void names_in_trees(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"git~1", "p/git~1 is a git directory inside the repository, or is taken for one: remove it"},
		{"errored.tfstate",
		 "p/errored.tfstate is tracked in git; state has a home in sluice (managed state): remove it from the repository"},
		{"a\\nb", "p/a b has control characters, hidden characters or bytes that are no UTF-8 in its name: rename it"},
		{"e\\033[31m", "p/e has control characters, hidden characters or bytes that are no UTF-8 in its name: rename it"},
	};
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP_FREE char *script = xasprintf("P=$(printf '100644 blob %%s\\t%s\\0' $B | git mktree -z) && "
						      "T=$(printf '040000 tree %%s\\tp\\n' $P | git mktree)",
						      rows[i].name);
		bring_made(w, script);
		assert_int_equal(walk(w, "p", true), ERR_REFUSED);
		assert_string_equal(w->err.msg, rows[i].want);
		assert_int_equal(walk(w, "p", false), 0);
		assert_int_equal(w->list.entries_n, 0);
	}
}

/* A module's source leads into what the walk of its project would not enter. */
static void names_on_the_way(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "q/.terraform/modules/m/main.tf", "#\n");
	gitfix_write(&w->git, "q/m/main.tf", "#\n");
	gitfix_git(&w->git, "add -f q");
	char commit[GIT_OID_HEX + 1];
	gitfix_commit(&w->git, commit);
	bring(w, commit);
	assert_int_equal(walk(w, "q/m", true), 0);
	assert_int_equal(w->list.entries_n, 1);
	assert_int_equal(walk(w, "q/.terraform/modules/m", true), ERR_REFUSED);
	assert_string_equal(w->err.msg, "q/.terraform is tracked in git, and the engine would take it for what it installed itself: remove it from the repository");
	assert_int_equal(walk(w, "q/.terraform/modules/m/main.tf", false), 0);
	assert_int_equal(w->list.entries_n, 0);
}

static void submodules(void **state)
{
	struct world *w = *state;
	bring_made(w,
		   "P=$(printf '160000 commit 0123456789012345678901234567890123456789\\tsub\\n100644 blob %s\\tx\\n' $B | git mktree) && "
		   "T=$(printf '040000 tree %s\\tp\\n' $P | git mktree)");
	assert_int_equal(walk(w, "p", true), ERR_REFUSED);
	assert_string_equal(
		w->err.msg,
		"p/sub is a git submodule, and sluice does not fetch submodules: put its files into the repository, or move it out "
		"of the directories that projects use");
	assert_int_equal(walk(w, "p/sub", true), ERR_REFUSED);
	assert_int_equal(walk(w, "p", false), 0);
	assert_int_equal(w->list.entries_n, 1);
	assert_string_equal(w->list.entries[0].name, "x");
	assert_int_equal(walk(w, "p/sub", false), 0);
	assert_int_equal(w->list.entries_n, 0);
}

/* Ten levels of ten: 232 KB of objects, ten thousand million files. Nobody waits for that, neither who exports nor who compares. */
static void a_tree_bomb(void **state)
{
	static const char script[] =
		"L=100644\\ blob T=$B && for i in 0 1 2 3 4 5 6 7 8 9; do "
		"T=$(for k in 0 1 2 3 4 5 6 7 8 9; do printf \"$L $T\\tf$k\\n\"; done | git mktree) L=040000\\ tree; done && "
		"M=$(echo '#' | git hash-object -w --stdin) && P=$(printf \"100644 blob $M\\tmain.tf\\n040000 tree $T\\tx\\n\" | git mktree) && "
		"T=$(printf \"040000 tree $P\\tp\\n\" | git mktree)";
	struct world *w = *state;
	bring_made(w, script);
	int64_t began = clock_mono_ms();
	assert_int_equal(walk(w, "p", true), ERR_LIMIT);
	int64_t walked = clock_mono_ms();
	assert_non_null(strstr(w->err.msg, ": more than 200000 files and directories to export; name smaller directories"));
	assert_int_equal(index_advance(&w->index, w->repo, w->tree, &w->err), ERR_LIMIT);
	int64_t compared = clock_mono_ms();
	assert_string_equal(
		w->err.msg,
		"index of directories: more than 1000000 files and directories to look at: the repository is too large, or made to be");
	print_message("# a tree of 10^10 files: refused after %lld ms by the export, %lld ms by the index\n", (long long)(walked - began),
		      (long long)(compared - walked));
	assert_true(walked - began < 5000); /* a second; a loaded machine with a sanitizer takes longer */
	assert_true(compared - walked < 20000);
}

static void ceilings_of_paths(void **state)
{
	struct world *w = *state;
	bring_made(w, "N=$(printf 'n%.0s' $(seq 256)) && P=$(printf \"100644 blob $B\\t$N\\n\" | git mktree) && "
		      "D=$(printf \"100644 blob $B\\tf\\n\" | git mktree) && N=$(printf 'd%.0s' $(seq 200)) && "
		      "for i in 1 2 3 4 5 6; do D=$(printf \"040000 tree $D\\t$N\\n\" | git mktree); done && "
		      "T=$(printf \"040000 tree $P\\tname\\n040000 tree $D\\tpath\\n\" | git mktree)");
	assert_int_equal(walk(w, "name", true), ERR_LIMIT);
	assert_non_null(strstr(w->err.msg, "...: a path of 261 bytes, more than the 1024 of a path and the 255 of a name: shorten it"));
	assert_int_equal(walk(w, "path", true), ERR_LIMIT);
	assert_non_null(strstr(w->err.msg, "...: a path of 1210 bytes"));
}

/* The declared size counts, before a byte is inflated. */
static void a_large_blob(void **state)
{
	struct world *w = *state;
	bring_made(w,
		   "Z=$(head -c 70000000 /dev/zero | git hash-object -w --stdin) && P=$(printf \"100644 blob $Z\\tz\\n\" | git mktree) && "
		   "T=$(printf \"040000 tree $P\\tp\\n\" | git mktree)");
	assert_int_equal(walk(w, "p", true), ERR_LIMIT);
	assert_string_equal(w->err.msg, "p/z: larger than 64 MiB, the limit for one file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test_setup_teardown(names_in_trees, setup, teardown),
		cmocka_unit_test_setup_teardown(names_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(submodules, setup, teardown),
		cmocka_unit_test_setup_teardown(a_tree_bomb, setup, teardown),
		cmocka_unit_test_setup_teardown(ceilings_of_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_blob, setup, teardown),
	};
	return cmocka_run_group_tests_name("plan/export_walk", tests, NULL, NULL);
}
