/* The comment grammar: what is a command, what gets a help answer, what gets silence. */
#include "base/buf.h"
#include "plan/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* "verb p=a,b d=c w=d args=e,f" or "unknown: SENTENCE" or "none". */
static char *told(const char *body, size_t len)
{
	struct command c;
	struct buf out = {0};
	command_parse(body, len, &c);
	buf_adds(&out, command_verb_name(c.verb));
	const struct {
		const char *label;
		const struct strlist *list;
	} lists[] = {{" p=", &c.projects}, {" d=", &c.dirs}, {" args=", &c.args}, {" flags=", &c.flags}};
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i].list->n; k++)
			buf_printf(&out, "%s%s", k == 0 ? lists[i].label : ",", lists[i].list->v[k]);
	if (c.workspace != NULL)
		buf_printf(&out, " w=%s", c.workspace);
	if (c.sha != NULL)
		buf_printf(&out, " sha=%s", c.sha);
	if (c.destroy)
		buf_adds(&out, " destroy");
	if (c.run != 0)
		buf_printf(&out, " run=%lld", (long long)c.run);
	if (c.as != NULL)
		buf_printf(&out, " as=%s", c.as);
	if (c.error != NULL)
		buf_printf(&out, ": %s", c.error);
	assert_int_equal(c.verb == COMMAND_UNKNOWN, c.error != NULL);
	command_free(&c);
	return buf_take(&out);
}

static void check(const char *body, const char *want)
{
	CLEANUP_FREE char *got = told(body, strlen(body));
	if (strcmp(got, want) != 0)
		fail_msg("<%s>\n  gives  %s\n  wanted %s", body, got, want);
}

