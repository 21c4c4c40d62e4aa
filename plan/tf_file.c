#include "plan/tf_file.h"

#include "base/buf.h"
#include "base/limits.h"
#include "plan/hcl.h"

#include <ctype.h>

enum { MODES_MAX = 32, DEPTH_MAX = 64 };

/* ---- tokens ---- */

enum token { T_END, T_BAD, T_NEWLINE, T_WORD, T_STRING, T_PUNCT };
enum mode_kind { MODE_STRING, MODE_HEREDOC, MODE_CODE };

struct mode {
	enum mode_kind kind;
	unsigned braces;
	const char *end; /* MODE_HEREDOC: the word that ends it */
	size_t end_len;
	bool line_start;
};

struct lexer {
	const char *p, *limit;
	int line;
	const char *tok; /* of the last token */
	size_t tok_len;
	int tok_line;
};

static char peek(const struct lexer *l, size_t ahead) { return (size_t)(l->limit - l->p) > ahead ? l->p[ahead] : '\0'; }

static bool is_word_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-' || (unsigned char)c >= 0x80; }

static void advance(struct lexer *l, size_t n)
{
	for (; n > 0 && l->p < l->limit; n--)
		l->line += *l->p++ == '\n';
}

static bool skip_comment(struct lexer *l)
{
	if (*l->p == '#' || (*l->p == '/' && peek(l, 1) == '/')) {
		const char *end = memchr(l->p, '\n', (size_t)(l->limit - l->p));
		l->p = end != NULL ? end : l->limit;
		return true;
	}
	if (*l->p != '/' || peek(l, 1) != '*')
		return false;
	const char *end = memmem(l->p + 2, (size_t)(l->limit - l->p) - 2, "*/", 2);
	advance(l, end != NULL ? (size_t)(end + 2 - l->p) : (size_t)(l->limit - l->p));
	return true;
}

/* Past "<<WORD\n" or "<<-WORD\n"; false, and nowhere, when it is none. */
static bool open_heredoc(struct lexer *l, struct mode *m)
{
	const char *p = l->p + 2;
	p += p < l->limit && *p == '-';
	const char *word = p;
	while (p < l->limit && is_word_char(*p))
		p++;
	size_t n = (size_t)(p - word);
	p += p < l->limit && *p == '\r';
	if (n == 0 || p >= l->limit || *p != '\n')
		return false;
	*m = (struct mode){.kind = MODE_HEREDOC, .end = word, .end_len = n, .line_start = true};
	advance(l, (size_t)(p + 1 - l->p));
	return true;
}

/* True, and past it, when the here document ends on this line. */
static bool heredoc_ends(struct lexer *l, const struct mode *m)
{
	const char *p = hcl_heredoc_end(l->p, l->limit, m->end, m->end_len);
	if (p != NULL)
		l->p = p;
	return p != NULL;
}

/* One step in a template; pops it when it ended. */
static bool template_step(struct lexer *l, struct mode *modes, size_t *n)
{
	struct mode *m = &modes[*n - 1];
	char c = *l->p;
	bool heredoc = m->kind == MODE_HEREDOC;
	if (heredoc && m->line_start && heredoc_ends(l, m)) {
		(*n)--;
		return true;
	}
	m->line_start = c == '\n';
	if ((c == '$' || c == '%') && peek(l, 1) == c && peek(l, 2) == '{') {
		advance(l, 3);
	} else if ((c == '$' || c == '%') && peek(l, 1) == '{') {
		advance(l, 2);
		if (*n == MODES_MAX)
			return false;
		modes[(*n)++] = (struct mode){.kind = MODE_CODE};
	} else if (!heredoc && c == '\\') {
		advance(l, 2);
	} else if (!heredoc && c == '"') {
		advance(l, 1);
		(*n)--;
	} else if (!heredoc && c == '\n') {
		return false;
	} else {
		advance(l, 1);
	}
	return true;
}

/* One step in the code of an interpolation. */
static bool code_step(struct lexer *l, struct mode *modes, size_t *n)
{
	struct mode *m = &modes[*n - 1];
	char c = *l->p;
	if (skip_comment(l))
		return true;
	if (c == '"' || (c == '<' && peek(l, 1) == '<')) {
		struct mode inner = {.kind = MODE_STRING};
		if (*n == MODES_MAX || (c == '<' && !open_heredoc(l, &inner)))
			return false;
		if (c == '"')
			advance(l, 1);
		modes[(*n)++] = inner;
		return true;
	}
	if (c == '{')
		m->braces++;
	else if (c == '}' && m->braces-- == 0)
		(*n)--;
	advance(l, 1);
	return true;
}

