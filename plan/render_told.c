/* What a look at the change found (hygiene.h): it stands open above the table, so that nobody has to unfold it to know. */
#include "plan/render_internal.h"

enum {
	TOLD_OF_ONE = 10, /* of one project */
	TOLD_ALL = 30,    /* of all together: the table must fit too */
};

/* Lines shown for a project, of what is left for all. */
static size_t shown_of(const struct view_project *p, size_t left)
{
	size_t n = p->told_n < TOLD_OF_ONE ? p->told_n : TOLD_OF_ONE;
	return n < left ? n : left;
}

static void put_project(struct buf *out, const struct view_project *p, size_t n)
{
	size_t more = p->told_n + p->told_more - n;
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, "> **");
		render_cell_code(out, p->name);
		buf_adds(out, "**: ");
		render_sentence(out, p->told[i]);
		buf_addc(out, '\n');
	}
	if (n > 0 && more > 0) {
		buf_adds(out, "> **");
		render_cell_code(out, p->name);
		buf_printf(out, "**: and %zu more\n", more);
	}
}

void render_told(struct buf *out, const struct rows *r)
{
	CLEANUP_BUF struct buf body = {0};
	size_t left = TOLD_ALL, hidden = 0;
	for (size_t i = 0; i < r->n && !render_is_apply(r->view->phase); i++) {
		size_t n = shown_of(r->v[i], left);
		put_project(&body, r->v[i], n);
		left -= n;
		hidden += n == 0 && r->v[i]->told_n > 0;
	}
	if (body.len == 0)
		return;
	buf_printf(out, "> [!WARNING]\n> **Look at this before you approve.**\n%s", buf_str(&body));
	if (hidden > 0)
		buf_printf(out, "> and in %zu more project%s: their checks and the files changed have it.\n", hidden, hidden == 1 ? "" : "s");
	buf_addc(out, '\n');
}
