/* Between gate.c (the table) and its rows (gate_rows.c: the pull request and its plans; gate_rows_rules.c: reviews and the rules of the
 * branch). Not for others. */
#ifndef PLAN_GATE_PRIV_H
#define PLAN_GATE_PRIV_H

#include "plan/gate.h"

/* What a judge writes for NO and UNKNOWN. */
struct gate_words {
	struct buf *brief, *sentence;
};

/* One row of the gate. judge() looks at facts only. */
struct gate_row {
	const char *name;
	bool (*applies)(const struct gate_facts *f); /* NULL: always */
	enum gate_mark (*judge)(const struct gate_facts *f, const struct gate_words *w);
	bool of_merge; /* who merges past the gate may not pass this one */
};

/* The brief (unless "") and the sentence. Returns mark. */
enum gate_mark gate_say(enum gate_mark mark, const struct gate_words *w, const char *brief, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* "GitHub did not say X": the same way out for each fact that could not be read. */
enum gate_mark gate_unread(const struct gate_facts *f, const struct gate_words *w, enum gate_read from, const char *what);
static inline const char *gate_base(const struct gate_facts *f) { return f->base_ref != NULL ? f->base_ref : "the base branch"; }
static inline const char *gate_s(int64_t n) { return n == 1 ? "" : "s"; }
static inline bool gate_said(const char *s) { return s != NULL && s[0] != '\0'; }

#define GATE_JUDGE(name) enum gate_mark name(const struct gate_facts *f, const struct gate_words *w)
GATE_JUDGE(gate_judge_open);
GATE_JUDGE(gate_judge_draft);
GATE_JUDGE(gate_judge_role);
GATE_JUDGE(gate_judge_head);
GATE_JUDGE(gate_judge_planned);
GATE_JUDGE(gate_judge_partial);
GATE_JUDGE(gate_judge_expired);
GATE_JUDGE(gate_judge_record);
GATE_JUDGE(gate_judge_told);
GATE_JUDGE(gate_judge_policies);
GATE_JUDGE(gate_judge_lock);
GATE_JUDGE(gate_judge_protected);
GATE_JUDGE(gate_judge_rules);
GATE_JUDGE(gate_judge_label);
GATE_JUDGE(gate_judge_changes);
GATE_JUDGE(gate_judge_approved);
GATE_JUDGE(gate_judge_codeowners);
GATE_JUDGE(gate_judge_checks);
GATE_JUDGE(gate_judge_required);
GATE_JUDGE(gate_judge_threads);
GATE_JUDGE(gate_judge_signatures);
GATE_JUDGE(gate_judge_deployments);
GATE_JUDGE(gate_judge_up_to_date);
GATE_JUDGE(gate_judge_mergeable);

#endif
