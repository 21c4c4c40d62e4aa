/* Step 7. Looks into the project directory on the host, before the box exists. Private to runner/. */
#ifndef RUNNER_PROJECT_LOOK_H
#define RUNNER_PROJECT_LOOK_H

#include "runner/spec.h"

#include <stdbool.h>

/* Opens the project directory without following a single symbolic link and without leaving the tree. */
int project_open(const struct job_spec *spec, int *ret_fd, struct err *err) MUST_CHECK;
bool project_has_lock_file(const struct job_spec *spec);
/* Does a configuration file seem to hold a `backend "local"` block? A look for the words only: saying yes too often costs a warning. */
bool project_names_local_backend(const struct job_spec *spec);

#endif
