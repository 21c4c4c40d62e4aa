#include "base/fs.h"
#include "github/event.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define A39 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B39 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C39 "ccccccccccccccccccccccccccccccccccccccc"
#define ZERO "0000000000000000000000000000000000000000"
#define REPO_ID INT64_C(4294967297) /* beyond 2^32 */

/* created_at of the comments in the fixtures */
#define COMMENTED INT64_C(1795599000000)

static void assert_text(const char *got, const char *want)
{
	if (want == NULL)
		assert_null(got);
	else if (got == NULL)
		fail_msg("nothing, expected \"%s\"", want);
	else
		assert_string_equal(got, want);
}

/* Every field of every kind; what a row does not name must be empty. */
struct row {
	const char *file, *event;
	struct gh_event want;
};

static void assert_same(const struct gh_event *e, const struct gh_event *w)
{
	assert_int_equal(e->kind, w->kind);
	assert_text(e->action, w->action);
	assert_int_equal(e->repo_id, w->repo_id);
	assert_text(e->repo, w->repo);
	assert_text(e->default_branch, w->default_branch);
	assert_int_equal(e->sender.id, w->sender.id);
	assert_text(e->sender.login, w->sender.login);
	assert_int_equal(e->sender.bot, w->sender.bot);
	assert_int_equal(e->pull, w->pull);
	assert_text(e->head_sha, w->head_sha);
	assert_text(e->base_ref, w->base_ref);
	assert_text(e->merge_sha, w->merge_sha);
	assert_int_equal(e->draft, w->draft);
	assert_int_equal(e->merged, w->merged);
	assert_int_equal(e->fork, w->fork);
	assert_int_equal(e->base_changed, w->base_changed);
	assert_text(e->before, w->before);
	assert_text(e->after, w->after);
	assert_text(e->ref, w->ref);
	assert_int_equal(e->forced, w->forced);
	assert_int_equal(e->deleted, w->deleted);
	assert_int_equal(e->comment_id, w->comment_id);
	assert_int_equal(e->comment_created_ms, w->comment_id != 0 ? COMMENTED : 0);
	assert_text(e->comment_body, w->comment_body);
	assert_int_equal(e->is_pull_comment, w->is_pull_comment);
	assert_int_equal(e->app_comment, w->app_comment);
	assert_int_equal(e->app_id, w->app_id);
	assert_text(e->button, w->button);
	assert_text(e->base_sha, w->base_sha);
	assert_text(e->context, w->context);
	assert_text(e->account, w->account);
	assert_int_equal(e->lost, w->lost);
	assert_int_equal(e->repos_n, w->repos_n);
}

#define COMMON .repo_id = REPO_ID, .repo = (char[]){"acme/infra"}, .default_branch = (char[]){"main"}
#define ALICE .sender = {1001, (char[]){"alice"}, false}
#define BOB .sender = {1002, (char[]){"bob"}, false}
#define GHOST .sender = {0, (char[]){"ghost"}, false}

