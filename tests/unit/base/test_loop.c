/* The loop itself: order of posted calls, timers, wake-ups, watches, signals, and a clean end. */
#include "base/loop.h"

#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct note {
	struct loop *l;
	struct buf log;
	bool done;
	int n;
};

struct mark {
	struct note *note;
	char c;
};

static void write_mark(void *arg)
{
	struct mark *m = arg;
	buf_addc(&m->note->log, m->c);
}

static void finish(void *arg)
{
	struct note *n = arg;
	n->done = true;
}

static void end(struct note *n)
{
	loop_close(n->l);
	buf_free(&n->log);
}

static void test_empty_loop_ends(void **state)
{
	(void)state;
	struct loop *l = loop_new();
	loop_run(l);
	loop_close(l);
}

static void test_post_keeps_order(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	struct mark marks[26];
	for (int i = 0; i < 26; i++) {
		marks[i] = (struct mark){&n, (char)('a' + i)};
		loop_post(n.l, write_mark, &marks[i]);
	}
	assert_int_equal(n.log.len, 0); /* never inside the call */
	loop_run(n.l);
	assert_string_equal(buf_str(&n.log), "abcdefghijklmnopqrstuvwxyz");
	end(&n);
}

static void post_again(void *arg)
{
	struct note *n = arg;
	buf_addc(&n->log, 'p');
	if (++n->n < 3000)
		loop_post(n->l, post_again, n);
}

static void test_post_from_a_posted_call(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	loop_post(n.l, post_again, &n);
	loop_run(n.l);
	assert_int_equal(n.n, 3000);
	end(&n);
}

static void test_post_burst(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	struct mark m = {&n, 'x'};
	for (int i = 0; i < 5000; i++)
		loop_post(n.l, write_mark, &m);
	loop_run(n.l);
	assert_int_equal(n.log.len, 5000);
	end(&n);
}

static void test_close_runs_posted_calls(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	loop_post(n.l, finish, &n);
	loop_close(n.l);
	assert_true(n.done);
}

struct idle_race {
	struct note n;
	struct loop_watch *w;
	int fds[2];
	int reads;
};

static void on_busy_read(int events, void *arg)
{
	struct idle_race *r = arg;
	char c;
	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(r->fds[0], &c, 1), 1);
	buf_addc(&r->n.log, 'r');
	if (++r->reads < 10)
		assert_int_equal(write(r->fds[1], "x", 1), 1);
}

static void test_idle_waits_for_outside_work(void **state)
{
	(void)state;
	struct idle_race r = {.n = {.l = loop_new()}};
	struct mark a = {&r.n, 'A'}, b = {&r.n, 'B'};
	assert_int_equal(pipe2(r.fds, O_CLOEXEC | O_NONBLOCK), 0);
	r.w = loop_watch_new(r.n.l, r.fds[0], on_busy_read, &r);
	loop_watch_set(r.w, LOOP_READ);
	assert_int_equal(write(r.fds[1], "x", 1), 1);
	loop_idle_once(r.n.l, write_mark, &a);
	loop_idle_once(r.n.l, write_mark, &b);
	loop_idle_once(r.n.l, finish, &r.n);
	assert_true(loop_run_until(r.n.l, &r.n.done, 2000));
	assert_string_equal(buf_str(&r.n.log), "rrrrrrrrrrAB");
	loop_watch_close(r.w);
	end(&r.n);
	(void)close(r.fds[0]);
	(void)close(r.fds[1]);
}

static void on_endless_read(int events, void *arg)
{
	struct idle_race *r = arg;
	(void)events;
	r->reads++;
}

