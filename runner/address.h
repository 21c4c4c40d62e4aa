/* Step 7. Which network addresses a job may be let out to by name alone: those that the registries call globally reachable. Pure. */
#ifndef RUNNER_ADDRESS_H
#define RUNNER_ADDRESS_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	bool v6;
	uint16_t port;     /* host order; 0: not said */
	uint8_t bytes[16]; /* of v4 the first four */
};

struct address_range {
	struct address base; /* bits behind the prefix are zero */
	unsigned bits;
};

enum { ADDRESS_TEXT_SIZE = 64 };

/* "192.0.2.1:443", "[2001:db8::1]:443"; without port where that is 0: "192.0.2.1", "2001:db8::1". Returns out. */
char *address_text(const struct address *a, char out[ADDRESS_TEXT_SIZE]);
/* ADDRESS:PORT or [ADDRESS]:PORT; a mapped IPv6 address is not taken for the IPv4 one it means. */
int address_parse(const char *text, struct address *ret, struct err *err) MUST_CHECK;
/* ADDRESS/BITS, or an address alone, which is a range of one. */
int address_range_parse(const char *text, struct address_range *ret, struct err *err) MUST_CHECK;
bool address_in(const struct address *a, const struct address_range *range);
bool address_same_host(const struct address *a, const struct address *b);

/* NULL for a public address; else what it is, as in "it is for private use". */
const char *address_not_public(const struct address *a);
/* Where clouds hand credentials to whoever asks: no rule opens it. */
bool address_is_metadata(const struct address *a);

/* false: neither IPv4 nor IPv6. */
bool address_from_socket(const struct sockaddr *from, struct address *ret);
socklen_t address_to_socket(const struct address *a, struct sockaddr_storage *ret);

#endif
