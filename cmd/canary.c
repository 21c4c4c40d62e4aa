#include "cmd/canary.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/commands.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEADLINE_MS = 20000 };

struct canary {
	struct loop_process *process;
	canary_cb cb;
	void *arg;
};

int cmd_canary(int argc, char **argv)
{
	struct tier_report r;
	CLEANUP_BUF struct buf out = {0};
	(void)argv;
	if (argc != 1) {
		(void)fprintf(stderr, "usage: sluice canary (the daemon starts it; `sluice doctor` is for people)\n");
		return 2;
	}
	tier_probe(NULL, &r);
	int rc = tier_report_write(&r, &out);
	tier_report_free(&r);
	return rc == 0 && puts(buf_str(&out)) >= 0 && fflush(stdout) == 0 ? 0 : 3;
}

static void on_exit_of_child(const struct loop_exit *e, void *arg)
{
	struct canary *c = arg;
	struct tier_report host = {.tier = TIER_NONE};
	struct err err = e->err;
	if (err.code == 0 && e->code != 0)
		err_set(&err, ERR_INTERNAL, "it ended with status %d, signal %d", e->code, e->signum);
	if (err.code != 0 || tier_report_read(e->out, e->out_len, &host, &err) != 0)
		host = (struct tier_report){.tier = TIER_NONE, .why = xasprintf("the canary job did not answer: %s; `sluice doctor` tries it again", err.msg)};
	c->cb(&host, c->arg);
	tier_report_free(&host); /* what the callback left */
	free(c);
}

struct canary *canary_start(struct loop *l, const char *program, canary_cb cb, void *arg)
{
	static char word[] = "canary";
	struct canary *c = xcalloc(1, sizeof(*c));
	*c = (struct canary){.cb = cb, .arg = arg};
	CLEANUP_FREE char *file = xstrdup(program);
	CLEANUP_FREE char *path = xasprintf("PATH=%s", getenv("PATH") != NULL ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
	CLEANUP_FREE char *tmp = xasprintf("TMPDIR=%s", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	char *argv[] = {file, word, NULL};
	char *envp[] = {path, tmp, NULL};
	struct loop_spawn s = {.file = program, .argv = argv, .envp = envp, .max_output = LIMIT_BATTERY_BYTES, .timeout_ms = DEADLINE_MS};
	c->process = loop_process_start(l, &s, on_exit_of_child, c);
	return c;
}

void canary_close(struct canary *c)
{
	if (c == NULL)
		return;
	loop_process_close(c->process);
	free(c);
}

void canary_log(const struct tier_report *host)
{
	size_t wrong = 0;
	for (size_t i = 0; i < host->n; i++)
		wrong += !host->v[i].ok;
	if (host->tier == TIER_FULL)
		log_info("sandbox.tier", "tier=%s looked_at=%zu", tier_name(host->tier), host->n);
	else
		log_warn("sandbox.tier", "tier=%s looked_at=%zu wrong=%zu why=%s", tier_name(host->tier), host->n, wrong,
			 log_value(host->why != NULL ? host->why : "see below"));
	for (size_t i = 0; i < host->n; i++)
		if (!host->v[i].ok)
			log_warn("sandbox.finding", "name=%s at_most=%s seen=%s fix=%s", log_value(host->v[i].name), tier_name(host->v[i].at_most),
				 log_value(host->v[i].seen != NULL ? host->v[i].seen : ""), log_value(host->v[i].fix != NULL ? host->v[i].fix : ""));
}
