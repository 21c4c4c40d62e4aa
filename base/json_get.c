/* Strict getters: every refusal names the path, what was expected and what is there. */
#include "base/json.h"

#include "base/json_priv.h"
#include "base/mem.h"

#include <math.h>

const char *json_type_name(enum json_type t)
{
	switch (t) {
	case JSON_MISSING: return "nothing";
	case JSON_NULL: return "null";
	case JSON_BOOL: return "true or false";
	case JSON_NUMBER: return "a number";
	case JSON_STRING: return "a string";
	case JSON_ARRAY: return "an array";
	case JSON_OBJECT: return "an object";
	default: return "something unknown";
	}
}

static const char *path_of(const struct json *j) { return j->path[0] != '\0' ? j->path : "the document"; }

/* Missing and null are told apart: they are different mistakes of the other side. */
static int expect(const struct json *j, enum json_type want, struct err *err)
{
	enum json_type have = json_type(j);
	if (have == want)
		return 0;
	if (have == JSON_MISSING)
		return err_set(err, ERR_PARSE, "%s: missing, expected %s", path_of(j), json_type_name(want));
	return err_set(err, ERR_PARSE, "%s: expected %s, found %s", path_of(j), json_type_name(want), json_type_name(have));
}

/* The member of that type; also refuses when obj itself is no object, naming obj. */
static int member(const struct json *obj, const char *key, enum json_type want, struct json *ret, struct err *err)
{
	int rc = expect(obj, JSON_OBJECT, err);
	if (rc != 0)
		return rc;
	struct json m = json_member(obj, key);
	rc = expect(&m, want, err);
	if (rc == 0)
		*ret = m;
	return rc;
}

/* The optional member: node NULL when it is missing or null, or when obj itself is missing. */
static int member_opt(const struct json *obj, const char *key, enum json_type want, struct json *ret, struct err *err)
{
	enum json_type outer = json_type(obj);
	int rc = outer == JSON_MISSING || outer == JSON_NULL ? 0 : expect(obj, JSON_OBJECT, err);
	if (rc != 0)
		return rc;
	struct json m = json_member(obj, key);
	if (json_type(&m) == JSON_NULL)
		m.node = NULL;
	if (m.node != NULL)
		rc = expect(&m, want, err);
	if (rc == 0)
		*ret = m;
	return rc;
}

/* Lengths are bytes. The text has no NUL inside: json_parse() saw to it. */
int json_as_str(const struct json *j, size_t max_len, const char **ret, struct err *err)
{
	int rc = expect(j, JSON_STRING, err);
	if (rc != 0)
		return rc;
	const char *s = json_text(j);
	size_t len = strlen(s);
	if (len > max_len)
		return err_set(err, ERR_PARSE, "%s: %zu bytes, at most %zu are allowed", path_of(j), len, max_len);
	*ret = s;
	return 0;
}

#define EXACT_END 9007199254740992.0 /* 2^53: it is also what 2^53 + 1 was rounded to, so exactness ends before it */

int json_as_int(const struct json *j, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	int rc = expect(j, JSON_NUMBER, err);
	if (rc != 0)
		return rc;
	double v = json_number(j);
	if (!(fabs(v) < EXACT_END))
		return err_set(err, ERR_PARSE, "%s: a number of 2^53 or more cannot be kept exactly", path_of(j));
	int64_t n = (int64_t)v;
	if ((double)n < v || (double)n > v)
		return err_set(err, ERR_PARSE, "%s: expected a whole number, found %g", path_of(j), v);
	if (n < min || n > max)
		return err_set(err, ERR_PARSE, "%s: %lld is not between %lld and %lld", path_of(j), (long long)n, (long long)min,
			       (long long)max);
	*ret = n;
	return 0;
}

int json_get(const struct json *obj, const char *key, struct json *ret, struct err *err)
{
	int rc = expect(obj, JSON_OBJECT, err);
	if (rc != 0)
		return rc;
	struct json m = json_member(obj, key);
	if (m.node == NULL)
		return err_set(err, ERR_PARSE, "%s: missing", path_of(&m));
	*ret = m;
	return 0;
}

int json_obj(const struct json *obj, const char *key, struct json *ret, struct err *err)
{
	return member(obj, key, JSON_OBJECT, ret, err);
}

int json_arr(const struct json *obj, const char *key, struct json *ret, size_t *ret_n, struct err *err)
{
	int rc = member(obj, key, JSON_ARRAY, ret, err);
	if (rc == 0 && ret_n != NULL)
		*ret_n = json_count(ret);
	return rc;
}

int json_str(const struct json *obj, const char *key, size_t max_len, const char **ret, struct err *err)
{
	struct json m;
	int rc = member(obj, key, JSON_STRING, &m, err);
	return rc == 0 ? json_as_str(&m, max_len, ret, err) : rc;
}

int json_int(const struct json *obj, const char *key, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	struct json m;
	int rc = member(obj, key, JSON_NUMBER, &m, err);
	return rc == 0 ? json_as_int(&m, min, max, ret, err) : rc;
}

int json_bool(const struct json *obj, const char *key, bool *ret, struct err *err)
{
	struct json m;
	int rc = member(obj, key, JSON_BOOL, &m, err);
	if (rc == 0)
		*ret = json_is_true(&m);
	return rc;
}

int json_obj_opt(const struct json *obj, const char *key, struct json *ret, struct err *err)
{
	return member_opt(obj, key, JSON_OBJECT, ret, err);
}

int json_arr_opt(const struct json *obj, const char *key, struct json *ret, size_t *ret_n, struct err *err)
{
	int rc = member_opt(obj, key, JSON_ARRAY, ret, err);
	if (rc == 0 && ret_n != NULL)
		*ret_n = json_count(ret);
	return rc;
}

int json_str_opt(const struct json *obj, const char *key, size_t max_len, const char *dflt, const char **ret, struct err *err)
{
	struct json m;
	int rc = member_opt(obj, key, JSON_STRING, &m, err);
	if (rc != 0)
		return rc;
	if (m.node != NULL)
		return json_as_str(&m, max_len, ret, err);
	*ret = dflt;
	return 0;
}

int json_int_opt(const struct json *obj, const char *key, int64_t min, int64_t max, int64_t dflt, int64_t *ret, struct err *err)
{
	struct json m;
	int rc = member_opt(obj, key, JSON_NUMBER, &m, err);
	if (rc != 0)
		return rc;
	if (m.node != NULL)
		return json_as_int(&m, min, max, ret, err);
	*ret = dflt;
	return 0;
}

int json_bool_opt(const struct json *obj, const char *key, bool dflt, bool *ret, struct err *err)
{
	struct json m;
	int rc = member_opt(obj, key, JSON_BOOL, &m, err);
	if (rc == 0)
		*ret = m.node != NULL ? json_is_true(&m) : dflt;
	return rc;
}
