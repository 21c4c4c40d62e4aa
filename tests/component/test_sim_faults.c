/* The simulated GitHub when told to fail, its control paths, its page, and forks. */
#include "base/clock.h"
#include "base/fs.h"
#include "cmd/sim/sim_priv.h"
#include "tests/component/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COMMENTS "/repos/" REPO "/issues/1/comments"

static void set(struct sim_fixture *f, const char *rules)
{
	if (sim_set_faults(f->s, rules, &f->err) != 0)
		fail_msg("%s", f->err.msg);
}

/* ---- rules ---- */

static void bad_rules(void **state)
{
	static const char *const rows[][2] = {
		{"comment_create", "write CLASS=KIND"},
		{"comment_creat=reset", "did you mean comment_create"},
		{"comment_create=status", "needs a number"},
		{"comment_create=status:200", "200"},
		{"comment_create=explode", "is no kind for requests"},
		{"comment_create=duplicate", "is no kind for requests"},
		{"hook=status:500", "is no kind for webhooks"},
		{"comment_create=reset:5", "takes no number"},
		{"comment_create=reset,often=1", "skip=N, times=N, percent=N"},
		{"comment_create=reset,percent=101", "101"},
		{"git=cut", "git knows"},
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	set(&f, "user=status:503");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_not_equal(sim_set_faults(f.s, rows[i][0], &f.err), 0);
		if (strstr(f.err.msg, rows[i][1]) == NULL)
			fail_msg("%s: %s", rows[i][0], f.err.msg);
	}
	assert_int_equal(sim_fixture_call(&f, "GET", "/user", NULL), 503); /* the old rules stay */
	set(&f, "");
	assert_int_equal(sim_fixture_call(&f, "GET", "/user", NULL), 200);
	sim_fixture_stop(&f);
}

static void request_faults(void **state)
{
	static const struct {
		const char *rule;
		int status;
		size_t made; /* comments afterwards */
	} rows[] = {
		{"comment_create=status:502", 502, 0}, {"comment_create=reset", 0, 0},	   {"comment_create=lost", 0, 1},
		{"comment_create=limit:7", 403, 1},    {"*=status:404", 404, 1},	   {"comment_create=cut", 201, 2},
		{"comment_create=delay:60", 201, 3},   {"comment_edit=status:500", 201, 4},
	};
	struct sim_fixture f;
	struct sim_pr_view v;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t before = clock_mono_ms();
		set(&f, rows[i].rule);
		int got = sim_fixture_call(&f, "POST", COMMENTS, "{\"body\":\"x\"}");
		assert_true(sim_pr_view(f.s, REPO, 1, &v));
		if (got != rows[i].status || v.comments != rows[i].made)
			fail_msg("%s: status %d, %zu comments", rows[i].rule, got, v.comments);
		assert_true(strstr(rows[i].rule, "delay") == NULL || clock_mono_ms() - before >= 60);
		assert_string_equal(f.retry_after, strstr(rows[i].rule, "limit") != NULL ? "7" : "");
		assert_true(got != 0 || f.sent);
		bool broken = strstr(rows[i].rule, "cut") != NULL;
		assert_int_equal(f.body.len == 0 || f.body.data[f.body.len - 1] == '}', !broken);
	}
	set(&f, "user=status:500,skip=1,times=2");
	static const int want[] = {200, 500, 500, 200};
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(sim_fixture_call(&f, "GET", "/user", NULL), want[i]);
	set(&f, "git=status:503");
	assert_int_equal(sim_fixture_clone(&f, "bot-token", "true"), 128);
	sim_fixture_stop(&f);
}

/* The same seed fails the same requests. */
static void seeds(void **state)
{
	char seen[3][33] = {{0}};
	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct sim_options o = {.seed = k == 2 ? 8 : 7, .faults = "user=status:500,percent=50"};
		struct sim_fixture f;
		sim_fixture_start(&f, &o);
		for (size_t i = 0; i < 32; i++)
			seen[k][i] = sim_fixture_call(&f, "GET", "/user", NULL) == 500 ? 'x' : '.';
		sim_fixture_stop(&f);
	}
	assert_string_equal(seen[0], seen[1]);
	assert_string_not_equal(seen[0], seen[2]);
	assert_non_null(strchr(seen[0], 'x'));
	assert_non_null(strchr(seen[0], '.'));
}

