#include "base/http_framing.h"

#include <string.h>
#include <strings.h>

void http_framing_header(struct http_framing *f, const char *name, const char *value)
{
	if (name[0] == '\0' || strpbrk(name, " \t") != NULL) /* "Content-Length : 5" is a length for some */
		f->odd = true;
	if (strcasecmp(name, "Content-Length") == 0) {
		f->lengths++;
		f->odd = f->odd || value[0] == '\0' || value[strspn(value, "0123456789")] != '\0';
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		f->codings++;
		f->odd = f->odd || strcasecmp(value, "chunked") != 0;
	}
}

bool http_framing_is_clear(const struct http_framing *f) { return !f->odd && f->lengths + f->codings <= 1; }
