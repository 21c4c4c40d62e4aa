#include "plan/job_box.h"

#include "base/glob.h"
#include "base/text.h"
#include "runner/egress.h"

#include <string.h>

enum { SEEN_BYTES = 300 }; /* of what the canary saw, in a sentence */

void job_box_free(struct job_box *b)
{
	free(b->egress);
	*b = (struct job_box){0};
}

static bool is_listed(const struct strlist *globs, const char *repo)
{
	return globs->n > 0 && glob_list_match((const char *const *)globs->v, (int)globs->n, repo, GLOB_ICASE);
}

/* The finding that keeps the host where it is; NULL when there is none. */
static const struct tier_finding *worst(const struct tier_report *host)
{
	const struct tier_finding *f = NULL;
	for (size_t i = 0; i < host->n; i++)
		if (!host->v[i].ok && (f == NULL || host->v[i].at_most < f->at_most))
			f = &host->v[i];
	return f;
}

/* "seccomp: no filter is set", and what the operator can do about it: "; install ...". */
static char *finding_words(const struct tier_report *host, bool with_fix)
{
	const struct tier_finding *f = worst(host);
	CLEANUP_BUF struct buf b = {0};
	if (f != NULL) {
		const char *seen = f->seen != NULL ? f->seen : "not as it should be";
		buf_printf(&b, "%s: %.*s", f->name, (int)text_cut(seen, strlen(seen), SEEN_BYTES), seen);
		if (with_fix && f->fix != NULL)
			buf_printf(&b, "; %.*s", (int)text_cut(f->fix, strlen(f->fix), SEEN_BYTES), f->fix);
	} else {
		buf_adds(&b, host->why != NULL ? host->why : "the canary said no more");
	}
	return buf_take(&b);
}

char *job_box_words(const struct tier_report *host)
{
	if (host->tier == TIER_FULL)
		return xstrdup("full (own namespaces, files and network, Landlock, seccomp, control group)");
	CLEANUP_FREE char *why = finding_words(host, false);
	return xasprintf("%s: %s", tier_name(host->tier), why);
}

static int check_floor(const struct server_config *config, const struct tier_report *host, const char *repo, enum tier *ret_least, struct err *err)
{
	enum tier floor = is_listed(&config->below_floor, repo) ? TIER_REDUCED : (enum tier)config->sandbox_floor;
	if (host->tier == TIER_NONE) {
		CLEANUP_FREE char *why = finding_words(host, true);
		return err_set(err, ERR_REFUSED, "no sandbox stands on this server, and nothing runs without one: %s. The operator mends that"
			       " (`sluice doctor` tells how) and starts the server again", why);
	}
	*ret_least = floor > TIER_NONE ? floor : TIER_REDUCED;
	if (host->tier >= floor)
		return 0;
	CLEANUP_FREE char *why = finding_words(host, true);
	return err_set(err, ERR_REFUSED, "the sandbox of this server is only `%s`, and jobs of pull requests need `%s` (`sandbox.floor`): %s. The operator"
		       " mends that and starts the server again, or lists this repository in `sandbox.below_floor`",
		       tier_name(host->tier), tier_name(floor), why);
}

static int choose_profile(const struct server_config *config, const char *repo, const struct job_row *job, enum job_profile *ret, struct err *err)
{
	bool compat = job->sandbox != NULL && strcmp(job->sandbox, "compat") == 0;
	if (compat && !is_listed(&config->compat, repo))
		return err_set(err, ERR_REFUSED, "`%s` asks for `sandbox: compat` in `sluice.yaml`, and `sandbox.compat` of the server's file does not list %s:"
			       " take it out of `sluice.yaml`, or ask the operator", job->project, repo);
	*ret = compat ? PROFILE_COMPAT : job->phase == PHASE_APPLY ? PROFILE_APPLY : PROFILE_PLAN;
	return 0;
}

static void add_rules(struct strlist *ret, const struct strlist *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (!strlist_has(ret, rules->v[i]))
			strlist_add(ret, rules->v[i]);
}

