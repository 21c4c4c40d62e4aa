/* Deliveries as GitHub sends them, put in front of decide.c with a whole machine and a simulated GitHub behind it. */
#ifndef TESTS_COMPONENT_INBOX_H
#define TESTS_COMPONENT_INBOX_H

#include "tests/component/world.h"
#include "webhooks/decide.h"

struct inbox {
	struct world *w;
	struct decide *d;
	size_t inflight;
	int64_t comments; /* ids handed out */
	int64_t sent;
};

#define SHA "0123456789abcdef0123456789abcdef01234567"

void inbox_start(struct inbox *s);
void inbox_stop(struct inbox *s);
struct inbox *inbox_open(const char *more); /* carol may read */
void inbox_close(struct inbox *s);
int inbox_setup(void **state);
int inbox_teardown(void **state);

/* Stores a delivery; takes body. Its id is the number of deliveries so far. */
void arrive(struct inbox *s, const char *event, char *body);
char *pull_body(struct inbox *s, const char *repo, int64_t pull, const char *action, const char *more);
void pull_event(struct inbox *s, const char *action, const char *more);
char *comment_body(struct inbox *s, const char *who, const char *type, const char *text, bool on_pull);
void comment(struct inbox *s, const char *who, const char *text); /* written now */
void push_event(struct inbox *s, const char *ref, bool deleted);
void decided(struct inbox *s);
const char *last(struct inbox *s); /* the disposition of the newest delivery */
const char *reply(struct inbox *s);
void quiet(struct inbox *s); /* no run is under way */

#endif