static const struct {
	const char *body, *want;
} good[] = {
	{"plan", "plan"},
	{"apply", "apply"},
	{"unlock", "unlock"},
	{"cancel", "cancel"},
	{"help", "help"},
	{"version", "version"},
	{"approve_policies", "approve_policies"},
	{"approve-policies", "approve_policies"},
	{"drift", "drift"},
	{"PLAN", "plan"},
	{"Apply", "apply"},
	{"sluice plan", "plan"},
	{"atlantis plan", "plan"},
	{"Sluice Plan", "plan"},
	{"/plan", "plan"},
	{"/sluice plan", "plan"},
	{"/atlantis apply", "apply"},
	{"  plan  ", "plan"},
	{"   plan", "plan"},
	{"plan\t", "plan"},
	{"plan\r\n", "plan"},
	{"plan\r\nsecond line", "plan"},
	{"plan\nand why", "plan"},
	{"plan -p network", "plan p=network"},
	{"plan -p=network", "plan p=network"},
	{"plan --project network", "plan p=network"},
	{"plan --project=network", "plan p=network"},
	{"plan -P network", "plan p=network"},
	{"plan  -p \t network", "plan p=network"},
	{"plan -p a -p b", "plan p=a,b"},
	{"plan -p \"network\"", "plan p=network"},
	{"plan -p 'network'", "plan p=network"},
	{"plan -p=\"live/prod/network\"", "plan p=live/prod/network"},
	{"plan -d live/prod", "plan d=live/prod"},
	{"plan -d ./live/prod/", "plan d=live/prod"},
	{"plan -d .", "plan d=."},
	{"plan -d ./", "plan d=."},
	{"plan -d /", "plan d=/"},
	{"plan --dir=a -d b", "plan d=a,b"},
	{"plan -w staging", "plan w=staging"},
	{"plan --workspace staging -d a -p b", "plan p=b d=a w=staging"},
	{"apply -p \xc3\xa9t\xc3\xa9", "apply p=\xc3\xa9t\xc3\xa9"},
	{"sluice unlock -p db", "unlock p=db"},
	{"sluice", "help"},
	{"atlantis", "help"},
	{"/sluice", "help"},
	{"sluice help", "help"},
	{"sluice --help", "help"},
	{"atlantis -h", "help"},
	{"plan --help", "help"},
	{"sluice plan -p x -h", "help"},
	{"import aws_s3_bucket.logs my-logs", "import args=aws_s3_bucket.logs,my-logs"},
	{"import aws_s3_bucket.logs my-logs -p db", "import p=db args=aws_s3_bucket.logs,my-logs"},
	{"import -p db aws_s3_bucket.logs my-logs", "import p=db args=aws_s3_bucket.logs,my-logs"},
	{"sluice state rm aws_s3_bucket.logs", "state args=rm,aws_s3_bucket.logs"},
	{"state rm a.b c.d", "state args=rm,a.b,c.d"},
	/* the commit that is meant */
	{"apply 1a2b3c4", "apply args=1a2b3c4 sha=1a2b3c4"},
	{"plan 0123456789ABCDEF0123456789abcdef01234567", "plan args=0123456789ABCDEF0123456789abcdef01234567 sha=0123456789abcdef0123456789abcdef01234567"},
	{"apply -p db 1a2b3c4", "apply p=db args=1a2b3c4 sha=1a2b3c4"},
	{"sluice apply defaced", "apply args=defaced sha=defaced"},
	/* a commit of a fork that was read */
	{"ok-to-plan 1a2b3c4", "ok-to-plan args=1a2b3c4 sha=1a2b3c4"},
	{"ok_to_plan 1a2b3c4", "ok-to-plan args=1a2b3c4 sha=1a2b3c4"},
	{"/OK-to-plan 0123456789ABCDEF0123456789abcdef01234567",
	 "ok-to-plan args=0123456789ABCDEF0123456789abcdef01234567 sha=0123456789abcdef0123456789abcdef01234567"},
	{"sluice ok-to-plan defaced", "ok-to-plan args=defaced sha=defaced"},
	/* flags of the engine */
	{"plan -- -target=a.b", "plan flags=-target=a.b"},
	{"plan -p db -- -target=a.b -refresh=false", "plan p=db flags=-target=a.b,-refresh=false"},
	{"sluice plan 1a2b3c4 -- -parallelism=3", "plan args=1a2b3c4 flags=-parallelism=3 sha=1a2b3c4"},
	/* how an interrupted apply ended */
	{"resolve 12 --as applied", "resolve args=12 run=12 as=applied"},
	{"Resolve 12 --as=FAILED", "resolve args=12 run=12 as=failed"},
	{"sluice resolve --as replan 4", "resolve args=4 run=4 as=replan"},
	{"resolve -p db --as applied", "resolve p=db as=applied"},
	{"resolve 4 -p a -p b --as 'replan'", "resolve p=a,b args=4 run=4 as=replan"},
	/* a directory that is gone */
	{"apply -p old --destroy", "apply p=old destroy"},
	{"apply --destroy -p old -p older 1a2b3c4", "apply p=old,older args=1a2b3c4 sha=1a2b3c4 destroy"},
};

static void commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		check(good[i].body, good[i].want);
}

#define RESOLVE                                                                                                                            \
	"`resolve` is written `resolve RUN --as applied`, `--as failed` or `--as replan`; instead of the run's number, `-p NAME` names a project."

static const char *const quiet[] = {
	"",
	" ",
	"\n",
	"\nplan",
	"looks good to me",
	"plan looks good to me",
	"Plan: merge on Friday",
	"plan.",
	"plan!",
	"plan?",
	"apply now",
	"plan defaced",
	"apply abc123",
	"plan 0123456789abcdef0123456789abcdef012345678",
	"resolve conflicts",
	"resolve 12",
	"resolve 12 comments",
	"resolve 12 -",
	"apply it please",
	"help me",
	"help!",
	"cancel that",
	"version 2",
	"import looks good",
	"import done.",
	"state of the art",
	"drift happens",
	"unlock the door",
	"frobnicate",
	"aply",
	"> plan",
	">plan",
	"    plan",
	"\tplan",
	"```",
	"```\nplan\n```",
	"~~~",
	"`plan`",
	"**plan**",
	"# plan",
	"- plan",
	"* plan",
	"1. plan",
	"| plan |",
	"<!-- plan -->",
	"<b>plan</b>",
	"[plan](x)",
	"@sluice plan",
	"/",
	"//",
	"/etc/foo",
	"/etc/passwd is readable",
	"/ plan",
	"/:)",
	"/plan/b is better",
	"/lgtm @bob",
	"/assign @bob",
	"sluice is great",
	"sluice, plan",
	"Sluice looks nice, thanks",
	"atlantis was slower",
	"plan - the details",
	"plan -- the details",
	"plan --",
	"apply -- as you like",
	"ok-to-plan whenever you like",
	"ok-to-plan it 1a2b3c4",
	"plan -1",
	"plan \xe2\x80\x94 ok",
	"plan\x01",
	"plan -p a\x1b[0m",
	"plan \xff",
	"plan\xe2\x80\xae",
	"plan\xc2\xa0-p a",
	"LGTM",
	"+1",
	":+1:",
};