/* Past a quoted text or a here document, whatever is nested in it. */
static bool skip_template(struct lexer *l)
{
	struct mode modes[MODES_MAX] = {{.kind = MODE_STRING}};
	size_t n = 1;
	if (*l->p == '"')
		advance(l, 1);
	else if (!open_heredoc(l, &modes[0]))
		return false;
	while (n > 0) {
		if (l->p >= l->limit)
			return false;
		if (!(modes[n - 1].kind == MODE_CODE ? code_step(l, modes, &n) : template_step(l, modes, &n)))
			return false;
	}
	return true;
}

static enum token next_token(struct lexer *l)
{
	while (l->p < l->limit && (*l->p == ' ' || *l->p == '\t' || *l->p == '\r' || skip_comment(l)))
		l->p += l->p < l->limit && (*l->p == ' ' || *l->p == '\t' || *l->p == '\r');
	l->tok = l->p;
	l->tok_len = 0;
	l->tok_line = l->line;
	if (l->p >= l->limit)
		return T_END;
	enum token t = T_PUNCT;
	if (*l->p == '"' || (*l->p == '<' && peek(l, 1) == '<')) {
		t = skip_template(l) ? T_STRING : T_BAD;
	} else if (is_word_char(*l->p)) {
		t = T_WORD;
		while (l->p < l->limit && is_word_char(*l->p))
			l->p++;
	} else {
		t = *l->p == '\n' ? T_NEWLINE : T_PUNCT;
		advance(l, 1);
	}
	l->tok_len = (size_t)(l->p - l->tok);
	return t;
}

static bool is_punct(const struct lexer *l, enum token t, char c) { return t == T_PUNCT && *l->tok == c; }

/* ---- nodes ---- */

struct tf_node *tf_node_add(struct tf_file *f, struct tf_node ***tail, int line)
{
	if (f->nodes++ >= LIMIT_TF_NODES)
		return NULL;
	struct tf_node *n = xcalloc(1, sizeof(*n));
	n->line = line;
	**tail = n;
	*tail = &n->next;
	return n;
}

void tf_file_free(struct tf_file *f)
{
	for (struct tf_node *n = f->first, *next; n != NULL; n = next) {
		struct tf_node *last = n->child; /* children first: they are put behind it */
		while (last != NULL && last->next != NULL)
			last = last->next;
		if (last != NULL) {
			last->next = n->next;
			n->next = n->child;
		}
		next = n->next;
		free(n->name);
		free(n->label[0]);
		free(n->label[1]);
		free(n->value);
		free(n);
	}
	*f = (struct tf_file){0};
}

/* ---- values ---- */

static void add_token(struct buf *b, const char *s, size_t len)
{
	if (b->len > 0)
		buf_addc(b, ' ');
	buf_add(b, s, len);
}

/* The elements of an object that was read as text: key, then = or :, then a value until the next comma. */
static void read_object(struct tf_file *f, struct tf_node *of)
{
	struct lexer l = {.p = of->value + 1, .limit = of->value + strlen(of->value), .line = 0};
	struct tf_node **tail = &of->child, *n = NULL;
	CLEANUP_BUF struct buf value = {.max = LIMIT_HCL_FILE_BYTES};
	size_t depth = 0, keys = 0;
	bool in_value = false;
	for (enum token t = next_token(&l); t != T_END && t != T_BAD; t = next_token(&l)) {
		bool ends = depth == 0 && (is_punct(&l, t, ',') || is_punct(&l, t, '}'));
		if (ends && n != NULL && n->value == NULL)
			n->value = xstrdup(buf_str(&value));
		if (ends || (!in_value && n == NULL)) {
			buf_reset(&value);
			in_value = false;
			n = ends ? NULL : tf_node_add(f, &tail, of->line);
			keys = 0;
		}
		if (ends)
			continue;
		if (n == NULL)
			return;
		if (!in_value && depth == 0 && (is_punct(&l, t, '=') || is_punct(&l, t, ':'))) {
			in_value = true;
			continue;
		}
		depth += is_punct(&l, t, '{') || is_punct(&l, t, '[') || is_punct(&l, t, '(');
		depth -= depth > 0 && (is_punct(&l, t, '}') || is_punct(&l, t, ']') || is_punct(&l, t, ')'));
		if (in_value) {
			add_token(&value, l.tok, l.tok_len);
			continue;
		}
		free(n->name); /* a key of more than one word is computed */
		n->name = keys++ > 0 ? NULL : t == T_WORD ? xstrndup(l.tok, l.tok_len) : t == T_STRING ? tf_literal_of(l.tok, l.tok_len) : NULL;
	}
	if (n != NULL && n->value == NULL)
		n->value = xstrdup(buf_str(&value));
}

