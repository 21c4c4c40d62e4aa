#include "secrets/secret.h"

#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int secret_set(struct secret *s, const void *bytes, size_t len, struct err *err)
{
	if (len > SECRET_MAX)
		return err_set(err, ERR_LIMIT, "secret of %zu bytes: at most %d are taken", len, SECRET_MAX);
	uint8_t *copy = xmalloc(len + 1); /* ends in NUL so that texts can be handed to C libraries */
	if (len > 0)
		memcpy(copy, bytes, len);
	copy[len] = 0;
	secret_free(s);
	s->bytes = copy;
	s->len = len;
	return 0;
}

/* Reads into memory that is wiped by the caller: a growing buffer would leave copies behind. */
static int read_whole(int fd, const char *path, uint8_t *out, size_t max, size_t *ret_len, struct err *err)
{
	size_t len = 0;
	while (len < max) {
		ssize_t n = read(fd, out + len, max - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read secret %s", path);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > SECRET_MAX)
		return err_set(err, ERR_LIMIT, "read secret %s: larger than %d bytes", path, SECRET_MAX);
	*ret_len = len;
	return 0;
}

static int check_file(int fd, const char *path, bool allow_loose, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_sys(err, "stat secret %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_REFUSED, "read secret %s: not a regular file", path);
	if (!allow_loose && (st.st_mode & 077) != 0)
		return err_set(err, ERR_REFUSED, "read secret %s: others may read it (mode %04o): chmod 600 it", path,
			       (unsigned)(st.st_mode & 07777));
	return 0;
}

int secret_read_file(struct secret *s, const char *path, bool allow_loose, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? err_set(err, ERR_NOT_FOUND, "read secret %s: no such file", path)
				       : err_sys(err, "read secret %s", path);
	int rc = check_file(fd, path, allow_loose, err);
	if (rc != 0)
		return rc;
	size_t len = 0;
	uint8_t *bytes = xmalloc(SECRET_MAX + 1);
	rc = read_whole(fd, path, bytes, SECRET_MAX + 1, &len, err);
	if (rc == 0 && len > 0 && bytes[len - 1] == '\n')
		len -= len > 1 && bytes[len - 2] == '\r' ? 2 : 1;
	if (rc == 0 && len == 0)
		rc = err_set(err, ERR_REFUSED, "read secret %s: the file is empty", path);
	if (rc == 0)
		rc = secret_set(s, bytes, len, err);
	crypto_wipe(bytes, SECRET_MAX + 1);
	free(bytes);
	return rc;
}

void secret_free(struct secret *s)
{
	crypto_wipe(s->bytes, s->len);
	free(s->bytes);
	*s = (struct secret){0};
}
