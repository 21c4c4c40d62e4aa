/* The same verdicts as in the comment, for check runs and commit statuses: how a state is told, title, summary, text, annotations, buttons. Pure. */
#include "plan/render_internal.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

enum {
	SUMMARY_CHARS = LIMIT_CHECK_TEXT_CHARS - 3072, /* for the closing lines */
	TEXT_CHARS = LIMIT_CHECK_TEXT_CHARS - 256,
	LINE_MAX = 1000000000,
	TITLE_BYTES = 200, /* of an annotation: GitHub takes 255 characters */
};

/* The one table of how a state is told. GitHub counts success, neutral and skipped as passed: only what is done and fine may say success. */
static const struct check_word words[CHECK_STATES] = {
	[CHECK_QUEUED] = {"queued", NULL, "pending"},
	[CHECK_RUNNING] = {"in_progress", NULL, "pending"},
	[CHECK_PARTIAL] = {"in_progress", NULL, "pending"},
	[CHECK_PLANNED] = {"completed", "success", "success"},
	[CHECK_APPLIED] = {"completed", "success", "success"},
	[CHECK_UNTOUCHED] = {"completed", "success", "success"},
	[CHECK_FAILED] = {"completed", "failure", "failure"},
	[CHECK_APPLY_FAILED] = {"completed", "failure", "failure"},
	[CHECK_TIMED_OUT] = {"completed", "timed_out", "failure"},
	[CHECK_REFUSED] = {"completed", "action_required", "failure"},
	[CHECK_CANCELLED] = {"completed", "cancelled", "failure"},
	[CHECK_SUPERSEDED] = {"completed", "cancelled", "failure"},
	[CHECK_UNKNOWN] = {"completed", "failure", "failure"},
	[CHECK_NOTHING_APPLIED] = {"completed", "action_required", "failure"},
};

const struct check_word *render_check_word(enum check_state s)
{
	ASSERT(s >= 0 && s < CHECK_STATES);
	return &words[s];
}

enum check_state render_check_state(const struct view_project *p)
{
	static const enum check_state states[] = {
		[VIEW_QUEUED] = CHECK_QUEUED,       [VIEW_RUNNING] = CHECK_RUNNING,   [VIEW_PLANNED] = CHECK_PLANNED,
		[VIEW_FAILED] = CHECK_FAILED,       [VIEW_CANCELLED] = CHECK_CANCELLED, [VIEW_REFUSED] = CHECK_REFUSED,
		[VIEW_APPLYING] = CHECK_RUNNING,    [VIEW_APPLIED] = CHECK_APPLIED,   [VIEW_APPLY_FAILED] = CHECK_APPLY_FAILED,
		[VIEW_UNKNOWN] = CHECK_UNKNOWN,     [VIEW_DELETED] = CHECK_UNTOUCHED,
	};
	bool failed = p->state == VIEW_FAILED || p->state == VIEW_APPLY_FAILED;
	return failed && p->timed_out ? CHECK_TIMED_OUT : states[p->state];
}

/* ---- annotations ---- */

/* "network/main.tf:14: Unsupported argument: ...": the place in the repository that an error of ours begins with. False: it names none. */
static bool place_read(const char *error, char **ret_path, int64_t *ret_line, const char **ret_message)
{
	size_t eol = strcspn(error, "\n");
	for (const char *s = error; (s = memchr(s, ':', eol - (size_t)(s - error))) != NULL; s++) {
		size_t digits = strspn(s + 1, "0123456789");
		if (digits == 0 || digits > 9 || s[1 + digits] != ':' || s == error || memchr(error, ' ', (size_t)(s - error)) != NULL)
			continue;
		CLEANUP_FREE char *number = xstrndup(s + 1, digits);
		if (error[0] == '/' || text_int(number, 1, LINE_MAX, ret_line, NULL) != 0)
			return false;
		*ret_path = xstrndup(error, (size_t)(s - error));
		*ret_message = s + 2 + digits + strspn(s + 2 + digits, " ");
		return true;
	}
	return false;
}

/* GitHub shows a path as it is. */
static bool is_showable(const char *path)
{
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, path, strlen(path));
	return strcmp(buf_str(&clean), path) == 0 && clean.len <= LIMIT_PATH_BYTES;
}

static void put_annotation(struct buf *out, const struct view_project *p)
{
	CLEANUP_FREE char *path = NULL;
	CLEANUP_BUF struct buf message = {0};
	CLEANUP_BUF struct buf title = {0};
	int64_t line;
	const char *text;
	bool failed = p->state == VIEW_FAILED || p->state == VIEW_APPLY_FAILED || p->state == VIEW_REFUSED;
	if (!failed || p->error == NULL || !place_read(p->error, &path, &line, &text) || !is_showable(path))
		return;
	text_clean(&message, text, text_cut(text, strlen(text), LIMIT_CHECK_ANNOTATION_BYTES / 4)); /* cleaning may write more bytes */
	text_clean(&title, p->name, text_cut(p->name, strlen(p->name), TITLE_BYTES / 4));
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_str(&w, "path", path);
	jw_int(&w, "start_line", line);
	jw_int(&w, "end_line", line);
	jw_str(&w, "annotation_level", "failure");
	jw_str(&w, "title", buf_str(&title));
	jw_str(&w, "message", message.len != 0 ? buf_str(&message) : "no reason was given");
	jw_close(&w);
	buf_addc(out, '\n');
}

