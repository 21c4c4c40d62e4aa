#include "base/http_listen.h"

#include "base/limits.h"
#include "base/mem.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
	BACKLOG = 4096,  /* a burst waits in the kernel */
	SPARE_FDS = 512, /* descriptors for everything that is not a client */
};

int http_listen(const char *host, int port, int *ret_port, struct err *err)
{
	char digits[12];
	(void)snprintf(digits, sizeof(digits), "%d", port);
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *a = NULL;
	int rc = getaddrinfo(host, digits, &hints, &a);
	if (rc != 0)
		return err_set(err, ERR_USAGE, "listen on %s: %s; give an IP address and a port, as in 127.0.0.1:8080", host, gai_strerror(rc));
	CLEANUP_FD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1;
	struct sockaddr_storage bound;
	socklen_t bound_len = sizeof(bound);
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 && bind(fd, a->ai_addr, a->ai_addrlen) == 0 &&
		  listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0;
	freeaddrinfo(a);
	if (!ok)
		return err_sys(err, "listen on %s port %d", host, port);
	/* the port has the same place in both families' addresses */
	*ret_port = ntohs(((const struct sockaddr_in *)(const void *)&bound)->sin_port);
	int out = fd;
	fd = -1;
	return out;
}

unsigned http_connection_limit(void)
{
	struct rlimit r;
	const rlim_t want = LIMIT_INTAKE_CONNECTIONS + SPARE_FDS;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return 256;
	if (r.rlim_cur < want) {
		r.rlim_cur = r.rlim_max < want ? r.rlim_max : want;
		(void)setrlimit(RLIMIT_NOFILE, &r); /* raising to the hard limit is always allowed */
	}
	if (r.rlim_cur >= want)
		return LIMIT_INTAKE_CONNECTIONS;
	return r.rlim_cur > 2 * SPARE_FDS ? (unsigned)r.rlim_cur - SPARE_FDS : (unsigned)(r.rlim_cur / 2);
}
