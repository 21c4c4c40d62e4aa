#include "base/clock.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/log.h"
#include "runner/runner_priv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The runner tells the daemon what happens, and never waits for it: whatever does not go out at once closes the connection, and the next
 * one begins with everything the daemon has to know. What counts is on disk. */

enum { RETRY_MS = 200, COMMAND_MAX = 4096 };

static void drop(struct runner *r)
{
	mem_close_fd(&r->link.fd);
	buf_reset(&r->link.in);
	r->link.retry_ms = clock_mono_ms() + RETRY_MS;
}

static void send_message(struct runner *r, const char *type, const char *step)
{
	if (r->link.fd < 0)
		return;
	CLEANUP_BUF struct buf text = {0};
	CLEANUP_BUF struct buf frame = {0};
	struct json_writer w = json_writer(&text);
	jw_open(&w, NULL);
	jw_str(&w, "type", type);
	jw_int(&w, "job", r->spec.job_id);
	if (step != NULL)
		jw_str(&w, "step", step);
	jw_close(&w);
	uint8_t head[4] = {(uint8_t)text.len, (uint8_t)(text.len >> 8), 0, 0};
	buf_add(&frame, head, sizeof(head));
	buf_add(&frame, text.data, text.len);
	/* one call for the whole frame: a part of one would leave the daemon waiting for the rest */
	if (send(r->link.fd, frame.data, frame.len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)frame.len)
		drop(r);
}

void link_open(struct runner *r)
{
	if (r->link.fd >= 0 || r->spec.socket_path == NULL || clock_mono_ms() < r->link.retry_ms)
		return;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s", r->spec.socket_path);
	int fd = n > 0 && (size_t)n < sizeof(a.sun_path) ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		mem_close_fd(&fd);
		r->link.retry_ms = clock_mono_ms() + RETRY_MS;
		return;
	}
	r->link.fd = fd;
	send_message(r, "hello", NULL);
	if (r->exit.step != NULL)
		send_message(r, "step", r->exit.step);
}

static void obey(struct runner *r, const struct buf *frame)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root;
	struct err err;
	const char *type = NULL;
	if (json_parse(buf_str(frame), frame->len, NULL, &doc, &root, &err) != 0 || json_str(&root, "type", 32, &type, &err) != 0) {
		log_warn("runner.message", "job=%lld error=%s", (long long)r->spec.job_id, log_value(err.msg));
		return;
	}
	if (strcmp(type, "cancel") == 0)
		runner_stop(r, STOP_CANCEL);
}

void link_readable(struct runner *r)
{
	char chunk[COMMAND_MAX];
	ssize_t n = recv(r->link.fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(r);
		return;
	}
	buf_add(&r->link.in, chunk, (size_t)n);
	CLEANUP_BUF struct buf frame = {0};
	struct err err;
	int rc;
	while ((rc = frame_take(&r->link.in, COMMAND_MAX, &frame, &err)) == 1)
		obey(r, &frame);
	if (rc < 0)
		drop(r);
}

void link_tell_step(struct runner *r)
{
	link_open(r);
	send_message(r, "step", r->exit.step);
}

void link_tell_exit(struct runner *r)
{
	link_open(r);
	send_message(r, "exit", NULL);
}

void link_close(struct runner *r)
{
	mem_close_fd(&r->link.fd);
	buf_free(&r->link.in);
}
