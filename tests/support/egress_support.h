/* What tests of a job's network share: ClientHellos of any shape, servers on loopback, and a proxy with a listener of this process. */
#ifndef TESTS_SUPPORT_EGRESS_SUPPORT_H
#define TESTS_SUPPORT_EGRESS_SUPPORT_H

#include "base/buf.h"
#include "runner/egress_priv.h"

struct hello_shape {
	const char *name;   /* NULL: no server_name extension */
	const char *second; /* another name in the same list */
	bool twice;         /* the whole extension again */
	uint16_t extension; /* one more, with four bytes in it; 0: none */
	bool grease;        /* values that nobody knows, as browsers send them */
	size_t padding;     /* bytes of a padding extension */
	size_t record;      /* bytes in one record; 0: all in one */
	size_t behind;      /* bytes behind the message, in its record */
	bool bare;          /* no extensions at all */
};
void hello_make(struct buf *out, const struct hello_shape *shape);

/* A TCP server on 127.0.0.1 in a process of its own. */
enum tcp_server {
	SERVER_ECHO,   /* what comes goes back; ends when the other side does */
	SERVER_DEAF,   /* never reads */
	SERVER_SOURCE, /* reads once, then writes until nobody takes it */
	SERVER_BYE,    /* reads to the end, then writes "bye" */
};
pid_t tcp_server_start(enum tcp_server kind, uint16_t *ret_port);
void tcp_server_stop(pid_t pid);
int tcp_listen(uint16_t *ret_port); /* 127.0.0.1 */

struct egress_rig {
	struct egress *e;
	uint16_t port; /* of the proxy */
	char log_path[64];
	int log_fd;
	struct egress_totals totals;
	struct buf log;
};
/* rules, deny: printf formats are the caller's; aborts the test when the proxy does not start. */
void tun_open(struct egress_rig *rig, const char *rules, const char *deny, int64_t bytes_max);
void tun_close(struct egress_rig *rig); /* fills totals and log */
void tun_free(struct egress_rig *rig);
int tun_send_fd(int channel, const int *fds, size_t n);
int tun_connect(const struct egress_rig *rig); /* a client with a receive timeout */
/* CONNECT target; the answer's head goes to ret. Returns the status. */
int tun_ask(int fd, const char *target, struct buf *ret);
int tun_tunnel(const struct egress_rig *rig, const char *target); /* asserts 200 */
void tun_hello(int fd, const char *name);
/* Everything until the end, at most max bytes; false: the time ran out first. */
bool tun_read(int fd, size_t max, struct buf *ret);
/* The last line of the log that names this verdict and host. */
bool tun_logged(const struct egress_rig *rig, const char *host, const char *verdict);

#endif
