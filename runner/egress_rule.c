#include "base/text.h"
#include "runner/egress_priv.h"

#include <stdio.h>

static const char scheme_mark[] = "://";

static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* ---- names ---- */

static const char *label_wrong(const char *label, size_t len, bool star)
{
	size_t stars = 0;
	if (len == 0)
		return "has an empty label";
	if (len > HOST_LABEL_MAX)
		return "has a label of more than 63 characters";
	if (label[0] == '-' || label[len - 1] == '-')
		return "has a label that begins or ends with a hyphen";
	for (size_t i = 0; i < len; i++) {
		stars += label[i] == '*';
		if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-' && !(star && label[i] == '*'))
			return "holds a character that no host name has";
	}
	return stars > 1 ? "has more than one * in a label" : NULL;
}

/* Forms of IP addresses that some resolver takes (2852039166, 0x7f.1) end in a label that begins with a digit; no top-level domain does. */
static const char *last_label_wrong(const char *label) { return is_digit(label[0]) ? "is an address, or ends like one" : NULL; }

const char *egress_host_read(const char *text, size_t len, bool star, char ret[HOST_MAX + 1])
{
	char host[HOST_MAX + 1];
	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0)
		return "is empty";
	if (len > HOST_MAX)
		return "has more than 253 characters";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			return "is not ASCII: write its xn-- form";
		host[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	}
	host[len] = '\0';
	if (strlen(host) != len)
		return "holds a NUL";
	const char *label = host;
	for (;;) {
		size_t n = strcspn(label, ".");
		const char *wrong = label_wrong(label, n, star);
		if (wrong == NULL && label[n] == '\0')
			wrong = last_label_wrong(label);
		if (wrong != NULL)
			return wrong;
		if (label[n] == '\0')
			break;
		label += n + 1;
	}
	memcpy(ret, host, len + 1);
	return NULL;
}

/* At most one `*` a label, so that a label fits by what stands before and behind it. */
static bool label_fits(const char *pattern, size_t pattern_len, const char *label, size_t len)
{
	const char *star = memchr(pattern, '*', pattern_len);
	if (star == NULL)
		return pattern_len == len && memcmp(pattern, label, len) == 0;
	size_t before = (size_t)(star - pattern), behind = pattern_len - before - 1;
	return len > before + behind && memcmp(pattern, label, before) == 0 && memcmp(star + 1, label + len - behind, behind) == 0;
}

bool egress_name_fits(const char *pattern, const char *host)
{
	for (;;) {
		size_t p = strcspn(pattern, "."), h = strcspn(host, ".");
		if (!label_fits(pattern, p, host, h))
			return false;
		if (pattern[p] == '\0' || host[h] == '\0')
			return pattern[p] == host[h];
		pattern += p + 1;
		host += h + 1;
	}
}

/* ---- one rule ---- */

/* `*.com` and `*` would be no rule but the lack of one. */
static bool is_too_wide(const char *host)
{
	const char *last = strrchr(host, '.');
	if (last == NULL)
		return strchr(host, '*') != NULL;
	const char *second = memrchr(host, '.', (size_t)(last - host));
	return strchr(second != NULL ? second : host, '*') != NULL;
}

static int read_pin(const char *text, const char *pin, struct egress_rule *r, struct err *err)
{
	enum { V4_BITS_MIN = 8, V6_BITS_MIN = 7 };
	int rc;
	/* ADDRESS:PORT has a bracket, or exactly one colon */
	const char *colon = strchr(pin, ':');
	bool to = pin[0] == '[' || (colon != NULL && strchr(colon + 1, ':') == NULL);
	r->pin = to ? PIN_TO : PIN_RANGE;
	rc = to ? address_parse(pin, &r->to, err) : address_range_parse(pin, &r->range, err);
	if (rc != 0)
		return err_wrap(err, "\"%.80s\": the pin behind =, which is CIDR or ADDRESS:PORT", text);
	if (!to && r->range.bits < (r->range.base.v6 ? V6_BITS_MIN : V4_BITS_MIN))
		return err_set(err, ERR_REFUSED, "\"%.80s\": a pin has at least %d bits (IPv6: %d)", text, V4_BITS_MIN, V6_BITS_MIN);
	if (address_is_metadata(to ? &r->to : &r->range.base))
		return err_set(err, ERR_REFUSED, "\"%.80s\": no rule opens the metadata service of a cloud: it hands out credentials",
			       text);
	return 0;
}

static int host_refused(const char *text, const char *host, const char *why, struct err *err)
{
	bool address = host[0] == '[' || (is_digit(host[0]) && host[strspn(host, "0123456789.")] == '\0');
	if (address)
		return err_set(err, ERR_PARSE, "\"%.80s\": a rule names a host, not an address; HOST:PORT=ADDRESS:PORT says where HOST is",
			       text);
	return err_set(err, ERR_PARSE, "\"%.80s\": the host %s", text, why);
}

