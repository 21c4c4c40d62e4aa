/* What a job needs and what of it is there: in the runner's own process, so nothing here starts or waits, or writes but the time of use. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "runner/fetch_priv.h"
#include "runner/module_calls.h"
#include "runner/provider_rule.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

void fetch_order_free(struct fetch_order *o)
{
	char **texts[] = {&o->data_dir, &o->mirror_dir, &o->provider_allow, &o->egress, &o->egress_deny, &o->ca_file, &o->engine_path,
			  &o->engine_version, &o->job_dir, &o->tree_dir, &o->dir, &o->lock_file, &o->modules, &o->job_init};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(TAKE(*texts[i]));
}

void fetch_result_free(struct fetch_result *r)
{
	free(r->store_dir);
	free(r->lock_text);
	free(r->modules);
	free(r->modules_dir);
	strlist_free(&r->notes);
	*r = (struct fetch_result){0};
}

void fetch_need_free(struct fetch_need *n)
{
	lock_file_free(&n->lock);
	strlist_free(&n->missing);
	fetch_result_free(&n->result);
}

/* As the engines call it. */
const char *fetch_platform(void)
{
	static const char *const names[][2] = {{"x86_64", "linux_amd64"}, {"aarch64", "linux_arm64"}, {"armv7l", "linux_arm"}, {"i686", "linux_386"}};
	struct utsname u;
	ASSERT(uname(&u) == 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(u.machine, names[i][0]) == 0)
			return names[i][1];
	return "linux_amd64";
}

void fetch_key(const char *kind, const char *text, char ret[FETCH_KEY_SIZE])
{
	CLEANUP_FREE char *both = xasprintf("%s\n%s", kind, text);
	crypto_sha256_hex(both, strlen(both), ret);
}

char *fetch_package_dir(const struct fetch_order *o, const struct lock_entry *e)
{
	return xasprintf("%s/providers/%s/%s/%s", o->data_dir, e->address, e->version, fetch_platform());
}

char *fetch_package_note(const struct fetch_order *o, const struct lock_entry *e)
{
	char key[FETCH_KEY_SIZE];
	CLEANUP_FREE char *name = xasprintf("%s %s %s", e->address, e->version, fetch_platform());
	fetch_key("package", name, key);
	return xasprintf("%s/fetch/packages/%s", o->data_dir, key);
}

char *fetch_modules_note(const struct fetch_order *o, const char *key) { return xasprintf("%s/fetch/modules/%s", o->data_dir, key); }

/* ---- providers ---- */

static bool mirror_has(const struct fetch_order *o, const struct lock_entry *e)
{
	if (o->mirror_dir == NULL)
		return false;
	CLEANUP_FREE char *unpacked = xasprintf("%s/%s/%s/%s", o->mirror_dir, e->address, e->version, fetch_platform());
	CLEANUP_FREE char *packed = xasprintf("%s/%s/terraform-provider-%s_%s_%s.zip", o->mirror_dir, e->address, strrchr(e->address, '/') + 1,
					      e->version, fetch_platform());
	return fs_is_dir(unpacked) || fs_exists(packed);
}

/* An unpacked package can only be checked by its h1:, and a lock file that was made on another system has none of this one. */
static void complete_hashes(const struct fetch_order *o, struct lock_entry *e, bool *changed)
{
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FREE char *note = fetch_package_note(o, e);
	struct strlist known = {0};
	if (fs_read(note, LIMIT_CONFIG_TEXT_BYTES, &text, NULL) != 0)
		return; /* the engine will say that it cannot check the package */
	text_split_lines(buf_str(&text), &known);
	bool same = false;
	for (size_t i = 0; i < known.n; i++)
		same |= strlist_has(&e->hashes, known.v[i]) != 0;
	for (size_t i = 0; same && i < known.n; i++) /* a package whose hashes the lock file knows none of is another one */
		if (text_starts(known.v[i], "h1:") && !strlist_has(&e->hashes, known.v[i])) {
			strlist_add(&e->hashes, known.v[i]);
			*changed = true;
		}
	strlist_free(&known);
}

