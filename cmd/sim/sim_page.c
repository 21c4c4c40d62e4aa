/* The page: a repository, a pull request, and what a person may do with them. Written by the server, moved by a few lines of script that ask
 * for the conversation once a second and post forms to /_sim/... as JSON. Nothing is loaded from elsewhere. */
#include "base/crypto.h"
#include "base/text.h"
#include "cmd/sim/sim_priv.h"

enum { FILE_SHOWN_MAX = 256 * 1024 };

static const char style[] =
	"body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:1.5rem auto;padding:0 1rem;color:#1f2328}"
	"a{color:#0969da}h1{font-size:1.4rem}.box{border:1px solid #d0d7de;border-radius:6px;margin:1rem 0;overflow:hidden}"
	".box>header{background:#f6f8fa;padding:.4rem .8rem;border-bottom:1px solid #d0d7de}.box>div{padding:.4rem .8rem;overflow-x:auto}"
	"pre{background:#f6f8fa;padding:.6rem;overflow-x:auto;border-radius:6px}code{background:#eff1f3;padding:.1em .3em;border-radius:4px}"
	"table{border-collapse:collapse}td,th{border:1px solid #d0d7de;padding:.25rem .6rem;text-align:left}"
	".add{background:#e6ffec}.del{background:#ffebe9}.chg{background:#fff8c5}.hunk{color:#57606a}"
	"blockquote{border-left:4px solid #bf8700;margin:.5rem 0;padding:.2rem .8rem}.success{color:#1a7f37}.failure,.error{color:#cf222e}"
	".pending{color:#9a6700}.state{background:#ddf4ff;border-radius:1em;padding:.1em .7em}small{color:#57606a}"
	"textarea{width:100%;box-sizing:border-box;font:13px monospace}form{margin:1rem 0}button,select,input{font:inherit;padding:.2em .6em}"
	"#said{color:#cf222e}";

static const char script[] =
	"'use strict';const said=document.getElementById('said');"
	"async function post(path,body){const r=await fetch('/_sim/'+path,{method:'POST',headers:{'Content-Type':'application/json'},"
	"body:JSON.stringify(body)});const j=await r.json();if(!r.ok){said.textContent=j.message;throw new Error(j.message);}said.textContent='';return j;}"
	"for(const f of document.querySelectorAll('form[data-act]'))f.addEventListener('submit',async e=>{e.preventDefault();"
	"const d=Object.fromEntries(new FormData(f));const how=e.submitter&&e.submitter.value||'';"
	"const text=(d.content||'').replace(/\\r\\n/g,'\\n');"
	"const at={repo:f.dataset.repo,pr:Number(f.dataset.pr||0),user:d.user};try{"
	"if(f.dataset.act==='pull'){const b=d.branch;await post('commit',{...at,branch:b,path:d.path,content:text,message:d.title});"
	"const p=await post('pulls',{...at,head:b,title:d.title});location.href='/'+f.dataset.repo+'/pull/'+p.pr;return;}"
	"if(f.dataset.act==='push')await post('commit',{...at,branch:f.dataset.branch,path:d.path,content:text,message:'Change '+d.path});"
	"else if(how==='comment'){await post('comment',{...at,body:d.body});f.querySelector('textarea').value='';}"
	"else if(how==='APPROVE'||how==='REQUEST_CHANGES')await post('review',{...at,event:how,body:d.body});"
	"else if(how==='merge')await post('merge',at);else await post('act',{...at,action:how});"
	"tick();}catch(x){}});"
	"const live=document.getElementById('live');let last='';"
	"async function tick(){if(!live)return;const r=await fetch(live.dataset.src);const t=await r.text();if(r.ok&&t!==last){last=t;"
	"const open=new Set([...live.querySelectorAll('details')].map((d,i)=>d.open?i:-1));live.innerHTML=t;"
	"live.querySelectorAll('details').forEach((d,i)=>{if(open.has(i))d.open=true;});}}"
	"if(live){tick();setInterval(tick,1000);}";

/* ---- parts ---- */

static void esc(struct buf *b, const char *s) { text_html(b, s, strlen(s)); }

