/* Commits: who wrote, committed and signed them, when they came, which pull requests have them; and rebasing, which a bare repository cannot. */
#include "base/clock.h"
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { COMMITS_MAX = 250, FIELDS = 10, PULLS_LOOKED_AT = 200 };

/* One block per commit: \1 id \0 tree \0 parents \0 author's name, e-mail, time \0 committer's \0 message \0 */
static const char format[] = "--format=%x01%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00";
enum { F_SHA, F_TREE, F_PARENTS, F_AUTHOR, F_AUTHOR_EMAIL, F_AUTHOR_TIME, F_COMMITTER, F_COMMITTER_EMAIL, F_COMMITTER_TIME, F_MESSAGE };

struct sim_user *sim_user_of_email(struct sim *s, const char *email)
{
	static const char host[] = "@users.noreply.github.com";
	const char *plus = strchr(email, '+');
	if (strcmp(email, "noreply@github.com") == 0)
		return sim_user(s, "web-flow");
	if (plus == NULL || !text_ends(plus, host))
		return NULL;
	CLEANUP_FREE char *login = xstrndup(plus + 1, strlen(plus + 1) - strlen(host));
	return sim_user_find(s, login);
}

/* ---- notes ---- */

const struct sim_note *sim_note_find(const struct sim_repo *r, const char *sha)
{
	for (size_t i = 0; i < r->notes_n; i++)
		if (strcmp(r->notes[i].sha, sha) == 0)
			return &r->notes[i];
	return NULL;
}

struct sim_note *sim_note(struct sim_repo *r, const char *sha)
{
	for (size_t i = 0; i < r->notes_n; i++)
		if (strcmp(r->notes[i].sha, sha) == 0)
			return &r->notes[i];
	r->notes = xreallocarray(r->notes, r->notes_n + 1, sizeof(*r->notes));
	struct sim_note *n = &r->notes[r->notes_n++];
	*n = (struct sim_note){0};
	(void)snprintf(n->sha, sizeof(n->sha), "%s", sha);
	return n;
}

bool sim_commits_verified(struct sim *s, struct sim_repo *r, const struct sim_pull *p)
{
	CLEANUP_FREE char *range = xasprintf("%s..%s", p->base, p->head);
	struct buf out CLEANUP_BUF = {0};
	struct err err = {0};
	if (sim_git(s, r->git_dir, (const char *const[]){"rev-list", range, NULL}, NULL, &out, &err) != 0)
		return false;
	for (const char *at = buf_str(&out); strlen(at) >= SIM_SHA_SIZE - 1;) {
		CLEANUP_FREE char *sha = xstrndup(at, SIM_SHA_SIZE - 1);
		const struct sim_note *n = sim_note_find(r, sha);
		if (n == NULL || !n->verified)
			return false;
		at += SIM_SHA_SIZE - 1;
		at += *at == '\n';
	}
	return true;
}

/* ---- shapes ---- */

static void git_person(struct json_writer *w, const char *key, const char *const f[FIELDS], int name)
{
	jw_open(w, key);
	jw_str(w, "name", f[name]);
	jw_str(w, "email", f[name + 1]);
	jw_str(w, "date", f[name + 2]);
	jw_close(w);
}

static void verification(struct json_writer *w, const struct sim_repo *r, const char *sha)
{
	const struct sim_note *n = sim_note_find(r, sha);
	bool verified = n != NULL && n->verified;
	jw_open(w, "verification");
	jw_bool(w, "verified", verified);
	jw_str(w, "reason", verified ? "valid" : "unsigned");
	jw_str(w, "signature", verified ? "-----BEGIN SSH SIGNATURE-----" : NULL);
	jw_str(w, "payload", verified ? "tree" : NULL);
	jw_null(w, "verified_at");
	jw_close(w);
}

static void inner(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const char *const f[FIELDS])
{
	CLEANUP_FREE char *message = xstrdup(f[F_MESSAGE]);
	for (size_t n = strlen(message); n > 0 && message[n - 1] == '\n';)
		message[--n] = '\0';
	jw_open(w, "commit");
	sim_shape_urlf(w, "url", "%s/repos/%s/git/commits/%s", s->url, r->full_name, f[F_SHA]);
	git_person(w, "author", f, F_AUTHOR);
	git_person(w, "committer", f, F_COMMITTER);
	jw_str(w, "message", message);
	jw_int(w, "comment_count", 0);
	jw_open(w, "tree");
	jw_str(w, "sha", f[F_TREE]);
	sim_shape_urlf(w, "url", "%s/repos/%s/git/trees/%s", s->url, r->full_name, f[F_TREE]);
	jw_close(w);
	verification(w, r, f[F_SHA]);
	jw_close(w);
}

