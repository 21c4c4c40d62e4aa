/* sluice.yaml: layers of a project (built in, defaults, the file, overrides), and what only the whole file can tell: names, circles. */
#include "base/glob.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/config_priv.h"

#include <stdio.h>

/* ---- rules ---- */

void config_rule_builtin(struct project_rule *rule)
{
	*rule = (struct project_rule){.engine = ENGINE_NONE, .apply = APPLY_ON_COMMENT, .requires_approved = true, .approvals = 1};
	strlist_add(&rule->blocked_by, "do not apply");
	strlist_add(&rule->blocked_by, "do-not-merge");
}

void config_rule_free(struct project_rule *rule)
{
	free(rule->name);
	free(rule->dir);
	free(rule->engine_version);
	free(rule->workspace);
	strlist_free(&rule->when_modified);
	strlist_free(&rule->depends_on);
	strlist_free(&rule->bots);
	strlist_free(&rule->blocked_by);
	strlist_free(&rule->env);
	strlist_free(&rule->egress_plan);
	strlist_free(&rule->egress_apply);
	*rule = (struct project_rule){0};
}

static void rule_copy(struct project_rule *to, const struct project_rule *from)
{
	*to = *from;
	to->name = xstrdup(from->name);
	to->dir = xstrdup(from->dir);
	to->engine_version = xstrdup(from->engine_version);
	to->workspace = xstrdup(from->workspace);
	to->when_modified = to->depends_on = to->bots = to->blocked_by = to->env = to->egress_plan = to->egress_apply = (struct strlist){0};
	strlist_copy(&to->env, &from->env);
	strlist_copy(&to->egress_plan, &from->egress_plan);
	strlist_copy(&to->egress_apply, &from->egress_apply);
	strlist_copy(&to->when_modified, &from->when_modified);
	strlist_copy(&to->depends_on, &from->depends_on);
	strlist_copy(&to->bots, &from->bots);
	strlist_copy(&to->blocked_by, &from->blocked_by);
}

/* A section of the server's file, whose errors were told when that file was read. */
static void apply_layer(const struct yaml_node *layer, struct project_rule *rule)
{
	struct config_reader quiet = {.file = "", .dir = ""};
	if (layer != NULL)
		config_read_map(&quiet, layer, config_layer_rows, rule);
}

static const struct config_sections *sections_of(const struct server_config *server)
{
	static const struct config_sections none;
	return server != NULL && server->sections != NULL ? server->sections : &none;
}

char *project_default_name(const char *dir, const char *workspace)
{
	const char *base = strcmp(dir, ".") == 0 ? "root" : dir;
	if (workspace == NULL || strcmp(workspace, "default") == 0)
		return xstrdup(base);
	return xasprintf("%s/%s", base, workspace);
}

static char *name_of(const struct project_rule *rule)
{
	return rule->name != NULL ? xstrdup(rule->name) : project_default_name(rule->dir, rule->workspace);
}

/* ---- one entry ---- */

struct repo_parse {
	const struct config_sections *sections;
	struct project_rule dflt; /* built in and defaults */
	struct project_rule *rules;
	struct strlist names;     /* of the rules; for a glob dir the glob, which no dependency can be equal to by chance */
	size_t n;
};

/* How many directories a path has at least; a glob's ** may stand for none. */
static size_t levels(const char *dir)
{
	size_t n = 0;
	for (const char *s = dir; *s != '\0';) {
		size_t len = strcspn(s, "/");
		n += !(len == 1 && s[0] == '.') && !(len == 2 && strncmp(s, "**", 2) == 0);
		s += len + (s[len] == '/');
	}
	return n;
}

static void check_when_modified(struct config_reader *r, const struct yaml_node *at, const struct project_rule *rule)
{
	size_t depth = levels(rule->dir);
	for (size_t i = 0; i < rule->when_modified.n; i++) {
		const char *glob = rule->when_modified.v[i], *s = glob + (glob[0] == '!');
		size_t up = 0;
		while (strncmp(s, "../", 3) == 0) {
			up++;
			s += 3;
		}
		if (glob[0] == '/' || (glob[0] == '!' && glob[1] == '/'))
			config_fail(r, at, "when_modified: \"%.80s\" is absolute; write it as seen from dir", glob);
		else if (up > depth)
			config_fail(r, at, "when_modified: \"%.80s\" leaves the repository: \"%.80s\" is only %zu deep", glob, rule->dir, depth);
		else if (strncmp(s, "./", 2) == 0 || strcmp(s, "..") == 0 || strstr(s, "/../") != NULL || strstr(s, "/./") != NULL ||
			 text_ends(s, "/.."))
			config_fail(r, at, "when_modified: \"%.80s\" may have ../ at its beginning only, and no ./", glob);
	}
}

