#include "runner/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

/* The rows of the two registries that are not globally reachable, and those that say nothing certain about it:
 * https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry (RFC 6890 and what updates it), and
 * multicast. Of IPv6 only 2000::/3 is given out at all; the last row catches the rest. */
struct row {
	const char *base;
	unsigned bits;
	const char *what;
};

static const struct row v4_rows[] = {
	{"0.0.0.0", 8, "it means this host (RFC 791)"},
	{"10.0.0.0", 8, "it is for private use (RFC 1918)"},
	{"100.64.0.0", 10, "it is shared by the customers of a carrier (RFC 6598)"},
	{"127.0.0.0", 8, "it is a loopback address (RFC 1122)"},
	{"169.254.0.0", 16, "it is link-local (RFC 3927)"},
	{"172.16.0.0", 12, "it is for private use (RFC 1918)"},
	{"192.0.0.0", 24, "it is for protocols (RFC 6890)"},
	{"192.0.2.0", 24, "it is for documentation (RFC 5737)"},
	{"192.88.99.0", 24, "it is for relays between IPv4 and IPv6 (RFC 7526)"},
	{"192.168.0.0", 16, "it is for private use (RFC 1918)"},
	{"198.18.0.0", 15, "it is for benchmarks (RFC 2544)"},
	{"198.51.100.0", 24, "it is for documentation (RFC 5737)"},
	{"203.0.113.0", 24, "it is for documentation (RFC 5737)"},
	{"224.0.0.0", 4, "it is multicast (RFC 5771)"},
	{"240.0.0.0", 4, "it is reserved (RFC 1112), or broadcast (RFC 919)"},
};

static const struct row v6_rows[] = {
	{"::1", 128, "it is the loopback address (RFC 4291)"},
	{"::", 128, "it is no address (RFC 4291)"},
	{"::ffff:0:0", 96, "it is an IPv4 address in disguise (RFC 4291)"},
	{"::", 96, "it is an IPv4 address in disguise (RFC 4291)"},
	{"64:ff9b::", 96, "it is a translated IPv4 address (RFC 6052)"},
	{"64:ff9b:1::", 48, "it is a translated IPv4 address (RFC 8215)"},
	{"100::", 64, "what is sent there is thrown away (RFC 6666)"},
	{"2001::", 23, "it is for protocols, such as tunnels (RFC 2928)"},
	{"2001:db8::", 32, "it is for documentation (RFC 3849)"},
	{"2002::", 16, "it is an IPv4 address in disguise (RFC 3056)"},
	{"2620:4f:8000::", 48, "it is for answers about private addresses (RFC 7534)"},
	{"3fff::", 20, "it is for documentation (RFC 9637)"},
	{"5f00::", 16, "it is for segment routing (RFC 9602)"},
	{"fc00::", 7, "it is for private use (RFC 4193)"},
	{"fe80::", 10, "it is link-local (RFC 4291)"},
	{"fec0::", 10, "it is site-local (RFC 3879)"},
	{"ff00::", 8, "it is multicast (RFC 4291)"},
};

static const char *const metadata[] = {
	"169.254.169.254", /* all large clouds */
	"169.254.170.2",   /* AWS: containers */
	"169.254.170.23",  /* AWS: pods */
	"100.100.100.200", /* Alibaba */
	"fd00:ec2::254",   /* AWS */
	"fd00:ec2::23",    /* AWS: pods */
	"fd20:ce::254",    /* Google */
};

static unsigned width(const struct address *a) { return a->v6 ? 128 : 32; }

static bool parse_bytes(const char *text, struct address *ret)
{
	*ret = (struct address){.v6 = strchr(text, ':') != NULL};
	return inet_pton(ret->v6 ? AF_INET6 : AF_INET, text, ret->bytes) == 1;
}

static bool is_mapped(const struct address *a)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
	return a->v6 && memcmp(a->bytes, prefix, sizeof(prefix)) == 0;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

char *address_text(const struct address *a, char out[ADDRESS_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";
	(void)inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, host, sizeof(host)); /* the buffer is large enough */
	if (a->port == 0)
		(void)snprintf(out, ADDRESS_TEXT_SIZE, "%s", host);
	else
		(void)snprintf(out, ADDRESS_TEXT_SIZE, a->v6 ? "[%s]:%u" : "%s:%u", host, a->port);
	return out;
}

static int parse_host(const char *text, struct address *ret, struct err *err)
{
	if (!parse_bytes(text, ret))
		return err_set(err, ERR_PARSE, "\"%.80s\" is not an IP address", text);
	if (is_mapped(ret))
		return err_set(err, ERR_PARSE, "\"%.80s\" is an IPv4 address written as IPv6: write the IPv4 one", text);
	return 0;
}

