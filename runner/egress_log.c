#include "base/fs.h"
#include "base/json.h"
#include "runner/egress_priv.h"

#include <stdio.h>
#include <unistd.h>

static const struct {
	const char *word;
	bool refused; /* by a rule of ours, not by the world */
} verdicts[VERDICTS] = {
	[VERDICT_OK] = {"ok", false},
	[VERDICT_NOT_LISTED] = {"not-listed", true},
	[VERDICT_BAD_REQUEST] = {"bad-request", true},
	[VERDICT_SLOW] = {"slow", true},
	[VERDICT_NO_ADDRESS] = {"no-address", false},
	[VERDICT_NOT_PUBLIC] = {"not-public", true},
	[VERDICT_OUTSIDE_PIN] = {"outside-pin", true},
	[VERDICT_OWN_LISTENER] = {"own-listener", true},
	[VERDICT_METADATA] = {"metadata", true},
	[VERDICT_UNREACHABLE] = {"unreachable", false},
	[VERDICT_NOT_TLS] = {"not-tls", true},
	[VERDICT_NO_SERVER_NAME] = {"no-server-name", true},
	[VERDICT_OTHER_SERVER_NAME] = {"other-server-name", true},
	[VERDICT_HIDDEN_SERVER_NAME] = {"hidden-server-name", true},
	[VERDICT_TOO_MANY] = {"too-many", true},
	[VERDICT_BYTE_CEILING] = {"byte-ceiling", true},
	[VERDICT_IDLE] = {"idle", false},
	[VERDICT_LEFT] = {"left", false},
	[VERDICT_JOB_ENDED] = {"job-ended", false},
};

const char *egress_verdict_word(enum egress_verdict v) { return verdicts[v].word; }

/* The list that people get to see: each sentence once, as many as fit. */
static void add_refusal(struct egress_totals *t, const char *said)
{
	size_t len = strlen(said), used = strlen(t->refusals);
	for (const char *line = t->refusals; *line != '\0'; line += strcspn(line, "\n") + 1)
		if (strncmp(line, said, len) == 0 && line[len] == '\n')
			return;
	if (used + len + 2 <= REFUSALS_SIZE)
		(void)snprintf(t->refusals + used, REFUSALS_SIZE - used, "%s\n", said); /* fits */
}

static void write_line(struct egress_log *log, const struct egress_entry *e)
{
	CLEANUP_BUF struct buf line = {0};
	char address[ADDRESS_TEXT_SIZE];
	struct json_writer w = json_writer(&line);
	jw_open(&w, NULL);
	jw_int(&w, "time_ms", e->began_wall_ms);
	jw_str(&w, "host", e->host);
	jw_int(&w, "port", e->port);
	jw_str(&w, "address", e->to != NULL ? address_text(e->to, address) : NULL);
	jw_str(&w, "verdict", egress_verdict_word(e->verdict));
	jw_int(&w, "bytes_out", e->bytes_out);
	jw_int(&w, "bytes_in", e->bytes_in);
	jw_int(&w, "ms", e->took_ms);
	if (e->said != NULL)
		jw_str(&w, "said", e->said);
	jw_close(&w);
	buf_addc(&line, '\n');
	if (line.len > log->left) {
		log->left = 0; /* no shorter line behind it either: the log ends in one place */
		log->totals->unlogged++;
		return;
	}
	log->left -= line.len;
	if (fs_write_all(log->fd, line.data, line.len, NULL) != 0)
		log->totals->unlogged++; /* a full disk ends no job */
}

void egress_log_add(struct egress_log *log, const struct egress_entry *e)
{
	struct egress_totals *t = log->totals;
	write_line(log, e); /* first: what is counted is in the log, also when this process is killed here */
	t->connections++;
	t->bytes_out += e->bytes_out;
	t->bytes_in += e->bytes_in;
	if (verdicts[e->verdict].refused) {
		t->refused++;
		if (e->said != NULL)
			add_refusal(t, e->said);
	}
}
