#include "tests/component/sim_fixture.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/support/fds.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- receiving webhooks ---- */

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	(void)x;
	(void)arg;
	*ret_max_body = 25u << 20;
	return 0;
}

static void on_hook(struct http_exchange *x, void *arg)
{
	struct sim_fixture *f = arg;
	size_t len;
	uint8_t mac[SHA256_SIZE];
	struct buf want = {0};
	const char *body = http_body(x, &len), *event = http_request_header(x, "X-GitHub-Event"), *got = http_request_header(x, "X-Hub-Signature-256");
	crypto_hmac_sha256(SECRET, strlen(SECRET), body, len, mac);
	buf_adds(&want, "sha256=");
	text_hex(&want, mac, sizeof(mac));
	if (got == NULL || strcmp(got, buf_str(&want)) != 0)
		f->bad_signatures++;
	struct json_doc *doc = NULL;
	struct json root;
	assert_int_equal(json_parse(body, len, NULL, &doc, &root, &f->err), 0);
	struct json action = json_member(&root, "action");
	const char *word = json_text(&action);
	strlist_take(&f->events, xasprintf("%s%s%s", event, word != NULL ? "." : "", word != NULL ? word : ""));
	strlist_add(&f->guids, http_request_header(x, "X-GitHub-Delivery"));
	buf_reset(&f->last_payload);
	buf_add(&f->last_payload, body, len);
	(void)snprintf(f->target, sizeof(f->target), "%s %s", http_request_header(x, "X-GitHub-Hook-Installation-Target-Type"),
		       http_request_header(x, "X-GitHub-Hook-Installation-Target-ID"));
	json_doc_free(doc);
	buf_free(&want);
	http_reply_text(x, f->hook_answer, "ok");
}

void sim_fixture_settle(struct sim_fixture *f, size_t events)
{
	bool never = false;
	int64_t until = clock_mono_ms() + 5000;
	while ((f->events.n < events || sim_hooks(f->s).waiting > 0) && clock_mono_ms() < until)
		(void)loop_run_until(f->l, &never, 5);
	assert_int_equal(f->events.n, events);
	assert_int_equal(f->bad_signatures, 0);
}

/* ---- calling ---- */

static void keep_header(const struct http_response *res, const char *name, char *to, size_t size)
{
	const char *value = http_header(res, name);
	(void)snprintf(to, size, "%s", value != NULL ? value : "");
}

static void on_response(const struct http_response *res, void *arg)
{
	struct sim_fixture *f = arg;
	f->done = true;
	f->status = res->status;
	f->sent = res->sent;
	buf_reset(&f->body);
	buf_add(&f->body, res->body != NULL ? res->body : "", res->body_len);
	keep_header(res, "link", f->link, sizeof(f->link));
	keep_header(res, "retry-after", f->retry_after, sizeof(f->retry_after));
	keep_header(res, "location", f->location, sizeof(f->location));
	keep_header(res, "etag", f->etag, sizeof(f->etag));
	keep_header(res, "x-ratelimit-remaining", f->remaining, sizeof(f->remaining));
	keep_header(res, "x-github-request-id", f->request_id, sizeof(f->request_id));
}

int sim_fixture_call_as(struct sim_fixture *f, const char *token, const char *method, const char *path, const char *body)
{
	CLEANUP_FREE char *url = xasprintf("%s%s", sim_url(f->s), path), *auth = xasprintf("Bearer %s", token);
	struct http_header headers[6] = {{"Authorization", auth}, {"User-Agent", "test"}, {"Content-Type", f->type != NULL ? f->type : "application/json"},
					 {"Origin", f->origin != NULL ? f->origin : sim_url(f->s)}};
	size_t n = 4;
	if (f->encoding != NULL)
		headers[n++] = (struct http_header){"Content-Encoding", f->encoding};
	if (f->known != NULL)
		headers[n++] = (struct http_header){"If-None-Match", f->known};
	struct http_request req = {.method = method, .url = url, .headers = headers, .headers_n = n, .body = body,
				   .body_len = body != NULL ? strlen(body) : 0, .max_body = 4u << 20, .timeout_ms = 10000};
	f->done = false;
	(void)http_send(f->c, &req, on_response, f);
	assert_true(loop_run_until(f->l, &f->done, 12000));
	return f->status;
}

int sim_fixture_call(struct sim_fixture *f, const char *method, const char *path, const char *body)
{
	return sim_fixture_call_as(f, "bot-token", method, path, body);
}

int sim_fixture_raw(struct sim_fixture *f, const char *method, const char *path)
{
	static const char location[] = "\r\nLocation: ";
	char answer[65536];
	bool never = false;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)sim_port(f->s)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CLEANUP_FREE char *request = xasprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer bot-token\r\nUser-Agent: test\r\n"
					       "Content-Length: 0\r\nConnection: close\r\n\r\n", method, path, sim_port(f->s));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
	ssize_t n = -1;
	for (int i = 0; i < 200 && n <= 0; i++) {
		(void)loop_run_until(f->l, &never, 10);
		n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	}
	(void)close(fd);
	assert_true(n > 12);
	answer[n] = '\0';
	int64_t status = 0;
	CLEANUP_FREE char *digits = xstrndup(answer + strlen("HTTP/1.1 "), 3);
	assert_int_equal(text_int(digits, 100, 599, &status, NULL), 0);
	const char *at = strstr(answer, location);
	at = at != NULL ? at + strlen(location) : "";
	(void)snprintf(f->location, sizeof(f->location), "%.*s", (int)strcspn(at, "\r"), at);
	return (int)status;
}

