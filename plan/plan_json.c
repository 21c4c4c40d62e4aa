#include "plan/plan_json.h"

#include "base/limits.h"

#include <ctype.h>
#include <string.h>

/* Modules in modules nest three levels each in `configuration`. */
enum { PLAN_JSON_DEPTH = 256 };

/* The code survives where the caller wants no sentence. */
static int wrapped(int rc, struct err *err, const char *what)
{
	if (err != NULL)
		(void)err_wrap(err, "%.200s", what); /* returns rc again */
	return rc;
}

int plan_json_open(const char *bytes, size_t len, struct json_doc **ret_doc, struct json *ret_root, struct err *err)
{
	static const struct json_limits limits = {.depth = PLAN_JSON_DEPTH};
	if (len > LIMIT_PLAN_JSON_BYTES)
		return err_set(err, ERR_LIMIT, "plan JSON has %zu bytes, more than %u: split the project into smaller ones", len,
			       LIMIT_PLAN_JSON_BYTES);
	struct json_doc *doc = NULL;
	struct json root;
	int rc = json_parse(bytes, len, &limits, &doc, &root, err);
	if (rc != 0)
		return wrapped(rc, err, "plan JSON");
	struct json version = json_member(&root, "format_version"), errored = json_member(&root, "errored");
	const char *text = json_text(&version);
	if (text == NULL) {
		rc = err_set(err, ERR_PARSE, "plan JSON: no format_version; it must be what `show -json` prints for a saved plan");
	} else if (strncmp(text, "1.", 2) != 0) {
		rc = err_set(err, ERR_PARSE,
			     "plan JSON has format_version \"%.20s\" and sluice reads 1.x: use an engine version that writes it, "
			     "or a newer sluice",
			     text);
	} else if (json_is_true(&errored)) {
		rc = err_set(err, ERR_PARSE,
			     "plan JSON is marked as errored: the engine stopped before the plan was whole; its log says why");
	} else {
		*ret_doc = doc;
		*ret_root = root;
		return 0;
	}
	json_doc_free(doc);
	return rc;
}

static const struct plan_action actions_known[] = {
	{"no-op", NULL, CHANGE_NOOP, false, false},
	{"create", NULL, CHANGE_CREATE, false, false},
	{"read", NULL, CHANGE_READ, false, false},
	{"update", NULL, CHANGE_UPDATE, false, false},
	{"delete", NULL, CHANGE_DESTROY, false, false},
	{"forget", NULL, CHANGE_FORGET, false, false},
	{"delete", "create", CHANGE_REPLACE, false, false},
	{"create", "delete", CHANGE_REPLACE, true, false},
	/* nothing is lost: counts as one created and one forgotten */
	{"create", "forget", CHANGE_CREATE, false, true},
	{"forget", "create", CHANGE_CREATE, false, true},
};

static bool text_is(const struct json *j, const char *want)
{
	const char *text = json_text(j);
	return want == NULL ? !json_ok(j) : text != NULL && strcmp(text, want) == 0;
}

int plan_json_action(const struct json *change, const struct plan_action **ret, struct err *err)
{
	struct json actions = json_member(change, "actions"), first = json_first(&actions), second = {0};
	if (json_ok(&first))
		second = json_next(&first);
	for (size_t i = 0; i < ARRAY_LEN(actions_known) && json_count(&actions) <= 2; i++)
		if (text_is(&first, actions_known[i].first) && text_is(&second, actions_known[i].second)) {
			*ret = &actions_known[i];
			return 0;
		}
	CLEANUP_BUF struct buf text = {0};
	if (json_ok(&actions))
		json_print(&actions, &text);
	return err_set(err, ERR_PARSE,
		       "actions %.60s are not known to this version of sluice: use an engine version that it knows, or a newer sluice",
		       text.len > 0 ? buf_str(&text) : "(none)");
}

