#include "tests/support/rig.h"

#include "base/fs.h"
#include "base/log.h"
#include "plan/summary.h"
#include "tests/support/store_support.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static struct agent *agent;
static char agent_dir[64];

void rig_must(int rc, const struct err *err)
{
	if (rc != 0)
		fail_msg("%s", err->msg);
}

int rig_warm_up(void **state)
{
	struct err err = {0};
	(void)state;
	(void)snprintf(agent_dir, sizeof(agent_dir), "/tmp/sluice-rig-agent-XXXXXX");
	assert_non_null(mkdtemp(agent_dir));
	rig_must(agent_start(&(struct agent_options){.data_dir = agent_dir}, &agent, &err), &err);
	loop_close(loop_new());
	return 0;
}

int rig_cool_down(void **state)
{
	(void)state;
	agent_stop(agent);
	return fs_remove_tree(agent_dir, NULL);
}

/* ---- the executor that does what it is told ---- */

struct told { /* the end of a job, on its way */
	struct rig *r;
	unsigned generation;
	int64_t id;
	enum rig_play how;
};

static struct rig_job *job_by_id(struct rig *r, int64_t id)
{
	for (size_t i = 0; i < r->jobs_n; i++)
		if (r->jobs[i].id == id)
			return &r->jobs[i];
	return NULL;
}

static void leave_file(const struct rig_job *j, const char *name)
{
	CLEANUP_FREE char *path = fs_join(j->job_dir, name);
	CLEANUP_FREE char *text = xasprintf("%s of <b>%s</b> & job %lld\n", name, j->project, (long long)j->id);
	struct err err = {0};
	rig_must(fs_mkdir_p(j->job_dir, 0700, &err), &err);
	rig_must(fs_write_fast(path, text, strlen(text), 0600, &err), &err);
}

static void fill_record(const struct rig *r, const struct rig_job *j, enum rig_play how, struct buf *summary, struct job_exit *e)
{
	static char diff[] = "+ one\n", sha[] = "5ea1", changes[] = "c0de", others[] = "d1ff", lineage[] = "L", failed[] = "main.tf:3 it went wrong", step[] = "plan", late[] = "it took too long";
	struct plan_summary s = {.create = how == PLAY_OK, .applyable = how == PLAY_OK};
	*e = (struct job_exit){.job_id = j->id, .exit_code = 0, .step = step};
	if (how == PLAY_OK || how == PLAY_NOTHING) {
		plan_summary_write(&s, summary);
		e->outcome = JOB_OK;
		e->summary = j->phase == PHASE_PLAN ? summary->data : NULL;
		e->diff = j->phase == PHASE_PLAN ? diff : NULL;
		e->plan_sha256 = j->phase == PHASE_PLAN ? sha : NULL;
		if (j->phase == PHASE_PLAN)
			e->changes = r->changed != NULL && strcmp(r->changed, j->project) == 0 ? others : changes;
		leave_file(j, "log");
		if (j->phase == PHASE_PLAN)
			leave_file(j, "plan.enc");
	} else {
		e->outcome = how == PLAY_FAIL ? JOB_FAILED : how == PLAY_CANCELLED ? JOB_CANCELLED : how == PLAY_TIMEOUT ? JOB_TIMEOUT : JOB_BROKEN;
		e->error = how == PLAY_TIMEOUT ? late : failed;
		e->exit_code = 1;
	}
	if (r->held != NULL) {
		e->isolation = r->held->isolation;
		e->breach = r->held->breach;
		e->modules = r->held->modules;
		e->refusals = r->held->refusals;
		e->peak_memory = r->held->peak_memory;
		e->cpu_ms = r->held->cpu_ms;
		e->connections = r->held->connections;
		e->connections_refused = r->held->connections_refused;
		e->bytes_out = r->held->bytes_out;
		e->bytes_in = r->held->bytes_in;
		leave_file(j, "egress");
	}
	if (j->phase == PHASE_APPLY && j->managed && how == PLAY_OK) {
		e->has_state = true;
		e->state_serial = j->id;
		e->state_lineage = lineage;
		e->state_sha256 = sha;
		e->state_bytes = 10;
		leave_file(j, "state.enc");
	}
}

