#include "runner/egress_priv.h"

#include <errno.h>
#include <sys/socket.h>

static void open_flow(struct egress_flow *f)
{
	if (f->bytes == NULL)
		f->bytes = xmalloc(FLOW_BYTES);
}

size_t egress_flow_space(const struct egress_flow *f) { return FLOW_BYTES - egress_flow_held(f); }

/* Room behind the end: what is held moves to the front when it has to. */
static size_t make_room(struct egress_flow *f)
{
	open_flow(f);
	if (f->start == f->end)
		f->start = f->end = 0;
	if (f->end == FLOW_BYTES && f->start > 0) {
		memmove(f->bytes, f->bytes + f->start, f->end - f->start);
		f->end -= f->start;
		f->start = 0;
	}
	return FLOW_BYTES - f->end;
}

ssize_t egress_flow_read(struct egress_flow *f, int fd, size_t max)
{
	size_t room = make_room(f);
	if (room > max)
		room = max;
	if (room == 0)
		return 0;
	ssize_t n = recv(fd, f->bytes + f->end, room, MSG_DONTWAIT);
	if (n > 0)
		f->end += (size_t)n;
	else if (n == 0)
		f->ended = true;
	else if (errno == EAGAIN || errno == EINTR)
		return 0;
	return n > 0 ? n : n == 0 ? FLOW_ENDED : FLOW_BROKEN;
}

void egress_flow_add(struct egress_flow *f, const void *bytes, size_t len)
{
	ASSERT(len <= make_room(f));
	memcpy(f->bytes + f->end, bytes, len);
	f->end += len;
}

int egress_flow_write(struct egress_flow *f, int fd)
{
	while (f->start < f->end) {
		ssize_t n = send(fd, f->bytes + f->start, f->end - f->start, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : FLOW_BROKEN;
		f->start += (size_t)n;
	}
	return 0;
}

void egress_flow_free(struct egress_flow *f)
{
	free(f->bytes);
	*f = (struct egress_flow){0};
}
