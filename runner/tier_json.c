/* The report as JSON: how `sluice doctor` hands it on, and how it is kept. */
#include "base/json.h"
#include "base/limits.h"
#include "runner/tier_priv.h"

int tier_report_write(const struct tier_report *r, struct buf *out)
{
	struct json_writer w = json_writer(out);
	jw_open(&w, NULL);
	jw_str(&w, "tier", tier_name(r->tier));
	jw_str(&w, "why", r->why);
	jw_open_arr(&w, "findings");
	for (size_t i = 0; i < r->n; i++) {
		const struct tier_finding *f = &r->v[i];
		jw_open(&w, NULL);
		jw_str(&w, "name", f->name);
		jw_bool(&w, "ok", f->ok);
		jw_str(&w, "at_most", tier_name(f->at_most));
		jw_str(&w, "seen", f->seen);
		jw_str(&w, "fix", f->fix);
		jw_close(&w);
	}
	jw_close_arr(&w);
	jw_close(&w);
	return buf_failed(out) ? ERR_LIMIT : 0;
}

static int read_tier(const struct json *obj, const char *key, enum tier *ret, struct err *err)
{
	const char *word;
	int rc = json_str(obj, key, 32, &word, err);
	if (rc != 0)
		return rc;
	for (int t = 0; t < TIERS; t++) {
		if (strcmp(word, tier_name((enum tier)t)) != 0)
			continue;
		*ret = (enum tier)t;
		return 0;
	}
	return err_set(err, ERR_PARSE, "%s: \"%s\" is no tier", key, word);
}

static int read_finding(const struct json *e, struct tier_finding *ret, struct err *err)
{
	const char *name, *seen, *fix;
	int rc = json_str(e, "name", 64, &name, err);
	if (rc == 0)
		rc = json_bool(e, "ok", &ret->ok, err);
	if (rc == 0)
		rc = read_tier(e, "at_most", &ret->at_most, err);
	if (rc == 0)
		rc = json_str(e, "seen", LIMIT_BATTERY_BYTES, &seen, err);
	if (rc == 0)
		rc = json_str_opt(e, "fix", LIMIT_BATTERY_BYTES, NULL, &fix, err);
	if (rc != 0)
		return rc;
	ret->name = xstrdup(name);
	ret->seen = xstrdup(seen);
	ret->fix = xstrdup(fix);
	return 0;
}

/* The tier is concluded anew: a report cannot claim more than its findings. One without findings claims nothing. */
int tier_report_read(const char *bytes, size_t len, struct tier_report *ret, struct err *err)
{
	static const struct json_limits small = {.depth = 4, .values = 2000};
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, list;
	struct tier_report r = {0};
	enum tier claimed = TIER_NONE;
	size_t n = 0;
	int rc = json_parse(bytes, len, &small, &doc, &root, err);
	if (rc == 0)
		rc = read_tier(&root, "tier", &claimed, err);
	if (rc == 0)
		rc = json_arr(&root, "findings", &list, &n, err);
	if (rc == 0 && n == 0)
		rc = err_set(err, ERR_PARSE, "findings: there are none");
	if (rc != 0)
		return err_wrap(err, "report of the canary");
	r.v = xcalloc(n, sizeof(r.v[0]));
	for (struct json e = json_first(&list); rc == 0 && json_ok(&e); e = json_next(&e)) {
		rc = read_finding(&e, &r.v[r.n], err);
		r.n += rc == 0;
	}
	if (rc == 0)
		tier_conclude(&r);
	if (rc == 0 && r.tier != claimed)
		rc = err_set(err, ERR_PARSE, "tier: \"%s\" is not what its findings say", tier_name(claimed));
	if (rc != 0) {
		tier_report_free(&r);
		return err_wrap(err, "report of the canary");
	}
	*ret = r;
	return 0;
}