static void tell(void *arg)
{
	struct told *t = arg;
	struct rig *r = t->r;
	struct rig_job *j = job_by_id(r, t->id);
	if (t->generation == r->generation && j != NULL) {
		CLEANUP_BUF struct buf summary = {0};
		struct job_exit e;
		struct err err = {0};
		j->held = false;
		if (t->how == PLAY_LOST || t->how == PLAY_LOST_PAST) {
			r->events.on_exit(t->id, EXEC_LOST, NULL, t->how == PLAY_LOST_PAST, NULL, r->events.arg);
		} else if (t->how == PLAY_NOT_STARTED) {
			(void)err_set(&err, ERR_IO, "no process could be made");
			r->events.on_exit(t->id, EXEC_NOT_STARTED, NULL, false, &err, r->events.arg);
		} else {
			fill_record(r, j, t->how, &summary, &e);
			r->events.on_exit(t->id, EXEC_RECORD, &e, j->phase == PHASE_APPLY, NULL, r->events.arg);
		}
	}
	free(t);
}

static void tell_later(struct rig *r, int64_t id, enum rig_play how)
{
	struct told *t = xcalloc(1, sizeof(*t));
	*t = (struct told){r, r->generation, id, how};
	loop_post(r->l, tell, t);
}

static enum rig_play choose(struct rig *r, const struct rig_job *j)
{
	if (r->odd != NULL && strcmp(r->odd, j->project) == 0 && (!r->odd_applies || j->phase == PHASE_APPLY)) {
		enum rig_play how = r->odd_play;
		if (r->odd_times > 0 && --r->odd_times == 0)
			r->odd = NULL;
		return how;
	}
	return j->phase == PHASE_PLAN ? r->plan_play : r->apply_play;
}

static struct rig_job *remember(struct rig *r, int64_t id)
{
	struct rig_job *j = job_by_id(r, id);
	if (j != NULL)
		return j;
	assert_true(r->jobs_n < RIG_JOBS);
	j = &r->jobs[r->jobs_n++];
	j->id = id;
	return j;
}

static void exec_start(void *self, const struct job_spec *spec, const struct exec_keys *keys)
{
	struct rig *r = self;
	struct rig_job *j = remember(r, spec->job_id);
	assert_false(j->held); /* never twice at once */
	(void)snprintf(j->project, sizeof(j->project), "%s", spec->project);
	j->phase = spec->phase;
	j->managed = spec->managed_state;
	j->profile = spec->profile;
	j->least = spec->isolation_min;
	(void)snprintf(j->egress, sizeof(j->egress), "%s", spec->egress != NULL ? spec->egress : "");
	(void)snprintf(j->args, sizeof(j->args), "%s", spec->args != NULL ? spec->args : "");
	j->has_plan_in = spec->plan_in != NULL && keys->plan_in != NULL;
	j->has_state_in = spec->state_in != NULL && keys->state_in != NULL;
	free(j->job_dir);
	j->job_dir = xstrdup(spec->job_dir);
	j->starts++;
	j->held = true;
	enum rig_play how = choose(r, j);
	if (how != PLAY_HOLD)
		tell_later(r, j->id, how);
}

static void exec_cancel(void *self, int64_t id)
{
	struct rig *r = self;
	struct rig_job *j = job_by_id(r, id);
	ASSERT(j != NULL);
	j->cancels++;
	if (j->held && r->on_cancel != PLAY_HOLD)
		tell_later(r, id, r->on_cancel);
}

static void exec_adopt(void *self, int64_t id, const char *dir)
{
	struct rig *r = self;
	struct rig_job *j = remember(r, id);
	free(j->job_dir);
	j->job_dir = xstrdup(dir);
	j->adopts++;
	j->held = true;
	if (r->adopt_play != PLAY_HOLD)
		tell_later(r, id, r->adopt_play);
}

static void exec_close(void *self) { ((struct rig *)self)->generation++; }

static struct rig *making; /* executor_new has no argument of its own */

static int exec_new(struct loop *l, const char *program, const char *socket_path, const struct exec_events *events, struct executor *ret, struct err *err)
{
	(void)l;
	(void)program;
	(void)socket_path;
	(void)err;
	making->events = *events;
	making->generation++;
	for (size_t i = 0; i < making->jobs_n; i++)
		making->jobs[i].held = false;
	*ret = (struct executor){making, exec_start, exec_cancel, exec_adopt, exec_close};
	return 0;
}

