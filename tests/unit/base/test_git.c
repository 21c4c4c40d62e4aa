#include "base/git.h"

#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/gitfix.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	struct gitfix git;
	struct git_repo *repo;
	struct err err;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	gitfix_open(&w->git);
	int rc = git_mirror_open(w->git.mirror, &w->repo, &w->err);
	*state = w;
	return rc;
}

static int teardown(void **state)
{
	struct world *w = *state;
	git_repo_close_ptr(&w->repo);
	gitfix_close(&w->git);
	free(w);
	return 0;
}

static int fetch(struct world *w, const char *url, const char *spec, uint64_t *ret_bytes)
{
	struct git_fetch f = {.url = url, .refspecs = &spec, .refspecs_n = 1, .timeout_ms = 5000};
	return git_mirror_fetch(w->repo, &f, ret_bytes, &w->err);
}

static void bring(struct world *w)
{
	uint64_t bytes = 0;
	if (fetch(w, w->git.url, "+refs/heads/*:refs/heads/*", &bytes) != 0)
		fail_msg("%s", w->err.msg);
}

static void tree_of(struct world *w, const char *commit, char tree[GIT_OID_HEX + 1])
{
	assert_int_equal(git_tree_of(w->repo, commit, tree, &w->err), 0);
}

static void test_mirror(void **state)
{
	struct world *w = *state;
	char first[GIT_OID_HEX + 1], got[GIT_OID_HEX + 1];
	gitfix_write(&w->git, "a", "1");
	gitfix_commit(&w->git, first);
	assert_false(git_has_commit(w->repo, first));
	uint64_t bytes = 0;
	assert_int_equal(fetch(w, w->git.url, "+refs/heads/main:refs/heads/main", &bytes), 0);
	assert_true(bytes > 0);
	assert_true(git_has_commit(w->repo, first));
	assert_int_equal(git_resolve(w->repo, "refs/heads/main", got, &w->err), 0);
	assert_string_equal(got, first);
	assert_int_equal(git_resolve(w->repo, first, got, &w->err), 0);
	assert_string_equal(got, first);
	assert_int_equal(git_resolve(w->repo, "main^", got, &w->err), ERR_NOT_FOUND);
	assert_int_equal(git_resolve(w->repo, "refs/heads/none", got, &w->err), ERR_NOT_FOUND);
	/* a second time, opened again: nothing new */
	git_repo_close_ptr(&w->repo);
	assert_int_equal(git_mirror_open(w->git.mirror, &w->repo, &w->err), 0);
	assert_int_equal(fetch(w, w->git.url, "+refs/heads/main:refs/heads/main", &bytes), 0);
	assert_int_equal(bytes, 0);
	/* a branch pushed over, then deleted */
	gitfix_git(&w->git, "checkout -q --orphan other");
	gitfix_git(&w->git, "commit -q -m other");
	gitfix_git(&w->git, "branch -f main other");
	assert_int_equal(fetch(w, w->git.url, "+refs/heads/main:refs/heads/main", &bytes), 0);
	assert_int_equal(git_resolve(w->repo, "refs/heads/main", got, &w->err), 0);
	assert_string_not_equal(got, first);
	assert_true(git_has_commit(w->repo, first));
	gitfix_git(&w->git, "branch -D main");
	assert_int_equal(fetch(w, w->git.url, "+refs/heads/main:refs/heads/main", &bytes), 0);
	assert_int_equal(git_resolve(w->repo, "refs/heads/main", got, &w->err), ERR_NOT_FOUND);
}

