#include "plan/command.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"
#include "plan/command_flags.h"

#include <ctype.h>
#include <string.h>

/* How much of a line made it a command: decides between an answer and silence when something in it is wrong. */
enum addressed {
	BARE,     /* `plan ...`: may be English */
	FLAGGED,  /* `plan -x ...`: a flag directly behind a verb is no English */
	PREFIXED, /* `sluice ...`, `/...`: somebody talks to us */
};

struct verb {
	const char *word;
	enum command_verb verb;
	const char *flags; /* letters of those it takes: p, d, w; x is --destroy, a is --as */
	size_t args_min; /* positional words */
	size_t args_max;
	const char *usage;
};

enum { STATE_ARGS_MAX = 64, SHA_MIN = 7, SHA_MAX = 40 };

static const struct verb verbs[] = {
	{"plan", COMMAND_PLAN, "pdw", 0, 1, NULL},
	{"apply", COMMAND_APPLY, "pdwx", 0, 1, NULL},
	{"unlock", COMMAND_UNLOCK, "pdw", 0, 0, NULL},
	{"cancel", COMMAND_CANCEL, "pdw", 0, 0, NULL},
	{"help", COMMAND_HELP, "", 0, 0, NULL},
	{"version", COMMAND_VERSION, "", 0, 0, NULL},
	{"approve_policies", COMMAND_APPROVE_POLICIES, "pdw", 0, 0, NULL},
	{"import", COMMAND_IMPORT, "pdw", 2, 2, "import ADDRESS ID"},
	{"state", COMMAND_STATE, "pdw", 2, STATE_ARGS_MAX, "state rm ADDRESS"},
	{"drift", COMMAND_DRIFT, "pdw", 0, 0, NULL},
	{"resolve", COMMAND_RESOLVE, "pa", 0, 1, "resolve RUN --as applied"},
	{"ok-to-plan", COMMAND_OK_TO_PLAN, "", 1, 1, "ok-to-plan SHA"},
};

static const struct verb *verb_find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (text_same_case(verbs[i].word, word))
			return &verbs[i];
	if (text_same_case(word, "approve-policies"))
		return verb_find("approve_policies");
	return text_same_case(word, "ok_to_plan") ? verb_find("ok-to-plan") : NULL;
}