static const struct {
	const char *code, *words;
} reasons[] = {
	{"replace_because_cannot_update", NULL}, /* the forcing attributes say it */
	{"replace_because_tainted", "is tainted: its creation or a provisioner failed"},
	{"replace_by_request", "its replacement was asked for"},
	{"replace_by_triggers", "replace_triggered_by names something that changes"},
	{"delete_because_no_resource_config", "was removed from the configuration"},
	{"delete_because_no_module", "its module was removed from the configuration"},
	{"delete_because_wrong_repetition", "count or for_each was added or removed"},
	{"delete_because_count_index", "its index is beyond count"},
	{"delete_because_each_key", "its key is no longer in for_each"},
	{"delete_because_no_move_target", "was moved to an address that is not in the configuration"},
	{"read_because_config_unknown", "its arguments are known only during apply"},
	{"read_because_dependency_pending", "something that it depends on changes first"},
	{"read_because_check_nested", "a check reads it during apply"},
};

static char *reason_words(const char *code)
{
	for (size_t i = 0; code != NULL && i < ARRAY_LEN(reasons); i++)
		if (strcmp(code, reasons[i].code) == 0)
			return xstrdup(reasons[i].words);
	return xstrdup(code);
}

static bool is_identifier(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (s++; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			return false;
	return true;
}

void plan_path_step(struct buf *out, const struct json *step)
{
	const char *name = json_text(step);
	if (name != NULL && is_identifier(name)) {
		buf_printf(out, "%s%s", out->len > 0 ? "." : "", name);
		return;
	}
	buf_addc(out, '[');
	json_print(step, out);
	buf_addc(out, ']');
}

static void read_forces(const struct json *change, struct strlist *ret)
{
	struct json paths = json_member(change, "replace_paths");
	for (struct json path = json_first(&paths); json_ok(&path); path = json_next(&path)) {
		struct buf text = {0};
		for (struct json step = json_first(&path); json_ok(&step); step = json_next(&step))
			plan_path_step(&text, &step);
		strlist_take(ret, buf_take(&text));
		buf_free(&text);
	}
	strlist_sort(ret);
}

static char *member_text(const struct json *obj, const char *key)
{
	struct json j = json_member(obj, key);
	return xstrdup(json_text(&j));
}

/* Pure imports and moves are no-ops to the engine and changes to us. */
static enum change_kind kind_refined(enum change_kind kind, const struct plan_change *c)
{
	if (kind != CHANGE_NOOP)
		return kind;
	return c->imported ? CHANGE_IMPORT : c->moved ? CHANGE_MOVE : CHANGE_NOOP;
}

static char *change_reason(const struct json *element, bool forgets_old)
{
	struct json code = json_member(element, "action_reason"), deposed = json_member(element, "deposed");
	CLEANUP_FREE char *words = forgets_old ? xstrdup("the old object stays alive and is forgotten") : reason_words(json_text(&code));
	if (json_text(&deposed) != NULL)
		return xasprintf("deposed object %.32s, left by an earlier replacement%s%s", json_text(&deposed), words != NULL ? "; " : "",
				 words != NULL ? words : "");
	return TAKE(words);
}

static int entry_read(const struct json *element, struct plan_entry *ret, struct err *err)
{
	struct plan_change *c = &ret->c;
	c->address = member_text(element, "address");
	c->type = member_text(element, "type");
	if (c->address == NULL || c->type == NULL)
		return err_set(err, ERR_PARSE, "plan JSON: %s: no address or type", element->path);
	const struct plan_action *action = NULL;
	ret->change = json_member(element, "change");
	int rc = plan_json_action(&ret->change, &action, err);
	if (rc != 0)
		return wrapped(rc, err, c->address);
	struct json importing = json_member(&ret->change, "importing"), mode = json_member(element, "mode");
	ret->managed = json_text(&mode) == NULL || strcmp(json_text(&mode), "data") != 0;
	ret->forgets_old = action->forgets_old;
	c->create_before_destroy = action->create_first;
	c->imported = json_type(&importing) == JSON_OBJECT;
	c->import_id = c->imported ? member_text(&importing, "id") : NULL;
	c->previous_address = member_text(element, "previous_address");
	c->moved = c->previous_address != NULL && strcmp(c->previous_address, c->address) != 0;
	c->kind = kind_refined(action->kind, c);
	c->reason = change_reason(element, action->forgets_old);
	read_forces(&ret->change, &c->forces);
	return 0;
}

static void entry_free(struct plan_entry *e)
{
	plan_change_free(&e->c);
	*e = (struct plan_entry){0};
}

void plan_change_free(struct plan_change *c)
{
	free(c->address);
	free(c->previous_address);
	free(c->type);
	free(c->import_id);
	free(c->reason);
	strlist_free(&c->forces);
	*c = (struct plan_change){0};
}

void plan_entries_free(struct plan_entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		entry_free(&e->v[i]);
	free(e->v);
	*e = (struct plan_entries){0};
}

int plan_address_compare(const char *a, const char *b)
{
	while (*a != '\0' && *b != '\0') {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
			int order = na != nb ? (na < nb ? -1 : 1) : memcmp(a, b, na);
			if (order != 0)
				return order;
			a += na;
			b += nb;
		} else if (*a != *b) {
			break;
		} else {
			a++;
			b++;
		}
	}
	return (unsigned char)*a - (unsigned char)*b;
}

