/* A simulated GitHub, a receiver of its webhooks and a client on one loop, with a repository and a pull request in it. */
#ifndef TESTS_COMPONENT_SIM_FIXTURE_H
#define TESTS_COMPONENT_SIM_FIXTURE_H

#include "base/http_client.h"
#include "base/http_server.h"
#include "base/mem.h"
#include "cmd/sim/sim.h"

#define REPO "acme/infra"
#define SECRET "It's a Secret to Everybody"

struct sim_fixture {
	struct loop *l;
	struct sim *s;
	struct http_client *c;
	struct http_server *hooks;
	char dir[64], main[SIM_SHA_SIZE], head[SIM_SHA_SIZE];
	int64_t pr;
	int fds;
	struct err err;
	const char *encoding; /* Content-Encoding of calls; NULL: none */
	const char *origin;   /* their Origin */
	const char *type;     /* their Content-Type; NULL: JSON */
	const char *known;    /* their If-None-Match; NULL: none */
	/* the last answer */
	bool done, sent;
	int status;
	struct buf body;
	char link[512], retry_after[16], request_id[64], location[1024], etag[80], remaining[16];
	/* webhooks */
	struct strlist events, guids;
	struct buf last_payload;
	char target[64]; /* of the last: "integration 123456" */
	size_t bad_signatures;
	int hook_answer;
};

int sim_fixture_warm_up(void **state); /* group setup: what libraries open once a process, before descriptors are counted */
/* Tokens: "bot-token" of sluice[bot], "alice-token", "mallory-token" (reads only). olivia is admin, alice and bob may write. #1 is alice's. */
void sim_fixture_start(struct sim_fixture *f, const struct sim_options *more);
void sim_fixture_stop(struct sim_fixture *f); /* asserts that no descriptor is left */
/* Until so many webhooks have come and none is under way; asserts the number and the signatures. */
void sim_fixture_settle(struct sim_fixture *f, size_t events);
/* Status of the answer, 0 for none; the rest of it is in f. */
int sim_fixture_call_as(struct sim_fixture *f, const char *token, const char *method, const char *path, const char *body);
int sim_fixture_call(struct sim_fixture *f, const char *method, const char *path, const char *body);
/* Over a bare socket, as the bot: no redirect is followed. Status and Location are in f. */
int sim_fixture_raw(struct sim_fixture *f, const char *method, const char *path);
/* A member of the last answer by dotted path ("0.state"), as JSON text; "missing". Valid until the next call. */
const char *sim_fixture_member(struct sim_fixture *f, const char *path);
/* git clone into f->dir/clone, then a shell line in it; its output is f->body. Returns the exit status. */
int sim_fixture_clone(struct sim_fixture *f, const char *token, const char *then);

#endif
