/* The event loop: the door to libuv. One thread runs it; everything below is called on that thread unless it says otherwise.
 *
 * A callback is never called inside the call that started the operation. Objects are freed by their _close function's own deferred step:
 * after _close no callback of the object fires any more. loop_close asserts that no handle is left. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct loop;
struct loop_timer;
struct loop_async;
struct loop_watch;
struct loop_process;
struct loop_listener;
struct loop_conn;

struct loop *loop_new(void);
void loop_run(struct loop *l);  /* until loop_stop or nothing is left */
void loop_stop(struct loop *l); /* from a callback */
/* Runs the loop until *flag is true or timeout_ms passed on the real clock; for tests. Returns *flag. */
bool loop_run_until(struct loop *l, const bool *flag, int64_t timeout_ms);
void loop_close(struct loop *l); /* runs out closing handles, asserts none is left, frees */

/* Calls fn(arg) on the next turn of the loop. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

/* Timers. A one-shot timer may be started again. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_start(struct loop_timer *t, int64_t after_ms, int64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_active(const struct loop_timer *t);
void loop_timer_close(struct loop_timer *t); /* NULL is fine */

/* Wakes the loop; loop_async_send is the only function here that other threads may call. Several sends may give one call. */
struct loop_async *loop_async_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_async_send(struct loop_async *a);
void loop_async_close(struct loop_async *a);

/* Readiness of a foreign descriptor (which stays the caller's). */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_watch *loop_watch_new(struct loop *l, int fd, void (*fn)(int events, void *arg), void *arg);
void loop_watch_set(struct loop_watch *w, int events); /* 0 pauses */
void loop_watch_close(struct loop_watch *w);

/* fn(arg) when no other work of this turn is left (once per call), so that heavy follow-up work yields to intake. */
void loop_idle_once(struct loop *l, void (*fn)(void *arg), void *arg);

/* Signals of this process (SIGTERM, SIGINT, SIGHUP). Closed by loop_close. */
void loop_on_signal(struct loop *l, int signum, void (*fn)(int signum, void *arg), void *arg);
void loop_signals_close(struct loop *l);

/* Child processes. stdin gets `input` and is closed; stdout is collected up to max_output (then the child is killed and ERR_LIMIT told).
 * stderr is the daemon's, or stderr_path when given (appended). Done fires once after exit *and* EOF of stdout; the process object is gone
 * when it returns. Every child leads its own session. */
struct loop_spawn {
	const char *file;       /* absolute */
	char *const *argv;      /* NULL-terminated; never a secret in it */
	char *const *envp;      /* NULL: empty environment */
	const void *input;      /* copied; may hold secrets: wiped after writing */
	size_t input_len;
	size_t max_output;
	const char *stderr_path; /* NULL: inherit */
	bool detached;          /* own session; survives us; no output collected, stdin only */
	int64_t timeout_ms;     /* 0: none; then SIGKILL to its group and ERR_TIMEOUT */
};

struct loop_exit {
	int code;          /* exit status, or -1 when killed */
	int signum;        /* 0 unless killed */
	struct err err;    /* spawn failed, limit, timeout; code 0 otherwise */
	const char *out;   /* collected stdout, NUL-terminated */
	size_t out_len;
};

typedef void (*loop_exit_cb)(const struct loop_exit *exit, void *arg);

/* Never fails directly: a failed spawn arrives as exit->err. */
struct loop_process *loop_process_start(struct loop *l, const struct loop_spawn *spawn, loop_exit_cb cb, void *arg);
pid_t loop_process_pid(const struct loop_process *p); /* 0 when it did not start */
void loop_process_kill(struct loop_process *p, int signum); /* its whole group */
/* Forget a process: no callback any more; its group gets SIGKILL, unless it is detached: that one goes on without us. */
void loop_process_close(struct loop_process *p);

/* UNIX stream sockets carrying frames: u32 little-endian length, then that many bytes, at most LIMIT_FRAME_BYTES (longer: closed). */
struct loop_conn_events {
	void (*on_frame)(struct loop_conn *c, const char *bytes, size_t len, void *arg);
	void (*on_close)(struct loop_conn *c, void *arg); /* other side went away or broke the rules; call loop_conn_close then */
};
struct loop_listener *loop_listen_unix(struct loop *l, const char *path, mode_t mode, void (*on_conn)(struct loop_conn *c, void *arg), void *arg,
				       struct err *err);
void loop_listener_close(struct loop_listener *s);
void loop_conn_start(struct loop_conn *c, const struct loop_conn_events *events, void *arg);
/* Copies. A peer that does not read (LIMIT_FRAME_BYTES * 8 waiting) is cut off: on_close follows. */
void loop_conn_send(struct loop_conn *c, const void *bytes, size_t len);
void loop_conn_close(struct loop_conn *c);

#endif