static const struct row ROWS[] = {
	{"pull_request.opened", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"opened"}, COMMON, ALICE, .pull = 7, .head_sha = (char[]){A39 "1"}, .base_ref = (char[]){"main"}}},
	{"pull_request.synchronize", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"synchronize"}, COMMON, ALICE, .pull = 7, .head_sha = (char[]){A39 "1"}, .base_ref = (char[]){"main"},
	  .draft = true, .before = (char[]){C39 "3"}, .after = (char[]){A39 "1"}}},
	{"pull_request.ready_for_review", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"ready_for_review"}, COMMON, ALICE, .pull = 7, .head_sha = (char[]){A39 "1"}, .base_ref = (char[]){"main"}}},
	{"pull_request.edited_base", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"edited"}, COMMON, ALICE, .pull = 7, .head_sha = (char[]){A39 "1"}, .base_ref = (char[]){"release"},
	  .base_changed = true}},
	{"pull_request.edited_title", "pull_request", {.kind = GH_EVENT_IGNORED, .action = (char[]){"edited"}}},
	{"pull_request.labeled", "pull_request", {.kind = GH_EVENT_FACTS, .action = (char[]){"labeled"}, COMMON, ALICE, .pull = 7}},
	{"pull_request.closed_merged", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"closed"}, COMMON, ALICE, .pull = 7, .head_sha = (char[]){A39 "1"}, .base_ref = (char[]){"main"},
	  .merged = true, .merge_sha = (char[]){C39 "3"}}},
	{"pull_request.fork", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"opened"}, COMMON, .sender = {1666, (char[]){"eve"}, false}, .pull = 7, .head_sha = (char[]){A39 "1"},
	  .base_ref = (char[]){"main"}, .fork = true}},
	{"pull_request.fork_gone", "pull_request",
	 {.kind = GH_EVENT_PULL, .action = (char[]){"reopened"}, COMMON, GHOST, .pull = 7, .head_sha = (char[]){A39 "1"}, .base_ref = (char[]){"main"},
	  .fork = true}},
	{"issue_comment.created", "issue_comment",
	 {.kind = GH_EVENT_COMMENT, .action = (char[]){"created"}, COMMON, BOB, .pull = 7, .comment_id = 3000000001,
	  .comment_body = (char[]){"sluice apply -p network\r\n\r\nlooks good"}, .is_pull_comment = true}},
	{"issue_comment.created_on_issue", "issue_comment",
	 {.kind = GH_EVENT_COMMENT, .action = (char[]){"created"}, COMMON, BOB, .pull = 8, .comment_id = 3000000001, .comment_body = (char[]){""}}},
	{"issue_comment.created_by_app", "issue_comment",
	 {.kind = GH_EVENT_COMMENT, .action = (char[]){"created"}, COMMON, .sender = {41, (char[]){"sluice[bot]"}, true}, .pull = 7, .comment_id = 3000000001,
	  .comment_body = (char[]){"apply"}, .is_pull_comment = true, .app_comment = true}},
	{"issue_comment.edited", "issue_comment",
	 {.kind = GH_EVENT_COMMENT_CHANGED, .action = (char[]){"edited"}, COMMON, BOB, .pull = 7, .comment_id = 3000000001,
	  .comment_body = (char[]){"apply"}, .is_pull_comment = true}},
	{"push", "push",
	 {.kind = GH_EVENT_PUSH, .action = (char[]){""}, COMMON, BOB, .before = (char[]){B39 "2"}, .after = (char[]){C39 "3"}, .ref = (char[]){"refs/heads/main"}}},
	{"push.forced", "push",
	 {.kind = GH_EVENT_PUSH, .action = (char[]){""}, COMMON, ALICE, .before = (char[]){B39 "2"}, .after = (char[]){C39 "3"},
	  .ref = (char[]){"refs/heads/grow/network-\xc3\xbc"}, .forced = true}},
	{"push.deleted", "push",
	 {.kind = GH_EVENT_PUSH, .action = (char[]){""}, COMMON, GHOST, .before = (char[]){B39 "2"}, .after = (char[]){ZERO}, .ref = (char[]){"refs/heads/old"},
	  .deleted = true}},
	{"ping", "ping", {.kind = GH_EVENT_PING, .action = (char[]){""}, .app_id = 12345}},
	{"check_suite.requested", "check_suite", {.kind = GH_EVENT_IGNORED, .action = (char[]){"requested"}}},
	/* a payload under another event's name is not looked into */
	{"push", "gollum", {.kind = GH_EVENT_IGNORED, .action = (char[]){""}}},
};

/* What GitHub tells beside pull requests, comments and pushes. */
#define REPO_JSON "\"repository\":{\"id\":4294967297,\"full_name\":\"acme/infra\",\"default_branch\":\"main\"},"
#define ALICE_JSON "\"sender\":{\"id\":1001,\"login\":\"alice\",\"type\":\"User\"}}"
#define CHECK_JSON(app) "\"check_run\":{\"name\":\"sluice\",\"head_sha\":\"" A39 "1\",\"app\":" app "},"
#define GROUP_JSON(ref) "\"merge_group\":{\"head_sha\":\"" A39 "1\",\"base_sha\":\"" B39 "2\",\"head_ref\":\"" ref "\"},"

