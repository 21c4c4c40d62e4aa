#include "tests/support/array_github.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct world w;
struct world_total all;

uint64_t dice(uint64_t sides)
{
	w.dice ^= w.dice << 13;
	w.dice ^= w.dice >> 7;
	w.dice ^= w.dice << 17;
	return (w.dice >> 11) % sides;
}

enum fault { FINE, LOST_BEFORE, LOST_AFTER, BAD_GATEWAY_AFTER, LIMITED, REFUSED };

static void lose(void) { w.r = (struct gh_result){.err = {ERR_IO, "no answer"}, .ambiguous = true}; }

/* True: the request has its effect. */
static bool reaches(bool write, int owner)
{
	static const enum fault often[] = {FINE, FINE, FINE, FINE, FINE, LOST_BEFORE, LOST_AFTER, BAD_GATEWAY_AFTER, LIMITED, REFUSED};
	enum fault f = w.calm ? FINE : often[dice(ARRAY_LEN(often))];
	f = w.hurry && (owner == 0 || f == LIMITED || f == REFUSED) ? FINE : f;
	all.requests++;
	all.faults += f != FINE;
	if (write) {
		all.writes++;
		EXPECT(w.writes_n[owner] < WRITES);
		w.writes[owner][w.writes_n[owner]++] = w.now;
	}
	w.r = (struct gh_result){.status = 200};
	w.id = 0;
	switch (f) {
	case FINE: return true;
	case LOST_BEFORE: lose(); return false;
	case LOST_AFTER: lose(); return true;
	case BAD_GATEWAY_AFTER: w.r = (struct gh_result){.err = {ERR_UNAVAILABLE, "502"}, .status = 502, .ambiguous = write}; return true;
	case LIMITED:
		w.r = (struct gh_result){.err = {ERR_UNAVAILABLE, "403 limit"}, .status = 403, .retry_at_ms = w.now + 1000 + (int64_t)dice(20000)};
		return false;
	case REFUSED: w.r = (struct gh_result){.err = {ERR_REFUSED, "403 not accessible"}, .status = 403}; return false;
	}
	return false;
}

static void tell(gh_cb cb, void *arg)
{
	struct gh_answer a = {.r = w.r, .id = w.r.err.code == 0 ? w.id : 0, .annotations = w.annotations};
	cb(&a, arg);
}

static void not_found(void) { w.r = (struct gh_result){.err = {ERR_NOT_FOUND, "404"}, .status = 404}; }

static int owner_of(const char *repo) { return repo[1] - '0'; }

/* "v12" of a slot that has come so far; the words of an ended check run are not of any version. */
static int version_of(int slot, const char *text)
{
	int64_t n = 0;
	if (text_starts(text, "a newer run"))
		return 0;
	EXPECT(text[0] == 'v' && text_int(text + 1, 1, INT32_MAX, &n, NULL) == 0);
	EXPECT(n <= w.slots[slot].version); /* never before it was desired */
	return (int)n;
}

static int slot_named(const char *name)
{
	for (int i = 0; i < SLOTS; i++)
		if (strcmp(w.slots[i].name, name) == 0)
			return i;
	fail_msg("seed %llu: no slot %s", (unsigned long long)w.seed, name);
	return 0;
}

static int slot_of_marker(const char *body, const char **ret_text)
{
	char name[32] = {0};
	static const char before[] = "<!-- sluice slot=";
	EXPECT(text_starts(body, before));
	size_t n = strcspn(body + sizeof(before) - 1, " ");
	EXPECT(n < sizeof(name));
	memcpy(name, body + sizeof(before) - 1, n);
	*ret_text = strstr(body, "-->") + 3;
	*ret_text += **ret_text == '\n';
	return slot_named(name);
}

struct thing *thing_new(bool check, int owner, int author, int slot)
{
	EXPECT(w.things_n < THINGS);
	struct thing *t = &w.things[w.things_n++];
	*t = (struct thing){.check = check, .owner = owner, .author = author, .slot = slot, .visible_ms = w.now + (int64_t)dice(OUTBOX_SETTLE_MS)};
	w.id = (int64_t)w.things_n;
	return t;
}

static struct thing *thing_at(int64_t id, bool check, int owner)
{
	EXPECT(id >= 1 && id <= (int64_t)w.things_n);
	struct thing *t = &w.things[id - 1];
	EXPECT(t->check == check && t->owner == owner && t->author == SELF); /* what is not ours is never edited */
	return t->gone ? NULL : t;
}