static bool may_fetch(const struct fetch_order *o, const struct lock_entry *e, struct strlist *notes)
{
	if (!o->download) {
		strlist_take(notes, xasprintf("provider %s %s is not in the mirror, and nothing is downloaded here (`providers.download`)",
					      e->address, e->version));
		return false;
	}
	if (o->provider_allow != NULL && provider_rules_verdict(o->provider_allow, e->address, e->version, NULL) == PROVIDER_ALLOWED)
		return true;
	strlist_take(notes, xasprintf("provider %s %s is not in the mirror, and `providers.allow` does not name it: put it into the mirror, or name it there",
				      e->address, e->version));
	return false;
}

static int look_at_providers(const struct fetch_order *o, struct fetch_need *n, struct err *err)
{
	CLEANUP_BUF struct buf text = {0}, with = {0};
	if (o->lock_file == NULL)
		return 0;
	struct err why = {0};
	int rc = fs_read(o->lock_file, LIMIT_LOCK_FILE_BYTES, &text, err);
	if (rc != 0)
		return rc;
	if (lock_file_read(buf_str(&text), text.len, &n->lock, &why) != 0) { /* the engine may know more than we do, or says what is wrong */
		strlist_take(&n->result.notes, xasprintf("no provider is fetched: %s", why.msg));
		return 0;
	}
	bool changed = false, store = false;
	for (size_t i = 0; i < n->lock.n; i++) {
		struct lock_entry *e = &n->lock.v[i];
		if (mirror_has(o, e))
			continue;
		CLEANUP_FREE char *dir = fetch_package_dir(o, e);
		if (fs_is_dir(dir)) {
			store = true;
			fetch_touch(dir);
			complete_hashes(o, e, &changed);
		} else if (may_fetch(o, e, &n->result.notes)) {
			strlist_add(&n->missing, e->address);
		}
	}
	if (changed) {
		lock_file_write(&n->lock, &with);
		n->result.lock_text = buf_take(&with);
	}
	if (store)
		n->result.store_dir = fs_join(o->data_dir, "providers");
	return 0;
}

/* ---- modules ---- */

static bool is_digest(const char *s) { return strlen(s) == FETCH_KEY_SIZE - 1 && strspn(s, "0123456789abcdef") == FETCH_KEY_SIZE - 1; }

bool fetch_modules_kept(const struct fetch_order *o, const char *digest)
{
	CLEANUP_FREE char *list = xasprintf("%s/modules/%s/modules.json", o->data_dir, digest);
	return is_digest(digest) && fs_exists(list);
}

void fetch_set_modules(const struct fetch_order *o, const char *digest, struct fetch_result *r)
{
	xstrset(&r->modules, digest);
	free(r->modules_dir);
	r->modules_dir = xasprintf("%s/modules/%s", o->data_dir, digest);
	fetch_touch(r->modules_dir);
}

/* line: "DIR NAME SOURCE VERSION", tabs between. A call of the project's own directory is the list's by its name, one of a local module's by the last
 * part of a longer name; of a registry's, which have a version, the source counts as well: the engine writes it down with its host. */
static bool list_has_call(const struct json *list, const char *dir, const char *line)
{
	const char *name = strchr(line, '\t') + 1, *source = strchr(name, '\t') + 1, *version = strchr(source, '\t') + 1;
	size_t dir_len = (size_t)(name - line) - 1;
	bool local = text_starts(source, "./") || text_starts(source, "../"), own = strlen(dir) == dir_len && memcmp(line, dir, dir_len) == 0;
	if (local || name[0] == '?')
		return true;
	CLEANUP_FREE char *key = xstrndup(name, (size_t)(source - name) - 1), *from = xstrndup(source, (size_t)(version - source) - 1);
	for (struct json e = json_first(list); json_ok(&e); e = json_next(&e)) {
		struct json key_of = json_member(&e, "Key"), source_of = json_member(&e, "Source");
		const char *has_key = json_text(&key_of), *has_source = json_text(&source_of);
		const char *dot = has_key != NULL && !own ? strrchr(has_key, '.') : NULL;
		const char *last = own ? has_key : dot != NULL ? dot + 1 : NULL;
		if (last != NULL && has_source != NULL && strcmp(last, key) == 0 && (version[0] == '\0' || text_ends(has_source, from)))
			return true;
	}
	return false;
}