/* What the operator allows this repository in this phase. */
static void allowed_rules(const struct server_config *config, const char *repo, bool apply, struct strlist *ret)
{
	add_rules(ret, apply ? &config->egress_apply : &config->egress_plan);
	for (size_t i = 0; i < config->egress_scopes_n; i++) {
		const struct egress_scope *s = &config->egress_scopes[i];
		if (glob_match(s->repository, repo, GLOB_ICASE))
			add_rules(ret, apply ? &s->apply : &s->plan);
	}
}

/* A project's own list only narrows: each of its rules is one of the operator's, or smaller. All that cover it count: they may pin different
 * addresses. */
static int narrow(const struct strlist *allowed, const char *wanted, const struct job_row *job, const char *key, struct strlist *ret, struct err *err)
{
	bool any = false;
	for (size_t i = 0; i < allowed->n; i++) {
		char *rule = egress_rule_narrow(allowed->v[i], wanted);
		if (rule == NULL)
			continue;
		any = true;
		if (strlist_has(ret, rule))
			free(rule);
		else
			strlist_take(ret, rule);
	}
	if (!any)
		return err_set(err, ERR_REFUSED, "`%s` wants to connect to `%.200s` (`egress.%s` in `sluice.yaml`), which the server's file does not allow"
			       " (`egress.%s`, `egress.repositories`): take it out there, or ask the operator", job->project, wanted, key, key);
	return 0;
}

static int choose_egress(const struct server_config *config, const char *repo, const struct job_row *job, char **ret, struct err *err)
{
	bool apply = job->phase == PHASE_APPLY;
	const char *own = apply ? job->egress_apply : job->egress_plan;
	struct strlist allowed = {0}, wanted = {0}, rules = {0};
	int rc = 0;
	allowed_rules(config, repo, apply, &allowed);
	if (own == NULL)
		add_rules(&rules, &allowed);
	text_split_lines(own, &wanted);
	for (size_t i = 0; rc == 0 && i < wanted.n; i++)
		rc = narrow(&allowed, wanted.v[i], job, apply ? "apply" : "plan", &rules, err);
	*ret = rc == 0 ? text_join_lines(&rules) : NULL;
	strlist_free(&allowed);
	strlist_free(&wanted);
	strlist_free(&rules);
	return rc;
}

int64_t job_box_at_once(const struct server_config *config, int64_t machine_bytes)
{
	int64_t total = config->memory_total != 0 ? config->memory_total : machine_bytes / 4 * 3;
	int64_t fit = config->memory_bytes > 0 && total > 0 ? total / config->memory_bytes : config->jobs;
	int64_t n = fit < config->jobs ? fit : config->jobs;
	return n > 1 ? n : 1;
}

void job_box_common(const struct server_config *config, struct job_spec *spec)
{
	spec->timeout_ms = spec->phase == PHASE_APPLY ? config->apply_timeout_ms : config->plan_timeout_ms;
	spec->output_max = config->output_bytes;
	spec->memory_max = config->memory_bytes;
	spec->cpu_ms_max = config->cpu_time_ms;
	spec->processes_max = config->processes;
	spec->files_max = config->files;
	spec->workspace_max = config->workspace_bytes;
	spec->silence_ms = config->silence_ms;
	spec->mirror_dir = xstrdup(config->mirror_dir);
	spec->provider_allow = text_join_lines(&config->provider_allow);
	spec->ca_file = xstrdup(config->egress_ca_file);
}

int job_box_make(const struct server_config *config, const struct tier_report *host, const char *repo, const struct job_row *job, struct job_box *ret,
		 struct err *err)
{
	struct job_box b = {0};
	int rc = check_floor(config, host, repo, &b.least, err);
	if (rc == 0)
		rc = choose_profile(config, repo, job, &b.profile, err);
	if (rc == 0)
		rc = choose_egress(config, repo, job, &b.egress, err);
	if (rc == 0)
		*ret = b;
	return rc;
}
