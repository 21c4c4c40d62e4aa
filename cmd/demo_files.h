/* The small monorepo of the demo: five projects, one shared module, no provider to fetch. */
#ifndef CMD_DEMO_FILES_H
#define CMD_DEMO_FILES_H

#include "cmd/sim/sim.h"

extern const struct sim_file demo_base[], demo_change[];
extern const size_t demo_base_n, demo_change_n;

#endif
