/* What one Terraform or OpenTofu file says about its surroundings: which local modules and files it uses, whether its directory must be
 * initialised, where its state lives. Step 4 of the flow.
 *
 * Not an evaluator: a tokenizer of HCL native syntax that follows blocks and quoted templates, and a walk over the JSON form. Pure, bytes
 * from outside, bounded by LIMIT_HCL_FILE_BYTES and a nesting cap. Facts of several files of a directory are gathered in one struct. */
#ifndef PLAN_HCL_H
#define PLAN_HCL_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct hcl_facts {
	bool needs_init;        /* a module, backend, provider, or resource type that is not built in; or a file that could not be read */
	bool too_many;          /* LIMIT_DIR_REFERENCES was reached */
	char *backend;          /* "s3", "local", "cloud"; NULL: none named */
	struct strlist modules; /* local module sources as written: "./a", "../b"; may repeat */
	/* Relative paths in quoted strings: "../x.json", "./y"; "${path.module}/" and "${path.root}/" are taken off, and what follows another
	 * interpolation is cut at the last slash before it; may repeat. */
	struct strlist paths;
};

/* Add the facts of one file. False: it is not HCL (or JSON); needs_init is then set and the engine will say what is wrong. */
bool hcl_scan(const char *bytes, size_t len, struct hcl_facts *facts);
bool hcl_scan_json(const char *bytes, size_t len, struct hcl_facts *facts);
void hcl_facts_free(struct hcl_facts *facts); /* leaves empty facts */

/* Adds a name to modules or paths of f; at LIMIT_DIR_REFERENCES the file counts as unreadable instead. */
void hcl_note(struct hcl_facts *f, struct strlist *list, const char *name, size_t len);
/* What both forms share: one block seen ("" for no label), one quoted template. */
void hcl_note_block(struct hcl_facts *f, const char *type, const char *label);
void hcl_note_terraform_block(struct hcl_facts *f, const char *type, const char *label);
void hcl_note_backend(struct hcl_facts *f, const char *type);
/* Bytes of the white space at s that is no line end, as the engines take it off around the end of a here document; 0: none. */
size_t hcl_blank(const char *s, size_t len);
/* Past the word that ends a here document, when `line`, the beginning of a line, is that; NULL: the document goes on. Never beyond limit. */
const char *hcl_heredoc_end(const char *line, const char *limit, const char *end, size_t end_len);
void hcl_scan_template(const char *text, size_t len, struct hcl_facts *facts);

#endif
