/* What an App learns of its webhooks: GET /app/hook/deliveries, newest first with a cursor, one delivery with what was sent, and once more. A
 * delivery that a rule dropped stands here as one that found nobody, which is how GitHub's own losses look. */
#include "base/text.h"
#include "cmd/sim/sim_gate.h"

enum { UNREACHED = 502, TIMED_OUT = 504 };

static const char cursor_prefix[] = "v1_";

static bool is_success(const struct sim_delivery *d) { return !d->dropped && d->status >= 200 && d->status < 300; }

static int64_t code_of(const struct sim_delivery *d)
{
	if (d->dropped)
		return UNREACHED;
	return d->status != 0 ? d->status : d->problem != NULL && strstr(d->problem, "time") != NULL ? TIMED_OUT : UNREACHED;
}

static void say_status(struct json_writer *w, const struct sim_delivery *d)
{
	if (is_success(d))
		jw_str(w, "status", "OK");
	else if (!d->dropped && d->status != 0)
		sim_shape_urlf(w, "status", "Invalid HTTP Response: %d", d->status);
	else
		jw_str(w, "status", code_of(d) == TIMED_OUT ? "timed out" : "failed to connect to host");
	jw_int(w, "status_code", code_of(d));
}

/* The installation that the payload names; null in those that name none. */
static void say_installation(struct json_writer *w, const struct sim_delivery *d)
{
	CLEANUP_JSON struct json_doc *doc = NULL;
	struct json root, installation;
	struct err err = {0};
	int64_t id = 0;
	if (json_parse(d->body, strlen(d->body), NULL, &doc, &root, &err) == 0 && json_obj_opt(&root, "installation", &installation, &err) == 0 &&
	    json_ok(&installation) && json_int(&installation, "id", 1, INT64_MAX, &id, &err) == 0)
		jw_int(w, "installation_id", id);
	else
		jw_null(w, "installation_id");
}

static void members(struct json_writer *w, const struct sim_delivery *d)
{
	char seconds[32];
	(void)snprintf(seconds, sizeof(seconds), "%lld.%03lld", (long long)(d->took_ms / 1000), (long long)(d->took_ms % 1000));
	jw_int(w, "id", d->id);
	jw_str(w, "guid", d->guid);
	sim_shape_time(w, "delivered_at", d->at_ms);
	jw_bool(w, "redelivery", d->redelivery);
	jw_raw(w, "duration", seconds);
	say_status(w, d);
	jw_str(w, "event", d->event);
	jw_str(w, "action", d->action);
	say_installation(w, d);
	if (d->repo_id != 0)
		jw_int(w, "repository_id", d->repo_id);
	else
		jw_null(w, "repository_id");
	jw_null(w, "throttled_at");
}

/* ---- the list ---- */

/* "success" and "failure" choose; anything else is everything. */
static bool is_wanted(const struct sim_delivery *d, const char *status)
{
	if (!d->done) /* GitHub lists what was tried */
		return false;
	if (status != NULL && strcmp(status, "success") == 0)
		return is_success(d);
	return status == NULL || strcmp(status, "failure") != 0 || !is_success(d);
}

static bool number_of(const char *text, int64_t max, int64_t dflt, int64_t *ret)
{
	*ret = dflt;
	return text == NULL || text_int(text, 1, max, ret, NULL) == 0;
}

static void link_next(struct sim_req *q, int64_t per_page, const char *status, int64_t last)
{
	q->link = xasprintf("<%s%s?per_page=%lld%s%s&cursor=%s%lld>; rel=\"next\"", q->s->url, q->path, (long long)per_page,
			    status != NULL ? "&status=" : "", status != NULL ? status : "", cursor_prefix, (long long)last);
}

/* The cursor is the id of the last one of the page before. */
void sim_get_deliveries(struct sim_req *q)
{
	const char *cursor = http_query(q->x, "cursor"), *status = http_query(q->x, "status");
	int64_t per_page, before, n = 0, last = 0;
	if (status != NULL && strcmp(status, "success") != 0 && strcmp(status, "failure") != 0)
		status = NULL;
	bool good = cursor == NULL || text_starts(cursor, cursor_prefix);
	if (!number_of(http_query(q->x, "per_page"), INT32_MAX, 30, &per_page) || !good ||
	    !number_of(cursor != NULL ? cursor + strlen(cursor_prefix) : NULL, INT64_MAX, INT64_MAX, &before)) {
		sim_fail(q, 400, "Invalid cursor or per_page");
		return;
	}
	if (per_page > SIM_PER_PAGE_MAX)
		per_page = SIM_PER_PAGE_MAX;
	struct buf b = {.max = SIM_BODY_MAX};
	struct json_writer w = json_writer(&b);
	jw_open_arr(&w, NULL);
	for (size_t i = q->s->log_n; i-- > 0;) {
		const struct sim_delivery *d = q->s->log[i];
		if (d->id >= before || !is_wanted(d, status))
			continue;
		if (n == per_page) {
			link_next(q, per_page, status, last);
			break;
		}
		jw_open(&w, NULL);
		members(&w, d);
		jw_close(&w);
		last = d->id;
		n++;
	}
	jw_close_arr(&w);
	sim_answer_buf(q, 200, &b);
}

/* ---- one ---- */

/* NULL when the 404 was sent. */
static struct sim_delivery *find(struct sim_req *q, size_t *ret_index)
{
	for (size_t i = 0; i < q->s->log_n; i++)
		if (q->s->log[i]->id == q->number && q->s->log[i]->done) {
			*ret_index = i;
			return q->s->log[i];
		}
	sim_fail(q, 404, "Not Found");
	return NULL;
}

static void request(struct json_writer *w, const struct sim_delivery *d)
{
	jw_open(w, "request");
	jw_open(w, "headers");
	jw_str(w, "Accept", "*/*");
	jw_str(w, "Content-Type", "application/json");
	jw_str(w, "User-Agent", SIM_AGENT);
	jw_str(w, "X-GitHub-Delivery", d->guid);
	jw_str(w, "X-GitHub-Event", d->event);
	jw_close(w);
	jw_raw(w, "payload", d->body);
	jw_close(w);
}

void sim_get_delivery(struct sim_req *q)
{
	size_t index;
	const struct sim_delivery *d = find(q, &index);
	if (d == NULL)
		return;
	struct buf b = {.max = SIM_BODY_MAX};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	members(&w, d);
	sim_shape_urlf(&w, "url", "%s", q->s->webhook_url != NULL ? q->s->webhook_url : "");
	request(&w, d);
	jw_open(&w, "response");
	jw_raw(&w, "headers", "{}");
	jw_null(&w, "payload");
	jw_close(&w);
	jw_close(&w);
	sim_answer_buf(q, 200, &b);
}

/* Under the same GUID, as a delivery of its own. */
void sim_post_attempt(struct sim_req *q)
{
	size_t index;
	if (find(q, &index) == NULL)
		return;
	(void)sim_redeliver(q->s, index); /* it was found just now */
	sim_answer(q, 202, "{}");
}
