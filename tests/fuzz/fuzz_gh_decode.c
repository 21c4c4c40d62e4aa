#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "github/auth_grant.h"
#include "github/gh_priv.h"

static void rules(const char *body, size_t len, bool classic)
{
	struct gh_rules r = {0};
	struct err err = {0};
	gh_rules_init(&r, classic);
	int rc = classic ? gh_decode_classic(body, len, &r, &err) : gh_decode_rules(body, len, &r, &err);
	ASSERT((rc == 0) == (err.code == 0));
	ASSERT(r.approvals >= 0 && r.checks_n <= LIMIT_GITHUB_REQUIRED && (r.methods & ~(unsigned)GH_ANY_METHOD) == 0);
	ASSERT(rc != 0 || !classic || r.found);
	gh_rules_free(&r);
}

static void lists(const char *body, size_t len, unsigned which)
{
	struct gh_commits commits = {0};
	struct gh_deliveries deliveries = {0};
	struct gh_open_pulls pulls = {0};
	struct gh_deployments deployments = {0};
	struct err err = {0};
	int rc = which == 0   ? gh_decode_commits(body, len, &commits, &err)
		 : which == 1 ? gh_decode_deliveries(body, len, &deliveries, &err)
		 : which == 2 ? gh_decode_open_pulls(body, len, &pulls, &err)
			      : gh_decode_deployments(body, len, &deployments, &err);
	ASSERT((rc == 0) == (err.code == 0));
	for (size_t i = 0; rc == 0 && i < commits.n; i++)
		ASSERT(commits.v[i].sha != NULL && commits.v[i].author.login != NULL && commits.v[i].committer.login != NULL);
	for (size_t i = 0; rc == 0 && i < deliveries.n; i++)
		ASSERT(deliveries.v[i].id > 0 && deliveries.v[i].guid != NULL && deliveries.v[i].action != NULL && deliveries.v[i].delivered_ms > 0);
	for (size_t i = 0; rc == 0 && i < pulls.n; i++)
		ASSERT(pulls.v[i].number > 0 && pulls.v[i].head_sha != NULL && pulls.v[i].base_ref != NULL);
	ASSERT(deployments.n <= LIMIT_GITHUB_ENVIRONMENTS);
	gh_commits_free(&commits);
	gh_deliveries_free(&deliveries);
	gh_open_pulls_free(&pulls);
	gh_deployments_free(&deployments);
}

static void threads(const char *body, size_t len)
{
	struct gh_threads t = {0};
	char *cursor = NULL;
	bool limited = false;
	struct err err = {0};
	int rc = gh_decode_threads(body, len, &t, &cursor, &limited, &err);
	ASSERT((rc == 0) == (err.code == 0) && limited == (rc == ERR_UNAVAILABLE));
	ASSERT(t.unresolved <= t.total && (rc != 0 || t.head_sha != NULL) && (!t.queued || t.queue_state != NULL));
	free(cursor);
	gh_threads_free(&t);
}

static void small(const char *body, size_t len)
{
	struct gh_reviews reviews = {0};
	struct gh_delivery delivery = {0};
	char *token = NULL;
	int64_t left = 0, id = 0, ms = 0;
	unsigned lacks = 0;
	bool suspended = false;
	struct err err = {0};
	if (gh_decode_reviews(body, len, &reviews, &err) == 0)
		ASSERT(reviews.n == 0 || reviews.v[0].association != NULL);
	if (gh_decode_delivery(body, len, &delivery, &err) == 0)
		ASSERT(delivery.payload != NULL && strlen(delivery.payload) == delivery.payload_len && delivery.payload[0] == '{');
	if (gh_decode_token(body, len, 0, &token, &left, &err) == 0)
		ASSERT(strpbrk(token, " \r\n\t") == NULL && token[0] != '\0');
	if (gh_decode_installation(body, len, &id, &lacks, &suspended, &err) == 0)
		ASSERT(id > 0);
	ASSERT(!gh_time(body, &ms) || ms >= 0);
	free(token);
	gh_delivery_free(&delivery);
	gh_reviews_free(&reviews);
}

/* The first byte picks the decoder, the rest is the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	unsigned which = data[0] % 8u;
	CLEANUP_FREE char *body = xstrndup((const char *)data + 1, size - 1);
	if (which < 2)
		rules(body, size - 1, which == 1);
	else if (which < 6)
		lists(body, size - 1, which - 2);
	else if (which == 6)
		threads(body, size - 1);
	else
		small(body, size - 1);
	return 0;
}
