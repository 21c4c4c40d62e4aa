/* From rules, or from nothing, to the list of projects. */
#include "plan/affected.h"

#include "base/glob.h"
#include "base/limits.h"
#include "base/text.h"

struct finder {
	const struct index *index;
	const struct repo_config *config;
	const char *file;
	dir_state_cb look;
	void *arg;
	struct project_set *set;
	struct config_errors *errors;
	const struct index_dir **sorted; /* of the index, by directory; made for the first glob */
	size_t sorted_n;
};

void project_set_free(struct project_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].name);
		free(s->v[i].dir);
		free(s->v[i].reason);
	}
	free(s->v);
	*s = (struct project_set){0};
}

static void add(struct finder *f, const struct project_rule *rule, const char *dir, const struct index_dir *at, bool deleted)
{
	struct project_set *s = f->set;
	if (s->n > LIMIT_PROJECTS)
		return; /* told at the end */
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 64 : s->cap * 2;
		s->v = xreallocarray(s->v, s->cap, sizeof(*s->v));
	}
	const char *workspace = rule->workspace != NULL ? rule->workspace : "default";
	s->v[s->n++] = (struct project){
		.name = rule->name != NULL ? xstrdup(rule->name) : project_default_name(dir, workspace),
		.dir = xstrdup(dir),
		.workspace = workspace,
		.rule = rule,
		.at = at != NULL && at->live ? at : NULL,
		.deleted = deleted,
	};
}

/* --- discovery --- */

static bool below_modules(const char *dir)
{
	for (const char *p = dir; *p != '\0';) {
		size_t n = strcspn(p, "/");
		if (n == 7 && memcmp(p, "modules", 7) == 0)
			return true;
		p += n + (p[n] == '/');
	}
	return false;
}

static void add_modules_of(struct pathmap *used, const char *list, const char *dir)
{
	for (const char *s = list; s != NULL && *s != '\0'; s = index_next(s))
		if (strcmp(s, dir) != 0)
			(void)pathmap_add(used, s, strlen(s), 0); /* others may use it too */
}

static void discover(struct finder *f)
{
	const struct index *x = f->index;
	struct pathmap now = {0}, before = {0};
	uint32_t at = 0;
	for (size_t i = 0; i < x->n; i++) {
		const struct index_dir *d = &x->dirs[i];
		if (d->live)
			add_modules_of(&now, d->modules, d->dir);
		if (d->was_live)
			add_modules_of(&before, d->was_modules, d->dir);
	}
	for (size_t i = 0; i < x->n; i++) {
		const struct index_dir *d = &x->dirs[i];
		const struct pathmap *used = d->live ? &now : &before;
		if ((d->live || d->was_live) && !below_modules(d->dir) && !pathmap_get(used, d->dir, strlen(d->dir), &at))
			add(f, &f->config->dflt, d->dir, d, !d->live);
	}
	pathmap_free(&now);
	pathmap_free(&before);
}

/* --- rules --- */

static int by_dir(const void *a, const void *b)
{
	const struct index_dir *const *x = a, *const *y = b;
	return strcmp((*x)->dir, (*y)->dir);
}

static void sort_dirs(struct finder *f)
{
	if (f->sorted != NULL)
		return;
	f->sorted = xcalloc(f->index->n + 1, sizeof(struct index_dir *));
	for (size_t i = 0; i < f->index->n; i++)
		if (f->index->dirs[i].live || f->index->dirs[i].was_live)
			f->sorted[f->sorted_n++] = &f->index->dirs[i];
	qsort(f->sorted, f->sorted_n, sizeof(struct index_dir *), by_dir);
}

/* Only directories that begin with the glob's plain beginning are matched against it. */
static void apply_glob(struct finder *f, const struct project_rule *rule)
{
	sort_dirs(f);
	size_t plain = strcspn(rule->dir, "*?[\\"), lo = 0, hi = f->sorted_n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strncmp(f->sorted[mid]->dir, rule->dir, plain) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < f->sorted_n && strncmp(f->sorted[lo]->dir, rule->dir, plain) == 0; lo++) {
		const struct index_dir *d = f->sorted[lo];
		if (glob_match(rule->dir, d->dir, 0))
			add(f, rule, d->dir, d, !d->live);
	}
}

