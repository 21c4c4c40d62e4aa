/* `sluice setup`: a GitHub App in one click. A page on loopback carries the App's description (its manifest) to GitHub; GitHub sends the browser back
 * with a code, which is exchanged for the App's id, private key and webhook secret. Nothing is kept but those; no file is overwritten. */
#include "base/buf.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/commands.h"

#include <stdio.h>
#include <unistd.h>

enum { STATE_BYTES = 16, CODE_MAX = 200, ANSWER_MAX = 1 << 20, TIMEOUT_MS = 20000, LEAVE_MS = 300, KEY_MAX = 16384 };

struct setup {
	const char *config, *url, *github, *api, *org;
	char *host, *dir, *key_file, *secret_file;
	int port;
	char state[2 * STATE_BYTES + 1];
	struct loop *loop;
	struct http_server *http;
	struct http_client *client;
	struct http_exchange *waiting; /* the browser that came back */
	struct loop_timer *leave;
	bool used; /* a code is good once */
	int result;
};

static const char USAGE[] =
	"usage: sluice setup --url https://sluice.example.com [--config FILE] [--listen 127.0.0.1:8099]\n"
	"                    [--github https://github.com] [--org NAME] [--api URL]\n"
	"  --url     where GitHub reaches this server     --org     the organisation that will own the App; without it, you\n"
	"  --github  of GitHub Enterprise Server: https://HOST     --api     its API, if it is not at the usual place\n";

static void add_html(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		switch (*s) {
		case '&': buf_adds(b, "&amp;"); break;
		case '<': buf_adds(b, "&lt;"); break;
		case '>': buf_adds(b, "&gt;"); break;
		case '"': buf_adds(b, "&quot;"); break;
		default: buf_addc(b, *s);
		}
	}
}

/* --- what GitHub is asked for ------------------------------------------------------------------------------------------------------ */

static void manifest(const struct setup *s, struct buf *out)
{
	static const char *const PERMISSIONS[][2] = {{"metadata", "read"}, {"contents", "write"}, {"pull_requests", "write"}, {"issues", "write"},
						     {"checks", "write"}, {"statuses", "write"}, {"members", "read"}, {"merge_queues", "write"},
						     {"administration", "read"}, {"deployments", "read"}};
	static const char *const EVENTS[] = {"pull_request", "issue_comment", "pull_request_review", "pull_request_review_thread", "push", "check_run",
					     "check_suite", "status", "merge_group", "repository", "branch_protection_rule", "repository_ruleset",
					     "membership", "team", "member"};
	struct json_writer w = json_writer(out);
	CLEANUP_FREE char *hook = xasprintf("%s/webhooks/github", s->url);
	CLEANUP_FREE char *back = xasprintf("http://%s:%d/done", s->host, s->port);
	jw_open(&w, NULL);
	jw_str(&w, "name", "sluice");
	jw_str(&w, "url", s->url);
	jw_open(&w, "hook_attributes");
	jw_str(&w, "url", hook);
	jw_bool(&w, "active", true);
	jw_close(&w);
	jw_str(&w, "redirect_url", back);
	jw_bool(&w, "public", false);
	jw_open(&w, "default_permissions");
	for (size_t i = 0; i < ARRAY_LEN(PERMISSIONS); i++)
		jw_str(&w, PERMISSIONS[i][0], PERMISSIONS[i][1]);
	jw_close(&w);
	jw_open_arr(&w, "default_events");
	for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++)
		jw_str(&w, NULL, EVENTS[i]);
	jw_close_arr(&w);
	jw_close(&w);
}

static void reply_page(struct http_exchange *x, int status, const struct buf *b)
{
	static const char *const headers[][2] = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
	http_reply(x, status, "text/html; charset=utf-8", buf_str(b), b->len, headers, ARRAY_LEN(headers));
}

static void first_page(const struct setup *s, struct http_exchange *x)
{
	CLEANUP_BUF struct buf b = {0}, json = {0};
	manifest(s, &json);
	buf_adds(&b, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>sluice setup</title></head><body><main><h1>sluice setup</h1>"
		     "<p>The button takes you to GitHub, where you give the App a name and confirm. GitHub then sends you back here.</p>"
		     "<form method=\"post\" action=\"");
	add_html(&b, s->github);
	if (s->org != NULL) {
		buf_adds(&b, "/organizations/");
		add_html(&b, s->org);
	}
	buf_printf(&b, "/settings/apps/new?state=%s\"><input type=\"hidden\" name=\"manifest\" value=\"", s->state);
	add_html(&b, buf_str(&json));
	buf_adds(&b, "\"><button type=\"submit\">Create the GitHub App</button></form></main></body></html>\n");
	reply_page(x, 200, &b);
}

/* --- and what it answers ----------------------------------------------------------------------------------------------------------- */

