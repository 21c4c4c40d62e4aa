/* The fetch step for tests: its real child (this test binary again) and its real store in a scratch directory; a double stands where its boxes are. What
 * the double prints stands in files beside the "engine" that the order names: zip, package, modules; NAME.sleep makes it slow. */
#ifndef TESTS_SUPPORT_FETCH_SUPPORT_H
#define TESTS_SUPPORT_FETCH_SUPPORT_H

#include "runner/fetch.h"

/* First thing in main: plays the child when the arguments say so, and ends the process. */
void fetch_scene_role(int argc, char **argv);
int fetch_scene_open(void **state); /* one provider in the lock file, its package published, an empty project p */
int fetch_scene_close(void **state);

extern char fetch_scene_dir[];
extern const char fetch_scene_zip[];
extern const struct fetch_watch fetch_scene_watch;
char *fetch_scene_at(const char *name); /* below the scratch directory; the caller frees */
void fetch_scene_put(const char *name, const char *bytes, size_t len);
void fetch_scene_run(const char *shell, const char *arg); /* in the scratch directory; arg is put behind it */
char *fetch_scene_zh(const char *bytes);                  /* the caller frees */
void fetch_scene_lock(const char *version, const char *hash);
struct fetch_order fetch_scene_order(void);
size_t fetch_scene_count(void); /* how often the double was asked */
bool fetch_scene_is_empty(const char *name);
int fetch_scene_fetch(struct fetch_order *o, struct fetch_result *r, struct err *err); /* frees o */
int fetch_scene_modules(const char *modules, struct fetch_result *r, struct err *err); /* without lock file; modules as in an order */

#endif
