#include "plan/resolve.h"

#include "base/audit.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/only.h"
#include "plan/queue.h"
#include "plan/render.h"
#include "plan/state_store.h"
#include "runner/engine_error.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL_BYTES = 16 * 1024, TAIL_LINES = 20, TAIL_LINE_BYTES = 300 };

/* ---- evidence ---- */

void resolve_read_tail(const char *path, struct buf *ret)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	off_t from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
	buf_reserve(ret, TAIL_BYTES);
	ssize_t n = pread(fd, ret->data, TAIL_BYTES, from);
	if (n > 0)
		ret->len = (size_t)n;
	buf_reserve(ret, 1);
	ret->data[ret->len] = '\0';
	for (size_t i = 0; i < ret->len; i++)
		if (ret->data[i] == '\0')
			ret->data[i] = ' ';
}

/* The last lines, each cleaned and cut. */
static void last_lines(const char *log, struct buf *out)
{
	struct strlist lines = {0};
	text_split_lines(log, &lines);
	while (lines.n > 0 && lines.v[lines.n - 1][0] == '\0')
		free(lines.v[--lines.n]);
	for (size_t i = lines.n > TAIL_LINES ? lines.n - TAIL_LINES : 0; i < lines.n; i++) {
		size_t len = strlen(lines.v[i]), cut = text_cut(lines.v[i], len, TAIL_LINE_BYTES);
		text_clean(out, lines.v[i], cut);
		buf_adds(out, cut < len ? "...\n" : "\n");
	}
	strlist_free(&lines);
}

int resolve_keep(struct db_conn *c, const struct job_row *j, const struct resolve_seen *seen, struct err *err)
{
	CLEANUP_BUF struct buf tail = {0};
	CLEANUP_BUF struct buf json = {0};
	struct engine_lock lock;
	if (seen->log != NULL)
		last_lines(seen->log, &tail);
	struct json_writer w = json_writer(&json);
	jw_open(&w, NULL);
	jw_int(&w, "at_ms", clock_wall_ms());
	jw_bool(&w, "record", seen->has_record);
	jw_int(&w, "exit_code", seen->exit_code);
	jw_str(&w, "step", seen->step);
	jw_int(&w, "serial_before", seen->serial_before);
	jw_str(&w, "log", buf_str(&tail));
	if (seen->log != NULL && engine_lock_read(seen->log, strlen(seen->log), &lock)) {
		jw_str(&w, "lock_id", lock.id);
		jw_str(&w, "lock_who", lock.who);
		jw_str(&w, "lock_created", lock.created);
	}
	jw_close(&w);
	return db_run(c, err, "UPDATE job SET evidence=?2 WHERE id=?1", "is", j->id, buf_str(&json));
}

char *resolve_sentence(int64_t run_id, const char *what_happened)
{
	return xasprintf("The apply was interrupted and its outcome is unknown: %s. The project stays locked. An admin looks at what exists, then comments"
			 " `resolve %lld --as applied`, `--as failed` or `--as replan`.", what_happened, (long long)run_id);
}

static const char *member(const struct json *root, const char *name)
{
	struct json m = json_member(root, name);
	return json_ok(&m) ? json_text(&m) : NULL;
}

static void show_record(const struct json *root, struct buf *out)
{
	bool record = false;
	int64_t code = 0;
	const char *step = member(root, "step");
	if (json_bool(root, "record", &record, NULL) == 0 && record && json_int(root, "exit_code", INT32_MIN, INT32_MAX, &code, NULL) == 0)
		buf_printf(out, "exit record: the engine ended with %lld%s%s\n", (long long)code, step != NULL ? " in " : "", step != NULL ? step : "");
	else
		buf_adds(out, "exit record: none, the runner was killed before it could write one\n");
}