/* workspace and stack share a field; the engine decides which word fits, and may come from the server's defaults. */
static void check_stack(struct config_reader *r, const struct yaml_node *n, const struct project_rule *rule)
{
	const struct yaml_node *stack = yaml_get(n, "stack");
	if (stack == NULL)
		return;
	if (yaml_get(n, "workspace") != NULL)
		config_fail(r, stack, "stack and workspace are the same; keep one");
	else if (rule->engine != ENGINE_PULUMI)
		config_fail(r, stack, "stack is for Pulumi; write workspace, or engine: pulumi");
}

static const struct yaml_node *key_or_entry(const struct yaml_node *entry, const char *key)
{
	const struct yaml_node *n = yaml_get(entry, key);
	return n != NULL ? n : entry;
}

/* Layers in order: built in and defaults (p->dflt), the entry, overrides. Checks come before overrides: their errors are the repository's. */
static void read_project(struct config_reader *r, const struct yaml_node *n, struct repo_parse *p)
{
	struct project_rule rule;
	size_t failed = r->failed;
	rule_copy(&rule, &p->dflt);
	rule.line = n->line;
	rule.column = n->column;
	config_read_map(r, n, config_project_rows, &rule);
	check_stack(r, n, &rule);
	if (rule.dir != NULL) {
		rule.dir_is_glob = glob_is_pattern(rule.dir);
		if (rule.name != NULL && rule.dir_is_glob)
			config_fail(r, key_or_entry(n, "name"),
				    "name: the glob \"%.80s\" makes one project per directory, which cannot all be called \"%s\"; leave name out and "
				    "each is called by its directory", rule.dir, rule.name);
		check_when_modified(r, key_or_entry(n, "when_modified"), &rule);
	}
	if (r->failed != failed) {
		config_rule_free(&rule);
		return;
	}
	apply_layer(p->sections->overrides, &rule);
	if (p->n == 0 || (p->n & (p->n - 1)) == 0) /* grows at powers of two */
		p->rules = xreallocarray(p->rules, p->n == 0 ? 1 : p->n * 2, sizeof(*p->rules));
	p->rules[p->n++] = rule;
	strlist_take(&p->names, name_of(&rule));
}

