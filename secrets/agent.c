#include "secrets/agent.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Requests and answers are one packet each (SOCK_SEQPACKET), of one fixed size: there is nothing to parse. */
enum agent_op { OP_NEW_KEY = 1, OP_UNWRAP = 2 };
enum { CONTEXT_MAX = 128, ROUND_TRIP_MS = 2000 };

struct request {
	uint32_t op, context_len;
	uint64_t number;
	char context[CONTEXT_MAX];
	uint8_t wrapped[AGENT_WRAPPED_SIZE];
};

struct answer {
	uint64_t number; /* of its request: an answer that came too late is recognised and dropped */
	int32_t code;
	uint8_t key[AGENT_KEY_SIZE];
	uint8_t wrapped[AGENT_WRAPPED_SIZE];
};

struct agent {
	int fd;
	pid_t pid;
	uint64_t number;
};

_Static_assert((int)AGENT_KEY_SIZE == (int)AEAD_KEY_SIZE, "data keys are AEAD keys");
_Static_assert((int)AGENT_WRAPPED_SIZE == (int)AGENT_KEY_SIZE + (int)AEAD_OVERHEAD, "a wrapped key is a sealed key");

/* ---- the agent's side: holds the master key, nothing else ---- */

static void serve_one(const uint8_t *master, const struct request *q, struct answer *a)
{
	struct err err;
	*a = (struct answer){.number = q->number, .code = ERR_USAGE};
	if (q->context_len == 0 || q->context_len > CONTEXT_MAX)
		return;
	switch (q->op) {
	case OP_NEW_KEY:
		crypto_random(a->key, sizeof(a->key));
		a->code = crypto_seal(master, q->context, q->context_len, a->key, sizeof(a->key), a->wrapped, &err);
		break;
	case OP_UNWRAP: a->code = crypto_open(master, q->context, q->context_len, q->wrapped, sizeof(q->wrapped), a->key, &err); break;
	default: break;
	}
}

static void serve(int fd, const uint8_t *master)
{
	for (;;) {
		struct request q;
		struct answer a;
		ssize_t n = recv(fd, &q, sizeof(q), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the daemon is gone */
		if (n != (ssize_t)sizeof(q))
			continue;
		serve_one(master, &q, &a);
		n = send(fd, &a, sizeof(a), MSG_NOSIGNAL);
		crypto_wipe(&a, sizeof(a));
		if (n < 0)
			return;
	}
}

static int master_key_create(const char *path, uint8_t *key, struct err *err)
{
	crypto_random(key, AEAD_KEY_SIZE);
	int rc = fs_write_atomic(path, key, AEAD_KEY_SIZE, 0600, err);
	return rc == 0 ? 0 : err_wrap(err, "create the master key");
}

/* Never replaces a file that is there, whatever it holds: what was sealed under a lost key is lost. */
static int master_key_load(const char *path, uint8_t *key, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return master_key_create(path, key, err);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_sys(err, "open the master key %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size != AEAD_KEY_SIZE)
		return err_set(err, ERR_PARSE, "%s: a master key is a file of exactly %d bytes: restore it from your backup", path,
			       AEAD_KEY_SIZE);
	if ((st.st_mode & 077) != 0)
		return err_set(err, ERR_REFUSED, "%s: others may read the master key (mode %04o): chmod 600 it", path,
			       (unsigned)(st.st_mode & 07777));
	ssize_t n = read(fd, key, AEAD_KEY_SIZE);
	return n == AEAD_KEY_SIZE ? 0 : err_sys(err, "read the master key %s", path);
}

/* The child: its own session, unreadable for ptrace and core dumps, dead when the daemon is. */
static void agent_run(int fd, const char *key_path, pid_t parent)
{
	uint8_t master[AEAD_KEY_SIZE];
	struct answer hello = {0};
	struct err err = {0};
	struct rlimit none = {0, 0};
	(void)setsid();
	(void)prctl(PR_SET_NAME, "sluice-keys");
	if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
	    getppid() != parent)
		_exit(3);
	(void)signal(SIGINT, SIG_IGN); /* ends with its socket, after the daemon's last request */
	(void)signal(SIGTERM, SIG_IGN);
	if (dup2(fd, 3) != 3)
		_exit(3);
	fs_close_from(4);
	hello.code = master_key_load(key_path, master, &err);
	if (hello.code != 0)
		(void)fprintf(stderr, "%s\n", err.msg);
	if (send(3, &hello, sizeof(hello), MSG_NOSIGNAL) == (ssize_t)sizeof(hello) && hello.code == 0)
		serve(3, master);
	crypto_wipe(master, sizeof(master));
	_exit(hello.code == 0 ? 0 : 3);
}

/* ---- the daemon's side ---- */

static int wait_answer(struct agent *a, struct answer *ret, struct err *err)
{
	int64_t deadline = clock_mono_ms() + ROUND_TRIP_MS;
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		struct pollfd p = {.fd = a->fd, .events = POLLIN};
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return err_set(err, ERR_TIMEOUT, "the key agent did not answer within %d s", ROUND_TRIP_MS / 1000);
		ssize_t n = recv(a->fd, ret, sizeof(*ret), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(*ret))
			return err_set(err, ERR_UNAVAILABLE, "the key agent is gone: restart sluice");
		if (ret->number == a->number)
			return 0;
	}
}