/* ---- buttons ---- */

static void put_action(struct json_writer *w, const char *id, const char *label, const char *description)
{
	jw_open(w, NULL);
	jw_str(w, "label", label);
	jw_str(w, "description", description);
	jw_str(w, "identifier", id);
	jw_close(w);
}

/* GitHub shows them once the check is completed; cancel is sent all the same, for other clients. */
static void put_actions(struct buf *out, enum check_state s, bool rollup)
{
	struct json_writer w = json_writer(out);
	jw_open_arr(&w, NULL);
	switch (s) {
	case CHECK_PLANNED:
		put_action(&w, "plan", "Plan again", rollup ? "Plan every project anew" : "Plan this project anew");
		if (rollup)
			put_action(&w, "apply", "Apply", "Merge and apply what is planned");
		break;
	case CHECK_QUEUED:
	case CHECK_RUNNING:
		if (rollup)
			put_action(&w, "cancel", "Cancel", "Stop what is under way");
		break;
	case CHECK_PARTIAL:
	case CHECK_FAILED:
	case CHECK_APPLY_FAILED:
	case CHECK_TIMED_OUT:
	case CHECK_REFUSED:
	case CHECK_CANCELLED:
	case CHECK_NOTHING_APPLIED:
		put_action(&w, "plan", "Plan again", rollup ? "Plan every project anew" : "Plan this project anew");
		break;
	case CHECK_APPLIED:
	case CHECK_UNTOUCHED:
	case CHECK_SUPERSEDED: /* of a commit that is not the head any more */
	case CHECK_UNKNOWN:    /* a person has to look first */
	case CHECK_STATES:
		break;
	}
	jw_close_arr(&w);
}

/* ---- summary and text ---- */

static void put_reason(struct buf *out, const struct view *v)
{
	if (v->config_errors != NULL) {
		render_fence(out, "text", v->config_errors, render_prefix(v->config_errors, strlen(v->config_errors), SUMMARY_CHARS / 4));
		buf_addc(out, '\n');
	} else if (v->error != NULL) {
		render_sentence(out, v->error);
		buf_adds(out, "\n\n");
	}
}

/* The table never goes, but with many projects it has fewer rows of their own. */
static void put_summary(struct buf *out, const struct view *v, const char *title)
{
	static const size_t most[] = {100, 50, 25, 12, 6, 3, 0};
	struct rows rows;
	rows_make(v, &rows);
	for (size_t i = 0; i < ARRAY_LEN(most); i++) {
		size_t start = out->len;
		put_reason(out, v);
		render_callout(out, &rows);
		render_told(out, &rows);
		render_table(out, &rows, most[i]);
		if (text_chars(out->data + start, out->len - start) <= SUMMARY_CHARS)
			break;
		buf_truncate(out, start);
	}
	if (out->len == 0) {
		render_text(out, title);
		buf_adds(out, "\n\n");
	}
	rows_free(&rows);
	if (v->sandbox != NULL) {
		buf_adds(out, "Sandbox: ");
		render_sentence(out, v->sandbox);
		buf_adds(out, ".\n\n");
	}
	render_link(out, "The run has everything", v->run_url);
	buf_adds(out, ".\n");
}

void render_check(const struct view *v, enum check_state s, const char *title, bool rollup, struct check_text *ret)
{
	*ret = (struct check_text){.state = s};
	buf_adds(&ret->title, title);
	put_summary(&ret->summary, v, title);
	put_actions(&ret->actions, s, rollup);
	if (!rollup && v->projects_n == 1 && render_has_detail(&v->projects[0]))
		(void)render_detail(&ret->text, &v->projects[0], true, TEXT_CHARS); /* what does not fit in any form is in the run */
	/* a project with a check of its own says it there, once */
	for (size_t i = 0, n = 0; (!rollup || v->projects_n > LIMIT_RUN_STATUSES) && i < v->projects_n && n < LIMIT_CHECK_ALL_ANNOTATIONS; i++) {
		size_t before = ret->annotations.len;
		put_annotation(&ret->annotations, &v->projects[i]);
		n += ret->annotations.len > before;
	}
}

void check_text_free(struct check_text *t)
{
	buf_free(&t->title);
	buf_free(&t->summary);
	buf_free(&t->text);
	buf_free(&t->annotations);
	buf_free(&t->actions);
	*t = (struct check_text){0};
}