static void silence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
		check(quiet[i], "none");
}

static void answers_about_commits_and_flags(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{"sluice plan --", "unknown: Nothing stands behind `--`: flags of the engine are `-target=ADDRESS`, `-replace=ADDRESS`,"
				   " `-refresh=false`, `-refresh-only` and `-parallelism=1` to `10`."},
		{"plan -- -destroy", "unknown: `-destroy` is not handed to the engine. Behind `plan --` stand `-target=ADDRESS`, `-replace=ADDRESS`,"
				     " `-refresh=false`, `-refresh-only` and `-parallelism=1` to `10`: nothing that changes from which files, variables"
				     " or state a plan is made."},
		{"sluice apply -- -target=a.b",
		 "unknown: Behind `apply` no flags are handed to the engine: it applies the plan as it was made. Give them to `plan -- FLAGS`."},
		{"sluice cancel -- -target=a.b", "unknown: Arguments behind `--` are handed to the engine of `plan` only."},
		{"ok-to-plan", "unknown: `ok-to-plan` is written `ok-to-plan SHA`."},
		{"ok-to-plan abc", "unknown: `abc` is not understood behind `ok-to-plan`."},
		{"ok-to-plan 1a2b3c4 1a2b3c4", "unknown: `1a2b3c4` is not understood behind `ok-to-plan`."},
		{"ok-to-plan 0123456789abcdef0123456789abcdef012345678",
		 "unknown: `0123456789abcdef0123456789abcdef01234567...` is not understood behind `ok-to-plan`."},
		{"sluice ok-to-plan HEAD", "unknown: `HEAD` is not understood behind `ok-to-plan`."},
		{"ok-to-plan -p db", "unknown: `ok-to-plan` takes no flags."},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].body, cases[i].want);
}

