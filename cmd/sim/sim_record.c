/* Requests, answers and webhooks as JSON lines, for tests/openapi to hold against what GitHub publishes. No header is written, so no
 * token; those that are minted are replaced. */
#include "base/fs.h"
#include "base/log.h"
#include "cmd/sim/sim_priv.h"

#include <fcntl.h>
#include <unistd.h>

/* Without a path of its own, every simulated GitHub of a test run writes a file into the directory that the environment names. */
int sim_record_open(struct sim *s, const char *path, struct err *err)
{
	static unsigned n;
	const char *dir = getenv("SLUICE_SIM_RECORD");
	CLEANUP_FREE char *numbered = xasprintf("%s/%d-%u.jsonl", dir != NULL ? dir : "", (int)getpid(), n++);
	if (path == NULL && dir == NULL)
		return 0;
	const char *name = path != NULL ? path : numbered;
	s->record_fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return s->record_fd >= 0 ? 0 : err_sys(err, "record requests in %s", name);
}

static void write_line(struct sim *s, struct buf *line)
{
	struct err err = {0};
	buf_addc(line, '\n');
	if (!buf_failed(line) && fs_write_all(s->record_fd, line->data, line->len, &err) != 0) {
		log_warn("sim.record", "error=%s", log_value(err.msg));
		(void)close(s->record_fd); /* a record with holes would be worse than none */
		s->record_fd = -1;
	}
}

/* "token":"ghs_..." of an answer becomes "token":"recorded". */
static void add_answer(struct json_writer *w, const char *answer, size_t len)
{
	static const char before[] = "\"token\":\"";
	struct buf b CLEANUP_BUF = {.max = SIM_BODY_MAX};
	const char *at = strstr(answer, before), *end = at != NULL ? strchr(at + strlen(before), '"') : NULL;
	if (end != NULL) {
		buf_add(&b, answer, (size_t)(at - answer) + strlen(before));
		buf_printf(&b, "recorded%s", end);
		jw_str(w, "answer", buf_str(&b));
	} else {
		jw_strn(w, "answer", answer, len);
	}
}

void sim_record_rest(struct sim *s, const struct sim_req *q, int status, const char *answer, size_t len)
{
	if (s->record_fd < 0 || q->path[1] == '_')
		return;
	size_t body_len;
	const char *body = http_body(q->x, &body_len);
	struct buf b CLEANUP_BUF = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "kind", "rest");
	jw_str(&w, "class", q->class_name);
	jw_str(&w, "method", q->method);
	jw_str(&w, "path", q->path);
	jw_str(&w, "user", q->viewer != NULL ? q->viewer->login : NULL);
	jw_strn(&w, "body", body, body_len);
	jw_bool(&w, "fault", q->fault != NULL);
	jw_int(&w, "status", status);
	add_answer(&w, answer, len);
	jw_close(&w);
	write_line(s, &b);
}

void sim_record_hook(struct sim *s, const struct sim_delivery *d)
{
	if (s->record_fd < 0)
		return;
	struct buf b CLEANUP_BUF = {0};
	struct json_writer w = json_writer(&b);
	jw_open(&w, NULL);
	jw_str(&w, "kind", "webhook");
	jw_str(&w, "event", d->event);
	jw_str(&w, "guid", d->guid);
	jw_raw(&w, "payload", d->body);
	jw_close(&w);
	write_line(s, &b);
}