/* ---- parts ---- */

static pthread_t loop_thread;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER; /* the writer logs, too */

static void hear(const char *line, void *arg)
{
	struct rig *r = arg;
	(void)pthread_mutex_lock(&log_mutex);
	if (r->wait_for != NULL && strstr(line, r->wait_for) != NULL)
		*(pthread_equal(pthread_self(), loop_thread) ? &r->heard : &r->heard_from_writer) = true;
	buf_printf(&r->log, "%s\n", line);
	(void)pthread_mutex_unlock(&log_mutex);
}

void rig_listen(struct rig *r, const char *word)
{
	(void)pthread_mutex_lock(&log_mutex);
	r->heard = r->heard_from_writer = false;
	r->wait_for = word;
	(void)pthread_mutex_unlock(&log_mutex);
}

bool rig_hears(struct rig *r, const char *word)
{
	bool heard = false;
	if (r->wait_for != word)
		rig_listen(r, word);
	for (int i = 0; i < 400 && !heard; i++) {
		heard = loop_run_until(r->l, &r->heard, 10); /* the very turn in which the loop's thread says it */
		(void)pthread_mutex_lock(&log_mutex);
		heard = heard || r->heard_from_writer;
		(void)pthread_mutex_unlock(&log_mutex);
	}
	return heard;
}

static void write_at(const struct rig *r, const char *name, const char *text, mode_t mode)
{
	CLEANUP_FREE char *path = fs_join(r->dir, name);
	struct err err = {0};
	rig_must(fs_write_fast(path, text, strlen(text), mode, &err), &err);
}

void rig_open(struct rig *r, struct loop *l, const char *api_url, const char *more)
{
	struct err err = {0};
	*r = (struct rig){.l = l, .host = TIER_FULL, .on_cancel = PLAY_CANCELLED, .adopt_play = PLAY_LOST, .log.max = 1 << 20};
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/sluice-rig-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->program = fs_join(r->dir, "prepare");
	r->server_file = fs_join(r->dir, "sluice-server.yaml");
	CLEANUP_FREE char *script = xasprintf("#!/bin/sh\n/bin/cat >%s/request\necho >>%s/prepared\nwhile [ -e %s/wait ]; do /bin/sleep 0.02; done\n"
					      "/bin/cat %s/answer\n", r->dir, r->dir, r->dir, r->dir);
	write_at(r, "prepare", script, 0700);
	write_at(r, "terraform", "#!/bin/sh\necho Terraform v1.11.4\n", 0700);
	write_at(r, "token", "token", 0600);
	write_at(r, "secret", "secret", 0600);
	CLEANUP_FREE char *yaml = xasprintf("listen: 127.0.0.1:0\ndata_dir: data\ngithub: { api_url: \"%s\", token_file: token, webhook_secret_file: secret }\n"
					    "repositories: [\"acme/*\"]\nengines: { dir: . }\n%s", api_url, more != NULL ? more : "");
	write_at(r, "sluice-server.yaml", yaml, 0600);
	struct config_errors errors = {0};
	if (server_config_load(r->server_file, &r->config, &errors, &err) != 0) {
		CLEANUP_BUF struct buf b = {0};
		config_errors_print(&errors, &b);
		fail_msg("%s %s", err.msg, buf_str(&b));
	}
	r->config.plan_expiry_ms = 30 * 60 * 1000; /* too short for a push to keep a plan: most tests want a new one each time */
	rig_must(fs_mkdir_p(r->config.data_dir, 0700, &err), &err);
	r->db_path = fs_join(r->config.data_dir, "sluice.db");
	loop_thread = pthread_self();
	log_set_sink(hear, r);
}

void rig_start(struct rig *r)
{
	struct err err = {0};
	rig_must(db_open(r->l, r->db_path, store_schema(), 1, &r->db, &err), &err);
	struct gh_options go = {.api_url = r->config.api_url, .token = "token"};
	r->gh = gh_new(r->l, &go);
	r->outbox = outbox_new(r->l, r->db, r->gh);
	making = r;
	struct runs_options ro = {.loop = r->l, .db = r->db, .gh = r->gh, .outbox = r->outbox, .agent = agent, .config = &r->config,
				  .server_file = r->server_file, .program = r->program, .executor_new = exec_new};
	rig_must(runs_new(&ro, &r->runs, &err), &err);
	if (!r->host_later)
		runs_set_host(r->runs, &(struct tier_report){.tier = r->host});
	runs_recover(r->runs);
	outbox_wake(r->outbox);
}

