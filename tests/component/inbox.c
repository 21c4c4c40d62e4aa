#include "tests/component/inbox.h"

#include "base/clock.h"
#include "webhooks/delivery_store.h"

static size_t inflight(void *arg) { return ((struct inbox *)arg)->inflight; }

void inbox_start(struct inbox *s)
{
	struct rig *r = &s->w->r;
	struct decide_options o = {.loop = r->l, .db = r->db, .gh = r->gh, .outbox = r->outbox, .runs = r->runs, .config = &r->config,
				   .server_file = r->server_file, .program = r->program, .version = "1.2.3", .intake_inflight = inflight, .arg = s};
	s->d = decide_new(&o);
}

void inbox_stop(struct inbox *s)
{
	rig_settle(&s->w->r);
	decide_close(s->d);
	s->d = NULL;
	rig_stop(&s->w->r);
}

struct inbox *inbox_open(const char *more)
{
	struct inbox *s = xcalloc(1, sizeof(*s));
	struct err err = {0};
	s->w = world_open(more);
	s->comments = 900;
	sim_must(sim_permission(s->w->sim, REPO, "carol", "read", &err), &err);
	inbox_start(s);
	return s;
}

void inbox_close(struct inbox *s)
{
	inbox_stop(s);
	world_close(s->w);
	free(s);
}

int inbox_setup(void **state)
{
	*state = inbox_open(NULL);
	return 0;
}

int inbox_teardown(void **state)
{
	inbox_close(*state);
	return 0;
}

/* ---- deliveries ---- */

struct arrival {
	const char *guid, *event;
	char *body;
	bool done;
};

static int store(struct db_conn *c, void *arg, struct err *err)
{
	const struct arrival *a = arg;
	bool is_new;
	return delivery_insert(c, a->guid, a->event, 1, a->body, strlen(a->body), &is_new, err);
}

static void stored(int rc, const struct err *err, void *arg)
{
	sim_must(rc, err);
	((struct arrival *)arg)->done = true;
}

/* Stores a delivery; takes body. Its id is the number of deliveries so far. */
void arrive(struct inbox *s, const char *event, char *body)
{
	CLEANUP_FREE char *guid = xasprintf("guid-%lld", (long long)++s->sent);
	struct arrival a = {.guid = guid, .event = event, .body = body};
	db_submit(s->w->r.db, store, stored, &a);
	assert_true(loop_run_until(s->w->l, &a.done, 10000));
	free(body);
}

char *pull_body(struct inbox *s, const char *repo, int64_t pull, const char *action, const char *more)
{
	long long id = (long long)s->w->r.repo_id;
	return xasprintf("{\"action\":\"%s\",\"repository\":{\"id\":%lld,\"full_name\":\"%s\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"alice\","
			 "\"id\":7,\"type\":\"User\"},\"pull_request\":{\"number\":%lld,\"head\":{\"sha\":\"" SHA "\",\"repo\":{\"id\":%lld}},"
			 "\"base\":{\"ref\":\"main\"}%s}}",
			 action, id, repo, (long long)pull, id, more);
}

void pull_event(struct inbox *s, const char *action, const char *more) { arrive(s, "pull_request", pull_body(s, REPO, s->w->pull, action, more)); }

char *comment_body(struct inbox *s, const char *who, const char *type, const char *text, bool on_pull)
{
	char now[CLOCK_ISO_SIZE];
	return xasprintf("{\"action\":\"created\",\"repository\":{\"id\":%lld,\"full_name\":\"" REPO "\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"%s\","
			 "\"id\":7,\"type\":\"%s\"},\"issue\":{\"number\":%lld%s},\"comment\":{\"id\":%lld,\"body\":\"%s\",\"created_at\":\"%s\"}}",
			 (long long)s->w->r.repo_id, who, type, (long long)s->w->pull, on_pull ? ",\"pull_request\":{}" : "", (long long)++s->comments, text,
			 clock_iso(clock_wall_ms(), now));
}

void comment(struct inbox *s, const char *who, const char *text) { arrive(s, "issue_comment", comment_body(s, who, "User", text, true)); }

void push_event(struct inbox *s, const char *ref, bool deleted)
{
	arrive(s, "push", xasprintf("{\"repository\":{\"id\":%lld,\"full_name\":\"" REPO "\",\"default_branch\":\"main\"},\"sender\":{\"login\":\"alice\",\"id\":7,"
				    "\"type\":\"User\"},\"ref\":\"%s\",\"before\":\"" SHA "\",\"after\":\"" SHA "\",\"deleted\":%s}",
				    (long long)s->w->r.repo_id, ref, deleted ? "true" : "false"));
}

void decided(struct inbox *s)
{
	decide_wake(s->d);
	for (int i = 0; i < 2000; i++) {
		if (rig_int(&s->w->r, "SELECT count(*) FROM delivery WHERE disposition IS NULL") == 0) {
			rig_settle(&s->w->r);
			return;
		}
		rig_pass(&s->w->r, 5);
	}
	fail_msg("not decided; the log:\n%s", buf_str(&s->w->r.log));
}

const char *last(struct inbox *s)
{
	decided(s);
	return rig_text(&s->w->r, "SELECT disposition FROM delivery ORDER BY id DESC LIMIT 1");
}

const char *reply(struct inbox *s) { return rig_text(&s->w->r, "SELECT body FROM effect WHERE kind=1 ORDER BY id DESC LIMIT 1"); }

void quiet(struct inbox *s)
{
	for (int i = 0; i < 1000 && runs_active(s->w->r.runs) != 0; i++)
		rig_pass(&s->w->r, 5);
	assert_int_equal(runs_active(s->w->r.runs), 0);
	rig_settle(&s->w->r);
}