static void test_users_settings_are_ignored(void **state)
{
	struct world *w = *state;
	gitfix_write(&w->git, "a", "1");
	gitfix_commit(&w->git, NULL);
	gitfix_write(&w->git, "../.gitconfig", "[url \"file:///nowhere\"]\n\tinsteadOf = file://\n");
	/* libgit2 reads settings once per process: a child sees them from the start */
	pid_t pid = fork();
	if (pid == 0) {
		(void)setenv("HOME", w->git.root, 1);
		_exit(fetch(w, w->git.url, "+refs/heads/main:refs/heads/main", NULL) == 0 ? 0 : 1);
	}
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_fetch_errors(void **state)
{
	static const struct {
		const char *url;
		int want;
	} rows[] = {
		{"http://127.0.0.1:1/x.git", ERR_UNAVAILABLE},
		{"ssh://127.0.0.1/x.git", ERR_REFUSED},
		{"git@github.com:x/y.git", ERR_REFUSED},
		{"file://relative", ERR_REFUSED},
		{"/absolute", ERR_REFUSED},
	};
	struct world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(fetch(w, rows[i].url, "+refs/heads/main:refs/heads/main", NULL), rows[i].want);
		assert_non_null(strstr(w->err.msg, rows[i].url));
	}
	assert_int_not_equal(fetch(w, "file:///nowhere/at/all", "+refs/heads/main:refs/heads/main", NULL), 0);
}

/* A listener that answers with what it is given, or only accepts; its port. The child ends when it is killed. */
static pid_t serve(const char *answer, int *ret_port, int *ret_request)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM, 0), fds[2];
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s, 8), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int c = accept(s, NULL, NULL);
		char request[4096];
		ssize_t n = read(c, request, sizeof(request));
		if (n > 0 && write(fds[1], request, (size_t)n) == n && answer != NULL && write(c, answer, strlen(answer)) > 0)
			(void)close(c);
		for (;;)
			(void)pause();
	}
	(void)close(s);
	(void)close(fds[1]);
	*ret_port = ntohs(a.sin_port);
	*ret_request = fds[0];
	return pid;
}

static void test_timeout(void **state)
{
	struct world *w = *state;
	int port = 0, request = -1;
	pid_t pid = serve(NULL, &port, &request);
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d/x.git", port);
	const char *spec = "+refs/heads/main:refs/heads/main";
	struct git_fetch f = {.url = url, .refspecs = &spec, .refspecs_n = 1, .timeout_ms = 300};
	int64_t began = clock_mono_ms();
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), ERR_TIMEOUT);
	assert_in_range(clock_mono_ms() - began, 250, 3000);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(request);
}

static void test_credentials_go_with_the_first_request(void **state)
{
	struct world *w = *state;
	int port = 0, request = -1;
	pid_t pid = serve("HTTP/1.1 401 no\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", &port,
			  &request);
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d/x.git", port);
	const char *spec = "+refs/heads/main:refs/heads/main";
	struct git_fetch f =
		{.url = url, .user = "x-access-token", .password = "abcde", .refspecs = &spec, .refspecs_n = 1, .timeout_ms = 5000};
	assert_int_equal(git_mirror_fetch(w->repo, &f, NULL, &w->err), ERR_REFUSED);
	assert_null(strstr(w->err.msg, "abcde"));
	char got[4096] = "";
	assert_true(read(request, got, sizeof(got) - 1) > 0);
	assert_non_null(strstr(got, "\r\nAuthorization: Basic eC1hY2Nlc3MtdG9rZW46YWJjZGU=\r\n"));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(request);
}

static void test_history(void **state)
{
	struct world *w = *state;
	char base[GIT_OID_HEX + 1], left[GIT_OID_HEX + 1], right[GIT_OID_HEX + 1], lone[GIT_OID_HEX + 1], got[GIT_OID_HEX + 1];
	gitfix_write(&w->git, "a", "1");
	gitfix_commit(&w->git, base);
	gitfix_git(&w->git, "checkout -q -b left");
	gitfix_write(&w->git, "b", "1");
	gitfix_commit(&w->git, left);
	gitfix_git(&w->git, "checkout -q -b right main");
	gitfix_write(&w->git, "c", "1");
	gitfix_commit(&w->git, right);
	gitfix_git(&w->git, "checkout -q --orphan lone");
	gitfix_commit(&w->git, lone);
	bring(w);
	assert_int_equal(git_merge_base_of(w->repo, left, right, got, &w->err), 0);
	assert_string_equal(got, base);
	assert_int_equal(git_merge_base_of(w->repo, left, lone, got, &w->err), ERR_NOT_FOUND);
	assert_int_equal(git_merge_base_of(w->repo, left, "x", got, &w->err), ERR_USAGE);
	assert_true(git_is_ancestor(w->repo, base, left));
	assert_true(git_is_ancestor(w->repo, left, left));
	assert_false(git_is_ancestor(w->repo, left, base));
	assert_false(git_is_ancestor(w->repo, lone, left));
	assert_false(git_is_ancestor(w->repo, "0123456789012345678901234567890123456789", left));
	assert_int_equal(git_tree_of(w->repo, "0123456789012345678901234567890123456789", got, &w->err), ERR_NOT_FOUND);
}

