/* Apps from a manifest, as GitHub makes them: a page of the server to be set up posts the manifest, a person presses a button here, the browser goes
 * back with a code, and the code is exchanged once for the App's id, secrets and private key. */
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_moved.h"

enum { MANIFEST_MAX = 65536, URL_LEN_MAX = 2048, OFFERS_MAX = 100, CODE_LIFE_MS = 3600 * 1000, FIRST_APP_ID = 900001 };

static const char new_path[] = "/settings/apps/new", press_path[] = "/settings/apps/press";

bool sim_manifest_open(const char *path) { return text_ends(path, new_path) && (text_starts(path, "/settings/") || text_starts(path, "/organizations/")); }

bool sim_manifest_is(const char *path) { return sim_manifest_open(path) || strcmp(path, press_path) == 0; }

/* ---- the page ---- */

static void page(struct http_exchange *x, int status, const char *html)
{
	struct buf b CLEANUP_BUF = {0};
	buf_printf(&b, "<!doctype html><meta charset=\"utf-8\"><title>New GitHub App</title><body>%s</body>", html);
	http_reply(x, status, "text/html; charset=utf-8", buf_str(&b), b.len, NULL, 0);
}

static void page_wrong(struct http_exchange *x, const char *why)
{
	struct buf b CLEANUP_BUF = {0};
	buf_adds(&b, "<h1>Invalid GitHub App configuration</h1><p>");
	text_html(&b, why, strlen(why));
	buf_adds(&b, "</p>");
	page(x, 422, buf_str(&b));
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) % 16 : -1;
}

/* One field of a form. False when it is not there. */
static bool form_field(const char *body, const char *key, struct buf *ret)
{
	size_t len = strlen(key);
	for (const char *at = body; *at != '\0';) {
		bool found = strncmp(at, key, len) == 0 && at[len] == '=';
		const char *end = at + strcspn(at, "&");
		for (const char *c = at + len + 1; found && c < end; c++) {
			bool escaped = *c == '%' && hex_value(c[1]) >= 0 && hex_value(c[2]) >= 0;
			buf_addc(ret, escaped ? (char)(hex_value(c[1]) * 16 + hex_value(c[2])) : *c == '+' ? ' ' : *c);
			c += escaped ? 2 : 0;
		}
		if (found)
			return true;
		at = *end == '&' ? end + 1 : end;
	}
	return false;
}

/* ---- the manifest ---- */

struct manifest { /* borrowed from the document */
	struct json_doc *doc;
	const char *name, *url, *redirect, *hook_url;
	struct json perms, events;
	size_t events_n;
	bool has_perms, hook_active;
};

static int read_manifest(const char *text, size_t len, struct manifest *m, struct err *err)
{
	struct json root, hook;
	struct sim_perms perms;
	int rc = json_parse(text, len, NULL, &m->doc, &root, err);
	if (rc == 0)
		rc = json_str(&root, "name", 34, &m->name, err);
	if (rc == 0)
		rc = json_str(&root, "url", URL_LEN_MAX, &m->url, err);
	if (rc == 0)
		rc = json_str(&root, "redirect_url", URL_LEN_MAX, &m->redirect, err);
	if (rc == 0)
		rc = json_obj_opt(&root, "hook_attributes", &hook, err);
	m->hook_active = true;
	if (rc == 0 && json_ok(&hook))
		rc = json_str(&hook, "url", URL_LEN_MAX, &m->hook_url, err);
	if (rc == 0 && json_ok(&hook))
		rc = json_bool_opt(&hook, "active", true, &m->hook_active, err);
	if (rc == 0)
		rc = json_obj_opt(&root, "default_permissions", &m->perms, err);
	m->has_perms = rc == 0 && json_ok(&m->perms);
	if (m->has_perms)
		rc = sim_perms_read(&m->perms, &perms, err);
	if (rc == 0)
		rc = json_arr_opt(&root, "default_events", &m->events, &m->events_n, err);
	if (rc == 0 && !text_starts(m->redirect, "http://") && !text_starts(m->redirect, "https://"))
		rc = err_set(err, ERR_PARSE, "redirect_url must be a URL");
	return rc;
}

static struct sim_offer *offer_new(struct sim *s, const char *manifest, const char *state)
{
	char code[41];
	struct sim_offer *o = xcalloc(1, sizeof(*o));
	crypto_random_hex(20, code);
	o->code = xstrdup(code);
	o->state = xstrdup(state);
	o->manifest = xstrdup(manifest);
	o->at_ms = clock_wall_ms();
	s->apps->offers = xreallocarray(s->apps->offers, s->apps->offers_n + 1, sizeof(*s->apps->offers));
	s->apps->offers[s->apps->offers_n++] = o;
	return o;
}

static struct sim_offer *offer_of(const struct sim *s, const char *code)
{
	for (size_t i = 0; code != NULL && i < s->apps->offers_n; i++)
		if (strcmp(s->apps->offers[i]->code, code) == 0)
			return s->apps->offers[i];
	return NULL;
}

static void take_manifest(struct sim *s, struct http_exchange *x)
{
	size_t len;
	const char *body = http_body(x, &len);
	struct buf text CLEANUP_BUF = {.max = MANIFEST_MAX}, html CLEANUP_BUF = {0};
	struct manifest m = {0};
	struct err err = {0};
	if (!form_field(body, "manifest", &text) || buf_failed(&text) || s->apps->offers_n >= OFFERS_MAX) {
		page_wrong(x, "The form has no field \"manifest\", or it is too long, or there were too many.");
	} else if (read_manifest(buf_str(&text), text.len, &m, &err) != 0) {
		page_wrong(x, err.msg);
	} else {
		const struct sim_offer *o = offer_new(s, buf_str(&text), http_query(x, "state"));
		buf_adds(&html, "<h1>Create GitHub App for ");
		text_html(&html, m.name, strlen(m.name));
		buf_printf(&html, "</h1><form method=\"post\" action=\"%s?offer=%s\"><button>Create GitHub App</button></form>", press_path, o->code);
		page(x, 200, buf_str(&html));
	}
	json_doc_free(m.doc);
}