static const char *verb_nearest(const char *word)
{
	const char *words[ARRAY_LEN(verbs)];
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		words[i] = verbs[i].word;
	CLEANUP_FREE char *lower = xstrdup(word);
	for (char *p = lower; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return text_nearest(lower, words, ARRAY_LEN(verbs));
}

/* The first line without its end and surrounding spaces, cut into words. False when it cannot be a command: empty, indented code,
 * longer than is looked at, or with bytes that nobody types. */
static bool first_line(const char *body, size_t len, struct strlist *ret_words)
{
	size_t end = 0;
	while (end < len && body[end] != '\n' && body[end] != '\r')
		if (++end > LIMIT_COMMAND_BYTES)
			return false;
	size_t at = 0;
	while (at < end && body[at] == ' ')
		at++;
	if (at >= 4 || (at < end && body[at] == '\t'))
		return false;
	CLEANUP_BUF struct buf clean = {0};
	text_clean(&clean, body, end);
	if (clean.len != end || memcmp(buf_str(&clean), body, end) != 0)
		return false;
	while (at < end) {
		size_t start = at;
		while (at < end && body[at] != ' ' && body[at] != '\t')
			at++;
		strlist_add_n(ret_words, body + start, at - start);
		while (at < end && (body[at] == ' ' || body[at] == '\t'))
			at++;
	}
	return ret_words->n > 0;
}

static bool is_flag(const char *word)
{
	return word[0] == '-' && (isalpha((unsigned char)word[1]) || (word[1] == '-' && isalpha((unsigned char)word[2])));
}

/* An address or an id, not the next word of an English sentence. */
static bool is_argument(const char *word) { return strpbrk(word, ".[:/") != NULL && !text_ends(word, "."); }

static void unknown(struct command *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void unknown(struct command *c, const char *fmt, ...)
{
	if (c->verb == COMMAND_UNKNOWN)
		return; /* the first thing that is wrong is told */
	va_list ap;
	va_start(ap, fmt);
	struct buf text = {0};
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	c->verb = COMMAND_UNKNOWN;
	c->error = buf_take(&text);
}

/* A commit's id or the beginning of one. */
static bool is_sha(const char *word)
{
	size_t n = strspn(word, "0123456789abcdefABCDEF");
	return n >= SHA_MIN && n <= SHA_MAX && word[n] == '\0';
}

/* A person's word inside a sentence: short, and without the back-ticks that mark code there. */
static const char *quoted(const char *word, char room[48])
{
	size_t cut = text_cut(word, strlen(word), 40), n = 0;
	for (size_t i = 0; i < cut; i++)
		room[n++] = word[i] == '`' ? '\'' : word[i];
	memcpy(room + n, word[cut] != '\0' ? "..." : "", word[cut] != '\0' ? 4 : 1);
	return room;
}

static char *unquote(const char *value)
{
	size_t n = strlen(value);
	if (n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0])
		return xstrndup(value + 1, n - 2);
	return xstrdup(value);
}

/* "./network/" is "network". */
static char *dir_normal(char *dir)
{
	char *p = dir;
	while (p[0] == '.' && p[1] == '/')
		p += 2;
	size_t n = strlen(p);
	while (n > 1 && p[n - 1] == '/')
		n--;
	char *normal = n == 0 ? xstrdup(".") : xstrndup(p, n);
	free(dir);
	return normal;
}

static void flag_store(struct command *c, char flag, const char *raw)
{
	static const char *const answers[] = {"applied", "failed", "replan"};
	CLEANUP_FREE char *value = unquote(raw);
	for (size_t i = 0; flag == 'a' && i < ARRAY_LEN(answers); i++)
		if (text_same_case(value, answers[i])) {
			xstrset(&c->as, answers[i]);
			return;
		}
	if (flag == 'a') {
		unknown(c, "`--as` is `applied`, `failed` or `replan`.");
		return;
	}
	size_t max = flag == 'd' ? LIMIT_PATH_BYTES : LIMIT_NAME_BYTES;
	if (value[0] == '\0' || strlen(value) > max) {
		unknown(c, "`-%c` needs a value of 1 to %zu characters.", flag, max);
	} else if (flag == 'p') {
		strlist_take(&c->projects, TAKE(value));
	} else if (flag == 'd') {
		strlist_take(&c->dirs, dir_normal(TAKE(value)));
	} else if (c->workspace != NULL) {
		unknown(c, "`-w` was given twice; a command works on one workspace.");
	} else {
		c->workspace = TAKE(value);
	}
}

/* 'p', 'd', 'w', 'x', 'a', 'h' or 0; *ret_value points behind "=" or is NULL. */
static char flag_read(const char *word, const char **ret_value)
{
	static const struct {
		const char *name;
		char flag;
	} flags[] = {
		{"-p", 'p'}, {"--project", 'p'},   {"-d", 'd'}, {"--dir", 'd'},
		{"-w", 'w'}, {"--workspace", 'w'}, {"-h", 'h'}, {"--help", 'h'},
		{"--destroy", 'x'}, {"--as", 'a'},
	};
	const char *equals = strchr(word, '=');
	CLEANUP_FREE char *name = equals != NULL ? xstrndup(word, (size_t)(equals - word)) : xstrdup(word);
	*ret_value = equals != NULL ? equals + 1 : NULL;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (text_same_case(flags[i].name, name))
			return flags[i].flag;
	return 0;
}

/* " Its flags are `-p NAME` and `-d DIR`." */
static void say_flags(const struct verb *verb, struct buf *out)
{
	static const struct {
		char flag;
		const char *written;
	} known[] = {{'p', "-p NAME"}, {'d', "-d DIR"}, {'w', "-w WORKSPACE"}, {'a', "--as ANSWER"}, {'x', "--destroy"}};
	size_t n = strlen(verb->flags), at = 0;
	buf_adds(out, n == 0 ? " It takes none." : " Its flags are ");
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strchr(verb->flags, known[i].flag) != NULL) {
			buf_printf(out, "%s`%s`", at == 0 ? "" : at + 1 == n ? " and " : ", ", known[i].written);
			at++;
		}
	buf_adds(out, n == 0 ? "" : ".");
}

static void flag_unknown(struct command *c, const struct verb *verb, const char *word)
{
	char room[48];
	CLEANUP_BUF struct buf flags = {0};
	say_flags(verb, &flags);
	unknown(c, "`%s` is not a flag of `%s`.%s", quoted(word, room), verb->word, buf_str(&flags));
}

