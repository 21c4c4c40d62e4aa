/* What is made from the rows: --print-config, the sample file and the tables of docs/configuration.md. */
#include "base/json.h"
#include "base/text.h"
#include "plan/config_priv.h"

#include <stdio.h>

static void indent_by(struct buf *out, int indent)
{
	for (int i = 0; i < indent; i++)
		buf_adds(out, "  ");
}

/* ---- values as YAML ---- */

/* Without quotes where that reads as the same string, inside [ ] and { } too. */
static void print_text(const char *s, struct buf *out)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
	static const char start[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./";
	char *text = xstrdup(s);
	const struct yaml_node plain = {.type = YAML_SCALAR, .text = text};
	size_t good = strspn(s, safe);
	if (s[good] == ':' && s[good + 1] != '\0') /* host:port, scheme:// */
		good += 1 + strspn(s + good + 1, safe);
	if (s[good] == ':' && s[good + 1] >= '0' && s[good + 1] <= '9')
		good += 1 + strspn(s + good + 1, safe);
	if (s[0] != '\0' && s[good] == '\0' && strchr(start, s[0]) != NULL && config_is_string(&plain))
		buf_adds(out, s);
	else
		json_quote(out, s, strlen(s));
	free(text);
}

static void print_list(const struct strlist *l, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i > 0)
			buf_adds(out, ", ");
		print_text(l->v[i], out);
	}
	buf_addc(out, ']');
}

struct unit {
	const char *name;
	int64_t factor;
};

/* The largest unit without a remainder, as a person would have written it. */
static void print_measure(int64_t v, const struct unit *largest_first, struct buf *out)
{
	const struct unit *u = largest_first;
	while (u->factor > 1 && v % u->factor != 0)
		u++;
	buf_printf(out, "%lld%s", (long long)(v / u->factor), u->name);
}

static void print_duration(int64_t ms, struct buf *out)
{
	print_measure(ms, (const struct unit[]){{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}}, out);
}