static int list_entry(const char *name, enum git_entry_type type, const char *oid, void *arg, struct err *err)
{
	(void)oid;
	(void)err;
	static const char *const types[] = {"file", "exec", "link", "dir", "submodule"};
	buf_printf(arg, "%s=%s ", name, types[type]);
	return strcmp(name, "stop") == 0 ? -77 : 0;
}

static void test_trees(void **state)
{
	struct world *w = *state;
	char commit[GIT_OID_HEX + 1], tree[GIT_OID_HEX + 1], oid[GIT_OID_HEX + 1];
	gitfix_write(&w->git, "d/e/f", "deep");
	gitfix_write(&w->git, "plain", "hello");
	gitfix_write(&w->git, "run", "x");
	CLEANUP_FREE char *link = fs_join(w->git.dir, "link");
	assert_int_equal(symlink("plain", link), 0);
	gitfix_git(&w->git, "update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,sub");
	gitfix_git(&w->git, "add plain run link d");
	gitfix_git(&w->git, "update-index --chmod=+x run");
	gitfix_git(&w->git, "commit -q -m x");
	gitfix_rev(&w->git, "HEAD", commit);
	bring(w);
	tree_of(w, commit, tree);
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(git_tree_each(w->repo, tree, list_entry, &b, &w->err), 0);
	assert_string_equal(b.data, "d=dir link=link plain=file run=exec sub=submodule ");
	enum git_entry_type type;
	assert_int_equal(git_tree_path(w->repo, tree, "d/e/f", &type, oid, &w->err), 0);
	assert_int_equal(type, GIT_FILE);
	assert_int_equal(git_blob_read(w->repo, oid, 4, &b, &w->err), 0);
	assert_string_equal(b.data, "deep");
	assert_int_equal(git_blob_read(w->repo, oid, 3, &b, &w->err), ERR_LIMIT);
	assert_int_equal(git_blob_read(w->repo, tree, 300, &b, &w->err), ERR_PARSE);
	assert_int_equal(git_blob_read(w->repo, commit + 1, 300, &b, &w->err), ERR_USAGE);
	assert_int_equal(git_tree_path(w->repo, tree, "", &type, oid, &w->err), 0);
	assert_string_equal(oid, tree);
	assert_int_equal(git_tree_path(w->repo, tree, "d/none", &type, oid, &w->err), ERR_NOT_FOUND);
	assert_int_equal(git_tree_path(w->repo, tree, "plain/x", &type, oid, &w->err), ERR_NOT_FOUND);
	assert_int_equal(git_tree_path(w->repo, tree, "link/x", &type, oid, &w->err), ERR_NOT_FOUND);
	gitfix_write(&w->git, "stop", "x");
	gitfix_commit(&w->git, commit);
	bring(w);
	tree_of(w, commit, tree);
	assert_int_equal(git_tree_each(w->repo, tree, list_entry, &b, &w->err), -77);
}

static int list_change(const char *old_path, const char *new_path, void *arg, struct err *err)
{
	(void)err;
	struct strlist *l = arg;
	CLEANUP_FREE char *line = xasprintf("%s>%s", old_path != NULL ? old_path : "", new_path != NULL ? new_path : "");
	strlist_add(l, line);
	return 0;
}

