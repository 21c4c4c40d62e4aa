#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"
#include "base/text.h"
#include "secrets/agent_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 20000 /* it may make keys and wait for the disk */, ROUND_TRIP_MS = 2000, SENTENCE_MAX = 900 };

struct agent {
	int fd;
	pid_t pid;
	uint64_t number;
	uint8_t pub[AGENT_PUBLIC_SIZE];
};

/* The child: from fork to exit. Its first packet says how the start went: the public key, or the sentence. */
static void agent_run(int fd, const struct agent_options *o, pid_t parent)
{
	static struct agent_keys keys;
	static struct agent_answer hello;
	struct err err = {0};
	int rc = agent_box_enter(fd, parent, &err);
	if (rc == 0)
		rc = agent_keys_load(o, &keys, &err);
	if (rc == 0)
		rc = agent_rehearse(&keys, &err);
	if (rc == 0)
		rc = agent_box_close(&err);
	hello = (struct agent_answer){.code = rc, .len = rc == 0 ? sizeof(keys.pub) : (uint32_t)strlen(err.msg)};
	memcpy(hello.bytes, rc == 0 ? (const void *)keys.pub : err.msg, hello.len);
	if (send(3, &hello, sizeof(hello), MSG_NOSIGNAL) == (ssize_t)sizeof(hello) && rc == 0)
		agent_serve(3, &keys);
	agent_keys_wipe(&keys);
	_exit(rc == 0 ? 0 : 3);
}

/* ---- the daemon's side ---- */

static int wait_answer(struct agent *a, int64_t timeout_ms, struct agent_answer *ret, struct err *err)
{
	int64_t deadline = clock_mono_ms() + timeout_ms;
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		struct pollfd p = {.fd = a->fd, .events = POLLIN};
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return err_set(err, ERR_TIMEOUT, "the key agent did not answer within %lld s", (long long)timeout_ms / 1000);
		ssize_t n = recv(a->fd, ret, sizeof(*ret), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(*ret) || ret->len > sizeof(ret->bytes))
			return err_set(err, ERR_UNAVAILABLE, "the key agent is gone: restart sluice");
		if (ret->number == a->number)
			break;
	}
	if (ret->code == 0)
		return 0;
	return err_set(err, ret->code, "%.*s", (int)(ret->len < SENTENCE_MAX ? ret->len : SENTENCE_MAX), (const char *)ret->bytes);
}

int agent_start(const struct agent_options *o, struct agent **ret, struct err *err)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return err_sys(err, "start the key agent: socketpair");
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		agent_run(fds[1], o, parent);
	int fork_errno = errno;
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		errno = fork_errno;
		return err_sys(err, "start the key agent: fork");
	}
	struct agent *a = xcalloc(1, sizeof(*a));
	*a = (struct agent){.fd = fds[0], .pid = pid};
	struct agent_answer hello = {0};
	int rc = wait_answer(a, START_MS, &hello, err);
	if (rc == 0 && hello.len != sizeof(a->pub))
		rc = err_set(err, ERR_INTERNAL, "its first word is not understood");
	if (rc != 0) {
		agent_stop(a);
		return err_wrap(err, "start the key agent");
	}
	memcpy(a->pub, hello.bytes, sizeof(a->pub));
	*ret = a;
	return 0;
}

void agent_stop(struct agent *a)
{
	if (a == NULL)
		return;
	(void)close(a->fd);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(a);
}

/* One round trip. want: the bytes of a good answer; 0: any number. */
static int ask(struct agent *a, enum agent_op op, const void *body, size_t len, size_t want, struct agent_answer *ret, struct err *err)
{
	struct agent_head head = {.op = op, .len = (uint32_t)len, .number = ++a->number};
	struct iovec parts[] = {{.iov_base = &head, .iov_len = sizeof(head)}, {.iov_base = NULL, .iov_len = len}};
	memcpy(&parts[1].iov_base, &body, sizeof(body)); /* sendmsg does not write to it */
	struct msghdr packet = {.msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts)};
	if (sendmsg(a->fd, &packet, MSG_NOSIGNAL) != (ssize_t)(sizeof(head) + len))
		return err_set(err, ERR_UNAVAILABLE, "the key agent is gone: restart sluice");
	int rc = wait_answer(a, ROUND_TRIP_MS, ret, err);
	if (rc == 0 && want != 0 && ret->len != want)
		rc = err_set(err, ERR_INTERNAL, "the key agent answered %u bytes where %zu were due", ret->len, want);
	return rc;
}

static int ask_key(struct agent *a, enum agent_op op, const char *context, const uint8_t *wrapped, size_t want, struct agent_answer *ret,
		   struct err *err)
{
	struct agent_key_request body = {0};
	size_t len = strlen(context);
	if (len == 0 || len > AGENT_CONTEXT_MAX)
		return err_set(err, ERR_USAGE, "key agent: a context has 1 to %d bytes", AGENT_CONTEXT_MAX);
	memcpy(body.context, context, len);
	if (wrapped != NULL)
		memcpy(body.wrapped, wrapped, sizeof(body.wrapped));
	return ask(a, op, &body, sizeof(body), want, ret, err);
}

