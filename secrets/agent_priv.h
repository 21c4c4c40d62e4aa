/* The parts of the key agent. agent.c is the daemon's side; agent_keys.c, agent_box.c and agent_serve.c run in the agent's own process. */
#ifndef SECRETS_AGENT_PRIV_H
#define SECRETS_AGENT_PRIV_H

#include "secrets/agent.h"

#include <sys/types.h>

/* Requests and answers are one packet each (SOCK_SEQPACKET): a head, then a body whose size the table in agent_serve.c knows. */
enum agent_op { AGENT_OP_NEW_KEY = 1, AGENT_OP_UNWRAP, AGENT_OP_APP_JWT, AGENT_OP_SIGN_PLAN, AGENT_OP_SIGN_AUDIT, AGENT_OP_BLIND };
enum { AGENT_CONTEXT_MAX = 128, AGENT_ANSWER_MAX = 2560, AGENT_APP_ID_MAX = 64 };

struct agent_head {
	uint32_t op, len; /* len: of the body */
	uint64_t number;  /* greater than that of every request before */
};

struct agent_key_request { /* of both key operations */
	char context[AGENT_CONTEXT_MAX]; /* ends with a NUL, or fills all of it */
	uint8_t wrapped[AGENT_WRAPPED_SIZE];
};

struct agent_request {
	struct agent_head head;
	uint8_t body[AGENT_SIGN_MAX];
};

struct agent_answer {
	uint64_t number; /* of its request: an answer that came too late is recognised and dropped */
	int32_t code;
	uint32_t len;
	uint8_t bytes[AGENT_ANSWER_MAX]; /* what was asked for; with a code, the sentence */
};

struct agent_keys {
	uint8_t master[AGENT_KEY_SIZE], sign[32], pub[AGENT_PUBLIC_SIZE];
	struct crypto_rsa *app; /* NULL: none */
	char app_id[AGENT_APP_ID_MAX + 1];
};

/* Reads what is there and makes what is missing. */
int agent_keys_load(const struct agent_options *o, struct agent_keys *ret, struct err *err) MUST_CHECK;
void agent_keys_wipe(struct agent_keys *k);

/* First thing in the child: its own session, unreadable for ptrace and core dumps, dead when the daemon is, no network where that is allowed,
 * no descriptor but the standard three and the socket, which becomes number 3. */
int agent_box_enter(int fd, pid_t parent, struct err *err) MUST_CHECK;
/* Once the keys are in memory: from here on any system call but those of serving ends the process. */
int agent_box_close(struct err *err) MUST_CHECK;

/* Answers until the other side is gone. What breaks the rules of the table is not answered at all. */
void agent_serve(int fd, const struct agent_keys *keys);
/* Each operation once, checked: before the filter closes, so that the cryptographic library has loaded what it needs. */
int agent_rehearse(const struct agent_keys *keys, struct err *err) MUST_CHECK;

/* What stands before the bytes of a purpose. */
const char *agent_prefix(enum agent_purpose p);

#endif
