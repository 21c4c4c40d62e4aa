/* git over HTTP: `git upload-pack --stateless-rpc` per request. Reading only; pushes come through sim_commit or go into the bare repository. */
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_moved.h"

#include <zlib.h>

enum { PACK_MAX = 1024 * 1024 * 1024, INFLATED_MAX = 64 * 1024 * 1024, GIT_TIMEOUT_MS = 120000 };

static const char advertise_path[] = ".git/info/refs", pack_path[] = ".git/git-upload-pack";

bool sim_smart_is(const char *path)
{
	return text_ends(path, advertise_path) || text_ends(path, pack_path) || text_ends(path, ".git/git-receive-pack");
}

static void refuse(struct sim *s, struct http_exchange *x, int status, const char *text)
{
	static const char *const ask[][2] = {{"WWW-Authenticate", "Basic realm=\"GitHub\""}};
	(void)s;
	http_reply(x, status, "text/plain; charset=utf-8", text, strlen(text), ask, status == 401);
}

static void on_git_exit(const struct loop_exit *e, void *arg)
{
	static const char *const headers[][2] = {{"Cache-Control", "no-cache, max-age=0, must-revalidate"}};
	struct sim_pending *p = arg;
	bool advertise = p->advertise;
	p->child = NULL;
	if (e->err.code != 0 || e->code != 0) {
		log_warn("sim.git", "code=%d error=%s", e->code, log_value(e->err.msg));
		http_reply_text(p->x, 500, "git upload-pack failed");
	} else {
		struct buf b CLEANUP_BUF = {.max = PACK_MAX};
		if (advertise)
			buf_adds(&b, "001e# service=git-upload-pack\n0000");
		buf_add(&b, e->out, e->out_len);
		http_reply(p->x, 200, advertise ? "application/x-git-upload-pack-advertisement" : "application/x-git-upload-pack-result", buf_str(&b), b.len,
			   headers, 1);
	}
	sim_pending_end(p);
}

static void run(struct sim *s, struct http_exchange *x, const struct sim_repo *r, bool advertise, const void *input, size_t len)
{
	char *argv[8];
	struct strlist words = {0};
	strlist_add(&words, "git");
	strlist_add(&words, "upload-pack");
	strlist_add(&words, "--stateless-rpc");
	if (advertise)
		strlist_add(&words, "--advertise-refs");
	strlist_add(&words, r->git_dir);
	for (size_t i = 0; i < words.n; i++)
		argv[i] = words.v[i];
	argv[words.n] = NULL;
	char **env = sim_git_env(http_request_header(x, "Git-Protocol"));
	struct loop_spawn spawn = {.file = s->git, .argv = argv, .envp = env, .input = input, .input_len = len, .max_output = PACK_MAX,
				   .timeout_ms = GIT_TIMEOUT_MS};
	struct sim_pending *p = sim_pending_add(s, x);
	p->advertise = advertise;
	p->child = loop_process_start(s->l, &spawn, on_git_exit, p);
	sim_git_env_free(env);
	strlist_free(&words);
}

static bool inflate_body(const char *bytes, size_t len, struct buf *ret)
{
	z_stream z = {0};
	unsigned char chunk[65536];
	ret->max = INFLATED_MAX;
	z.next_in = (z_const Bytef *)(uintptr_t)bytes; /* zlib reads it only */
	z.avail_in = (uInt)len;
	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return false;
	int rc = Z_OK;
	while (rc == Z_OK && !buf_failed(ret)) {
		z.next_out = chunk;
		z.avail_out = sizeof(chunk);
		rc = inflate(&z, Z_NO_FLUSH);
		buf_add(ret, chunk, sizeof(chunk) - z.avail_out);
	}
	(void)inflateEnd(&z);
	return rc == Z_STREAM_END && !buf_failed(ret);
}

static void fetch(struct sim *s, struct http_exchange *x, const struct sim_repo *r)
{
	size_t len;
	const char *body = http_body(x, &len), *encoding = http_request_header(x, "Content-Encoding");
	struct buf plain CLEANUP_BUF = {0};
	if (encoding == NULL)
		run(s, x, r, false, body, len);
	else if (!text_same_case(encoding, "gzip") || !inflate_body(body, len, &plain))
		refuse(s, x, 415, "The body is not gzip, or too large.\n");
	else
		run(s, x, r, false, plain.data, plain.len);
}

static bool spoil(struct sim *s, struct http_exchange *x)
{
	const struct sim_fault *f = sim_fault_next(s, "git", NULL);
	if (f == NULL || f->kind == SIM_F_DELAY)
		return false;
	if (f->kind == SIM_F_STATUS || f->kind == SIM_F_LIMIT)
		refuse(s, x, f->kind == SIM_F_LIMIT ? 429 : (int)f->number, "A rule of the simulated GitHub.\n");
	else
		http_drop(x);
	return true;
}

/* git takes the new place for all that follows. */
static void redirect(struct sim *s, struct http_exchange *x, const struct sim_repo *r)
{
	CLEANUP_FREE char *to = xasprintf("%s/%s.git/info/refs?service=git-upload-pack", s->url, r->full_name);
	const char *const headers[][2] = {{"Location", to}};
	http_reply(x, 301, "text/plain; charset=utf-8", "", 0, headers, 1);
}

void sim_smart(struct sim *s, struct http_exchange *x)
{
	const char *path = http_path(x), *dot = strstr(path, ".git/"), *service = http_query(x, "service");
	struct sim_key *key;
	const struct sim_user *u = sim_viewer(s, x, &key);
	const struct sim_repo *r = sim_repo_find(s, path + 1, (size_t)(dot - path - 1));
	const struct sim_repo *moved = r == NULL ? sim_repo_formerly(s, path + 1, (size_t)(dot - path - 1)) : NULL;
	bool advertise = text_ends(path, advertise_path);
	sim_count_request(s, "git");
	if (u == NULL)
		refuse(s, x, 401, "Send a token as the password.\n");
	else if (moved != NULL && advertise)
		redirect(s, x, moved);
	else if (r == NULL || (key != NULL ? !sim_key_may_fetch(key, r) : !sim_may(r, u, "read")))
		refuse(s, x, 404, "Repository not found.\n");
	else if (text_ends(path, "receive-pack") || (advertise && (service == NULL || strcmp(service, "git-upload-pack") != 0)))
		refuse(s, x, 403, "This server only gives: commit through its page, or into the bare repository.\n");
	else if (spoil(s, x))
		return;
	else if (advertise && strcmp(http_method(x), "GET") == 0)
		run(s, x, r, true, NULL, 0);
	else if (!advertise && strcmp(http_method(x), "POST") == 0)
		fetch(s, x, r);
	else
		refuse(s, x, 405, "GET for refs, POST for packs.\n");
}