int agent_new_key(struct agent *a, const char *context, uint8_t ret_key[AGENT_KEY_SIZE], uint8_t ret_wrapped[AGENT_WRAPPED_SIZE],
		  struct err *err)
{
	struct agent_answer n = {0};
	int rc = ask_key(a, AGENT_OP_NEW_KEY, context, NULL, AGENT_KEY_SIZE + AGENT_WRAPPED_SIZE, &n, err);
	if (rc == 0) {
		memcpy(ret_key, n.bytes, AGENT_KEY_SIZE);
		memcpy(ret_wrapped, n.bytes + AGENT_KEY_SIZE, AGENT_WRAPPED_SIZE);
	}
	crypto_wipe(&n, sizeof(n));
	return rc;
}

int agent_unwrap(struct agent *a, const char *context, const uint8_t wrapped[AGENT_WRAPPED_SIZE], uint8_t ret_key[AGENT_KEY_SIZE],
		 struct err *err)
{
	struct agent_answer n = {0};
	int rc = ask_key(a, AGENT_OP_UNWRAP, context, wrapped, AGENT_KEY_SIZE, &n, err);
	if (rc == ERR_REFUSED)
		rc = err_set(err, rc, "the key of %s does not open: it was wrapped under another master key or for something else", context);
	if (rc == 0)
		memcpy(ret_key, n.bytes, AGENT_KEY_SIZE);
	crypto_wipe(&n, sizeof(n));
	return rc;
}

int agent_app_jwt(struct agent *a, int64_t now_s, char **ret_jwt, struct err *err)
{
	struct agent_answer n = {0};
	int rc = ask(a, AGENT_OP_APP_JWT, &now_s, sizeof(now_s), 0, &n, err);
	if (rc == 0)
		*ret_jwt = xstrndup((const char *)n.bytes, n.len);
	crypto_wipe(&n, sizeof(n));
	return rc;
}

int agent_blind(struct agent *a, const char *digest, char ret[AGENT_DIGEST_HEX + 1], struct err *err)
{
	struct agent_answer n = {0};
	char body[AGENT_DIGEST_HEX] = {0};
	size_t len = strlen(digest);
	if (len == 0 || len > sizeof(body))
		return err_set(err, ERR_LIMIT, "key agent: a digest has 1 to %d characters", AGENT_DIGEST_HEX);
	memcpy(body, digest, len);
	int rc = ask(a, AGENT_OP_BLIND, body, sizeof(body), AGENT_DIGEST_HEX, &n, err);
	if (rc == 0) {
		memcpy(ret, n.bytes, AGENT_DIGEST_HEX);
		ret[AGENT_DIGEST_HEX] = '\0';
	}
	return rc;
}

int agent_sign(struct agent *a, enum agent_purpose purpose, const void *bytes, size_t len, uint8_t ret_sig[AGENT_SIG_SIZE], struct err *err)
{
	struct agent_answer n = {0};
	if (len == 0 || len > AGENT_SIGN_MAX)
		return err_set(err, ERR_LIMIT, "key agent: %zu bytes cannot be signed, only 1 to %d", len, AGENT_SIGN_MAX);
	int rc = ask(a, purpose == AGENT_PLAN_RECORD ? AGENT_OP_SIGN_PLAN : AGENT_OP_SIGN_AUDIT, bytes, len, AGENT_SIG_SIZE, &n, err);
	if (rc == 0)
		memcpy(ret_sig, n.bytes, AGENT_SIG_SIZE);
	return rc;
}

void agent_verify_key(const struct agent *a, uint8_t ret_public[AGENT_PUBLIC_SIZE]) { memcpy(ret_public, a->pub, AGENT_PUBLIC_SIZE); }

bool agent_check(const uint8_t pub[AGENT_PUBLIC_SIZE], enum agent_purpose purpose, const void *bytes, size_t len, const uint8_t sig[AGENT_SIG_SIZE])
{
	CLEANUP_BUF struct buf text = {0};
	buf_adds(&text, agent_prefix(purpose));
	buf_add(&text, bytes, len);
	return crypto_verify(pub, text.data, text.len, sig);
}

int agent_public_read(const char *path, uint8_t ret_public[AGENT_PUBLIC_SIZE], struct err *err)
{
	CLEANUP_BUF struct buf b = {0};
	int rc = fs_read(path, 4096, &b, err);
	if (rc != 0)
		return rc;
	buf_truncate(&b, strcspn(buf_str(&b), "\r\n"));
	if (!text_unhex(buf_str(&b), ret_public, AGENT_PUBLIC_SIZE))
		return err_set(err, ERR_PARSE, "%s does not hold a public key: %d hex digits on one line", path, 2 * AGENT_PUBLIC_SIZE);
	return 0;
}