/* The flag at words[i]; returns the index of its last word. */
static size_t flag_parse(struct command *c, const struct verb *verb, const struct strlist *words, size_t i)
{
	char room[48];
	const char *value;
	char flag = flag_read(words->v[i], &value);
	if (flag == 'h' && value == NULL) {
		c->verb = COMMAND_HELP;
		return words->n;
	}
	if (flag == 0 || flag == 'h') {
		flag_unknown(c, verb, words->v[i]);
	} else if (verb->flags[0] == '\0') {
		unknown(c, "`%s` takes no flags.", verb->word);
	} else if (strchr(verb->flags, flag) == NULL) {
		flag_unknown(c, verb, words->v[i]);
	} else if (flag == 'x' && value != NULL) {
		unknown(c, "`--destroy` takes no value.");
	} else if (flag == 'x') {
		c->destroy = true;
	} else if (value == NULL && (i + 1 >= words->n || words->v[i + 1][0] == '-')) {
		unknown(c, "`%s` needs a value.", quoted(words->v[i], room));
	} else if (value == NULL) {
		flag_store(c, flag, words->v[++i]);
	} else {
		flag_store(c, flag, value);
	}
	return i;
}

static bool takes_commit(const struct verb *verb)
{
	return verb->verb == COMMAND_PLAN || verb->verb == COMMAND_APPLY || verb->verb == COMMAND_OK_TO_PLAN;
}