static void people(struct buf *b, const struct sim *s)
{
	buf_adds(b, "<label>as <select name=\"user\">");
	for (size_t i = 0; i < s->users_n; i++) {
		if (s->users[i]->bot)
			continue;
		buf_adds(b, "<option>");
		esc(b, s->users[i]->login);
		buf_adds(b, "</option>");
	}
	buf_adds(b, "</select></label> ");
}

static const char *state_of(const struct sim_pull *p)
{
	if (p->merged)
		return "merged";
	return !p->open ? "closed" : p->draft ? "draft" : "open";
}

static void head(struct buf *b, const char *title)
{
	buf_adds(b, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>");
	esc(b, title);
	buf_printf(b, "</title><style nonce=\"NONCE\">%s</style><p><a href=\"/\">simulated GitHub</a></p>", style);
}

/* The nonce is put in at the end: nothing of the content can know it. */
static void send(struct http_exchange *x, int status, struct buf *body)
{
	char nonce[33];
	crypto_random_hex(16, nonce);
	CLEANUP_FREE char *policy = xasprintf("default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; base-uri 'none'; "
					      "form-action 'self'; frame-ancestors 'none'", nonce, nonce);
	const char *const headers[][2] = {{"Content-Security-Policy", policy}, {"Cache-Control", "no-store"}, {"Referrer-Policy", "no-referrer"}};
	buf_printf(body, "<p id=\"said\" role=\"alert\"></p><script nonce=\"%s\">%s</script></html>", nonce, script);
	char *slot = strstr(body->data, "\"NONCE\"");
	struct buf out CLEANUP_BUF = {0};
	if (slot != NULL) {
		buf_add(&out, body->data, (size_t)(slot - body->data));
		buf_printf(&out, "\"%s\"", nonce);
		buf_adds(&out, slot + strlen("\"NONCE\""));
	}
	http_reply(x, status, "text/html; charset=utf-8", buf_str(&out), out.len, headers, ARRAY_LEN(headers));
	buf_free(body);
}

/* ---- pages ---- */

static void page_all(struct sim *s, struct http_exchange *x)
{
	struct buf b = {0};
	head(&b, "Repositories");
	buf_adds(&b, "<h1>Repositories</h1><ul>");
	for (size_t i = 0; i < s->repos_n; i++)
		buf_printf(&b, "<li><a href=\"/%s\">%s</a></li>", s->repos[i]->full_name, s->repos[i]->full_name);
	buf_adds(&b, "</ul>");
	send(x, 200, &b);
}

/* Paths of the default branch as a choice. */
static void paths(struct buf *b, struct sim *s, const struct sim_repo *r, const char *rev)
{
	struct buf out CLEANUP_BUF = {0};
	struct err err = {0};
	if (sim_git(s, r->git_dir, (const char *const[]){"ls-tree", "-r", "--name-only", rev, NULL}, NULL, &out, &err) != 0)
		return;
	for (const char *at = buf_str(&out); *at != '\0';) {
		const char *end = strchrnul(at, '\n');
		buf_adds(b, "<option>");
		text_html(b, at, (size_t)(end - at));
		buf_adds(b, "</option>");
		at = *end == '\n' ? end + 1 : end;
	}
}

static void file_text(struct buf *b, struct sim *s, const struct sim_repo *r, const char *rev, const char *path)
{
	struct buf out CLEANUP_BUF = {0};
	struct err err = {0};
	CLEANUP_FREE char *object = xasprintf("%s:%s", rev, path);
	if (sim_git(s, r->git_dir, (const char *const[]){"cat-file", "blob", object, NULL}, NULL, &out, &err) == 0 && out.len <= FILE_SHOWN_MAX)
		text_html(b, buf_str(&out), out.len);
}

static void choose_file(struct buf *b, struct sim *s, const struct sim_repo *r, const char *rev, const char *path)
{
	buf_adds(b, "<form method=\"get\"><label>file <input name=\"file\" list=\"paths\" value=\"");
	esc(b, path);
	buf_adds(b, "\"></label><datalist id=\"paths\">");
	paths(b, s, r, rev);
	buf_adds(b, "</datalist> <button>Open in the editor</button></form>");
}

static void page_repo(struct sim *s, struct http_exchange *x, struct sim_repo *r)
{
	struct buf b = {0};
	const char *file = http_query(x, "file");
	head(&b, r->full_name);
	buf_printf(&b, "<h1>%s</h1><h2>Pull requests</h2><ul>", r->full_name);
	for (size_t i = r->pulls_n; i-- > 0;) {
		buf_printf(&b, "<li><a href=\"/%s/pull/%lld\">#%lld ", r->full_name, (long long)r->pulls[i]->number, (long long)r->pulls[i]->number);
		esc(&b, r->pulls[i]->title);
		buf_printf(&b, "</a> <span class=\"state\">%s</span></li>", state_of(r->pulls[i]));
	}
	buf_adds(&b, "</ul><h2>Open one</h2>");
	choose_file(&b, s, r, r->default_branch, file != NULL ? file : "");
	if (file != NULL) {
		buf_printf(&b, "<form data-act=\"pull\" data-repo=\"%s\"><input type=\"hidden\" name=\"path\" value=\"", r->full_name);
		esc(&b, file);
		buf_adds(&b, "\"><p><textarea name=\"content\" rows=\"20\" aria-label=\"content\">\n");
		file_text(&b, s, r, r->default_branch, file);
		buf_printf(&b, "</textarea></p><p><label>branch <input name=\"branch\" required value=\"change-%zu\"></label> ", r->pulls_n + 1);
		buf_adds(&b, "<label>title <input name=\"title\" required value=\"Change ");
		esc(&b, file);
		buf_adds(&b, "\"></label> ");
		people(&b, s);
		buf_adds(&b, "<button>Open a pull request</button></p></form>");
	}
	send(x, 200, &b);
}

static void page_pull(struct sim *s, struct http_exchange *x, struct sim_repo *r, struct sim_pull *p)
{
	struct buf b = {0};
	const char *file = http_query(x, "file");
	CLEANUP_FREE char *title = xasprintf("#%lld %s", (long long)p->number, p->title);
	head(&b, title);
	buf_printf(&b, "<p><a href=\"/%s\">%s</a></p><h1>", r->full_name, r->full_name);
	esc(&b, title);
	buf_printf(&b, "</h1><div id=\"live\" data-src=\"/%s/pull/%lld/live\"></div><form data-act=\"talk\" data-repo=\"%s\" data-pr=\"%lld\">", r->full_name,
		   (long long)p->number, r->full_name, (long long)p->number);
	buf_adds(&b, "<textarea name=\"body\" rows=\"3\" aria-label=\"comment\"></textarea><p>");
	people(&b, s);
	buf_adds(&b, "<button value=\"comment\">Comment</button> <button value=\"APPROVE\">Approve</button> "
		     "<button value=\"REQUEST_CHANGES\">Request changes</button> <button value=\"merge\">Merge</button> "
		     "<button value=\"closed\">Close</button> <button value=\"reopened\">Reopen</button></p></form><h2>Push to it</h2>");
	choose_file(&b, s, r, p->head, file != NULL ? file : "");
	if (file != NULL) {
		buf_printf(&b, "<form data-act=\"push\" data-repo=\"%s\" data-branch=\"", r->full_name);
		if (p->fork_owner != NULL)
			buf_printf(&b, "%s:", p->fork_owner->login);
		esc(&b, p->head_ref);
		buf_adds(&b, "\"><input type=\"hidden\" name=\"path\" value=\"");
		esc(&b, file);
		buf_adds(&b, "\"><textarea name=\"content\" rows=\"16\" aria-label=\"content\">\n");
		file_text(&b, s, r, p->head, file);
		buf_adds(&b, "</textarea><p>");
		people(&b, s);
		buf_adds(&b, "<button>Push</button></p></form>");
	}
	send(x, 200, &b);
}

/* ---- what moves ---- */

static void one_comment(struct buf *b, const char *user, const char *what, const char *body)
{
	buf_adds(b, "<article class=\"box\"><header><b>");
	esc(b, user);
	buf_printf(b, "</b> <small>%s</small></header><div>", what);
	sim_markdown(b, body);
	buf_adds(b, "</div></article>");
}

static void statuses(struct buf *b, const struct sim_repo *r, const struct sim_pull *p)
{
	const char *shas[] = {p->head, p->merged ? p->merged_as : NULL};
	buf_adds(b, "<article class=\"box\"><header><b>Checks</b></header><div><table>");
	for (size_t k = 0; k < ARRAY_LEN(shas); k++)
		for (size_t i = 0; shas[k] != NULL && i < r->statuses_n; i++) {
			const struct sim_mark *m = &r->statuses[i];
			bool last = strcmp(m->sha, shas[k]) == 0;
			for (size_t n = i + 1; last && n < r->statuses_n; n++)
				last = strcmp(r->statuses[n].sha, m->sha) != 0 || !text_same_case(r->statuses[n].context, m->context);
			if (!last)
				continue;
			buf_printf(b, "<tr><td class=\"%s\">%s</td><td>", m->state, m->state);
			esc(b, m->context);
			buf_adds(b, "</td><td>");
			esc(b, m->description != NULL ? m->description : "");
			buf_printf(b, "</td><td><code>%.7s</code></td></tr>", m->sha);
		}
	buf_adds(b, "</table></div></article>");
}

static void live(struct sim *s, struct http_exchange *x, struct sim_repo *r, struct sim_pull *p)
{
	struct buf b CLEANUP_BUF = {0};
	buf_printf(&b, "<p><span class=\"state\">%s</span> <b>", state_of(p));
	esc(&b, p->user->login);
	buf_adds(&b, "</b> wants <code>");
	esc(&b, p->head_ref);
	buf_adds(&b, "</code> in <code>");
	esc(&b, p->base_ref);
	buf_printf(&b, "</code> · %lld files, +%lld −%lld · <code>%.7s</code> · %s</p>", (long long)p->changed_files, (long long)p->additions,
		   (long long)p->deletions, p->head, sim_pull_state(s, r, p));
	if (p->body[0] != '\0')
		one_comment(&b, p->user->login, "opened it", p->body);
	for (size_t i = 0; i < p->reviews_n; i++)
		one_comment(&b, p->reviews[i].user->login, p->reviews[i].state, p->reviews[i].body);
	for (size_t i = 0; i < p->comments_n; i++) {
		char edits[48];
		(void)snprintf(edits, sizeof(edits), "edited %zu times", p->comments[i].history_n);
		if (!p->comments[i].deleted)
			one_comment(&b, p->comments[i].user->login, p->comments[i].history_n > 0 ? edits : "", p->comments[i].body);
	}
	statuses(&b, r, p);
	http_reply(x, 200, "text/html; charset=utf-8", buf_str(&b), b.len, NULL, 0);
}

/* /, /owner/name, /owner/name/pull/N, /owner/name/pull/N/live */
void sim_page(struct sim *s, struct http_exchange *x)
{
	const char *path = http_path(x);
	if (strcmp(path, "/") == 0) {
		page_all(s, x);
		return;
	}
	size_t owner = strcspn(path + 1, "/"), len = owner;
	if (path[1 + owner] == '/')
		len += 1 + strcspn(path + 1 + owner + 1, "/");
	struct sim_repo *r = sim_repo_find(s, path + 1, len);
	const char *rest = path + 1 + len;
	if (r != NULL && rest[0] == '\0') {
		page_repo(s, x, r);
		return;
	}
	CLEANUP_FREE char *digits = text_starts(rest, "/pull/") ? xstrndup(rest + 6, strspn(rest + 6, "0123456789")) : xstrdup("");
	int64_t n = 0;
	struct sim_pull *p = r != NULL && text_int(digits, 1, INT32_MAX, &n, NULL) == 0 ? sim_pull_find(r, n) : NULL;
	const char *tail = p != NULL ? rest + 6 + strlen(digits) : "?";
	if (strcmp(tail, "") == 0)
		page_pull(s, x, r, p);
	else if (strcmp(tail, "/live") == 0)
		live(s, x, r, p);
	else
		http_reply_text(x, 404, "There is nothing here. / lists the repositories.");
}