/* The button is the person's yes: only now is the code worth something. */
static void press(struct sim *s, struct http_exchange *x)
{
	struct sim_offer *o = offer_of(s, http_query(x, "offer"));
	struct manifest m = {0};
	struct err err = {0};
	if (o == NULL || o->pressed || read_manifest(o->manifest, strlen(o->manifest), &m, &err) != 0) {
		json_doc_free(m.doc);
		page_wrong(x, "There is no such configuration, or it was confirmed already.");
		return;
	}
	o->pressed = true;
	struct buf to CLEANUP_BUF = {0};
	buf_printf(&to, "%s%scode=%s", m.redirect, strchr(m.redirect, '?') != NULL ? "&" : "?", o->code);
	if (o->state != NULL) {
		buf_adds(&to, "&state=");
		text_url_segment(&to, o->state);
	}
	const char *const headers[][2] = {{"Location", buf_str(&to)}};
	http_reply(x, 302, "text/plain; charset=utf-8", "", 0, headers, 1);
	json_doc_free(m.doc);
}

void sim_manifest(struct sim *s, struct http_exchange *x)
{
	bool post = strcmp(http_method(x), "POST") == 0;
	if (post && strcmp(http_path(x), press_path) == 0)
		press(s, x);
	else if (post)
		take_manifest(s, x);
	else
		page(x, 200, "<h1>Register new GitHub App</h1><p>Post a form with the field <code>manifest</code> here.</p>");
}

/* ---- the exchange ---- */

static char *perms_words(const struct manifest *m)
{
	struct buf b = {0};
	for (struct json e = json_first(&m->perms); m->has_perms && json_ok(&e); e = json_next(&e))
		buf_printf(&b, "%s%s:%s", b.len > 0 ? "," : "", json_key(&e), json_text(&e));
	return buf_take(&b);
}

static char *slug_of(const struct sim *s, const char *name)
{
	struct buf b = {0};
	for (; *name != '\0'; name++) {
		bool small = (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9');
		buf_addc(&b, small ? *name : *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : '-');
	}
	for (size_t i = 0; i < s->apps->n; i++)
		if (strcmp(s->apps->v[i]->slug, buf_str(&b)) == 0)
			buf_printf(&b, "-%zu", s->apps->n);
	return buf_take(&b);
}

static void answer_app(struct sim_req *q, const struct sim_integration *a, const char *pem)
{
	struct buf b = {0};
	char secret[41];
	struct json_writer w = json_writer(&b);
	crypto_random_hex(20, secret);
	sim_shape_app(&w, NULL, q->s, a);
	buf_truncate(&b, b.len - 1); /* one object with what follows */
	buf_printf(&b, ",\"client_secret\":\"%s\",\"webhook_secret\":", secret);
	if (a->hook_secret != NULL)
		json_quote(&b, a->hook_secret, strlen(a->hook_secret));
	else
		buf_adds(&b, "null");
	buf_adds(&b, ",\"pem\":");
	json_quote(&b, pem, strlen(pem));
	buf_adds(&b, "}");
	sim_answer_buf(q, 201, &b);
}

static int make_app(struct sim *s, const struct manifest *m, const struct buf *public, struct sim_integration **ret, struct err *err)
{
	char secret[41];
	CLEANUP_FREE char *words = perms_words(m), *slug = slug_of(s, m->name);
	struct sim_app n = {.id = FIRST_APP_ID + (int64_t)s->apps->n, .slug = slug, .key = buf_str(public), .permissions = words, .nowhere = true,
			    .hook_url = m->hook_url, .hook_secret = m->hook_url != NULL ? secret : NULL};
	crypto_random_hex(20, secret);
	int rc = sim_app_add(s, &n, err);
	if (rc != 0)
		return rc;
	struct sim_integration *a = sim_app_of(s, n.id);
	for (struct json e = m->events_n > 0 ? json_first(&m->events) : (struct json){0}; m->events_n > 0 && json_ok(&e); e = json_next(&e))
		if (json_text(&e) != NULL)
			strlist_add(&a->events, json_text(&e));
	if (m->hook_url != NULL && m->hook_active)
		sim_set_webhook(s, m->hook_url, secret);
	*ret = a;
	return 0;
}

void sim_post_conversion(struct sim_req *q)
{
	struct sim_offer *o = offer_of(q->s, q->part[0]);
	if (o == NULL || !o->pressed || o->used || clock_wall_ms() - o->at_ms > CODE_LIFE_MS) {
		sim_fail(q, 404, "Not Found");
		return;
	}
	struct buf secret = {0}, public = {0};
	struct manifest m = {0};
	struct err err = {0};
	struct sim_integration *a;
	int rc = read_manifest(o->manifest, strlen(o->manifest), &m, &err);
	if (rc == 0)
		rc = crypto_rsa_new(RSA_BITS_MIN, &secret, &public, &err);
	if (rc == 0)
		rc = make_app(q->s, &m, &public, &a, &err);
	o->used = rc == 0;
	if (rc == 0)
		answer_app(q, a, buf_str(&secret));
	else
		sim_fail(q, 422, err.msg);
	json_doc_free(m.doc);
	if (secret.len > 0)
		crypto_wipe(secret.data, secret.len);
	buf_free(&secret);
	buf_free(&public);
}