static void finish(struct setup *s, int result, const char *sentence)
{
	CLEANUP_BUF struct buf b = {0};
	buf_adds(&b, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>sluice setup</title></head><body><main><p>");
	add_html(&b, sentence);
	buf_adds(&b, "</p></main></body></html>\n");
	reply_page(TAKE(s->waiting), result == 0 ? 200 : 502, &b);
	s->result = result;
	loop_timer_start(s->leave, LEAVE_MS, 0); /* once the browser has its page */
}

/* GitHub's names are letters, digits and hyphens; anything else has no business in a YAML file of ours. */
static bool is_login(const char *s)
{
	size_t n = s != NULL ? strlen(s) : 0;
	return n >= 1 && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* Which repositories are meant is decided where the App is installed; the file may narrow it. */
static int write_server_file(const struct setup *s, int64_t id, const char *owner, bool *ret_new, struct err *err)
{
	CLEANUP_FREE char *text = xasprintf("listen: 127.0.0.1:8080\npublic_url: %s\ndata_dir: data\ngithub:\n  api_url: %s\n"
					    "  app: { id: %lld, private_key_file: app.pem }\n  webhook_secret_file: webhook.secret\nrepositories: [\"%s/*\"]\n",
					    s->url, s->api, (long long)id, is_login(owner) ? owner : "OWNER");
	*ret_new = !fs_exists(s->config);
	if (*ret_new)
		return fs_write_atomic(s->config, text, strlen(text), 0600, err);
	(void)printf("Add this to %s:\n  github:\n    api_url: %s\n    app: { id: %lld, private_key_file: app.pem }\n    webhook_secret_file: webhook.secret\n",
		     s->config, s->api, (long long)id);
	return 0;
}

static int keep(struct setup *s, const struct json *root, struct err *err)
{
	const char *pem, *secret, *page, *login = s->org;
	struct json owner = {0};
	int64_t id;
	bool is_new = false;
	int rc = json_int(root, "id", 1, (INT64_C(1) << 53) - 1, &id, err);
	if (rc == 0)
		rc = json_str(root, "pem", KEY_MAX, &pem, err);
	if (rc == 0)
		rc = json_str(root, "webhook_secret", KEY_MAX, &secret, err);
	if (rc == 0)
		rc = json_str_opt(root, "html_url", CODE_MAX * 4, "", &page, err);
	if (rc == 0)
		rc = json_obj_opt(root, "owner", &owner, err);
	if (rc == 0 && json_ok(&owner))
		rc = json_str_opt(&owner, "login", CODE_MAX, s->org, &login, err);
	if (rc == 0)
		rc = fs_write_atomic(s->key_file, pem, strlen(pem), 0600, err);
	if (rc == 0)
		rc = fs_write_atomic(s->secret_file, secret, strlen(secret), 0600, err);
	if (rc == 0)
		rc = write_server_file(s, id, login, &is_new, err);
	if (rc != 0)
		return rc;
	(void)printf("The App is made: id %lld. Written: %s, %s%s%s.\nNext: look at the repositories in %s, install the App on them: %s/installations/new\n"
		     "then start: sluice serve --config %s\n",
		     (long long)id, s->key_file, s->secret_file, is_new ? ", " : "", is_new ? s->config : "", s->config, page, s->config);
	return 0;
}

static void on_converted(const struct http_response *res, void *arg)
{
	struct setup *s = arg;
	struct err err = {0};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int rc = 0;
	if (res->err.code != 0)
		rc = err_set(&err, ERR_UNAVAILABLE, "GitHub did not answer: %s", res->err.msg);
	else if (res->status != 201)
		rc = err_set(&err, ERR_REFUSED, "GitHub did not take the code (status %d); codes are good for an hour and for once: begin again", res->status);
	if (rc == 0)
		rc = json_parse(res->body, res->body_len, NULL, &doc, &root, &err);
	if (rc == 0)
		rc = keep(s, &root, &err);
	if (rc != 0)
		(void)fprintf(stderr, "sluice setup: %s\n", err.msg);
	finish(s, rc == 0 ? 0 : 3, rc == 0 ? "Done. The terminal says what comes next; this page can be closed." : err.msg);
}

static bool is_code(const char *code)
{
	size_t n = code != NULL ? strlen(code) : 0;
	return n >= 1 && n <= CODE_MAX && strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static void come_back(struct setup *s, struct http_exchange *x)
{
	static const struct http_header headers[] = {{"Accept", "application/vnd.github+json"}, {"User-Agent", "sluice/" SLUICE_VERSION},
						     {"X-GitHub-Api-Version", "2022-11-28"}};
	const char *code = http_query(x, "code"), *state = http_query(x, "state");
	if (state == NULL || strlen(state) != strlen(s->state) || !crypto_same(state, s->state, strlen(s->state))) {
		http_reply_text(x, 403, "This answer does not belong to this setup: begin again at its first page.\n");
		return;
	}
	if (!is_code(code) || s->used) {
		http_reply_text(x, 400, s->used ? "This setup was used already.\n" : "GitHub sent no code: begin again at the first page.\n");
		return;
	}
	s->used = true;
	s->waiting = x;
	CLEANUP_FREE char *url = xasprintf("%s/app-manifests/%s/conversions", s->api, code);
	struct http_request req = {.method = "POST", .url = url, .headers = headers, .headers_n = ARRAY_LEN(headers), .max_body = ANSWER_MAX,
				   .timeout_ms = TIMEOUT_MS};
	(void)http_send(s->client, &req, on_converted, s); /* is never cancelled by itself */
}

static int on_head(const struct http_exchange *x, size_t *ret_max_body, void *arg)
{
	(void)arg;
	*ret_max_body = 0;
	return strcmp(http_method(x), "GET") == 0 ? 0 : 405;
}

static void on_request(struct http_exchange *x, void *arg)
{
	struct setup *s = arg;
	if (strcmp(http_path(x), "/") == 0)
		first_page(s, x);
	else if (strcmp(http_path(x), "/done") == 0)
		come_back(s, x);
	else
		http_reply_text(x, 404, "not found\n");
}

static void on_leave(void *arg)
{
	struct setup *s = arg;
	loop_stop(s->loop);
}

static bool parse_args(struct setup *s, int argc, char **argv, const char **ret_listen)
{
	const struct {
		const char *name;
		const char **to;
	} options[] = {{"--config", &s->config}, {"--url", &s->url}, {"--github", &s->github}, {"--org", &s->org}, {"--api", &s->api},
		       {"--listen", ret_listen}};
	for (int i = 1; i < argc; i += 2) {
		bool known = false;
		for (size_t k = 0; k < ARRAY_LEN(options) && i + 1 < argc; k++)
			if (strcmp(argv[i], options[k].name) == 0) {
				*options[k].to = argv[i + 1];
				known = true;
			}
		if (!known)
			return false;
	}
	return s->url != NULL && (text_starts(s->url, "https://") || text_starts(s->url, "http://"));
}

/* The page hands out an App's key: only this machine may see it. */
static bool take_listen(struct setup *s, const char *listen)
{
	int64_t port;
	const char *colon = strrchr(listen, ':');
	struct err err = {0};
	if (colon == NULL || text_int(colon + 1, 0, 65535, &port, &err) != 0)
		return false;
	s->host = xstrndup(listen, (size_t)(colon - listen));
	s->port = (int)port;
	return strcmp(s->host, "127.0.0.1") == 0;
}

static int refuse_existing(const struct setup *s)
{
	const char *files[] = {s->key_file, s->secret_file};
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (fs_exists(files[i])) {
			(void)fprintf(stderr, "sluice setup: %s exists already and is not overwritten; move it away to make another App\n", files[i]);
			return 2;
		}
	return 0;
}

static int serve(struct setup *s)
{
	struct err err = {0};
	struct http_server_options ho = {.host = s->host, .port = s->port, .on_head = on_head, .on_request = on_request, .arg = s};
	s->result = 3;
	s->loop = loop_new();
	s->client = http_client_new(s->loop);
	s->leave = loop_timer_new(s->loop, on_leave, s);
	s->http = http_server_start(s->loop, &ho, &err);
	if (s->http != NULL) {
		s->port = http_server_port(s->http);
		(void)printf("Open http://%s:%d/ in a browser on this machine.\n", s->host, s->port);
		(void)fflush(stdout);
		loop_run(s->loop);
	} else {
		(void)fprintf(stderr, "sluice setup: %s\n", err.msg);
	}
	http_client_close(s->client);
	http_server_close(s->http);
	loop_timer_close(s->leave);
	loop_close(s->loop);
	return s->result;
}

int cmd_setup(int argc, char **argv)
{
	struct setup s = {.config = "sluice-server.yaml", .github = "https://github.com"};
	const char *listen = "127.0.0.1:8099", *slash;
	if (!parse_args(&s, argc, argv, &listen) || !take_listen(&s, listen)) {
		(void)fputs(USAGE, stderr);
		free(s.host);
		return 2;
	}
	CLEANUP_FREE char *api = strcmp(s.github, "https://github.com") == 0 ? xstrdup("https://api.github.com") : xasprintf("%s/api/v3", s.github);
	if (s.api == NULL)
		s.api = api;
	slash = strrchr(s.config, '/');
	s.dir = slash != NULL ? xstrndup(s.config, (size_t)(slash - s.config)) : xstrdup(".");
	s.key_file = xasprintf("%s/app.pem", s.dir);
	s.secret_file = xasprintf("%s/webhook.secret", s.dir);
	crypto_random_hex(STATE_BYTES, s.state);
	int result = refuse_existing(&s);
	if (result == 0)
		result = serve(&s);
	free(s.host);
	free(s.dir);
	free(s.key_file);
	free(s.secret_file);
	return result;
}