static const struct other {
	const char *event, *body;
	struct gh_event want;
} OTHERS[] = {
	{"pull_request_review", "{\"action\":\"dismissed\"," REPO_JSON "\"pull_request\":{\"number\":7}," ALICE_JSON,
	 {.kind = GH_EVENT_FACTS, .action = (char[]){"dismissed"}, COMMON, ALICE, .pull = 7}},
	{"pull_request_review_thread", "{\"action\":\"resolved\"," REPO_JSON "\"pull_request\":{\"number\":7}," ALICE_JSON,
	 {.kind = GH_EVENT_FACTS, .action = (char[]){"resolved"}, COMMON, ALICE, .pull = 7}},
	{"pull_request_review", "{\"action\":\"pondered\"}", {.kind = GH_EVENT_IGNORED, .action = (char[]){"pondered"}}},
	{"check_run", "{\"action\":\"rerequested\"," REPO_JSON CHECK_JSON("{\"id\":9}") ALICE_JSON,
	 {.kind = GH_EVENT_RERUN, .action = (char[]){"rerequested"}, COMMON, ALICE, .head_sha = (char[]){A39 "1"}, .app_id = 9,
	  .button = (char[]){"plan"}, .context = (char[]){"sluice"}}},
	{"check_run", "{\"action\":\"requested_action\",\"requested_action\":{\"identifier\":\"apply\"}," REPO_JSON CHECK_JSON("{\"id\":9}") ALICE_JSON,
	 {.kind = GH_EVENT_RERUN, .action = (char[]){"requested_action"}, COMMON, ALICE, .head_sha = (char[]){A39 "1"}, .app_id = 9,
	  .button = (char[]){"apply"}, .context = (char[]){"sluice"}}},
	{"check_run", "{\"action\":\"completed\"," REPO_JSON CHECK_JSON("null") ALICE_JSON,
	 {.kind = GH_EVENT_FACTS, .action = (char[]){"completed"}, COMMON, ALICE, .head_sha = (char[]){A39 "1"}, .context = (char[]){"sluice"}}},
	{"check_run", "{\"action\":\"created\"}", {.kind = GH_EVENT_IGNORED, .action = (char[]){"created"}}},
	{"check_suite", "{\"action\":\"rerequested\"," REPO_JSON "\"check_suite\":{\"head_sha\":\"" A39 "1\",\"app\":{\"id\":9}}," ALICE_JSON,
	 {.kind = GH_EVENT_RERUN, .action = (char[]){"rerequested"}, COMMON, ALICE, .head_sha = (char[]){A39 "1"}, .app_id = 9, .button = (char[]){"plan"}}},
	{"status", "{\"sha\":\"" A39 "1\",\"context\":\"ci/build\"," REPO_JSON ALICE_JSON,
	 {.kind = GH_EVENT_FACTS, .action = (char[]){""}, COMMON, ALICE, .head_sha = (char[]){A39 "1"}, .context = (char[]){"ci/build"}}},
	{"merge_group", "{\"action\":\"checks_requested\"," REPO_JSON GROUP_JSON("refs/heads/gh-readonly-queue/a/pr-1-b/pr-12-" A39 "1") ALICE_JSON,
	 {.kind = GH_EVENT_GROUP, .action = (char[]){"checks_requested"}, COMMON, ALICE, .pull = 12, .head_sha = (char[]){A39 "1"},
	  .base_sha = (char[]){B39 "2"}}},
	{"merge_group", "{\"action\":\"checks_requested\"," REPO_JSON GROUP_JSON("refs/heads/gh-readonly-queue/main/pr-99999999999-x") ALICE_JSON,
	 {.kind = GH_EVENT_GROUP, .action = (char[]){"checks_requested"}, COMMON, ALICE, .head_sha = (char[]){A39 "1"}, .base_sha = (char[]){B39 "2"}}},
	{"merge_group", "{\"action\":\"destroyed\"}", {.kind = GH_EVENT_IGNORED, .action = (char[]){"destroyed"}}},
	{"installation", "{\"action\":\"suspend\",\"installation\":{\"id\":1,\"account\":{\"login\":\"acme\"}}," ALICE_JSON,
	 {.kind = GH_EVENT_ACCESS, .action = (char[]){"suspend"}, ALICE, .account = (char[]){"acme"}, .lost = true}},
	{"installation", "{\"action\":\"unsuspend\",\"installation\":{\"id\":1,\"account\":{\"login\":\"acme\"}}," ALICE_JSON,
	 {.kind = GH_EVENT_ACCESS, .action = (char[]){"unsuspend"}, ALICE, .account = (char[]){"acme"}}},
	{"installation", "{\"action\":\"created\",\"installation\":{\"id\":1,\"account\":{\"login\":\"acme\"}},\"repositories\":[{\"id\":5,\"full_name\":\"acme/a\"}],"
			 ALICE_JSON,
	 {.kind = GH_EVENT_ACCESS, .action = (char[]){"created"}, ALICE, .account = (char[]){"acme"}, .repos_n = 1}},
	{"installation_repositories", "{\"action\":\"removed\",\"repositories_removed\":[{\"id\":5,\"full_name\":\"acme/a\"}]," ALICE_JSON,
	 {.kind = GH_EVENT_ACCESS, .action = (char[]){"removed"}, ALICE, .repos_n = 1, .lost = true}},
	{"repository", "{\"action\":\"renamed\"," REPO_JSON ALICE_JSON, {.kind = GH_EVENT_REPO, .action = (char[]){"renamed"}, COMMON, ALICE}},
	{"repository", "{\"action\":\"archived\"}", {.kind = GH_EVENT_IGNORED, .action = (char[]){"archived"}}},
	{"ping", "{\"hook\":{\"app_id\":9}}", {.kind = GH_EVENT_PING, .action = (char[]){""}, .app_id = 9}},
};

