#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "runner/runner_priv.h"
#include "runner/watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Every way in which a job is stopped from outside, breach or cancel, goes through runner_stop: a plan is killed at once, for nothing of it is
 * worth keeping; an apply is asked to stop (SIGINT), has LIMIT_GRACE_MS to write its state, and is killed then. */

static int open_group(struct runner *r, struct err *err)
{
	char name[64];
	struct err why = {0};
	(void)snprintf(name, sizeof(name), "%s-%lld", r->spec.job_id != 0 ? "job" : "pid",
		       (long long)(r->spec.job_id != 0 ? r->spec.job_id : getpid())); /* fits */
	struct cgroup_limits limits = {.memory = r->spec.memory_max, .processes = r->spec.processes_max};
	int rc = cgroup_open(name, &limits, &r->group, &why);
	if (rc == ERR_UNAVAILABLE) { /* there is none to be had here: the tier says so */
		log_debug("runner.cgroup", "job=%lld none=%s", (long long)r->spec.job_id, log_value(why.msg));
		return 0;
	}
	return rc != 0 ? err_set(err, rc, "%s", why.msg) : 0;
}

static int open_egress(struct runner *r, struct err *err)
{
	int ends[2];
	if (r->spec.egress == NULL || r->spec.egress[0] == '\0')
		return 0;
	CLEANUP_FREE char *path = r->job_dir != NULL ? fs_join(r->job_dir, "egress") : xstrdup("/dev/null");
	CLEANUP_FD int log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log_fd < 0)
		return err_sys(err, "open %s", path);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return err_sys(err, "start the egress proxy");
	static const char *const keys[] = {
		[PROFILE_PLAN] = "egress.plan", [PROFILE_APPLY] = "egress.apply", [PROFILE_COMPAT] = NULL, [PROFILE_FETCH] = "egress.fetch"};
	const char *key = keys[r->spec.profile] != NULL ? keys[r->spec.profile] : keys[r->spec.phase == PHASE_APPLY ? PROFILE_APPLY : PROFILE_PLAN];
	struct egress_order o = {.key = key, .rules = r->spec.egress, .channel = ends[0], .log_fd = log_fd, .deny = r->spec.egress_deny};
	int rc = egress_start(&o, &r->egress, err);
	(void)close(ends[0]);
	r->net = ends[1];
	return rc;
}

int limits_open(struct runner *r, struct err *err)
{
	int rc = open_egress(r, err);
	return rc == 0 ? open_group(r, err) : rc;
}

void limits_breach(struct runner *r, enum breach b)
{
	if (r->stop != STOP_NONE)
		return;
	r->breach = b;
	xstrset(&r->exit.breach, breach_name(b));
	runner_stop(r, STOP_BREACH);
}

static void most(int64_t *max, int64_t value) { *max = value > *max ? value : *max; }

/* false: no limit of it holds at the moment. */
static bool look_at_group(struct runner *r)
{
	struct cgroup_use use;
	struct err err;
	if (cgroup_read(r->group, &use, &err) != 0) {
		log_warn("runner.cgroup", "job=%lld error=%s", (long long)r->spec.job_id, log_value(err.msg));
		return false;
	}
	most(&r->exit.peak_memory, use.memory_peak);
	most(&r->exit.cpu_ms, use.cpu_ms);
	if (use.oom_kills > 0)
		limits_breach(r, BREACH_MEMORY);
	else if (use.process_refusals > 0)
		limits_breach(r, BREACH_PROCESSES);
	return use.limited;
}

/* Without a control group: looked at from outside, more often. */
static void look_at_tree(struct runner *r)
{
	struct watch_use use;
	if (r->box.pid <= 0 || watch_tree(r->box.pid, &use) != 0)
		return;
	most(&r->exit.peak_memory, use.memory);
	most(&r->exit.cpu_ms, use.cpu_ms);
	int64_t shared = use.memory > r->spec.memory_max ? watch_memory(r->box.pid) : 0; /* dear, so asked only then */
	if (shared < 0 || shared > r->spec.memory_max)
		limits_breach(r, BREACH_MEMORY);
	else if (use.threads >= r->spec.processes_max)
		limits_breach(r, BREACH_PROCESSES);
}

