/* For tests of plans and comments: fixtures, diffs of small documents, golden files, example projects. */
#ifndef TESTS_SUPPORT_PLAN_SUPPORT_H
#define TESTS_SUPPORT_PLAN_SUPPORT_H

#include "plan/render.h"
#include "plan/summary.h"

/* tests/fixtures/plan/NAME.json */
void plan_fixture_read(const char *name, struct buf *ret);
void plan_fixture_summary(const char *name, struct plan_summary *ret);
/* A document around one managed resource t.a: `change` is the inside of its change, `more` further members (",..." or ""). */
char *plan_document(const char *change, const char *more);
/* "2 to add", and one line a change: "kind address [forces] (reason)". */
char *plan_words(const struct plan_summary *s);
char *plan_changes(const struct plan_summary *s);
char *plan_diff_text(const char *json, size_t len);
char *plan_diff_fixture(const char *name);
/* The lines of an update of t.a below its heading; marks: further members of the change. */
char *plan_diff_update(const char *before, const char *after, const char *marks);

/* Compares with tests/fixtures/comment/NAME.md, or writes it when UPDATE_GOLDEN is set. */
void golden_check(const char *name, const char *got);
/* The comment, checked for UTF-8 and length. */
char *view_comment(const struct view *v);
void view_golden(const char *name, const struct view *v);
struct view view_example(enum view_phase phase, const struct view_project *projects, size_t n);
/* dns failed, network, web and db planned: the example of docs/comment.md. */
extern const struct view_project view_done[4];
extern const struct plan_summary plan_db, plan_web, plan_network, plan_drifted, plan_none;
extern const char diff_db[], diff_network[], error_dns[], error_apply[];
#define VIEW_LOG(n) "https://sluice.example.com/runs/812/jobs/" n "?t=abc"

/* n projects without changes, named live/prod/project-0000 and so on. */
struct crowd {
	struct view_project *v;
	size_t n;
	struct strlist names;
};
void crowd_make(struct crowd *c, size_t n);
void crowd_free(struct crowd *c);

#endif