static void answers(void **state)
{
	static const struct {
		const char *body, *want;
	} cases[] = {
		{"sluice aply", "unknown: `aply` is not a command. Did you mean `apply`?"},
		{"sluice APLY now", "unknown: `APLY` is not a command. Did you mean `apply`?"},
		{"/paln", "unknown: `paln` is not a command. Did you mean `plan`?"},
		{"atlantis frobnicate", "unknown: `frobnicate` is not a command."},
		{"/frobnicate -p x", "unknown: `frobnicate` is not a command."},
		{"sluice plan please", "unknown: `please` is not understood behind `plan`."},
		{"plan -p a please", "unknown: `please` is not understood behind `plan`."},
		{"plan -x", "unknown: `-x` is not a flag of `plan`. Its flags are `-p NAME`, `-d DIR` and `-w WORKSPACE`."},
		{"plan --verbose", "unknown: `--verbose` is not a flag of `plan`. Its flags are `-p NAME`, `-d DIR` and `-w WORKSPACE`."},
		{"help -x", "unknown: `-x` is not a flag of `help`. It takes none."},
		{"version -p a", "unknown: `version` takes no flags."},
		{"apply -x", "unknown: `-x` is not a flag of `apply`. Its flags are `-p NAME`, `-d DIR`, `-w WORKSPACE` and `--destroy`."},
		{"plan -p a --destroy", "unknown: `--destroy` is not a flag of `plan`. Its flags are `-p NAME`, `-d DIR` and `-w WORKSPACE`."},
		{"apply --destroy", "unknown: `--destroy` is said of projects by their names: `apply -p NAME --destroy`."},
		{"apply -d old --destroy", "unknown: `--destroy` is said of projects by their names: `apply -p NAME --destroy`."},
		{"apply -p a -w b --destroy", "unknown: `--destroy` is said of projects by their names: `apply -p NAME --destroy`."},
		{"apply -p a --destroy=yes", "unknown: `--destroy` takes no value."},
		{"apply 1a2b3c4 5a6b7c8", "unknown: `5a6b7c8` is not understood behind `apply`."},
		{"sluice apply 1a2b3c", "unknown: `1a2b3c` is not understood behind `apply`."},
		{"sluice resolve", "unknown: " RESOLVE},
		{"resolve", "unknown: " RESOLVE},
		{"resolve --as applied", "unknown: " RESOLVE},
		{"sluice resolve 12", "unknown: " RESOLVE},
		{"resolve -p db", "unknown: " RESOLVE},
		{"resolve 12 --as done", "unknown: `--as` is `applied`, `failed` or `replan`."},
		{"resolve 12 --as", "unknown: `--as` needs a value."},
		{"resolve 12 13 --as applied", "none"},
		{"sluice resolve 12 13 --as applied", "unknown: `13` is not understood behind `resolve`."},
		{"sluice resolve 0 --as applied", "unknown: `0` is not understood behind `resolve`."},
		{"sluice resolve 99999999999999999999 --as applied", "unknown: `99999999999999999999` is not understood behind `resolve`."},
		{"resolve 12 -d a --as applied", "unknown: `-d` is not a flag of `resolve`. Its flags are `-p NAME` and `--as ANSWER`."},
		{"plan -p", "unknown: `-p` needs a value."},
		{"plan -p -d a", "unknown: `-p` needs a value."},
		{"plan -p=", "unknown: `-p` needs a value of 1 to 200 characters."},
		{"plan -p \"\"", "unknown: `-p` needs a value of 1 to 200 characters."},
		{"plan -w a -w b", "unknown: `-w` was given twice; a command works on one workspace."},
		{"import", "unknown: `import` is written `import ADDRESS ID`."},
		{"import a.b", "unknown: `import` is written `import ADDRESS ID`."},
		{"import a.b c d", "unknown: `d` is not understood behind `import`."},
		{"state rm", "unknown: `state` is written `state rm ADDRESS`."},
		{"state", "unknown: `state` is written `state rm ADDRESS`."},
		{"sluice state mv a b", "unknown: `state` is written `state rm ADDRESS`."},
		{"plan --back`tick`",
		 "unknown: `--back'tick'` is not a flag of `plan`. Its flags are `-p NAME`, `-d DIR` and `-w WORKSPACE`."},
		{"sluice abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
		 "unknown: `abcdefghijklmnopqrstuvwxyzabcdefghijklmn...` is not a command."},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].body, cases[i].want);
}

/* A value of exactly the limit is taken, one more is not; a line that is longer than is looked at is silence. */
static void lengths(void **state)
{
	(void)state;
	for (int n = 199; n <= 201; n++) {
		CLEANUP_FREE char *body = xasprintf("plan -p %0*d", n, 0);
		CLEANUP_FREE char *want = n <= 200 ? xasprintf("plan p=%0*d", n, 0)
						   : xstrdup("unknown: `-p` needs a value of 1 to 200 characters.");
		check(body, want);
	}
	CLEANUP_FREE char *dir = xasprintf("plan -d %01025d", 0);
	check(dir, "unknown: `-d` needs a value of 1 to 1024 characters.");
	CLEANUP_FREE char *fits = xasprintf("plan%4092s", "");
	check(fits, "plan");
	CLEANUP_FREE char *longer = xasprintf("plan%4093s", "");
	check(longer, "none");
}

static void bytes_behind_the_length_do_not_count(void **state)
{
	(void)state;
	CLEANUP_FREE char *cut = told("plan -p abc", 4);
	assert_string_equal(cut, "plan");
	CLEANUP_FREE char *nul = told("plan\0", 5);
	assert_string_equal(nul, "none");
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(command_verb_name(COMMAND_NONE), "none");
	assert_string_equal(command_verb_name(COMMAND_UNKNOWN), "unknown");
	assert_string_equal(command_verb_name(COMMAND_DRIFT), "drift");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		cmocka_unit_test(silence),
		cmocka_unit_test(answers), cmocka_unit_test(answers_about_commits_and_flags),
		cmocka_unit_test(lengths),
		cmocka_unit_test(bytes_behind_the_length_do_not_count),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