/* The key of a set is what our search for calls found, the set what the engine found: a call in a comment is none for it, and would leave everybody
 * who has that call without a module. */
static bool set_has_calls(const struct fetch_order *o, const char *digest, const struct module_calls *calls)
{
	struct json root, list;
	size_t n;
	CLEANUP_JSON struct json_doc *doc = NULL;
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FREE char *path = xasprintf("%s/modules/%s/modules.json", o->data_dir, digest);
	bool has = fs_read(path, LIMIT_MODULES_JSON_BYTES, &text, NULL) == 0 && json_parse(buf_str(&text), text.len, NULL, &doc, &root, NULL) == 0 &&
		   json_arr(&root, "Modules", &list, &n, NULL) == 0;
	for (size_t i = 0; has && i < calls->all.n; i++)
		has = list_has_call(&list, o->dir, calls->all.v[i]);
	return has;
}

/* Is what these calls led to still good? */
static bool note_holds(const struct fetch_order *o, const struct module_calls *calls, struct fetch_need *n)
{
	struct stat st;
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_FREE char *note = fetch_modules_note(o, n->modules_key);
	if (stat(note, &st) != 0 || fs_read(note, FETCH_KEY_SIZE, &text, NULL) != 0)
		return false;
	int64_t age = clock_wall_ms() - ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
	if (n->floating && (age < 0 || age > LIMIT_FLOATING_MS))
		return false;
	if (!fetch_modules_kept(o, buf_str(&text)) || !set_has_calls(o, buf_str(&text), calls)) /* "none": the calls say otherwise */
		return false;
	fetch_set_modules(o, buf_str(&text), &n->result);
	return true;
}

/* trees/REPOSITORY/COMMIT: a set is shared by the pull requests of one repository, and by no other: what one of them could do to a fetch stays there. */
static void calls_key(const struct fetch_order *o, const struct module_calls *c, char ret[FETCH_KEY_SIZE])
{
	CLEANUP_BUF struct buf all = {0};
	const char *commit = strrchr(o->tree_dir, '/');
	buf_printf(&all, "%.*s\n", commit != NULL ? (int)(commit - o->tree_dir) : 0, o->tree_dir);
	buf_printf(&all, "%s %s\n%s\n", engine_row(o->engine)->name, o->engine_version != NULL ? o->engine_version : "", o->dir);
	for (size_t i = 0; i < c->all.n; i++)
		buf_printf(&all, "%s\n", c->all.v[i]);
	fetch_key("modules", buf_str(&all), ret);
}

static int look_at_modules(const struct fetch_order *o, struct fetch_need *n, struct err *err)
{
	if (o->modules != NULL) {
		if (!fetch_modules_kept(o, o->modules))
			return err_set(err, ERR_NOT_FOUND,
				       "the remote modules that the plan was made with (%.12s) are not kept any more: plan again", o->modules);
		fetch_set_modules(o, o->modules, &n->result);
		return 0;
	}
	struct module_calls calls;
	CLEANUP_FD int tree = open(o->tree_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree < 0)
		return err_sys(err, "open the tree %s", o->tree_dir);
	int rc = module_calls_of(tree, o->dir, &calls, err);
	if (rc != 0)
		return rc;
	n->floating = calls.floating;
	calls_key(o, &calls, n->modules_key);
	n->modules = calls.remote > 0 && !note_holds(o, &calls, n);
	module_calls_free(&calls);
	return 0;
}

int fetch_look(const struct fetch_order *o, struct fetch_need *ret, struct err *err)
{
	struct fetch_need n = {0};
	int rc = look_at_providers(o, &n, err);
	if (rc == 0)
		rc = look_at_modules(o, &n, err);
	if (rc != 0) {
		fetch_need_free(&n);
		return rc;
	}
	*ret = n;
	return 0;
}