static void assert_diff(struct world *w, const char *old, const char *new, bool renames, const char *want)
{
	struct strlist l = {0};
	CLEANUP_BUF struct buf b = {0};
	char a[GIT_OID_HEX + 1], c[GIT_OID_HEX + 1];
	if (old != NULL)
		tree_of(w, old, a);
	if (new != NULL)
		tree_of(w, new, c);
	assert_int_equal(git_tree_diff(w->repo, old != NULL ? a : NULL, new != NULL ? c : NULL, renames, list_change, &l, &w->err), 0);
	strlist_sort(&l);
	for (size_t i = 0; i < l.n; i++)
		buf_printf(&b, "%s ", l.v[i]);
	assert_string_equal(buf_str(&b), want);
	strlist_free(&l);
}

static void test_diff(void **state)
{
	struct world *w = *state;
	char one[GIT_OID_HEX + 1], two[GIT_OID_HEX + 1], three[GIT_OID_HEX + 1];
	gitfix_write(&w->git, "a/x", "x");
	gitfix_write(&w->git, "a.b", "sorts before a/");
	gitfix_write(&w->git, "a0", "and after");
	gitfix_write(&w->git, "same/deep/f", "s");
	gitfix_write(&w->git, "k", "kind");
	gitfix_commit(&w->git, one);
	gitfix_git(&w->git, "mv a/x moved");
	gitfix_git(&w->git, "rm -q k a.b");
	gitfix_write(&w->git, "k/now", "a directory");
	gitfix_write(&w->git, "a0", "edited");
	gitfix_commit(&w->git, two);
	gitfix_git(&w->git, "update-index --chmod=+x a0");
	gitfix_git(&w->git, "update-index --add --cacheinfo 160000,0123456789012345678901234567890123456789,sub");
	gitfix_git(&w->git, "commit -q -m x");
	gitfix_rev(&w->git, "HEAD", three);
	bring(w);
	assert_diff(w, one, two, true, ">k/now a.b> a/x>moved a0>a0 k> ");
	assert_diff(w, one, two, false, ">k/now >moved a.b> a/x> a0>a0 k> ");
	assert_diff(w, two, one, true, ">a.b >k a0>a0 k/now> moved>a/x ");
	assert_diff(w, one, one, true, "");
	assert_diff(w, NULL, one, false, ">a.b >a/x >a0 >k >same/deep/f ");
	assert_diff(w, one, NULL, true, "a.b> a/x> a0> k> same/deep/f> ");
	assert_diff(w, two, three, true, ">sub a0>a0 ");
}

static void test_names_that_are_none(void **state)
{
	struct world *w = *state;
	char tree[GIT_OID_HEX + 1];
	gitfix_write(&w->git, "a", "1");
	gitfix_commit(&w->git, NULL);
	gitfix_git(&w->git, "init -q --bare ../odd.git");
	CLEANUP_FREE char *command = xasprintf("cd '%s/odd.git' && B=$(echo x | git hash-object -w --stdin) && "
					       "printf \"100644 blob $B\\t..\\n\" | git mktree > ../tree",
					       w->git.root);
	if (system(command) != 0)
		fail();
	CLEANUP_FREE char *file = fs_join(w->git.root, "tree"), *odd = fs_join(w->git.root, "odd.git");
	CLEANUP_BUF struct buf b = {0};
	assert_int_equal(fs_read(file, 100, &b, NULL), 0);
	(void)snprintf(tree, sizeof(tree), "%s", buf_str(&b));
	git_repo_close_ptr(&w->repo);
	assert_int_equal(git_mirror_open(odd, &w->repo, &w->err), 0);
	assert_int_equal(git_tree_each(w->repo, tree, list_entry, &b, &w->err), ERR_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mirror, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users_settings_are_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fetch_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credentials_go_with_the_first_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trees, setup, teardown),
		cmocka_unit_test_setup_teardown(test_diff, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_are_none, setup, teardown),
	};
	return cmocka_run_group_tests_name("base/git", tests, NULL, NULL);
}
