/* A simulated GitHub with one repository, and the machine of tests/support/rig.h before it. */
#ifndef TESTS_COMPONENT_WORLD_H
#define TESTS_COMPONENT_WORLD_H

#include "base/fs.h"
#include "cmd/sim/sim.h"
#include "tests/support/fds.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define REPO "acme/infra"
#define BOT "sluice-app[bot]"

struct world {
	struct rig r;
	struct loop *l;
	struct sim *sim;
	char sim_dir[64];
	int64_t pull;
	char head[SIM_SHA_SIZE];
	int fds_before;
};

void sim_must(int rc, const struct err *err);

/* A change on a branch, by alice; the new head is kept when the branch is the first one. */
void world_push(struct world *w, const char *branch, const char *text);
int64_t world_pull(struct world *w, const char *branch, bool draft);
void world_approve(struct world *w, int64_t pull);
void world_faults(struct world *w, const char *rules);
struct world *world_open(const char *more);
void world_close(struct world *w);
int world_setup(void **state);
int world_teardown(void **state);

/* The comment as it is owed; "" while there is none. Edits reach GitHub one a second, so tests of words read this. */
const char *world_owed(struct world *w);
const char *world_status(struct world *w) /* the roll-up's, as it is owed */;
void says(const char *text, const char *wanted);
void is_in_state(enum run_state got, enum run_state want);

/* Plans #pull and waits. */
int64_t world_plan(struct world *w, int64_t pull);

#define WT(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