static void find_comment(struct gh *g, const char *repo, int64_t n, int64_t self_id, const char *marker, gh_cb cb, void *arg)
{
	const char *text;
	int slot = slot_of_marker(marker, &text);
	(void)g;
	(void)n;
	EXPECT(self_id == SELF);
	if (reaches(false, owner_of(repo)))
		for (size_t i = 0; i < w.things_n; i++)
			if (!w.things[i].check && w.things[i].slot == slot && w.things[i].author == self_id && !w.things[i].gone && w.things[i].visible_ms <= w.now)
				w.id = (int64_t)i + 1;
	tell(cb, arg);
}

static void post_comment(struct gh *g, const char *repo, int64_t n, const char *body, gh_cb cb, void *arg)
{
	const char *text;
	int slot = slot_of_marker(body, &text);
	(void)g;
	(void)n;
	int version = version_of(slot, text);
	if (reaches(true, owner_of(repo)))
		thing_new(false, owner_of(repo), SELF, slot)->version = version;
	tell(cb, arg);
}

static void edit_comment(struct gh *g, const char *repo, int64_t id, const char *body, gh_cb cb, void *arg)
{
	const char *text;
	int slot = slot_of_marker(body, &text);
	struct thing *t = thing_at(id, false, owner_of(repo));
	(void)g;
	int version = version_of(slot, text);
	if (reaches(true, owner_of(repo)) && t == NULL)
		not_found();
	else if (t != NULL && (w.r.err.code == 0 || w.r.ambiguous) && w.r.status != 0) /* answered, or answered badly */
		t->version = version;
	w.id = id;
	tell(cb, arg);
}

static void post_status(struct gh *g, const char *repo, const char *sha, const char *context, const char *state, const char *description,
			const char *target_url, gh_cb cb, void *arg)
{
	int slot = slot_named(context);
	(void)g;
	(void)sha;
	(void)target_url;
	(void)version_of(slot, description);
	if (reaches(true, owner_of(repo)))
		(void)snprintf(w.statuses[slot], sizeof(w.statuses[slot]), "%s %s", description, state);
	tell(cb, arg);
}

static void annotate(struct thing *t, const char *json)
{
	for (const char *p = json; p != NULL && (p = strstr(p, "\"n\":")) != NULL; p += 4) {
		int64_t n = -1;
		char digits[8] = {0};
		memcpy(digits, p + 4, strspn(p + 4, "0123456789") % sizeof(digits));
		EXPECT(text_int(digits, 0, ANNOTATIONS - 1, &n, NULL) == 0);
		EXPECT(t->annotated[n] == 0); /* none twice */
		t->annotated[n] = 1;
		t->annotations++;
	}
}

static void put_check(struct thing *t, const struct gh_check *k, int version)
{
	EXPECT(strcmp(t->status, "completed") != 0 || strcmp(k->status, "completed") == 0); /* never back from its end */
	(void)snprintf(t->status, sizeof(t->status), "%s", k->status);
	(void)snprintf(t->conclusion, sizeof(t->conclusion), "%s", k->conclusion != NULL ? k->conclusion : "");
	t->version = version;
	annotate(t, k->annotations);
}

static void find_check(struct gh *g, const char *repo, const char *sha, const char *name, const char *external_id, gh_cb cb, void *arg)
{
	int slot = slot_named(name);
	(void)g;
	(void)sha;
	w.annotations = 0;
	if (reaches(false, owner_of(repo)))
		for (size_t i = 0; i < w.things_n; i++) {
			const struct thing *t = &w.things[i];
			if (!t->check || t->slot != slot || strcmp(t->external_id, external_id) != 0 || t->visible_ms > w.now)
				continue;
			w.id = (int64_t)i + 1;
			w.annotations = t->annotations;
		}
	tell(cb, arg);
}

static void post_check(struct gh *g, const char *repo, const struct gh_check *k, gh_cb cb, void *arg)
{
	int slot = slot_named(k->name), version = version_of(slot, k->title);
	(void)g;
	if (reaches(true, owner_of(repo))) {
		struct thing *t = thing_new(true, owner_of(repo), SELF, slot);
		(void)snprintf(t->external_id, sizeof(t->external_id), "%s", k->external_id);
		put_check(t, k, version);
	}
	tell(cb, arg);
}

static void edit_check(struct gh *g, const char *repo, int64_t id, const struct gh_check *k, gh_cb cb, void *arg)
{
	struct thing *t = thing_at(id, true, owner_of(repo));
	(void)g;
	EXPECT(t != NULL && strcmp(t->external_id, k->external_id) == 0);
	int version = version_of(t->slot, k->title);
	if (reaches(true, owner_of(repo)))
		put_check(t, k, version);
	w.id = id;
	tell(cb, arg);
}

const struct outbox_github array_github = {
	.find_comment = find_comment, .post_comment = post_comment, .edit_comment = edit_comment, .post_status = post_status,
	.find_check = find_check, .post_check = post_check, .edit_check = edit_check,
};
