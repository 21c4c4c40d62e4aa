#include "cmd/data_dir.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

int data_dir_lock(const char *data_dir, int *ret_fd, struct err *err)
{
	CLEANUP_FREE char *path = fs_join(data_dir, "LOCK");
	CLEANUP_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? err_set(err, ERR_CONFLICT, "%s is in use by another sluice: stop it first", data_dir)
					    : err_sys(err, "lock %s", path);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

char *data_dir_database(const char *data_dir) { return fs_join(data_dir, "sluice.db"); }
