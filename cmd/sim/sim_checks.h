/* What is told of the check runs of Apps (sim_check_hooks.c); sim_checks.c keeps them. */
#ifndef CMD_SIM_SIM_CHECKS_H
#define CMD_SIM_SIM_CHECKS_H

#include "cmd/sim/sim_priv.h"

/* identifier: of the button that was pressed; NULL: none. */
void sim_hook_check(struct sim *s, struct sim_repo *r, const struct sim_mark *m, const char *action, const char *identifier, const struct sim_user *sender);
void sim_hook_suite(struct sim *s, struct sim_repo *r, const char *sha, int64_t app, const char *action, const struct sim_user *sender);
void sim_suites_pushed(struct sim *s, struct sim_repo *r, const char *sha, const struct sim_user *u); /* check_suite.requested, where an App wants it */
/* The member "check_suite", of a suite that an App has for a commit. */
void sim_shape_suite(struct json_writer *w, const struct sim *s, const struct sim_repo *r, const char *sha, int64_t app, const char *status,
		     const char *conclusion);
int sim_control_check(struct sim_req *q, struct json_writer *w, struct err *err) MUST_CHECK; /* {"repo", "sha", "name", "user", "action"} */

#endif