void rig_pass(struct rig *r, int64_t ms)
{
	bool never = false;
	(void)loop_run_until(r->l, &never, ms);
}

void rig_settle(struct rig *r)
{
	for (int i = 0; db_waiting(r->db) != 0; i++) {
		assert_true(i < 2000);
		rig_pass(r, 1);
	}
}

void rig_stop(struct rig *r)
{
	if (r->runs == NULL)
		return;
	rig_settle(r);
	runs_close(r->runs);
	outbox_close(r->outbox);
	gh_close(r->gh);
	db_close(r->db);
	r->runs = NULL;
}

void rig_close(struct rig *r)
{
	rig_stop(r);
	rig_pass(r, 1); /* what was posted goes */
	log_set_sink(NULL, NULL);
	for (size_t i = 0; i < r->jobs_n; i++)
		free(r->jobs[i].job_dir);
	server_config_free(&r->config);
	buf_free(&r->log);
	free(r->program);
	free(r->server_file);
	free(r->db_path);
	assert_int_equal(fs_remove_tree(r->dir, NULL), 0);
}

struct asked {
	struct rig *r;
	bool done;
};

static void on_pull(const struct gh_answer *a, void *arg)
{
	struct asked *q = arg;
	rig_must(a->r.err.code, &a->r.err);
	q->r->repo_id = a->pull->repo_id;
	q->done = true;
}

void rig_know_repo(struct rig *r, const char *repo, int64_t pull)
{
	struct asked q = {r, false};
	gh_get_pull(r->gh, repo, pull, on_pull, &q);
	assert_true(loop_run_until(r->l, &q.done, 10000));
}

/* ---- prepare ---- */

void rig_prepare_says(struct rig *r, const char *answer) { write_at(r, "answer", answer, 0600); }

void rig_prepared(struct rig *r, const struct rig_project *v, size_t n)
{
	struct prepare_result p = {.projects_n = n, .untouched = 3, .tree_dir = xstrdup(r->dir), .config_present = true};
	(void)snprintf(p.base_sha, sizeof(p.base_sha), "%040d", 1);
	(void)snprintf(p.head_sha, sizeof(p.head_sha), "%040d", 2);
	(void)snprintf(p.merge_base, sizeof(p.merge_base), "%040d", 1);
	p.projects = xcalloc(n, sizeof(*p.projects));
	for (size_t i = 0; i < n; i++) {
		struct prepared_project *q = &p.projects[i];
		*q = (struct prepared_project){.name = xstrdup(v[i].name), .dir = xstrdup(v[i].name), .workspace = xstrdup("default"),
					       .reason = xstrdup("`main.tf` changed"), .inputs = v[i].inputs != NULL && strcmp(v[i].inputs, "-") == 0 ? NULL : xstrdup(v[i].inputs != NULL ? v[i].inputs : "same"),
					       .requires_approved = true, .managed_state = v[i].managed, .deleted = v[i].deleted, .error = xstrdup(v[i].error)};
		if (v[i].depends_on != NULL)
			strlist_add(&q->depends_on, v[i].depends_on);
	}
	CLEANUP_BUF struct buf result = {0}, answer = {0};
	assert_int_equal(prepare_result_write(&p, &result), 0);
	buf_printf(&answer, "{\"ok\":true,\"result\":%s}", buf_str(&result));
	rig_prepare_says(r, buf_str(&answer));
	prepare_result_free(&p);
}

size_t rig_prepare_count(const struct rig *r)
{
	CLEANUP_FREE char *path = fs_join(r->dir, "prepared");
	int64_t n = fs_size(path);
	return n < 0 ? 0 : (size_t)n; /* one byte each */
}

void rig_end(struct rig *r, const char *project, enum job_phase phase, enum rig_play how)
{
	const struct rig_job *j = rig_job(r, project, phase);
	ASSERT(j != NULL);
	assert_true(j->held);
	tell_later(r, j->id, how);
}