static void test_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
		struct gh_event e = {0};
		struct err err = {0};
		print_message("  %s %s\n", OTHERS[i].event, OTHERS[i].want.action);
		if (gh_event_decode(OTHERS[i].event, OTHERS[i].body, strlen(OTHERS[i].body), &e, &err) != 0)
			fail_msg("%s: %s", OTHERS[i].body, err.msg);
		assert_same(&e, &OTHERS[i].want);
		gh_event_free(&e);
	}
}

static void test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		CLEANUP_BUF struct buf bytes = {0};
		CLEANUP_FREE char *path = xasprintf("tests/fixtures/webhooks/%s.json", ROWS[i].file);
		struct gh_event e = {0};
		struct err err = {0};
		print_message("  %s\n", ROWS[i].file);
		assert_int_equal(fs_read(path, 1 << 20, &bytes, &err), 0);
		if (gh_event_decode(ROWS[i].event, bytes.data, bytes.len, &e, &err) != 0)
			fail_msg("%s: %s", ROWS[i].file, err.msg);
		assert_same(&e, &ROWS[i].want);
		gh_event_free(&e);
		assert_null(e.action);
	}
}

#define REPO "\"repository\":{\"id\":1,\"full_name\":\"a/b\"}"

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *event, *body, *sentence;
	} rows[] = {
		{"push", "[]", "webhook push: expected an object"},
		{"push", "{", "webhook push: "},
		{"push", "", "webhook push: "},
		{"push", "{}", "webhook push: repository: missing"},
		{"push", "{\"repository\":{\"id\":0,\"full_name\":\"a/b\"}}", "webhook push: repository.id: "},
		{"push", "{\"repository\":{\"id\":1.5,\"full_name\":\"a/b\"}}", "webhook push: repository.id: "},
		{"push", "{\"repository\":{\"id\":1e300,\"full_name\":\"a/b\"}}", "webhook push: repository.id: "},
		{"push", "{\"repository\":{\"id\":\"1\",\"full_name\":\"a/b\"}}", "webhook push: repository.id: "},
		{"push", "{" REPO ",\"ref\":7}", "webhook push: ref: "},
		{"push", "{" REPO ",\"ref\":\"r\",\"before\":\"" ZERO "\",\"after\":\"main\"}", "webhook push: after: expected a commit id"},
		{"push", "{" REPO ",\"ref\":\"r\",\"before\":\"" ZERO "\",\"after\":\"" A39 "/\"}", "webhook push: after: expected a commit id"},
		{"push", "{" REPO ",\"ref\":\"r\",\"before\":\"" ZERO "\",\"after\":\"" ZERO "\",\"sender\":7}", "webhook push: sender: "},
		{"push", "{" REPO ",\"ref\":\"r\",\"before\":\"" ZERO "\",\"after\":\"" ZERO "\",\"sender\":{\"id\":1}}", "webhook push: sender.login: "},
		{"pull_request", "{\"action\":\"opened\"," REPO "}", "webhook pull_request: pull_request: missing"},
		{"pull_request", "{\"action\":\"opened\"," REPO ",\"pull_request\":{\"number\":0}}", "webhook pull_request: pull_request.number: "},
		{"pull_request", "{\"action\":\"opened\"," REPO ",\"pull_request\":{\"number\":1,\"head\":{\"sha\":null}}}",
		 "webhook pull_request: pull_request.head.sha: "},
		{"pull_request", "{\"action\":\"edited\",\"changes\":{\"base\":1}}", "webhook pull_request: changes.base: "},
		{"issue_comment", "{\"action\":\"created\"," REPO "}", "webhook issue_comment: issue: missing"},
		{"issue_comment", "{\"action\":\"created\"," REPO ",\"issue\":{\"number\":1},\"comment\":{\"id\":1,\"body\":\"a\",\"created_at\":\"soon\"}}",
		 "webhook issue_comment: comment.created_at: expected a time like "},
		{"issue_comment", "{\"action\":\"created\"," REPO ",\"issue\":{\"number\":1},\"comment\":{\"id\":1,\"body\":5}}",
		 "webhook issue_comment: comment.body: "},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct gh_event e = {.pull = 77};
		struct err err = {0};
		int rc = gh_event_decode(rows[i].event, rows[i].body, strlen(rows[i].body), &e, &err);
		if (rc != ERR_PARSE || strncmp(err.msg, rows[i].sentence, strlen(rows[i].sentence)) != 0)
			fail_msg("%s gave %d \"%s\", expected \"%s...\"", rows[i].body, rc, err.msg, rows[i].sentence);
		assert_int_equal(e.pull, 77); /* untouched */
	}
}

