/* YAML: the door to libfyaml. A read-only tree whose every node knows its line and column, so that each later error can name them.
 *
 * YAML 1.2 core schema; at most LIMIT_CONFIG_BYTES, LIMIT_CONFIG_DEPTH and LIMIT_CONFIG_ALIASES (aliases are resolved, merge keys refused);
 * one document; duplicate keys are errors. Errors read "sluice.yaml:12:5: ...". */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum yaml_type { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_node {
	enum yaml_type type;
	int line, column;       /* 1-based */
	bool quoted;            /* a scalar in quotes or block form: always a string */
	char *text;             /* scalar: its text */
	size_t n;               /* map, list: number of children */
	struct yaml_node **key; /* map: scalar keys */
	struct yaml_node **child;
};

/* name is what errors call the file. An empty document gives an empty map. */
int yaml_parse(const char *name, const char *bytes, size_t len, struct yaml_node **ret, struct err *err) MUST_CHECK;
void yaml_free(struct yaml_node *node);
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
bool yaml_is_null(const struct yaml_node *n); /* ~, null or empty, unquoted */

#endif
