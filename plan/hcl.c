#include "plan/hcl.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

enum {
	MODES_MAX = 32,  /* templates in interpolations in templates */
	FRAMES_MAX = 64, /* blocks and brackets */
	WORD_MAX = 128,  /* block types and labels that matter are short */
	TEXT_MAX = 2 * LIMIT_PATH_BYTES,
};

/* In the text of a template: an interpolation, and one that is the module's or root's own directory. */
enum { MARK_UNKNOWN = '\x01', MARK_HERE = '\x02' };

/* The lexer's modes nest: code holds templates, templates hold interpolations, which are code. */
enum mode_kind { MODE_CODE, MODE_INTERPOLATION, MODE_STRING, MODE_HEREDOC, MODE_WHOLE /* a JSON string: a template until the end */ };

struct mode {
	enum mode_kind kind;
	unsigned braces; /* MODE_INTERPOLATION: open { */
	struct buf text; /* templates: literal text with marks */
	const char *end; /* MODE_HEREDOC: its end word */
	size_t end_len;
	bool line_start;
};

enum token { T_END, T_BAD, T_NEWLINE, T_WORD, T_STRING, T_PUNCT, T_HEREDOC };

struct lexer {
	const char *p, *limit;
	struct mode mode[MODES_MAX];
	size_t n; /* modes in use; 0 is the outermost */
	struct hcl_facts *facts;
	const char *word; /* T_WORD, T_PUNCT */
	size_t word_len;
	struct buf string; /* T_STRING */
};

static char peek(const struct lexer *l, size_t ahead) { return (size_t)(l->limit - l->p) > ahead ? l->p[ahead] : '\0'; }

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       (unsigned char)c >= 0x80;
}

static bool push_mode(struct lexer *l, enum mode_kind kind)
{
	if (l->n == MODES_MAX)
		return false;
	struct mode *m = &l->mode[l->n++];
	m->kind = kind;
	m->braces = 0;
	m->line_start = true;
	m->text.max = TEXT_MAX;
	buf_reset(&m->text);
	return true;
}

static void lexer_free(struct lexer *l)
{
	for (size_t i = 0; i < MODES_MAX; i++)
		buf_free(&l->mode[i].text);
	buf_free(&l->string);
}

void hcl_note(struct hcl_facts *f, struct strlist *list, const char *name, size_t len)
{
	f->too_many |= f->modules.n + f->paths.n >= LIMIT_DIR_REFERENCES;
	if (!f->too_many)
		strlist_add_n(list, name, len);
}

/* Keeps the text of a template when it can be a relative path. */
static void note_path(struct hcl_facts *facts, const struct buf *text)
{
	if (buf_failed(text) || text->len == 0 || text->len > LIMIT_PATH_BYTES)
		return;
	const char *s = text->data;
	if (s[0] == MARK_HERE && s[1] == '/')
		s += 2;
	bool climbs = strstr(s, "../") != NULL || strcmp(s, "..") == 0;
	if (!climbs && !text_starts(s, "./"))
		return;
	size_t n = strcspn(s, "\x01\x02");
	if (s[n] != '\0')
		while (n > 0 && s[n - 1] != '/')
			n--;
	if (n > 0)
		hcl_note(facts, &facts->paths, s, n);
}

/* ${path.module} and ${path.root}, with blanks and strip marks; 0 when it is something else. */
static size_t own_directory_len(const struct lexer *l)
{
	const char *p = l->p + 2, *end = l->limit;
	while (p < end && (*p == ' ' || *p == '~'))
		p++;
	static const char *const names[] = {"path.module", "path.root"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i]);
		if ((size_t)(end - p) <= n || memcmp(p, names[i], n) != 0)
			continue;
		const char *q = p + n;
		while (q < end && (*q == ' ' || *q == '~'))
			q++;
		return q < end && *q == '}' ? (size_t)(q + 1 - l->p) : 0;
	}
	return 0;
}