static void hook_faults(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	set(&f, "hook.issue_comment=duplicate");
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "a", NULL, &f.err), 0);
	sim_fixture_settle(&f, 4);
	assert_string_equal(f.guids.v[2], f.guids.v[3]);
	set(&f, "hook=drop,times=1");
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "b", NULL, &f.err), 0);
	sim_fixture_settle(&f, 4);
	assert_int_equal(sim_hooks(f.s).dropped, 1);
	set(&f, "hook.issue_comment=reorder,times=1");
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "c", NULL, &f.err), 0);
	assert_int_equal(sim_review(f.s, REPO, 1, "bob", "APPROVE", NULL, &f.err), 0);
	sim_fixture_settle(&f, 6);
	assert_string_equal(f.events.v[4], "pull_request_review.submitted");
	assert_string_equal(f.events.v[5], "issue_comment.created");
	set(&f, "hook.issue_comment=delay:50,times=1");
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "d", NULL, &f.err), 0);
	sim_fixture_settle(&f, 7);
	f.hook_answer = 500;
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "e", NULL, &f.err), 0);
	sim_fixture_settle(&f, 8);
	assert_int_equal(sim_hooks(f.s).failed, 1);
	assert_int_equal(sim_hooks(f.s).answered_2xx, 7);
	sim_set_webhook(f.s, "http://127.0.0.1:1/", SECRET); /* nobody there */
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "f", NULL, &f.err), 0);
	sim_fixture_settle(&f, 8);
	assert_int_equal(sim_hooks(f.s).failed, 2);
	sim_fixture_stop(&f);
}

static void write_limit(void **state)
{
	struct sim_options o = {.enforce_write_limit = true};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, &o);
	for (int i = 0; i < 80; i++)
		assert_int_equal(sim_fixture_call(&f, "POST", COMMENTS, "{\"body\":\"x\"}"), 201);
	assert_int_equal(sim_fixture_call(&f, "POST", COMMENTS, "{\"body\":\"x\"}"), 403);
	assert_string_equal(f.retry_after, "60");
	assert_int_equal(sim_fixture_call(&f, "GET", COMMENTS, NULL), 200); /* reading goes on */
	assert_int_equal(sim_fixture_call_as(&f, "alice-token", "POST", COMMENTS, "{\"body\":\"x\"}"), 201);
	assert_int_equal(sim_writes(f.s, "sluice[bot]", NULL), 80);
	sim_fixture_stop(&f);
}

static void ignore(const struct http_response *res, void *arg)
{
	(void)res;
	(void)arg;
}

/* Closing with a held answer, a waiter, a running git and a delivery under way leaks nothing (the sanitizer looks). */
static void closing_early(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	set(&f, "user=delay:60000;hook=delay:60000");
	CLEANUP_FREE char *user = xasprintf("%s/user", sim_url(f.s)), *wait = xasprintf("%s/_sim/wait?repo=" REPO "&merged=1", sim_url(f.s));
	CLEANUP_FREE char *refs = xasprintf("%s/" REPO ".git/info/refs?service=git-upload-pack", sim_url(f.s));
	const char *const urls[] = {user, wait, refs};
	const struct http_header auth[] = {{"Authorization", "Bearer bot-token"}, {"User-Agent", "test"}};
	struct http_client *c = http_client_new(f.l);
	bool never = false;
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "a", NULL, &f.err), 0);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct http_request req = {.method = "GET", .url = urls[i], .headers = auth, .headers_n = 2, .max_body = 65536, .timeout_ms = 9000};
		(void)http_send(c, &req, ignore, NULL);
	}
	(void)loop_run_until(f.l, &never, 3);
	http_client_close(c);
	sim_fixture_stop(&f);
}

/* ---- control ---- */

