/* Files of a change, as they come: whatever the bytes are, what is read of them stays within its ceilings and what is told can be kept. The first
 * half of the input is the base branch's file, the second the change's. */
#include "base/limits.h"
#include "plan/hygiene.h"
#include "tests/fuzz/fuzz.h"

static const char *const registries[] = {"registry.terraform.io"};

static void check_told(struct told_list *l)
{
	CLEANUP_BUF struct buf json = {0};
	struct told_list again = {0};
	told_sort(l);
	ASSERT(l->n <= LIMIT_TOLD);
	for (size_t i = 0; i < l->n; i++) {
		CLEANUP_FREE char *sentence = told_sentence(&l->v[i]);
		ASSERT(sentence[0] == '`' && l->v[i].line >= 0 && strlen(l->v[i].text) <= LIMIT_TOLD_TEXT_BYTES);
	}
	told_write(l, &json);
	ASSERT(told_read(buf_str(&json), &again, NULL) == 0);
	told_free(&again);
	told_free(l);
}

static void check_config(const char *name, const char *a, size_t an, const char *b, size_t bn)
{
	struct tf_dir was = {0}, is = {0};
	struct backend_place p, q;
	struct provider_needs needs = {0};
	struct block_facts before = {0}, after = {0};
	struct told_list told = {0};
	char x[65], y[65];
	tf_dir_add(&was, name, a, an);
	tf_dir_add(&is, name, b, bn);
	backend_place_read(&was, true, &p);
	backend_place_read(&is, true, &q);
	backend_place_digest(&p, x);
	backend_place_digest(&q, y);
	CLEANUP_FREE char *differs = backend_place_differs(&p, &q);
	ASSERT((strcmp(x, y) == 0) == (differs == NULL) || p.type == NULL || q.type == NULL);
	provider_needs_read(&is, &needs);
	CLEANUP_FREE char *refused = hygiene_providers(&needs, registries, 1, "hashicorp/*");
	CLEANUP_FREE char *allowed = hygiene_providers(&needs, registries, 1, NULL);
	ASSERT(allowed == NULL && (refused != NULL || needs.unclear == NULL));
	block_facts_add(&before, name, &was.v[0].file);
	block_facts_add(&after, name, &is.v[0].file);
	hygiene_blocks(&before, &after, &told);
	check_told(&told);
	block_facts_free(&before);
	block_facts_free(&after);
	provider_needs_free(&needs);
	backend_place_free(&p);
	backend_place_free(&q);
	tf_dir_free(&was);
	tf_dir_free(&is);
}

static void check_lock(const char *a, size_t an, const char *b, size_t bn)
{
	struct dep_lock was, is;
	struct told_list told = {0};
	dep_lock_read(a, an, &was);
	dep_lock_read(b, bn, &is);
	CLEANUP_FREE char *none = hygiene_lock_changed(&was, &was, "l", NULL, &told);
	ASSERT(!was.readable || none == NULL);
	ASSERT(told.n == 0);
	CLEANUP_FREE char *why = hygiene_lock_changed(&was, &is, "l", "hashicorp/*", &told);
	CLEANUP_FREE char *in_force = hygiene_lock_allowed(&is, "l", "hashicorp/*");
	ASSERT(is.readable || (why != NULL && in_force != NULL));
	check_told(&told);
	dep_lock_free(&was);
	dep_lock_free(&is);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *a = (const char *)data;
	const char *cut = size > 0 ? memchr(a, '\x1e', size) : NULL;
	size_t an = cut != NULL ? (size_t)(cut - a) : size / 2;
	const char *b = cut != NULL ? cut + 1 : a + an;
	size_t bn = (size_t)(a + size - b);
	struct told_list told = {0};
	struct strlist changed = {0};
	check_config("a.tf", a, an, b, bn);
	check_config("a_override.tofu.json", a, an, b, bn);
	check_config("terraform.tfvars", a, an, b, bn);
	check_lock(a, an, b, bn);
	hygiene_text("a.tf", a, an, b, bn, &told);
	strlist_add(&changed, "a/b.tf");
	hygiene_hidden("a", b, bn, &changed, &told);
	check_told(&told);
	strlist_free(&changed);
	return 0;
}
