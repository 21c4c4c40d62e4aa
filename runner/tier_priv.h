/* Private to runner/tier*.c. */
#ifndef RUNNER_TIER_PRIV_H
#define RUNNER_TIER_PRIV_H

#include "runner/tier.h"

/* Set where the canary is started from; it must not be seen inside. */
#define TIER_BAIT_VARIABLE "SLUICE_CANARY_BAIT"

/* The tier and the sentence from the findings. */
void tier_conclude(struct tier_report *r);

/* Why a box does not stand: what the host says about it. Each -1: the host has no such switch. */
struct tier_host {
	bool has_bwrap, has_job_init;
	int64_t clone;      /* kernel.unprivileged_userns_clone */
	int64_t namespaces; /* user.max_user_namespaces */
	int64_t apparmor;   /* kernel.apparmor_restrict_unprivileged_userns */
	bool is_root;
};
/* What the operator can do. Pure. */
const char *tier_box_fix(const struct tier_host *h);

#endif