static void apply_exact(struct finder *f, const struct project_rule *rule)
{
	const struct index_dir *d = index_find(f->index, rule->dir, strlen(rule->dir));
	if (d != NULL && d->live) {
		add(f, rule, rule->dir, d, false);
		return;
	}
	enum dir_state head = f->look(rule->dir, false, f->arg);
	if (head == DIR_LINK)
		config_errors_add(f->errors, f->file, rule->line, rule->column,
				  "dir: %s is a symbolic link or lies below one; name the directory that it points to", rule->dir);
	else if (head == DIR_THERE || f->look(rule->dir, true, f->arg) == DIR_THERE)
		add(f, rule, rule->dir, NULL, head != DIR_THERE);
	else
		config_errors_add(f->errors, f->file, rule->line, rule->column, "dir: there is no directory %s in the repository",
				  rule->dir);
}

/* --- checks over the whole list --- */

static int by_name(const void *a, const void *b)
{
	const struct project *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c != 0 ? c : strcmp(x->dir, y->dir);
}

static void check_names(struct finder *f)
{
	const struct project_set *s = f->set;
	for (size_t i = 1; i < s->n; i++) {
		const struct project *a = &s->v[i - 1], *b = &s->v[i];
		if (strcmp(a->name, b->name) != 0)
			continue;
		const struct project_rule *at = b->rule->line >= a->rule->line ? b->rule : a->rule;
		config_errors_add(f->errors, f->file, at->line, at->column,
				  "two projects are called \"%s\" (directories %s and %s); give one of them another name", a->name, a->dir,
				  b->dir);
	}
}

/* Rings are found by taking away, again and again, what depends on nothing that is left. */
static void check_rings(struct finder *f, const struct pathmap *names)
{
	const struct project_set *s = f->set;
	size_t *waits = xcalloc(s->n + 1, sizeof(*waits));
	bool *gone = xcalloc(s->n + 1, sizeof(*gone));
	size_t left = s->n;
	bool moved = true;
	while (moved && left > 0) {
		moved = false;
		for (size_t i = 0; i < s->n; i++) {
			const struct strlist *deps = &s->v[i].rule->depends_on;
			uint32_t at = 0;
			while (!gone[i] && waits[i] < deps->n &&
			       (!pathmap_get(names, deps->v[waits[i]], strlen(deps->v[waits[i]]), &at) || gone[at]))
				waits[i]++;
			if (gone[i] || waits[i] < deps->n)
				continue;
			gone[i] = moved = true;
			left--;
		}
	}
	for (size_t i = 0; i < s->n; i++)
		if (!gone[i]) {
			const struct project *p = &s->v[i];
			config_errors_add(f->errors, f->file, p->rule->line, p->rule->column,
					  "depends_on: \"%s\" waits for \"%s\", which in the end waits for a ring; take one of them out",
					  p->name, p->rule->depends_on.v[waits[i]]);
			break;
		}
	free(waits);
	free(gone);
}

static void check_dependencies(struct finder *f)
{
	const struct project_set *s = f->set;
	struct pathmap names = {0};
	const struct project_rule *last = NULL;
	for (size_t i = 0; i < s->n; i++)
		(void)pathmap_add(&names, s->v[i].name, strlen(s->v[i].name), (uint32_t)i); /* doubles were told */
	for (size_t i = 0; i < s->n; i++) {
		const struct project_rule *rule = s->v[i].rule;
		for (size_t k = 0; rule != last && k < rule->depends_on.n; k++) {
			const char *name = rule->depends_on.v[k];
			uint32_t at = 0;
			if (!pathmap_get(&names, name, strlen(name), &at))
				config_errors_add(f->errors, f->file, rule->line, rule->column,
						  "depends_on: there is no project called \"%s\"", name);
		}
		last = rule;
	}
	check_rings(f, &names);
	pathmap_free(&names);
}

int projects_find(const struct index *index, const struct repo_config *config, const char *file, dir_state_cb look, void *arg,
		  struct project_set *ret, struct config_errors *errors, struct err *err)
{
	size_t errors_before = errors->n;
	struct finder f = {.index = index, .config = config, .file = file, .look = look, .arg = arg, .set = ret, .errors = errors};
	if (config->present && config->projects_n > 0)
		for (size_t i = 0; i < config->projects_n; i++) {
			const struct project_rule *rule = &config->projects[i];
			if (rule->dir_is_glob)
				apply_glob(&f, rule);
			else
				apply_exact(&f, rule);
		}
	else
		discover(&f);
	free(f.sorted);
	if (ret->n > LIMIT_PROJECTS)
		return err_set(err, ERR_LIMIT, "more than %u projects in one repository: name fewer in sluice.yaml", LIMIT_PROJECTS);
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	check_names(&f);
	check_dependencies(&f);
	return errors->n == errors_before ? 0 : err_set(err, ERR_PARSE, "%s: %s", file, errors->v[errors_before].msg);
}
