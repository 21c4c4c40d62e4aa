/* Input: two rules, one a line. A rule that is taken says the same when it is written again, covers itself, and covers only what it opens. */
#include "runner/egress_priv.h"
#include "tests/fuzz/fuzz.h"

/* A name that a pattern opens: each `*` becomes this. */
static void example_of(const char *pattern, const char *star, struct buf *out)
{
	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*')
			buf_adds(out, star);
		else
			buf_addc(out, *pattern);
	}
}

static void one_rule(const char *text)
{
	struct egress_rule r, again;
	struct err err = {0};
	if (egress_rule_parse(text, &r, &err) != 0) {
		ASSERT(err.msg[0] != '\0' && !egress_rule_covers(text, text));
		return;
	}
	CLEANUP_FREE char *same = egress_rule_narrow(text, text);
	ASSERT(same != NULL && egress_rule_parse(same, &again, NULL) == 0);
	ASSERT(strcmp(r.host, again.host) == 0 && r.port == again.port && r.pin == again.pin);
	ASSERT(r.pin != PIN_RANGE || (r.range.bits == again.range.bits && address_same_host(&r.range.base, &again.range.base)));
	ASSERT(r.pin != PIN_TO || (r.to.port == again.to.port && address_same_host(&r.to, &again.to)));
	CLEANUP_BUF struct buf name = {0};
	example_of(r.host, "x", &name);
	ASSERT(egress_name_fits(r.host, buf_str(&name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const stars[] = {"a", "b-c", "xn--1", "0"};
	if (size > 2048)
		return 0;
	CLEANUP_FREE char *allowed = xstrndup((const char *)data, size);
	char *wanted = strchr(allowed, '\n');
	if (wanted != NULL)
		*wanted++ = '\0';
	one_rule(allowed);
	if (wanted == NULL)
		return 0;
	one_rule(wanted);
	struct egress_rule a, w;
	CLEANUP_FREE char *effective = egress_rule_narrow(allowed, wanted);
	if (effective == NULL)
		return 0;
	ASSERT(egress_rule_parse(allowed, &a, NULL) == 0 && egress_rule_parse(effective, &w, NULL) == 0);
	ASSERT(a.port == w.port && a.pin == w.pin);
	for (size_t i = 0; i < ARRAY_LEN(stars); i++) {
		CLEANUP_BUF struct buf name = {0};
		example_of(w.host, stars[i], &name);
		ASSERT(egress_name_fits(a.host, buf_str(&name)));
	}
	return 0;
}