static void shape(struct json_writer *w, const char *key, struct sim *s, const struct sim_repo *r, const char *const f[FIELDS])
{
	const char *sha = f[F_SHA];
	jw_open(w, key);
	jw_str(w, "sha", sha);
	sim_shape_node_id(w, "C", r->id);
	sim_shape_urlf(w, "url", "%s/repos/%s/commits/%s", s->url, r->full_name, sha);
	sim_shape_urlf(w, "html_url", "%s/%s/commit/%s", s->url, r->full_name, sha);
	sim_shape_urlf(w, "comments_url", "%s/repos/%s/commits/%s/comments", s->url, r->full_name, sha);
	inner(w, s, r, f);
	sim_shape_user(w, "author", s, sim_user_of_email(s, f[F_AUTHOR_EMAIL]));
	sim_shape_user(w, "committer", s, sim_user_of_email(s, f[F_COMMITTER_EMAIL]));
	jw_open_arr(w, "parents");
	for (const char *p = f[F_PARENTS]; strlen(p) >= SIM_SHA_SIZE - 1;) {
		CLEANUP_FREE char *parent = xstrndup(p, SIM_SHA_SIZE - 1);
		jw_open(w, NULL);
		jw_str(w, "sha", parent);
		sim_shape_urlf(w, "url", "%s/repos/%s/commits/%s", s->url, r->full_name, parent);
		sim_shape_urlf(w, "html_url", "%s/%s/commit/%s", s->url, r->full_name, parent);
		jw_close(w);
		p += SIM_SHA_SIZE - 1;
		p += *p == ' ';
	}
	jw_close_arr(w);
	jw_close(w);
}

/* Points at the fields of the block that begins at `at`; the next block, or NULL. */
static const char *fields_of(const struct buf *log, const char *at, const char *f[FIELDS])
{
	const char *end = buf_str(log) + log->len;
	at++;
	for (size_t i = 0; i < FIELDS; i++) {
		f[i] = at < end ? at : "";
		at = at < end ? at + strlen(at) + 1 : end;
	}
	return at < end ? memchr(at, 1, (size_t)(end - at)) : NULL;
}

/* ---- one commit, a pull request's commits ---- */

void sim_shape_commit(struct json_writer *w, const char *key, struct sim *s, const struct sim_repo *r, const char *sha)
{
	struct buf log CLEANUP_BUF = {0};
	struct err err = {0};
	const char *f[FIELDS] = {sha, sha, "", "GitHub", "", "", "GitHub", "", "", ""};
	int rc = sim_git(s, r->git_dir, (const char *const[]){"log", "-1", format, sha, NULL}, NULL, &log, &err);
	const char *at = rc == 0 ? memchr(buf_str(&log), 1, log.len) : NULL;
	if (at != NULL)
		(void)fields_of(&log, at, f); /* there is one */
	shape(w, key, s, r, f);
}

