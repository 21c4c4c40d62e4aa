#include "base/text.h"
#include "runner/egress_priv.h"

#include <ifaddrs.h>
#include <string.h>

int egress_deny_parse(const char *lines, struct egress_deny *ret, struct err *err)
{
	struct strlist list = {0};
	struct egress_deny deny = {0};
	int rc = 0;
	text_split_lines(lines, &list);
	deny.v = xcalloc(list.n > 0 ? list.n : 1, sizeof(*deny.v));
	for (size_t i = 0; rc == 0 && i < list.n; i++)
		rc = address_parse(list.v[i], &deny.v[deny.n++], err);
	strlist_free(&list);
	if (rc == 0)
		*ret = deny;
	else
		egress_deny_free(&deny);
	return rc;
}

void egress_deny_free(struct egress_deny *deny)
{
	free(deny->v);
	*deny = (struct egress_deny){0};
}

static bool is_of_this_host(const struct address *a)
{
	struct ifaddrs *all = NULL;
	bool found = !a->v6 && a->bytes[0] == 127;
	if (getifaddrs(&all) != 0)
		return true; /* not known is not no */
	for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
		struct address own;
		found = i->ifa_addr != NULL && address_from_socket(i->ifa_addr, &own) && address_same_host(&own, a);
	}
	freeifaddrs(all);
	return found;
}

/* A listener on 0.0.0.0 or [::] is reached at each address of this host. Connecting to 0.0.0.0 is connecting to this host. */
static bool is_denied(const struct address *a, const struct egress_deny *deny)
{
	static const struct address any;
	bool to_any = memcmp(a->bytes, any.bytes, sizeof(any.bytes)) == 0;
	for (size_t i = 0; i < deny->n; i++) {
		const struct address *d = &deny->v[i];
		if (d->port != a->port)
			continue;
		if (to_any || address_same_host(d, a))
			return true;
		if (memcmp(d->bytes, any.bytes, sizeof(any.bytes)) == 0 && (d->v6 || !a->v6) && is_of_this_host(a))
			return true;
	}
	return false;
}

/* Is it in the range of a rule for this name; and is one of these rules without a pin? */
static bool is_pinned_in(const struct egress_match *m, const struct address *a, bool *ret_unpinned)
{
	*ret_unpinned = false;
	for (size_t i = 0; i < m->rules->n; i++) {
		const struct egress_rule *r = &m->rules->v[i];
		bool whole = strcmp(r->host, m->host) == 0;
		if (r->port != m->port || (m->whole ? !whole : !egress_name_fits(r->host, m->host)))
			continue;
		if (r->pin == PIN_RANGE && address_in(a, &r->range))
			return true;
		*ret_unpinned |= r->pin == PIN_NONE;
	}
	return false;
}

enum egress_verdict egress_judge(const struct egress_match *m, const struct address *a, const struct egress_deny *deny, struct buf *why)
{
	struct address host = *a;
	char text[ADDRESS_TEXT_SIZE];
	bool unpinned;
	host.port = 0;
	(void)address_text(&host, text);
	if (is_denied(a, deny)) {
		buf_printf(why, "%s:%u leads to sluice's own listener at %s, which no rule opens", m->host, m->port, text);
		return VERDICT_OWN_LISTENER;
	}
	if (address_is_metadata(a)) {
		buf_printf(why, "%s:%u is at %s, the metadata service of a cloud, which no rule opens", m->host, m->port, text);
		return VERDICT_METADATA;
	}
	if (m->to != NULL || is_pinned_in(m, a, &unpinned))
		return VERDICT_OK;
	if (!unpinned) {
		buf_printf(why, "%s:%u is at %s, which is outside of the pin of its rule", m->host, m->port, text);
		return VERDICT_OUTSIDE_PIN;
	}
	const char *what = address_not_public(a);
	if (what == NULL)
		return VERDICT_OK;
	buf_printf(why, "%s:%u is at %s, which is not public: %s; if this is meant, pin it: %s:%u=%s", m->host, m->port, text, what,
		   m->host, m->port, text);
	return VERDICT_NOT_PUBLIC;
}