void config_read_projects(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	if (!config_is(r, row->key, n, YAML_LIST))
		return;
	if (n->n == 0)
		config_fail(r, n, "projects: an empty list; leave the key out to have every directory with *.tf, *.tofu or Pulumi.yaml");
	if (n->n > LIMIT_PROJECTS) {
		config_fail(r, n->child[LIMIT_PROJECTS], "projects: more than %u", LIMIT_PROJECTS);
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		if (config_is(r, row->key, n->child[i], YAML_MAP))
			read_project(r, n->child[i], target);
}

/* ---- the whole file ---- */

/* Entries in name order, for looking up. */
struct by_name {
	const char *name;
	size_t index;
};

static int compare_by_name(const void *a, const void *b)
{
	const struct by_name *x = a, *y = b;
	int c = strcmp(x->name, y->name);
	return c != 0 ? c : (x->index > y->index) - (x->index < y->index);
}

static const struct by_name *find_name(const struct by_name *v, size_t n, const char *name)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(v[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && strcmp(v[low].name, name) == 0 ? &v[low] : NULL;
}

static void fail_entry(struct config_reader *r, const struct project_rule *rule, const char *what, const char *name, const char *more)
{
	const struct yaml_node at = {.line = rule->line, .column = rule->column};
	config_fail(r, &at, "%s \"%.120s\"%s", what, name, more);
}

static void check_duplicates(struct config_reader *r, const struct repo_parse *p, const struct by_name *v)
{
	for (size_t i = 1; i < p->n; i++) {
		if (strcmp(v[i - 1].name, v[i].name) != 0)
			continue;
		char more[80];
		(void)snprintf(more, sizeof(more), ", first on line %d; names must differ", p->rules[v[i - 1].index].line);
		fail_entry(r, &p->rules[v[i].index], "a second project is called", v[i].name, more);
	}
}

/* May a directory glob make a project of that name? The name is its directory, and "/WORKSPACE" where that is not "default". */
static bool glob_may_make(const struct project_rule *rule, const char *name)
{
	const char *ws = rule->workspace;
	if (!rule->dir_is_glob)
		return false;
	if (ws == NULL || strcmp(ws, "default") == 0)
		return glob_match(rule->dir, name, 0);
	size_t len = strlen(name), tail = strlen(ws) + 1;
	if (len <= tail || name[len - tail] != '/' || strcmp(name + len - tail + 1, ws) != 0)
		return false;
	CLEANUP_FREE char *dir = xstrndup(name, len - tail);
	return glob_match(rule->dir, dir, 0);
}

static void unknown_dependency(struct config_reader *r, const struct repo_parse *p, size_t i, const char *name)
{
	const char *const *names = (const char *const *)p->names.v;
	const char *near = text_nearest(name, names, p->n);
	CLEANUP_FREE char *more = near != NULL ? xasprintf(", did you mean \"%s\"?", near) : xstrdup(", which no project is called");
	fail_entry(r, &p->rules[i], "depends_on: unknown project", name, more);
}

static void check_dependencies(struct config_reader *r, const struct repo_parse *p, const struct by_name *v)
{
	for (size_t i = 0; i < p->n && r->failed <= LIMIT_CONFIG_ERRORS; i++) {
		const struct strlist *deps = &p->rules[i].depends_on;
		for (size_t d = 0; d < deps->n && r->failed <= LIMIT_CONFIG_ERRORS; d++) {
			bool known = find_name(v, p->n, deps->v[d]) != NULL;
			for (size_t k = 0; k < p->n && !known; k++)
				known = glob_may_make(&p->rules[k], deps->v[d]);
			if (!known)
				unknown_dependency(r, p, i, deps->v[d]);
		}
	}
}

struct visit {
	size_t rule, next; /* next: the dependency to look at */
};

static void fail_circle(struct config_reader *r, const struct repo_parse *p, const struct visit *path, size_t from, size_t depth)
{
	const struct project_rule *rule = &p->rules[path[from].rule];
	const struct yaml_node at = {.line = rule->line, .column = rule->column};
	CLEANUP_BUF struct buf text = {.max = 600};
	for (size_t i = from; i < depth; i++)
		buf_printf(&text, "%s -> ", p->names.v[path[i].rule]);
	config_fail(r, &at, "depends_on goes in a circle: %s%s%s", buf_str(&text), buf_failed(&text) ? "... " : "", p->names.v[path[from].rule]);
}

/* Depth-first with its own stack. state: 0 not seen, 1 on the path, 2 done. Projects of globs have no names yet and are left out: prepare looks
 * again when it knows them. */
static void check_circles(struct config_reader *r, const struct repo_parse *p, const struct by_name *v)
{
	CLEANUP_FREE unsigned char *state = xcalloc(p->n, 1);
	CLEANUP_FREE struct visit *path = xcalloc(p->n, sizeof(*path));
	for (size_t start = 0; start < p->n; start++) {
		size_t depth = 0;
		if (state[start] == 0) {
			path[depth++] = (struct visit){.rule = start};
			state[start] = 1;
		}
		while (depth > 0) {
			struct visit *top = &path[depth - 1];
			const struct strlist *deps = &p->rules[top->rule].depends_on;
			if (top->next == deps->n) {
				state[top->rule] = 2;
				depth--;
				continue;
			}
			const struct by_name *found = find_name(v, p->n, deps->v[top->next++]);
			if (found == NULL || state[found->index] == 2)
				continue;
			if (state[found->index] == 0) {
				state[found->index] = 1;
				path[depth++] = (struct visit){.rule = found->index};
				continue;
			}
			size_t from = depth - 1;
			while (path[from].rule != found->index)
				from--;
			fail_circle(r, p, path, from, depth);
		}
	}
}

/* Names by sorting and bisection: 20,000 projects are looked up in each other. */
static void check_whole(struct config_reader *r, const struct repo_parse *p)
{
	CLEANUP_FREE struct by_name *v = xcalloc(p->n, sizeof(*v));
	for (size_t i = 0; i < p->n; i++)
		v[i] = (struct by_name){.name = p->names.v[i], .index = i};
	if (p->n > 1)
		qsort(v, p->n, sizeof(*v), compare_by_name);
	check_duplicates(r, p, v);
	check_dependencies(r, p, v);
	check_circles(r, p, v);
}

/* ---- public ---- */

/* Names and circles are looked at only when each entry is fine. */
static void read_file(struct config_reader *r, const char *bytes, size_t len, struct repo_parse *p)
{
	struct yaml_node *root = config_document(r, bytes, len);
	if (root == NULL)
		return;
	size_t failed = r->failed;
	config_read_map(r, root, config_repo_rows, p);
	if (r->failed == failed) /* half a list of projects would make more errors than there are */
		check_whole(r, p);
	yaml_free(root);
}

int repo_config_parse(const char *name, const char *bytes, size_t len, const struct server_config *server, struct repo_config *ret,
		      struct config_errors *errors)
{
	struct config_reader r = {.file = name, .dir = "", .errors = errors, .is_repository = true};
	struct repo_parse p = {.sections = sections_of(server)};
	config_rule_builtin(&p.dflt);
	apply_layer(p.sections->defaults, &p.dflt);
	if (bytes != NULL)
		read_file(&r, bytes, len, &p);
	strlist_free(&p.names);
	apply_layer(p.sections->overrides, &p.dflt);
	struct repo_config c = {.present = bytes != NULL, .projects = p.rules, .projects_n = p.n, .dflt = p.dflt};
	if (r.failed > 0) {
		repo_config_free(&c);
		return ERR_PARSE;
	}
	*ret = c;
	return 0;
}

void repo_config_free(struct repo_config *c)
{
	for (size_t i = 0; i < c->projects_n; i++)
		config_rule_free(&c->projects[i]);
	free(c->projects);
	config_rule_free(&c->dflt);
	*c = (struct repo_config){0};
}
