/* The inside of the egress proxy. Private to runner/egress*.c. */
#ifndef RUNNER_EGRESS_PRIV_H
#define RUNNER_EGRESS_PRIV_H

#include "base/buf.h"
#include "base/limits.h"
#include "runner/address.h"
#include "runner/egress.h"

enum { HOST_MAX = 253, HOST_LABEL_MAX = 63, EGRESS_ADDRESSES_MAX = 8 };

/* ---- egress_rule.c: names and rules; pure ---- */

enum egress_pin { PIN_NONE, PIN_RANGE, PIN_TO };

struct egress_rule {
	char host[HOST_MAX + 1]; /* lower case, without the last dot */
	uint16_t port;
	enum egress_pin pin;
	struct address_range range; /* PIN_RANGE */
	struct address to;          /* PIN_TO */
};

struct egress_rules {
	struct egress_rule *v;
	size_t n;
};

/* Takes a host name of len bytes apart: lower case, one dot at the end removed. NULL, or what is wrong with it. star: `*` may stand in labels. */
const char *egress_host_read(const char *text, size_t len, bool star, char ret[HOST_MAX + 1]);
int egress_rule_parse(const char *text, struct egress_rule *ret, struct err *err) MUST_CHECK;
int egress_rules_parse(const char *lines, struct egress_rules *ret, struct err *err) MUST_CHECK;
void egress_rules_free(struct egress_rules *rules);
bool egress_name_fits(const char *pattern, const char *host); /* both as egress_host_read leaves them */

/* What the rules say about a name. Rules that name it whole count alone; of the rest, what any of them opens is open. */
struct egress_match {
	const struct egress_rules *rules;
	const char *host;
	uint16_t port;
	bool whole;                /* one of the rules names it whole */
	const struct address *to;  /* a rule says where it is: no look-up */
};
bool egress_rules_match(const struct egress_rules *rules, const char *host, uint16_t port, struct egress_match *ret);

/* ---- egress_head.c: the request; pure ---- */

struct egress_head {
	size_t seen;             /* bytes of the head that were looked at */
	char host[HOST_MAX + 1]; /* when it is whole */
	uint16_t port;
};

/* bytes: all that came so far, the same head on each call. 0: not whole yet; > 0: its length, and bytes behind it are not part of it; < 0: the
 * HTTP status that answers it, negative, and *ret_why the sentence. */
int egress_head_read(struct egress_head *h, const char *bytes, size_t len, const char **ret_why);

/* ---- egress_hello.c: the first TLS message; pure ---- */

enum egress_hello_is { HELLO_MORE, HELLO_OK, HELLO_NOT_TLS, HELLO_TOO_LARGE, HELLO_NO_NAME, HELLO_HIDDEN };

struct egress_hello {
	uint8_t head[5]; /* of the record at hand */
	size_t head_len;
	size_t left;     /* bytes of that record still to come */
	size_t raw;      /* bytes looked at, of all records */
	struct buf message;
	char name[HOST_MAX + 1]; /* with HELLO_OK: lower case */
};

/* Feeds the next bytes. With HELLO_OK *ret_used says how many of them were the hello's; every other answer but HELLO_MORE is final, too. */
enum egress_hello_is egress_hello_read(struct egress_hello *h, const uint8_t *bytes, size_t len, size_t *ret_used);
void egress_hello_free(struct egress_hello *h);

/* ---- egress_judge.c: may the connection go to this address? ---- */

enum egress_verdict {
	VERDICT_OK,
	VERDICT_NOT_LISTED,
	VERDICT_BAD_REQUEST,
	VERDICT_SLOW,
	VERDICT_NO_ADDRESS,
	VERDICT_NOT_PUBLIC,
	VERDICT_OUTSIDE_PIN,
	VERDICT_OWN_LISTENER,
	VERDICT_METADATA,
	VERDICT_UNREACHABLE,
	VERDICT_NOT_TLS,
	VERDICT_NO_SERVER_NAME,
	VERDICT_OTHER_SERVER_NAME,
	VERDICT_HIDDEN_SERVER_NAME,
	VERDICT_TOO_MANY,
	VERDICT_BYTE_CEILING,
	VERDICT_IDLE,
	VERDICT_LEFT,
	VERDICT_JOB_ENDED,
	VERDICTS
};

struct egress_deny {
	struct address *v;
	size_t n;
};
int egress_deny_parse(const char *lines, struct egress_deny *ret, struct err *err) MUST_CHECK;
void egress_deny_free(struct egress_deny *deny);
/* VERDICT_OK, or why not; then why gets a sentence. a has its port. */
enum egress_verdict egress_judge(const struct egress_match *m, const struct address *a, const struct egress_deny *deny, struct buf *why);

/* ---- what tests change: the product uses the values of egress_serve.c ---- */

struct egress_tuning {
	int64_t head_ms, resolve_ms, connect_ms, hello_ms, idle_ms, say_ms;
	size_t log_max;
	unsigned connections_all;
	uint64_t fds_max; /* descriptors of the process; 0: as many as the host allows */
	bool keep_stderr;
	/* Called on a thread of the resolver; fills addresses without ports. NULL: getaddrinfo. */
	size_t (*resolve)(const char *host, struct address ret[EGRESS_ADDRESSES_MAX]);
};
extern struct egress_tuning egress_tuning;

