/* The data directory: one process at a time writes below it, the daemon or a command that changes something. */
#ifndef CMD_DATA_DIR_H
#define CMD_DATA_DIR_H

#include "base/err.h"

/* Held until the descriptor is closed, at the latest when the process ends. ERR_CONFLICT: another sluice holds it. */
int data_dir_lock(const char *data_dir, int *ret_fd, struct err *err) MUST_CHECK;
/* Path of the database in it; the caller frees. */
char *data_dir_database(const char *data_dir);

#endif