int address_parse(const char *text, struct address *ret, struct err *err)
{
	struct address a;
	int64_t port;
	bool bracket = text[0] == '[';
	const char *end = bracket ? strstr(text, "]:") : strrchr(text, ':');
	if (end == NULL)
		return err_set(err, ERR_PARSE, "\"%.80s\" is not ADDRESS:PORT", text);
	CLEANUP_FREE char *host = xstrndup(text + bracket, (size_t)(end - text) - bracket);
	if (!bracket && strchr(host, ':') != NULL)
		return err_set(err, ERR_PARSE, "\"%.80s\": an IPv6 address stands in brackets, as in [2001:db8::1]:443", text);
	int rc = parse_host(host, &a, err);
	if (rc == 0 && a.v6 != bracket)
		rc = err_set(err, ERR_PARSE, "\"%.80s\": brackets are for IPv6 addresses", text);
	if (rc == 0 && text_int(end + 1 + bracket, 1, 65535, &port, NULL) != 0)
		rc = err_set(err, ERR_PARSE, "\"%.80s\": a port is a number from 1 to 65535", text);
	if (rc != 0)
		return rc;
	a.port = (uint16_t)port;
	*ret = a;
	return 0;
}

int address_range_parse(const char *text, struct address_range *ret, struct err *err)
{
	struct address_range r = {0};
	int64_t bits;
	const char *slash = strchr(text, '/');
	CLEANUP_FREE char *host = xstrndup(text, slash != NULL ? (size_t)(slash - text) : strlen(text));
	int rc = parse_host(host, &r.base, err);
	if (rc != 0)
		return rc;
	bits = width(&r.base);
	if (slash != NULL && text_int(slash + 1, 0, width(&r.base), &bits, NULL) != 0)
		return err_set(err, ERR_PARSE, "\"%.80s\": behind the / stands a number of bits from 0 to %u", text, width(&r.base));
	r.bits = (unsigned)bits;
	for (unsigned i = r.bits; i < width(&r.base); i++)
		if ((r.base.bytes[i / 8] & 0x80u >> i % 8) != 0)
			return err_set(err, ERR_PARSE, "\"%.80s\": bits are set behind the first %u", text, r.bits);
	*ret = r;
	return 0;
}

bool address_in(const struct address *a, const struct address_range *range)
{
	return a->v6 == range->base.v6 && same_prefix(a->bytes, range->base.bytes, range->bits);
}

bool address_same_host(const struct address *a, const struct address *b)
{
	return a->v6 == b->v6 && same_prefix(a->bytes, b->bytes, width(a));
}

const char *address_not_public(const struct address *a)
{
	const struct row *rows = a->v6 ? v6_rows : v4_rows;
	size_t n = a->v6 ? ARRAY_LEN(v6_rows) : ARRAY_LEN(v4_rows);
	for (size_t i = 0; i < n; i++) {
		struct address base;
		ASSERT(parse_bytes(rows[i].base, &base));
		if (same_prefix(a->bytes, base.bytes, rows[i].bits))
			return rows[i].what;
	}
	return a->v6 && a->bytes[0] >> 5 != 1 ? "it is outside of what has been given out (RFC 4291)" : NULL;
}

bool address_is_metadata(const struct address *a)
{
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++) {
		struct address m;
		ASSERT(parse_bytes(metadata[i], &m));
		if (address_same_host(a, &m))
			return true;
	}
	return false;
}

bool address_from_socket(const struct sockaddr *from, struct address *ret)
{
	if (from->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof(in));
		*ret = (struct address){.port = ntohs(in.sin_port)};
		memcpy(ret->bytes, &in.sin_addr, sizeof(in.sin_addr));
		return true;
	}
	if (from->sa_family == AF_INET6) {
		struct sockaddr_in6 in;
		memcpy(&in, from, sizeof(in));
		*ret = (struct address){.v6 = true, .port = ntohs(in.sin6_port)};
		memcpy(ret->bytes, &in.sin6_addr, sizeof(in.sin6_addr));
		return true;
	}
	return false;
}

socklen_t address_to_socket(const struct address *a, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	memcpy(&v4.sin_addr, a->bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, a->bytes, sizeof(v6.sin6_addr));
	*ret = (struct sockaddr_storage){0};
	memcpy(ret, a->v6 ? (const void *)&v6 : &v4, a->v6 ? sizeof(v6) : sizeof(v4));
	return a->v6 ? sizeof(v6) : sizeof(v4);
}