/* ---- egress_resolve.c: look-ups on threads of their own, so that a slow one holds nobody up ---- */

struct egress_resolver;
struct egress_lookup;

int egress_resolver_open(struct egress_resolver **ret, int *ret_wake_fd, struct err *err) MUST_CHECK; /* lives as long as the process */
void egress_resolver_woken(struct egress_resolver *r);
struct egress_lookup *egress_lookup_start(struct egress_resolver *r, const char *host);
/* false: not yet. Else the addresses, perhaps none; the look-up is gone then. */
bool egress_lookup_take(struct egress_lookup *l, struct address ret[EGRESS_ADDRESSES_MAX], size_t *ret_n);
void egress_lookup_drop(struct egress_lookup *l); /* nobody waits for it any more */

/* ---- egress_flow.c: bytes on their way in one direction ---- */

enum { FLOW_BYTES = 64 * 1024 };
struct egress_flow {
	uint8_t *bytes; /* FLOW_BYTES, NULL before the first */
	size_t start, end;
	bool ended; /* nothing more comes in */
	bool shut;  /* and that was passed on */
};
enum { FLOW_ENDED = -1, FLOW_BROKEN = -2 };
size_t egress_flow_space(const struct egress_flow *f);
static inline size_t egress_flow_held(const struct egress_flow *f) { return f->end - f->start; }
ssize_t egress_flow_read(struct egress_flow *f, int fd, size_t max); /* bytes; 0: none now; FLOW_ENDED; FLOW_BROKEN */
void egress_flow_add(struct egress_flow *f, const void *bytes, size_t len); /* has to fit */
int egress_flow_write(struct egress_flow *f, int fd); /* 0, though perhaps not all of it; FLOW_BROKEN */
void egress_flow_free(struct egress_flow *f);

/* ---- egress_log.c ---- */

enum { REFUSALS_SIZE = sizeof(((struct egress_totals *)0)->refusals) };

struct egress_log {
	int fd;
	size_t left;                  /* bytes that may still be written */
	struct egress_totals *totals; /* in memory that the parent sees, too */
};

struct egress_entry {
	int64_t began_wall_ms, took_ms;
	const char *host;         /* "": none was understood */
	uint16_t port;
	const struct address *to; /* NULL: never got so far */
	enum egress_verdict verdict;
	const char *said; /* NULL: nothing */
	int64_t bytes_out, bytes_in;
};
const char *egress_verdict_word(enum egress_verdict v);
void egress_log_add(struct egress_log *log, const struct egress_entry *e);

/* ---- egress_conn.c: one connection from accept to close ---- */

enum egress_state { CONN_HEAD, CONN_RESOLVE, CONN_CONNECT, CONN_HELLO, CONN_RELAY, CONN_SAY, CONN_OVER };

struct egress_server;
struct egress_conn {
	struct egress_server *server;
	enum egress_state state;
	int client, upstream;
	int64_t began_ms, began_wall_ms, deadline_ms;
	struct egress_flow up, down; /* up: from the job */
	struct egress_head head;
	struct egress_hello hello;
	size_t hello_fed;            /* bytes of up that the hello has seen */
	struct egress_match match;
	struct egress_lookup *lookup;
	struct address addresses[EGRESS_ADDRESSES_MAX], to;
	size_t addresses_n, addresses_at;
	bool has_to;
	enum egress_verdict verdict;
	char *said;
	size_t drained;
	int64_t bytes_out, bytes_in;
};

struct egress_conn *egress_conn_new(struct egress_server *s, int fd);
void egress_conn_wants(const struct egress_conn *c, short *ret_client, short *ret_upstream); /* events of poll; 0: leave it out */
void egress_conn_step(struct egress_conn *c, short client, short upstream); /* what poll saw, and what time has passed */
void egress_conn_refuse(struct egress_conn *c, int status, enum egress_verdict v, const char *fmt, ...) PRINTF_LIKE(4, 5);
void egress_conn_close(struct egress_conn *c); /* logs and frees */

/* ---- egress_serve.c: the loop ---- */

struct egress_server {
	struct egress_rules rules;
	struct egress_deny deny;
	const char *key; /* what the rules are called where they are written */
	struct egress_log log;
	int64_t bytes_max, bytes_left;
	struct egress_resolver *resolver;
	int listener, control, wake;
	int64_t accept_ms; /* not before */
	unsigned accepted;
	struct egress_conn *conns[LIMIT_EGRESS_CONNECTIONS + 1]; /* one more, to be told that it is one too many */
	size_t conns_n, conns_max;
};

void egress_serve(struct egress_server *s); /* until control ends */

/* ---- egress_filter.c: system calls that the proxy never makes. Needs no_new_privs; for this thread and those it starts. 0, or -1 and errno ---- */
int egress_filter_enter(void) MUST_CHECK;

/* ---- egress.c: the parent's side. What is counted stands in a page that both processes see, and so outlives a killed proxy. ---- */

struct egress {
	pid_t pid;
	int control; /* the proxy ends when it closes; closes when the proxy has ended */
	struct egress_totals *totals;
};

#endif
