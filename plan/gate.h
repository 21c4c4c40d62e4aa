/* The gate: may this pull request be applied now? Step 4. A pure, table-driven function: facts in, list out. Unknown is no.
 * Rulesets, code owners, signatures and merge queues are not among the facts yet. */
#ifndef PLAN_GATE_H
#define PLAN_GATE_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

enum tri { TRI_UNKNOWN, TRI_NO, TRI_YES };

struct gate_facts {
	enum tri open, draft, merged;       /* the pull request */
	bool after_merge;                   /* a merged one whose plans may be applied: what concerns merging is past */
	enum tri head_is_planned;           /* live head == head of the plans */
	enum tri base_protected;            /* base_ref is a protected branch */
	const char *base_ref;
	const char *planned_base;           /* the branch that the plans were made for; NULL when there is none */
	enum tri mergeable;                 /* GitHub's answer; unknown while it computes */
	const char *mergeable_state;        /* for the sentence; NULL */
	enum tri may_apply;                 /* role of the person who asks */
	const char *asker;
	enum tri reviews_read;
	int approvals;                      /* distinct people: latest review APPROVED on the head commit, write permission, not the author */
	int approvals_needed;
	bool stale_approvals;               /* some approve an older commit */
	int changes_requested;              /* people whose latest review asks for changes */
	enum tri checks_ok;                 /* other people's checks and statuses on head */
	bool checks_needed;
	bool codeowners_needed;             /* nobody reads CODEOWNERS yet, so asking for it keeps the gate shut */
	const char *checks_failing;         /* names, for the sentence */
	enum tri up_to_date;
	bool up_to_date_needed;
	int64_t projects, planned, failed, running; /* of the run for the live head */
	const char *unplanned;              /* names not planned, "`dns`, `web`" */
	const char *lock_holder;            /* "#12" when another pull request's apply holds a project; NULL */
	const char *lock_project;
	const char *failed_fact;            /* first API call that could not be read, for "unknown" sentences; NULL */
};

enum gate_mark { GATE_YES, GATE_NO, GATE_UNKNOWN };

struct gate_item {
	enum gate_mark mark;
	char *name;     /* "approved", "checks", "up to date", "protected", ... */
	char *brief;    /* NO and UNKNOWN: "1 approval is missing"; for YES the name */
	char *sentence; /* what is missing, who can give it, the words to type; `marks` are code; shown through render_sentence() */
};

struct gate_verdict {
	bool open;
	struct gate_item *items;
	size_t n;
};

/* Without an asker the row about the person's role is left out of the list, and the gate stays shut unless may_apply is yes. */
void gate_evaluate(const struct gate_facts *f, struct gate_verdict *ret);
void gate_verdict_free(struct gate_verdict *v);
/* First line for the headline: "1 approval is missing"; NULL when nothing is. */
const char *gate_first_no(const struct gate_verdict *v);

#endif