static int show_state(struct db_conn *c, const struct job_row *j, const struct json *root, struct buf *out, struct err *err)
{
	struct state_version now = {0};
	int64_t before = -1;
	if (!j->managed_state) {
		buf_printf(out, "state: kept by the backend `%s`, not known here\n", j->backend != NULL ? j->backend : "of the project");
		return 0;
	}
	if (json_int(root, "serial_before", -1, INT64_MAX, &before, NULL) != 0)
		before = -1;
	int rc = state_current(c, j->repo_id, j->project, j->workspace, &now, err);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	buf_adds(out, "state: ");
	if (before >= 0)
		buf_printf(out, "serial %lld before, ", (long long)before);
	else
		buf_adds(out, "none before, ");
	if (rc == 0)
		buf_printf(out, "serial %lld now\n", (long long)now.serial);
	else
		buf_adds(out, "none now\n");
	state_version_free(&now);
	return 0;
}

int resolve_show(struct db_conn *c, const struct job_row *j, struct buf *out, struct err *err)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	int64_t at_ms = 0;
	if (j->evidence == NULL || json_parse(j->evidence, strlen(j->evidence), NULL, &doc, &root, NULL) != 0)
		return 0; /* we wrote it; a job of the first version has none */
	if (json_int(&root, "at_ms", 0, INT64_MAX, &at_ms, NULL) == 0) {
		char since[CLOCK_ISO_SIZE];
		buf_printf(out, "unknown since: %s\n", clock_people(at_ms, since));
	}
	show_record(&root, out);
	int rc = show_state(c, j, &root, out, err);
	const char *id = member(&root, "lock_id"), *who = member(&root, "lock_who"), *created = member(&root, "lock_created"), *log = member(&root, "log");
	if (id != NULL && id[0] != '\0')
		buf_printf(out, "state lock: %s, held by %s since %s\n", id, who != NULL ? who : "?", created != NULL ? created : "?");
	if (log != NULL && log[0] != '\0')
		buf_printf(out, "the last lines of its log:\n\n%s", log);
	return rc;
}

/* ---- resolving ---- */

static bool is_known(const char *as) { return strcmp(as, "applied") == 0 || strcmp(as, "failed") == 0 || strcmp(as, "replan") == 0; }

/* The run that is meant, with its unknown jobs; the list is empty when there are none. */
static int find_jobs(struct db_conn *c, const struct resolve_ask *ask, struct job_list *ret, int64_t *ret_run, struct err *err)
{
	struct db_stmt *s;
	struct job_list all = {0};
	int rc = 0;
	*ret_run = ask->run_id;
	for (size_t i = 0; rc == 0 && *ret_run == 0 && i < (ask->projects->n != 0 ? ask->projects->n : 1); i++) {
		rc = db_query(c, &s, err,
			      "SELECT max(run_id) FROM job WHERE repo_id=?1 AND pull=?2 AND state='unknown' AND resolution IS NULL"
			      " AND (?3 IS NULL OR project=?3)",
			      "iis", ask->repo_id, ask->pull, ask->projects->n != 0 ? ask->projects->v[i] : NULL);
		if (rc == 0)
			rc = db_number(s, ret_run, err);
	}
	if (rc == 0 && *ret_run != 0)
		rc = job_list_of_run(c, *ret_run, &all, err);
	for (size_t i = 0; rc == 0 && i < all.n; i++) {
		struct job_row *j = &all.v[i];
		bool meant = j->repo_id == ask->repo_id && j->pull == ask->pull && j->state == JOBS_UNKNOWN && j->resolution == NULL &&
			     (ask->projects->n == 0 || strlist_has(ask->projects, j->project));
		if (!meant)
			continue;
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n++] = *j;
		*j = (struct job_row){0};
	}
	job_list_free(&all);
	return rc;
}

