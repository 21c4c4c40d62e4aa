/* A GitHub of a few arrays for random histories of the outbox (tests/component/test_outbox_seeds.c): it stands where the calls of github/gh.h stand,
 * answers at once, loses answers and refuses as the dice say, and fails the test when it is asked for what must never be asked. */
#ifndef TESTS_SUPPORT_ARRAY_GITHUB_H
#define TESTS_SUPPORT_ARRAY_GITHUB_H

#include "github/outbox_priv.h"

#define WORLD_NOW INT64_C(1800000000000)

enum { SELF = 9, OWNERS = 2, KINDS = 5, SLOTS = OWNERS * KINDS, THINGS = 400, ANNOTATIONS = 128, WRITES = 4000 };

/* A comment or a check run. */
struct thing {
	bool check, gone;
	int owner, author, slot, version;
	int64_t visible_ms;
	char external_id[16], status[16], conclusion[16];
	unsigned char annotated[ANNOTATIONS];
	int annotations;
};

/* What is owed in a slot. */
struct slot {
	char name[32];
	enum effect_kind kind;
	int owner, version, run, annotations;
	bool completed;
	const char *conclusion;
};

/* One installation's circle in the process that is tested. */
struct lane {
	char key[16];
	struct outbox_item item;
	struct outbox_outcome outcome;
	int64_t wait_ms;
};

struct world {
	struct db_conn *c;
	uint64_t dice, seed;
	int64_t now;
	bool calm;  /* no faults any more */
	bool hurry; /* no pauses either */
	int64_t self_id;
	struct slot slots[SLOTS];
	struct lane lanes[OWNERS];
	struct thing things[THINGS];
	size_t things_n;
	char statuses[SLOTS][16];
	int64_t writes[OWNERS][WRITES];
	size_t writes_n[OWNERS];
	struct gh_result r; /* of the last request */
	int64_t id, annotations;
};

/* What came together over all histories. */
struct world_total {
	int64_t requests, writes, crashes, faults, deleted, most_in_a_minute, most_in_an_hour;
};

extern struct world w;
extern struct world_total all;

uint64_t dice(uint64_t sides); /* below sides */
/* A new comment or check; it shows up in lists a little later, now and then. */
struct thing *thing_new(bool check, int owner, int author, int slot);
extern const struct outbox_github array_github; /* its gh is NULL */

#define EXPECT(cond)                                                                                                                                     \
	do {                                                                                                                                            \
		if (!(cond))                                                                                                                            \
			fail_msg("seed %llu at %lld: %s", (unsigned long long)w.seed, (long long)(w.now - WORLD_NOW), #cond);                             \
	} while (0)

#endif