static void control(void **state)
{
	static const struct {
		const char *path, *body;
		int status;
	} rows[] = {
		{"/_sim/comment", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"bob\",\"body\":\"plan\"}", 200},
		{"/_sim/comment", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"bob\"}", 400},
		{"/_sim/comment", "{\"repo\":\"" REPO "\",\"pr\":7,\"body\":\"x\"}", 404},
		{"/_sim/comment", "{\"pr\":1,\"body\":\"x\"}", 400},
		{"/_sim/comment", "{\"repo\":\"" REPO "\",\"pr\":\"1\",\"body\":\"x\"}", 400},
		{"/_sim/nothing", "{}", 404},
		{"/_sim/repos", "{\"repo\":\"../x\"}", 400},
		{"/_sim/repos", "{\"repo\":\"" REPO "\"}", 409},
		{"/_sim/repos", "{\"repo\":\"acme/two\",\"user\":\"bob\",\"branch\":\"trunk\",\"files\":{\"a\":\"1\",\"b\":\"2\"}}", 200},
		{"/_sim/commit", "{\"repo\":\"acme/two\",\"user\":\"bob\",\"branch\":\"trunk\",\"files\":{\"a\":null,\"c/d\":\"3\"}}", 200},
		{"/_sim/commit", "{\"repo\":\"acme/two\",\"branch\":\"x\",\"files\":{\"../etc/passwd\":\"1\"}}", 400},
		{"/_sim/commit", "{\"repo\":\"acme/two\",\"branch\":\"x\",\"files\":{\".git/config\":\"1\"}}", 400},
		{"/_sim/commit", "{\"repo\":\"acme/two\",\"branch\":\"x\",\"files\":{\"a\":1}}", 400},
		{"/_sim/permission", "{\"repo\":\"" REPO "\",\"user\":\"bob\",\"permission\":\"king\"}", 400},
		{"/_sim/protect", "{\"repo\":\"" REPO "\",\"branch\":\"main\",\"protect\":\"ruleset\",\"reviews\":1}", 200},
		{"/_sim/team", "{\"org\":\"acme\",\"team\":\"t\",\"user\":\"bob\",\"state\":\"active\"}", 200},
		{"/_sim/check", "{\"repo\":\"" REPO "\",\"sha\":\"change\",\"name\":\"build\",\"conclusion\":\"success\"}", 200},
		{"/_sim/faults", "{\"faults\":\"nonsense\"}", 400},
		{"/_sim/edit", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"alice\",\"title\":\"New\"}", 200},
		{"/_sim/act", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"alice\",\"action\":\"jump\"}", 400},
		{"/_sim/merge", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"bob\"}", 422},
		{"/_sim/review", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"bob\"}", 200},
		{"/_sim/merge", "{\"repo\":\"" REPO "\",\"pr\":1,\"user\":\"bob\"}", 200},
		{"/_sim/redeliver", "{\"index\":999}", 404},
	};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int got = sim_fixture_call(&f, "POST", rows[i].path, rows[i].body);
		if (got != rows[i].status)
			fail_msg("%s %s: %d: %s", rows[i].path, rows[i].body, got, buf_str(&f.body));
	}
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/wait?repo=" REPO "&pr=1&comment=plan&by=bob&merged=1&delivered=1", NULL), 200);
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/wait?repo=" REPO "&pr=1&comment=never&timeout_ms=30", NULL), 408);
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/wait?timeout_ms=x", NULL), 400);
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/state", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "repositories.0.pulls.0.merged"), "true");
	assert_string_equal(sim_fixture_member(&f, "repositories.0.pulls.0.comments.0.body"), "\"plan\"");
	assert_string_equal(sim_fixture_member(&f, "repositories.1.default_branch"), "\"trunk\"");
	sim_fixture_stop(&f);
}

static void foreign_pages(void **state)
{
	static const char *const origins[] = {"null", "http://evil.example", "https://127.0.0.1", "http://127.0.0.1", "http://127.0.0.1:1"};
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	CLEANUP_FREE char *longer = xasprintf("%s.evil.example", sim_url(f.s)), *local = xasprintf("http://localhost:%d", sim_port(f.s));
	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		f.origin = origins[i];
		assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/state", NULL), 403);
	}
	f.origin = longer;
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/state", NULL), 403);
	f.origin = local;
	assert_int_equal(sim_fixture_call(&f, "GET", "/_sim/state", NULL), 200);
	sim_fixture_stop(&f);
}

/* ---- branches that move outside, forks ---- */

static void sync_and_forks(void **state)
{
	const struct sim_file evil = {.path = "evil.tf", .content = "x\n"};
	struct sim_fixture f;
	struct sim_pr_view v;
	int64_t n;
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_commit(f.s, REPO, "mallory:main", "mallory", "Evil", &evil, 1, NULL, &f.err), 0);
	struct sim_pr_new p = {.repo = REPO, .user = "mallory", .head = "mallory:main"};
	assert_int_equal(sim_pr_open(f.s, &p, &n, &f.err), 0);
	sim_fixture_settle(&f, 3); /* no push: the fork is another repository */
	assert_int_equal(sim_fixture_call(&f, "GET", "/repos/" REPO "/pulls/2", NULL), 200);
	assert_string_equal(sim_fixture_member(&f, "head.repo.full_name"), "\"mallory/infra\"");
	assert_string_equal(sim_fixture_member(&f, "head.repo.fork"), "true");
	assert_string_equal(sim_fixture_member(&f, "author_association"), "\"NONE\"");
	assert_int_equal(sim_fixture_clone(&f, "bot-token", "git fetch -q origin refs/pull/2/head && git show FETCH_HEAD:evil.tf; git ls-remote | grep -c forks"), 1);
	assert_string_equal(buf_str(&f.body), "x\n0\n");
	CLEANUP_FREE char *push = xasprintf("git -C %s branch -f change main && git -C %s branch extra main", sim_git_dir(f.s, REPO), sim_git_dir(f.s, REPO));
	assert_int_equal(system(push), 0);
	assert_int_equal(sim_sync(f.s, REPO, "bob", &f.err), 0);
	sim_fixture_settle(&f, 6); /* push, synchronize, push */
	assert_true(sim_pr_view(f.s, REPO, 1, &v));
	assert_string_equal(v.head_sha, f.main);
	assert_int_equal(sim_sync(f.s, REPO, "bob", &f.err), 0);
	sim_fixture_settle(&f, 6);
	sim_fixture_stop(&f);
}

