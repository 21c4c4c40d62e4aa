/* One binary, many commands: a table. */
#include "base/log.h"
#include "base/mem.h"
#include "cmd/check.h"
#include "cmd/commands.h"
#include "cmd/sim/sim.h"
#include "plan/changes.h"
#include "plan/prepare.h"
#include "plan/summary.h"
#include "runner/fetch.h"
#include "runner/runner.h"

#include <stdio.h>

static int print_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)printf("sluice %s\n", SLUICE_VERSION); /* nowhere to tell that stdout is gone */
	return 0;
}

/* Hidden: children that the daemon starts. */
static int prepare(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return prepare_main();
}

/* What a runner keeps of a plan. */
static int understand(const char *plan_json, size_t len, struct runner_understood *ret, struct err *err)
{
	char changes[CHANGES_HEX + 1];
	struct plan_summary s;
	CLEANUP_BUF struct buf diff = {0};
	struct buf summary = {0};
	int rc = plan_summary_read(plan_json, len, &s, err);
	if (rc != 0)
		return rc;
	plan_summary_write(&s, &summary);
	plan_summary_free(&s);
	rc = plan_diff(plan_json, len, &diff, err);
	if (rc == 0)
		rc = plan_changes_digest(plan_json, len, changes, err);
	if (rc != 0) {
		buf_free(&summary);
		return rc;
	}
	ret->summary = buf_take(&summary);
	ret->diff = diff.len != 0 ? buf_take(&diff) : NULL;
	ret->changes = xstrdup(changes);
	return 0;
}

static int job_runner(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: sluice job-runner JOBDIR (the daemon starts it)\n");
		return 2;
	}
	return runner_main(argv[1], understand);
}

static int fetch(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return fetch_main();
}

static const struct command_row {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* NULL: not for people */
} rows[] = {
	{"serve", cmd_serve, "serve [--config FILE]            run the server"},
	{"setup", cmd_setup, "setup --url URL [--org NAME]     make the GitHub App in one click"},
	{"demo", cmd_demo, "demo [--serve] [--port N]         carry one pull request from push to apply, on this machine"},
	{"check", cmd_check, "check [--format json] FILE...    validate sluice.yaml and sluice-server.yaml"},
	{"state", cmd_state, "state list|show|pull|push|rollback    managed state, for people"},
	{"sandbox", cmd_sandbox, "sandbox [OPTIONS] -- COMMAND...    run a command in the box of a job, and see what it did there"},
	{"doctor", cmd_doctor, "doctor [--config FILE] [--format json]    can this machine hold jobs in, and does the server find what it needs"},
	{"audit", cmd_audit, "audit verify|export              was the audit log changed; the log as JSON lines"},
	{"--print-config", cmd_print_config, "--print-config [FILE]            the effective server configuration, or the commented sample"},
	{"--version", print_version, "--version                        the version"},
	{"sim", cmd_sim, NULL},
	{"prepare", prepare, NULL},
	{"job-runner", job_runner, NULL},
	{"fetch", fetch, NULL},
	{"canary", cmd_canary, NULL},
};

static void usage(FILE *to)
{
	(void)fprintf(to, "sluice: Terraform and OpenTofu from GitHub pull requests, self-hosted\n\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].help != NULL)
			(void)fprintf(to, "  sluice %s\n", rows[i].help);
	(void)fprintf(to, "\nexit: 0 done, 1 the answer is no, 2 usage or configuration, 3 the environment failed\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(argv[1], rows[i].name) == 0)
			return rows[i].run(argc - 1, argv + 1);
	(void)fprintf(stderr, "sluice: there is no command %s: `sluice --help` lists them\n", argv[1]);
	return 2;
}
