#include "tests/component/world.h"

void sim_must(int rc, const struct err *err)
{
	if (rc != 0)
		fail_msg("%s", err->msg);
}

void world_push(struct world *w, const char *branch, const char *text)
{
	struct err err = {0};
	struct sim_file f = {.path = "net/main.tf", .content = text};
	char sha[SIM_SHA_SIZE];
	sim_must(sim_commit(w->sim, REPO, branch, "alice", "Change it", &f, 1, sha, &err), &err);
	if (strcmp(branch, "change") == 0)
		(void)snprintf(w->head, sizeof(w->head), "%s", sha);
}

int64_t world_pull(struct world *w, const char *branch, bool draft)
{
	struct err err = {0};
	int64_t n = 0;
	world_push(w, branch, branch);
	struct sim_pr_new p = {.repo = REPO, .user = "alice", .title = "Change", .head = branch, .draft = draft};
	sim_must(sim_pr_open(w->sim, &p, &n, &err), &err);
	return n;
}

void world_approve(struct world *w, int64_t pull)
{
	struct err err = {0};
	sim_must(sim_review(w->sim, REPO, pull, "bob", "APPROVE", "fine", &err), &err);
}

void world_faults(struct world *w, const char *rules)
{
	struct err err = {0};
	sim_must(sim_set_faults(w->sim, rules, &err), &err);
}

struct world *world_open(const char *more)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct err err = {0};
	w->fds_before = support_open_fds();
	(void)snprintf(w->sim_dir, sizeof(w->sim_dir), "/tmp/sluice-world-XXXXXX");
	assert_non_null(mkdtemp(w->sim_dir));
	w->l = loop_new();
	struct sim_token tokens[] = {{"token", BOT}};
	struct sim_options o = {.dir = w->sim_dir, .tokens = tokens, .tokens_n = 1};
	sim_must(sim_start(w->l, &o, &w->sim, &err), &err);
	struct sim_repo_new n = {.full_name = REPO, .user = "olivia", .protect = SIM_CLASSIC, .reviews = 1};
	sim_must(sim_repo_create(w->sim, &n, &err), &err);
	static const char *const people[] = {BOT, "alice", "bob"};
	for (size_t i = 0; i < ARRAY_LEN(people); i++)
		sim_must(sim_permission(w->sim, REPO, people[i], i == 0 ? "admin" /* may read branch protection */ : "write", &err), &err);
	w->pull = world_pull(w, "change", false);
	rig_open(&w->r, w->l, sim_url(w->sim), more);
	rig_start(&w->r);
	rig_know_repo(&w->r, REPO, w->pull);
	static const struct rig_project net[] = {{.name = "net", .managed = true}};
	rig_prepared(&w->r, net, 1);
	return w;
}

void world_close(struct world *w)
{
	rig_close(&w->r);
	sim_close(w->sim);
	loop_close(w->l);
	assert_int_equal(support_open_fds(), w->fds_before);
	assert_int_equal(fs_remove_tree(w->sim_dir, NULL), 0);
	free(w);
}

int world_setup(void **state)
{
	*state = world_open(NULL);
	return 0;
}

int world_teardown(void **state)
{
	world_close(*state);
	return 0;
}

const char *world_owed(struct world *w)
{
	return rig_text(&w->r, "SELECT body FROM effect WHERE kind=0 ORDER BY id LIMIT 1");
}

const char *world_status(struct world *w) /* the roll-up's, as it is owed */
{
	return rig_text(&w->r, "SELECT status||': '||description FROM effect WHERE context='sluice' ORDER BY id DESC LIMIT 1");
}

void says(const char *text, const char *wanted)
{
	if (strstr(text, wanted) == NULL)
		fail_msg("\"%s\" is not in:\n%s", wanted, text);
}

void is_in_state(enum run_state got, enum run_state want)
{
	if (got != want)
		fail_msg("the run is %s, not %s", run_state_name(got), run_state_name(want));
}

int64_t world_plan(struct world *w, int64_t pull)
{
	int64_t run = rig_run(&w->r, RUN_PLAN, pull, NULL);
	is_in_state(rig_over(&w->r, run), RUN_DONE);
	return run;
}
