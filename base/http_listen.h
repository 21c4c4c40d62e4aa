/* The listening socket of the HTTP server, and how many clients this process has descriptors for. */
#ifndef BASE_HTTP_LISTEN_H
#define BASE_HTTP_LISTEN_H

#include "base/err.h"

/* host is an address literal, port 0 means any free one. Returns the descriptor (non-blocking, the caller's) or a negative code. */
int http_listen(const char *host, int port, int *ret_port, struct err *err) MUST_CHECK;

/* At most LIMIT_INTAKE_CONNECTIONS. Raises the soft limit of descriptors as far as needed; where the hard one is low there are fewer. */
unsigned http_connection_limit(void);

#endif
