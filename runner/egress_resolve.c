#include "runner/egress_priv.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* getaddrinfo blocks and cannot be called off. A few threads do nothing else; who waits has a deadline of its own, and an answer that comes
 * after it is thrown away. Threads are started when they are needed first. */

enum { THREADS_MAX = 4, STACK_BYTES = 512 * 1024 };

struct egress_lookup {
	struct egress_lookup *next; /* in the queue */
	struct egress_resolver *r;
	char host[HOST_MAX + 1];
	bool done, dropped;
	struct address addresses[EGRESS_ADDRESSES_MAX];
	size_t n;
};

struct egress_resolver {
	pthread_mutex_t mutex; /* over everything here and in look-ups */
	pthread_cond_t more;
	struct egress_lookup *first, **last;
	unsigned threads, idle, queued;
	int wake_fd;
};

static size_t ask_system(const char *host, struct address ret[EGRESS_ADDRESSES_MAX])
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *all = NULL;
	size_t n = 0;
	if (getaddrinfo(host, NULL, &hints, &all) != 0)
		return 0;
	for (const struct addrinfo *a = all; a != NULL && n < EGRESS_ADDRESSES_MAX; a = a->ai_next)
		n += address_from_socket(a->ai_addr, &ret[n]);
	freeaddrinfo(all);
	return n;
}

static void lock(struct egress_resolver *r) { (void)pthread_mutex_lock(&r->mutex); } /* cannot fail on a default mutex */

static void unlock(struct egress_resolver *r) { (void)pthread_mutex_unlock(&r->mutex); }

static void answer(struct egress_resolver *r, struct egress_lookup *l)
{
	size_t (*resolve)(const char *, struct address[]) = egress_tuning.resolve != NULL ? egress_tuning.resolve : ask_system;
	unlock(r);
	l->n = resolve(l->host, l->addresses);
	lock(r);
	l->done = true;
	if (l->dropped)
		free(l);
	else
		(void)eventfd_write(r->wake_fd, 1); /* fails only when it is full of wake-ups */
}

static void *thread_main(void *arg)
{
	struct egress_resolver *r = arg;
	lock(r);
	for (;;) {
		r->idle++;
		while (r->first == NULL)
			(void)pthread_cond_wait(&r->more, &r->mutex);
		r->idle--;
		struct egress_lookup *l = r->first;
		r->first = l->next;
		r->queued--;
		if (r->first == NULL)
			r->last = &r->first;
		if (l->dropped)
			free(l);
		else
			answer(r, l);
	}
	return NULL;
}

static void thread_start(struct egress_resolver *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	(void)pthread_attr_init(&attr); /* cannot fail on Linux, as the next two */
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, thread_main, r) == 0)
		r->threads++; /* without any the look-up meets its deadline */
	(void)pthread_attr_destroy(&attr);
}

int egress_resolver_open(struct egress_resolver **ret, int *ret_wake_fd, struct err *err)
{
	struct egress_resolver *r = xcalloc(1, sizeof(*r));
	r->last = &r->first;
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0) {
		free(r);
		return err_sys(err, "egress proxy: eventfd");
	}
	(void)pthread_mutex_init(&r->mutex, NULL); /* cannot fail with default attributes */
	(void)pthread_cond_init(&r->more, NULL);
	*ret = r;
	*ret_wake_fd = r->wake_fd;
	return 0;
}

void egress_resolver_woken(struct egress_resolver *r)
{
	eventfd_t n;
	(void)eventfd_read(r->wake_fd, &n); /* EAGAIN: another turn has read it */
}

struct egress_lookup *egress_lookup_start(struct egress_resolver *r, const char *host)
{
	struct egress_lookup *l = xcalloc(1, sizeof(*l));
	l->r = r;
	memcpy(l->host, host, strlen(host) + 1);
	lock(r);
	*r->last = l;
	r->last = &l->next;
	r->queued++;
	if (r->queued > r->idle && r->threads < THREADS_MAX)
		thread_start(r);
	(void)pthread_cond_signal(&r->more);
	unlock(r);
	return l;
}

bool egress_lookup_take(struct egress_lookup *l, struct address ret[EGRESS_ADDRESSES_MAX], size_t *ret_n)
{
	struct egress_resolver *r = l->r;
	lock(r);
	bool done = l->done;
	unlock(r);
	if (!done)
		return false;
	memcpy(ret, l->addresses, sizeof(l->addresses));
	*ret_n = l->n;
	free(l);
	return true;
}

void egress_lookup_drop(struct egress_lookup *l)
{
	struct egress_resolver *r = l->r;
	lock(r);
	l->dropped = true;
	bool done = l->done;
	unlock(r);
	if (done)
		free(l);
}