/* A member of the last answer by dotted path, as JSON text. */
const char *sim_fixture_member(struct sim_fixture *f, const char *path)
{
	static struct buf out;
	struct json_doc *doc = NULL;
	struct json at;
	if (json_parse(buf_str(&f->body), f->body.len, NULL, &doc, &at, &f->err) != 0)
		fail_msg("%s: %s", f->err.msg, buf_str(&f->body));
	CLEANUP_FREE char *words = xstrdup(path);
	for (char *word = words, *next; word != NULL; word = next) {
		next = strchr(word, '.');
		if (next != NULL)
			*next++ = '\0';
		at = word[0] >= '0' && word[0] <= '9' ? json_at(&at, (size_t)(word[0] - '0')) : json_member(&at, word);
	}
	buf_reset(&out);
	if (json_ok(&at))
		json_print(&at, &out);
	else
		buf_adds(&out, "missing");
	json_doc_free(doc);
	return buf_str(&out);
}

/* ---- setting up ---- */

static void make_repository(struct sim_fixture *f)
{
	const struct sim_file base[] = {{.path = "live/a/main.tf", .content = "a = 1\n"}, {.path = "README.md", .content = "x\n"}};
	const struct sim_file change = {.path = "live/a/main.tf", .content = "a = 2\n"};
	struct sim_repo_new n = {.full_name = REPO, .user = "olivia", .files = base, .files_n = 2, .protect = SIM_CLASSIC, .reviews = 1};
	assert_int_equal(sim_repo_create(f->s, &n, &f->err), 0);
	assert_int_equal(sim_permission(f->s, REPO, "alice", "write", &f->err), 0);
	assert_int_equal(sim_permission(f->s, REPO, "bob", "write", &f->err), 0);
	assert_int_equal(sim_resolve(f->s, REPO, "main", f->main, &f->err), 0);
	assert_int_equal(sim_commit(f->s, REPO, "change", "alice", "Change a", &change, 1, f->head, &f->err), 0);
	struct sim_pr_new p = {.repo = REPO, .user = "alice", .title = "Change a", .head = "change"};
	assert_int_equal(sim_pr_open(f->s, &p, &f->pr, &f->err), 0);
	assert_int_equal(f->pr, 1);
}

void sim_fixture_start(struct sim_fixture *f, const struct sim_options *more)
{
	static const struct sim_token tokens[] = {{"bot-token", "sluice[bot]"}, {"alice-token", "alice"}, {"mallory-token", "mallory"}};
	*f = (struct sim_fixture){.fds = support_open_fds(), .dir = "/tmp/sluice-sim-XXXXXX", .hook_answer = 202};
	assert_non_null(mkdtemp(f->dir));
	f->l = loop_new();
	f->c = http_client_new(f->l);
	struct http_server_options h = {.host = "127.0.0.1", .on_head = on_head, .on_request = on_hook, .arg = f};
	f->hooks = http_server_start(f->l, &h, &f->err);
	assert_non_null(f->hooks);
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d/webhooks/github", http_server_port(f->hooks));
	struct sim_options o = more != NULL ? *more : (struct sim_options){0};
	o.dir = f->dir;
	o.webhook_url = url;
	o.webhook_secret = SECRET;
	o.tokens = tokens;
	o.tokens_n = ARRAY_LEN(tokens);
	if (sim_start(f->l, &o, &f->s, &f->err) != 0)
		fail_msg("%s", f->err.msg);
	make_repository(f);
	bool suites = more != NULL && more->apps_n > 0 && more->apps[0].suites;
	sim_fixture_settle(f, suites ? 3 : 2); /* push, suite, pull request */
}

static void tear_down(struct sim_fixture *f)
{
	sim_close(f->s);
	http_client_close(f->c);
	http_server_close(f->hooks);
	loop_close(f->l);
	strlist_free(&f->events);
	strlist_free(&f->guids);
	buf_free(&f->body);
	buf_free(&f->last_payload);
	assert_int_equal(fs_remove_tree(f->dir, &f->err), 0);
}

void sim_fixture_stop(struct sim_fixture *f)
{
	tear_down(f);
	assert_int_equal(support_open_fds(), f->fds);
}

int sim_fixture_warm_up(void **state)
{
	struct sim_fixture f;
	(void)state;
	sim_fixture_start(&f, NULL);
	tear_down(&f);
	return 0;
}

/* ---- git ---- */

static void on_clone_exit(const struct loop_exit *e, void *arg)
{
	struct sim_fixture *f = arg;
	f->done = true;
	f->status = e->code;
	buf_reset(&f->body);
	buf_add(&f->body, e->out, e->out_len);
}

int sim_fixture_clone(struct sim_fixture *f, const char *token, const char *then)
{
	CLEANUP_FREE char *url = xasprintf("http://x-access-token:%s@127.0.0.1:%d/" REPO ".git", token, sim_port(f->s));
	CLEANUP_FREE char *line = xasprintf("git clone -q %s %s/clone && cd %s/clone && %s", url, f->dir, f->dir, then);
	CLEANUP_FREE char *path = xasprintf("PATH=%s", getenv("PATH")), *trace = xasprintf("GIT_TRACE_CURL=%s/trace", f->dir);
	CLEANUP_FREE char *sh = xstrdup("sh"), *c = xstrdup("-c"), *quiet = xstrdup("GIT_TERMINAL_PROMPT=0"), *words = xasprintf("%s/stderr", f->dir);
	char *argv[] = {sh, c, line, NULL}, *envp[] = {path, quiet, trace, NULL};
	struct loop_spawn spawn = {.file = "/bin/sh", .argv = argv, .envp = envp, .max_output = 65536, .stderr_path = words, .timeout_ms = 20000};
	f->done = false;
	(void)loop_process_start(f->l, &spawn, on_clone_exit, f);
	assert_true(loop_run_until(f->l, &f->done, 25000));
	return f->status;
}
