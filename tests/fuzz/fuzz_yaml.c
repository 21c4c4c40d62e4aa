/* YAML: no crash, no leak, bounded nodes and depth, places that exist, one sentence that begins with the file's name. */
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "tests/fuzz/fuzz.h"

/* The library leaks for texts in quotes with many escapes; base/yaml.c tells. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libfyaml"; }

static size_t walk(const struct yaml_node *n, unsigned depth)
{
	size_t count = 1;
	ASSERT(n->line >= 1 && n->column >= 1);
	ASSERT(n->type != YAML_SCALAR || n->text != NULL);
	ASSERT(n->type == YAML_SCALAR || depth < LIMIT_CONFIG_DEPTH);
	for (size_t i = 0; i < n->n; i++) {
		if (n->type == YAML_MAP)
			count += walk(n->key[i], depth);
		count += walk(n->child[i], depth + 1);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct yaml_node *root = NULL;
	struct err err = {0};
	int rc = yaml_parse("f", (const char *)data, size, &root, &err);
	if (rc != 0) {
		ASSERT(root == NULL);
		ASSERT(strncmp(err.msg, "f:", 2) == 0);
		return 0;
	}
	ASSERT(walk(root, 0) <= LIMIT_CONFIG_NODES + 1);
	yaml_free(root);
	return 0;
}
