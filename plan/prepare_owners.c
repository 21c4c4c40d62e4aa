/* The last part of a preparation: what the base branch asks of the reviews of this change. CODEOWNERS and configuration are read from the
 * base commit, never from the pull request's own. */
#include "base/limits.h"
#include "plan/codeowners.h"
#include "plan/prepare_priv.h"

enum { OWNERS_JSON_MAX = 1 << 19 }; /* below what an answer takes for one text */

/* The first of the three places where there is a file. ERR_NOT_FOUND: none. */
static int find_file(struct prep *p, struct owners *o, struct buf *text, struct err *err)
{
	for (size_t i = 0; i < CODEOWNERS_PLACES; i++) {
		enum git_entry_type type = GIT_FILE;
		char oid[GIT_OID_HEX + 1];
		int rc = git_tree_path(p->repo, p->base_tree, codeowners_places[i], &type, oid, err);
		if (rc == ERR_NOT_FOUND || (rc == 0 && type != GIT_FILE && type != GIT_EXEC))
			continue;
		if (rc != 0)
			return rc;
		xstrset(&o->file, codeowners_places[i]);
		xstrset(&o->id, oid);
		rc = git_blob_read(p->repo, oid, LIMIT_OWNERS_BYTES, text, err);
		if (rc == ERR_LIMIT)
			xstrset(&o->unusable, "it has 3 MB or more, which GitHub does not read");
		return rc == ERR_LIMIT ? 0 : rc;
	}
	return ERR_NOT_FOUND;
}

static void keep_common(struct strlist *l, const struct strlist *with)
{
	struct strlist common = {0};
	for (size_t i = 0; i < l->n; i++)
		if (strlist_has(with, l->v[i]))
			strlist_add(&common, l->v[i]);
	strlist_free(l);
	*l = common;
}

/* Over the projects of this change: a bot has to be named by each, a label by one. Both lists are in name order. */
static void join_rules(const struct prep *p, struct owners *o)
{
	size_t joined = 0;
	for (size_t i = 0, k = 0; i < p->set.n; i++) {
		const struct project *project = &p->set.v[i];
		while (k < p->ret->projects_n && strcmp(p->ret->projects[k].name, project->name) < 0)
			k++;
		bool selected = k < p->ret->projects_n && strcmp(p->ret->projects[k].name, project->name) == 0;
		if (project->reason == NULL && !selected)
			continue;
		if (joined++ == 0)
			strlist_copy(&o->bots, &project->rule->bots);
		else
			keep_common(&o->bots, &project->rule->bots);
		for (size_t n = 0; n < project->rule->blocked_by.n; n++)
			if (!strlist_has(&o->blocked_by, project->rule->blocked_by.v[n]))
				strlist_add(&o->blocked_by, project->rule->blocked_by.v[n]);
	}
}

int prep_owners(struct prep *p, struct err *err)
{
	struct owners o = {0};
	CLEANUP_BUF struct buf text = {0}, json = {0};
	int rc = find_file(p, &o, &text, err);
	if (rc == 0 && o.unusable == NULL)
		codeowners_find(buf_str(&text), text.len, &p->changed, &o);
	if (rc == ERR_NOT_FOUND)
		rc = 0;
	join_rules(p, &o);
	owners_write(&o, &json);
	if (rc == 0 && json.len > OWNERS_JSON_MAX) { /* paths and owners of many sets */
		char why[] = "the change needs more owners than can be kept";
		struct owners cut = {.file = o.file, .id = o.id, .unusable = why, .blocked_by = o.blocked_by};
		buf_free(&json);
		owners_write(&cut, &json);
	}
	if (rc == 0) {
		p->ret->codeowners_id = xstrdup(o.id != NULL ? o.id : "");
		p->ret->owners = xstrdup(buf_str(&json));
	}
	owners_free(&o);
	return rc;
}
