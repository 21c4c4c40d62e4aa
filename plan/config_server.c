/* sluice-server.yaml: values that are more than a scalar, defaults, and the file itself. */
#include "base/crypto.h"
#include "base/fs.h"
#include "base/glob.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/config_priv.h"
#include "runner/egress.h"
#include "runner/provider_rule.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

/* ---- addresses ---- */

/* The whole name, not its beginning: 127.0.0.1.example.com is somebody else. */
static bool is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (text_same_case(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_address(const char *host)
{
	struct in6_addr any; /* large enough for both */
	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/* "HOST:PORT" or "[V6]:PORT": the host without brackets, which the caller frees, or NULL. */
static char *split_port(const char *text, int64_t min_port, int64_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text || text_int(colon + 1, min_port, 65535, ret_port, NULL) != 0)
		return NULL;
	size_t len = (size_t)(colon - text);
	if (text[0] == '[')
		return text[len - 1] == ']' && len > 2 ? xstrndup(text + 1, len - 2) : NULL;
	return memchr(text, ':', len) == NULL ? xstrndup(text, len) : NULL;
}

/* A name that has to be looked up could mean another address tomorrow, so only localhost is taken as one. */
void config_read_listen(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct server_config *c = target;
	const char *text = config_text(r, row->key, n);
	if (text == NULL)
		return;
	int64_t port = 0;
	char *host = split_port(text, 0, &port);
	if (host == NULL || !(is_address(host) || text_same_case(host, "localhost"))) {
		config_fail(r, n, "listen: \"%.80s\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080", text);
		free(host);
		return;
	}
	free(c->listen_host);
	c->listen_host = host;
	c->listen_port = (int)port;
}

void config_read_tls(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	(void)target;
	config_fail(r, n, "%s: this version serves plain HTTP only; put a proxy with TLS in front and remove the key", row->key);
}

/* "https://HOST[:PORT][/PATH]" without user, query and fragment; http for api_url only where nobody else listens. */
void config_read_url(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~/:[]";
	const char *text = config_text(r, row->key, n);
	if (text == NULL)
		return;
	bool plain = text_starts(text, "http://");
	const char *host = strstr(text, "://");
	if (host == NULL || !(plain || text_starts(text, "https://")) || host[3] == '\0' || host[3] == '/' || host[3] == ':') {
		config_fail(r, n, "%s: \"%.80s\" is not a URL such as https://sluice.example.com", row->key, text);
		return;
	}
	host += 3;
	if (host[strspn(host, allowed)] != '\0') {
		config_fail(r, n, "%s: \"%.80s\" may not have a user, a query or a fragment", row->key, text);
		return;
	}
	CLEANUP_FREE char *authority = xstrndup(host, strcspn(host, "/"));
	CLEANUP_FREE char *with_port = authority[0] == '[' || strchr(authority, ':') != NULL ? xstrdup(authority) : xasprintf("%s:443", authority);
	CLEANUP_FREE char *closed = authority[0] == '[' && text_ends(authority, "]") ? xasprintf("%s:443", authority) : TAKE(with_port);
	int64_t port = 0;
	CLEANUP_FREE char *name = split_port(closed, 1, &port);
	if (name == NULL || strpbrk(name, "[]") != NULL || (strchr(name, ':') != NULL && !is_address(name))) {
		config_fail(r, n, "%s: \"%.80s\" has no host, or a port that is none", row->key, text);
		return;
	}
	if (plain && strcmp(row->key, "api_url") == 0 && !is_loopback(name)) {
		config_fail(r, n, "api_url: http is for loopback only, since a token goes there; write https://%.80s", host);
		return;
	}
	size_t len = strlen(text);
	while (text[len - 1] == '/')
		len--;
	char **field = config_field(row, target);
	free(*field);
	*field = xstrndup(text, len);
}

void config_read_database(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct server_config *c = target;
	const char *text = config_text(r, row->key, n);
	if (text == NULL)
		return;
	if (text_starts(text, "postgresql://") || text_starts(text, "postgres://"))
		config_fail(r, n, "database: PostgreSQL is not available in this version; write \"database: sqlite\"");
	else if (strcmp(text, "sqlite") != 0)
		config_fail(r, n, "database: unknown \"%.60s\"; write \"database: sqlite\"", text);
	else {
		free(c->database);
		c->database = xstrdup(text);
	}
}

/* ---- lists ---- */

void config_read_secret_files(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct strlist *list = config_field(row, target);
	if (n->type == YAML_LIST && (n->n == 0 || n->n > 2)) {
		config_fail(r, n, "%s: %zu files; one, or two while the secret is being changed", row->key, n->n);
		return;
	}
	for (size_t i = 0; i < (n->type == YAML_LIST ? n->n : 1); i++) {
		const char *text = config_text(r, row->key, n->type == YAML_LIST ? n->child[i] : n);
		if (text != NULL)
			strlist_take(list, fs_join(r->dir, text));
	}
}

/* A glob over OWNER/NAME: `*` stays within one of the two, so a pattern without a slash would never fit anything. */
static bool check_repository_glob(struct config_reader *r, const char *key, const struct yaml_node *n, const char *glob)
{
	if (!config_check_glob(r, key, n, glob))
		return false;
	if (strchr(glob, '/') != NULL || strstr(glob, "**") != NULL)
		return true;
	config_fail(r, n, "%s: \"%.80s\" never fits OWNER/NAME; write \"*/*\" for all, \"OWNER/*\" for those of one owner", key, glob);
	return false;
}

void config_read_repositories(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct strlist *list = config_field(row, target);
	if (!config_is(r, row->key, n, YAML_LIST))
		return;
	bool includes = false;
	for (size_t i = 0; i < n->n; i++) {
		const char *text = config_text(r, row->key, n->child[i]);
		if (text == NULL || !check_repository_glob(r, row->key, n->child[i], text + (text[0] == '!')))
			continue;
		includes |= text[0] != '!';
		strlist_add(list, text);
	}
	bool may_be_empty = strcmp(row->key, "repositories") != 0;
	if ((n->n == 0 && !may_be_empty) || (n->n != 0 && list->n == n->n && !includes))
		config_fail(r, n, "%s: names no repository%s", row->key, may_be_empty ? "" : ", so none would be served");
}

static void read_egress_list(struct config_reader *r, const char *key, const struct yaml_node *n, struct strlist *list)
{
	if (!config_is(r, key, n, YAML_LIST))
		return;
	for (size_t i = 0; i < n->n; i++) {
		struct err why = {0};
		const char *text = config_text(r, key, n->child[i]);
		if (text == NULL)
			continue;
		if (egress_rule_check(text, &why) != 0)
			config_fail(r, n->child[i], "%s: %s", key, why.msg);
		else
			strlist_add(list, text);
	}
}

void config_read_egress(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	strlist_free(config_field(row, target)); /* the built-in list does not come on top */
	read_egress_list(r, row->key, n, config_field(row, target));
}

/* What one project uses. It replaces what a lower layer said; one empty text stands for a list with nothing in it, which is another thing than none. */
void config_read_own_egress(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct strlist *list = config_field(row, target);
	strlist_free(list);
	read_egress_list(r, row->key, n, list);
	if (n->type == YAML_LIST && n->n == 0)
		strlist_add(list, "");
}

/* An empty list would read as "none", and no list as "all of the mirror". */
void config_read_providers(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	config_read_texts(r, row, n, target);
	const struct strlist *rules = config_field(row, target);
	if (n->type == YAML_LIST && n->n == 0)
		config_fail(r, n, "%s: an empty list allows no provider at all: name one, or leave the key out to allow all of the mirror", row->key);
	for (size_t i = 0; n->type == YAML_LIST && i < n->n && i < rules->n; i++) {
		struct err err;
		if (provider_rule_check(rules->v[i], &err) != 0)
			config_fail(r, n->child[i], "%s: %s", row->key, err.msg);
	}
}

void config_read_egress_scopes(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct server_config *c = target;
	if (!config_is(r, row->key, n, YAML_MAP))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const struct yaml_node *lists = n->child[i];
		if (!check_repository_glob(r, row->key, n->key[i], n->key[i]->text) || !config_is(r, row->key, lists, YAML_MAP))
			continue;
		struct egress_scope scope = {.repository = xstrdup(n->key[i]->text)};
		for (size_t k = 0; k < lists->n; k++) {
			const char *phase = lists->key[k]->text;
			if (strcmp(phase, "plan") == 0)
				read_egress_list(r, "plan", lists->child[k], &scope.plan);
			else if (strcmp(phase, "apply") == 0)
				read_egress_list(r, "apply", lists->child[k], &scope.apply);
			else
				config_fail(r, lists->key[k], "%s: unknown key \"%.60s\": write plan or apply", row->key, phase);
		}
		c->egress_scopes = xreallocarray(c->egress_scopes, c->egress_scopes_n + 1, sizeof(*c->egress_scopes));
		c->egress_scopes[c->egress_scopes_n++] = scope;
	}
}

/* ---- sections ---- */

static const char *const role_words[] = {"none", "read", "plan", "apply", "admin", NULL};

const char *role_name(enum role r) { return role_words[r]; }

/* GitHub logins and team slugs; apps end in [bot]. */
static bool check_who(struct config_reader *r, const struct yaml_node *n, const char *who)
{
	bool team = text_starts(who, "team:"), user = text_starts(who, "user:");
	const char *name = team || user ? who + 5 : who;
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/[]";
	if (strcmp(who, "*") == 0 || ((team || user) && name[0] != '\0' && name[strspn(name, allowed)] == '\0'))
		return true;
	config_fail(r, n, "roles: \"%.60s\" is nobody; write \"team:NAME\", \"user:NAME\" or \"*\"", who);
	return false;
}

static void add_role(struct config_reader *r, const char *repository, const struct yaml_node *who, const struct yaml_node *value,
		     struct server_config *c)
{
	const char *text = config_text(r, "roles", value);
	if (text == NULL || !check_who(r, who, who->text))
		return;
	for (int i = 0; role_words[i] != NULL; i++) {
		if (strcmp(text, role_words[i]) != 0)
			continue;
		if (c->roles_n == 0 || (c->roles_n & (c->roles_n - 1)) == 0) /* grows at powers of two */
			c->roles = xreallocarray(c->roles, c->roles_n == 0 ? 1 : c->roles_n * 2, sizeof(*c->roles));
		c->roles[c->roles_n++] = (struct role_rule){xstrdup(repository), xstrdup(who->text), (enum role)i};
		return;
	}
	config_unknown_word(r, "roles", value, text, role_words);
}

void config_read_roles(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	if (!config_is(r, row->key, n, YAML_MAP))
		return;
	for (size_t i = 0; i < n->n; i++) {
		const struct yaml_node *people = n->child[i];
		if (!check_repository_glob(r, row->key, n->key[i], n->key[i]->text) || !config_is(r, row->key, people, YAML_MAP))
			continue;
		for (size_t k = 0; k < people->n; k++)
			add_role(r, n->key[i]->text, people->key[k], people->child[k], target);
	}
}

/* defaults: and overrides: are read for their errors here; repo_config_parse() lays them over each project. */
void config_read_layer(struct config_reader *r, const struct config_row *row, const struct yaml_node *n, void *target)
{
	struct server_config *c = target;
	struct config_sections *s = c->sections;
	struct project_rule rule;
	if (!config_is(r, row->key, n, YAML_MAP))
		return;
	size_t failed = r->failed;
	for (size_t i = 0; i < n->n; i++) {
		const char *key = n->key[i]->text;
		if (strcmp(key, "projects") == 0 || strcmp(key, "name") == 0 || strcmp(key, "dir") == 0 || strcmp(key, "version") == 0)
			config_fail(r, n->key[i], "%s: \"%s\" belongs to one repository; here stand keys that fit every project, such as engine or "
				    "requires", row->key, key);
	}
	if (r->failed != failed)
		return;
	config_rule_builtin(&rule);
	config_read_map(r, n, config_layer_rows, &rule);
	config_rule_free(&rule);
	if (r->failed != failed)
		return;
	if (strcmp(row->key, "defaults") == 0)
		s->defaults = n;
	else
		s->overrides = n;
}

/* ---- the file ---- */

/* Absolute directory of the file; the caller frees. */
static char *directory_of(const char *file)
{
	CLEANUP_FREE char *absolute = NULL;
	if (file[0] == '/') {
		absolute = xstrdup(file);
	} else {
		CLEANUP_FREE char *here = getcwd(NULL, 0);
		absolute = fs_join(here != NULL ? here : "/", file);
	}
	const char *slash = strrchr(absolute, '/');
	return slash == absolute ? xstrdup("/") : xstrndup(absolute, (size_t)(slash - absolute));
}

static void default_public_url(struct server_config *c)
{
	const char *host = c->listen_host;
	if (c->public_url == NULL)
		c->public_url = strchr(host, ':') != NULL ? xasprintf("http://[%s]:%d", host, c->listen_port)
							  : xasprintf("http://%s:%d", host, c->listen_port);
}

/* Two ways to sign in, of which one must be there: keys that exclude each other are more than a row can say. */
static void check_sign_in(struct config_reader *r, const struct yaml_node *root)
{
	const struct yaml_node *github = yaml_get(root, "github");
	if (github == NULL || github->type != YAML_MAP)
		return;
	bool app = yaml_get(github, "app") != NULL, token = yaml_get(github, "token_file") != NULL;
	if (!app && !token)
		config_fail(r, github, "github: app is missing: the GitHub App that sluice is, or token_file for a first try");
	if (app && token)
		config_fail(r, yaml_get(github, "token_file"), "token_file: there is an app, too; sluice is one or the other, so remove one of them");
}

int server_config_parse(const char *file, const char *bytes, size_t len, struct server_config *ret, struct config_errors *errors)
{
	struct server_config c = {.file = xstrdup(file), .dir = directory_of(file)};
	struct config_sections *sections = xcalloc(1, sizeof(*sections));
	struct config_reader r = {.file = file, .dir = c.dir, .errors = errors};
	c.sections = sections;
	config_read_defaults(config_server_rows, &c);
	sections->root = config_document(&r, bytes, len);
	if (sections->root != NULL) {
		config_read_map(&r, sections->root, config_server_rows, &c);
		check_sign_in(&r, sections->root);
	}
	default_public_url(&c);
	if (r.failed > 0) {
		server_config_free(&c);
		return ERR_PARSE;
	}
	*ret = c;
	return 0;
}

/* The digest of what changes a plan: these sections, without comments and empty lines. Where it listens or how many jobs it runs is no reason
 * to plan again. A file whose root is not written as lines of keys counts as a whole. */
static void binding_digest(const char *bytes, size_t len, char ret[2 * SHA256_SIZE + 1])
{
	static const char *const sections[] = {"defaults:", "overrides:", "providers:", "engines:", "egress:"};
	CLEANUP_BUF struct buf what = {0};
	struct strlist lines = {0};
	bool inside = bytes[strspn(bytes, " \t\r\n")] == '{';
	bool whole = inside;
	text_split_lines(bytes, &lines);
	for (size_t i = 0; i < lines.n; i++) {
		const char *line = lines.v[i], *first = line + strspn(line, " \t\r");
		if (*first == '#' || *first == '\0')
			continue;
		if (first == line && *line != '-' && *line != '}' && *line != ']' && !whole) { /* a key of the root */
			inside = false;
			for (size_t k = 0; k < ARRAY_LEN(sections); k++)
				inside = inside || text_starts(line, sections[k]);
		}
		if (inside)
			buf_printf(&what, "%s\n", line);
	}
	strlist_free(&lines);
	crypto_sha256_hex(whole ? bytes : buf_str(&what), whole ? len : what.len, ret);
}

int server_config_load(const char *file, struct server_config *ret, struct config_errors *errors, struct err *err)
{
	CLEANUP_BUF struct buf bytes = {0};
	int rc = fs_read(file, LIMIT_CONFIG_BYTES, &bytes, err);
	if (rc != 0)
		return rc;
	rc = server_config_parse(file, buf_str(&bytes), bytes.len, ret, errors);
	if (rc == 0)
		binding_digest(buf_str(&bytes), bytes.len, ret->digest);
	return rc != 0 ? err_set(err, rc, "%s has errors", file) : 0;
}

void server_config_builtin(struct server_config *ret)
{
	*ret = (struct server_config){0};
	config_read_defaults(config_server_rows, ret);
}

int server_config_limit(struct server_config *c, const char *key, const char *value, struct err *err)
{
	struct config_errors errors = {0};
	struct config_reader r = {.file = "limits", .dir = "/", .errors = &errors};
	CLEANUP_FREE char *text = xasprintf("%s: %s\n", key, value);
	const struct config_row *row = config_server_rows;
	while (strcmp(row->key, "limits") != 0)
		row++;
	struct yaml_node *n = config_document(&r, text, strlen(text));
	if (n != NULL)
		config_read_map(&r, n, row->rows, c);
	int rc = errors.n == 0 ? 0 : err_set(err, ERR_PARSE, "%s", errors.v[0].msg);
	yaml_free(n);
	config_errors_free(&errors);
	return rc;
}

void server_config_free(struct server_config *c)
{
	char *texts[] = {c->file, c->dir, c->listen_host, c->public_url, c->data_dir, c->database, c->api_url, c->token_file,
			 c->app_private_key_file, c->engine_dir, c->mirror_dir, c->egress_ca_file};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(texts[i]);
	strlist_free(&c->webhook_secret_files);
	strlist_free(&c->repositories);
	strlist_free(&c->provider_allow);
	strlist_free(&c->egress_plan);
	strlist_free(&c->egress_apply);
	strlist_free(&c->egress_fetch);
	strlist_free(&c->below_floor);
	strlist_free(&c->compat);
	for (size_t i = 0; i < c->egress_scopes_n; i++) {
		free(c->egress_scopes[i].repository);
		strlist_free(&c->egress_scopes[i].plan);
		strlist_free(&c->egress_scopes[i].apply);
	}
	free(c->egress_scopes);
	for (size_t i = 0; i < c->roles_n; i++) {
		free(c->roles[i].repository);
		free(c->roles[i].who);
	}
	free(c->roles);
	struct config_sections *sections = c->sections;
	if (sections != NULL)
		yaml_free(sections->root);
	free(sections);
	*c = (struct server_config){0};
}
