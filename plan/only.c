#include "plan/only.h"

#include "base/json.h"
#include "base/text.h"

bool only_is_narrow(const struct command *c) { return c->projects.n != 0 || c->dirs.n != 0 || c->workspace != NULL; }

static void write_list(struct json_writer *w, const char *key, const struct strlist *l)
{
	jw_open_arr(w, key);
	for (size_t i = 0; i < l->n; i++)
		jw_str(w, NULL, l->v[i]);
	jw_close_arr(w);
}

void only_write(const struct command *c, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	write_list(&w, "projects", &c->projects);
	write_list(&w, "dirs", &c->dirs);
	jw_str(&w, "workspace", c->workspace);
	if (c->destroy)
		jw_bool(&w, "destroy", true);
	jw_close(&w);
}

static void read_list(const struct json *root, const char *key, struct strlist *ret)
{
	struct json list = json_member(root, key);
	for (struct json e = json_first(&list); json_ok(&e); e = json_next(&e))
		if (json_text(&e) != NULL)
			strlist_add(ret, json_text(&e));
}

void only_read(const char *text, struct only *ret)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	*ret = (struct only){0};
	if (text != NULL && text[0] != '{') {
		text_split_lines(text, &ret->projects);
		if (ret->projects.n == 0)
			strlist_add(&ret->projects, ""); /* no name is none, not all */
		return;
	}
	if (text == NULL || json_parse(text, strlen(text), NULL, &doc, &root, NULL) != 0)
		return;
	read_list(&root, "projects", &ret->projects);
	read_list(&root, "dirs", &ret->dirs);
	struct json workspace = json_member(&root, "workspace");
	ret->workspace = xstrdup(json_text(&workspace));
	if (json_bool(&root, "destroy", &ret->destroy, NULL) != 0)
		ret->destroy = false; /* not said */
}

bool only_names(const struct only *o, const char *project, const char *dir, const char *workspace)
{
	if (o->workspace != NULL && strcmp(o->workspace, workspace) != 0)
		return false;
	if (o->projects.n == 0 && o->dirs.n == 0)
		return true;
	return strlist_has(&o->projects, project) || strlist_has(&o->dirs, dir);
}

void only_free(struct only *o)
{
	strlist_free(&o->projects);
	strlist_free(&o->dirs);
	free(o->workspace);
	*o = (struct only){0};
}
