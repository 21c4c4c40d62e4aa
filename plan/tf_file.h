/* One Terraform or OpenTofu file as blocks and attributes, for what is compared between commits and told to reviewers. Step 4. Pure.
 *
 * Not an evaluator. Values are text: the tokens of the expression with one blank between them, comments left out, line ends between the elements of
 * an object as commas; so equal texts are equal expressions, whatever their layout. The JSON form gives the same nodes as far as the schema says
 * what is a block. Bytes from outside, bounded by LIMIT_HCL_FILE_BYTES, LIMIT_TF_NODES and a nesting cap. */
#ifndef PLAN_TF_FILE_H
#define PLAN_TF_FILE_H

#include "base/mem.h"

#include <stdbool.h>

enum { TF_LABELS = 2 };

struct tf_node {
	char *name;             /* type of a block, name of an attribute; NULL: a key of an object that is computed */
	char *label[TF_LABELS]; /* of a block; NULL where it has fewer */
	char *value;            /* of an attribute; NULL: a block */
	int line;               /* 0: not known */
	struct tf_node *child;  /* of a block; of an attribute that is an object, its elements */
	struct tf_node *next;
};

struct tf_file {
	struct tf_node *first;
	bool readable; /* false: what stands before the place that is none of the language */
	size_t nodes;
};

void tf_file_read(const char *bytes, size_t len, bool json, struct tf_file *ret);
void tf_file_free(struct tf_file *f);

/* Is it a block of this type? */
bool tf_is_block(const struct tf_node *n, const char *type);
/* The attribute of a block, or of an object; the last of several, NULL. */
const struct tf_node *tf_attribute(const struct tf_node *n, const char *name);
/* The text that a value is, when it is one plain text: quotes and escapes taken off. NULL: it is computed. The caller frees. */
char *tf_literal(const char *value);
char *tf_literal_of(const char *s, size_t len);
/* The first word of a reference like `aws.west`, or "aws.west" in quotes. NULL: it is none. The caller frees. */
char *tf_first_word(const char *value);
/* Blocks and attributes below n as one text that does not depend on order or layout of blocks; appends to lines and sorts them. */
void tf_flatten(const struct tf_node *n, struct strlist *lines);

/* What a file's name says. */
enum tf_kind { TF_OTHER, TF_CONFIG, TF_VALUES /* *.tfvars that are loaded by themselves */ };
struct tf_name {
	enum tf_kind kind;
	bool json, override, tofu;
	size_t stem; /* of the name: what stands before .tf, .tofu.json ... */
};
struct tf_name tf_name_read(const char *name); /* without directory */

/* For the JSON half. */
struct tf_node *tf_node_add(struct tf_file *f, struct tf_node ***tail, int line);
void tf_json_read(const char *bytes, size_t len, struct tf_file *ret);

#endif
