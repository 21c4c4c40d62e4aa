/* What the three files of the loop share (loop.c, loop_process.c, loop_unix.c); nobody else includes it. */
#ifndef BASE_LOOP_PRIV_H
#define BASE_LOOP_PRIV_H

#include "base/loop.h"

#include <uv.h>

struct loop_call {
	void (*fn)(void *arg);
	void *arg;
};

/* A first-in first-out queue of calls; `head` counts the ones already taken. */
struct loop_queue {
	struct loop_call *v;
	size_t head, n, cap;
};

enum { LOOP_CHUNK_BYTES = 64 * 1024 };

struct loop {
	uv_loop_t uv;
	uv_idle_t spin;   /* active while calls wait: keeps the poll from sleeping, and runs posted calls */
	uv_check_t after; /* active while idle calls wait: runs them behind the poll */
	struct loop_queue posted, idle;
	unsigned work;     /* callbacks from outside in this turn */
	unsigned deferred; /* turns for which the first idle call has been put off */
	struct loop_signal *signals;
	struct loop_process *processes;
	char *chunk; /* LOOP_CHUNK_BYTES, made at the first read: libuv fills and hands it over within one callback */
};

/* Waits for forgotten children to be reaped and lets go of detached ones; called by loop_close. */
void loop_processes_end(struct loop *l);
/* The alloc_cb of every stream of ours; handle->loop->data is the struct loop. */
void loop_chunk_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret);
/* Counts work from outside, for loop_idle_once. */
static inline void loop_worked(struct loop *l) { l->work++; }

#endif
