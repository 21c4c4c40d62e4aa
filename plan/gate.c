#include "plan/gate_priv.h"

/* What GitHub lets an App do, by the request that was refused: for the sentence's way out. */
static const struct {
	const char *name, *permission;
} reads[GATE_READS] = {
	[GATE_READ_PULL] = {"pull request", "Pull requests: read"},
	[GATE_READ_REVIEWS] = {"reviews", "Pull requests: read"},
	[GATE_READ_PERMISSION] = {"permission", "Metadata: read"},
	[GATE_READ_COMMITS] = {"commits", "Pull requests: read"},
	[GATE_READ_RULES] = {"rules", "Metadata: read"},
	[GATE_READ_CLASSIC] = {"branch protection", "Administration: read"},
	[GATE_READ_BRANCH] = {"branch", "Contents: read"},
	[GATE_READ_CHECKS] = {"checks", "Checks: read and Commit statuses: read"},
	[GATE_READ_SELF] = {"our own account", "Metadata: read"},
	[GATE_READ_THREADS] = {"conversations", "Pull requests: read"},
	[GATE_READ_DEPLOYMENTS] = {"deployments", "Deployments: read"},
	[GATE_READ_OWNERS] = {"CODEOWNERS", "Contents: read"},
	[GATE_READ_TEAM] = {"teams", "Members: read"},
	[GATE_READ_ROLE] = {"role", "Members: read and Metadata: read"},
};

const char *gate_read_name(enum gate_read r) { return reads[r].name; }

enum gate_mark gate_say(enum gate_mark mark, const struct gate_words *w, const char *brief, const char *fmt, ...)
{
	va_list ap;
	buf_adds(w->brief, brief);
	va_start(ap, fmt);
	buf_vprintf(w->sentence, fmt, ap);
	va_end(ap);
	return mark;
}

enum gate_mark gate_unread(const struct gate_facts *f, const struct gate_words *w, enum gate_read from, const char *what)
{
	/* everything hangs on the pull request */
	enum gate_read failed = f->read_failed[from] == NULL && f->read_failed[GATE_READ_PULL] != NULL ? GATE_READ_PULL : from;
	buf_printf(w->brief, "%s is not known", what);
	buf_printf(w->sentence, "GitHub did not tell sluice %s", what);
	if (f->read_failed[failed] != NULL)
		buf_printf(w->sentence, " (%s)", f->read_failed[failed]);
	buf_printf(w->sentence,
		   ", and unknown is no. Comment `apply` again in a minute; when it stays so, the operator of this server gives the GitHub App, or "
				"the account of the token, the permission \"%s\".",
		   reads[failed].permission);
	return GATE_UNKNOWN;
}

/* What concerns merging is past once a person has merged. */
static bool before_merge(const struct gate_facts *f) { return !f->after_merge; }
static bool has_asker(const struct gate_facts *f) { return f->asker != NULL; }
static bool needs_approvals(const struct gate_facts *f) { return f->approvals_needed > 0; }
static bool needs_codeowners(const struct gate_facts *f) { return f->codeowners_needed; }
static bool needs_checks(const struct gate_facts *f) { return f->checks_needed; }
static bool needs_required(const struct gate_facts *f) { return f->required_any; }
static bool needs_threads(const struct gate_facts *f) { return f->threads_needed; }
static bool needs_signatures(const struct gate_facts *f) { return f->signatures_needed; }
static bool needs_deployments(const struct gate_facts *f) { return f->deployments_needed; }
static bool needs_up_to_date(const struct gate_facts *f) { return !f->after_merge && f->up_to_date_needed; }

/* In the order in which a person acts on them. */
static const struct gate_row rows[] = {
	{"open", before_merge, gate_judge_open, false},
	{"ready for review", before_merge, gate_judge_draft, false},
	{"role", has_asker, gate_judge_role, false},
	{"head", NULL, gate_judge_head, false},
	{"planned", NULL, gate_judge_planned, false},
	{"whole plan", NULL, gate_judge_partial, false},
	{"fresh", NULL, gate_judge_expired, false},
	{"plan record", NULL, gate_judge_record, false},
	{"policies", NULL, gate_judge_policies, false},
	{"told", NULL, gate_judge_told, false},
	{"protected", NULL, gate_judge_protected, true},
	{"rules", NULL, gate_judge_rules, true},
	{"labels", NULL, gate_judge_label, true},
	{"no changes requested", NULL, gate_judge_changes, true},
	{"approved", needs_approvals, gate_judge_approved, true},
	{"code owners", needs_codeowners, gate_judge_codeowners, true},
	{"checks", needs_checks, gate_judge_checks, true},
	{"required checks", needs_required, gate_judge_required, true},
	{"conversations", needs_threads, gate_judge_threads, true},
	{"signatures", needs_signatures, gate_judge_signatures, true},
	{"deployments", needs_deployments, gate_judge_deployments, true},
	{"up to date", needs_up_to_date, gate_judge_up_to_date, false},
	{"mergeable", before_merge, gate_judge_mergeable, false},
	{"unlocked", NULL, gate_judge_lock, false},
};

static void judge(const struct gate_row *row, const struct gate_facts *f, struct gate_item *item)
{
	struct buf brief = {0}, sentence = {0};
	item->mark = row->judge(f, &(struct gate_words){&brief, &sentence});
	item->name = xstrdup(row->name);
	item->brief = item->mark == GATE_YES ? xstrdup(row->name) : buf_take(&brief);
	item->sentence = item->mark == GATE_YES ? xstrdup("") : buf_take(&sentence);
	buf_free(&brief);
	buf_free(&sentence);
}

/* Somebody merged what the gate would not have let pass. It comes first: the rest says what is missing, this one that it was passed over. */
static void hold(struct gate_verdict *v, const char *missing)
{
	memmove(&v->items[1], &v->items[0], v->n * sizeof(*v->items));
	v->n++;
	v->items[0] = (struct gate_item){
		.mark = GATE_NO,
		.name = xstrdup("merged through the gate"),
		.brief = xasprintf("merged past the gate: %s", missing),
		.sentence = xasprintf("The pull request was merged by hand while the gate was shut (%s), so nothing of it is applied by itself. "
				"What is missing can still be given on the merged pull request by those who could before; then comment `apply`. To "
				"take the change back, open a new pull request that reverts it.",
				      missing),
	};
}

void gate_evaluate(const struct gate_facts *f, struct gate_verdict *ret)
{
	const char *passed_over = NULL;
	*ret = (struct gate_verdict){.open = f->asker != NULL || f->may_apply == TRI_YES};
	ret->items = xcalloc(ARRAY_LEN(rows) + 1, sizeof(*ret->items));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].applies != NULL && !rows[i].applies(f))
			continue;
		struct gate_item *item = &ret->items[ret->n++];
		judge(&rows[i], f, item);
		ret->open = ret->open && item->mark == GATE_YES;
		if (rows[i].of_merge && item->mark == GATE_NO && passed_over == NULL)
			passed_over = item->brief;
	}
	if (f->after_merge && !f->merged_by_us && passed_over != NULL)
		hold(ret, passed_over);
}

void gate_verdict_free(struct gate_verdict *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->items[i].name);
		free(v->items[i].brief);
		free(v->items[i].sentence);
	}
	free(v->items);
	*v = (struct gate_verdict){0};
}

/* A plain no before an unknown: it is what a person can act on. */
const char *gate_first_no(const struct gate_verdict *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].mark == GATE_NO)
			return v->items[i].brief;
	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].mark == GATE_UNKNOWN)
			return v->items[i].brief;
	return NULL;
}
