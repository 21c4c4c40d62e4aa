#include "tests/fuzz/fuzz.h"

#include "base/mem.h"
#include "github/event.h"
#include "github/gh_priv.h"

/* The first byte picks the event or an API decoder, the rest is its body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const EVENTS[] = {"pull_request", "issue_comment", "push", "ping", "unknown"};
	if (size == 0)
		return 0;
	unsigned which = data[0] % 8u;
	CLEANUP_FREE char *body = xstrndup((const char *)data + 1, size - 1);
	size_t len = size - 1;
	struct err err = {0};
	if (which < ARRAY_LEN(EVENTS)) {
		struct gh_event e = {0};
		int rc = gh_event_decode(EVENTS[which], body, len, &e, &err);
		ASSERT((rc == 0) == (err.code == 0));
		ASSERT(rc != 0 || e.kind != GH_EVENT_PULL || (e.pull > 0 && e.head_sha != NULL && e.repo != NULL && e.base_ref != NULL));
		ASSERT(rc != 0 || e.kind != GH_EVENT_COMMENT || (e.pull > 0 && e.comment_id > 0 && e.comment_body != NULL && e.sender.login != NULL));
		ASSERT(rc != 0 || e.kind != GH_EVENT_PUSH || (e.ref != NULL && e.before != NULL && e.after != NULL));
		gh_event_free(&e);
		return 0;
	}
	struct gh_pull pull = {0};
	struct gh_reviews reviews = {0};
	struct buf url = {0};
	if (which == 5 && gh_decode_pull(body, len, &pull, &err) == 0)
		ASSERT(pull.number > 0 && pull.head_sha != NULL && pull.author.login != NULL);
	if (which == 6 && gh_decode_reviews(body, len, &reviews, &err) == 0)
		ASSERT(reviews.n == 0 || reviews.v[reviews.n - 1].state != NULL);
	if (which == 7 && gh_link_next(body, &url)) {
		char *origin = gh_origin(buf_str(&url));
		ASSERT(origin == NULL || strlen(origin) <= url.len);
		free(origin);
	}
	buf_free(&url);
	gh_pull_free(&pull);
	gh_reviews_free(&reviews);
	return 0;
}
