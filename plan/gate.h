/* The gate: may this pull request be applied now? Step 4. A pure, table-driven function: facts in, list out. Unknown is no.
 *
 * Facts come from three places: GitHub (gate_read.h), our own rows (gate_own.h) and the caller, who knows when it asks. It is evaluated when
 * an apply is asked for, again before credentials are minted and again before the engine starts; docs/gate.md tells a reviewer why and how. */
#ifndef PLAN_GATE_H
#define PLAN_GATE_H

#include "plan/approvals.h"

/* What is read from GitHub, one word for each kind of request: a fact that is missing names the request that failed. */
enum gate_read {
	GATE_READ_PULL,
	GATE_READ_REVIEWS,
	GATE_READ_PERMISSION, /* of a person who reviewed */
	GATE_READ_COMMITS,
	GATE_READ_RULES,      /* rulesets */
	GATE_READ_CLASSIC,    /* classic branch protection */
	GATE_READ_BRANCH,     /* protected or not, and its tip */
	GATE_READ_CHECKS,
	GATE_READ_SELF,       /* who we are, to know our own checks */
	GATE_READ_THREADS,
	GATE_READ_DEPLOYMENTS,
	GATE_READ_OWNERS,     /* the present CODEOWNERS */
	GATE_READ_TEAM,       /* of an owner */
	GATE_READ_ROLE,       /* of the person who asks */
	GATE_READS
};
const char *gate_read_name(enum gate_read r);

struct gate_heard; /* gate_read.h */

/* Texts are borrowed and may be NULL. Zero is "unknown", "not needed" or "nothing". */
struct gate_facts {
	enum tri open, draft, merged;       /* the pull request */
	bool after_merge;                   /* a merged one whose plans may be applied: what concerns merging is past */
	bool merged_by_us;                  /* after an open gate */
	enum tri head_is_planned;           /* live head == head of the plans */
	enum tri base_protected;            /* base_ref is a protected branch */
	const char *base_ref;
	const char *planned_base;           /* the branch that the plans were made for; NULL when there is none */
	enum tri mergeable;                 /* GitHub's answer; unknown while it computes */
	const char *mergeable_state;        /* "clean", "blocked" ... */
	enum tri may_apply;                 /* role of the person who asks */
	bool destroys;                      /* what is asked destroys projects whose directory is gone: the role is admin then */
	const char *asker;
	const char *label;                  /* one that blocks; labels are read with the pull request */

	/* what the rules of the base branch ask for; ours and GitHub's are joined, the stricter wins */
	enum tri rules_read;                /* rulesets and classic protection both; no answer is not "no rules" */
	const char *rules_unseen;           /* kinds of rules that only GitHub can evaluate, "`code_scanning`" */
	bool locked_branch;                 /* the rules let nobody push or merge */
	bool queue_required;                /* no row: merging goes through the queue */

	enum tri reviews_read;
	int approvals;                      /* that count for every plan with changes (approvals.h) */
	int approvals_unknown;              /* further ones that may */
	int approvals_needed;
	const char *not_counted;            /* why others do not, sentences */
	int changes_requested;              /* people whose latest review asks for changes */

	bool codeowners_needed;
	enum tri codeowners;                /* each owner set has an approval of one of its owners */
	enum tri codeowners_same;           /* CODEOWNERS on the base branch is the one that was planned with */
	const char *codeowners_missing;     /* "`network/main.tf` (line 3: `@acme/net`)" */
	const char *codeowners_bad;         /* "line 4: `[ ]` has no meaning ..."; NULL: none */
	const char *codeowners_unusable;    /* why nothing can be said, "it has 3 MB or more ..." */

	enum tri checks_ok;                 /* other people's checks and statuses on head */
	bool checks_needed;
	const char *checks_failing;         /* names */
	enum tri required_ok;               /* the checks that the rules name; unknown: one cannot be told apart */
	bool required_any;
	const char *required_missing;       /* "`unit` is missing, `lint` failed" */

	bool threads_needed;
	enum tri threads_resolved;
	int64_t threads_open;
	bool signatures_needed;
	enum tri signed_all;
	const char *unsigned_commits;       /* "`abc1234`" */
	bool deployments_needed;
	enum tri deployed;
	const char *deployments_missing;    /* "`staging`" */
	enum tri up_to_date;
	bool up_to_date_needed;

	int64_t projects, planned, failed, running; /* of the run for the live head */
	const char *unplanned;              /* names not planned, "`dns`, `web`" */
	const char *gone;                   /* names whose directory is gone, with something to destroy */
	const char *expired;                /* names whose plan is too old to be applied */
	const char *partial;                /* names whose plan does not look at the whole project (`plan -- -target=...`) */
	const char *bad_record;             /* "`db`: the signature does not fit"; NULL: none is known to be bad */
	enum tri told;                      /* the comment with these plans stands on GitHub */
	const char *told_why;               /* NO: why GitHub does not take it; NULL: it is on its way */
	enum tri policies;                  /* of all plans; yes when none is configured */
	const char *policies_failed;
	const char *lock_holder;            /* "#12" when another pull request's apply holds a project, or an outcome is unknown; NULL */
	const char *lock_project;
	bool lock_unknown;                  /* the outcome of its apply is unknown, by run lock_run */
	int64_t lock_run;
	const char *read_failed[GATE_READS]; /* what GitHub said instead of the fact */
	const struct gate_heard *heard;      /* not a fact: what gate_own.h makes some of; NULL: nothing was read */
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
