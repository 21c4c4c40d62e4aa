/* Repositories with a new name or owner, and Apps made from a manifest. */
#ifndef CMD_SIM_SIM_MOVED_H
#define CMD_SIM_SIM_MOVED_H

#include "cmd/sim/sim_priv.h"

/* sim_moved.c */
struct sim_repo *sim_repo_formerly(const struct sim *s, const char *full_name, size_t len); /* NULL: nobody had this name */
struct sim_repo *sim_repo_of_id(const struct sim *s, int64_t id);
void sim_answer_moved(struct sim_req *q, const char *below); /* 301 or 307 to /repositories/ID... */
int sim_control_moved(struct sim_req *q, struct json_writer *w, struct err *err) MUST_CHECK; /* {"repo", "to", "user"} */

/* sim_manifest.c */
bool sim_manifest_is(const char *path);
bool sim_manifest_open(const char *path); /* may be sent from another origin's page */
void sim_manifest(struct sim *s, struct http_exchange *x);
void sim_post_conversion(struct sim_req *q);

#endif