int agent_start(const char *data_dir, struct agent **ret, struct err *err)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return err_sys(err, "start the key agent: socketpair");
	CLEANUP_FREE char *key_path = fs_join(data_dir, "master.key");
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		agent_run(fds[1], key_path, parent);
	int fork_errno = errno;
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		errno = fork_errno;
		return err_sys(err, "start the key agent: fork");
	}
	struct agent *a = xcalloc(1, sizeof(*a));
	*a = (struct agent){.fd = fds[0], .pid = pid};
	struct answer hello = {0};
	int rc = wait_answer(a, &hello, err);
	if (rc == 0 && hello.code != 0)
		rc = err_set(err, hello.code, "start the key agent: %s cannot be used, see the line above", key_path);
	if (rc != 0) {
		agent_stop(a);
		return rc;
	}
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

static int ask(struct agent *a, enum agent_op op, const char *context, struct request *q, struct answer *ret, struct err *err)
{
	size_t len = strlen(context);
	if (len == 0 || len > CONTEXT_MAX)
		return err_set(err, ERR_USAGE, "key agent: a context has 1 to %d bytes", CONTEXT_MAX);
	q->op = op;
	q->context_len = (uint32_t)len;
	q->number = ++a->number;
	memcpy(q->context, context, len);
	if (send(a->fd, q, sizeof(*q), MSG_NOSIGNAL) != (ssize_t)sizeof(*q))
		return err_set(err, ERR_UNAVAILABLE, "the key agent is gone: restart sluice");
	return wait_answer(a, ret, err);
}

int agent_new_key(struct agent *a, const char *context, uint8_t ret_key[AGENT_KEY_SIZE], uint8_t ret_wrapped[AGENT_WRAPPED_SIZE],
		  struct err *err)
{
	struct request q = {0};
	struct answer n = {0};
	int rc = ask(a, OP_NEW_KEY, context, &q, &n, err);
	if (rc == 0 && n.code != 0)
		rc = err_set(err, n.code, "key agent: no new key for %s", context);
	if (rc == 0) {
		memcpy(ret_key, n.key, AGENT_KEY_SIZE);
		memcpy(ret_wrapped, n.wrapped, AGENT_WRAPPED_SIZE);
	}
	crypto_wipe(&n, sizeof(n));
	return rc;
}

int agent_unwrap(struct agent *a, const char *context, const uint8_t wrapped[AGENT_WRAPPED_SIZE], uint8_t ret_key[AGENT_KEY_SIZE],
		 struct err *err)
{
	struct request q = {0};
	struct answer n = {0};
	memcpy(q.wrapped, wrapped, AGENT_WRAPPED_SIZE);
	int rc = ask(a, OP_UNWRAP, context, &q, &n, err);
	if (rc == 0 && n.code != 0)
		rc = err_set(err, n.code, "the key of %s does not open: it was wrapped under another master key or for something else",
			     context);
	if (rc == 0)
		memcpy(ret_key, n.key, AGENT_KEY_SIZE);
	crypto_wipe(&n, sizeof(n));
	return rc;
}
