#include "base/frame.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_SIZE = 4 };

/* send() keeps SIGPIPE away on sockets; on pipes the caller has to have it ignored. */
static int write_all(int fd, const uint8_t *p, size_t len, struct err *err)
{
	bool is_socket = true;
	while (len > 0) {
		ssize_t n = is_socket ? send(fd, p, len, MSG_NOSIGNAL) : write(fd, p, len);
		if (n < 0 && is_socket && errno == ENOTSOCK) {
			is_socket = false;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return err_set(err, ERR_UNAVAILABLE, "write frame: the other side is gone");
		if (n < 0)
			return err_sys(err, "write frame");
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int frame_write(int fd, const void *bytes, size_t len, struct err *err)
{
	if (len > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "write frame: %zu bytes do not fit into one", len);
	uint8_t small[HEAD_SIZE + 2048];
	for (size_t i = 0; i < HEAD_SIZE; i++)
		small[i] = (uint8_t)(len >> (8 * i));
	if (len <= sizeof(small) - HEAD_SIZE) { /* one system call for nearly all of them */
		if (len > 0)
			memcpy(small + HEAD_SIZE, bytes, len);
		return write_all(fd, small, HEAD_SIZE + len, err);
	}
	int rc = write_all(fd, small, HEAD_SIZE, err);
	return rc != 0 ? rc : write_all(fd, bytes, len, err);
}

/* ret_n is smaller than len only at the end of the stream. */
static int read_all(int fd, uint8_t *p, size_t len, size_t *ret_n, struct err *err)
{
	size_t got = 0;
	while (got < len) {
		ssize_t n = read(fd, p + got, len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read frame");
		if (n == 0)
			break;
		got += (size_t)n;
	}
	*ret_n = got;
	return 0;
}

static size_t head_len(const void *head)
{
	const uint8_t *h = head;
	return (size_t)h[0] | (size_t)h[1] << 8 | (size_t)h[2] << 16 | (size_t)h[3] << 24;
}

static int too_long(size_t len, size_t max, struct err *err)
{
	return err_set(err, ERR_LIMIT, "read frame: %zu bytes announced, at most %zu are taken", len, max);
}

/* A short one is not an error of the descriptor but of the sender. */
static int cut(struct err *err) { return err_set(err, ERR_PARSE, "read frame: the stream ended inside a frame"); }

int frame_read(int fd, size_t max, struct buf *ret, struct err *err)
{
	uint8_t head[HEAD_SIZE];
	size_t n = 0;
	int rc = read_all(fd, head, sizeof(head), &n, err);
	if (rc != 0)
		return rc;
	if (n == 0)
		return err_set(err, ERR_NOT_FOUND, "read frame: the stream is at its end");
	if (n < sizeof(head))
		return cut(err);
	size_t left = head_len(head);
	if (left > max)
		return too_long(left, max, err);
	buf_reset(ret);
	ret->max = max;
	while (left > 0) { /* grows with what arrives, not with what was announced */
		uint8_t chunk[65536];
		size_t want = left < sizeof(chunk) ? left : sizeof(chunk);
		rc = read_all(fd, chunk, want, &n, err);
		if (rc != 0)
			return rc;
		if (n < want)
			return cut(err);
		buf_add(ret, chunk, n);
		left -= n;
	}
	return 0;
}

int frame_take(struct buf *in, size_t max, struct buf *ret, struct err *err)
{
	if (in->len < HEAD_SIZE)
		return 0;
	size_t len = head_len(in->data);
	if (len > max)
		return too_long(len, max, err);
	if (in->len - HEAD_SIZE < len)
		return 0;
	buf_reset(ret);
	ret->max = max;
	buf_add(ret, in->data + HEAD_SIZE, len);
	buf_consume(in, HEAD_SIZE + len);
	return 1;
}