/* "$" or "%" inside a template: an escape, an interpolation or just the character. */
static bool template_dollar(struct lexer *l, struct mode *m)
{
	char c = *l->p;
	if (peek(l, 1) == c && peek(l, 2) == '{') {
		buf_add(&m->text, l->p + 1, 2);
		l->p += 3;
		return true;
	}
	if (peek(l, 1) != '{') {
		buf_addc(&m->text, c);
		l->p++;
		return true;
	}
	size_t own = c == '$' ? own_directory_len(l) : 0;
	buf_addc(&m->text, own > 0 ? MARK_HERE : MARK_UNKNOWN);
	l->p += own > 0 ? own : 2;
	return own > 0 || push_mode(l, MODE_INTERPOLATION);
}

static void template_escape(struct lexer *l, struct mode *m)
{
	char c = peek(l, 1);
	buf_addc(&m->text, c == '"' || c == '\\' ? c : ' '); /* \n, \t, \uXXXX: no part of a path that we could follow */
	l->p += l->p + 1 < l->limit ? 2 : 1;
}

/* True, and past it, when the here document ends on this line. */
static bool heredoc_ends(struct lexer *l, const struct mode *m)
{
	const char *p = hcl_heredoc_end(l->p, l->limit, m->end, m->end_len);
	if (p != NULL)
		l->p = p;
	return p != NULL;
}

/* One character of a template; true when the template ended. */
static bool template_step(struct lexer *l, struct mode *m, bool *ret_bad)
{
	if (m->kind == MODE_HEREDOC && m->line_start && heredoc_ends(l, m))
		return true;
	char c = *l->p;
	m->line_start = c == '\n';
	if (c == '$' || c == '%') {
		*ret_bad = !template_dollar(l, m);
	} else if (m->kind == MODE_STRING && c == '"') {
		l->p++;
		return true;
	} else if (m->kind == MODE_STRING && c == '\n') {
		*ret_bad = true;
	} else if (m->kind == MODE_STRING && c == '\\') {
		template_escape(l, m);
	} else {
		if (m->kind != MODE_HEREDOC)
			buf_addc(&m->text, (unsigned char)c < ' ' ? ' ' : c);
		l->p++;
	}
	return false;
}

static bool skip_comment(struct lexer *l)
{
	if (*l->p == '#' || (*l->p == '/' && peek(l, 1) == '/')) {
		while (l->p < l->limit && *l->p != '\n')
			l->p++;
		return true;
	}
	if (*l->p != '/' || peek(l, 1) != '*')
		return false;
	const char *end = memmem(l->p + 2, (size_t)(l->limit - l->p) - 2, "*/", 2);
	l->p = end != NULL ? end + 2 : l->limit;
	return true;
}

static bool start_heredoc(struct lexer *l)
{
	const char *p = l->p + 2;
	if (p < l->limit && *p == '-')
		p++;
	const char *word = p;
	while (p < l->limit && is_word_char(*p))
		p++;
	size_t n = (size_t)(p - word);
	if (p < l->limit && *p == '\r')
		p++;
	if (n == 0 || p >= l->limit || *p != '\n' || !push_mode(l, MODE_HEREDOC))
		return false;
	l->mode[l->n - 1].end = word;
	l->mode[l->n - 1].end_len = n;
	l->p = p + 1;
	return true;
}

/* One piece of code: sets *ret and returns true for a token, returns false when there is nothing to tell (blanks, a template begins). */
static bool code_step(struct lexer *l, struct mode *m, enum token *ret)
{
	char c = *l->p;
	if (c == ' ' || c == '\t' || c == '\r') {
		l->p++;
		return false;
	}
	if (skip_comment(l))
		return false;
	if (c == '"' || (c == '<' && peek(l, 1) == '<')) {
		*ret = T_BAD;
		if (c == '<')
			return !start_heredoc(l);
		l->p++;
		return !push_mode(l, MODE_STRING);
	}
	const char *from = l->p++;
	*ret = c == '\n' ? T_NEWLINE : T_PUNCT;
	if (is_word_char(c)) {
		while (l->p < l->limit && is_word_char(*l->p))
			l->p++;
		*ret = T_WORD;
	}
	l->word = from;
	l->word_len = (size_t)(l->p - from);
	if (m->kind == MODE_INTERPOLATION && c == '{')
		m->braces++;
	else if (m->kind == MODE_INTERPOLATION && c == '}' && m->braces-- == 0)
		l->n--;
	return m->kind == MODE_CODE;
}