static int entry_compare(const void *va, const void *vb)
{
	const struct plan_entry *a = va, *b = vb;
	if (a->c.kind != b->c.kind)
		return a->c.kind < b->c.kind ? -1 : 1;
	int order = plan_address_compare(a->c.address, b->c.address);
	return order != 0 ? order : strcmp(a->c.reason != NULL ? a->c.reason : "", b->c.reason != NULL ? b->c.reason : "");
}

/* What providers add to a state by themselves, an empty list for a null, is no drift that anyone made. */
static bool is_empty(const struct json *j)
{
	enum json_type type = json_type(j);
	return type == JSON_MISSING || type == JSON_NULL || ((type == JSON_OBJECT || type == JSON_ARRAY) && json_count(j) == 0);
}

static bool drift_matters(const struct json *change)
{
	struct json before = json_member(change, "before"), after = json_member(change, "after");
	if (json_type(&before) != JSON_OBJECT || json_type(&after) != JSON_OBJECT)
		return true;
	for (struct json b = json_first(&before); json_ok(&b); b = json_next(&b)) {
		struct json a = json_member(&after, json_key(&b));
		if (!json_same(&a, &b) && !(is_empty(&a) && is_empty(&b)))
			return true;
	}
	for (struct json a = json_first(&after); json_ok(&a); a = json_next(&a)) {
		struct json b = json_member(&before, json_key(&a));
		if (!json_ok(&b) && !is_empty(&a))
			return true;
	}
	return false;
}

/* Elements of an array of resource changes that are worth a line; data sources only where they are read during apply. */
static int entries_read(const struct json *array, bool drift, struct plan_entries *ret, struct err *err)
{
	size_t room = 0;
	*ret = (struct plan_entries){0};
	for (struct json element = json_first(array); json_ok(&element); element = json_next(&element)) {
		struct plan_entry e = {0};
		int rc = entry_read(&element, &e, err);
		if (rc != 0) {
			entry_free(&e);
			plan_entries_free(ret);
			return rc;
		}
		bool wanted = drift       ? e.managed && e.c.kind != CHANGE_NOOP && e.c.kind != CHANGE_MOVE && drift_matters(&e.change)
			      : e.managed ? e.c.kind != CHANGE_NOOP
					  : e.c.kind == CHANGE_READ;
		if (!wanted) {
			entry_free(&e);
			continue;
		}
		if (ret->n == room) {
			room = room == 0 ? 32 : room * 2;
			ret->v = xreallocarray(ret->v, room, sizeof(*ret->v));
		}
		ret->v[ret->n++] = e;
	}
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), entry_compare);
	return 0;
}

int plan_entries_read(const struct json *root, struct plan_entries *ret, struct err *err)
{
	struct json array = json_member(root, "resource_changes");
	return entries_read(&array, false, ret, err);
}

int plan_drift_read(const struct json *root, struct plan_entries *ret, struct err *err)
{
	struct json array = json_member(root, "resource_drift");
	return entries_read(&array, true, ret, err);
}

bool plan_output_changes(const struct json *change)
{
	struct json actions = json_member(change, "actions"), first = json_first(&actions);
	return !text_is(&first, "no-op") || json_count(&actions) != 1;
}
