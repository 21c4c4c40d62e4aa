/* Steps 4 and 7. Which providers may run: the lines of providers.allow. Pure; read in `sluice prepare` before anything foreign is run, in the
 * engine's settings of a box, and once more after `init`.
 *
 *   [HOST/]NAMESPACE/TYPE [CONSTRAINT[, CONSTRAINT]...] [HASH...]
 *
 * `*` stands for a whole part. Without HOST both public registries are meant. A constraint is =, !=, >, >=, <, <= or ~> with a version, as in
 * `required_providers`; a version with a pre-release suffix fits none but itself. A HASH is `h1:` or `zh:` as in .terraform.lock.hcl: then the
 * package has to have one of them. One rule that fits is enough. Letters of either case are the same in names. */
#ifndef RUNNER_PROVIDER_RULE_H
#define RUNNER_PROVIDER_RULE_H

#include "base/mem.h"

#include <stdbool.h>

#define PROVIDER_REGISTRY_TERRAFORM "registry.terraform.io"
#define PROVIDER_REGISTRY_OPENTOFU "registry.opentofu.org"

/* Does a rule parse? The sentence names what is wrong with it. For configuration files. */
int provider_rule_check(const char *rule, struct err *err) MUST_CHECK;

/* Appends HOST/NAMESPACE/TYPE for each source that the line of len bytes names: two without HOST, none when it does not parse. Only letters,
 * digits and ._-:* are in them. */
void provider_rule_sources(const char *line, size_t len, struct strlist *out);

/* A source as configurations write it, [[HOST/]NAMESPACE/]TYPE, in full and in lower case; registry: what a missing HOST means. NULL: it is none.
 * The caller frees. */
char *provider_source_full(const char *source, const char *registry);

/* Part of the engine itself. */
bool provider_is_builtin(const char *full_source);

enum provider_verdict {
	PROVIDER_ALLOWED,
	PROVIDER_NOT_NAMED, /* no rule names its source */
	PROVIDER_VERSION,   /* one does, but not this version */
	PROVIDER_HASH,      /* nor with any of these hashes */
};

/* rules: one a line; NULL: everything is allowed. full_source as above. version NULL: not known yet, any will do. hashes NULL: likewise. A version that
 * is none fits only rules without constraint. */
enum provider_verdict provider_rules_verdict(const char *rules, const char *full_source, const char *version, const struct strlist *hashes);
/* As above, by rules that carry a hash alone. */
enum provider_verdict provider_rules_verdict_pinned(const char *rules, const char *full_source, const char *version, const struct strlist *hashes);

/* <0, 0, >0; a text that is no version comes before all that are. */
int provider_version_compare(const char *a, const char *b);

#endif
