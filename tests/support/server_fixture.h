/* An HTTP server with a handler that echoes, and clients that are raw sockets on the same loop. For tests of base/http_server.c. */
#ifndef TESTS_SUPPORT_SERVER_FIXTURE_H
#define TESTS_SUPPORT_SERVER_FIXTURE_H

#include "base/http_server.h"

enum { PEERS = 64, MUCH_BYTES = 16 << 20 };

struct server_fixture {
	struct loop *l;
	struct http_server *s;
	struct http_exchange *held[PEERS];
	size_t held_n;
	int requests, heads;
	struct buf last_body;
	int fds_before;
};

struct peer {
	struct server_fixture *f;
	int fd;
	struct loop_watch *w;
	struct buf in;
	bool closed, got;
};

/* /nothing is 404 and /secret 401 before the body; /big and /big/later take LIMIT_WEBHOOK_BYTES, all others 1000;
 * /later and /big/later are held for the test; /much answers MUCH_BYTES. */
void server_start(struct server_fixture *f);
void server_stop(struct server_fixture *f); /* asserts that no descriptor is left */
void server_reply_about(struct http_exchange *x);
void server_wait_held(struct server_fixture *f, size_t n);

void peer_dial(struct server_fixture *f, struct peer *p);
void peer_hang_up(struct peer *p);
void peer_say(struct peer *p, const char *bytes);
/* Sends len times 'b', running the loop while the socket is full; false when the server cut us. */
bool peer_say_many(struct peer *p, size_t len);
bool peer_hear(struct peer *p, const char *text); /* runs until `text` is in what came in, or the end */
bool peer_hear_end(struct peer *p, int64_t ms);
void peer_forget(struct peer *p); /* what came in so far */

#endif
