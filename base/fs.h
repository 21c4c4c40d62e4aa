/* Files: whole reads with a ceiling, writes that are on disk when they return, and trees. */
#ifndef BASE_FS_H
#define BASE_FS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads a regular file of at most max bytes into an emptied buffer. ERR_NOT_FOUND, ERR_LIMIT, ERR_IO. */
int fs_read(const char *path, size_t max, struct buf *ret, struct err *err) MUST_CHECK;
/* Writes beside, fsyncs, renames over, fsyncs the directory. */
int fs_write_atomic(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err) MUST_CHECK;
/* The same without fsync, for files that can be made again. */
int fs_write_fast(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err) MUST_CHECK;
int fs_mkdir_p(const char *path, mode_t mode, struct err *err) MUST_CHECK;
/* Removes a tree; a missing one is fine. Never follows a symbolic link. */
int fs_remove_tree(const char *path, struct err *err) MUST_CHECK;
bool fs_exists(const char *path);
bool fs_is_dir(const char *path);
/* Size in bytes, or -1. */
int64_t fs_size(const char *path);
/* a + "/" + b, or b when it is absolute; the caller frees. */
char *fs_join(const char *a, const char *b);
/* Absolute path of the running executable's directory; static storage. */
const char *fs_self_dir(void);
/* First executable regular file called name in PATH; the caller frees; NULL when there is none. */
char *fs_which(const char *name);
int fs_write_all(int fd, const void *bytes, size_t len, struct err *err) MUST_CHECK;
/* close_range(lowest, ~0). */
void fs_close_from(int lowest);

#endif