/* ---- page ---- */

static void page(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	assert_int_equal(sim_comment(f.s, REPO, 1, "bob", "<script>alert(1)</script> **b**", NULL, &f.err), 0);
	assert_int_equal(sim_pr_edit(f.s, REPO, 1, "alice", "<img src=x>", NULL, &f.err), 0);
	static const char *const paths[] = {"/", "/" REPO, "/" REPO "?file=README.md", "/" REPO "/pull/1", "/" REPO "/pull/1?file=live/a/main.tf",
					    "/" REPO "/pull/1/live"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_int_equal(sim_fixture_call(&f, "GET", paths[i], NULL), 200);
		assert_null(strstr(buf_str(&f.body), "<script>alert"));
		assert_null(strstr(buf_str(&f.body), "<img"));
		assert_null(strstr(buf_str(&f.body), "NONCE"));
	}
	assert_non_null(strstr(buf_str(&f.body), "&lt;script&gt;alert(1)&lt;/script&gt; <strong>b</strong>"));
	assert_int_equal(sim_fixture_call(&f, "GET", "/" REPO "/pull/2", NULL), 404);
	assert_int_equal(sim_fixture_call(&f, "GET", "/none/none", NULL), 404);
	sim_fixture_stop(&f);
}

static void markdown(void **state)
{
	static const char *const rows[][2] = {
		{"## Two `a<b` **c**", "<h2>Two <code>a&lt;b</code> <strong>c</strong></h2>\n"},
		{"a & b &#64;c <br> <x>", "<p>a &amp; b &#64;c <br> &lt;x&gt;\n</p>\n"},
		{"[t](https://a/?x=\"1\")", "<p><a rel=\"noreferrer\" href=\"https://a/?x=&quot;1&quot;\">t</a>\n</p>\n"},
		{"[t](javascript:alert(1))", "<p>[t](javascript:alert(1))\n</p>\n"},
		{"````diff\n+a\n-b\n ```\n````", "<pre><span class=\"add\">+a</span>\n<span class=\"del\">-b</span>\n ```\n</pre>\n"},
		{"```\n<b>", "<pre>&lt;b&gt;\n</pre>\n"},
		{"| a | b\\|c |\n|--|--|\n| `x|y` | z |",
		 "<table><tr><th> a </th><th> b|c </th></tr>\n<tr><td> <code>x|y</code> </td><td> z </td></tr>\n</table>\n"},
		{"> [!WARNING]\n> x", "<blockquote><b class=\"alert\">WARNING</b><br>x<br>\n</blockquote>\n"},
		{"- a\n- b", "<ul><li>a</li>\n<li>b</li>\n</ul>\n"},
		{"<details><summary>s</summary>\n\nx", "<details><summary>s</summary>\n<p>x\n</p>\n</details>\n"},
		{"</details>x <!-- hidden -->", "x \n"},
		{"**open", "<p>**open\n</p>\n"},
		{"`open", "<p>`open\n</p>\n"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b CLEANUP_BUF = {0};
		sim_markdown(&b, rows[i][0]);
		assert_string_equal(buf_str(&b), rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_rules), cmocka_unit_test(request_faults), cmocka_unit_test(seeds), cmocka_unit_test(hook_faults),
		cmocka_unit_test(write_limit), cmocka_unit_test(closing_early), cmocka_unit_test(control), cmocka_unit_test(foreign_pages), cmocka_unit_test(sync_and_forks),
		cmocka_unit_test(page), cmocka_unit_test(markdown),
	};
	return cmocka_run_group_tests_name("sim faults", tests, sim_fixture_warm_up, NULL);
}
