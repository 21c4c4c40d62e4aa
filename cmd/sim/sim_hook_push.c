/* The push event: its commits come from git. */
#include "base/log.h"
#include "base/text.h"
#include "cmd/sim/sim_checks.h"

enum { COMMITS_MAX = 20, FIELDS = 7 };
static const char zero[] = "0000000000000000000000000000000000000000";

/* git log prints one block per commit: \1 id \0 tree \0 name \0 e-mail \0 time \0 message \0 newline, then "A\tpath" lines. */
static const char format[] = "--format=%x01%H%x00%T%x00%an%x00%ae%x00%cI%x00%B%x00";

static void git_person(struct json_writer *w, const char *key, const char *name, const char *email)
{
	jw_open(w, key);
	jw_str(w, "name", name);
	jw_str(w, "email", email);
	jw_close(w);
}

static void paths_of(struct json_writer *w, const char *key, const char *lines, const char *end, const char *kinds)
{
	jw_open_arr(w, key);
	for (const char *line = lines; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		if (stop == NULL)
			stop = end;
		const char *tab = memchr(line, '\t', (size_t)(stop - line));
		if (tab != NULL && strchr(kinds, *line) != NULL)
			jw_strn(w, NULL, tab + 1, (size_t)(stop - tab - 1));
		line = stop + 1;
	}
	jw_close_arr(w);
}

static void commit(struct json_writer *w, const char *key, const struct sim *s, const struct sim_repo *r, const char *block, const char *end)
{
	const char *field[FIELDS];
	for (size_t i = 0; i < FIELDS; i++) {
		field[i] = block;
		const char *nul = memchr(block, '\0', (size_t)(end - block));
		block = nul != NULL ? nul + 1 : end;
	}
	CLEANUP_FREE char *message = xstrdup(field[5]);
	for (size_t n = strlen(message); n > 0 && message[n - 1] == '\n';)
		message[--n] = '\0';
	jw_open(w, key);
	jw_str(w, "id", field[0]);
	jw_str(w, "tree_id", field[1]);
	jw_bool(w, "distinct", true);
	jw_str(w, "message", message);
	jw_str(w, "timestamp", field[4]);
	sim_shape_urlf(w, "url", "%s/%s/commit/%s", s->url, r->full_name, field[0]);
	git_person(w, "author", field[2], field[3]);
	git_person(w, "committer", field[2], field[3]);
	paths_of(w, "added", field[6], end, "A");
	paths_of(w, "removed", field[6], end, "D");
	paths_of(w, "modified", field[6], end, "M");
	jw_close(w);
}

static void commits(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const struct buf *log)
{
	const char *end = buf_str(log) + log->len, *newest = NULL;
	jw_open_arr(w, "commits");
	for (const char *at = memchr(buf_str(log), 1, log->len); at != NULL && at < end;) {
		const char *next = memchr(at + 1, 1, (size_t)(end - at - 1));
		commit(w, NULL, s, r, at + 1, next != NULL ? next : end);
		newest = at;
		at = next;
	}
	jw_close_arr(w);
	if (newest != NULL) /* oldest first, so the last one read */
		commit(w, "head_commit", s, r, newest + 1, end);
	else
		jw_null(w, "head_commit");
}

static bool forced(const struct sim *s, const struct sim_repo *r, const char *before, const char *after)
{
	int code = 0;
	struct err err = {0};
	if (before[0] == '\0' || after[0] == '\0')
		return false;
	if (sim_git_code(s, r->git_dir, (const char *const[]){"merge-base", "--is-ancestor", before, after, NULL}, NULL, NULL, &code, &err) != 0)
		log_warn("sim.push", "error=%s", log_value(err.msg));
	return code == 1;
}

void sim_hook_push(struct sim *s, struct sim_repo *r, const char *ref, const char *before, const char *after, struct sim_user *u)
{
	struct buf b = {0}, log CLEANUP_BUF = {0};
	struct err err = {0};
	char count[16], email[160];
	if (s->webhook_url == NULL)
		return;
	(void)snprintf(count, sizeof(count), "-%d", COMMITS_MAX);
	(void)snprintf(email, sizeof(email), "%lld+%s@users.noreply.github.com", (long long)u->id, u->login);
	CLEANUP_FREE char *not_before = xasprintf("^%s", before);
	const char *argv[] = {"log", "--reverse", "--name-status", "--no-renames", count, format, after, before[0] != '\0' ? not_before : "--", NULL};
	if (after[0] != '\0' && sim_git(s, r->git_dir, argv, NULL, &log, &err) != 0)
		log_warn("sim.push", "error=%s", log_value(err.msg));
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "ref", ref);
	jw_str(&w, "before", before[0] != '\0' ? before : zero);
	jw_str(&w, "after", after[0] != '\0' ? after : zero);
	jw_bool(&w, "created", before[0] == '\0');
	jw_bool(&w, "deleted", after[0] == '\0');
	jw_bool(&w, "forced", forced(s, r, before, after));
	jw_null(&w, "base_ref");
	sim_shape_urlf(&w, "compare", "%s/%s/compare/%.12s...%.12s", s->url, r->full_name, before[0] != '\0' ? before : zero, after[0] != '\0' ? after : zero);
	commits(&w, s, r, &log);
	git_person(&w, "pusher", u->login, email);
	sim_shape_repo(&w, "repository", s, r, NULL);
	sim_shape_user(&w, "sender", s, u);
	jw_close(&w);
	sim_deliver(s, r, "push", NULL, &b);
	if (after[0] != '\0')
		sim_suites_pushed(s, r, after, u);
}
