/* Before the box stands: providers and modules that its `init` will need. The work is done by a child without keys (runner/fetch.h). */
#include "base/clock.h"
#include "runner/fetch.h"
#include "runner/runner_priv.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* A cancel comes the same ways as later, and so does the end of the job's time. */
static bool is_stopped(void *arg)
{
	struct runner *r = arg;
	struct signalfd_siginfo info;
	struct pollfd p[] = {{.fd = r->link.fd, .events = POLLIN}, {.fd = r->signal_fd, .events = POLLIN}};
	int n = poll(p, ARRAY_LEN(p), 0);
	if (n > 0 && p[0].revents != 0)
		link_readable(r);
	if (n > 0 && p[1].revents != 0 && read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		runner_stop(r, STOP_CANCEL);
	if (clock_mono_ms() > r->deadline_ms)
		limits_breach(r, BREACH_TIME);
	return r->stop != STOP_NONE;
}

/* DATA_DIR/jobs/ID: two up. */
static char *data_dir_of(const struct job_spec *s)
{
	char *path = xstrdup(s->job_dir);
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL || slash == path) {
			free(path);
			return NULL;
		}
		*slash = '\0';
	}
	return path;
}

/* What a registry, a lock file or a call of a module is to blame for is the job's failure, not ours. */
static bool is_of_the_project(int rc)
{
	return rc == ERR_REFUSED || rc == ERR_UNAVAILABLE || rc == ERR_NOT_FOUND || rc == ERR_PARSE || rc == ERR_LIMIT;
}

int runner_fetch(struct runner *r, struct err *err)
{
	struct fetch_result found = {0};
	CLEANUP_FREE char *data_dir = data_dir_of(&r->spec);
	if (r->spec.fetch_egress == NULL || !r->spec.needs_init || data_dir == NULL)
		return 0;
	xstrset(&r->exit.step, "fetch");
	const struct fetch_place place = {.data_dir = data_dir, .egress = r->spec.fetch_egress, .download = r->spec.fetch_providers,
					  .timeout_ms = r->deadline_ms - clock_mono_ms()};
	const struct fetch_watch watch = {.log_fd = r->log_fd, .stopped = is_stopped, .arg = r};
	int rc = fetch_for_spec(&r->spec, &place, &watch, &found, err);
	r->exit.connections += found.traffic.connections;
	r->exit.connections_refused += found.traffic.refused;
	r->exit.bytes_out += found.traffic.bytes_out;
	r->exit.bytes_in += found.traffic.bytes_in;
	if (is_of_the_project(rc) && r->stop == STOP_NONE) {
		r->exit.outcome = JOB_FAILED;
		xstrset(&r->exit.error, err->msg);
	}
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < found.notes.n; i++) {
		CLEANUP_FREE char *line = xasprintf("sluice: %s\n", found.notes.v[i]);
		runner_log(r, line, strlen(line));
	}
	xstrset(&r->exit.modules, found.modules);
	fetch_result_free(&found);
	return 0;
}
