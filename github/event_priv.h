/* Between event.c (pull requests, comments, pushes) and event_other.c (everything else that GitHub tells). Each fills e and its kind; the
 * action is set. What they do not name stays IGNORED. */
#ifndef GITHUB_EVENT_PRIV_H
#define GITHUB_EVENT_PRIV_H

#include "github/event.h"
#include "github/gh_priv.h"

#define EVENT_ID_MAX ((INT64_C(1) << 53) - 1)

int gh_event_repository(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;

int gh_event_pull_facts(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_review(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_check_run(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_check_suite(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_status(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_merge_group(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_installation(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_installation_repositories(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;
int gh_event_renamed(const struct json *root, struct gh_event *e, struct err *err) MUST_CHECK;

#endif
