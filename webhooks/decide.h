/* Step 4 begins here: what does a stored delivery ask for? Reads undecided deliveries in the order of arrival, decodes each, and in one
 * transaction writes down what became of it together with the run it created. Payloads are hints: runs read GitHub again.
 *
 *   pull_request opened reopened synchronize ready_for_review edited(base)  -> a plan run (joins one that is still queued)
 *   pull_request closed                                                     -> plans end; merged: an apply run for projects that apply on merge
 *   issue_comment created on a pull request, by a person                    -> a command: role looked up, then a run, an answer, or silence
 *   issue_comment edited, deleted                                           -> audited; never a command
 *   push to a branch                                                        -> the mirror is brought up to date; who pushed is kept
 *   reviews, conversations, labels, checks of others                        -> what the gate looks at is read again
 *   check_run, check_suite rerequested, requested_action, of our App        -> a command of whoever pressed it, for that commit
 *   merge_group checks_requested                                            -> the gate check on the group's commit
 *   installation*, repository renamed, transferred                          -> plans of what was taken away stop; the new name
 *
 * In the daemon, on the loop; yields to intake while requests are in flight. */
#ifndef WEBHOOKS_DECIDE_H
#define WEBHOOKS_DECIDE_H

#include "base/http_server.h"
#include "plan/runs.h"

struct decide;

struct decide_options {
	struct loop *loop;
	struct db *db;
	struct gh *gh;
	struct outbox *outbox;
	struct runs *runs;
	const struct server_config *config;
	const char *server_file, *program, *version;
	size_t (*intake_inflight)(void *arg); /* requests without an answer now */
	void *arg;
};

struct decide *decide_new(const struct decide_options *o);
void decide_wake(struct decide *d); /* new deliveries are on disk */
void decide_close(struct decide *d);

#endif