/* Tokens until the line ends, or the block that it stands in; brackets hold lines together. Leaves that end unread. */
static bool read_value(struct lexer *l, struct buf *value)
{
	char open[DEPTH_MAX];
	size_t depth = 0;
	bool wants_comma = false;
	for (;;) {
		struct lexer before = *l;
		enum token t = next_token(l);
		if (t == T_BAD || buf_failed(value))
			return false;
		if (depth == 0 && (t == T_END || t == T_NEWLINE || is_punct(l, t, '}'))) {
			*l = before;
			return value->len > 0;
		}
		if (t == T_END)
			return false;
		if (t == T_NEWLINE || (is_punct(l, t, ',') && depth > 0 && open[depth - 1] == '{')) {
			wants_comma = wants_comma || (depth > 0 && open[depth - 1] == '{' && value->data[value->len - 1] != '{');
			continue;
		}
		char c = t == T_PUNCT ? *l->tok : '\0';
		bool closes = c == '}' || c == ']' || c == ')';
		if (closes && (depth == 0 || open[depth - 1] != (c == '}' ? '{' : c == ']' ? '[' : '(')))
			return false;
		if (wants_comma && !closes)
			buf_adds(value, " ,");
		wants_comma = false;
		add_token(value, l->tok, l->tok_len);
		if ((c == '{' || c == '[' || c == '(') && depth == DEPTH_MAX)
			return false;
		if (c == '{' || c == '[' || c == '(')
			open[depth++] = c;
		depth -= closes;
	}
}

/* ---- bodies ---- */

struct reader {
	struct lexer lex;
	struct tf_file *file;
	struct tf_node **tail[DEPTH_MAX];
	size_t depth;
};

static char *label_of(const struct lexer *l, enum token t)
{
	char *text = t == T_WORD ? xstrndup(l->tok, l->tok_len) : tf_literal_of(l->tok, l->tok_len);
	return text != NULL ? text : xstrndup(l->tok, l->tok_len);
}

/* What begins with a word: labels and {, or = and a value. */
static bool read_item(struct reader *r)
{
	struct lexer *l = &r->lex;
	struct tf_node *n = tf_node_add(r->file, &r->tail[r->depth], l->tok_line);
	if (n == NULL)
		return false;
	n->name = xstrndup(l->tok, l->tok_len);
	for (size_t labels = 0;; labels++) {
		enum token t = next_token(l);
		if (is_punct(l, t, '{')) {
			if (r->depth + 1 == DEPTH_MAX)
				return false;
			r->tail[++r->depth] = &n->child;
			return true;
		}
		if (is_punct(l, t, '=') && labels == 0) {
			CLEANUP_BUF struct buf value = {.max = LIMIT_HCL_FILE_BYTES};
			bool ok = read_value(l, &value);
			n->value = xstrdup(buf_str(&value));
			if (ok && n->value[0] == '{')
				read_object(r->file, n);
			return ok;
		}
		if (t != T_WORD && t != T_STRING)
			return false;
		if (labels < TF_LABELS)
			n->label[labels] = label_of(l, t);
	}
}

static bool read_body(struct reader *r)
{
	for (;;) {
		enum token t = next_token(&r->lex);
		if (t == T_END)
			return r->depth == 0;
		if (t == T_NEWLINE)
			continue;
		if (is_punct(&r->lex, t, '}')) {
			if (r->depth-- == 0)
				return false;
		} else if (t != T_WORD || !read_item(r)) {
			return false;
		}
	}
}

void tf_file_read(const char *bytes, size_t len, bool json, struct tf_file *ret)
{
	*ret = (struct tf_file){0};
	if (len > LIMIT_HCL_FILE_BYTES)
		return;
	if (json) {
		tf_json_read(bytes, len, ret);
		return;
	}
	size_t bom = len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	struct reader r = {.lex = {.p = bytes + bom, .limit = bytes + len, .line = 1}, .file = ret, .tail = {&ret->first}};
	ret->readable = read_body(&r);
}
