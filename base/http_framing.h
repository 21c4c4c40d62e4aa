/* Where a request ends, as its own headers say. Two readers that disagree about it are how one request is hidden in another: what could be read in
 * two ways is not read at all. Pure. */
#ifndef BASE_HTTP_FRAMING_H
#define BASE_HTTP_FRAMING_H

#include <stdbool.h>

struct http_framing {
	unsigned lengths, codings; /* headers that speak of it */
	bool odd;                  /* one that others may read differently */
};

void http_framing_header(struct http_framing *f, const char *name, const char *value); /* each of the request */
bool http_framing_is_clear(const struct http_framing *f);

#endif
