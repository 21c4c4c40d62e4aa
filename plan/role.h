/* What a person may do, looked up when it is needed: the operator's roles (with team membership from GitHub), or, where the server file
 * has none, the permission on the repository: admin -> admin, write -> apply, read -> read. Step 4. On the loop. */
#ifndef PLAN_ROLE_H
#define PLAN_ROLE_H

#include "github/gh.h"
#include "plan/config.h"

struct role_lookup;

/* failed NULL: role is known. Otherwise nothing is known, and failed says what could not be read. Fires once, later. */
typedef void (*role_cb)(enum role role, const char *failed, void *arg);
struct role_lookup *role_lookup_start(struct gh *gh, const struct server_config *config, const char *repo, const char *login, role_cb cb, void *arg);
void role_lookup_cancel(struct role_lookup *r); /* NULL is fine */

#endif