/* A word behind the verb that is no flag. False when it is not one of this verb's. */
static bool word_store(struct command *c, const struct verb *verb, const char *word)
{
	bool names_commit = takes_commit(verb);
	if (c->args.n >= verb->args_max || (names_commit && !is_sha(word)))
		return false;
	if (verb->verb == COMMAND_RESOLVE && text_int(word, 1, INT64_MAX, &c->run, NULL) != 0)
		return false;
	strlist_add(&c->args, word);
	if (names_commit) {
		c->sha = xstrdup(word);
		for (char *p = c->sha; *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
	}
	return true;
}

/* What has to stand together. */
static void check_whole(struct command *c, const struct verb *verb)
{
	if (c->args.n < verb->args_min || (verb->verb == COMMAND_STATE && !text_same_case(c->args.v[0], "rm")))
		unknown(c, "`%s` is written `%s`.", verb->word, verb->usage);
	else if (verb->verb == COMMAND_RESOLVE && (c->as == NULL || (c->run == 0 && c->projects.n == 0)))
		unknown(c, "`resolve` is written `resolve RUN --as applied`, `--as failed` or `--as replan`; instead of the run's number, `-p NAME` names"
			   " a project.");
	else if (c->destroy && (c->projects.n == 0 || c->dirs.n != 0 || c->workspace != NULL))
		unknown(c, "`--destroy` is said of projects by their names: `apply -p NAME --destroy`.");
}

/* Behind `--`, to the end of the line. */
static void engine_flags(struct command *c, const struct verb *verb, const struct strlist *words, size_t from)
{
	CLEANUP_FREE char *no = NULL;
	if (verb->verb == COMMAND_APPLY)
		unknown(c, "Behind `apply` no flags are handed to the engine: it applies the plan as it was made. Give them to `plan -- FLAGS`.");
	else if (verb->verb != COMMAND_PLAN)
		unknown(c, "Arguments behind `--` are handed to the engine of `plan` only.");
	else if ((no = command_flags_read(words, from, &c->flags)) != NULL)
		unknown(c, "%s", no);
}

static void words_parse(struct command *c, const struct verb *verb, const struct strlist *words, size_t from)
{
	char room[48];
	for (size_t i = from; i < words->n && c->verb == verb->verb; i++) {
		const char *word = words->v[i];
		if (strcmp(word, "--") == 0) {
			engine_flags(c, verb, words, i + 1);
			break;
		}
		if (is_flag(word))
			i = flag_parse(c, verb, words, i);
		else if (!word_store(c, verb, word))
			unknown(c, "`%s` is not understood behind `%s`.", quoted(word, room), verb->word);
	}
	if (c->verb == verb->verb)
		check_whole(c, verb);
}

/* `words[from]` is where the verb stands. A bare line is a command only as a whole. */
static bool is_english(const struct verb *verb, const struct strlist *words, size_t from)
{
	if (words->n == from + 1 || is_flag(words->v[from + 1]))
		return false;
	const char *word = words->v[from + 1];
	if (strcmp(word, "--") == 0) /* "plan -- the details" */
		return words->n == from + 2 || !is_flag(words->v[from + 2]);
	if (verb->verb == COMMAND_OK_TO_PLAN)
		return word[strspn(word, "0123456789abcdefABCDEF")] != '\0';
	if (verb->verb == COMMAND_STATE)
		return !text_same_case(word, "rm");
	if (verb->verb == COMMAND_PLAN || verb->verb == COMMAND_APPLY)
		return !is_sha(word) || (strpbrk(word, "0123456789") == NULL && strlen(word) < SHA_MAX); /* "plan defaced" is English */
	if (verb->verb == COMMAND_RESOLVE)
		return strspn(word, "0123456789") != strlen(word) || words->n == from + 2 || !is_flag(words->v[from + 2]);
	return verb->args_max == 0 || !is_argument(word);
}

/* Behind a prefix: "sluice frobnicate" is a mistyped command, "sluice is great" is not. */
static void unknown_word(struct command *c, const struct strlist *words, size_t at, enum addressed how)
{
	const char *word = words->v[at], *near = verb_nearest(word);
	if (how != PREFIXED || (near == NULL && words->n > at + 1 && !is_flag(words->v[at + 1])))
		return;
	char room[48];
	if (near != NULL)
		unknown(c, "`%s` is not a command. Did you mean `%s`?", quoted(word, room), near);
	else
		unknown(c, "`%s` is not a command.", quoted(word, room));
}

/* Takes the prefix off: returns the index of the verb's word and cuts a leading slash from it. */
static size_t prefix_strip(struct strlist *words, enum addressed *ret_how)
{
	char *first = words->v[0];
	if (first[0] == '/') {
		memmove(first, first + 1, strlen(first));
		*ret_how = PREFIXED;
	}
	if (text_same_case(first, "sluice") || text_same_case(first, "atlantis")) {
		*ret_how = PREFIXED;
		return 1;
	}
	return 0;
}

/* What can be a command's name; "/etc/passwd", "/:" and "/" cannot. */
static bool is_word(const char *s)
{
	if (!isalpha((unsigned char)s[0]))
		return false;
	for (; *s != '\0'; s++)
		if (!isalpha((unsigned char)*s) && *s != '_' && *s != '-')
			return false;
	return true;
}

static void forget_details(struct command *c)
{
	strlist_free(&c->projects);
	strlist_free(&c->dirs);
	strlist_free(&c->args);
	strlist_free(&c->flags);
	free(TAKE(c->workspace));
	free(TAKE(c->sha));
	free(TAKE(c->as));
	c->destroy = false;
	c->run = 0;
}

static void parse_words(struct command *c, struct strlist *words)
{
	enum addressed how = BARE;
	size_t at = prefix_strip(words, &how);
	if (at == words->n) { /* the bare word "sluice" */
		c->verb = COMMAND_HELP;
		return;
	}
	if (!is_word(words->v[at])) {
		if (how == PREFIXED && words->n == at + 1 && (text_same_case(words->v[at], "--help") || text_same_case(words->v[at], "-h")))
			c->verb = COMMAND_HELP;
		return;
	}
	const struct verb *verb = verb_find(words->v[at]);
	if (verb == NULL) {
		unknown_word(c, words, at, how);
		return;
	}
	if (how == BARE && words->n > at + 1 && is_flag(words->v[at + 1]))
		how = FLAGGED;
	if (how == BARE && is_english(verb, words, at))
		return;
	c->verb = verb->verb;
	words_parse(c, verb, words, at + 1);
	if (c->verb == COMMAND_UNKNOWN || c->verb == COMMAND_HELP)
		forget_details(c);
}

void command_parse(const char *body, size_t len, struct command *ret)
{
	*ret = (struct command){.verb = COMMAND_NONE};
	struct strlist words = {0};
	if (first_line(body, len, &words))
		parse_words(ret, &words);
	strlist_free(&words);
}

void command_free(struct command *c)
{
	forget_details(c);
	free(c->error);
	*c = (struct command){.verb = COMMAND_NONE};
}

const char *command_verb_name(enum command_verb v)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (verbs[i].verb == v)
			return verbs[i].word;
	return v == COMMAND_NONE ? "none" : "unknown";
}
