#include "runner/engine.h"

#include "base/buf.h"
#include "base/text.h"

static const struct engine engines[ENGINE_KINDS] = {
	[ENGINE_TERRAFORM] = {ENGINE_TERRAFORM, "terraform", "Terraform", "terraform", "Terraform v", true},
	[ENGINE_OPENTOFU] = {ENGINE_OPENTOFU, "opentofu", "OpenTofu", "tofu", "OpenTofu v", true},
	[ENGINE_PULUMI] = {ENGINE_PULUMI, "pulumi", "Pulumi", "pulumi", "v", false},
};

const struct engine *engine_row(enum engine_kind kind)
{
	ASSERT((int)kind >= 0 && kind < ENGINE_KINDS);
	return &engines[kind];
}

int engine_parse(const char *name, enum engine_kind *ret, struct err *err)
{
	const char *names[ENGINE_KINDS];
	CLEANUP_BUF struct buf list = {0};
	for (size_t i = 0; i < ENGINE_KINDS; i++) {
		if (strcmp(engines[i].name, name) == 0) {
			*ret = engines[i].kind;
			return 0;
		}
		names[i] = engines[i].name;
		buf_printf(&list, "%s%s", i == 0 ? "" : ", ", names[i]);
	}
	const char *near = text_nearest(name, names, ENGINE_KINDS);
	if (near != NULL)
		return err_set(err, ERR_PARSE, "unknown engine \"%.64s\": did you mean \"%s\"?", name, near);
	return err_set(err, ERR_PARSE, "unknown engine \"%.64s\": use one of %s", name, buf_str(&list));
}