/* Oldest first, at most 250, whatever the page: as GitHub does. */
void sim_get_pull_commits(struct sim_req *q)
{
	CLEANUP_FREE char *range = xasprintf("%s..%s", q->pull->base, q->pull->head);
	struct buf log CLEANUP_BUF = {0}, b = {0};
	struct err err = {0};
	size_t from, to, total = (size_t)(q->pull->commits < COMMITS_MAX ? q->pull->commits : COMMITS_MAX), i = 0;
	if (sim_git(q->s, q->repo->git_dir, (const char *const[]){"log", "--reverse", "--topo-order", format, range, NULL}, NULL, &log, &err) != 0) {
		sim_fail(q, 500, err.msg);
		return;
	}
	sim_paginate(q, total, &from, &to);
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (const char *at = memchr(buf_str(&log), 1, log.len); at != NULL && i < to; i++) {
		const char *f[FIELDS];
		at = fields_of(&log, at, f);
		if (i >= from)
			shape(&w, NULL, q->s, q->repo, f);
	}
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

static bool has_commit(struct sim_req *q, const struct sim_pull *p, const char *sha)
{
	CLEANUP_FREE char *range = xasprintf("%s..%s", p->base, p->head);
	struct buf out CLEANUP_BUF = {0};
	struct err err = {0};
	if (p->issue)
		return false;
	if (strcmp(p->head, sha) == 0 || strcmp(p->merged_as, sha) == 0)
		return true;
	int rc = sim_git(q->s, q->repo->git_dir, (const char *const[]){"rev-list", range, NULL}, NULL, &out, &err);
	return rc == 0 && strstr(buf_str(&out), sha) != NULL;
}

void sim_get_commit_pulls(struct sim_req *q)
{
	char sha[SIM_SHA_SIZE];
	struct sim_pull *found[PULLS_LOOKED_AT];
	struct buf b = {0};
	size_t n = 0, from, to;
	if (!sim_known_commit(q, q->part[0], sha)) {
		sim_fail(q, 422, "No commit found for SHA");
		return;
	}
	for (size_t i = q->repo->pulls_n; i-- > 0 && n < PULLS_LOOKED_AT;)
		if (has_commit(q, q->repo->pulls[i], sha))
			found[n++] = q->repo->pulls[i];
	sim_paginate(q, n, &from, &to);
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = from; i < to; i++)
		sim_shape_pull(&w, q->s, q->repo, found[i], (struct sim_shape_pull){.simple = true});
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

/* ---- committing ---- */

/* A login, or "Name <e-mail>" as it is. The caller frees. */
static char *identity(struct sim *s, const char *who)
{
	char text[256];
	if (strchr(who, '<') != NULL)
		return xstrdup(who);
	sim_git_identity(text, sizeof(text), sim_user(s, who));
	return xstrdup(text);
}

static char *message_of(struct sim *s, const struct sim_commit_new *n)
{
	struct strlist logins = {0};
	struct buf b = {0};
	buf_adds(&b, n->message != NULL ? n->message : "Change files");
	sim_rules_split(n->co_authors, &logins);
	for (size_t i = 0; i < logins.n; i++) {
		CLEANUP_FREE char *who = identity(s, logins.v[i]);
		buf_printf(&b, "%sCo-authored-by: %s", i == 0 ? "\n\n" : "\n", who);
	}
	strlist_free(&logins);
	return buf_take(&b);
}

/* Where the new commit goes: the tip of the branch, of the default branch when it is new, or what a forced push says. */
static int start_of(struct sim *s, struct sim_repo *r, const struct sim_commit_new *n, const char *ref, char before[SIM_SHA_SIZE],
		    char from[SIM_SHA_SIZE], struct err *err)
{
	CLEANUP_FREE char *main = xasprintf("refs/heads/%s", r->default_branch);
	const struct sim_ref *at = sim_ref_find(r, ref), *base = at != NULL ? at : sim_ref_find(r, main);
	(void)snprintf(before, SIM_SHA_SIZE, "%s", at != NULL ? at->sha : "");
	(void)snprintf(from, SIM_SHA_SIZE, "%s", base != NULL ? base->sha : "");
	if (n->from == NULL)
		return 0;
	if (!n->force && at != NULL)
		return err_set(err, ERR_USAGE, "\"from\" moves a branch away from its commits: say \"force\" as well");
	return sim_git_rev(s, r, n->from, from, err);
}

int sim_commit_with(struct sim *s, const struct sim_commit_new *n, char ret_sha[SIM_SHA_SIZE], struct err *err)
{
	struct sim_repo *r;
	struct sim_user *owner, *u = sim_user(s, n->user);
	char before[SIM_SHA_SIZE], from[SIM_SHA_SIZE], after[SIM_SHA_SIZE];
	int rc = sim_repo_get(s, n->repo, &r, err);
	if (rc != 0)
		return rc;
	if (r->archived)
		return err_set(err, ERR_REFUSED, "commit to %s: the repository is archived and so is read-only", n->repo);
	CLEANUP_FREE char *ref = sim_ref_of(s, r, n->branch, &owner), *message = message_of(s, n);
	CLEANUP_FREE char *author = identity(s, n->author != NULL ? n->author : n->user);
	CLEANUP_FREE char *committer = identity(s, n->committer != NULL ? n->committer : n->user);
	const struct sim_who by = {.author = author, .committer = committer};
	rc = start_of(s, r, n, ref, before, from, err);
	if (rc == 0)
		rc = sim_git_commit_by(s, r, ref, from[0] != '\0' ? from : NULL, &by, message, n->files, n->files_n, after, err);
	if (rc == 0)
		sim_note(r, after)->verified = n->verified;
	if (rc == 0)
		rc = sim_moved(s, r, ref, before, after, u, err);
	if (rc == 0 && ret_sha != NULL)
		(void)snprintf(ret_sha, SIM_SHA_SIZE, "%s", after);
	return rc == 0 ? 0 : err_wrap(err, "commit to %s of %s", n->branch, n->repo);
}

/* ---- rebasing ---- */

/* git can merge trees in a bare repository, but the base that it merges from is what it finds: so the commit before is made the parent of a
 * commit with our tree, and then it is found. */
static int replay(struct sim *s, struct sim_repo *r, const char *onto, const char *sha, char ret_tree[SIM_SHA_SIZE], struct err *err)
{
	struct buf base CLEANUP_BUF = {0}, tree CLEANUP_BUF = {0}, none CLEANUP_BUF = {0};
	CLEANUP_FREE char *onto_tree = xasprintf("%s^{tree}", onto), *parent = xasprintf("%s^", sha);
	char pretend[SIM_SHA_SIZE];
	int code = 0;
	buf_adds(&none, "base\n");
	int rc = sim_git(s, r->git_dir, (const char *const[]){"commit-tree", onto_tree, "-p", parent, NULL}, &none, &base, err);
	(void)snprintf(pretend, sizeof(pretend), "%.40s", buf_str(&base));
	if (rc == 0)
		rc = sim_git_code(s, r->git_dir, (const char *const[]){"merge-tree", "--write-tree", pretend, sha, NULL}, NULL, &tree, &code, err);
	if (rc == 0 && code != 0)
		return err_set(err, ERR_REFUSED, "commit %.7s does not apply on top of %.7s", sha, onto);
	(void)snprintf(ret_tree, SIM_SHA_SIZE, "%.40s", buf_str(&tree));
	return rc;
}

/* The commit again with another tree and parent: its author stays, the committer is GitHub. */
static int copy_commit(struct sim *s, struct sim_repo *r, const char *sha, const char *tree, const char *parent, char ret[SIM_SHA_SIZE],
		       struct err *err)
{
	struct buf old CLEANUP_BUF = {0}, in CLEANUP_BUF = {0}, out CLEANUP_BUF = {0};
	int rc = sim_git(s, r->git_dir, (const char *const[]){"cat-file", "commit", sha, NULL}, NULL, &old, err);
	if (rc != 0)
		return rc;
	const char *author = strstr(buf_str(&old), "\nauthor "), *message = strstr(buf_str(&old), "\n\n");
	if (author == NULL || message == NULL)
		return err_set(err, ERR_PARSE, "commit %s has no author", sha);
	author++;
	buf_printf(&in, "tree %s\nparent %s\n%.*s\n", tree, parent, (int)strcspn(author, "\n"), author);
	buf_printf(&in, "committer GitHub <noreply@github.com> %lld +0000%s", (long long)(clock_wall_ms() / 1000), message);
	rc = sim_git(s, r->git_dir, (const char *const[]){"hash-object", "-t", "commit", "-w", "--stdin", NULL}, &in, &out, err);
	if (rc == 0)
		(void)snprintf(ret, SIM_SHA_SIZE, "%.40s", buf_str(&out));
	return rc;
}

int sim_rebase(struct sim *s, struct sim_repo *r, const char *base, const char *head, char ret[SIM_SHA_SIZE], struct err *err)
{
	CLEANUP_FREE char *range = xasprintf("%s..%s", base, head);
	struct buf list CLEANUP_BUF = {0};
	char onto[SIM_SHA_SIZE], tree[SIM_SHA_SIZE];
	(void)snprintf(onto, sizeof(onto), "%s", base);
	int rc = sim_git(s, r->git_dir, (const char *const[]){"rev-list", "--reverse", "--topo-order", "--no-merges", range, NULL}, NULL, &list, err);
	for (const char *at = buf_str(&list); rc == 0 && strlen(at) >= SIM_SHA_SIZE - 1;) {
		CLEANUP_FREE char *sha = xstrndup(at, SIM_SHA_SIZE - 1);
		rc = replay(s, r, onto, sha, tree, err);
		if (rc == 0)
			rc = copy_commit(s, r, sha, tree, onto, onto, err);
		at += SIM_SHA_SIZE - 1;
		at += *at == '\n';
	}
	if (rc == 0)
		(void)snprintf(ret, SIM_SHA_SIZE, "%s", onto);
	return rc;
}

/* ---- for webhooks and check suites ---- */

void sim_shape_head_commit(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const char *sha)
{
	static const struct {
		const char *key;
		int name;
	} people[] = {{"author", F_AUTHOR}, {"committer", F_COMMITTER}};
	struct buf log CLEANUP_BUF = {0};
	struct err err = {0};
	const char *f[FIELDS] = {sha, sha, "", "GitHub", "noreply@github.com", "", "GitHub", "noreply@github.com", "", ""};
	int rc = sim_git(s, r->git_dir, (const char *const[]){"log", "-1", format, sha, NULL}, NULL, &log, &err);
	const char *at = rc == 0 ? memchr(buf_str(&log), 1, log.len) : NULL;
	if (at != NULL)
		(void)fields_of(&log, at, f); /* there is one */
	jw_open(w, key);
	jw_str(w, "id", f[F_SHA]);
	jw_str(w, "tree_id", f[F_TREE]);
	jw_strn(w, "message", f[F_MESSAGE], strlen(f[F_MESSAGE]) - text_ends(f[F_MESSAGE], "\n"));
	jw_str(w, "timestamp", f[F_COMMITTER_TIME]);
	for (size_t i = 0; i < ARRAY_LEN(people); i++) {
		jw_open(w, people[i].key);
		jw_str(w, "name", f[people[i].name]);
		jw_str(w, "email", f[people[i].name + 1]);
		jw_close(w);
	}
	jw_close(w);
}
