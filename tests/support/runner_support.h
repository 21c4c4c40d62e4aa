/* Jobs for tests: a scratch directory with a tree, a runner process (this test binary again, as `job-runner`), its record and its files. */
#ifndef TESTS_RUNNER_SUPPORT_H
#define TESTS_RUNNER_SUPPORT_H

#include "base/buf.h"
#include "base/crypto.h"
#include "runner/spec.h"

#include <sys/types.h>

enum { RUNNER_SUPPORT_GRACE_MS = 700, RUNNER_SUPPORT_TAKE_OUT_MS = 1500, RUNNER_SUPPORT_PLAN_JSON_MAX = 2 * 1024 * 1024 };

/* First thing in main: plays the runner when the arguments say so (and ends the process), else returns. A file "job-init" in the job's
 * directory takes the place of the real one. */
void runner_support_role(int argc, char **argv);

struct scene {
	char root[64]; /* scratch directory */
	char *tree, *jobs;
	struct job_spec spec; /* of the next job; change at will */
	uint8_t key[AEAD_KEY_SIZE], state_key[AEAD_KEY_SIZE], plan_key[AEAD_KEY_SIZE];
	struct job_exit exit; /* of the last job */
	char error[2048];     /* its error or "" */
};

/* Engine: NULL for the real terraform of this machine. */
void scene_open(struct scene *s, const char *engine_path);
void scene_close(struct scene *s);
/* Writes a file of the tree (directories are made). */
void scene_file(struct scene *s, const char *path, const char *text);
/* A new job id with an empty directory; phase and inputs of the spec stay. */
void scene_next_job(struct scene *s);
pid_t scene_start(struct scene *s);
/* Waits for the runner and reads its record; the process status is returned. */
int scene_wait(struct scene *s, pid_t pid);
int scene_run(struct scene *s);
char *scene_job_file(const struct scene *s, const char *name);
/* The content of a file in the job's directory; the caller frees. */
char *scene_read(const struct scene *s, const char *name);
/* plan.enc or state.enc in clear; asserts that it opens. */
void scene_unseal(const struct scene *s, const char *name, const char *what, struct buf *ret);
/* Makes the next job an apply of the last one's plan (and the last one's state its input when it left one). */
void scene_then_apply(struct scene *s);
/* Makes the state that the last job left the next one's input. */
void scene_keep_state(struct scene *s);
/* Waits until the log holds a text; false after 10 s. */
bool scene_log_has(const struct scene *s, const char *text);

/* Compiles the engine double once per process; a path that lives as long. */
const char *runner_support_double(void);
/* Orphans of runners become ours from now on, so that whatever a job leaves behind is seen. */
void runner_support_adopt_orphans(void);
/* Reaps orphans until there is no child left; fails after 5 s. Returns how many there were. */
int runner_support_no_orphans(void);

#endif