static void print_size(int64_t bytes, struct buf *out)
{
	print_measure(bytes, (const struct unit[]){{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}, out);
}

/* A tree on one line; its depth is bounded by the YAML reader. */
static void print_tree(const struct yaml_node *n, struct buf *out)
{
	if (n->type == YAML_SCALAR) {
		if (config_is_string(n))
			print_text(n->text, out);
		else
			buf_adds(out, yaml_is_null(n) ? "null" : n->text);
		return;
	}
	bool map = n->type == YAML_MAP;
	buf_adds(out, map ? "{" : "[");
	for (size_t i = 0; i < n->n; i++) {
		buf_adds(out, i > 0 ? ", " : map ? " " : "");
		if (map) {
			print_text(n->key[i]->text, out);
			buf_adds(out, ": ");
		}
		print_tree(n->child[i], out);
	}
	buf_adds(out, map ? (n->n > 0 ? " }" : "}") : "]");
}

void config_print_listen(const void *target, struct buf *out, int indent)
{
	const struct server_config *c = target;
	(void)indent;
	if (strchr(c->listen_host, ':') != NULL)
		buf_printf(out, "\"[%s]:%d\"", c->listen_host, c->listen_port);
	else
		buf_printf(out, "%s:%d", c->listen_host, c->listen_port);
}

static void print_section(const void *target, const char *key, struct buf *out)
{
	const struct server_config *c = target;
	const struct config_sections *s = c->sections;
	const struct yaml_node *n = s != NULL ? yaml_get(s->root, key) : NULL;
	if (n != NULL && !yaml_is_null(n))
		print_tree(n, out);
	else
		buf_adds(out, "{}");
}

void config_print_roles(const void *target, struct buf *out, int indent)
{
	(void)indent;
	print_section(target, "roles", out);
}

void config_print_egress_scopes(const void *target, struct buf *out, int indent)
{
	const struct server_config *c = target;
	const struct config_sections *s = c->sections;
	const struct yaml_node *egress = s != NULL ? yaml_get(s->root, "egress") : NULL;
	const struct yaml_node *n = egress != NULL && egress->type == YAML_MAP ? yaml_get(egress, "repositories") : NULL;
	(void)indent;
	if (n != NULL && !yaml_is_null(n))
		print_tree(n, out);
	else
		buf_adds(out, "{}");
}

void config_print_defaults(const void *target, struct buf *out, int indent)
{
	(void)indent;
	print_section(target, "defaults", out);
}

void config_print_overrides(const void *target, struct buf *out, int indent)
{
	(void)indent;
	print_section(target, "overrides", out);
}

/* Appends the value of a row; false when there is none. */
static bool print_value(const struct config_row *row, const void *target, struct buf *out, int indent)
{
	const void *field = config_field_const(row, target);
	switch (row->type == CT_CUSTOM && row->print == NULL ? row->as : row->type) {
	case CT_TEXT:
	case CT_NAME:
	case CT_DIR:
	case CT_FILE: {
		char *const *text = field;
		if (*text == NULL)
			return false;
		print_text(*text, out);
		return true;
	}
	case CT_INT: buf_printf(out, "%lld", (long long)*(const int64_t *)field); return true;
	case CT_COUNT: buf_printf(out, "%d", *(const int *)field); return true;
	case CT_BOOL: buf_adds(out, *(const bool *)field ? "true" : "false"); return true;
	case CT_DURATION: print_duration(*(const int64_t *)field, out); return true;
	case CT_SIZE: print_size(*(const int64_t *)field, out); return true;
	case CT_WORD: {
		int i = 0;
		memcpy(&i, field, sizeof(i));
		buf_adds(out, i >= 0 ? row->words[i] : "null");
		return i >= 0;
	}
	case CT_NAMES:
	case CT_GLOBS: print_list(field, out); return true;
	case CT_CUSTOM:
		if (row->print != NULL)
			row->print(target, out, indent);
		return row->print != NULL;
	case CT_MAP:
	default: return false;
	}
}

/* ---- effective values ---- */

static bool has_default(const struct config_row *rows)
{
	for (; rows->key != NULL; rows++)
		if (rows->dflt != NULL || (rows->type == CT_MAP && has_default(rows->rows)))
			return true;
	return false;
}

/* Lines are padded so that the places stand in one column. */
enum { PLACE_COLUMN = 56 };

static void print_place(const struct server_config *c, const struct yaml_node *n, size_t line_start, struct buf *out)
{
	size_t width = out->len - line_start;
	for (; width < PLACE_COLUMN; width++)
		buf_addc(out, ' ');
	if (n != NULL)
		buf_printf(out, " # %s:%d\n", c->file, n->line);
	else
		buf_adds(out, " # built in\n");
}

/* map is what the file says on this level, NULL where it says nothing. */
static void print_effective(const struct server_config *c, const struct config_row *rows, const struct yaml_node *map, struct buf *out,
			    int indent)
{
	for (const struct config_row *row = rows; row->key != NULL; row++) {
		const struct yaml_node *n = map != NULL ? yaml_get(map, row->key) : NULL;
		if (n != NULL && yaml_is_null(n))
			n = NULL;
		if (row->refused)
			continue;
		CLEANUP_BUF struct buf value = {0};
		size_t start = out->len;
		indent_by(out, indent);
		if (row->type == CT_MAP && (n != NULL || has_default(row->rows))) {
			buf_printf(out, "%s:\n", row->key);
			print_effective(c, row->rows, n, out, indent + 1);
		} else if (row->type != CT_MAP && (n != NULL || row->dflt != NULL || strcmp(row->key, "public_url") == 0) &&
			   print_value(row, c, &value, indent)) {
			buf_printf(out, "%s: %s", row->key, buf_str(&value));
			print_place(c, n, start, out);
		} else {
			buf_printf(out, "# %s: not set\n", row->key);
		}
	}
}

void server_config_print(const struct server_config *c, struct buf *out)
{
	const struct config_sections *s = c->sections;
	print_effective(c, config_server_rows, s != NULL ? s->root : NULL, out, 0);
}

static const char later[] = " (accepted, not used yet)";

/* ---- sample ---- */

/* The # of a commented key stands first in the line and its indentation after it, so that removing the # is enough. */
static void print_sample(const struct config_row *rows, struct buf *out, int indent, bool commented)
{
	for (const struct config_row *row = rows; row->key != NULL; row++) {
		const char *value = row->sample != NULL ? row->sample : row->dflt;
		if (row->refused || (value == NULL && row->type != CT_MAP))
			continue;
		bool off = commented || !(row->required || row->start);
		if (indent == 0)
			buf_addc(out, '\n');
		indent_by(out, indent);
		buf_printf(out, "# %s%s\n", row->help, row->later ? later : "");
		if (off)
			buf_addc(out, '#');
		indent_by(out, indent);
		buf_printf(out, "%s:%s%s\n", row->key, row->type == CT_MAP ? "" : " ", row->type == CT_MAP ? "" : value);
		if (row->type == CT_MAP)
			print_sample(row->rows, out, indent + 1, off);
	}
}

void server_config_print_sample(struct buf *out)
{
	buf_adds(out, "# sluice-server.yaml: the operator's file. Relative paths are relative to it. A # before a key shows what is used without it, or an\n"
		      "# example. `sluice check sluice-server.yaml` tells whether it is fine, `sluice --print-config` what is in force.\n");
	print_sample(config_server_rows, out, 0, false);
}

/* ---- reference ---- */

static void cell(const char *s, struct buf *out)
{
	for (; *s != '\0'; s++) {
		if (*s == '|')
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
}

static void print_bounds(const struct config_row *row, struct buf *out)
{
	void (*print)(int64_t, struct buf *) = row->type == CT_SIZE ? print_size : print_duration;
	print(row->min, out);
	buf_adds(out, " to ");
	print(row->max, out);
}

static void print_what(const struct config_row *row, struct buf *out)
{
	switch (row->type) {
	case CT_TEXT: buf_adds(out, "text"); break;
	case CT_NAME: buf_adds(out, "name"); break;
	case CT_DIR: buf_adds(out, "directory or glob"); break;
	case CT_FILE: buf_adds(out, "path"); break;
	case CT_INT:
	case CT_COUNT:
		if (row->max > 1000000000)
			buf_adds(out, "number");
		else
			buf_printf(out, "number, %lld to %lld", (long long)row->min, (long long)row->max);
		break;
	case CT_BOOL: buf_adds(out, "true or false"); break;
	case CT_DURATION: buf_adds(out, "duration, "); print_bounds(row, out); break;
	case CT_SIZE: buf_adds(out, "size, "); print_bounds(row, out); break;
	case CT_WORD:
		for (size_t i = 0; row->words[i] != NULL; i++)
			buf_printf(out, "%s%s", i == 0 ? "" : row->words[i + 1] == NULL ? " or " : ", ", row->words[i]);
		break;
	case CT_NAMES: buf_adds(out, "list of names"); break;
	case CT_GLOBS: buf_adds(out, "list of globs"); break;
	case CT_MAP: buf_adds(out, "keys below"); break;
	case CT_CUSTOM:
	default: cell(row->what, out); break;
	}
}

/* Keys of sections and of list entries stand in one flat table: "github.app.id", "projects[].name". */
static void print_rows(const struct config_row *rows, const char *prefix, struct buf *out)
{
	for (const struct config_row *row = rows; row->key != NULL; row++) {
		buf_printf(out, "| `%s%s` | ", prefix, row->key);
		print_what(row, out);
		buf_adds(out, " | ");
		if (row->required)
			buf_adds(out, "required");
		else if (row->dflt != NULL)
			buf_printf(out, "`%s`", row->dflt);
		buf_adds(out, " | ");
		cell(row->help, out);
		buf_printf(out, "%s |\n", row->later ? later : "");
		CLEANUP_FREE char *below = xasprintf("%s%s%s.", prefix, row->key, row->type == CT_MAP ? "" : "[]");
		if (row->type == CT_MAP)
			print_rows(row->rows, below, out);
		else if (row->read == config_read_projects)
			print_rows(config_project_rows, below, out);
	}
}

void config_print_reference(struct buf *out)
{
	static const char head[] = "| key | what stands there | without it | meaning |\n|---|---|---|---|\n";
	buf_printf(out, "### sluice.yaml\n\n%s", head);
	print_rows(config_repo_rows, "", out);
	buf_printf(out, "\n### sluice-server.yaml\n\n%s", head);
	print_rows(config_server_rows, "", out);
}
