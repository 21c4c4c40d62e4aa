/* What a measurement of the whole path needs: a scratch directory, a simulated GitHub on this process's loop, the built daemon as a child,
 * the engine alone as the yardstick. A measurement that cannot be made aborts with a sentence: half a table would be read as a whole one. */
#ifndef TESTS_BENCH_LAB_H
#define TESTS_BENCH_LAB_H

#include "base/loop.h"
#include "base/mem.h"
#include "cmd/sim/sim.h"

#define LAB_SECRET "It's a bench secret"
#define LAB_USER "alice"

struct lab {
	struct loop *loop;
	struct sim *sim;
	struct loop_process *daemon;
	bool daemon_gone, stopping;
	int port;
	char *dir, *log, *program, *terraform;
};

void lab_open(struct lab *lab);
void lab_close(struct lab *lab); /* removes the scratch directory, unless SLUICE_BENCH_LOG asks for a level of logging */
void lab_die(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

/* A protected repository in which alice may write. Webhooks of it go to the daemon once that runs. */
void lab_repo(struct lab *lab, const char *name, const struct sim_file *files, size_t n);
/* Commits to a new branch and opens a pull request; returns its number. */
int64_t lab_pull(struct lab *lab, const char *repo, const char *branch, const struct sim_file *files, size_t n);

/* Starts the daemon; milliseconds from fork to the first accepted connection. data_dir is kept from one start to the next. */
double lab_daemon_start(struct lab *lab);
void lab_daemon_stop(struct lab *lab);
/* Resident KiB of the daemon. */
int64_t lab_daemon_rss(const struct lab *lab);

/* Milliseconds from since_ms until the pull request's first comment contains both texts; also may be NULL. */
double lab_wait(struct lab *lab, const char *repo, int64_t pull, double since_ms, const char *text, const char *also);
/* Lets the loop run until GitHub owes no webhook and was asked nothing for so long. */
void lab_settle(struct lab *lab, int64_t quiet_ms);
/* Writes to GitHub come five at once and then one a second (base/limits.h): as after a quiet hour, so that rounds need not wait for it. */
void lab_refill(const struct lab *lab);

/* Runs a program to its end; stdout goes to a file or nowhere (NULL). Milliseconds; aborts when it fails. */
double lab_run(const struct lab *lab, const char *cwd, const char *const *argv, const char *stdout_path);
/* init, plan -out, show -json of every directory, so many at a time; milliseconds. */
double lab_engine(const struct lab *lab, const char *const *dirs, size_t n, int workers);
/* Writes files below lab->dir/name; returns that path, the caller frees. */
char *lab_files(const struct lab *lab, const char *name, const struct sim_file *files, size_t n);
/* Bytes on disk below a directory. */
int64_t lab_disk(const struct lab *lab, const char *dir);

double lab_now_ms(void);
double lab_median(double *v, size_t n); /* sorts v */

#endif