static int resolve_one(struct db_conn *c, const struct resolve_ask *ask, const struct job_row *j, struct err *err)
{
	int rc = db_run(c, err, "UPDATE job SET resolution=?2, resolved_by=?3 WHERE id=?1 AND state='unknown' AND resolution IS NULL", "iss", j->id, ask->as,
			ask->who);
	if (rc == 0 && db_changes(c) != 1)
		return err_set(err, ERR_CONFLICT, "job %lld is resolved already", (long long)j->id);
	CLEANUP_BUF struct buf detail = {0};
	struct json_writer w = json_writer(&detail);
	jw_open(&w, NULL);
	jw_str(&w, "project", j->project);
	jw_str(&w, "as", ask->as);
	jw_close(&w);
	struct audit a = {.kind = "resolve", .actor = ask->who, .repo_id = j->repo_id, .pull = j->pull, .run_id = j->run_id, .job_id = j->id,
			  .detail = buf_str(&detail)};
	if (rc == 0)
		rc = audit_add(c, &a, err);
	return rc == 0 ? queue_after_apply(c, j, err) : rc; /* whatever it was, other pull requests may see another world */
}

/* What is left to do, on the branch that was merged: the plan run reads the pull request first, as every run does. */
static int plan_again(struct db_conn *c, const struct resolve_ask *ask, const struct job_list *jobs, struct err *err)
{
	struct command names = {0};
	struct run_row apply = {0};
	CLEANUP_BUF struct buf only = {0};
	int rc = run_get(c, jobs->v[0].run_id, &apply, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < jobs->n; i++)
		strlist_add(&names.projects, jobs->v[i].project);
	only_write(&names, &only);
	command_free(&names);
	struct run_new n = {.repo_id = ask->repo_id, .pull = ask->pull, .repo = ask->repo, .kind = RUN_PLAN, .asker = ask->who, .only = buf_str(&only),
			    .after_merge = apply.merge_sha != NULL, .merge_sha = apply.merge_sha};
	int64_t id;
	rc = run_create(c, &n, &id, err);
	run_row_free(&apply);
	return rc;
}

static char *nothing_to_resolve(const struct resolve_ask *ask)
{
	if (ask->run_id != 0)
		return xasprintf("Run %lld has no unknown outcome of this pull request that waits for an answer%s. Nothing was changed.",
				 (long long)ask->run_id, ask->projects->n != 0 ? " by that name" : "");
	return xasprintf("This pull request has no unknown outcome%s that waits for an answer. Nothing was changed.",
			 ask->projects->n != 0 ? " of a project of that name" : "");
}

static char *what_was_done(const struct resolve_ask *ask, const struct job_list *jobs, int64_t run)
{
	struct buf b = {0};
	buf_printf(&b, "Run %lld: ", (long long)run);
	for (size_t i = 0; i < jobs->n; i++) {
		buf_adds(&b, i != 0 ? ", " : "");
		render_code(&b, jobs->v[i].project);
	}
	buf_printf(&b, " resolved as %s and no longer locked.", ask->as);
	if (strcmp(ask->as, "replan") == 0)
		buf_adds(&b, " A plan of what is left to do was started; nothing is applied before somebody asks for it.");
	else if (strcmp(ask->as, "failed") == 0)
		buf_adds(&b, " Nothing is applied again by itself: comment `plan` to see what is left to do.");
	return buf_take(&b);
}

int resolve_outcome(struct db_conn *c, const struct comment_context *ctx, const struct resolve_ask *ask, char **ret_text, bool *ret_done,
		    struct err *err)
{
	struct job_list jobs = {0};
	int64_t run = 0;
	*ret_done = false;
	if (ask->as == NULL || !is_known(ask->as)) {
		*ret_text = xstrdup("`resolve` is written `resolve RUN --as applied`, `--as failed` or `--as replan`. Nothing was changed.");
		return 0;
	}
	int rc = find_jobs(c, ask, &jobs, &run, err);
	for (size_t i = 0; rc == 0 && i < jobs.n; i++)
		rc = resolve_one(c, ask, &jobs.v[i], err);
	*ret_done = rc == 0 && jobs.n != 0;
	if (*ret_done && strcmp(ask->as, "replan") == 0)
		rc = plan_again(c, ask, &jobs, err);
	if (rc == 0 && *ret_done)
		rc = comment_refresh(c, ctx, ask->repo_id, ask->pull, 0, err);
	if (rc == 0)
		*ret_text = *ret_done ? what_was_done(ask, &jobs, run) : nothing_to_resolve(ask);
	job_list_free(&jobs);
	return rc;
}
