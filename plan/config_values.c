/* Values of sluice.yaml that are more than a scalar. Those of rows marked `later` are checked in shape. */
#include "base/text.h"
#include "plan/config_priv.h"

#include <strings.h>

/* Says all three: a word that is not in the list is a "no". */
void config_read_requires(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	static const char *const words[] = {"approved", "checks", "up_to_date", NULL};
	struct project_rule *rule = target;
	bool said[3] = {false};
	if (!config_is(r, row->key, n, YAML_LIST))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const char *text = config_text(r, row->key, n->child[i]);
		size_t w = 0;
		while (text != NULL && words[w] != NULL && strcmp(words[w], text) != 0)
			w++;
		if (text != NULL && words[w] == NULL)
			config_unknown_word(r, row->key, n->child[i], text, words);
		else if (text != NULL)
			said[w] = true;
	}
	rule->requires_approved = said[0];
	rule->requires_checks = said[1];
	rule->requires_up_to_date = said[2];
}

/* Labels and logins: texts of others, in which any character may stand. A list replaces what a layer below said. */
void config_read_texts(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct strlist *list = config_field(row, target);
	if (!config_is(r, row->key, n, YAML_LIST))
		return;
	strlist_free(list);
	for (size_t i = 0; i < n->n; i++) {
		const char *text = config_text(r, row->key, n->child[i]);
		if (text != NULL)
			strlist_add(list, text);
	}
}

/* A tree of maps with texts at its ends, as a cloud's identity is written. Depth is bounded by the YAML reader. */
static void check_texts(struct config_reader *r, const char *key, const struct yaml_node *n)
{
	if (n->type != YAML_MAP) {
		(void)config_text(r, key, n); /* only checked */
		return;
	}
	for (size_t i = 0; i < n->n; i++)
		check_texts(r, n->key[i]->text, n->child[i]);
}

/* { plan: { CLOUD: { ... } }, apply: { ... } }: which clouds there are is for the version that mints credentials to say. */
void config_read_identity(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	(void)target;
	if (!config_is(r, row->key, n, YAML_MAP))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const char *phase = n->key[i]->text;
		if (strcmp(phase, "plan") != 0 && strcmp(phase, "apply") != 0) {
			config_fail(r, n->key[i], "unknown key \"%.60s\"; known here: plan, apply", phase);
			continue;
		}
		if (!config_is(r, phase, n->child[i], YAML_MAP))
			continue;
		for (size_t k = 0; k < n->child[i]->n; k++)
			if (config_is(r, n->child[i]->key[k]->text, n->child[i]->child[k], YAML_MAP))
				check_texts(r, phase, n->child[i]->child[k]);
	}
}

/* What a shell would take, since engines hand their environment on to scripts. */
static bool is_variable_name(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	return s[0] != '\0' && strspn(s, letters) == strlen(s) && !(s[0] >= '0' && s[0] <= '9');
}

/* What would change what the engine is, where it looks or whom it trusts: the box's own, nobody's to set. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {"PATH", "HOME", "TMPDIR", "LANG", "PWD", "SSL_CERT_FILE", "SSL_CERT_DIR", "CHECKPOINT_DISABLE", "TF_DATA_DIR",
					    "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", "TF_WORKSPACE", "TF_INPUT", "TF_IN_AUTOMATION", "BASH_ENV", "ENV"};
	static const char *const starts[] = {"LD_", "TF_CLI_ARGS", "TF_PLUGIN_", "TF_REATTACH_", "TF_LOG", "TF_TEMP_LOG",
					     "GIT_", "PYTHON", "NODE_", "RUBY", "PERL5"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (text_starts(name, starts[i]))
			return true;
	size_t len = strlen(name);
	return (len >= 6 && strcasecmp(name + len - 6, "_proxy") == 0) || strcasecmp(name, "http_proxy") == 0;
}

void config_read_env(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct strlist *list = config_field(row, target);
	if (!config_is(r, row->key, n, YAML_MAP))
		return;
	strlist_free(list);
	for (size_t i = 0; i < n->n; i++) {
		const char *name = n->key[i]->text;
		const struct yaml_node *value = n->child[i];
		bool empty = value->type == YAML_SCALAR && value->quoted && value->text[0] == '\0'; /* a value here */
		const char *text = empty ? "" : config_text(r, name, value);
		if (!is_variable_name(name))
			config_fail(r, n->key[i], "env: \"%.60s\" is no variable name; letters, digits and _ only, no digit first", name);
		else if (is_reserved(name))
			config_fail(r, n->key[i], "env: %.60s cannot be set: it would change what the engine is or whom it trusts", name);
		else if (r->is_repository && !text_starts(name, "TF_VAR_"))
			config_fail(r, n->key[i], "env: a repository sets TF_VAR_NAME only; %.60s is the operator's, under defaults: or overrides: of the "
				    "server's file", name);
		else if (text != NULL && strchr(text, '\n') != NULL)
			config_fail(r, value, "env: %.60s: a value has one line", name);
		else if (text != NULL)
			strlist_take(list, xasprintf("%s=%s", name, text));
	}
}

struct check_parse {
	char *name, *run, *policy;
};

void config_read_checks(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	static const struct config_row rows[] = {
		{.key = "name", .type = CT_NAME, .required = true, .offset = offsetof(struct check_parse, name), .help = "what people call it"},
		{.key = "run", .type = CT_TEXT, .required = true, .offset = offsetof(struct check_parse, run), .help = "what to run"},
		{.key = "policy", .type = CT_DIR, .offset = offsetof(struct check_parse, policy), .help = "where its policies are"},
		{0}};
	(void)target;
	if (!config_is(r, row->key, n, YAML_LIST))
		return;
	for (size_t i = 0; i < n->n; i++) {
		struct check_parse c = {0};
		if (config_is(r, row->key, n->child[i], YAML_MAP))
			config_read_map(r, n->child[i], rows, &c);
		free(c.name);
		free(c.run);
		free(c.policy);
	}
}

void config_read_tools(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	(void)target;
	if (!config_is(r, row->key, n, YAML_MAP))
		return;
	for (size_t i = 0; i < n->n; i++)
		if (config_check_name(r, row->key, n->key[i], n->key[i]->text))
			(void)config_text(r, n->key[i]->text, n->child[i]); /* only checked */
}

/* At most two decimals and below a thousand million: money, not a float. */
void config_read_usd(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	(void)target;
	const char *s = n->type == YAML_SCALAR && !n->quoted ? n->text : "";
	size_t whole = strspn(s, "0123456789"), fraction = s[whole] == '.' ? strspn(s + whole + 1, "0123456789") : 0;
	size_t end = whole + (fraction > 0 ? fraction + 1 : 0);
	if (whole == 0 || whole > 9 || fraction > 2 || s[end] != '\0')
		config_fail(r, n, "%s: expected an amount such as 500 or 12.50", row->key);
}

void config_read_version(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	(void)row;
	(void)target;
	if (n->type != YAML_SCALAR || n->quoted || strcmp(n->text, "1") != 0)
		config_fail(r, n, "version: this sluice reads version 1 only; write \"version: 1\"");
}
