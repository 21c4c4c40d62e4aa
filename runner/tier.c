#include "runner/tier.h"

static const char *const names[] = {[TIER_NONE] = "none", [TIER_REDUCED] = "reduced", [TIER_BOUNDED] = "bounded", [TIER_FULL] = "full"};
_Static_assert(ARRAY_LEN(names) == TIERS, "each tier has a word");

const char *tier_name(enum tier t) { return names[t]; }