static void test_depth(void **state)
{
	(void)state;
	CLEANUP_BUF struct buf deep = {0};
	struct gh_event e = {0};
	struct err err = {0};
	buf_adds(&deep, "{\"a\":");
	for (int i = 0; i < 100; i++)
		buf_addc(&deep, '[');
	assert_int_equal(gh_event_decode("push", deep.data, deep.len, &e, &err), ERR_LIMIT);
}

/* Files are named EVENT.anything.json or EVENT.json; a set of examples from elsewhere may be given by the environment. */
static unsigned replay(const char *dir)
{
	unsigned n = 0;
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *f; (f = readdir(d)) != NULL;) {
		if (f->d_name[0] == '.')
			continue;
		CLEANUP_FREE char *path = xasprintf("%s/%s", dir, f->d_name);
		CLEANUP_FREE char *event = xstrndup(f->d_name, strcspn(f->d_name, "."));
		CLEANUP_BUF struct buf bytes = {0};
		struct gh_event e = {0};
		struct err err = {0};
		assert_int_equal(fs_read(path, 32 << 20, &bytes, &err), 0);
		if (gh_event_decode(event, bytes.data, bytes.len, &e, &err) != 0)
			fail_msg("%s: %s", path, err.msg);
		gh_event_free(&e);
		n++;
	}
	(void)closedir(d);
	return n;
}

static void test_own_examples(void **state)
{
	(void)state;
	assert_int_equal(replay("tests/fixtures/webhooks"), 18);
}

static void test_published_examples(void **state)
{
	(void)state;
	const char *dir = getenv("SLUICE_WEBHOOK_EXAMPLES");
	DIR *d = dir != NULL ? opendir(dir) : NULL;
	if (d == NULL) {
		print_message("  SLUICE_WEBHOOK_EXAMPLES names no directory\n");
		skip();
		return;
	}
	(void)closedir(d);
	assert_int_equal(replay(dir), 329);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_others),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth),	     cmocka_unit_test(test_own_examples),
		cmocka_unit_test(test_published_examples),
	};
	return cmocka_run_group_tests_name("github/event", tests, NULL, NULL);
}