/* A template ended: its text is looked at, and is a token when code around it is the file's own. */
static bool end_template(struct lexer *l, enum token *ret)
{
	struct mode *m = &l->mode[--l->n];
	*ret = m->kind == MODE_HEREDOC ? T_HEREDOC : T_STRING;
	bool token = l->n == 1 && l->mode[0].kind == MODE_CODE;
	buf_reset(&l->string);
	if (m->kind == MODE_HEREDOC)
		return token;
	if (token && !buf_failed(&m->text))
		buf_add(&l->string, buf_str(&m->text), m->text.len);
	else
		note_path(l->facts, &m->text);
	return token;
}

static enum token next_token(struct lexer *l)
{
	enum token t = T_BAD;
	while (l->p < l->limit) {
		struct mode *m = &l->mode[l->n - 1];
		bool bad = false;
		if (m->kind == MODE_CODE || m->kind == MODE_INTERPOLATION) {
			if (code_step(l, m, &t))
				return t;
		} else if (template_step(l, m, &bad)) {
			if (end_template(l, &t))
				return t;
		} else if (bad) {
			return T_BAD;
		}
	}
	struct mode *m = &l->mode[l->n - 1];
	if (m->kind == MODE_WHOLE)
		(void)end_template(l, &t); /* its text is noted; there is no code around it */
	return l->n <= 1 && m->kind != MODE_INTERPOLATION ? T_END : T_BAD;
}

/* --- structure --- */

enum frame_kind { FRAME_FILE, FRAME_TERRAFORM, FRAME_MODULE, FRAME_BLOCK, FRAME_BRACKET };
enum item { ITEM_START, ITEM_HEAD, ITEM_VALUE };

struct frame {
	enum frame_kind kind;
	char close;
};

struct parser {
	struct lexer lex;
	struct frame frame[FRAMES_MAX];
	size_t depth;
	enum item item;
	char type[WORD_MAX], label[WORD_MAX]; /* of the block that begins, or the attribute's name */
	unsigned labels;
	bool value_began;
};

void hcl_note_backend(struct hcl_facts *f, const char *type)
{
	free(f->backend);
	f->backend = xstrdup(type);
	f->needs_init = true;
}

/* terraform_data and terraform_remote_state are part of the engine; everything else is a provider's. */
void hcl_note_block(struct hcl_facts *f, const char *type, const char *label)
{
	static const char *const typed[] = {"resource", "data", "ephemeral", "action", "list"};
	static const char *const always[] = {"module", "provider", "import", "removed"};
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		if (strcmp(type, always[i]) == 0)
			f->needs_init = true;
	for (size_t i = 0; i < ARRAY_LEN(typed); i++)
		if (strcmp(type, typed[i]) == 0 && label[0] != '\0' && !text_starts(label, "terraform_"))
			f->needs_init = true;
}

void hcl_note_terraform_block(struct hcl_facts *f, const char *type, const char *label)
{
	if (strcmp(type, "backend") == 0)
		hcl_note_backend(f, label);
	else if (strcmp(type, "cloud") == 0)
		hcl_note_backend(f, "cloud");
	else if (strcmp(type, "required_providers") == 0)
		f->needs_init = true;
}

static bool open_block(struct parser *p)
{
	if (p->depth == FRAMES_MAX)
		return false;
	enum frame_kind parent = p->frame[p->depth - 1].kind, kind = FRAME_BLOCK;
	if (parent == FRAME_TERRAFORM)
		hcl_note_terraform_block(p->lex.facts, p->type, p->label);
	else
		hcl_note_block(p->lex.facts, p->type, p->label);
	if (parent == FRAME_FILE && strcmp(p->type, "terraform") == 0)
		kind = FRAME_TERRAFORM;
	else if (parent == FRAME_FILE && strcmp(p->type, "module") == 0)
		kind = FRAME_MODULE;
	p->frame[p->depth++] = (struct frame){kind, '}'};
	p->item = ITEM_START;
	return true;
}

static bool close_frame(struct parser *p, char c)
{
	if (p->depth == 1 || p->frame[p->depth - 1].close != c)
		return false;
	p->depth--;
	p->item = ITEM_VALUE; /* until the line ends */
	p->value_began = true;
	return true;
}

static void keep_word(char to[WORD_MAX], const char *s, size_t n)
{
	(void)snprintf(to, WORD_MAX, "%.*s", (int)(n < WORD_MAX ? n : 0), s); /* a longer word is none that we know */
}

