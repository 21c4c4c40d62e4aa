#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "runner/job_proto.h"
#include "runner/runner_priv.h"

/* The box comes up, or the job ends with the reason. What this host cannot do weakens a wall only where it is known which one, is said in the
 * log, and counts against what the job asks for at least; nothing is ever run without a box. */

enum { READY_WAIT_MS = 30000 /* for bubblewrap and job-init to come up */ };

static int try_box(struct runner *r, const struct box_order *o, struct err *err)
{
	r->box_gone = false;
	buf_reset(&r->box_says);
	int rc = box_start(o, &r->box, err);
	if (rc != 0)
		return rc;
	int64_t until = clock_mono_ms() + READY_WAIT_MS;
	while (!r->ready && !r->box_gone && clock_mono_ms() < until)
		runner_pump(r);
	while (r->box_gone && r->box.errors >= 0) /* it is dead, so its last words end */
		runner_box_last_words(r);
	if (r->ready)
		return 0;
	box_end(&r->box);
	buf_reset(&r->from_box);
	while (r->box_says.len > 0 && r->box_says.data[r->box_says.len - 1] == '\n')
		buf_truncate(&r->box_says, r->box_says.len - 1);
	return err_set(err, ERR_UNAVAILABLE, "the sandbox does not start: %s",
		       r->box_says.len > 0 ? buf_str(&r->box_says) : "no reason given");
}

/* Once; all other failures end the job. */
static bool weaken(struct runner *r, struct box_order *o)
{
	static const char note[] = "sluice: this host does not allow a /proc in the sandbox, running without one\n";
	if (o->no_proc || !box_is_compat(o->spec) || strstr(buf_str(&r->box_says), "proc") == NULL)
		return false;
	o->no_proc = true;
	runner_log(r, note, sizeof(note) - 1);
	return true;
}

/* What this very box holds, whatever the canary once found. */
static enum tier found(const struct runner *r)
{
	const unsigned all = JOB_WALL_SECCOMP | JOB_WALL_LANDLOCK;
	if ((r->walls & all) != all) /* the filter refuses nested namespaces, too, where bubblewrap cannot */
		return TIER_REDUCED;
	return r->group != NULL ? TIER_FULL : TIER_BOUNDED;
}

static int check_tier(struct runner *r, struct err *err)
{
	enum tier tier = found(r);
	xstrset(&r->exit.isolation, tier_name(tier));
	if (tier >= r->spec.isolation_min)
		return 0;
	return err_set(err, ERR_REFUSED,
		       "this host can hold the job in only to the tier `%s`, and `%s` is the least that is allowed (`sandbox.floor`): `sluice doctor` on "
		       "the server says what is missing", tier_name(tier), tier_name(r->spec.isolation_min));
}

int runner_box_open(struct runner *r, struct err *err)
{
	CLEANUP_FREE char *beside = fs_join(fs_self_dir(), "sluice-job-init");
	const char *usual = r->job_init != NULL ? r->job_init : beside;
	struct box_order o = {
		.spec = &r->spec,
		.job_init = runner_tuning.job_init != NULL ? runner_tuning.job_init : usual,
		.launcher = runner_tuning.launcher != NULL ? runner_tuning.launcher : usual,
		.state = r->state_in,
		.state_len = r->state_in_len,
		.plan = r->plan_in,
		.plan_len = r->plan_in_len,
		.net = r->net,
		.group = r->group,
		.oom_fd = r->oom_fd,
		.oom_was = r->oom_was,
	};
	for (;;) {
		int rc = try_box(r, &o, err);
		if (rc == 0) {
			mem_close_fd(&r->net); /* the box has its copy, and gives it away */
			return check_tier(r, err);
		}
		if (r->stop != STOP_NONE || rc != ERR_UNAVAILABLE || !weaken(r, &o))
			return rc;
	}
}