static void test_idle_is_not_starved(void **state)
{
	(void)state;
	struct idle_race r = {.n = {.l = loop_new()}};
	assert_int_equal(pipe2(r.fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(r.fds[1], "x", 1), 1);
	r.w = loop_watch_new(r.n.l, r.fds[0], on_endless_read, &r);
	loop_watch_set(r.w, LOOP_READ);
	loop_idle_once(r.n.l, finish, &r.n);
	assert_true(loop_run_until(r.n.l, &r.n.done, 5000));
	assert_in_range(r.reads, 60, 200);
	loop_watch_close(r.w);
	end(&r.n);
	(void)close(r.fds[0]);
	(void)close(r.fds[1]);
}

static void count_up(void *arg)
{
	struct note *n = arg;
	n->n++;
	n->done = n->n >= 3;
}

static void test_timer(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	struct loop_timer *t = loop_timer_new(n.l, count_up, &n);
	assert_false(loop_timer_active(t));
	loop_timer_start(t, 0, 1);
	assert_true(loop_timer_active(t));
	assert_true(loop_run_until(n.l, &n.done, 2000));
	loop_timer_stop(t);
	assert_false(loop_timer_active(t));
	assert_int_equal(n.n, 3);
	n.done = false;
	loop_timer_start(t, 1, 0); /* a one-shot timer may be started again */
	assert_true(loop_run_until(n.l, &n.done, 2000));
	assert_int_equal(n.n, 4);
	assert_false(loop_timer_active(t));
	loop_timer_close(t);
	loop_timer_close(NULL);
	end(&n);
}

static void test_closed_timer_is_silent(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	struct loop_timer *t = loop_timer_new(n.l, count_up, &n);
	loop_timer_start(t, 0, 0);
	loop_timer_close(t);
	assert_false(loop_run_until(n.l, &n.done, 30));
	assert_int_equal(n.n, 0);
	end(&n);
}

static void *send_from_thread(void *arg)
{
	for (int i = 0; i < 100; i++)
		loop_async_send(arg);
	return NULL;
}

static void on_wake(void *arg)
{
	struct note *n = arg;
	n->n++;
	n->done = true;
}

static void test_async_from_a_thread(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	struct loop_async *a = loop_async_new(n.l, on_wake, &n);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, send_from_thread, a), 0);
	assert_true(loop_run_until(n.l, &n.done, 2000));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_in_range(n.n, 1, 100);
	loop_async_close(a);
	end(&n);
}

struct watched {
	int events;
	bool done;
};

static void on_ready(int events, void *arg)
{
	struct watched *w = arg;
	w->events = events;
	w->done = true;
}

static void test_watch_pauses_and_changes(void **state)
{
	(void)state;
	struct loop *l = loop_new();
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	struct watched r = {0}, w = {0};
	struct loop_watch *read_end = loop_watch_new(l, fds[0], on_ready, &r);
	struct loop_watch *write_end = loop_watch_new(l, fds[1], on_ready, &w);
	loop_watch_set(write_end, LOOP_WRITE);
	assert_true(loop_run_until(l, &w.done, 2000));
	assert_int_equal(w.events, LOOP_WRITE);
	loop_watch_set(write_end, 0);
	w.done = false;
	assert_false(loop_run_until(l, &w.done, 30));
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_watch_set(read_end, LOOP_READ);
	assert_true(loop_run_until(l, &r.done, 2000));
	assert_int_equal(r.events, LOOP_READ);
	loop_watch_close(read_end);
	loop_watch_close(write_end);
	loop_watch_close(NULL);
	loop_close(l);
	assert_int_equal(close(fds[0]), 0); /* stayed the caller's */
	assert_int_equal(close(fds[1]), 0);
}

static void on_term(int signum, void *arg)
{
	struct note *n = arg;
	n->n = signum;
	loop_stop(n->l);
}

static void test_signal_stops(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	struct loop_timer *keep = loop_timer_new(n.l, count_up, &n);
	loop_timer_start(keep, 60000, 0);
	loop_on_signal(n.l, SIGTERM, on_term, &n);
	loop_on_signal(n.l, SIGHUP, on_term, &n);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	loop_run(n.l);
	assert_int_equal(n.n, SIGTERM);
	loop_timer_close(keep);
	end(&n);
}

static void test_signals_alone_do_not_keep_it(void **state)
{
	(void)state;
	struct note n = {.l = loop_new()};
	loop_on_signal(n.l, SIGHUP, on_term, &n);
	loop_run(n.l);
	end(&n);
}

/* loop_close with a handle left is a fault of ours, and says so by aborting. */
static void test_a_forgotten_handle_is_noticed(void **state)
{
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct note n = {.l = loop_new()};
		(void)signal(SIGABRT, SIG_DFL); /* the framework catches it */
		(void)close(STDERR_FILENO);     /* the message is expected */
		(void)loop_timer_new(n.l, count_up, &n);
		loop_close(n.l);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_loop_ends),
		cmocka_unit_test(test_post_keeps_order),
		cmocka_unit_test(test_post_from_a_posted_call),
		cmocka_unit_test(test_post_burst),
		cmocka_unit_test(test_close_runs_posted_calls),
		cmocka_unit_test(test_idle_waits_for_outside_work),
		cmocka_unit_test(test_idle_is_not_starved),
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_closed_timer_is_silent),
		cmocka_unit_test(test_async_from_a_thread),
		cmocka_unit_test(test_watch_pauses_and_changes),
		cmocka_unit_test(test_signal_stops),
		cmocka_unit_test(test_signals_alone_do_not_keep_it),
		cmocka_unit_test(test_a_forgotten_handle_is_noticed),
	};
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