/* name: what stands before the pin. */
static int read_name(const char *text, const char *name, struct egress_rule *r, struct err *err)
{
	int64_t port;
	const char *scheme = strstr(name, scheme_mark);
	if (scheme != NULL)
		return err_set(err, ERR_PARSE, "\"%.80s\" is a URL: write HOST:PORT alone, as in \"%.*s:443\"", text,
			       (int)strcspn(scheme + strlen(scheme_mark), ":/"), scheme + strlen(scheme_mark));
	if (strchr(name, '/') != NULL)
		return err_set(err, ERR_PARSE, "\"%.80s\" has a path: a rule is HOST:PORT, what is asked for inside is encrypted", text);
	if (strchr(name, '@') != NULL)
		return err_set(err, ERR_PARSE, "\"%.80s\" names a user: a rule is HOST:PORT", text);
	if (strcmp(name, "*") == 0)
		return err_set(err, ERR_REFUSED, "\"*\" would open everything: name hosts, as in \"sts.*.amazonaws.com:443\"");
	const char *colon = strrchr(name, ':');
	if (colon == NULL || name[0] == '\0' || colon == name)
		return err_set(err, ERR_PARSE, "\"%.80s\" is not HOST:PORT%s", text,
			       colon == NULL && name[0] != '\0' ? ": the port is missing" : "");
	CLEANUP_FREE char *host = xstrndup(name, (size_t)(colon - name));
	const char *why = egress_host_read(host, strlen(host), true, r->host);
	if (why != NULL)
		return host_refused(text, host, why, err);
	if (!is_digit(colon[1]) || colon[1] == '0' || text_int(colon + 1, 1, 65535, &port, NULL) != 0)
		return err_set(err, ERR_PARSE, "\"%.80s\": a port is a number from 1 to 65535", text);
	if (is_too_wide(r->host))
		return err_set(err, ERR_REFUSED,
			       "\"%.80s\" is too wide: the last two labels of the host are written out, as in \"*.example.com:443\"", text);
	r->port = (uint16_t)port;
	return 0;
}

int egress_rule_parse(const char *text, struct egress_rule *ret, struct err *err)
{
	struct egress_rule r = {0};
	const char *pin = strchr(text, '=');
	CLEANUP_FREE char *name = xstrndup(text, pin != NULL ? (size_t)(pin - text) : strlen(text));
	int rc = read_name(text, name, &r, err);
	if (rc == 0 && pin != NULL)
		rc = read_pin(text, pin + 1, &r, err);
	if (rc == 0)
		*ret = r;
	return rc;
}

int egress_rule_check(const char *rule, struct err *err)
{
	struct egress_rule r;
	return egress_rule_parse(rule, &r, err);
}

static bool same_pin(const struct egress_rule *a, const struct egress_rule *b)
{
	if (a->pin != b->pin)
		return false;
	switch (a->pin) {
	case PIN_RANGE: return a->range.bits == b->range.bits && address_same_host(&a->range.base, &b->range.base);
	case PIN_TO: return a->to.port == b->to.port && address_same_host(&a->to, &b->to);
	case PIN_NONE: break;
	}
	return true;
}

/* A `*` in the wanted name is a character like others here: only a `*` of the allowed one takes it, which is right, as both stand for one
 * character or more of a label. */
char *egress_rule_narrow(const char *allowed, const char *wanted)
{
	struct egress_rule a, w;
	if (egress_rule_parse(allowed, &a, NULL) != 0 || egress_rule_parse(wanted, &w, NULL) != 0)
		return NULL;
	if (a.port != w.port || !egress_name_fits(a.host, w.host))
		return NULL;
	if (w.pin != PIN_NONE && !(same_pin(&a, &w) && strcmp(a.host, w.host) == 0))
		return NULL;
	const char *pin = strchr(allowed, '=');
	return xasprintf("%s:%u%s", w.host, w.port, pin != NULL ? pin : "");
}

bool egress_rule_covers(const char *allowed, const char *wanted)
{
	CLEANUP_FREE char *rule = egress_rule_narrow(allowed, wanted);
	return rule != NULL;
}

/* ---- all rules of a job ---- */

int egress_rules_parse(const char *lines, struct egress_rules *ret, struct err *err)
{
	struct strlist list = {0};
	struct egress_rules rules = {0};
	int rc = 0;
	text_split_lines(lines, &list);
	if (list.n > LIMIT_EGRESS_RULES)
		rc = err_set(err, ERR_LIMIT, "%zu egress rules; at most " LIMIT_TEXT(LIMIT_EGRESS_RULES), list.n);
	if (rc == 0)
		rules.v = xcalloc(list.n > 0 ? list.n : 1, sizeof(*rules.v));
	for (size_t i = 0; rc == 0 && i < list.n; i++)
		rc = egress_rule_parse(list.v[i], &rules.v[rules.n++], err);
	strlist_free(&list);
	if (rc == 0)
		*ret = rules;
	else
		egress_rules_free(&rules);
	return rc;
}

void egress_rules_free(struct egress_rules *rules)
{
	free(rules->v);
	*rules = (struct egress_rules){0};
}

bool egress_rules_match(const struct egress_rules *rules, const char *host, uint16_t port, struct egress_match *ret)
{
	struct egress_match m = {.rules = rules, .host = host, .port = port};
	bool any = false;
	for (size_t i = 0; i < rules->n; i++) {
		const struct egress_rule *r = &rules->v[i];
		if (r->port != port || !egress_name_fits(r->host, host))
			continue;
		bool whole = strcmp(r->host, host) == 0;
		if (whole && !m.whole)
			m.to = NULL; /* what a wider rule said does not count any more */
		m.whole |= whole;
		any = true;
		if (r->pin == PIN_TO && m.to == NULL && whole == m.whole)
			m.to = &r->to;
	}
	*ret = m;
	return any;
}
