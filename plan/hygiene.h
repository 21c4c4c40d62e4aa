/* Step 4. What a change may not do to its own surroundings, and what its reviewer should be told. Pure; `sluice prepare` reads the files of the base
 * branch and of the change and asks (prepare_hygiene.c). docs/hygiene.md says it for people.
 *
 *   refused  providers that the operator does not allow, a changed dependency lock file likewise, a state that would be read from another place
 *   told     what is easily overlooked in a review: files that shadow others, removed protections, programs that are started, unseen characters
 *
 * Refusals are sentences for people (the caller frees), NULL when there is nothing to say. Foreign text in them is disarmed where it is shown. */
#ifndef PLAN_HYGIENE_H
#define PLAN_HYGIENE_H

#include "base/buf.h"
#include "plan/tf_file.h"

/* ---- what is told (hygiene_told.c) ---- */

struct told {
	char *file;
	int line;   /* 0: of the whole file */
	char *kind; /* one word: "lock", "backend", "shadow", "hidden", "text", "state", "protection", "program", "data", "module", "secret", "file" */
	char *text; /* what, without the place; `marks` are code */
};
struct told_list {
	struct told *v;
	size_t n, more; /* more: beyond LIMIT_TOLD, counted alone */
};
/* The same thing at the same place is told once. */
void told_add(struct told_list *l, const char *file, int line, const char *kind, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Files in order, lines in order. */
void told_sort(struct told_list *l);
void told_cut(struct told_list *l, size_t max); /* the others are counted alone */
void told_free(struct told_list *l);
/* JSON, as job.told keeps it: {"told":[[file, line, kind, text], ...],"more":N}. Reading what we wrote; anything else is ERR_PARSE. */
void told_write(const struct told_list *l, struct buf *out);
int told_read(const char *json, struct told_list *ret, struct err *err) MUST_CHECK;
/* A sentence for the comment: "`network/main.tf:3` adds ...". The caller frees. */
char *told_sentence(const struct told *t);

/* ---- files of one directory ---- */

struct tf_source {
	char *path; /* in the repository */
	struct tf_name name;
	struct tf_file file;
	bool names_backend; /* its bytes hold the words that a backend needs: for a file that is not readable */
};
struct tf_dir {
	struct tf_source *v; /* in name order */
	size_t n;
};
void tf_dir_add(struct tf_dir *d, const char *path, const char *bytes, size_t len); /* files of no interest are left out */
void tf_dir_free(struct tf_dir *d);

/* ---- providers (hygiene_providers.c) ---- */

struct provider_need {
	char *source; /* as written, or the local name that stands for hashicorp/NAME */
	char *file;
	int line;
	char *how; /* ", which `resource aws_x` implies,"; "" when it is written out */
};
/* What the files of some modules require or imply, each source once. */
struct provider_needs {
	struct provider_need *v;
	size_t n;
	char *unclear; /* the first source that is computed: a sentence; NULL */
};
void provider_needs_read(const struct tf_dir *d, struct provider_needs *ret); /* adds: one module after the other */
void provider_needs_free(struct provider_needs *p);
/* All of them against the rules of providers.allow (NULL: no rules, all are allowed). registries: what a source without host means; two when the
 * engine is not known yet, and then one that is allowed is enough. */
char *hygiene_providers(const struct provider_needs *p, const char *const *registries, size_t n, const char *rules);

/* ---- the dependency lock file (hygiene_lock.c) ---- */

struct dep_lock_entry {
	char *source, *version;
	struct strlist hashes; /* sorted */
	int line;
};
struct dep_lock {
	bool present, readable;
	struct dep_lock_entry *v; /* in the order of the file */
	size_t n;
};
void dep_lock_read(const char *bytes, size_t len, struct dep_lock *ret);
void dep_lock_free(struct dep_lock *l);
/* Every entry against the rules: of the lock file that is to be in force. */
char *hygiene_lock_allowed(const struct dep_lock *l, const char *file, const char *rules);
/* A change of the lock file of the base branch: each new, other and missing entry has to be named by a rule. What is accepted is told. */
char *hygiene_lock_changed(const struct dep_lock *base, const struct dep_lock *head, const char *file, const char *rules, struct told_list *told);
/* Providers that are allowed by hash alone have to be locked: without an entry nothing says what the hash is. */
char *hygiene_lock_pins(const struct dep_lock *l, const char *file, const struct provider_needs *p, const char *const *registries, size_t n,
			const char *rules);

/* ---- where the state is (hygiene_backend.c) ---- */

struct backend_place {
	struct strlist lines;  /* type and attributes, and the variables and locals that they use; sorted; the first line is the type */
	char *type;            /* NULL: none named */
	char *file;            /* where it is said; NULL */
	int line;
	char *unclear;         /* why it cannot be told: a sentence; NULL */
};
/* tofu: *.tofu files count, and stand for the *.tf files of the same name. */
void backend_place_read(const struct tf_dir *d, bool tofu, struct backend_place *ret);
void backend_place_free(struct backend_place *p);
/* SHA-256 of the lines, hex; "" when there is none. */
void backend_place_digest(const struct backend_place *p, char ret[65]);
/* What differs, "`s3` -> `http`" or the names of attributes; NULL: nothing. Values are not in it: they may be secret. The caller frees. */
char *backend_place_differs(const struct backend_place *base, const struct backend_place *head);

/* ---- what a change does (hygiene_blocks.c) ---- */

/* Facts of one side of the change, from the files of it that are not the same on both. */
struct block_fact {
	char *key;  /* equal keys are the same thing */
	char *file;
	int line;
	const char *kind;
	char *text;
	bool when_gone; /* told when it is missing afterwards, not when it is new */
};
struct block_facts {
	struct block_fact *v;
	size_t n, cap;
};
void block_facts_add(struct block_facts *f, const char *path, const struct tf_file *file);
void block_facts_free(struct block_facts *f);
/* What is in one side and not in the other. Sorts both. */
void hygiene_blocks(struct block_facts *before, struct block_facts *after, struct told_list *told);

/* ---- unseen characters (hygiene_text.c) ---- */

/* Looks at the lines of `after` that are not in `before` (NULL: a new file). */
void hygiene_text(const char *path, const char *before, size_t before_len, const char *after, size_t after_len, struct told_list *told);

/* ---- files that are hidden from review (hygiene_hidden.c) ---- */

/* One .gitattributes at dir ("." is the root): which of the changed paths does it fold away? */
void hygiene_hidden(const char *dir, const char *bytes, size_t len, const struct strlist *changed, struct told_list *told);

#endif
