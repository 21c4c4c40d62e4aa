/* Renamed and transferred repositories: the old path answers with where it is now, as long as nobody else has that name. */
#include "base/fs.h"
#include "base/text.h"
#include "cmd/sim/sim_app.h"
#include "cmd/sim/sim_moved.h"

#include <errno.h>
#include <strings.h>

enum { WORD_MAX = 256 };

struct sim_repo *sim_repo_formerly(const struct sim *s, const char *full_name, size_t len)
{
	for (size_t i = s->repos_n; i-- > 0;)
		for (size_t k = 0; k < s->repos[i]->former.n; k++) {
			const char *name = s->repos[i]->former.v[k];
			if (strlen(name) == len && strncasecmp(name, full_name, len) == 0)
				return s->repos[i];
		}
	return NULL;
}

struct sim_repo *sim_repo_of_id(const struct sim *s, int64_t id)
{
	for (size_t i = 0; i < s->repos_n; i++)
		if (s->repos[i]->id == id)
			return s->repos[i];
	return NULL;
}

void sim_answer_moved(struct sim_req *q, const char *below)
{
	static const char *const keys[] = {"per_page", "page", "state", "ref", "sha", "environment", "check_name", "app_id", "filter"};
	bool get = strcmp(q->method, "GET") == 0;
	struct buf url CLEANUP_BUF = {0}, b = {0};
	buf_printf(&url, "%s/repositories/%lld%s", q->s->url, (long long)q->moved->id, below);
	for (size_t i = 0, n = 0; i < ARRAY_LEN(keys); i++)
		if (http_query(q->x, keys[i]) != NULL) {
			buf_printf(&url, "%s%s=", n++ == 0 ? "?" : "&", keys[i]);
			text_url_segment(&url, http_query(q->x, keys[i]));
		}
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "message", get ? "Moved Permanently" : "Temporary Redirect");
	jw_str(&w, "url", buf_str(&url));
	jw_str(&w, "documentation_url", "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects");
	jw_close(&w);
	q->link = xasprintf(SIM_LOCATION "%s", buf_str(&url));
	sim_answer_buf(q, get ? 301 : 307, &b);
}

/* ---- moving ---- */

static void shape_from(struct json_writer *w, const struct sim *s, const char *owner, const char *name, bool transferred)
{
	jw_open(w, "changes");
	jw_open(w, transferred ? "owner" : "repository");
	jw_open(w, transferred ? "from" : "name");
	if (transferred) {
		sim_shape_owner(w, "user", s, owner);
	} else {
		jw_str(w, "from", name);
	}
	jw_close(w);
	jw_close(w);
	jw_close(w);
}

static void tell(struct sim *s, struct sim_repo *r, const char *owner, const char *name, const char *user)
{
	bool transferred = !text_same_case(owner, r->owner);
	struct buf b = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "action", transferred ? "transferred" : "renamed");
	shape_from(&w, s, owner, name, transferred);
	sim_shape_repo(&w, "repository", s, r, NULL);
	sim_shape_user(&w, "sender", s, sim_user(s, user));
	jw_close(&w);
	sim_deliver(s, r, "repository", transferred ? "transferred" : "renamed", &b);
}

/* Its git goes along: somebody else may get the old name, and a directory with it. */
static int move_git(struct sim *s, struct sim_repo *r, const char *to, struct err *err)
{
	CLEANUP_FREE char *owner = xstrndup(to, strcspn(to, "/")), *dir = xasprintf("%s/%s", s->dir, owner), *git = xasprintf("%s/%s.git", s->dir, to);
	int rc = fs_mkdir_p(dir, 0700, err);
	if (rc == 0)
		rc = fs_remove_tree(git, err); /* of an earlier life of this directory */
	if (rc == 0 && rename(r->git_dir, git) != 0)
		rc = err_sys(err, "rename %s to %s", r->git_dir, git);
	if (rc == 0)
		xstrset(&r->git_dir, git);
	return rc;
}

static bool is_full_name(const char *to)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t owner = strspn(to, letters);
	const char *name = to + owner + 1;
	return owner > 0 && to[owner] == '/' && to[0] != '.' && to[0] != '_' && name[0] != '\0' && name[0] != '.' && strspn(name, letters) == strlen(name) &&
	       !text_ends(name, ".git");
}

/* An App has it from now on only where it is installed for the new owner. */
static int let_bots(struct sim *s, const struct sim_repo *r, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < s->apps->n; i++)
		rc = sim_permission(s, r->full_name, s->apps->v[i]->bot->login, sim_app_covers(s, s->apps->v[i], r) != NULL ? "write" : "none", err);
	return rc;
}

int sim_move(struct sim *s, const char *repo, const char *to, const char *user, struct err *err)
{
	struct sim_repo *r;
	int rc = sim_repo_get(s, repo, &r, err);
	if (rc != 0)
		return rc;
	CLEANUP_FREE char *full = strchr(to, '/') != NULL ? xstrdup(to) : xasprintf("%s/%s", r->owner, to);
	if (!is_full_name(full))
		return err_set(err, ERR_USAGE, "new name %s: write NAME, or OWNER/NAME, with letters, digits, - _ .", to);
	if (sim_repo_find(s, full, strlen(full)) != NULL)
		return err_set(err, ERR_CONFLICT, "repository %s exists already", full);
	rc = move_git(s, r, full, err);
	if (rc != 0)
		return rc;
	const char *slash = strchr(full, '/');
	CLEANUP_FREE char *owner = r->owner, *name = r->name;
	strlist_take(&r->former, r->full_name);
	r->full_name = xstrdup(full);
	r->owner = xstrndup(full, (size_t)(slash - full));
	r->name = xstrdup(slash + 1);
	rc = let_bots(s, r, err);
	tell(s, r, owner, name, user);
	sim_changed(s);
	return rc;
}

int sim_control_moved(struct sim_req *q, struct json_writer *w, struct err *err)
{
	const char *repo, *to, *user;
	int rc = json_str(&q->body, "repo", WORD_MAX, &repo, err);
	if (rc == 0)
		rc = json_str(&q->body, "to", WORD_MAX, &to, err);
	if (rc == 0)
		rc = json_str_opt(&q->body, "user", WORD_MAX, "octocat", &user, err);
	if (rc == 0)
		rc = sim_move(q->s, repo, to, user, err);
	(void)w;
	return rc;
}
