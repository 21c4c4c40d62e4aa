/* The answer to `help`, and to words that look like a command and are none. */
#include "plan/render_internal.h"

static const struct {
	const char *comment, *what;
} commands[] = {
	{"plan", "plan the projects that this pull request touches, or the ones named"},
	{"plan -- -target=ADDRESS", "plan less of a project: also `-replace=ADDRESS`, `-refresh=false`, `-refresh-only` and `-parallelism=4`"},
	{"ok-to-plan SHA", "plan a commit of a fork, after reading its changes; for people who may apply"},
	{"apply", "check what is needed, merge, and apply the reviewed plans from the merge commit"},
	{"cancel", "stop plans that run or wait; an apply that runs is interrupted, ends the step it is in and says how far it came"},
	{"unlock", "take back an apply of this pull request that waits for its turn, and tell what it holds"},
	{"resolve RUN --as applied", "say how an interrupted apply ended, after looking: `applied`, `failed`, or `replan` to plan what is left to do; "
				     "for admins"},
	{"apply -p NAME --destroy", "apply the plan that destroys everything of a project whose directory is gone; for admins"},
	{"version", "tell the version of sluice"},
	{"help", "this page"},
};

void render_help(const char *error, const char *bot_name, struct buf *out)
{
	buf_adds(out, error != NULL ? "### sluice · that was not a command\n\n" : "### sluice · help\n\n");
	if (error != NULL) {
		render_sentence(out, error);
		buf_adds(out, "\n\n");
	}
	if (bot_name != NULL) {
		render_code(out, bot_name);
		buf_adds(out, " answers to these comments. ");
	}
	buf_adds(out, "The command is the whole first line of a comment; `sluice plan` and `/plan` are the same as `plan`.\n\n"
		      "| comment | what it does |\n|:--|:--|\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		buf_printf(out, "| `%s` | %s |\n", commands[i].comment, commands[i].what);
	buf_adds(out, "\n`-p NAME` (repeatable), `-d DIR` and `-w WORKSPACE` narrow `plan` and `apply` to some projects: `plan -p network`. "
		      "With a commit, `apply 1a2b3c4`, nothing but that commit is meant.\n"
		      "In tables `+` is to add, `~` to change, `±` to replace, `−` to destroy.\n");
}
