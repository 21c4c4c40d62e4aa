/* What an engine's error output says in one line. */
#include "plan/render_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

enum { TITLE_BYTES = 160, PLACE_BYTES = 200, LINES_LOOKED_AT = 200 };

/* Terraform frames its errors with a bar and spaces where it thinks of a terminal. */
static char *line_take(const char **s)
{
	const char *start = *s, *end = strchr(start, '\n');
	size_t n = end != NULL ? (size_t)(end - start) : strlen(start);
	*s = end != NULL ? end + 1 : start + n;
	struct buf clean = {0};
	text_clean(&clean, start, n);
	const char *p = buf_str(&clean);
	for (;;) {
		if (text_starts(p, "\xe2\x94\x82") || text_starts(p, "\xe2\x95\xb7") || text_starts(p, "\xe2\x95\xb5"))
			p += 3;
		else if (*p == ' ' || *p == '\t')
			p++;
		else
			break;
	}
	char *line = xstrdup(p);
	buf_free(&clean);
	return line;
}

/* "on dns/main.tf line 14, in resource ..." */
static char *place_read(const char *line)
{
	const char *number = strstr(line, " line ");
	if (!text_starts(line, "on ") || number == NULL || (size_t)(number - line) > PLACE_BYTES)
		return NULL;
	size_t digits = strspn(number + 6, "0123456789");
	if (digits == 0 || digits > 9)
		return NULL;
	return xasprintf("%.*s:%.*s", (int)(number - line - 3), line + 3, (int)digits, number + 6);
}

/* "with aws_db_instance.main," */
static char *address_read(const char *line)
{
	size_t len = strlen(line);
	if (!text_starts(line, "with ") || len < 7 || len > PLACE_BYTES || line[len - 1] != ',' || strchr(line, '.') == NULL)
		return NULL;
	return xstrndup(line + 5, len - 6);
}

static void title_set(struct error_brief *b, const char *line)
{
	free(b->title);
	size_t n = strlen(line), cut = text_cut(line, n, TITLE_BYTES);
	b->title = xasprintf("%.*s%s", (int)cut, line, cut < n ? "..." : "");
}

void error_brief_read(const char *text, struct error_brief *ret)
{
	*ret = (struct error_brief){0};
	bool named = false;
	for (int i = 0; *text != '\0' && i < LINES_LOOKED_AT; i++) {
		CLEANUP_FREE char *line = line_take(&text);
		bool error = text_starts(line, "Error: ");
		if (error && named)
			break; /* the place and address of a second error are not the first one's */
		if (error)
			title_set(ret, line + 7);
		else if (ret->title == NULL && line[0] != '\0')
			title_set(ret, line);
		named = named || error;
		if (named && ret->place == NULL)
			ret->place = place_read(line);
		if (named && ret->address == NULL)
			ret->address = address_read(line);
	}
	if (ret->title == NULL)
		ret->title = xstrdup("no reason was given");
}

void error_brief_free(struct error_brief *b)
{
	free(b->title);
	free(b->place);
	free(b->address);
	*b = (struct error_brief){0};
}
