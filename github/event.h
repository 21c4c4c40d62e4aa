/* What a webhook delivery says, as a struct. Pure: bytes to struct, no I/O. Step 4; runs in the daemon on bytes whose signature was checked.
 *
 * Strict on the members that are used, tolerant of the rest and of what GitHub nulls (deleted forks, ghosts). The payload is a hint: who
 * decides reads the pull request again. Unknown events and actions are IGNORED, never an error: GitHub adds some every month. */
#ifndef GITHUB_EVENT_H
#define GITHUB_EVENT_H

#include "github/gh.h"

enum gh_event_kind {
	GH_EVENT_IGNORED,
	GH_EVENT_PING,
	GH_EVENT_PULL,    /* opened reopened synchronize ready_for_review closed, and edited with a new base */
	GH_EVENT_COMMENT, /* created, on an issue or a pull request */
	GH_EVENT_COMMENT_CHANGED, /* edited, deleted: never a command */
	GH_EVENT_PUSH,
	GH_EVENT_FACTS,     /* something that the gate looks at changed: of `pull`, or, when that is 0, of the commit head_sha */
	GH_EVENT_RERUN,     /* a person pressed "Re-run" or a button of a check run or suite: head_sha, app_id, button */
	GH_EVENT_GROUP,     /* merge_group checks_requested: head_sha, base_sha, pull */
	GH_EVENT_ACCESS,    /* an installation, or some of its repositories, came or went: account, repos, lost */
	GH_EVENT_REPO,      /* renamed, transferred: repo is the new name */
};

struct gh_event_repo {
	int64_t id;
	char *name;
};

struct gh_event {
	enum gh_event_kind kind;
	char *action;           /* "" when there is none */
	int64_t repo_id;        /* 0 when the event has no repository */
	char *repo;             /* its full name; NULL likewise */
	char *default_branch;   /* NULL when not said */
	struct gh_user sender;  /* id 0, "ghost" when null */

	/* pull request; number also for comments */
	int64_t pull;
	char *head_sha, *base_ref;
	char *merge_sha;        /* NULL while null */
	bool draft, merged;
	bool fork;              /* head repository differs or is gone */
	bool base_changed;      /* edited: now against another base */

	/* push, and before/after of synchronize; forty zeros where nothing was or is */
	char *before, *after;
	char *ref;              /* "refs/heads/main" */
	bool forced, deleted;

	/* comment */
	int64_t comment_id;
	char *comment_body;     /* "" when null */
	int64_t comment_created_ms; /* 0 when null */
	bool is_pull_comment;   /* on a pull request, not on an issue */
	bool app_comment;       /* written through a GitHub App, maybe us */

	int64_t pushed_ms;      /* when the head was pushed, as GitHub says; 0: not told */
	int64_t app_id;         /* of a check run or suite, of a ping's hook; 0: not told */
	char *button;           /* rerun: "plan", "apply", "cancel"; "plan" of a re-run */
	char *base_sha;         /* merge group: what it stands on */
	char *context;          /* facts of a commit: the name of the status or check run */
	char *account;          /* access: whose installation; NULL: only `repos` */
	struct gh_event_repo *repos; /* access: these repositories came or went */
	size_t repos_n;
	bool lost;              /* access: went */
};

/* ERR_PARSE or ERR_LIMIT with the path of what is wrong; ret is untouched then. */
int gh_event_decode(const char *event, const char *body, size_t len, struct gh_event *ret, struct err *err) MUST_CHECK;
void gh_event_free(struct gh_event *e);

#endif