static bool on_head(struct parser *p, enum token t)
{
	if (t == T_WORD || t == T_STRING) {
		if (p->labels++ == 0 && t == T_WORD)
			keep_word(p->label, p->lex.word, p->lex.word_len);
		else if (p->labels == 1)
			keep_word(p->label, buf_str(&p->lex.string), p->lex.string.len);
		return true;
	}
	if (t == T_PUNCT && *p->lex.word == '{')
		return open_block(p);
	if (t != T_PUNCT || *p->lex.word != '=' || p->labels > 0)
		return false;
	p->item = ITEM_VALUE;
	p->value_began = false;
	return true;
}

static void on_value_string(struct parser *p)
{
	const struct buf *s = &p->lex.string;
	bool source = p->frame[p->depth - 1].kind == FRAME_MODULE && !p->value_began && strcmp(p->type, "source") == 0;
	bool local = text_starts(buf_str(s), "./") || text_starts(buf_str(s), "../");
	if (source && local && strpbrk(s->data, "\x01\x02") == NULL)
		hcl_note(p->lex.facts, &p->lex.facts->modules, s->data, s->len);
	else
		note_path(p->lex.facts, s);
}

static bool on_value(struct parser *p, enum token t)
{
	bool in_bracket = p->frame[p->depth - 1].kind == FRAME_BRACKET;
	if (t == T_NEWLINE && !in_bracket) {
		p->item = ITEM_START;
		return true;
	}
	if (t == T_STRING)
		on_value_string(p);
	char c = t == T_PUNCT ? *p->lex.word : '\0';
	p->value_began = true;
	if (c == '}' || c == ']' || c == ')')
		return close_frame(p, c);
	if (c != '{' && c != '[' && c != '(')
		return true;
	if (p->depth == FRAMES_MAX)
		return false;
	p->frame[p->depth++] = (struct frame){FRAME_BRACKET, c == '{' ? '}' : c == '[' ? ']' : ')'};
	return true;
}

static bool on_start(struct parser *p, enum token t)
{
	if (t == T_NEWLINE)
		return true;
	if (t == T_PUNCT && *p->lex.word == '}')
		return close_frame(p, '}');
	if (t != T_WORD)
		return false;
	keep_word(p->type, p->lex.word, p->lex.word_len);
	p->label[0] = '\0';
	p->labels = 0;
	p->item = ITEM_HEAD;
	return true;
}

static bool parse_file(struct parser *p)
{
	for (;;) {
		enum token t = next_token(&p->lex);
		if (t == T_END)
			return p->depth == 1 && p->item != ITEM_HEAD;
		bool ok = t != T_BAD;
		if (ok)
			ok = p->item == ITEM_START ? on_start(p, t) : p->item == ITEM_HEAD ? on_head(p, t) : on_value(p, t);
		if (!ok)
			return false;
	}
}

bool hcl_scan(const char *bytes, size_t len, struct hcl_facts *facts)
{
	bool ok = len <= LIMIT_HCL_FILE_BYTES;
	if (ok) {
		struct parser *p = xcalloc(1, sizeof(*p));
		size_t bom = len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		p->lex = (struct lexer){.p = bytes + bom, .limit = bytes + len, .facts = facts};
		(void)push_mode(&p->lex, MODE_CODE); /* the first of MODES_MAX */
		p->frame[p->depth++] = (struct frame){FRAME_FILE, '\0'};
		ok = parse_file(p);
		lexer_free(&p->lex);
		free(p);
	}
	ok = ok && !facts->too_many;
	facts->needs_init |= !ok;
	return ok;
}

void hcl_scan_template(const char *text, size_t len, struct hcl_facts *facts)
{
	struct lexer *l = xcalloc(1, sizeof(*l));
	*l = (struct lexer){.p = text, .limit = text + len, .facts = facts};
	(void)push_mode(l, MODE_WHOLE);
	(void)next_token(l); /* never a token: paths are noted on the way, and a broken template is the engine's to tell */
	lexer_free(l);
	free(l);
}

void hcl_facts_free(struct hcl_facts *facts)
{
	free(facts->backend);
	strlist_free(&facts->modules);
	strlist_free(&facts->paths);
	*facts = (struct hcl_facts){0};
}
