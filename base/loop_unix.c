/* UNIX stream sockets of the loop, carrying frames: a little-endian u32 length, then that many bytes. */
#include "base/limits.h"
#include "base/loop_priv.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { FRAME_HEAD = 4, BACKLOG = 128, SEND_QUEUE_FRAMES = 8 };

struct loop_listener {
	uv_pipe_t uv;
	void (*on_conn)(struct loop_conn *c, void *arg);
	void *arg;
};

struct loop_conn {
	uv_pipe_t uv;
	struct loop_conn_events events;
	void *arg;
	struct buf in;     /* bytes of a frame that is not whole yet */
	bool told, closed; /* on_close was called; loop_conn_close was */
};

struct outgoing {
	uv_write_t uv;
	char bytes[];
};

static uv_stream_t *stream(struct loop_conn *c) { return (uv_stream_t *)&c->uv; }

static void free_conn(uv_handle_t *h)
{
	struct loop_conn *c = h->data;
	buf_free(&c->in);
	free(c);
}

void loop_conn_close(struct loop_conn *c)
{
	if (c == NULL || c->closed)
		return;
	c->closed = true;
	uv_close((uv_handle_t *)&c->uv, free_conn);
}

static void tell_closed(struct loop_conn *c)
{
	if (c->told || c->closed)
		return;
	c->told = true;
	(void)uv_read_stop(stream(c)); /* always 0 */
	c->events.on_close(c, c->arg);
}

static size_t frame_length(const char *head)
{
	const unsigned char *b = (const unsigned char *)head;
	return (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
}

/* Hands over every whole frame. The handler may close the connection in between; its memory stays until the close callback. */
static void take_frames(struct loop_conn *c)
{
	size_t at = 0;
	while (!c->closed && c->in.len - at >= FRAME_HEAD) {
		size_t len = frame_length(c->in.data + at);
		if (len > LIMIT_FRAME_BYTES) {
			tell_closed(c);
			return;
		}
		if (c->in.len - at - FRAME_HEAD < len)
			break;
		at += FRAME_HEAD + len;
		c->events.on_frame(c, c->in.data + at - len, len, c->arg);
	}
	buf_consume(&c->in, at);
	if (c->in.len == 0)
		buf_free(&c->in); /* most connections are silent most of the time */
}

static void on_bytes(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct loop_conn *c = s->data;
	loop_worked(s->loop->data);
	if (n < 0) {
		tell_closed(c);
		return;
	}
	buf_add(&c->in, b->base, (size_t)n);
	take_frames(c);
}

static void on_sent(uv_write_t *w, int status)
{
	struct loop_conn *c = w->data;
	free(w); /* first member of struct outgoing */
	if (status != 0)
		tell_closed(c);
}

void loop_conn_send(struct loop_conn *c, const void *bytes, size_t len)
{
	ASSERT(len <= LIMIT_FRAME_BYTES);
	if (c->closed || c->told)
		return;
	int fd;
	if (uv_stream_get_write_queue_size(stream(c)) > (size_t)SEND_QUEUE_FRAMES * LIMIT_FRAME_BYTES) {
		if (uv_fileno((uv_handle_t *)&c->uv, &fd) == 0)
			(void)shutdown(fd, SHUT_RDWR); /* the reader then finds the end, and on_close follows from there */
		return;
	}
	struct outgoing *o = xmalloc(sizeof(*o) + FRAME_HEAD + len);
	for (unsigned i = 0; i < FRAME_HEAD; i++)
		o->bytes[i] = (char)(len >> (8 * i) & 0xff);
	if (len > 0)
		memcpy(o->bytes + FRAME_HEAD, bytes, len);
	o->uv.data = c;
	uv_buf_t b = {.base = o->bytes, .len = FRAME_HEAD + len};
	int rc = uv_write(&o->uv, stream(c), &b, 1, on_sent);
	if (rc != 0) {
		free(o);
		if (uv_fileno((uv_handle_t *)&c->uv, &fd) == 0)
			(void)shutdown(fd, SHUT_RDWR);
	}
}

void loop_conn_start(struct loop_conn *c, const struct loop_conn_events *events, void *arg)
{
	c->events = *events;
	c->arg = arg;
	int rc = uv_read_start(stream(c), loop_chunk_alloc, on_bytes);
	ASSERT(rc == 0);
}

static void on_connection(uv_stream_t *server, int status)
{
	struct loop_listener *s = server->data;
	loop_worked(server->loop->data);
	if (status != 0)
		return; /* out of descriptors: the peer stays in the backlog */
	struct loop_conn *c = xcalloc(1, sizeof(*c));
	c->uv.data = c;
	int rc = uv_pipe_init(server->loop, &c->uv, 0);
	ASSERT(rc == 0);
	if (uv_accept(server, stream(c)) != 0) {
		loop_conn_close(c); /* the peer gave up meanwhile */
		return;
	}
	s->on_conn(c, s->arg);
}

static void free_listener(uv_handle_t *h) { free(h->data); }

void loop_listener_close(struct loop_listener *s)
{
	if (s != NULL)
		uv_close((uv_handle_t *)&s->uv, free_listener); /* libuv unlinks the path */
}

static int bind_and_listen(struct loop_listener *s, const char *path, mode_t mode, struct err *err)
{
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return err_set(err, ERR_LIMIT, "listen on %s: the path of a socket has at most %zu bytes; choose a shorter data_dir", path,
			       sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	if (unlink(path) != 0 && errno != ENOENT) /* a leftover of a crash */
		return err_sys(err, "remove the old socket %s", path);
	int rc = uv_pipe_bind(&s->uv, path);
	if (rc != 0)
		return err_set(err, ERR_IO, "listen on %s: %s", path, uv_strerror(rc));
	if (chmod(path, mode) != 0) /* before listen, so that nobody can connect earlier */
		return err_sys(err, "set the mode of %s", path);
	rc = uv_listen((uv_stream_t *)&s->uv, BACKLOG, on_connection);
	if (rc != 0)
		return err_set(err, ERR_IO, "listen on %s: %s", path, uv_strerror(rc));
	return 0;
}

struct loop_listener *loop_listen_unix(struct loop *l, const char *path, mode_t mode, void (*on_conn)(struct loop_conn *c, void *arg), void *arg,
				       struct err *err)
{
	struct loop_listener *s = xcalloc(1, sizeof(*s));
	s->on_conn = on_conn;
	s->arg = arg;
	s->uv.data = s;
	int rc = uv_pipe_init(&l->uv, &s->uv, 0);
	ASSERT(rc == 0);
	if (bind_and_listen(s, path, mode, err) != 0) {
		loop_listener_close(s);
		return NULL;
	}
	return s;
}