/* Without a control group a process can be refused memory and end between two looks: then its peak tells. It counts mapped files, so that it
 * says nothing of a step that went well. */
void limits_step_ended(struct runner *r, int64_t peak)
{
	bool well = WIFEXITED(r->step.status) && WEXITSTATUS(r->step.status) == 0;
	if (r->group != NULL)
		return;
	most(&r->exit.peak_memory, peak);
	if (!well && peak > r->spec.memory_max)
		limits_breach(r, BREACH_MEMORY);
}

/* What was seen as the last step ended stands, unless much went on since. */
void limits_last_look(struct runner *r)
{
	int64_t seen = r->look_ms - (r->group != NULL ? LIMITS_LOOK_MS : LIMITS_LOOK_MS / 4);
	if (r->box.pid > 0 && (r->step.running || clock_mono_ms() > seen + LAST_LOOK_MS))
		limits_look(r);
}

void limits_look(struct runner *r)
{
	int64_t now = clock_mono_ms();
	bool held = r->group != NULL && look_at_group(r);
	if (!held)
		look_at_tree(r);
	r->look_ms = now + (held ? LIMITS_LOOK_MS : LIMITS_LOOK_MS / 4);
	if (r->exit.cpu_ms > r->spec.cpu_ms_max)
		limits_breach(r, BREACH_CPU);
	if (r->output_bytes > r->spec.output_max * OUTPUT_END_FACTOR)
		limits_breach(r, BREACH_OUTPUT);
	if (r->step.running && r->spec.silence_ms > 0 && now - r->output_ms > r->spec.silence_ms)
		limits_breach(r, BREACH_SILENCE);
}

void limits_say(struct runner *r)
{
	CLEANUP_BUF struct buf out = {0};
	bool time = r->breach == BREACH_TIME || r->breach == BREACH_SILENCE;
	r->exit.outcome = r->stop == STOP_CANCEL ? JOB_CANCELLED : time ? JOB_TIMEOUT : JOB_FAILED;
	if (r->stop == STOP_BREACH)
		breach_sentence(r->breach, &r->spec, &out);
	else
		buf_adds(&out, "cancelled");
	if (r->exit.step != NULL)
		buf_printf(&out, " during %s", r->exit.step);
	xstrset(&r->exit.error, buf_str(&out));
}

/* Which rule to add stands in the log, and with a failure that it may well explain. */
static void tell_refusals(struct runner *r, const char *refusals)
{
	for (const char *line = refusals; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		CLEANUP_FREE char *text = xasprintf("sluice: %.*s\n", (int)strcspn(line, "\n"), line);
		runner_log(r, text, strlen(text));
	}
	if (refusals[0] == '\0')
		return;
	xstrset(&r->exit.refusals, refusals);
	if (r->exit.outcome == JOB_OK || r->exit.error == NULL)
		return;
	char *both = xasprintf("%s (%.*s)", r->exit.error, (int)strcspn(refusals, "\n"), refusals);
	free(r->exit.error);
	r->exit.error = both;
}

void limits_close(struct runner *r)
{
	struct egress_totals totals = {0};
	mem_close_fd(&r->net);
	if (r->group != NULL)
		cgroup_close(r->group);
	r->group = NULL;
	if (r->egress != NULL)
		egress_end(r->egress, &totals);
	r->egress = NULL;
	if (totals.broke)
		log_warn("runner.egress", "job=%lld error=\"the egress proxy ended before the job did\"", (long long)r->spec.job_id);
	tell_refusals(r, totals.refusals);
	r->exit.connections += totals.connections;
	r->exit.connections_refused += totals.refused;
	r->exit.bytes_out += totals.bytes_out;
	r->exit.bytes_in += totals.bytes_in;
}
