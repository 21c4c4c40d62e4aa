#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/render_internal.h"

/* No line, no tag, and no live trigger comes out of text; a fence is closed by nothing inside. */
static void check_text(const char *s)
{
	CLEANUP_BUF struct buf out = {0};
	render_text(&out, s);
	const char *t = buf_str(&out);
	ASSERT(text_is_utf8(t, out.len) && strchr(t, '\n') == NULL && strchr(t, '<') == NULL);
	for (size_t i = 0; i < out.len; i++)
		if (t[i] == '@' || t[i] == '#')
			ASSERT(text_starts(t + i + 1, "\xe2\x80\x8b"));
	for (size_t i = 0; i < out.len; i += t[i] == '\\' ? 2 : 1)
		ASSERT(strchr("`*[]~|", t[i]) == NULL || t[i] == '\0');
}

static void check_fence(const char *s, size_t len)
{
	CLEANUP_BUF struct buf out = {.max = SIZE_MAX};
	render_fence(&out, "diff", s, len);
	size_t ticks = strspn(buf_str(&out), "`");
	ASSERT(ticks >= 3 && out.len > 2 * ticks + 5);
	size_t run = 0, end = out.len - ticks - 1;
	for (size_t i = ticks; i < end; i++) {
		run = out.data[i] == '`' ? run + 1 : 0;
		ASSERT(run < ticks);
	}
	ASSERT(strspn(out.data + end, "`") == ticks);
}

static void check_code(const char *s)
{
	CLEANUP_BUF struct buf out = {0};
	render_code(&out, s);
	const char *t = buf_str(&out);
	size_t ticks = strspn(t, "`"), run = 0;
	ASSERT(strchr(t, '\n') == NULL && text_is_utf8(t, out.len));
	for (size_t i = ticks; i + ticks < out.len; i++) {
		run = t[i] == '`' ? run + 1 : 0;
		ASSERT(run != ticks || ticks == 0);
	}
}

static void check_comment(const char *s)
{
	struct view_project projects[2] = {
		{.name = s, .state = VIEW_FAILED, .error = s, .log_url = s},
		{.name = "b", .state = VIEW_PLANNED, .diff = s, .reason = s},
	};
	const char *notes[1] = {s};
	struct view v = {.phase = VIEW_PLAN_DONE,
			 .head_sha = s,
			 .base_ref = s,
			 .projects = projects,
			 .projects_n = 2,
			 .notes = notes,
			 .notes_n = 1,
			 .run_url = s,
			 .engines = s};
	CLEANUP_BUF struct buf out = {0};
	render_comment(&v, &out);
	ASSERT(text_is_utf8(buf_str(&out), out.len) && text_chars(buf_str(&out), out.len) <= LIMIT_COMMENT_BYTES);
	ASSERT(text_starts(buf_str(&out), "### sluice "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *s = xstrndup((const char *)data, size);
	check_text(s);
	check_code(s);
	check_fence(s, size);
	check_comment(s);
	struct error_brief b;
	error_brief_read(s, &b);
	ASSERT(b.title != NULL && text_is_utf8(b.title, strlen(b.title)));
	error_brief_free(&b);
	return 0;
}
